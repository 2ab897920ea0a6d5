//! What was sent to tools outside and what is served to models.

pub(super) const ACTIVATION: &str = "
-- What a destination acknowledged, per key of a sync: the next run sends what differs from it.
-- A row that was sent and not answered for is in flight, and counts as differing.
CREATE TABLE sync_rows (
    environment TEXT NOT NULL,
    sync TEXT NOT NULL,
    row_key TEXT NOT NULL,
    acknowledged_hash TEXT,
    present INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    in_flight_hash TEXT,
    in_flight_operation TEXT,
    failures INTEGER NOT NULL,
    failed_hash TEXT,
    error TEXT,
    destination_id TEXT,
    acknowledged_at TEXT,
    PRIMARY KEY (environment, sync, row_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE sync_runs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    sync TEXT NOT NULL,
    run TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    mapping_hash TEXT NOT NULL,
    status TEXT NOT NULL,
    message TEXT,
    rows_read INTEGER NOT NULL,
    rows_inserted INTEGER NOT NULL,
    rows_updated INTEGER NOT NULL,
    rows_deleted INTEGER NOT NULL,
    rows_unchanged INTEGER NOT NULL,
    rows_failed INTEGER NOT NULL,
    rows_held INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    business_started TEXT NOT NULL,
    business_finished TEXT,
    machine_started TEXT NOT NULL,
    machine_finished TEXT,
    UNIQUE (run, sync, attempt)
) STRICT;
CREATE INDEX sync_runs_by_sync ON sync_runs (environment, sync, sequence);

-- Request and answer of every row, newest ones only, secrets blanked.
CREATE TABLE sync_log (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    sync TEXT NOT NULL,
    run TEXT NOT NULL,
    row_key TEXT NOT NULL,
    operation TEXT NOT NULL,
    outcome TEXT NOT NULL,
    http_status INTEGER,
    idempotency_key TEXT NOT NULL,
    batch_key TEXT NOT NULL,
    request TEXT NOT NULL,
    response TEXT,
    error TEXT,
    business_time TEXT NOT NULL,
    machine_time TEXT NOT NULL
) STRICT;
CREATE INDEX sync_log_by_sync ON sync_log (environment, sync, sequence);
CREATE INDEX sync_log_by_row ON sync_log (environment, sync, row_key);

-- Which version of a feature view is served, and what it was made of.
CREATE TABLE online_views (
    environment TEXT NOT NULL,
    feature_view TEXT NOT NULL,
    version INTEGER NOT NULL,
    definition TEXT NOT NULL,
    inputs TEXT NOT NULL,
    features TEXT NOT NULL,
    rows INTEGER NOT NULL,
    run TEXT,
    business_time TEXT NOT NULL,
    machine_time TEXT NOT NULL,
    PRIMARY KEY (environment, feature_view)
) STRICT;

CREATE TABLE online_features (
    environment TEXT NOT NULL,
    feature_view TEXT NOT NULL,
    version INTEGER NOT NULL,
    entity_key TEXT NOT NULL,
    event_us INTEGER NOT NULL,
    created_us INTEGER,
    feature_values TEXT NOT NULL,
    PRIMARY KEY (environment, feature_view, version, entity_key)
) STRICT, WITHOUT ROWID;
";
