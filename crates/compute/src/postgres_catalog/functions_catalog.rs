//! Functions about relations, types and their text.

use super::functions::{Function, number_argument, quoted, text_argument};
use super::kinds::{self, Oid};
use super::run::Run;
use super::value::Value;
use crate::error::QueryError;

const T: Oid = kinds::TEXT;
const O: Oid = kinds::OID;
const I: Oid = kinds::INT4;
const B: Oid = kinds::BOOL;

fn text(value: impl Into<std::sync::Arc<str>>) -> Result<Value, QueryError> {
    Ok(Value::text(value))
}

fn maybe(value: Option<String>) -> Result<Value, QueryError> {
    Ok(value.map_or(Value::Null, Value::text))
}

fn yes(_: &Run<'_>, _: &[Value]) -> Result<Value, QueryError> {
    Ok(Value::Bool(true))
}

fn no(_: &Run<'_>, _: &[Value]) -> Result<Value, QueryError> {
    Ok(Value::Bool(false))
}

fn nothing(_: &Run<'_>, _: &[Value]) -> Result<Value, QueryError> {
    Ok(Value::Null)
}

fn empty(_: &Run<'_>, _: &[Value]) -> Result<Value, QueryError> {
    Ok(Value::text(""))
}

fn zero(_: &Run<'_>, _: &[Value]) -> Result<Value, QueryError> {
    Ok(Value::Int(0))
}

fn oid(arguments: &[Value], place: usize) -> Oid {
    let number = arguments.get(place).and_then(Value::as_int);
    number.and_then(|number| Oid::try_from(number).ok()).unwrap_or(0)
}

/// A relation by its number or its name.
fn relation(run: &Run<'_>, arguments: &[Value]) -> Oid {
    match arguments.first() {
        Some(Value::Text(name)) => run.state.relation_oid(name).unwrap_or(0),
        _ => oid(arguments, 0),
    }
}

fn visible(run: &Run<'_>, arguments: &[Value]) -> Result<Value, QueryError> {
    let facts = run.state.catalog.facts_of(oid(arguments, 0));
    let path = run.state.search_path();
    Ok(Value::Bool(facts.is_none_or(|facts| path.contains(&facts.name.namespace))))
}

fn described(run: &Run<'_>, number: Oid, column: i64) -> Result<Value, QueryError> {
    let facts = run.state.catalog.facts_of(number);
    maybe(facts.and_then(|facts| match usize::try_from(column) {
        Ok(0) | Err(_) => facts.description.clone(),
        Ok(place) => facts.columns.get(place - 1)?.description.clone(),
    }))
}

fn rows_bytes(run: &Run<'_>, arguments: &[Value]) -> Result<Value, QueryError> {
    let facts = run.state.catalog.facts_of(relation(run, arguments));
    let bytes = facts.map_or(0, |facts| facts.bytes);
    Ok(Value::Int(i64::try_from(bytes).unwrap_or(i64::MAX)))
}

fn view_text(run: &Run<'_>, arguments: &[Value]) -> Result<Value, QueryError> {
    let facts = run.state.catalog.facts_of(relation(run, arguments));
    maybe(facts.and_then(|facts| facts.view.clone()).map(|sql| format!(" {sql};")))
}

fn format_type(_: &Run<'_>, arguments: &[Value]) -> Result<Value, QueryError> {
    if arguments.first().is_none_or(Value::is_null) {
        return Ok(Value::Null);
    }
    let modifier = arguments.get(1).and_then(Value::as_int);
    let modifier = modifier.and_then(|modifier| i32::try_from(modifier).ok());
    text(kinds::format(oid(arguments, 0), modifier))
}

fn constraint_text(run: &Run<'_>, arguments: &[Value]) -> Result<Value, QueryError> {
    let number = oid(arguments, 0);
    let keyed = run.state.catalog.tables().iter().find(|facts| facts.key_oid() == number);
    maybe(keyed.map(|facts| format!("PRIMARY KEY ({})", key_columns(facts))))
}

fn key_columns(facts: &super::facts::TableFacts) -> String {
    let names: Vec<String> = facts
        .key
        .iter()
        .filter_map(|place| facts.columns.get(*place))
        .map(|c| quoted(&c.name))
        .collect();
    names.join(", ")
}

fn index_text(run: &Run<'_>, arguments: &[Value]) -> Result<Value, QueryError> {
    let number = oid(arguments, 0);
    let keyed = run.state.catalog.tables().iter().find(|facts| facts.index_oid() == number);
    let Some(facts) = keyed else { return Ok(Value::Null) };
    match arguments.get(1).and_then(Value::as_int).and_then(|at| usize::try_from(at).ok()) {
        Some(at) if at > 0 => {
            let column = facts.key.get(at - 1).and_then(|place| facts.columns.get(*place));
            maybe(column.map(|column| quoted(&column.name)))
        }
        _ => text(format!(
            "CREATE UNIQUE INDEX {} ON {}.{} USING btree ({})",
            quoted(&facts.key_name()),
            quoted(&facts.name.namespace),
            quoted(&facts.name.name),
            key_columns(facts)
        )),
    }
}

