//! What a column without an alias is called, and what happens to a name that comes twice.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, CastKind, DataType, DuplicateTreatment, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, Query, Select, SelectItem, SetExpr, TableAlias,
    TableFactor, TableWithJoins, UnaryOperator, Value,
};

use super::dialect::Dialect;
use super::tree::{folded, last_part, quoted};

/// Gives every expression of the select list the name its dialect's home would give it.
pub(crate) fn rewrite(dialect: Dialect, select: &mut Select) {
    let tables = tables(select);
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        match expr {
            Expr::Identifier(_) => continue,
            // A member of a struct is called like itself; DataFusion spells the way to it.
            Expr::CompoundIdentifier(parts)
                if parts.first().is_some_and(|first| !tables.contains(&folded(first)))
                    && parts.len() == 2 =>
            {
                let Some(name) = parts.last().cloned() else { continue };
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: name };
                continue;
            }
            Expr::CompoundIdentifier(_) => continue,
            Expr::CompoundFieldAccess { access_chain, .. } => {
                if let Some(AccessExpr::Dot(Expr::Identifier(name))) = access_chain.last() {
                    let alias = name.clone();
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                    continue;
                }
            }
            _ => {}
        }
        let name = match dialect {
            Dialect::Postgres => postgres(expr).unwrap_or_else(|| "?column?".to_owned()),
            Dialect::Duckdb => duckdb(expr),
            Dialect::Snowflake => expr.to_string().to_uppercase(),
            Dialect::Bigquery => continue,
        };
        let expr = expr.clone();
        *item = SelectItem::ExprWithAlias { expr, alias: quoted(name) };
    }
    separate(select);
}

/// What the tables of a select are called.
fn tables(select: &Select) -> BTreeSet<String> {
    fn name(factor: &TableFactor, into: &mut BTreeSet<String>) {
        match factor {
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. }
            | TableFactor::Pivot { alias: Some(alias), .. }
            | TableFactor::Unpivot { alias: Some(alias), .. } => {
                into.insert(folded(&alias.name));
            }
            TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => {
                into.extend(name.0.iter().filter_map(|part| part.as_ident()).map(folded));
            }
            TableFactor::NestedJoin { table_with_joins, .. } => all(table_with_joins, into),
            _ => {}
        }
    }
    fn all(table: &TableWithJoins, into: &mut BTreeSet<String>) {
        name(&table.relation, into);
        table.joins.iter().for_each(|join| name(&join.relation, into));
    }
    let mut found = BTreeSet::new();
    select.from.iter().for_each(|table| all(table, &mut found));
    found
}

/// `with recursive t(x) as (…)`: the first branch has to name the columns already, for the second
/// reads them.
pub(crate) fn carry_columns(query: &mut Query, alias: &TableAlias) {
    let mut body = query.body.as_mut();
    while let SetExpr::SetOperation { left, .. } = body {
        body = left.as_mut();
    }
    let SetExpr::Select(select) = body else { return };
    for (item, column) in select.projection.iter_mut().zip(&alias.columns) {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: column.name.clone() };
        }
    }
}

/// A name that comes twice gets a number, as DuckDB does when it writes a table.
fn separate(select: &mut Select) {
    let mut used: BTreeSet<String> = select.projection.iter().filter_map(output_name).collect();
    let mut seen = BTreeSet::new();
    for item in &mut select.projection {
        let Some(name) = output_name(item) else { continue };
        if seen.insert(name.clone()) {
            continue;
        }
        let mut number = 1;
        let mut fresh = format!("{name}_{number}");
        while used.contains(&fresh) {
            number += 1;
            fresh = format!("{name}_{number}");
        }
        used.insert(fresh.clone());
        seen.insert(fresh.clone());
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: quoted(fresh) };
        }
    }
}

fn output_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(folded(name)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
        _ => None,
    }
}

