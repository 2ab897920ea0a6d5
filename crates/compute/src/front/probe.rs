//! What only the tables know: the names of their columns.
//!
//! A rewrite sees no catalog. When it needs the columns of a relation (`natural join`,
//! `columns(…)`, `pivot`), it asks for them and stops; the session plans `select *` of that
//! relation, with the common tables in sight, and the rewrite starts again knowing the answer.
//! Statements that ask for nothing cost nothing.

use std::collections::BTreeMap;

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{Cte, Query, SetExpr, TableFactor, TableWithJoins, With};

use super::dialect::Dialect;
use super::parse;
use super::spelling::Spelling;
use super::walk::Scene;
use crate::error::QueryError;

/// Relations whose columns one statement may ask for.
pub(crate) const PROBES_MAX: usize = 200;

/// What earlier tries of one statement found out.
#[derive(Debug, Default)]
pub(crate) struct Known {
    columns: BTreeMap<String, Option<Vec<String>>>,
    /// Names that were found in another case.
    pub(crate) spelling: Spelling,
    /// A name was no column: it may be an alias of the same select list.
    pub(crate) aliases: bool,
    /// Two aggregates had one name: a cast inside them does not show in it.
    pub(crate) guarded: bool,
}

impl Known {
    /// Keeps the columns of a relation; none when it could not be planned.
    pub(crate) fn tell(&mut self, probe: Probe, columns: Option<Vec<String>>) {
        self.columns.insert(probe.key, columns);
    }

    /// Whether planning is worth another try after this error.
    pub(crate) fn learn(&mut self, error: &DataFusionError, dialect: Dialect) -> bool {
        if let DataFusionError::SchemaError(schema, _) = error.find_root()
            && let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref()
            && self.spelling.learn(field, valid_fields, dialect)
        {
            return true;
        }
        let place = match (error.find_root(), dialect) {
            (DataFusionError::SchemaError(schema, _), Dialect::Duckdb | Dialect::Snowflake)
                if matches!(schema.as_ref(), SchemaError::FieldNotFound { .. }) =>
            {
                &mut self.aliases
            }
            (DataFusionError::SchemaError(schema, _), _)
                if matches!(
                    schema.as_ref(),
                    SchemaError::DuplicateUnqualifiedField { .. }
                        | SchemaError::DuplicateQualifiedField { .. }
                ) =>
            {
                &mut self.guarded
            }
            _ => return false,
        };
        !std::mem::replace(place, true)
    }
}

/// A relation whose columns are asked for.
#[derive(Debug)]
pub(crate) struct Probe {
    key: String,
    /// Gives its columns.
    pub(crate) query: Box<Query>,
}

/// The columns of one relation; none when they cannot be known.
pub(crate) fn columns_of(
    scene: &Scene<'_>,
    factor: &TableFactor,
) -> Result<Option<Vec<String>>, QueryError> {
    let table = TableWithJoins { relation: factor.clone(), joins: Vec::new() };
    columns_of_all(scene, &[table])
}

/// The columns of a whole `from`, in the order of `*`.
pub(crate) fn columns_of_all(
    scene: &Scene<'_>,
    from: &[TableWithJoins],
) -> Result<Option<Vec<String>>, QueryError> {
    if from.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut query = parse::query("select * from t")?.query;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from = from.to_vec();
    }
    columns_of_query(scene, query)
}

/// The columns of a query that stands where the walk is.
pub(crate) fn columns_of_query(
    scene: &Scene<'_>,
    mut query: Box<Query>,
) -> Result<Option<Vec<String>>, QueryError> {
    let mut tables: Vec<Cte> = Vec::new();
    let mut recursive = false;
    for (own, table) in scene.scope.borrow().iter() {
        // An inner common table hides an outer one of its name.
        tables.retain(|known| known.alias.name != table.alias.name);
        tables.push(table.clone());
        recursive |= own;
    }
    if let Some(with) = query.with.take() {
        recursive |= with.recursive;
        tables.extend(with.cte_tables);
    }
    if !tables.is_empty() {
        let with_token = AttachedToken::empty();
        query.with = Some(With { with_token, recursive, cte_tables: tables });
    }
    let key = query.to_string();
    if let Some(columns) = scene.known.columns.get(&key) {
        return Ok(columns.clone());
    }
    *scene.wanted.borrow_mut() = Some(Probe { key, query });
    Err(QueryError::internal("the columns of a relation are asked for"))
}
