//! The layout of the ledger, as numbered migrations. The first two tables are those of Iceberg's
//! JDBC catalog, letter by letter, so that other clients open the same file; a migration never
//! changes them.

mod activation;

/// One step from a layout to the next.
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// Where the applied migrations are kept.
pub(crate) const MIGRATIONS_TABLE: &str = "
CREATE TABLE IF NOT EXISTS ledger_migrations (
    version INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at TEXT NOT NULL
) STRICT";

/// Every migration, oldest first. One that was released is never edited.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "pointers, runs, accounts and leases", sql: FIRST },
    Migration { version: 2, name: "users, tokens, sessions and firings", sql: DOORS },
    Migration { version: 3, name: "incidents and alerts", sql: crate::incidents::INCIDENTS },
    Migration { version: 4, name: "syncs and online features", sql: activation::ACTIVATION },
    Migration { version: 5, name: "query log", sql: QUERY_LOG },
    Migration { version: 6, name: "changes of pointers in order", sql: CHANGES },
    Migration { version: 7, name: "meanings and intervals", sql: crate::meanings::MEANINGS },
    Migration {
        version: 8,
        name: "pointer generations",
        sql: crate::pointer_generations::POINTER_GENERATIONS,
    },
];

/// The newest layout this program knows.
pub(crate) fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

const FIRST: &str = "
CREATE TABLE IF NOT EXISTS iceberg_tables (
    catalog_name VARCHAR(255) NOT NULL,
    table_namespace VARCHAR(255) NOT NULL,
    table_name VARCHAR(255) NOT NULL,
    metadata_location VARCHAR(1000),
    previous_metadata_location VARCHAR(1000),
    iceberg_type VARCHAR(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
);
CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
    catalog_name VARCHAR(255) NOT NULL,
    namespace VARCHAR(255) NOT NULL,
    property_key VARCHAR(255) NOT NULL,
    property_value VARCHAR(1000) NOT NULL,
    PRIMARY KEY (catalog_name, namespace, property_key)
);

-- Every ledger transaction that published something, in the order in which they happened.
CREATE TABLE commits (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_id TEXT NOT NULL UNIQUE,
    environment TEXT NOT NULL,
    run TEXT,
    node TEXT,
    attempt INTEGER,
    business_time TEXT NOT NULL,
    machine_time TEXT NOT NULL
) STRICT;

-- What each commit did to a pointer; going back is a swing too.
CREATE TABLE swings (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    previous_metadata_location TEXT,
    metadata_location TEXT
) STRICT;
CREATE INDEX swings_by_table ON swings (environment, namespace, name);
CREATE INDEX swings_by_commit ON swings (commit_id);

CREATE TABLE positions (
    environment TEXT NOT NULL,
    source TEXT NOT NULL,
    stream TEXT NOT NULL,
    position TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    business_time TEXT NOT NULL,
    machine_time TEXT NOT NULL,
    PRIMARY KEY (environment, source, stream)
) STRICT;

CREATE TABLE runs (
    run TEXT NOT NULL PRIMARY KEY,
    environment TEXT NOT NULL,
    command TEXT NOT NULL,
    arguments TEXT NOT NULL,
    selection TEXT NOT NULL,
    status TEXT NOT NULL,
    machine TEXT NOT NULL,
    process INTEGER NOT NULL,
    process_started TEXT NOT NULL,
    business_started TEXT NOT NULL,
    business_finished TEXT,
    machine_started TEXT NOT NULL,
    machine_finished TEXT
) STRICT;
CREATE INDEX runs_by_time ON runs (machine_started);
CREATE INDEX runs_by_environment ON runs (environment, machine_started);
CREATE INDEX runs_by_status ON runs (status);

CREATE TABLE steps (
    run TEXT NOT NULL,
    node TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    environment TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    message TEXT,
    error_kind TEXT,
    rows INTEGER,
    business_started TEXT,
    business_finished TEXT,
    machine_started TEXT,
    machine_finished TEXT,
    PRIMARY KEY (run, node)
) STRICT;

