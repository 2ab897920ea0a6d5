//! Functions that give rows.

use super::functions::number_argument;
use super::kinds::{self, Oid};
use super::run::Run;
use super::value::Value;
use crate::error::QueryError;

/// Rows that one call may give.
const ROWS_MAX: i64 = 1_000_000;

/// A function that gives rows: each a value, or a record when it has columns of its own.
pub(crate) struct SetFunction {
    pub(crate) name: &'static str,
    /// The type of its values; none for the element of its first argument.
    pub(crate) kind: Option<Oid>,
    /// The type that a literal as first argument takes; none for an array.
    pub(crate) takes: Option<Oid>,
    pub(crate) columns: &'static [(&'static str, Oid)],
    pub(crate) call: SetCall,
}

/// Gives the rows of a call; the flag says whether it stands in `from`.
type SetCall = fn(&Run<'_>, &[Value], bool) -> Result<Vec<Value>, QueryError>;

impl std::fmt::Debug for SetFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

pub(crate) fn find(word: &str) -> Option<&'static SetFunction> {
    SETS.iter().find(|set| set.name == word)
}

/// One row from a plain value.
pub(crate) fn single() -> &'static SetFunction {
    &SINGLE
}

static SINGLE: SetFunction = SetFunction {
    name: "single",
    kind: None,
    takes: None,
    columns: &[],
    call: |_, arguments, _| Ok(arguments.first().cloned().into_iter().collect()),
};

static SETS: &[SetFunction] = &[
    SetFunction {
        name: "unnest",
        kind: None,
        takes: None,
        columns: &[],
        call: |_, arguments, _| Ok(elements(arguments.first())),
    },
    SetFunction {
        name: "generate_series",
        kind: None,
        takes: Some(kinds::INT4),
        columns: &[],
        call: generate_series,
    },
    SetFunction {
        name: "generate_subscripts",
        kind: Some(kinds::INT4),
        takes: None,
        columns: &[],
        call: |_, arguments, from_zero| {
            let first = i64::from(!from_zero);
            let items = elements(arguments.first());
            Ok((first..).take(items.len()).map(Value::Int).collect())
        },
    },
    SetFunction {
        name: "_pg_expandarray",
        kind: Some(kinds::RECORD),
        takes: None,
        columns: &[("x", kinds::INT2), ("n", kinds::INT4)],
        call: |_, arguments, _| {
            let items = elements(arguments.first()).into_iter().zip(1..);
            Ok(items.map(|(item, n)| record([item, Value::Int(n)])).collect())
        },
    },
    SetFunction {
        name: "pg_options_to_table",
        kind: Some(kinds::RECORD),
        takes: None,
        columns: &[("option_name", kinds::TEXT), ("option_value", kinds::TEXT)],
        call: |_, arguments, _| {
            let options = elements(arguments.first());
            let pair = |option: Value| {
                let text = option.written().unwrap_or_default();
                let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                record([Value::text(name), Value::text(value)])
            };
            Ok(options.into_iter().map(pair).collect())
        },
    },
    SetFunction {
        name: "aclexplode",
        kind: Some(kinds::RECORD),
        takes: None,
        columns: &[
            ("grantor", kinds::OID),
            ("grantee", kinds::OID),
            ("privilege_type", kinds::TEXT),
            ("is_grantable", kinds::BOOL),
        ],
        call: |_, _, _| Ok(Vec::new()),
    },
    SetFunction {
        name: "pg_partition_ancestors",
        kind: Some(kinds::REGCLASS),
        takes: Some(kinds::REGCLASS),
        columns: &[],
        call: |_, _, _| Ok(Vec::new()),
    },
    SetFunction {
        name: "pg_listening_channels",
        kind: Some(kinds::TEXT),
        takes: None,
        columns: &[],
        call: |_, _, _| Ok(Vec::new()),
    },
    SetFunction {
        name: "pg_get_keywords",
        kind: Some(kinds::RECORD),
        takes: None,
        columns: &[
            ("word", kinds::TEXT),
            ("catcode", kinds::CHAR),
            ("barelabel", kinds::BOOL),
            ("catdesc", kinds::TEXT),
            ("baredesc", kinds::TEXT),
        ],
        call: |run, _, _| {
            let parts = ["pg_catalog".to_owned(), "pg_get_keywords".to_owned()];
            let relation = run.state.relation(&parts);
            let rows = relation.iter().flat_map(|relation| relation.rows.rows.iter());
            Ok(rows.map(|row| Value::Record(std::sync::Arc::clone(row))).collect())
        },
    },
    SetFunction {
        name: "regexp_split_to_table",
        kind: Some(kinds::TEXT),
        takes: Some(kinds::TEXT),
        columns: &[],
        call: |run, arguments, _| {
            let [Value::Text(text), Value::Text(pattern), ..] = arguments else {
                return Ok(Vec::new());
            };
            let pattern = run.pattern(pattern, false)?;
            Ok(pattern.split(text).map(Value::text).collect())
        },
    },
];

fn record(values: [Value; 2]) -> Value {
    Value::Record(values.into_iter().collect())
}

pub(crate) fn elements(value: Option<&Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items.to_vec(),
        _ => Vec::new(),
    }
}

fn generate_series(
    _run: &Run<'_>,
    arguments: &[Value],
    _from_zero: bool,
) -> Result<Vec<Value>, QueryError> {
    if arguments.iter().any(Value::is_null) {
        return Ok(Vec::new());
    }
    let (start, stop) = (number_argument(arguments, 0)?, number_argument(arguments, 1)?);
    let step = if arguments.len() > 2 { number_argument(arguments, 2)? } else { 1 };
    if step == 0 {
        return Err(QueryError::project("step size cannot equal zero"));
    }
    let count = stop.saturating_sub(start).checked_div(step).unwrap_or(0).saturating_add(1);
    if count > ROWS_MAX {
        return Err(QueryError::new(
            base::ErrorKind::Limit,
            format!("generate_series gives more than {ROWS_MAX} rows"),
        ));
    }
    Ok((0..count.max(0)).map(|place| Value::Int(start + place * step)).collect())
}
