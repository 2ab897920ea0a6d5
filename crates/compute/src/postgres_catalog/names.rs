//! Names in a catalog query: parts of an object's name, types, and what a column without an alias
//! is called.

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, ObjectName, Query, SelectItem, SetExpr,
};

use super::folded;
use super::kinds::{self, Oid};
use crate::error::QueryError;

/// The parts of a name, as they are looked up.
pub(crate) fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident().map(folded)).collect()
}

/// The type that a written type means.
pub(crate) fn kind_of(data_type: &DataType) -> Result<Oid, QueryError> {
    if let DataType::Array(
        ArrayElemTypeDef::SquareBracket(inner, _) | ArrayElemTypeDef::AngleBracket(inner),
    ) = data_type
    {
        return Ok(kinds::array_of(kind_of(inner)?));
    }
    let text = match data_type {
        DataType::Custom(name, _) => parts(name).pop().unwrap_or_default(),
        other => {
            let text = other.to_string().to_lowercase();
            match text.split_once('(') {
                Some((word, rest)) => {
                    let after = rest.split_once(')').map_or("", |(_, after)| after);
                    format!("{}{after}", word.trim())
                }
                None => text,
            }
        }
    };
    kinds::by_name(&text)
        .or(match text.as_str() {
            "cardinal_number" => Some(kinds::INT4),
            "character_data" | "sql_identifier" | "yes_or_no" => Some(kinds::VARCHAR),
            "xid8" => Some(kinds::INT8),
            "regconfig" | "regdictionary" => Some(kinds::OID),
            _ => None,
        })
        .ok_or_else(|| {
            QueryError::new(base::ErrorKind::NotFound, format!("type \"{text}\" does not exist"))
        })
}

/// What PostgreSQL calls a column whose expression has no alias.
pub(crate) fn of(expr: &Expr) -> String {
    maybe(expr).unwrap_or_else(|| "?column?".to_owned())
}

fn maybe(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => maybe(inner),
        Expr::Function(function) => parts(&function.name).pop(),
        Expr::Cast { expr, data_type, .. } => {
            maybe(expr).or_else(|| kind_of(data_type).ok().map(kinds::name))
        }
        Expr::TypedString(string) => kind_of(&string.data_type).ok().map(kinds::name),
        Expr::Case { else_result, .. } => {
            let named = else_result.as_deref().and_then(maybe);
            Some(named.unwrap_or_else(|| "case".to_owned()))
        }
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(datafusion::sql::sqlparser::ast::AccessExpr::Dot(Expr::Identifier(field))) => {
                Some(folded(field))
            }
            _ => maybe(root),
        },
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Array(_) => Some("array".to_owned()),
        Expr::Substring { .. } => Some("substring".to_owned()),
        Expr::Position { .. } => Some("position".to_owned()),
        Expr::Trim { .. } => Some("btrim".to_owned()),
        Expr::Value(value) => match value.value {
            datafusion::sql::sqlparser::ast::Value::Boolean(_) => Some("bool".to_owned()),
            _ => None,
        },
        Expr::Subquery(query) => first_of(query),
        _ => None,
    }
}

fn first_of(query: &Query) -> Option<String> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    match select.projection.first()? {
        SelectItem::UnnamedExpr(expr) => maybe(expr),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    }
}
