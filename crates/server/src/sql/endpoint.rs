//! What all connections of the door share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use base::{EnvironmentName, TableName};
use chrono::{DateTime, Utc};
use compute::postgres_catalog::{CatalogReader, Notes, PostgresCatalog, TableNotes};
use compute::{Catalog, Dialect, SessionOptions};
use ledger::QueryRecord;
use project::Project;
use tokio_util::sync::CancellationToken;

use super::SqlOptions;
use super::error::SqlError;
use super::log::QueryLog;
use super::registry::Registry;
use crate::SharedPlatform;

/// Statements of the query log that one question may read.
const LOG_ROWS_MAX: u32 = 100_000;
/// Environments whose pins are kept.
const PINS_MAX: usize = 64;
/// Names under which the default environment is found as well.
const ALIASES: &[&str] = &["fiveply", "postgres"];

/// The platform, as this door uses it.
pub(super) struct Endpoint {
    pub(super) platform: SharedPlatform,
    pub(super) options: SqlOptions,
    pub(super) registry: Registry,
    pub(super) log: QueryLog,
    pub(super) shutdown: CancellationToken,
    pub(super) started: DateTime<Utc>,
    reader: CatalogReader,
    notes: Mutex<Option<(Arc<Project>, Arc<Notes>)>>,
    pins: Mutex<HashMap<EnvironmentName, Held>>,
}

/// What was pinned last, and what it was pinned from.
struct Held {
    generation: i64,
    notes: Arc<Notes>,
    pin: Pin,
}

/// What a transaction reads, from its first statement to its last.
#[derive(Clone, Debug)]
pub(super) struct Pin {
    pub(super) tables: Catalog,
    pub(super) catalog: Arc<PostgresCatalog>,
    pub(super) now: DateTime<Utc>,
}

/// The query log, as a table.
pub(super) fn query_log() -> TableName {
    TableName::new("fiveply", "query_log")
}

impl Endpoint {
    pub(super) fn new(
        platform: SharedPlatform,
        options: SqlOptions,
        log: QueryLog,
        shutdown: CancellationToken,
    ) -> Self {
        let started = platform.clocks.machine.now();
        Self {
            platform,
            options,
            registry: Registry::default(),
            log,
            shutdown,
            started,
            reader: CatalogReader::new(),
            notes: Mutex::default(),
            pins: Mutex::default(),
        }
    }

    /// All environments, the default one first.
    pub(super) async fn environments(&self) -> Result<Vec<EnvironmentName>, SqlError> {
        let mut names = self.platform.ledger.environments().await?;
        names.retain(|name| *name != self.platform.environment);
        names.insert(0, self.platform.environment.clone());
        Ok(names)
    }

    /// The environment that a client calls its database.
    pub(super) async fn environment(&self, database: &str) -> Result<EnvironmentName, SqlError> {
        let names = self.environments().await?;
        if let Some(name) = names.iter().find(|name| name.as_str() == database) {
            return Ok(name.clone());
        }
        if ALIASES.contains(&database) || self.platform.project().name == database {
            return Ok(self.platform.environment.clone());
        }
        let names: Vec<&str> = names.iter().map(EnvironmentName::as_str).collect();
        Err(SqlError::fatal("3D000", format!("database \"{database}\" does not exist"))
            .detail("The database of a connection is an environment of the project.")
            .hint(format!("There are: {}.", names.join(", "))))
    }

