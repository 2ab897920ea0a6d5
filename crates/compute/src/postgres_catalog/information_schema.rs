//! The relations of `information_schema`.

use std::sync::Arc;

use super::facts::{ColumnFacts, TableFacts};
use super::kinds;
use super::relations::{Relations, big, int, relation, text};
use super::value::Value;

const SCHEMA: &str = "information_schema";

pub(crate) fn add(relations: &mut Relations, tables: &[Arc<TableFacts>], database: &str) {
    let mut add = |name, columns: &str, rows| {
        relations.insert((SCHEMA, name), relation(columns, rows));
    };
    add("schemata", SCHEMATA, schemata(tables, database));
    add("tables", TABLES, tables.iter().map(|facts| table(facts)).collect());
    add("columns", COLUMNS, tables.iter().flat_map(|facts| columns(facts)).collect());
    add("views", VIEWS, tables.iter().filter_map(|facts| view(facts)).collect());
    let keyed = || tables.iter().filter(|facts| !facts.key.is_empty());
    add("table_constraints", CONSTRAINTS, keyed().map(|facts| constraint(facts)).collect());
    add("key_column_usage", KEY_COLUMNS, keyed().flat_map(|facts| key_columns(facts)).collect());
    add("constraint_column_usage", CONSTRAINT_COLUMNS, {
        keyed().flat_map(|facts| constraint_columns(facts)).collect()
    });
    for name in ["table_privileges", "role_table_grants"] {
        add(name, PRIVILEGES, tables.iter().map(|facts| privilege(facts)).collect());
    }
}

fn yes_or_no(truth: bool) -> Value {
    text(if truth { "YES" } else { "NO" })
}

const SCHEMATA: &str = "catalog_name name, schema_name name, schema_owner name, \
    default_character_set_catalog name, default_character_set_schema name, \
    default_character_set_name name, sql_path varchar";

fn schemata(tables: &[Arc<TableFacts>], database: &str) -> Vec<Vec<Value>> {
    let mut names: Vec<&str> = tables.iter().map(|facts| facts.name.namespace.as_str()).collect();
    names.extend(["pg_catalog", SCHEMA]);
    names.sort_unstable();
    names.dedup();
    let row = |name: &str| {
        let mut row = vec![text(database), text(name), text(super::OWNER_NAME)];
        row.extend(std::iter::repeat_n(Value::Null, 4));
        row
    };
    names.into_iter().map(row).collect()
}

const TABLES: &str = "table_catalog name, table_schema name, table_name name, \
    table_type varchar, self_referencing_column_name name, reference_generation varchar, \
    user_defined_type_catalog name, user_defined_type_schema name, user_defined_type_name name, \
    is_insertable_into varchar, is_typed varchar, commit_action varchar";

fn named(facts: &TableFacts) -> [Value; 3] {
    [text(&facts.database), text(&facts.name.namespace), text(&facts.name.name)]
}

fn table(facts: &TableFacts) -> Vec<Value> {
    let kind = if facts.view.is_some() { "VIEW" } else { "BASE TABLE" };
    let mut row = named(facts).to_vec();
    row.push(text(kind));
    row.extend(std::iter::repeat_n(Value::Null, 5));
    row.extend([text("NO"), text("NO"), Value::Null]);
    row
}

const COLUMNS: &str = "table_catalog name, table_schema name, table_name name, \
    column_name name, ordinal_position int4, column_default varchar, is_nullable varchar, \
    data_type varchar, character_maximum_length int4, character_octet_length int4, \
    numeric_precision int4, numeric_precision_radix int4, numeric_scale int4, \
    datetime_precision int4, interval_type varchar, interval_precision int4, \
    character_set_catalog name, character_set_schema name, character_set_name name, \
    collation_catalog name, collation_schema name, collation_name name, domain_catalog name, \
    domain_schema name, domain_name name, udt_catalog name, udt_schema name, udt_name name, \
    scope_catalog name, scope_schema name, scope_name name, maximum_cardinality int4, \
    dtd_identifier name, is_self_referencing varchar, is_identity varchar, \
    identity_generation varchar, identity_start varchar, identity_increment varchar, \
    identity_maximum varchar, identity_minimum varchar, identity_cycle varchar, \
    is_generated varchar, generation_expression varchar, is_updatable varchar";

fn columns(facts: &TableFacts) -> Vec<Vec<Value>> {
    facts.columns.iter().enumerate().map(|(place, held)| column(facts, place, held)).collect()
}