fn function_types(run: &Run<'_>, arguments: &[Value]) -> Result<Value, QueryError> {
    let kinds = run.state.function_column(oid(arguments, 0), "proargtypes");
    let Some(Value::Array(kinds)) = kinds else { return text("") };
    let names: Vec<String> = kinds
        .iter()
        .filter_map(Value::as_int)
        .filter_map(|kind| Oid::try_from(kind).ok())
        .map(|kind| run.state.type_name(kind))
        .collect();
    text(names.join(", "))
}

fn function_result(run: &Run<'_>, arguments: &[Value]) -> Result<Value, QueryError> {
    let kind = run.state.function_column(oid(arguments, 0), "prorettype");
    let kind = kind.and_then(|kind| kind.as_int()).and_then(|kind| Oid::try_from(kind).ok());
    maybe(kind.map(|kind| run.state.type_name(kind)))
}

fn size_pretty(_: &Run<'_>, arguments: &[Value]) -> Result<Value, QueryError> {
    let mut size = number_argument(arguments, 0)?;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if size.abs() < 10 * 1024 {
            return text(format!("{size} {unit}"));
        }
        size /= 1024;
    }
    text(format!("{size} TB"))
}

fn privilege(_: &Run<'_>, arguments: &[Value]) -> Result<Value, QueryError> {
    // Everybody who may open a connection may read everything, and nobody writes here.
    let wanted = arguments.last().and_then(Value::as_text).unwrap_or_default().to_lowercase();
    let reads = wanted.split(',').any(|word| {
        matches!(word.trim(), "select" | "usage" | "connect" | "execute" | "member" | "references")
    });
    Ok(Value::Bool(reads))
}

