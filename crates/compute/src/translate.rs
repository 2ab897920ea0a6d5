//! DataFusion's errors in our words.

use arrow::error::ArrowError;
use base::ErrorKind;
use datafusion::common::{Column, DataFusionError, SchemaError, Span};
use datafusion::sql::sqlparser::tokenizer::{Location, Span as SqlSpan};

use crate::engine::EngineOptions;
use crate::error::QueryError;
use crate::{spans, wording};

/// Columns named when the one asked for is not among them.
const COLUMNS_NAMED_MAX: usize = 12;
/// Bytes in a mebibyte.
const MEBIBYTE: u64 = 1024 * 1024;

/// Says what went wrong, and where in `sql` if that is known.
pub(crate) fn query_error(
    error: DataFusionError,
    sql: Option<&str>,
    limits: &EngineOptions,
) -> QueryError {
    let span = sql.and_then(|sql| span_of(&error, sql));
    let mut told = tell(&error, limits);
    told.span = told.span.or(span);
    told
}

fn span_of(error: &DataFusionError, sql: &str) -> Option<std::ops::Range<usize>> {
    let column_span = match root(error) {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, .. }
            | SchemaError::AmbiguousReference { field } => field.spans().first(),
            SchemaError::DuplicateQualifiedField { .. }
            | SchemaError::DuplicateUnqualifiedField { .. } => None,
        },
        _ => None,
    };
    let span: Span = column_span.or_else(|| error.diagnostic().and_then(|said| said.span))?;
    let start = Location { line: span.start.line, column: span.start.column };
    let end = Location { line: span.end.line, column: span.end.column };
    spans::bytes(sql, SqlSpan { start, end })
}

/// The error inside its wrappings; of several the first.
fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(several) => several.first().map_or(error, root),
        other => other,
    }
}

fn tell(error: &DataFusionError, limits: &EngineOptions) -> QueryError {
    let root = root(error);
    let words = || primary(&root.strip_backtrace());
    match root {
        DataFusionError::External(inner) => match inner.downcast_ref::<QueryError>() {
            Some(ours) => ours.clone(),
            None => QueryError::internal(primary(&inner.to_string())),
        },
        DataFusionError::SchemaError(schema, _) => tell_schema(schema, words),
        DataFusionError::ResourcesExhausted(said) => exhausted(said, limits),
        DataFusionError::NotImplemented(said) if said.contains("ScalarSubquery") => {
            QueryError::unsupported(
                "a subquery that compares with the outer row other than by \"=\" is not run",
            )
            .help("Join on the comparison and group by the outer row's key, or use a window.")
        }
        DataFusionError::NotImplemented(said) if said.contains("OuterReferenceColumn") => {
            QueryError::unsupported("this lateral join or subquery is not run")
                .help("Join on the key and group, or number the rows with row_number() over (…).")
        }
        DataFusionError::NotImplemented(_) => QueryError::unsupported(words()),
        DataFusionError::Internal(_)
        | DataFusionError::Configuration(_)
        | DataFusionError::Substrait(_)
        | DataFusionError::Ffi(_) => QueryError::internal(words()),
        DataFusionError::ExecutionJoin(_) => {
            QueryError::internal(format!("the engine broke off: {}", words()))
        }
        DataFusionError::ArrowError(inner, _) => tell_arrow(inner, words()),
        DataFusionError::ParquetError(_) => QueryError::new(ErrorKind::Corrupt, words())
            .help("Restore the table's file from a backup, or go back to an earlier version."),
        DataFusionError::ObjectStore(inner) => tell_store(inner, words()),
        DataFusionError::IoError(_) => QueryError::new(ErrorKind::Storage, words())
            .help("Check space and permissions of the warehouse and the spill folder."),
        _ => {
            let words = words();
            wording::reworded(&words).unwrap_or_else(|| QueryError::project(words))
        }
    }
}

fn tell_schema(schema: &SchemaError, words: impl Fn() -> String) -> QueryError {
    match schema {
        SchemaError::FieldNotFound { field, valid_fields } => unknown_column(field, valid_fields),
        SchemaError::AmbiguousReference { field } => {
            QueryError::project(format!("column \"{}\" is ambiguous", field.name))
                .help("Write the name or alias of its table before the column's.")
        }
        SchemaError::DuplicateQualifiedField { .. }
        | SchemaError::DuplicateUnqualifiedField { .. } => QueryError::project(words()),
    }
}

