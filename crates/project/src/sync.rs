//! What a user writes in `syncs/*.yml`: rows of a model, sent to a tool outside.
//!
//! The file's name is the sync. Every text may hold Jinja, rendered when the file is read; single
//! braces (`{row.email}`) are filled in for each row.
//!
//! ```yaml
//! # syncs/account_health.yml
//! description: Health of each account, for the people who renew contracts
//! owner: Customer success
//! tags: [crm]
//! from: ref('mart_account_health_daily')
//! where: "snapshot_date = current_date"         # optional, SQL of the project's dialect
//! key: account_id                               # or a list; unique and never null
//! fields:                                       # the tool's field: where its value comes from
//!   Health_Status__c: health_status             # a column
//!   Name: "{row.account_name} (synced)"         # a text with columns in braces
//!   Source__c: {value: fiveply}                 # always the same
//!   Pipeline__c: {sql: "round(open_pipeline_usd)"}   # an expression
//! nulls: send                                   # send | omit
//! mode: upsert                                  # insert | update | upsert | mirror
//! on_removed: ignore                            # ignore | delete | {set: {Active__c: false}}
//! guard: {changed: 30%, removed: 10%}           # stop when more than that would change
//! log: {rows: 10000}                            # requests and answers that are kept
//! destination:
//!   type: salesforce
//!   connection: crm                             # of fiveply.yml, or {type: rest, url: …} here
//!   object: Account
//!   external_id: Account_External_Id__c         # takes the key
//!   version: v60.0
//!   batch: 200
//!   idempotency_field: Sync_Key__c              # optional
//! ```
//! A destination that is any HTTP service:
//! ```yaml
//! destination:
//!   type: http
//!   connection: {type: rest, url: "https://api.example.com", auth: {type: bearer, token: …}}
//!   request: {method: PUT, path: "/contacts/{key.customer_id}", body: "{fields}"}
//!   delete: {method: DELETE, path: "/contacts/{key.customer_id}"}
//! ```
//! In `request`, braces are `{key.column}`, `{field.Name}`, `{fields}` (all of them as an object,
//! which is the body unless one is written), `{idempotency_key}`; or, many rows in one request:
//! ```yaml
//!   request: {method: POST, path: /contacts/batch, body: {items: "{rows}"}}
//!   batch: 100
//!   results: {records: $.items[*], success: $.ok, error: $.message, id: $.id}
//! ```
//! `mode: mirror` is `upsert` with `on_removed: delete`. The connection's grammar is that of
//! [`crate::ingest`].

mod read;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use base::{NodeId, SourceFile, Span};
use serde_json::Value as Json;

use crate::ingest::RestConnection;

pub(crate) use read::read_all;

/// Rows in one request unless the file says otherwise.
pub const BATCH_ROWS_DEFAULT: usize = 200;
/// Requests and answers kept per sync unless the file says otherwise.
pub const LOG_ROWS_DEFAULT: u64 = 10_000;
/// Share of the known rows that may change before a sync stops and asks.
pub const CHANGED_SHARE_DEFAULT: f64 = 0.5;
/// Share of the known rows that may be removed before a sync stops and asks.
pub const REMOVED_SHARE_DEFAULT: f64 = 0.1;

/// One file of `syncs/`.
#[derive(Clone, Debug)]
pub struct Sync {
    /// The file's name without `.yml`.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Free notes of the user.
    pub meta: Json,
    /// Whether it takes part.
    pub enabled: bool,
    /// What is sent: `ref('x')` or `source('a', 'b')`, and where that is written.
    pub from: (String, Span),
    /// Which rows: a condition in SQL.
    pub filter: Option<String>,
    /// Columns that name a row.
    pub key: Vec<String>,
    /// The tool's fields, in order.
    pub fields: Vec<SyncField>,
    /// Whether a missing value is sent as null or left out.
    pub nulls: Nulls,
    /// Which rows are sent.
    pub mode: SyncMode,
    /// What becomes of a row that is no longer there.
    pub on_removed: OnRemoved,
    /// When to stop and ask.
    pub guard: Guard,
    /// Requests and answers that are kept.
    pub log_rows: u64,
    /// Where rows go.
    pub destination: Destination,
    /// The file it was read from.
    pub file: Arc<SourceFile>,
    /// Where it is written.
    pub span: Span,
}