pub(crate) static FUNCTIONS: &[Function] = &[
    Function::new("format_type", T, &[O, I], (1, 2), format_type).lenient(),
    Function::new("pg_get_userbyid", kinds::NAME, &[O], (1, 1), |run, a| {
        text(run.state.role_name(oid(a, 0)))
    }),
    Function::new("pg_table_is_visible", B, &[O], (1, 1), visible),
    Function::new("pg_type_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_function_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_collation_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_opclass_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_operator_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_opfamily_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_conversion_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_ts_config_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_ts_dict_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_ts_parser_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_ts_template_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_statistics_obj_is_visible", B, &[O], (1, 1), yes),
    Function::new("pg_get_expr", T, &[T, O, B], (2, 3), |_, a| maybe(a[0].written())),
    Function::new("pg_get_viewdef", T, &[], (1, 2), view_text),
    Function::new("pg_get_indexdef", T, &[O, I, B], (1, 3), index_text),
    Function::new("pg_get_constraintdef", T, &[O, B], (1, 2), constraint_text),
    Function::new("pg_get_triggerdef", T, &[O, B], (1, 2), nothing),
    Function::new("pg_get_ruledef", T, &[O, B], (1, 2), nothing),
    Function::new("pg_get_partkeydef", T, &[O], (1, 1), nothing),
    Function::new("pg_get_partition_constraintdef", T, &[O], (1, 1), nothing),
    Function::new("pg_get_statisticsobjdef", T, &[O], (1, 1), nothing),
    Function::new("pg_get_statisticsobjdef_columns", T, &[O], (1, 1), nothing),
    Function::new("pg_get_serial_sequence", T, &[T, T], (2, 2), nothing),
    Function::new("pg_get_function_arguments", T, &[O], (1, 1), function_types),
    Function::new("pg_get_function_identity_arguments", T, &[O], (1, 1), function_types),
    Function::new("pg_get_function_result", T, &[O], (1, 1), function_result),
    Function::new("pg_get_function_sqlbody", T, &[O], (1, 1), nothing),
    Function::new("pg_get_functiondef", T, &[O], (1, 1), nothing),
    Function::new("pg_get_function_arg_default", T, &[O, I], (2, 2), nothing),
    Function::new("pg_relation_is_publishable", B, &[kinds::REGCLASS], (1, 1), no),
    Function::new("pg_relation_is_updatable", I, &[kinds::REGCLASS, B], (2, 2), zero),
    Function::new("pg_column_is_updatable", B, &[kinds::REGCLASS, I, B], (3, 3), no),
    Function::new("row_security_active", B, &[kinds::REGCLASS], (1, 1), no),
    Function::new("pg_relation_size", kinds::INT8, &[kinds::REGCLASS, T], (1, 2), rows_bytes),
    Function::new("pg_table_size", kinds::INT8, &[kinds::REGCLASS], (1, 1), rows_bytes),
    Function::new("pg_total_relation_size", kinds::INT8, &[kinds::REGCLASS], (1, 1), rows_bytes),
    Function::new("pg_indexes_size", kinds::INT8, &[kinds::REGCLASS], (1, 1), zero),
    Function::new("pg_database_size", kinds::INT8, &[], (1, 1), |run, _| {
        let bytes: u64 = run.state.catalog.tables().iter().map(|facts| facts.bytes).sum();
        Ok(Value::Int(i64::try_from(bytes).unwrap_or(i64::MAX)))
    }),
    Function::new("pg_tablespace_size", kinds::INT8, &[], (1, 1), zero),
    Function::new("pg_size_pretty", T, &[kinds::INT8], (1, 1), size_pretty),
    Function::new("pg_tablespace_location", T, &[O], (1, 1), empty),
    Function::new("pg_relation_filepath", T, &[kinds::REGCLASS], (1, 1), nothing),
    Function::new("pg_relation_filenode", O, &[kinds::REGCLASS], (1, 1), nothing),
    Function::new("pg_stat_get_numscans", kinds::INT8, &[O], (1, 1), zero),
    Function::new("pg_stat_get_live_tuples", kinds::INT8, &[O], (1, 1), |run, a| {
        let rows = run.state.catalog.facts_of(oid(a, 0)).map_or(0, |facts| facts.rows);
        Ok(Value::Int(i64::try_from(rows).unwrap_or(i64::MAX)))
    }),
    Function::new("obj_description", T, &[O, T], (1, 2), |run, a| {
        let of_relation = a.get(1).is_none_or(|catalog| catalog.as_text() == Some("pg_class"));
        if of_relation { described(run, oid(a, 0), 0) } else { Ok(Value::Null) }
    }),
    Function::new("col_description", T, &[O, I], (2, 2), |run, a| {
        described(run, oid(a, 0), number_argument(a, 1)?)
    }),
    Function::new("shobj_description", T, &[O, T], (2, 2), nothing),
    Function::new("has_table_privilege", B, &[], (2, 3), privilege),
    Function::new("has_schema_privilege", B, &[], (2, 3), privilege),
    Function::new("has_database_privilege", B, &[], (2, 3), privilege),
    Function::new("has_column_privilege", B, &[], (3, 4), privilege),
    Function::new("has_any_column_privilege", B, &[], (2, 3), privilege),
    Function::new("has_sequence_privilege", B, &[], (2, 3), privilege),
    Function::new("has_function_privilege", B, &[], (2, 3), privilege),
    Function::new("has_language_privilege", B, &[], (2, 3), privilege),
    Function::new("has_type_privilege", B, &[], (2, 3), privilege),
    Function::new("has_tablespace_privilege", B, &[], (2, 3), privilege),
    Function::new("has_foreign_data_wrapper_privilege", B, &[], (2, 3), privilege),
    Function::new("has_server_privilege", B, &[], (2, 3), privilege),
    Function::new("pg_has_role", B, &[], (2, 3), yes),
    Function::new("to_regclass", kinds::REGCLASS, &[T], (1, 1), |run, a| {
        let number = run.state.relation_oid(&text_argument(a, 0));
        Ok(number.map_or(Value::Null, |number| Value::Int(i64::from(number))))
    }),
    Function::new("to_regtype", kinds::REGTYPE, &[T], (1, 1), |run, a| {
        let number = run.state.type_oid(&text_argument(a, 0));
        Ok(number.map_or(Value::Null, |number| Value::Int(i64::from(number))))
    }),
    Function::new("to_regnamespace", kinds::REGNAMESPACE, &[T], (1, 1), |run, a| {
        let number = run.state.namespace_oid(&text_argument(a, 0));
        Ok(number.map_or(Value::Null, |number| Value::Int(i64::from(number))))
    }),
    Function::new("to_regproc", kinds::REGPROC, &[T], (1, 1), |run, a| {
        let number = run.state.function_oid(&text_argument(a, 0));
        Ok(number.map_or(Value::Null, |number| Value::Int(i64::from(number))))
    }),
    Function::new("_pg_truetypid", O, &[], (2, 2), nothing),
    Function::new("_pg_truetypmod", I, &[], (2, 2), nothing),
    Function::new("_pg_char_max_length", I, &[O, I], (2, 2), nothing),
    Function::new("_pg_numeric_precision", I, &[O, I], (2, 2), |_, a| {
        let precision = match oid(a, 0) {
            kinds::INT2 => 16,
            kinds::INT4 => 32,
            kinds::INT8 => 64,
            kinds::FLOAT4 => 24,
            kinds::FLOAT8 => 53,
            kinds::NUMERIC if oid(a, 1) >= 4 => (number_argument(a, 1)? - 4) >> 16,
            _ => return Ok(Value::Null),
        };
        Ok(Value::Int(precision))
    }),
    Function::new("_pg_numeric_scale", I, &[O, I], (2, 2), |_, a| {
        Ok(match oid(a, 0) {
            kinds::INT2 | kinds::INT4 | kinds::INT8 => Value::Int(0),
            kinds::NUMERIC if oid(a, 1) >= 4 => Value::Int((number_argument(a, 1)? - 4) & 0xffff),
            _ => Value::Null,
        })
    }),
    Function::new("_pg_datetime_precision", I, &[O, I], (2, 2), |_, a| {
        Ok(match oid(a, 0) {
            kinds::TIMESTAMP | kinds::TIMESTAMPTZ | kinds::TIME => Value::Int(6),
            _ => Value::Null,
        })
    }),
];