fn unknown_column(field: &Column, valid: &[Column]) -> QueryError {
    let table = |column: &Column| column.relation.as_ref().map(|table| table.table().to_owned());
    let mut valid: Vec<&Column> = valid.iter().collect();
    if let Some(asked) = table(field) {
        let mut known: Vec<String> = valid.iter().filter_map(|column| table(column)).collect();
        known.dedup();
        if !known.is_empty() && !known.contains(&asked) {
            return wording::unknown_alias(&asked, &known);
        }
        valid.retain(|column| known.is_empty() || table(column).as_ref() == Some(&asked));
    }
    let error = QueryError::project(match &field.relation {
        Some(relation) => {
            format!("column \"{}\" does not exist in \"{}\"", field.name, relation.table())
        }
        None => format!("column \"{}\" does not exist", field.name),
    });
    let names: Vec<&str> = valid.iter().map(|column| column.name.as_str()).collect();
    let error = if names.is_empty() || names.len() > COLUMNS_NAMED_MAX {
        error
    } else {
        error.detail(format!("There are: {}.", names.join(", ")))
    };
    if let Some(cased) = names.iter().find(|name| name.to_lowercase() == field.name.to_lowercase())
        && *cased != field.name
    {
        return error.help(format!("Write \"{cased}\" with its quotes; case matters there."));
    }
    match spans::nearest(&field.name, names) {
        Some(near) => error.help(format!("Did you mean \"{near}\"?")),
        None => error,
    }
}

fn exhausted(said: &str, limits: &EngineOptions) -> QueryError {
    if said.contains("disk space") {
        let mebibytes = limits.spill_bytes / MEBIBYTE;
        return QueryError::new(
            ErrorKind::Limit,
            format!("the query needed more than the {mebibytes} MiB of spill files allowed"),
        )
        .detail(said.trim().to_owned())
        .help("Raise the engine's spill limit in fiveply.yml, or make the query smaller.");
    }
    let mebibytes = limits.memory_bytes as u64 / MEBIBYTE;
    QueryError::new(
        ErrorKind::Limit,
        format!("the query needed more than the memory limit of {mebibytes} MiB"),
    )
    .detail(said.trim().to_owned())
    .help("Raise the engine's memory limit in fiveply.yml, or make the query smaller.")
}

fn tell_arrow(error: &ArrowError, words: String) -> QueryError {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => QueryError::project(primary(&inner.strip_backtrace())),
            None => QueryError::internal(words),
        },
        ArrowError::DivideByZero
        | ArrowError::ArithmeticOverflow(_)
        | ArrowError::CastError(_)
        | ArrowError::ParseError(_)
        | ArrowError::ComputeError(_)
        | ArrowError::InvalidArgumentError(_) => QueryError::new(ErrorKind::Data, words),
        ArrowError::IoError(..) => QueryError::new(ErrorKind::Storage, words),
        ArrowError::ParquetError(_) | ArrowError::IpcError(_) => {
            QueryError::new(ErrorKind::Corrupt, words)
        }
        _ => QueryError::internal(words),
    }
}

fn tell_store(error: &object_store::Error, words: String) -> QueryError {
    match error {
        object_store::Error::NotFound { path, .. } => {
            QueryError::new(ErrorKind::Corrupt, format!("data file \"{path}\" is missing")).help(
                "Restore the file from a backup, or go back to an earlier version of the table.",
            )
        }
        _ => QueryError::new(ErrorKind::Storage, words),
    }
}

/// The engine's sentence as a primary line: no prefix of its kind, lowercase, no full stop.
fn primary(text: &str) -> String {
    let mut text = text.trim();
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Parquet error: ",
        "SQL error: ",
        "This feature is not implemented: ",
        "Invalid argument error: ",
        "Cast error: ",
        "Parser error: ",
        "Compute error: ",
        "External error: ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let second_upper = letters.clone().next().is_some_and(|second| second.is_uppercase());
    if second_upper { text.to_owned() } else { first.to_lowercase().chain(letters).collect() }
}
