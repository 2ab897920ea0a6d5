//! Which files may hold rows that a filter keeps, by the bounds in their manifests.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, Statistics};
use datafusion::logical_expr::Expr;
use datafusion::physical_optimizer::pruning::PruningPredicate;

use super::snapshot::VersionFiles;

/// One answer per file; none when the filter says nothing about bounds.
pub(super) fn keep(
    state: &dyn Session,
    schema: &SchemaRef,
    filter: Expr,
    files: &VersionFiles,
) -> Option<Vec<bool>> {
    let statistics: Vec<Arc<Statistics>> =
        files.data.iter().map(|file| Arc::clone(&file.statistics)).collect();
    prune(state, schema, filter.clone(), &statistics)
        .or_else(|_| {
            // DataFusion 54.1 compares the bounds of `like` as plain text, which views are not.
            let statistics: Vec<_> = statistics.iter().map(with_plain_text).collect();
            let filter = filter.transform(plain_literal).data()?;
            prune(state, &plain_schema(schema), filter, &statistics)
        })
        .ok()
}

fn prune(
    state: &dyn Session,
    schema: &SchemaRef,
    filter: Expr,
    statistics: &[Arc<Statistics>],
) -> Result<Vec<bool>> {
    let df_schema = DFSchema::try_from(Arc::clone(schema))?;
    let filter = state.create_physical_expr(filter, &df_schema)?;
    let predicate = PruningPredicate::try_new(filter, Arc::clone(schema))?;
    predicate.prune(&PrunableStatistics::new(statistics.to_vec(), Arc::clone(schema)))
}

fn plain_schema(schema: &Schema) -> SchemaRef {
    let plain = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8View => field.as_ref().clone().with_data_type(DataType::Utf8),
        _ => field.as_ref().clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>()))
}

fn plain_literal(expr: Expr) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::Literal(ScalarValue::Utf8View(text), metadata) => {
            Transformed::yes(Expr::Literal(ScalarValue::Utf8(text), metadata))
        }
        other => Transformed::no(other),
    })
}

fn with_plain_text(statistics: &Arc<Statistics>) -> Arc<Statistics> {
    let plain = |value: &Precision<ScalarValue>| match value {
        Precision::Exact(ScalarValue::Utf8View(text)) => {
            Precision::Exact(ScalarValue::Utf8(text.clone()))
        }
        other => other.clone(),
    };
    let mut copy = statistics.as_ref().clone();
    for column in &mut copy.column_statistics {
        column.min_value = plain(&column.min_value);
        column.max_value = plain(&column.max_value);
    }
    Arc::new(copy)
}
