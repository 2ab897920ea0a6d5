//! `fiveply query`: a question in SQL, answered from the environment's published tables.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use compute::output::{self, RowWriter};
use compute::{Catalog, QueryError, RowStream, Session, SessionOptions};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::arguments::{Common, QueryArguments, QueryFormat};
use crate::console::{Console, things};
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    arguments: &QueryArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let sql = read_sql(&arguments.sql)?;
    let format = format_of(arguments, console)?;
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, arguments.timeout.map(Duration::from_secs)).await?;
    let session = session(&place).await?;
    let sql = consumption::metrics::expand_sql(&place.project, &sql)?.unwrap_or(sql);
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let watch = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    let prepared = session.prepare(&sql).await.map_err(|error| failure(error, &sql))?;
    let schema = prepared.schema();
    let mut rows = session.stream(&prepared, cancel).await.map_err(|error| failure(error, &sql))?;
    let shown = match format {
        QueryFormat::Table => show_table(&schema, &mut rows, arguments, console).await,
        QueryFormat::Csv | QueryFormat::Json | QueryFormat::Parquet => {
            write_rows(format, &schema, &mut rows, arguments.file.as_deref()).await
        }
    };
    drop(rows);
    watch.abort();
    shown.map_err(|error| error.into_failure(&sql))?;
    Ok(ExitCode::SUCCESS)
}

/// A session over the environment as it is now.
pub(crate) async fn session(place: &Workplace) -> Result<Session, Failure> {
    let catalog = Catalog::of_environment(&place.ledger, &place.lake, &place.environment).await?;
    let options = SessionOptions {
        dialect: place.dialect,
        business_now: place.clocks.business.now(),
        time_zone: "UTC".to_owned(),
        default_namespace: Some(place.project.target.schema.clone()),
    };
    Ok(place.engine.session(catalog, options))
}

/// Why rows did not arrive where they should.
enum NotShown {
    /// The query failed.
    Query(QueryError),
    /// The place they go to failed.
    Place(std::io::Error),
}

impl NotShown {
    fn into_failure(self, sql: &str) -> Failure {
        match self {
            Self::Query(error) => failure(error, sql),
            Self::Place(error) => error.into(),
        }
    }
}

impl From<QueryError> for NotShown {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<std::io::Error> for NotShown {
    fn from(error: std::io::Error) -> Self {
        Self::Place(error)
    }
}

/// The first rows as a table for people.
async fn show_table(
    schema: &SchemaRef,
    rows: &mut RowStream,
    arguments: &QueryArguments,
    console: &Console,
) -> Result<(), NotShown> {
    let limit = arguments.limit;
    let mut kept: Vec<RecordBatch> = Vec::new();
    let (mut shown, mut cut) = (0, false);
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let room = if limit == 0 { usize::MAX } else { limit - shown };
        if batch.num_rows() > room {
            kept.push(batch.slice(0, room));
            shown += room;
            cut = true;
            break;
        }
        shown += batch.num_rows();
        kept.push(batch);
    }
    let text = output::table(schema, &kept)?;
    match &arguments.file {
        Some(path) => std::fs::write(path, text)?,
        None => {
            let mut place = Place::standard_output();
            let closed = Arc::clone(&place.closed);
            let written = place.write_all(text.as_bytes()).and_then(|()| place.flush());
            if !closed.load(Ordering::Relaxed) {
                written?;
            }
            let shown = things(u64::try_from(shown).unwrap_or(u64::MAX), "row");
            let more = if cut { "; there are more, --limit 0 shows all" } else { "" };
            console.say(&format!("({shown}{more})"));
        }
    }
    Ok(())
}

/// All rows for programs, as they come.
async fn write_rows(
    format: QueryFormat,
    schema: &SchemaRef,
    rows: &mut RowStream,
    file: Option<&Path>,
) -> Result<(), NotShown> {
    let place = match file {
        Some(path) => Place::file(path)?,
        None => Place::standard_output(),
    };
    let closed = Arc::clone(&place.closed);
    let written = write_each(format, schema, rows, place).await;
    // `fiveply query … | head` closes the pipe early, which ends the query and is no failure.
    if closed.load(Ordering::Relaxed) { Ok(()) } else { written }
}

async fn write_each(
    format: QueryFormat,
    schema: &SchemaRef,
    rows: &mut RowStream,
    place: Place,
) -> Result<(), NotShown> {
    let mut writer = match format {
        QueryFormat::Table | QueryFormat::Json => RowWriter::json_lines(place),
        QueryFormat::Csv => RowWriter::csv(schema, place)?,
        QueryFormat::Parquet => RowWriter::parquet(schema, place)?,
    };
    while let Some(batch) = rows.next().await {
        writer.write(&batch?)?;
    }
    Ok(writer.finish()?)
}

/// Where rows go; knows when nobody reads them any more.
struct Place {
    to: Box<dyn Write + Send>,
    closed: Arc<AtomicBool>,
}

impl Place {
    fn standard_output() -> Self {
        Self { to: Box::new(std::io::stdout()), closed: Arc::default() }
    }

    fn file(path: &Path) -> std::io::Result<Self> {
        Ok(Self { to: Box::new(std::fs::File::create(path)?), closed: Arc::default() })
    }

    fn noticing<T>(&self, done: std::io::Result<T>) -> std::io::Result<T> {
        if done.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
            self.closed.store(true, Ordering::Relaxed);
        }
        done
    }
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let done = self.to.write(bytes);
        self.noticing(done)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let done = self.to.flush();
        self.noticing(done)
    }
}

fn read_sql(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut sql = String::new();
    std::io::stdin().lock().read_to_string(&mut sql)?;
    Ok(sql)
}

fn format_of(arguments: &QueryArguments, console: &Console) -> Result<QueryFormat, Failure> {
    let format = arguments.format.unwrap_or(match console.json {
        true => QueryFormat::Json,
        false => QueryFormat::Table,
    });
    let terminal = std::io::stdout().is_terminal();
    if format == QueryFormat::Parquet && arguments.file.is_none() && terminal {
        return Err(Failure::usage("a Parquet file cannot be shown on a terminal")
            .help("Name a file with --file rows.parquet."));
    }
    Ok(format)
}

/// Draws the error in the query itself.
pub(crate) fn failure(error: QueryError, sql: &str) -> Failure {
    let span = error.span.clone();
    let kind = error.kind;
    let mut diagnostic = base::Diagnostic::error("E0701", error.message.clone());
    if let Some(range) = span {
        let file = base::SourceFile::new("query", sql);
        diagnostic = diagnostic.at(base::Span::new(&file, range), "");
    }
    diagnostic.notes.extend(error.detail.clone());
    diagnostic.help.extend(error.help.clone());
    Failure::work(kind, error.message).help(kind.advice()).diagnostics(vec![diagnostic])
}