fn column(facts: &TableFacts, place: usize, column: &ColumnFacts) -> Vec<Value> {
    let array = kinds::element_of(column.kind).is_some();
    let kind = if array { "ARRAY".to_owned() } else { kinds::format(column.kind, None) };
    let mut row = named(facts).to_vec();
    row.extend([
        text(&column.name),
        big(place as u64 + 1),
        Value::Null,
        yes_or_no(!column.required),
        text(&kind),
        Value::Null,
        if kinds::is_text(column.kind) { int(1_073_741_824) } else { Value::Null },
    ]);
    row.extend(digits(column));
    row.extend(std::iter::repeat_n(Value::Null, 11));
    row.extend([text(&facts.database), text("pg_catalog"), text(&kinds::name(column.kind))]);
    row.extend(std::iter::repeat_n(Value::Null, 4));
    row.extend([big(place as u64 + 1), text("NO"), text("NO")]);
    row.extend(std::iter::repeat_n(Value::Null, 5));
    row.extend([text("NO"), text("NEVER"), Value::Null, text("NO")]);
    row
}

/// Precision, radix, scale, and the precision of a time.
fn digits(column: &ColumnFacts) -> [Value; 4] {
    let (precision, radix, scale) = match column.kind {
        kinds::INT2 => (Some(16), 2, Some(0)),
        kinds::INT4 => (Some(32), 2, Some(0)),
        kinds::INT8 => (Some(64), 2, Some(0)),
        kinds::FLOAT4 => (Some(24), 2, None),
        kinds::FLOAT8 => (Some(53), 2, None),
        kinds::NUMERIC if column.modifier >= 4 => {
            let digits = column.modifier - 4;
            (Some(digits >> 16), 10, Some(digits & 0xffff))
        }
        _ => (None, 10, None),
    };
    let number = |value: Option<i32>| value.map_or(Value::Null, int);
    let is_number = precision.is_some() || column.kind == kinds::NUMERIC;
    let moment = matches!(
        column.kind,
        kinds::TIMESTAMP | kinds::TIMESTAMPTZ | kinds::TIME | kinds::INTERVAL
    );
    [
        number(precision),
        number(is_number.then_some(radix)),
        number(scale),
        number(moment.then_some(6).or((column.kind == kinds::DATE).then_some(0))),
    ]
}

const VIEWS: &str = "table_catalog name, table_schema name, table_name name, \
    view_definition varchar, check_option varchar, is_updatable varchar, \
    is_insertable_into varchar, is_trigger_updatable varchar, is_trigger_deletable varchar, \
    is_trigger_insertable_into varchar";

fn view(facts: &TableFacts) -> Option<Vec<Value>> {
    let sql = facts.view.as_ref()?;
    let mut row = named(facts).to_vec();
    row.extend([text(sql), text("NONE")]);
    row.extend(std::iter::repeat_n(text("NO"), 5));
    Some(row)
}

const CONSTRAINTS: &str = "constraint_catalog name, constraint_schema name, \
    constraint_name name, table_catalog name, table_schema name, table_name name, \
    constraint_type varchar, is_deferrable varchar, initially_deferred varchar, enforced varchar, \
    nulls_distinct varchar";

fn key(facts: &TableFacts) -> [Value; 3] {
    [text(&facts.database), text(&facts.name.namespace), text(&facts.key_name())]
}

fn constraint(facts: &TableFacts) -> Vec<Value> {
    let mut row: Vec<Value> = key(facts).into_iter().chain(named(facts)).collect();
    row.extend([text("PRIMARY KEY"), text("NO"), text("NO"), text("YES"), Value::Null]);
    row
}

const KEY_COLUMNS: &str = "constraint_catalog name, constraint_schema name, \
    constraint_name name, table_catalog name, table_schema name, table_name name, \
    column_name name, ordinal_position int4, position_in_unique_constraint int4";

fn key_columns(facts: &TableFacts) -> Vec<Vec<Value>> {
    let names = facts.key.iter().filter_map(|place| facts.columns.get(*place));
    let row = |(place, column): (usize, &ColumnFacts)| {
        let mut row: Vec<Value> = key(facts).into_iter().chain(named(facts)).collect();
        row.extend([text(&column.name), big(place as u64 + 1), Value::Null]);
        row
    };
    names.enumerate().map(row).collect()
}

const CONSTRAINT_COLUMNS: &str = "table_catalog name, table_schema name, table_name name, \
    column_name name, constraint_catalog name, constraint_schema name, constraint_name name";

fn constraint_columns(facts: &TableFacts) -> Vec<Vec<Value>> {
    let names = facts.key.iter().filter_map(|place| facts.columns.get(*place));
    let row = |column: &ColumnFacts| {
        let mut row = named(facts).to_vec();
        row.push(text(&column.name));
        row.extend(key(facts));
        row
    };
    names.map(row).collect()
}

const PRIVILEGES: &str = "grantor name, grantee name, table_catalog name, table_schema name, \
    table_name name, privilege_type varchar, is_grantable varchar, with_hierarchy varchar";

fn privilege(facts: &TableFacts) -> Vec<Value> {
    let mut row = vec![text(super::OWNER_NAME), text("PUBLIC")];
    row.extend(named(facts));
    row.extend([text("SELECT"), text("NO"), text("YES")]);
    row
}
