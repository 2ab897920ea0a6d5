//! A seed's CSV file as typed columns, with dbt's inference: a column is the first of integer,
//! number, date, timestamp, boolean that all its values fit, else text. Empty fields and `null`
//! are NULL.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use base::{Diagnostic, SourceFile, Span};
use chrono::{NaiveDate, NaiveDateTime};

/// Code of a seed file that is no CSV.
pub(crate) const SEED_UNREADABLE: &str = "E0601";

/// A type a column can be inferred to have, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inferred {
    Integer,
    Number,
    Date,
    Timestamp,
    Boolean,
    Text,
}

const ORDER: &[Inferred] = &[
    Inferred::Integer,
    Inferred::Number,
    Inferred::Date,
    Inferred::Timestamp,
    Inferred::Boolean,
    Inferred::Text,
];

/// Reads a whole seed. `as_text` names columns that keep their text, because the project casts
/// them itself.
pub(crate) fn read(
    file: &Arc<SourceFile>,
    delimiter: u8,
    as_text: &dyn Fn(&str) -> bool,
) -> Result<RecordBatch, Box<Diagnostic>> {
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let skipped = file.text.len() - text.len();
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect(),
        Err(error) => return Err(refuse(file, skipped, &error)),
    };
    if header.is_empty() {
        return Err(Box::new(
            Diagnostic::error(SEED_UNREADABLE, "seed is empty: it has no header line")
                .at(Span::new(file, 0..0), "")
                .help("Write the names of the columns on its first line, or remove the file."),
        ));
    }
    // The CSV reader would take the rest of the file for one value, and its rows would be gone.
    if let Some(open) = open_quote(text, delimiter) {
        let place = skipped + open..skipped + open + 1;
        return Err(Box::new(
            Diagnostic::error(SEED_UNREADABLE, "a quote is opened and never closed")
                .at(Span::new(file, place), "opened here")
                .help("Close it, or double a quote that belongs to the value (`\"\"`)."),
        ));
    }
    if let Some(twice) = header.iter().enumerate().find(|(at, name)| header[..*at].contains(name)) {
        let message = format!("seed has two columns named \"{}\"", twice.1);
        let end = text.find('\n').unwrap_or(text.len());
        return Err(Box::new(
            Diagnostic::error(SEED_UNREADABLE, message)
                .at(Span::new(file, skipped..skipped + end), "the header")
                .help("Rename one of them."),
        ));
    }
    let mut columns: Vec<Vec<Option<String>>> = vec![Vec::new(); header.len()];
    for record in reader.records() {
        let record = record.map_err(|error| refuse(file, skipped, &error))?;
        for (column, value) in columns.iter_mut().zip(record.iter()) {
            let null = value.is_empty() || value.eq_ignore_ascii_case("null");
            column.push((!null).then(|| value.to_owned()));
        }
    }
    let stripped = strip_single_quotes(text, &mut columns);
    let mut fields = Vec::with_capacity(header.len());
    let mut arrays = Vec::with_capacity(header.len());
    for (index, (name, values)) in header.iter().zip(&columns).enumerate() {
        let text = as_text(name) || stripped.contains(&index);
        let array = if text { text_array(values) } else { infer(values) };
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|error| Box::new(Diagnostic::error(SEED_UNREADABLE, error.to_string())))
}

/// DuckDB finds out by itself which quote a file uses: without double ones, values that stand in
/// single quotes lose them. Gives the columns that had some; their types were settled before.
fn strip_single_quotes(text: &str, columns: &mut [Vec<Option<String>>]) -> Vec<usize> {
    let quoted = |value: &str| {
        let inner = value.strip_prefix('\'')?.strip_suffix('\'')?;
        (!inner.replace("''", "").contains('\'')).then(|| inner.replace("''", "'"))
    };
    let mut begun = columns.iter().flatten().flatten().filter(|value| value.starts_with('\''));
    if text.contains('"') || !begun.all(|value| quoted(value).is_some()) {
        return Vec::new();
    }
    let mut stripped = Vec::new();
    for (index, column) in columns.iter_mut().enumerate() {
        for value in column {
            if let Some(inner) = value.as_deref().and_then(quoted) {
                *value = Some(inner).filter(|inner| !inner.is_empty());
                stripped.push(index);
            }
        }
    }
    stripped
}

