//! The fence around a running query: once raised, every join, leaf and join condition refuses to
//! go on, so that a query ends even inside loops that never yield (DataFusion #19358).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, JoinType, NullEquality, Result, Statistics};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::lit;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::joins::NestedLoopJoinExecBuilder;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt};

/// Whether one query must end.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    raised: AtomicBool,
}

impl Fence {
    /// Ends the query at its next batch.
    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::Release);
    }

    fn check(&self) -> Result<()> {
        if self.raised.load(Ordering::Acquire) {
            return Err(DataFusionError::Execution("the query was ended".to_owned()));
        }
        Ok(())
    }
}

/// Puts the fence around every operator that can turn little input into endless work.
pub(crate) fn install(
    plan: Arc<dyn ExecutionPlan>,
    fence: &Arc<Fence>,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let node = fence_condition(keep_nulls(node)?, fence)?;
        if multiplies(&node) {
            let fenced = Fenced { input: node, fence: Arc::clone(fence) };
            return Ok(Transformed::yes(Arc::new(fenced) as Arc<dyn ExecutionPlan>));
        }
        Ok(Transformed::yes(node))
    })
    .data()
}

/// `except` and `intersect` are joins in which NULL equals NULL, but the bounds that a hash join
/// hands to the scan of its other side let no NULL through. Such a join hands over none: the scan's
/// filter stays at its first value, which lets everything through.
fn keep_nulls(node: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    match node.downcast_ref::<HashJoinExec>() {
        Some(join) if join.null_equality() == NullEquality::NullEqualsNull => {
            join.builder().reset_state().build_exec()
        }
        Some(_) | None => Ok(node),
    }
}

fn multiplies(node: &Arc<dyn ExecutionPlan>) -> bool {
    let name = node.name();
    node.children().is_empty() || name.contains("Join") || name.contains("Unnest")
}

/// A join that keeps no pair loops without ever giving a batch: there the condition itself has to
/// look at the fence.
fn fence_condition(
    node: Arc<dyn ExecutionPlan>,
    fence: &Arc<Fence>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        return match condition(join.filter(), *join.join_type(), fence) {
            Some(filter) => {
                let fenced = NestedLoopJoinExecBuilder::from(join).with_filter(Some(filter));
                Ok(Arc::new(fenced.build()?))
            }
            None => Ok(node),
        };
    }
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        return match condition(join.filter(), *join.join_type(), fence) {
            Some(filter) => join.builder().with_filter(Some(filter)).build_exec(),
            None => Ok(node),
        };
    }
    if let Some(join) = node.downcast_ref::<SortMergeJoinExec>()
        && let Some(filter) = join.filter()
    {
        return Ok(Arc::new(SortMergeJoinExec::try_new(
            Arc::clone(join.left()),
            Arc::clone(join.right()),
            join.on().to_vec(),
            Some(fenced(filter, fence)),
            join.join_type(),
            join.sort_options().to_vec(),
            join.null_equality(),
        )?));
    }
    Ok(node)
}

/// The join's condition behind the fence. Semi and anti joins walk all pairs of one key but give
/// no row for them; a condition that always holds is their only way past the fence.
fn condition(
    filter: Option<&JoinFilter>,
    join_type: JoinType,
    fence: &Arc<Fence>,
) -> Option<JoinFilter> {
    let fenced = filter.map(|filter| fenced(filter, fence));
    fenced.or_else(|| gives_no_pair(join_type).then(|| always(fence)))
}

fn gives_no_pair(join_type: JoinType) -> bool {
    match join_type {
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => false,
        JoinType::LeftSemi
        | JoinType::RightSemi
        | JoinType::LeftAnti
        | JoinType::RightAnti
        | JoinType::LeftMark
        | JoinType::RightMark => true,
    }
}

fn fenced(filter: &JoinFilter, fence: &Arc<Fence>) -> JoinFilter {
    let inner = Arc::clone(filter.expression());
    let condition = Arc::new(FencedCondition { inner, fence: Arc::clone(fence) });
    JoinFilter::new(condition, filter.column_indices().to_vec(), Arc::clone(filter.schema()))
}

fn always(fence: &Arc<Fence>) -> JoinFilter {
    let condition = Arc::new(FencedCondition { inner: lit(true), fence: Arc::clone(fence) });
    JoinFilter::new(condition, Vec::new(), Arc::new(Schema::empty()))
}

/// An operator whose every batch passes the fence.
#[derive(Debug)]
struct Fenced {
    input: Arc<dyn ExecutionPlan>,
    fence: Arc<Fence>,
}

impl DisplayAs for Fenced {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fenced")
    }
}

impl ExecutionPlan for Fenced {
    fn name(&self) -> &'static str {
        "Fenced"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self { input, fence: Arc::clone(&self.fence) }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = make_cooperative(self.input.execute(partition, context)?);
        Ok(Box::pin(FencedRows { rows, fence: Arc::clone(&self.fence) }))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        self.input.partition_statistics(partition)
    }
}

struct FencedRows {
    rows: SendableRecordBatchStream,
    fence: Arc<Fence>,
}

impl Stream for FencedRows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Err(ended) = self.fence.check() {
            return Poll::Ready(Some(Err(ended)));
        }
        self.rows.poll_next_unpin(context)
    }
}

impl RecordBatchStream for FencedRows {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}

/// A join condition that looks at the fence before each evaluation.
#[derive(Debug)]
struct FencedCondition {
    inner: Arc<dyn PhysicalExpr>,
    fence: Arc<Fence>,
}

impl PartialEq for FencedCondition {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for FencedCondition {}

impl Hash for FencedCondition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for FencedCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for FencedCondition {
    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.fence.check()?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children.pop().unwrap_or_else(|| Arc::clone(&self.inner));
        Ok(Arc::new(Self { inner, fence: Arc::clone(&self.fence) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
