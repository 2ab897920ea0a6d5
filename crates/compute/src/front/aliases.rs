//! Aliases of a select list that later items and `where` use as if they were columns.
//!
//! A real column of that name comes first, as at home; so this is tried only after a name was not
//! found, when asking for the columns costs nothing that matters.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, Select, SelectItem, VisitMut, VisitorMut};

use super::dialect::Dialect;
use super::probe::columns_of_all;
use super::tree::folded;
use super::walk::Scene;
use crate::error::QueryError;

/// Puts the expressions in the place of their aliases.
pub(crate) fn rewrite(scene: &Scene<'_>, select: &mut Select) -> Result<(), QueryError> {
    let there = match scene.dialect {
        Dialect::Duckdb | Dialect::Snowflake => scene.known.aliases,
        Dialect::Postgres | Dialect::Bigquery => false,
    };
    let aliased = |item: &SelectItem| matches!(item, SelectItem::ExprWithAlias { .. });
    if !there || !select.projection.iter().any(aliased) {
        return Ok(());
    }
    let Some(columns) = columns_of_all(scene, &select.from)? else { return Ok(()) };
    let mut place = Place { aliases: BTreeMap::new(), columns, depth: 0 };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = expr.visit(&mut place);
        }
        if let SelectItem::ExprWithAlias { expr, alias } = item {
            place.aliases.insert(folded(alias), expr.clone());
        }
    }
    if let Some(condition) = &mut select.selection {
        let _ = condition.visit(&mut place);
    }
    Ok(())
}

struct Place {
    aliases: BTreeMap<String, Expr>,
    columns: Vec<String>,
    /// Subqueries have tables of their own.
    depth: usize,
}

impl VisitorMut for Place {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(name) = expr
            && !self.columns.contains(&folded(name))
            && let Some(meant) = self.aliases.get(&folded(name))
        {
            *expr = Expr::Nested(Box::new(meant.clone()));
        }
        ControlFlow::Continue(())
    }
}