/// Where a quote opens that nothing closes.
fn open_quote(text: &str, delimiter: u8) -> Option<usize> {
    let mut open = None;
    let mut at_start = true;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        if open.is_some() {
            let doubled = byte == b'"' && bytes.next_if(|(_, next)| *next == b'"').is_some();
            if byte == b'"' && !doubled {
                open = None;
            }
        } else if byte == b'"' && at_start {
            open = Some(at);
        }
        at_start = open.is_none() && (byte == delimiter || matches!(byte, b'\n' | b'\r'));
    }
    open
}

fn refuse(file: &Arc<SourceFile>, skipped: usize, error: &csv::Error) -> Box<Diagnostic> {
    let at = error.position().map_or(0, |position| {
        usize::try_from(position.byte()).unwrap_or(0).saturating_add(skipped)
    });
    let line_end = file.text.get(at..).and_then(|rest| rest.find('\n'));
    let span = Span::new(file, at..at + line_end.unwrap_or(1));
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("line has {len} fields, the header has {expected_len}")
        }
        _ => format!("seed is no CSV: {error}"),
    };
    Box::new(
        Diagnostic::error(SEED_UNREADABLE, message)
            .at(span, "here")
            .help("Quote fields that hold the delimiter; `+delimiter` sets another one."),
    )
}

fn infer(values: &[Option<String>]) -> ArrayRef {
    let fits = |kind: &&Inferred| values.iter().flatten().all(|value| kind.fits(value));
    // A column of NULLs alone has no type; text is what dbt gives it.
    let empty = values.iter().all(Option::is_none);
    let kind = if empty {
        Inferred::Text
    } else {
        ORDER.iter().find(fits).copied().unwrap_or(Inferred::Text)
    };
    kind.array(values)
}

impl Inferred {
    fn fits(self, value: &str) -> bool {
        match self {
            Self::Integer => integer(value).is_some(),
            Self::Number => number(value).is_some(),
            Self::Date => date(value).is_some(),
            Self::Timestamp => timestamp(value).is_some(),
            Self::Boolean => boolean(value).is_some(),
            Self::Text => true,
        }
    }

    fn array(self, values: &[Option<String>]) -> ArrayRef {
        let texts = values.iter().map(Option::as_deref);
        match self {
            Self::Integer => Arc::new(Int64Array::from_iter(texts.map(|v| v.and_then(integer)))),
            Self::Number => Arc::new(Float64Array::from_iter(texts.map(|v| v.and_then(number)))),
            Self::Date => Arc::new(Date32Array::from_iter(texts.map(|v| v.and_then(date)))),
            Self::Timestamp => {
                Arc::new(TimestampMicrosecondArray::from_iter(texts.map(|v| v.and_then(timestamp))))
            }
            Self::Boolean => Arc::new(BooleanArray::from_iter(texts.map(|v| v.and_then(boolean)))),
            Self::Text => text_array(values),
        }
    }
}

fn text_array(values: &[Option<String>]) -> ArrayRef {
    Arc::new(StringArray::from_iter(values.iter().map(Option::as_deref)))
}

fn integer(value: &str) -> Option<i64> {
    value.trim().parse().ok()
}

fn number(value: &str) -> Option<f64> {
    let value = value.trim();
    // Words that Rust reads as numbers (`nan`, `inf`) are text in a CSV file.
    let numeric = value.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    numeric.then(|| value.parse().ok()).flatten()
}

