//! What a user writes in `ingest/*.yml`: the sources to load, typed.
//!
//! The file's name is the source (`ingest/app.yml` is `app`) and, unless `schema:` says otherwise,
//! the namespace its tables land in; models read them as `{{ source('app', 'signups') }}`. Every
//! text may hold Jinja (`{{ env_var('BILLING_PORT', '7101') }}`, `{{ var('x') }}`), rendered when
//! the file is read. Single braces (`{cursor.start}`) are filled in while loading.
//!
//! # Files
//! ```yaml
//! # ingest/app.yml
//! connection: {type: files, path: data/app}     # or the name of a connection in fiveply.yml
//! description: What the product writes          # optional; so are owner, tags, meta
//! owner: platform team
//! defaults: {schema_change: evolve}             # optional: settings for every stream below
//! streams:
//!   - name: signups                             # the table: app.signups
//!     files: "signups/**/*.ndjson"              # glob below the path, or a list of globs
//!     format: ndjson                            # csv | ndjson | parquet; else by the file's name
//!     compression: auto                         # auto | none | gzip | zstd
//!     hive_partitions: false                    # true: folders `day=2026-05-01` become columns
//!     columns: {signed_up_at: timestamptz, amount: "decimal(18,2)"}  # the rest is inferred
//!     primary_key: user_id                      # optional, or a list: upsert instead of append
//!     schema_change: evolve                     # evolve | freeze | stop
//!     rename: {plan_tier: plan}                 # the field's name: the column's name
//!     reject_limit: 0.1%                        # share of the rows read, or a row count
//!   - name: nps
//!     files: "nps/*.csv"
//!     csv: {delimiter: ",", quote: "\"", header: true, null_values: ["", "NA"]}
//! ```
//! Column types: `boolean`, `bigint`, `double`, `decimal(p,s)`, `date`, `time`, `timestamp`,
//! `timestamptz`, `string`, `json` (nested values, kept as their JSON text).
//!
//! # A REST source like Stripe: a list first, then the feed of changes
//! ```yaml
//! # ingest/billing.yml
//! connection:
//!   type: rest
//!   url: "http://127.0.0.1:{{ env_var('BILLING_PORT', '7101') }}"
//!   auth: {type: bearer, token: "{{ env_var('BILLING_KEY', 'sk_test_1') }}"}
//!   headers: {Stripe-Version: "2024-06-20"}
//!   timeout: 30s                                # of one request
//!   limits: {rate: 25/s}                        # requests; s, m or h
//!   retries: 5                                  # of one request, with growing pauses
//! streams:
//!   - name: payments
//!     request: {path: /v1/payments, params: {limit: 100}}
//!     records: $.data[*]                        # JSONPath; default $[*]
//!     primary_key: id
//!     paginate:
//!       cursor: "{last.id}"                     # a field of the page's last record
//!       param: starting_after
//!       stop: {path: $.has_more, equals: false}
//!     changes:                                  # after the whole list was read once
//!       request: {path: /v1/events, params: {limit: 100, type: "payment.*"}}
//!       records: $.data[*]
//!       record: $.data.object                   # where the row lies inside one event
//!       order: desc                             # the feed gives its newest event first
//!       incremental: {field: created, param: "created[gte]", format: unix}
//!       paginate:
//!         cursor: "{last.id}"
//!         param: starting_after
//!         stop: {path: $.has_more, equals: false}
//!       deletes: {when: {path: $.type, ends_with: .deleted}}
//!       retention: 30d                          # an older cursor is a lost source
//! ```
//! With `changes`, the feed's newest event is noted *before* the list is read, so that nothing
//! that happens meanwhile is missed.
//!
//! # Like Salesforce: a query with a look-back, next page by address, an endpoint for deletions
//! ```yaml
//! # ingest/crm.yml
//! connection:
//!   type: rest
//!   url: "http://127.0.0.1:7102"
//!   auth:
//!     type: oauth2                              # client credentials
//!     token_url: /services/oauth2/token         # relative to url, or absolute
//!     client_id: "{{ env_var('CRM_ID', 'demo') }}"
//!     client_secret: "{{ env_var('CRM_SECRET', 'demo') }}"
//!     base_url: $.instance_url                  # optional: the token's answer names the host
//! streams:
//!   - name: opportunities
//!     request:
//!       path: /services/data/v60.0/query
//!       params:
//!         q: SELECT Id, Name, StageName, Amount, SystemModstamp FROM Opportunity
//!            WHERE SystemModstamp >= {cursor.start} ORDER BY SystemModstamp
//!     records: $.records[*]
//!     drop: [attributes]                        # fields that are not wanted
//!     primary_key: Id
//!     paginate: {next_url: $.nextRecordsUrl}    # absent or null: the last page
//!     incremental:
//!       field: SystemModstamp                   # its greatest value is the next cursor.start
//!       format: rfc3339                         # unix | unix_ms | rfc3339 | date | a strftime
//!       start: "2000-01-01T00:00:00Z"           # cursor.start of the first load
//!       look_back: 5m                           # read that much again: late commits
//!     deletes:
//!       request:
//!         path: /services/data/v60.0/sobjects/Opportunity/deleted
//!         params: {start: "{cursor.start}", end: "{cursor.end}"}
//!       records: $.deletedRecords[*]
//!       key: {Id: $.id}                         # primary key column: JSONPath in the record
//! ```
//!
//! # Like Zendesk: the page's cursor is the state
//! ```yaml
//! # ingest/support.yml
//! connection:
//!   type: rest
//!   url: "http://127.0.0.1:7103"
//!   auth: {type: basic, user: "demo@example.com/token", password: "{{ env_var('KEY', 'k') }}"}
//!   errors:                                     # asked in order, before the built-in rules
//!     - {status: 403, contains: REQUEST_LIMIT_EXCEEDED, then: rate_limited}
//!     - {status: 410, then: lost}               # retry | rate_limited | skip | lost | stop
//! streams:
//!   - name: tickets
//!     request: {path: /api/v2/incremental/tickets/cursor.json, params: {per_page: 1000}}
//!     records: $.tickets[*]
//!     primary_key: id
//!     paginate:
//!       cursor: $.after_cursor                  # or "{header.X-Next}"
//!       param: cursor
//!       stop: {path: $.end_of_stream, equals: true}
//!     incremental: {opaque: true, first: {start_time: 0}}  # params sent only without a cursor
//!     deletes: {when: {path: $.status, equals: deleted}}
//! ```
//! Built-in rules: 429 (and 503 with `Retry-After`) waits as told; 408, 500, 502, 503, 504 and
//! network faults are retried with growing pauses; 401 asks for a new token once; 401 and 403 are
//! refused credentials; 404 is a wrong path; everything else stops the stream.
//!
//! Other pages: `paginate: {offset: {param: offset, size: 100, size_param: limit}}` and
//! `paginate: {page: {param: page, first: 1, size: 100, size_param: per_page}}`; both end with a
//! page that holds fewer than `size` records. Other keys: `auth: {type: api_key, in: header|query,
//! name: X-Key, value: …}`. A stream without `incremental` and `changes` is read whole each time:
//! upserted with a `primary_key` (`deletes: missing` takes away what is no longer listed),
//! otherwise it replaces the table.

