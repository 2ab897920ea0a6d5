//! What is not run, by name and with what to write instead.
//!
//! DataFusion passes over several clauses without a word; here none of them gets that far.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, not_impl_err};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, JoinOperator, LimitClause, Query, Select, SelectItem, TableFactor,
};

use super::walk::{Scene, refused};
use crate::error::QueryError;

/// What only a plan shows: a struct laid out as columns, whose names would not be its home's, and
/// subqueries that no join can stand for.
pub(crate) fn plan(plan: &LogicalPlan) -> Result<()> {
    let mut refusal = None;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Unnest(unnest) = node
            && !unnest.struct_type_columns.is_empty()
        {
            refusal = Some("\"unnest\" of a struct is not run; name its fields: s.a, s.b");
        }
        Ok(if refusal.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    match refusal {
        Some(message) => not_impl_err!("{message}"),
        None => Ok(()),
    }
}

/// Clauses of a query.
pub(crate) fn query(scene: &Scene<'_>, query: &Query) -> std::result::Result<(), QueryError> {
    let clause = if !query.locks.is_empty() {
        Some(("for update", "Leave it out: table versions never change under a query."))
    } else if query.for_clause.is_some() {
        Some(("for xml/json/browse", "Leave it out."))
    } else if query.settings.is_some() || query.format_clause.is_some() {
        Some(("settings/format", "Leave it out."))
    } else if !query.pipe_operators.is_empty() {
        Some(("|>", "Write the steps as common table expressions."))
    } else if query.fetch.as_ref().is_some_and(|fetch| fetch.with_ties || fetch.percent) {
        Some(("fetch … with ties/percent", "Filter with qualify rank() over (…) instead."))
    } else if matches!(&query.limit_clause, Some(LimitClause::LimitOffset { limit_by, .. })
        if !limit_by.is_empty())
    {
        Some(("limit … by", "Filter with qualify row_number() over (…) instead."))
    } else {
        None
    };
    match clause {
        Some((name, help)) => Err(refused(scene, query, format!("\"{name}\" is not run"), help)),
        None => Ok(()),
    }
}

/// Clauses of one select.
pub(crate) fn select(scene: &Scene<'_>, select: &Select) -> std::result::Result<(), QueryError> {
    if select.into.is_some() {
        return Err(QueryError::project("\"select into\" is not a query")
            .help("Tables are written by models."));
    }
    let clause = if select.top.is_some() {
        Some(("top", "Write \"limit\"."))
    } else if !select.lateral_views.is_empty() {
        Some(("lateral view", "Write \"cross join unnest(…)\"."))
    } else if select.prewhere.is_some() {
        Some(("prewhere", "Write \"where\"."))
    } else if !select.connect_by.is_empty() {
        Some(("connect by", "Write \"with recursive\"."))
    } else if !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
    {
        Some(("cluster/distribute/sort by", "Write \"order by\"."))
    } else if select.value_table_mode.is_some() {
        Some(("select as value/struct", "Name the columns."))
    } else if select.exclude.is_some() {
        Some(("exclude after the select list", "Write it beside the star: \"* exclude (…)\"."))
    } else if matches!(&select.group_by, GroupByExpr::Expressions(_, modifiers)
        | GroupByExpr::All(modifiers) if !modifiers.is_empty())
    {
        Some(("group by … with", "Write \"group by rollup (…)\" or \"cube (…)\"."))
    } else {
        None
    };
    if let Some((name, help)) = clause {
        return Err(refused(scene, select, format!("\"{name}\" is not run"), help));
    }
    for table in &select.from {
        for join in &table.joins {
            if matches!(
                join.join_operator,
                JoinOperator::AsOf { .. } | JoinOperator::StraightJoin(_)
            ) {
                return Err(refused(
                    scene,
                    join,
                    "\"asof join\" is not run",
                    "Join on the inequality and keep the newest with \
                     qualify row_number() over (…) = 1.",
                ));
            }
        }
    }
    for item in &select.projection {
        if let SelectItem::QualifiedWildcard(_, options) = item
            && (options.opt_ilike.is_some() || options.opt_rename.is_some())
        {
            let message = "\"t.* ilike\" and \"t.* rename\" are not run";
            return Err(refused(scene, item, message, "Name the columns."));
        }
        if let SelectItem::ExprWithAliases { .. } = item {
            return Err(refused(scene, item, "several aliases of one column", "Give it one."));
        }
    }
    Ok(())
}

/// What may stand in `from`.
pub(crate) fn table_factor(
    scene: &Scene<'_>,
    factor: &TableFactor,
) -> std::result::Result<(), QueryError> {
    let refusal = match factor {
        TableFactor::Table { sample: Some(_), .. }
        | TableFactor::Derived { sample: Some(_), .. } => {
            Some(("tablesample", "Filter on a hash of the key: \"where hash(id) % 100 = 0\"."))
        }
        TableFactor::Table { version: Some(_), .. } => {
            Some(("a table version in from", "Hand the version to the command instead."))
        }
        TableFactor::Table { with_ordinality: true, .. }
        | TableFactor::Function { with_ordinality: true, .. }
        | TableFactor::UNNEST { with_ordinality: true, .. } => {
            Some(("with ordinality", "Number the rows with row_number() over ()."))
        }
        TableFactor::UNNEST { with_offset: true, .. } => {
            Some(("with offset", "Number the rows with row_number() over ()."))
        }
        TableFactor::Table { partitions, .. } if !partitions.is_empty() => {
            Some(("partition (…)", "Filter with where."))
        }
        TableFactor::Pivot { .. } => {
            Some(("pivot", "Write sum(case when key = 'a' then value end) for each value."))
        }
        TableFactor::Unpivot { .. } => Some(("unpivot", "Write one select per column, union all.")),
        TableFactor::MatchRecognize { .. } => Some(("match_recognize", "Use window functions.")),
        TableFactor::JsonTable { .. }
        | TableFactor::OpenJsonTable { .. }
        | TableFactor::XmlTable { .. } => Some(("json_table", "Use the json functions.")),
        _ => None,
    };
    match refusal {
        Some((name, help)) => Err(refused(scene, factor, format!("\"{name}\" is not run"), help)),
        None => Ok(()),
    }
}

/// Expressions that DataFusion reads otherwise than anybody.
pub(crate) fn expression(scene: &Scene<'_>, expr: &Expr) -> std::result::Result<(), QueryError> {
    let refusal = match expr {
        Expr::Collate { .. } => Some(("collate", "Compare lower(…) or upper(…).")),
        Expr::MatchAgainst { .. } => Some(("match against", "Use like or a regular expression.")),
        Expr::OuterJoin(_) => Some(("(+)", "Write \"left join\".")),
        Expr::Prior(_) => Some(("prior", "Write \"with recursive\".")),
        _ => None,
    };
    match refusal {
        Some((name, help)) => Err(refused(scene, expr, format!("\"{name}\" is not run"), help)),
        None => Ok(()),
    }
}
