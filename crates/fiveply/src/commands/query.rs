//! `fiveply query`: a question in SQL, answered from the environment's published tables.

use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use compute::{Catalog, SessionOptions, output};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::arguments::{Common, QueryArguments, QueryFormat};
use crate::console::{Console, count};
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
    let catalog = Catalog::of_environment(&place.ledger, &place.lake, &place.environment).await?;
    let options = SessionOptions {
        dialect: place.dialect,
        business_now: place.clocks.business.now(),
        time_zone: "UTC".to_owned(),
        default_namespace: Some(place.project.target.schema.clone()),
    };
    let session = place.engine.session(catalog, options);
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let watch = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    let prepared = session.prepare(&sql).await.map_err(|error| query_failure(error, &sql))?;
    let schema = prepared.schema();
    let mut rows =
        session.stream(&prepared, cancel).await.map_err(|error| query_failure(error, &sql))?;
    let limit = if format == QueryFormat::Table { arguments.limit } else { 0 };
    let mut kept: Vec<RecordBatch> = Vec::new();
    let (mut shown, mut cut) = (0, false);
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|error| query_failure(error, &sql))?;
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
    drop(rows);
    watch.abort();
    let text = render(format, &schema, &kept)?;
    match &arguments.file {
        Some(path) => std::fs::write(path, text)?,
        None => write_out(&text)?,
    }
    if format == QueryFormat::Table && arguments.file.is_none() {
        let shown = count(u64::try_from(shown).unwrap_or(u64::MAX));
        let more = if cut { "; there are more, --limit 0 shows all" } else { "" };
        console.say(&format!("({shown} rows{more})"));
    }
    Ok(ExitCode::SUCCESS)
}

fn write_out(text: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        // `fiveply query … | head` closes the pipe early, which is no failure of the query.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
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

fn render(
    format: QueryFormat,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    match format {
        QueryFormat::Table => text = output::table(schema, batches)?.into_bytes(),
        QueryFormat::Csv => output::csv(schema, batches, &mut text)?,
        QueryFormat::Json => output::json_lines(batches, &mut text)?,
        QueryFormat::Parquet => output::parquet(schema, batches, &mut text)?,
    }
    Ok(text)
}

/// Draws the error in the query itself.
fn query_failure(error: compute::QueryError, sql: &str) -> Failure {
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