mod endpoint;
pub(crate) mod read;
mod read_rest;
pub(crate) mod scalars;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{NodeId, SourceFile, Span, StreamName, TableName};

pub use endpoint::{
    Auth, Changes, Condition, ConditionTest, CursorFormat, Deletes, ErrorAction, ErrorRule,
    FeedOrder, Incremental, KeyPlace, Method, NextPage, Paginate, Rate, Request, RestConnection,
    RestStream, ValueFrom,
};
pub use read::{read, read_with};

/// One file of `ingest/`: where the data is and which streams to load from it.
#[derive(Clone, Debug)]
pub struct IngestSource {
    /// The file's name without `.yml`.
    pub name: String,
    /// Namespace of the tables; the source's name unless `schema:` is given.
    pub namespace: String,
    /// What it is, in the user's words.
    pub description: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Tags of every stream.
    pub tags: Vec<String>,
    /// Free notes of the user.
    pub meta: serde_json::Value,
    /// Where the data is.
    pub connection: Connection,
    /// What to load.
    pub streams: Vec<Stream>,
    /// The file it was read from.
    pub file: Arc<SourceFile>,
    /// The file's content, as a place to point to.
    pub span: Span,
}

impl IngestSource {
    /// The stream's name with its source: the key of its position.
    pub fn stream_name(&self, stream: &Stream) -> StreamName {
        StreamName::new(&self.name, &stream.name)
    }

    /// The table that the stream loads.
    pub fn table(&self, stream: &Stream) -> TableName {
        TableName::new(&self.namespace, &stream.table)
    }

    /// The stream's node in the graph: `stream.app.signups`.
    pub fn node_id(&self, stream: &Stream) -> NodeId {
        NodeId::new(format!("stream.{}.{}", self.name, stream.name))
    }
}

