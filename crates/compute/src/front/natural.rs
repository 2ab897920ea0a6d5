//! `natural join`: which columns both sides have.

use datafusion::sql::sqlparser::ast::{
    Join, JoinConstraint, ObjectName, ObjectNamePart, TableFactor, TableWithJoins,
};

use super::joins::{constraint, constraint_mut};
use super::probe::columns_of;
use super::tree::quoted;
use super::walk::{Scene, refused};
use crate::error::QueryError;

/// `natural` is `using` of the columns that both sides have.
pub(crate) fn spell_out(scene: &Scene<'_>, table: &mut TableWithJoins) -> Result<(), QueryError> {
    let natural =
        |join: &Join| matches!(constraint(&join.join_operator), Some(JoinConstraint::Natural));
    if !table.joins.iter().any(natural) {
        return Ok(());
    }
    let known = |factor: &TableFactor| {
        columns_of(scene, factor)?.ok_or_else(|| {
            let help = "Name the columns: \"join … using (…)\".";
            refused(scene, factor, "the columns of a \"natural join\" are not known here", help)
        })
    };
    let mut left = known(&table.relation)?;
    for join in &mut table.joins {
        let right = known(&join.relation)?;
        if natural(join) {
            let common: Vec<ObjectName> = left
                .iter()
                .filter(|name| right.contains(name))
                .map(|name| ObjectName(vec![ObjectNamePart::Identifier(quoted(name))]))
                .collect();
            if common.is_empty() {
                let message = "a \"natural join\" of tables without a common column is not run";
                return Err(refused(scene, join, message, "Write \"cross join\"."));
            }
            if let Some(place) = constraint_mut(&mut join.join_operator) {
                *place = JoinConstraint::Using(common);
            }
        }
        let fresh: Vec<String> = right.into_iter().filter(|name| !left.contains(name)).collect();
        left.extend(fresh);
    }
    Ok(())
}