fn date(value: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(value.trim(), "%Y-%m-%d").ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

fn timestamp(value: &str) -> Option<i64> {
    let value = value.trim();
    if let Ok(zoned) = chrono::DateTime::parse_from_rfc3339(value) {
        return Some(zoned.timestamp_micros());
    }
    // dbt takes parts of seconds only in the form of ISO 8601; with a blank they are text.
    let forms = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let moment = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(value, form).ok())?;
    Some(moment.and_utc().timestamp_micros())
}

fn boolean(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, TimeUnit};

    use super::*;

    const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

    fn types(text: &str) -> Vec<(String, DataType)> {
        let file = SourceFile::new("seeds/a.csv", text);
        let batch = read(&file, b',', &|_| false).expect("a seed");
        let fields = batch.schema_ref().fields().iter();
        fields.map(|field| (field.name().clone(), field.data_type().clone())).collect()
    }

    #[test]
    fn columns_get_the_first_type_that_all_values_fit() {
        let found = types(
            "i,n,d,t,b,s,e\n1,1.5,2026-05-22,2026-05-22 10:00:00,true,x,\n\
             2,3,,2026-05-22T11:00:00Z,FALSE,nan,null\n",
        );
        let expected = [
            DataType::Int64,
            DataType::Float64,
            DataType::Date32,
            TIMESTAMP,
            DataType::Boolean,
            DataType::Utf8,
            DataType::Utf8,
        ];
        assert_eq!(found.into_iter().map(|(_, one)| one).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn parts_of_seconds_make_a_moment_in_iso_form_alone() {
        let found = types("a,b\n2026-05-22T10:00:00.5,2026-05-22 10:00:00.000000\n");
        let found: Vec<DataType> = found.into_iter().map(|(_, one)| one).collect();
        assert_eq!(found, [TIMESTAMP, DataType::Utf8]);
    }

    #[test]
    fn single_quotes_go_when_a_file_has_no_double_ones() {
        let values = |text: &str| {
            let file = SourceFile::new("seeds/a.csv", text);
            let batch = read(&file, b',', &|_| false).expect("a seed");
            let column = batch.column(0).as_any().downcast_ref::<StringArray>().cloned();
            let column = column.expect("text");
            column.iter().map(|value| value.map(str::to_owned)).collect::<Vec<_>>()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(values("a,b\n'',1\n'it''s',2\n"), [None, some("it's")]);
        assert_eq!(values("a,b\n'7',1\n'tis,2\n"), [some("'7'"), some("'tis")]);
        assert_eq!(values("a,b\n'7',\"1\"\n"), [some("'7'")]);
    }

    #[test]
    fn a_line_of_another_length_is_named_with_its_place() {
        let file = SourceFile::new("seeds/a.csv", "a,b\n1,2\n3\n");
        let refused = read(&file, b',', &|_| false).expect_err("a short line");
        assert_eq!(refused.message, "line has 1 fields, the header has 2");
        let place = refused.primary.expect("a place").span.location();
        assert_eq!(place, "seeds/a.csv:3:1");
    }

    #[test]
    fn a_column_the_project_casts_keeps_its_text() {
        let file = SourceFile::new("seeds/a.csv", "zip\n01234\n");
        let batch = read(&file, b',', &|name| name == "zip").expect("a seed");
        assert_eq!(batch.schema_ref().field(0).data_type(), &DataType::Utf8);
    }

    #[test]
    fn a_quote_never_closed_is_found_and_doubled_ones_are_none() {
        for (text, open) in [
            ("a,b\n1,\"x\n2,y\n", Some(6)),
            ("a\n\"\"\"x\"\"\"\n\"\",1\n", None),
            ("a\n6\" pipe\n", None),
            ("a\n\"x\ny\"\n", None),
            ("a\n\"x\"\"\n", Some(2)),
        ] {
            assert_eq!(open_quote(text, b','), open, "{text:?}");
        }
    }

    #[test]
    fn an_empty_seed_says_what_it_misses() {
        let file = SourceFile::new("seeds/a.csv", "");
        let refused = read(&file, b',', &|_| false).expect_err("no seed");
        assert_eq!(refused.message, "seed is empty: it has no header line");
    }
}
