//! Functions in `from`: what their column is called, and those that are lists laid out as rows.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, TableAlias, TableAliasColumnDef, TableFactor, Value,
};

use super::dialect::Dialect;
use super::tree::{call, folded, last_part};
use super::walk::Scene;

/// Gives a function in `from` the column names of its home.
pub(crate) fn rewrite(scene: &Scene<'_>, factor: &mut TableFactor) {
    let (name, arguments, alias) = match &*factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, &args.args, alias),
        TableFactor::Function { name, args, alias, with_ordinality: false, .. } => {
            (name, args, alias)
        }
        _ => return,
    };
    let Some(name) = last_part(name).map(folded) else { return };
    let Some(arguments) = plain(arguments) else { return };
    let alias = alias.clone();
    if matches!(name.as_str(), "generate_series" | "range") {
        return series(scene, &name, arguments, alias, factor);
    }
    let Some((lists, columns)) = laid_out(scene.dialect, &name, &arguments) else { return };
    *factor = unnest(lists, named(alias, &columns, scene.dialect));
}

fn plain(arguments: &[FunctionArg]) -> Option<Vec<Expr>> {
    arguments
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

/// Functions that give several rows: the lists to lay out, and the names of the columns.
fn laid_out(
    dialect: Dialect,
    name: &str,
    arguments: &[Expr],
) -> Option<(Vec<Expr>, Vec<&'static str>)> {
    if dialect != Dialect::Postgres {
        return None;
    }
    let all = || arguments.to_vec();
    Some(match (name, arguments.len()) {
        ("json_array_elements" | "jsonb_array_elements", 1) => {
            (vec![call("fp_json_elements", all())], vec!["value"])
        }
        ("json_array_elements_text" | "jsonb_array_elements_text", 1) => {
            (vec![call("fp_json_elements_text", all())], vec!["value"])
        }
        ("json_object_keys", 1) => (vec![call("fp_json_keys", all())], vec!["json_object_keys"]),
        ("jsonb_object_keys", 1) => (vec![call("fp_json_keys", all())], vec!["jsonb_object_keys"]),
        ("json_each" | "jsonb_each", 1) => (
            vec![call("fp_json_keys", all()), call("fp_json_member_values", all())],
            vec!["key", "value"],
        ),
        ("json_each_text" | "jsonb_each_text", 1) => (
            vec![call("fp_json_keys", all()), call("fp_json_member_texts", all())],
            vec!["key", "value"],
        ),
        ("regexp_split_to_table", 2) => {
            (vec![call("fp_regexp_split", all())], vec!["regexp_split_to_table"])
        }
        ("string_to_table", 2) => (vec![call("fp_split", all())], vec!["string_to_table"]),
        _ => return None,
    })
}

fn unnest(array_exprs: Vec<Expr>, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::UNNEST {
        alias,
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

/// The alias with column names; PostgreSQL calls a lone column as its table.
fn named(alias: Option<TableAlias>, columns: &[&str], dialect: Dialect) -> Option<TableAlias> {
    let lone = columns.len() == 1 && dialect == Dialect::Postgres && columns != ["value"];
    let mut alias = alias.unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new(columns.first().copied().unwrap_or("unnest")),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        let table = alias.name.value.clone();
        alias.columns = columns
            .iter()
            .map(|column| match lone {
                true => TableAliasColumnDef::from_name(table.clone()),
                false => TableAliasColumnDef::from_name(*column),
            })
            .collect();
    }
    Some(alias)
}

/// A series of literals is counted as it is read; one of expressions is a list laid out.
fn series(
    scene: &Scene<'_>,
    name: &str,
    arguments: Vec<Expr>,
    alias: Option<TableAlias>,
    factor: &mut TableFactor,
) {
    let own = if name == "range" { "range" } else { "generate_series" };
    let alias = named(alias, &[own], scene.dialect);
    if arguments.iter().all(whole_constant) {
        if let TableFactor::Table { alias: place, .. }
        | TableFactor::Function { alias: place, .. } = factor
        {
            *place = alias;
        }
        return;
    }
    *factor = unnest(vec![call(name, arguments)], alias);
}

fn whole_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(_, _)),
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => whole_constant(expr),
        Expr::BinaryOp { left, right, .. } => whole_constant(left) && whole_constant(right),
        _ => false,
    }
}
