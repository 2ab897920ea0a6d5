//! A query taken apart: how many rows of some stretches of time each of its operators lets
//! through, so that a loss inside a model has a place.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Cast, Distinct, Expr, LogicalPlan, LogicalPlanBuilder, when};
use datafusion::prelude::{col, lit};
use futures::TryStreamExt;
use tokio_util::sync::CancellationToken;

use crate::error::QueryError;
use crate::lineage::join_words;
use crate::session::{Prepared, Session};
use crate::translate::query_error;

/// Operators that are counted, the source's rows and the answer among them.
const STAGES_MAX: usize = 24;

/// The rows that come out of one operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorRows {
    /// The operator: `read app.signups`, `filter …`, `inner join …`.
    pub what: String,
    /// Rows in each stretch of time, in the order in which they were asked for.
    pub rows: Vec<u64>,
}

/// A stretch of time, its end excluded.
pub type Stretch = (DateTime<Utc>, DateTime<Utc>);

impl Session {
    /// Counts the rows that each operator of a query lets through, from the table that is read to
    /// the answer, for stretches of time of a column of the answer. It follows the one input that
    /// the column comes from, and ends where the column is no longer there: below a group.
    ///
    /// # Errors
    /// When one of the counts fails.
    pub async fn anatomy(
        &self,
        query: &Prepared,
        column: &str,
        stretches: &[Stretch],
    ) -> Result<Vec<OperatorRows>, QueryError> {
        let names = query.plan().schema().fields();
        let Some(place) = names.iter().position(|field| field.name() == column) else {
            return Ok(Vec::new());
        };
        let mut stages = Vec::new();
        follow(query.plan(), place, &mut stages);
        stages.truncate(STAGES_MAX);
        let mut found = Vec::new();
        for (what, plan, place) in stages.into_iter().rev() {
            let rows = self.stage_rows(query, &plan, place, stretches).await?;
            // Columns are renamed and computed without touching rows.
            let same = found.last().is_some_and(|last: &OperatorRows| last.rows == rows);
            let first = found.is_empty().then(|| "its input".to_owned());
            if let (Some(what), false) = (what.or(first), same && found.len() > 1) {
                found.push(OperatorRows { what, rows });
            }
        }
        Ok(found)
    }

    async fn stage_rows(
        &self,
        query: &Prepared,
        plan: &LogicalPlan,
        place: usize,
        stretches: &[Stretch],
    ) -> Result<Vec<u64>, QueryError> {
        let broken = |error| query_error(error, None, self.engine_options());
        let (qualifier, field) = plan.schema().qualified_field(place);
        let time = Expr::Column(datafusion::common::Column::from((qualifier, field)));
        let moment =
            arrow::datatypes::DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
        let time = Expr::Cast(Cast::new(Box::new(time), moment));
        let mut counts = Vec::new();
        for (number, (from, to)) in stretches.iter().enumerate() {
            let bound = |at: &DateTime<Utc>| {
                lit(ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), None))
            };
            let inside = time.clone().gt_eq(bound(from)).and(time.clone().lt(bound(to)));
            let one = when(inside, lit(1_i64)).end().map_err(broken)?;
            counts.push(count(one).alias(format!("stretch_{number}")));
        }
        let plan = LogicalPlanBuilder::from(plan.clone())
            .aggregate(Vec::<Expr>::new(), counts)
            .and_then(|builder| {
                let names = (0..stretches.len()).map(|number| col(format!("stretch_{number}")));
                builder.project(names)
            })
            .and_then(LogicalPlanBuilder::build)
            .map_err(broken)?;
        let query = query.with_plan(plan);
        let rows = self.stream(&query, CancellationToken::new()).await?;
        let batches: Vec<_> = rows.try_collect().await?;
        let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else {
            return Ok(vec![0; stretches.len()]);
        };
        let number = |column: &arrow::array::ArrayRef| {
            column.as_primitive::<Int64Type>().value(0).unsigned_abs()
        };
        Ok(batch.columns().iter().map(number).collect())
    }
}

/// Collects the operators on the way down that one column takes, outermost first; those that do
/// nothing to rows have no words.
fn follow(
    plan: &LogicalPlan,
    place: usize,
    stages: &mut Vec<(Option<String>, LogicalPlan, usize)>,
) {
    let what = words(plan, stages.is_empty());
    stages.push((what, plan.clone(), place));
    let below = |input: &LogicalPlan, expr: &Expr| {
        let mut inner = expr;
        loop {
            inner = match inner {
                Expr::Alias(alias) => &alias.expr,
                Expr::Cast(cast) => &cast.expr,
                Expr::TryCast(cast) => &cast.expr,
                Expr::Column(column) => return input.schema().maybe_index_of_column(column),
                // A function of one column: the same moment in another type or zone.
                other => {
                    let columns = other.column_refs();
                    let [column] = columns.into_iter().collect::<Vec<_>>()[..] else {
                        return None;
                    };
                    return input.schema().maybe_index_of_column(column);
                }
            };
        }
    };
    match plan {
        LogicalPlan::Projection(one) => {
            if let Some(place) = one.expr.get(place).and_then(|expr| below(&one.input, expr)) {
                follow(&one.input, place, stages);
            }
        }
        LogicalPlan::Filter(one) => follow(&one.input, place, stages),
        LogicalPlan::Sort(one) => follow(&one.input, place, stages),
        LogicalPlan::Limit(one) => follow(&one.input, place, stages),
        LogicalPlan::SubqueryAlias(one) => follow(&one.input, place, stages),
        LogicalPlan::Repartition(one) => follow(&one.input, place, stages),
        LogicalPlan::Distinct(Distinct::All(input)) => follow(input, place, stages),
        LogicalPlan::Distinct(Distinct::On(on)) => {
            if let Some(place) = on.select_expr.get(place).and_then(|expr| below(&on.input, expr)) {
                follow(&on.input, place, stages);
            }
        }
        LogicalPlan::Window(one) if place < one.input.schema().fields().len() => {
            follow(&one.input, place, stages);
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            let whole = plan.schema().fields().len();
            let right_only = whole == join.right.schema().fields().len() && whole != left;
            if right_only {
                follow(&join.right, place, stages);
            } else if place < left {
                follow(&join.left, place, stages);
            } else {
                follow(&join.right, place - left, stages);
            }
        }
        _ => {}
    }
}

fn words(plan: &LogicalPlan, outermost: bool) -> Option<String> {
    let own = match plan {
        LogicalPlan::TableScan(scan) => {
            let schema = scan.table_name.schema().unwrap_or_default();
            Some(format!("read {schema}.{}", scan.table_name.table()))
        }
        LogicalPlan::Filter(filter) => Some(format!("filter {}", filter.predicate)),
        LogicalPlan::Join(join) => {
            let on: Vec<String> =
                join.on.iter().map(|(left, right)| format!("{left} = {right}")).collect();
            Some(format!("{} on {}", join_words(join.join_type), on.join(" and ")))
        }
        LogicalPlan::Distinct(_) => Some("distinct".to_owned()),
        LogicalPlan::Limit(_) => Some("limit".to_owned()),
        LogicalPlan::Aggregate(_) => Some("group".to_owned()),
        LogicalPlan::Union(_) => Some("union".to_owned()),
        _ => None,
    };
    own.or_else(|| outermost.then(|| "answer".to_owned()))
}