    /// The tables as they stand now. Nothing is read again as long as no pointer was swung.
    pub(super) async fn pin(&self, environment: &EnvironmentName) -> Result<Pin, SqlError> {
        let platform = &self.platform;
        let now = platform.clocks.business.now();
        // Asked before the pointers: what is swung in between makes the next pin read again.
        let generation = platform.ledger.pointer_generation(environment).await?;
        let notes = self.notes();
        if let Some(held) = self.held(environment, generation, &notes) {
            return Ok(Pin { now, ..held });
        }
        let tables = Catalog::of_environment(&platform.ledger, &platform.lake, environment).await?;
        let own = query_log();
        let taken = tables.names().any(|name| *name == own);
        let tables = match taken {
            true => tables,
            false => tables.with_batches(own, log_schema(), Vec::new()),
        };
        let options = SessionOptions {
            dialect: Dialect::Postgres,
            business_now: now,
            time_zone: "UTC".to_owned(),
            default_namespace: None,
        };
        let session = platform.engine.session(tables.clone(), options);
        let catalog = self.reader.read(&session, &notes).await?;
        let pin = Pin { tables, catalog, now };
        let held = Held { generation, notes, pin: pin.clone() };
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        if pins.len() >= PINS_MAX {
            pins.clear();
        }
        pins.insert(environment.clone(), held);
        Ok(pin)
    }

    /// What was pinned before, if it still stands.
    fn held(
        &self,
        environment: &EnvironmentName,
        generation: i64,
        notes: &Arc<Notes>,
    ) -> Option<Pin> {
        let pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        let held = pins.get(environment)?;
        let stands = held.generation == generation && Arc::ptr_eq(&held.notes, notes);
        stands.then(|| held.pin.clone())
    }

    /// The query log's rows, newest first.
    pub(super) async fn logged(
        &self,
        environment: &EnvironmentName,
    ) -> Result<RecordBatch, SqlError> {
        let queries = self.platform.ledger.queries(environment, LOG_ROWS_MAX).await?;
        log_rows(&queries).map_err(|error| {
            SqlError::new("XX000", format!("the query log could not be read: {error}"))
        })
    }

    /// What the project says about its tables, read again when the project was.
    fn notes(&self) -> Arc<Notes> {
        let project = self.platform.project();
        let mut held = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, notes)) = held.as_ref()
            && Arc::ptr_eq(known, &project)
        {
            return Arc::clone(notes);
        }
        let notes = Arc::new(notes_of(&project));
        *held = Some((project, Arc::clone(&notes)));
        notes
    }
}

fn log_schema() -> SchemaRef {
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("started_at", moment.clone(), false),
        Field::new("business_time", moment, false),
        Field::new("user_name", DataType::Utf8, false),
        Field::new("door", DataType::Utf8, false),
        Field::new("application", DataType::Utf8, false),
        Field::new("sql", DataType::Utf8, false),
        Field::new("duration_ms", DataType::Int64, false),
        Field::new("row_count", DataType::Int64, false),
        Field::new("error", DataType::Utf8, true),
        Field::new("error_state", DataType::Utf8, true),
    ]))
}

fn log_rows(queries: &[QueryRecord]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let moments = |of: fn(&QueryRecord) -> DateTime<Utc>| -> ArrayRef {
        let times = queries.iter().map(|query| of(query).timestamp_micros());
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let texts = |of: fn(&QueryRecord) -> Option<&str>| -> ArrayRef {
        Arc::new(queries.iter().map(of).collect::<StringArray>())
    };
    let counts = |of: fn(&QueryRecord) -> u64| -> ArrayRef {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Arc::new(Int64Array::from_iter_values(queries.iter().map(of).map(whole)))
    };
    RecordBatch::try_new(
        log_schema(),
        vec![
            moments(|query| query.started_at),
            moments(|query| query.business_time),
            texts(|query| Some(&query.user)),
            texts(|query| Some(&query.door)),
            texts(|query| Some(&query.application)),
            texts(|query| Some(&query.sql)),
            counts(|query| query.duration_ms),
            counts(|query| query.rows),
            texts(|query| query.error.as_deref()),
            texts(|query| query.error_state.as_deref()),
        ],
    )
}

fn notes_of(project: &Project) -> Notes {
    let mut notes = Notes::new();
    let said = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    for node in project.graph.nodes.values() {
        let Some(relation) = &node.relation else { continue };
        let columns = node
            .columns
            .iter()
            .filter_map(|column| Some((column.name.clone(), said(&column.description)?)));
        let note = TableNotes {
            description: said(&node.description),
            columns: columns.collect(),
            key: Vec::new(),
        };
        notes.insert(relation.table(), note);
    }
    notes
}