fn postgres(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Nested(inner) => postgres(inner),
        Expr::Function(function) => last_part(&function.name).map(folded),
        Expr::Cast { expr, data_type, .. } => {
            postgres(expr).or_else(|| Some(postgres_type(data_type)))
        }
        Expr::TypedString(typed) => Some(postgres_type(&typed.data_type)),
        Expr::Case { else_result, .. } => match else_result.as_deref().map(strip) {
            Some(Expr::Identifier(name)) => Some(folded(name)),
            Some(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
            Some(Expr::Function(function)) => last_part(&function.name).map(folded),
            _ => Some("case".to_owned()),
        },
        Expr::Extract { .. } => Some("extract".to_owned()),
        Expr::Interval(_) => Some("interval".to_owned()),
        Expr::AtTimeZone { .. } => Some("timezone".to_owned()),
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Position { .. } => Some("position".to_owned()),
        Expr::Substring { .. } => Some("substring".to_owned()),
        Expr::Trim { .. } => Some("btrim".to_owned()),
        Expr::Overlay { .. } => Some("overlay".to_owned()),
        Expr::Ceil { .. } => Some("ceil".to_owned()),
        Expr::Floor { .. } => Some("floor".to_owned()),
        Expr::Array(_) => Some("array".to_owned()),
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => Some("bool".to_owned()),
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.first() {
                Some(SelectItem::UnnamedExpr(expr)) => postgres(expr),
                Some(SelectItem::ExprWithAlias { alias, .. }) => Some(folded(alias)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => strip(inner),
        other => other,
    }
}

fn postgres_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4",
        DataType::BigInt(_) | DataType::Int8(_) => "int8",
        DataType::SmallInt(_) | DataType::Int2(_) => "int2",
        DataType::Boolean | DataType::Bool => "bool",
        DataType::DoublePrecision | DataType::Double(_) | DataType::Float8 => "float8",
        DataType::Float(_) => "float8",
        DataType::Real | DataType::Float4 => "float4",
        DataType::Numeric(_) | DataType::Decimal(_) => "numeric",
        DataType::Varchar(_) | DataType::CharacterVarying(_) => "varchar",
        DataType::Char(_) | DataType::Character(_) => "bpchar",
        DataType::Timestamp(_, zone) if zone.to_string().contains("WITH TIME") => "timestamptz",
        DataType::Timestamp(_, zone) if zone.to_string() == "TZ" => "timestamptz",
        DataType::Timestamp(_, _) => "timestamp",
        other => return other.to_string().to_lowercase(),
    }
    .to_owned()
}

/// DuckDB writes the expression itself, in its own spelling.
pub(crate) fn duckdb(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(parts) => {
            parts.iter().map(|part| part.value.clone()).collect::<Vec<_>>().join(".")
        }
        Expr::Nested(inner) => duckdb(inner),
        Expr::Value(value) => match &value.value {
            Value::Boolean(true) => "true".to_owned(),
            Value::Boolean(false) => "false".to_owned(),
            Value::Null => "NULL".to_owned(),
            Value::Number(digits, _) => digits.replace('_', ""),
            other => other.to_string(),
        },
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => format!("(NOT {})", duckdb(expr)),
        Expr::UnaryOp { op, expr } => match strip(expr) {
            Expr::Value(_) => format!("{op}{}", duckdb(expr)),
            other => format!("({op}({}))", duckdb(other)),
        },
        Expr::BinaryOp { left, op, right } => {
            format!("({} {op} {})", duckdb(left), duckdb(right))
        }
        Expr::IsNull(inner) => format!("({} IS NULL)", duckdb(inner)),
        Expr::IsNotNull(inner) => format!("({} IS NOT NULL)", duckdb(inner)),
        Expr::Cast { kind, expr, data_type, .. } => {
            let verb = match kind {
                CastKind::TryCast | CastKind::SafeCast => "TRY_CAST",
                CastKind::Cast | CastKind::DoubleColon => "CAST",
            };
            format!("{verb}({} AS {})", duckdb(expr), duckdb_type(data_type))
        }
        Expr::Case { operand, conditions, else_result, .. } => {
            let mut text = "CASE ".to_owned();
            if let Some(operand) = operand {
                text.push_str(&duckdb(operand));
            }
            for when in conditions {
                let (condition, result) = (duckdb(&when.condition), duckdb(&when.result));
                text.push_str(&format!(" WHEN ({condition}) THEN ({result})"));
            }
            let other = else_result.as_ref().map_or_else(|| "NULL".to_owned(), |e| duckdb(e));
            text.push_str(&format!(" ELSE {other} END"));
            text
        }
        Expr::Function(function) => duckdb_call(function),
        Expr::Array(array) => {
            let items: Vec<String> = array.elem.iter().map(duckdb).collect();
            format!("list_value({})", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn duckdb_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Int(_) | DataType::Int4(_) => "INTEGER".to_owned(),
        DataType::Text | DataType::String(_) | DataType::CharacterVarying(_) => {
            "VARCHAR".to_owned()
        }
        DataType::DoublePrecision | DataType::Float8 => "DOUBLE".to_owned(),
        DataType::Bool => "BOOLEAN".to_owned(),
        other => other.to_string().to_uppercase(),
    }
}

fn duckdb_call(function: &Function) -> String {
    let name = last_part(&function.name).map_or_else(String::new, folded_ref);
    let FunctionArguments::List(list) = &function.args else { return format!("{name}()") };
    let star =
        matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] | []);
    if name == "count" && star && function.over.is_none() && function.filter.is_none() {
        return "count_star()".to_owned();
    }
    let arguments: Vec<String> = list
        .args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => duckdb(expr),
            other => other.to_string(),
        })
        .collect();
    let distinct = match list.duplicate_treatment {
        Some(DuplicateTreatment::Distinct) => "DISTINCT ",
        Some(DuplicateTreatment::All) | None => "",
    };
    let name = match name.as_str() {
        "coalesce" => "COALESCE".to_owned(),
        _ => name,
    };
    format!("{name}({distinct}{})", arguments.join(", "))
}

fn folded_ref(ident: &Ident) -> String {
    folded(ident)
}