CREATE TABLE attempts (
    run TEXT NOT NULL,
    node TEXT NOT NULL,
    number INTEGER NOT NULL,
    environment TEXT NOT NULL,
    status TEXT NOT NULL,
    machine TEXT NOT NULL,
    process INTEGER NOT NULL,
    process_started TEXT NOT NULL,
    message TEXT,
    error_kind TEXT,
    rows INTEGER,
    business_started TEXT NOT NULL,
    business_finished TEXT,
    machine_started TEXT NOT NULL,
    machine_finished TEXT,
    PRIMARY KEY (run, node, number)
) STRICT;

-- What became of every row: the equation of the load, of the table, or both.
CREATE TABLE row_accounts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    run TEXT,
    node TEXT,
    attempt INTEGER,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    snapshot_id INTEGER,
    metadata_location TEXT,
    rows_before INTEGER,
    rows_inserted INTEGER,
    rows_deleted INTEGER,
    rows_removed INTEGER,
    rows_after INTEGER,
    changes_read INTEGER,
    changes_inserted INTEGER,
    changes_updated INTEGER,
    changes_deleted INTEGER,
    changes_unchanged INTEGER,
    changes_deduplicated INTEGER,
    changes_late INTEGER,
    changes_rejected INTEGER,
    inputs TEXT NOT NULL,
    business_time TEXT NOT NULL,
    machine_time TEXT NOT NULL
) STRICT;
CREATE INDEX row_accounts_by_table ON row_accounts (environment, namespace, name);
CREATE INDEX row_accounts_by_run ON row_accounts (run);

CREATE TABLE table_versions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    snapshot_id INTEGER,
    metadata_location TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    account INTEGER NOT NULL REFERENCES row_accounts (sequence),
    rows_after INTEGER NOT NULL,
    code_fingerprint TEXT,
    tested TEXT NOT NULL,
    written_elsewhere INTEGER NOT NULL,
    business_time TEXT NOT NULL,
    UNIQUE (environment, namespace, name, metadata_location)
) STRICT;
CREATE INDEX table_versions_by_location ON table_versions (metadata_location);
CREATE INDEX table_versions_by_snapshot ON table_versions (namespace, name, snapshot_id);

-- One row per node for ever: the token only grows, whoever holds an older one has lost it.
CREATE TABLE leases (
    environment TEXT NOT NULL,
    node TEXT NOT NULL,
    token INTEGER NOT NULL,
    run TEXT,
    machine TEXT NOT NULL,
    process INTEGER NOT NULL,
    process_started TEXT NOT NULL,
    claimed_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    released_at TEXT,
    PRIMARY KEY (environment, node)
) STRICT;

CREATE TABLE test_results (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    run TEXT,
    node TEXT NOT NULL,
    namespace TEXT,
    name TEXT,
    metadata_location TEXT,
    status TEXT NOT NULL,
    failures INTEGER,
    message TEXT,
    sample TEXT,
    duration_ms INTEGER,
    business_time TEXT NOT NULL,
    machine_time TEXT NOT NULL
) STRICT;
CREATE INDEX test_results_by_run ON test_results (run);
CREATE INDEX test_results_by_node ON test_results (environment, node);

CREATE TABLE schema_changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    run TEXT,
    node TEXT,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    column_name TEXT NOT NULL,
    changed_from TEXT,
    changed_to TEXT,
    business_time TEXT NOT NULL,
    machine_time TEXT NOT NULL
) STRICT;
CREATE INDEX schema_changes_by_table ON schema_changes (environment, namespace, name);
";

