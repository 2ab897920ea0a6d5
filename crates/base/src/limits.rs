//! Every bound has a name and a unit here, unless a project sets it.

/// Rows in one Arrow batch that travels between crates.
pub const BATCH_ROWS: usize = 8_192;
/// Bytes of decoded rows that a loader holds before it writes a data file.
pub const LOAD_BUFFER_BYTES: usize = 128 * 1024 * 1024;
/// Bytes of one line of a text file; a longer one is rejected and counted.
pub const TEXT_LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Columns of one table.
pub const TABLE_COLUMNS_MAX: usize = 10_000;
/// Bytes that one query may hold before it spills to disk.
pub const QUERY_MEMORY_BYTES: usize = 4 * 1024 * 1024 * 1024;
/// Seconds a lease lasts without renewal.
pub const LEASE_SECONDS: i64 = 30;
/// Milliseconds a ledger transaction waits for another writer.
pub const LEDGER_BUSY_MS: u64 = 60_000;
/// Tries of one commit against other writers before the conflict is reported.
pub const COMMIT_TRIES_MAX: u32 = 100;
/// Uncompressed bytes at which a data file is closed.
pub const DATA_FILE_BYTES_TARGET: usize = 256 * 1024 * 1024;
/// Share of deleted rows, in percent, beyond which a data file is rewritten (decision 15).
pub const REWRITE_DELETED_PERCENT: u64 = 5;