/// Where the data is.
#[derive(Clone, Debug)]
pub enum Connection {
    /// A folder.
    Files(FilesConnection),
    /// An HTTP service.
    Rest(Box<RestConnection>),
}

/// A folder with files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesConnection {
    /// The folder, absolute or relative to the project.
    pub path: String,
}

/// One table, endpoint or file set of a source.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// Its table's name; the stream's own unless `table:` is given.
    pub table: String,
    /// What it is, in the user's words.
    pub description: String,
    /// Who answers for it, when it is not the source's owner.
    pub owner: Option<String>,
    /// Tags, the source's among them.
    pub tags: Vec<String>,
    /// Free notes of the user.
    pub meta: serde_json::Value,
    /// Types (and words) the user gave; other columns are inferred.
    pub columns: Vec<DeclaredColumn>,
    /// Key columns: rows are upserted. Empty: rows are appended.
    pub primary_key: Vec<String>,
    /// What to do when the data's shape changes.
    pub schema_change: SchemaChangePolicy,
    /// The field's name in the source and the column's name in the table. A column that still
    /// has the field's name is renamed and keeps its rows.
    pub rename: BTreeMap<String, String>,
    /// Fields that are not wanted.
    pub drop: Vec<String>,
    /// How many rejects end the stream.
    pub reject_limit: RejectLimit,
    /// What is read, and how.
    pub kind: StreamKind,
    /// Where it is written.
    pub span: Span,
}

/// A column the user gave a type or words.
#[derive(Clone, Debug)]
pub struct DeclaredColumn {
    /// Its name.
    pub name: String,
    /// Its type; none to infer it.
    pub kind: Option<ColumnType>,
    /// What it is, in the user's words.
    pub description: String,
    /// Where it is written.
    pub span: Span,
}

/// The type of a loaded column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// 64-bit integer.
    Bigint,
    /// 64-bit floating point.
    Double,
    /// Exact number of so many digits, so many of them after the point.
    Decimal(u8, i8),
    /// Calendar day.
    Date,
    /// Time of day, microseconds.
    Time,
    /// Date and time without a zone, microseconds.
    Timestamp,
    /// Moment in time, microseconds.
    Timestamptz,
    /// Text.
    String,
    /// A nested value as its JSON text.
    Json,
}

/// What to do when the data's shape changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemaChangePolicy {
    /// Add new columns, widen types.
    #[default]
    Evolve,
    /// Keep the schema; rows that do not fit are rejected.
    Freeze,
    /// End the stream.
    Stop,
}

/// How many rejects end the stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RejectLimit {
    /// Share of the rows that one load reads, from 0 to 1.
    Share(f64),
    /// Rows of one load.
    Rows(u64),
}

impl Default for RejectLimit {
    fn default() -> Self {
        Self::Share(0.001)
    }
}

impl RejectLimit {
    /// Whether so many rejects among so many rows end the stream.
    pub fn exceeded(self, rejected: u64, read: u64) -> bool {
        match self {
            Self::Rows(rows) => rejected > rows,
            #[allow(clippy::cast_precision_loss)]
            Self::Share(share) => rejected as f64 > share * read as f64,
        }
    }
}

/// What is read, and how.
#[derive(Clone, Debug)]
pub enum StreamKind {
    /// Files.
    Files(FilesStream),
    /// An endpoint.
    Rest(Box<RestStream>),
}

/// A set of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesStream {
    /// Globs below the connection's folder; `**` crosses folders.
    pub globs: Vec<String>,
    /// The format; none to tell by the file's name.
    pub format: Option<FileFormat>,
    /// The compression.
    pub compression: Compression,
    /// Whether folders named `column=value` become columns.
    pub hive_partitions: bool,
    /// How CSV files are written.
    pub csv: CsvStyle,
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Values with a delimiter.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

/// The compression of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// By the file's name.
    #[default]
    Auto,
    /// None.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// How CSV files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvStyle {
    /// Between values.
    pub delimiter: u8,
    /// Around values that hold a delimiter, a quote or a line end; doubled inside.
    pub quote: u8,
    /// Whether the first line names the columns; else they are `column_1`, `column_2`, …
    pub header: bool,
    /// Unquoted values that mean NULL.
    pub null_values: Vec<String>,
}

impl Default for CsvStyle {
    fn default() -> Self {
        Self { delimiter: b',', quote: b'"', header: true, null_values: vec![String::new()] }
    }
}