const DOORS: &str = "
CREATE TABLE users (
    name TEXT NOT NULL PRIMARY KEY,
    verifier TEXT NOT NULL,
    roles TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE tokens (
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    verifier TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    PRIMARY KEY (user, name)
) STRICT;

CREATE TABLE sessions (
    digest TEXT NOT NULL PRIMARY KEY,
    user TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

-- What started a run: nothing for a command typed by hand.
ALTER TABLE runs ADD COLUMN job TEXT;
ALTER TABLE runs ADD COLUMN logical_time TEXT;
ALTER TABLE runs ADD COLUMN started_by TEXT;
CREATE INDEX runs_by_job ON runs (environment, job, logical_time);

-- How far the schedule of a job was looked at; a changed schedule begins anew.
CREATE TABLE schedules (
    environment TEXT NOT NULL,
    job TEXT NOT NULL,
    schedule TEXT NOT NULL,
    through TEXT NOT NULL,
    PRIMARY KEY (environment, job)
) STRICT;

-- One row per job and logical time: the row is what keeps two processes from running it twice.
CREATE TABLE firings (
    environment TEXT NOT NULL,
    job TEXT NOT NULL,
    logical_time TEXT NOT NULL,
    cause TEXT NOT NULL,
    started_by TEXT,
    status TEXT NOT NULL,
    token INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    takeovers INTEGER NOT NULL,
    message TEXT,
    machine TEXT,
    process INTEGER,
    process_started TEXT,
    expires_at TEXT,
    not_before TEXT,
    business_started TEXT,
    business_finished TEXT,
    machine_started TEXT,
    machine_finished TEXT,
    PRIMARY KEY (environment, job, logical_time)
) STRICT;
CREATE INDEX firings_by_status ON firings (environment, status);

-- Where a project's own business clock stands, and since when it runs.
CREATE TABLE business_clocks (
    setting TEXT NOT NULL PRIMARY KEY,
    business_at TEXT NOT NULL,
    machine_at TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    speed REAL NOT NULL
) STRICT;
";

// What somebody asked and what it cost; bounded, the oldest go.
const QUERY_LOG: &str = "
CREATE TABLE query_log (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    user_name TEXT NOT NULL,
    door TEXT NOT NULL,
    application TEXT NOT NULL,
    sql TEXT NOT NULL,
    started_at TEXT NOT NULL,
    business_time TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    error TEXT,
    error_state TEXT
) STRICT;
CREATE INDEX query_log_by_environment ON query_log (environment, sequence);
";

// Which pointers changed, in the order in which they did, whoever changed them: the triggers run
// for other clients of the JDBC catalog too. One row for each name that there ever was.
const CHANGES: &str = "
CREATE TABLE pointer_changes (
    catalog_name TEXT NOT NULL,
    table_namespace TEXT NOT NULL,
    table_name TEXT NOT NULL,
    change INTEGER NOT NULL,
    PRIMARY KEY (catalog_name, table_namespace, table_name)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX pointer_changes_in_order ON pointer_changes (change);
CREATE TRIGGER pointer_change_made AFTER INSERT ON iceberg_tables BEGIN
    INSERT INTO pointer_changes
    VALUES (new.catalog_name, new.table_namespace, new.table_name,
        (SELECT coalesce(max(change), 0) + 1 FROM pointer_changes))
    ON CONFLICT DO UPDATE SET change = excluded.change;
END;
CREATE TRIGGER pointer_change_gone AFTER DELETE ON iceberg_tables BEGIN
    INSERT INTO pointer_changes
    VALUES (old.catalog_name, old.table_namespace, old.table_name,
        (SELECT coalesce(max(change), 0) + 1 FROM pointer_changes))
    ON CONFLICT DO UPDATE SET change = excluded.change;
END;
CREATE TRIGGER pointer_change_moved AFTER UPDATE ON iceberg_tables BEGIN
    INSERT INTO pointer_changes
    VALUES (old.catalog_name, old.table_namespace, old.table_name,
        (SELECT coalesce(max(change), 0) + 1 FROM pointer_changes))
    ON CONFLICT DO UPDATE SET change = excluded.change;
    INSERT INTO pointer_changes
    SELECT new.catalog_name, new.table_namespace, new.table_name,
        (SELECT coalesce(max(change), 0) + 1 FROM pointer_changes)
    WHERE old.catalog_name <> new.catalog_name OR old.table_namespace <> new.table_namespace
        OR old.table_name <> new.table_name
    ON CONFLICT DO UPDATE SET change = excluded.change;
END;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_in_the_order_of_their_numbers() {
        assert_eq!(MIGRATIONS[0].version, 1);
        assert!(MIGRATIONS.windows(2).all(|pair| pair[0].version < pair[1].version));
    }
}