impl Sync {
    /// Its node in the graph: `sync.shop.account_health`.
    pub fn node_id(&self, project: &str) -> NodeId {
        NodeId::new(format!("sync.{project}.{}", self.name))
    }
}

/// One field of the tool.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncField {
    /// Its name there.
    pub name: String,
    /// Where its value comes from.
    pub value: FieldValue,
}

/// Where a field's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// A column.
    Column(String),
    /// A text with `{row.column}` in it.
    Template(String),
    /// Always the same.
    Constant(Json),
    /// An expression in SQL.
    Sql(String),
}

/// What a missing value becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nulls {
    /// It is sent as null and empties the field.
    #[default]
    Send,
    /// It is left out and the field stays.
    Omit,
}

/// Which rows are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// New ones alone.
    Insert,
    /// New and changed ones; the tool is asked to change what it has.
    Update,
    /// New and changed ones.
    #[default]
    Upsert,
    /// New and changed ones; what is no longer there is deleted.
    Mirror,
}

impl SyncMode {
    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Mirror => "mirror",
        }
    }
}

/// What becomes of a row that is no longer there.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OnRemoved {
    /// Nothing.
    #[default]
    Ignore,
    /// It is deleted in the tool.
    Delete,
    /// Some of its fields are set.
    Set(Vec<(String, Json)>),
}

/// When to stop and ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guard {
    /// Share of the known rows that may change, from 0 to 1.
    pub changed: f64,
    /// Share of the known rows that may be removed, from 0 to 1.
    pub removed: f64,
}

/// Where rows go.
#[derive(Clone, Debug)]
pub struct Destination {
    /// How it is reached.
    pub connection: RestConnection,
    /// Rows in one request.
    pub batch: usize,
    /// What its requests look like.
    pub kind: DestinationKind,
}

/// What a destination's requests look like.
#[derive(Clone, Debug)]
pub enum DestinationKind {
    /// Any HTTP service.
    Http(Box<HttpDestination>),
    /// Salesforce's collections of records.
    Salesforce(SalesforceDestination),
}

impl DestinationKind {
    /// The word in the file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Salesforce(_) => "salesforce",
        }
    }
}

/// Any HTTP service.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpDestination {
    /// For new and changed rows, unless one of the next two is there.
    pub request: SendRequest,
    /// For new rows.
    pub insert: Option<SendRequest>,
    /// For changed rows.
    pub update: Option<SendRequest>,
    /// For removed rows.
    pub delete: Option<SendRequest>,
    /// How an answer speaks about each row of a batch.
    pub results: Option<SendResults>,
    /// Header that carries the idempotency key.
    pub idempotency_header: String,
}

/// A request with braces to fill in.
#[derive(Clone, Debug, PartialEq)]
pub struct SendRequest {
    /// The method.
    pub method: SendMethod,
    /// Path below the connection's address.
    pub path: String,
    /// Headers of its own.
    pub headers: Vec<(String, String)>,
    /// The body; none for the mapped fields of the row.
    pub body: Option<Json>,
}

/// How something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendMethod {
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl SendMethod {
    /// As HTTP writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// How an answer speaks about each row of a batch, in the order of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendResults {
    /// JSONPath to one result per row.
    pub records: String,
    /// JSONPath, inside a result, to true or false.
    pub success: String,
    /// JSONPath, inside a result, to what is wrong.
    pub error: Option<String>,
    /// JSONPath, inside a result, to the tool's own id of the row.
    pub id: Option<String>,
}

/// Salesforce's collections of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalesforceDestination {
    /// The object.
    pub object: String,
    /// The external id field, which takes the key.
    pub external_id: String,
    /// The API's version, such as `v60.0`.
    pub version: String,
    /// A text field that takes the idempotency key.
    pub idempotency_field: Option<String>,
}
