//! What must not reach DataFusion's Parquet scan, because it would bring back wrong rows.
//!
//! **Limits over deleted rows.** DataFusion 54.1 rebuilds a Parquet access plan when a limit
//! reaches the scan and every row of a row group matches the filter; in doing so it forgets row
//! selections, and rows that a delete file took away come back. A scan that holds deletes must
//! therefore never learn of a limit.
//!
//! **Filters on parts of nested columns.** The scan says that it takes `get_field(s, 'p') = 1`
//! over, and the filter above it is removed. When the file's column is read under another type or
//! name, as ours are, the scan cannot evaluate it while decoding and drops it without a word. So
//! filters that touch a nested column stay above the scan.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::source::{DataSource, DataSourceExec, OpenArgs};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, SortOrderPushdownResult};

/// A file scan that is told only what it carries out.
#[derive(Debug)]
struct Guarded {
    inner: Arc<dyn DataSource>,
    /// Whether its files have deleted rows.
    has_deletes: bool,
}

/// Guards a scan of files; plans that are no file scan stay as they are.
pub(crate) fn guarded(plan: Arc<dyn ExecutionPlan>, has_deletes: bool) -> Arc<dyn ExecutionPlan> {
    let has_nested = plan.schema().fields().iter().any(|field| field.data_type().is_nested());
    match plan.downcast_ref::<DataSourceExec>() {
        Some(scan) if has_deletes || has_nested => {
            let inner = Arc::clone(scan.data_source());
            Arc::new(DataSourceExec::new(Arc::new(Guarded { inner, has_deletes })))
        }
        _ => plan,
    }
}

/// Whether a filter needs a nested column of the scan.
fn touches_nested(filter: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let nested = |expr: &Arc<dyn PhysicalExpr>| {
        let column = expr.downcast_ref::<Column>();
        let field = column.and_then(|column| schema.fields().get(column.index()));
        Ok(field.is_some_and(|field| field.data_type().is_nested()))
    };
    // The walk itself cannot fail; a filter that is not understood stays above the scan.
    filter.exists(nested).unwrap_or(true)
}

impl Guarded {
    fn wrap(&self, inner: Arc<dyn DataSource>) -> Arc<dyn DataSource> {
        Arc::new(Self { inner, has_deletes: self.has_deletes })
    }
}

impl DataSource for Guarded {
    fn open(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.inner.open(partition, context)
    }

    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_as(format, f)?;
        if self.has_deletes { write!(f, ", deletes=applied") } else { Ok(()) }
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        file_min_size: usize,
        output_ordering: Option<LexOrdering>,
    ) -> Result<Option<Arc<dyn DataSource>>> {
        let split = self.inner.repartitioned(target_partitions, file_min_size, output_ordering)?;
        Ok(split.map(|one| self.wrap(one)))
    }

    fn output_partitioning(&self) -> Partitioning {
        self.inner.output_partitioning()
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        self.inner.eq_properties()
    }

    fn scheduling_type(&self) -> SchedulingType {
        self.inner.scheduling_type()
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        self.inner.partition_statistics(partition)
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn DataSource>> {
        if self.has_deletes { None } else { self.inner.with_fetch(limit).map(|one| self.wrap(one)) }
    }

    fn fetch(&self) -> Option<usize> {
        if self.has_deletes { None } else { self.inner.fetch() }
    }

    fn metrics(&self) -> ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn DataSource>>> {
        Ok(self.inner.try_swapping_with_projection(projection)?.map(|one| self.wrap(one)))
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn DataSource>>> {
        let properties = self.inner.eq_properties();
        let schema = properties.schema();
        let nested: Vec<bool> = filters.iter().map(|one| touches_nested(one, schema)).collect();
        let plain = filters.into_iter().zip(&nested).filter(|(_, nested)| !**nested);
        let plain = plain.map(|(filter, _)| filter).collect();
        let pushed = self.inner.try_pushdown_filters(plain, config)?;
        let mut taken = pushed.filters.into_iter();
        let filters = nested.into_iter().map(|nested| match nested {
            true => PushedDown::No,
            false => taken.next().unwrap_or(PushedDown::No),
        });
        Ok(FilterPushdownPropagation {
            filters: filters.collect(),
            updated_node: pushed.updated_node.map(|one| self.wrap(one)),
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn DataSource>>> {
        Ok(self.inner.try_pushdown_sort(order)?.map(|one| self.wrap(one)))
    }

    fn with_preserve_order(&self, preserve_order: bool) -> Option<Arc<dyn DataSource>> {
        self.inner.with_preserve_order(preserve_order).map(|one| self.wrap(one))
    }

    fn with_new_state(&self, state: Arc<dyn Any + Send + Sync>) -> Option<Arc<dyn DataSource>> {
        self.inner.with_new_state(state).map(|one| self.wrap(one))
    }

    fn create_sibling_state(&self, config: &ConfigOptions) -> Option<Arc<dyn Any + Send + Sync>> {
        self.inner.create_sibling_state(config)
    }

    fn open_with_args(&self, args: OpenArgs) -> Result<SendableRecordBatchStream> {
        self.inner.open_with_args(args)
    }
}
