//! Columns by field id: a renamed column reads its old files, and a column that was dropped and
//! added again under the same name does not.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use super::relabel::relabel;
use super::schema::field_id;

/// Maps a table's columns to a file's by field id.
#[derive(Debug, Default)]
pub(crate) struct ByFieldId {
    /// Float columns that may hold NaN in a scanned file, by the table's names.
    ///
    /// Parquet's statistics leave NaN out, yet DataFusion 54.1 concludes from them that every row
    /// of a row group matches, or none; what is opaque to it, it cannot conclude from.
    pub(crate) maybe_nan: Arc<HashSet<String>>,
}

impl PhysicalExprAdapterFactory for ByFieldId {
    fn create(
        &self,
        logical: SchemaRef,
        physical: SchemaRef,
    ) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let has_ids = physical.fields().iter().any(|field| field_id(field).is_some());
        let seen =
            if has_ids { renamed_schema(&logical, &physical) } else { Arc::clone(&physical) };
        let inner = DefaultPhysicalExprAdapterFactory.create(logical, Arc::clone(&seen))?;
        Ok(Arc::new(Adapter { inner, seen, physical, maybe_nan: Arc::clone(&self.maybe_nan) }))
    }
}

/// The file's schema under the table's names, so that matching by name means matching by id.
fn renamed_schema(logical: &Schema, physical: &Schema) -> SchemaRef {
    let fields = renamed_fields(logical.fields(), physical.fields());
    Arc::new(Schema::new_with_metadata(fields, physical.metadata().clone()))
}

fn renamed_fields(logical: &Fields, physical: &Fields) -> Fields {
    let by_id: HashMap<i32, &FieldRef> =
        logical.iter().filter_map(|field| Some((field_id(field)?, field))).collect();
    physical
        .iter()
        .enumerate()
        .map(|(index, field)| {
            match field_id(field).and_then(|id| by_id.get(&id)) {
                Some(table) => renamed_field(table, field, table.name()),
                // No column of the table: a name nobody can ask for keeps it out of reach.
                None => field.as_ref().clone().with_name(format!("\u{0}dropped {index}")),
            }
        })
        .collect()
}

fn renamed_field(table: &Field, file: &Field, name: &str) -> Field {
    let data_type = renamed_type(table.data_type(), file.data_type());
    file.clone().with_name(name).with_data_type(data_type)
}

fn renamed_type(table: &DataType, file: &DataType) -> DataType {
    let item =
        |table: &FieldRef, file: &FieldRef| Arc::new(renamed_field(table, file, table.name()));
    match (table, file) {
        (DataType::Struct(table), DataType::Struct(file)) => {
            DataType::Struct(renamed_fields(table, file))
        }
        (DataType::List(table), DataType::List(file)) => DataType::List(item(table, file)),
        (DataType::LargeList(table), DataType::LargeList(file)) => {
            DataType::LargeList(item(table, file))
        }
        (DataType::Map(table, _), DataType::Map(file, sorted)) => {
            DataType::Map(Arc::new(renamed_entries(table, file)), *sorted)
        }
        (_, file) => file.clone(),
    }
}

/// A map's entries hold key and value in this order; they match by place, not by name.
fn renamed_entries(table: &Field, file: &Field) -> Field {
    let (DataType::Struct(wanted), DataType::Struct(held)) = (table.data_type(), file.data_type())
    else {
        return file.clone();
    };
    let fields: Fields = wanted
        .iter()
        .zip(held.iter())
        .map(|(wanted, held)| renamed_field(wanted, held, wanted.name()))
        .collect();
    file.clone().with_name(table.name()).with_data_type(DataType::Struct(fields))
}

#[derive(Debug)]
struct Adapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    /// The file's schema under the table's names.
    seen: SchemaRef,
    /// The file's schema under its own names, same order.
    physical: SchemaRef,
    maybe_nan: Arc<HashSet<String>>,
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let adapted = self.inner.rewrite(expr)?;
        adapted
            .transform_down(|expr| {
                let Some(column) = expr.downcast_ref::<Column>() else {
                    return Ok(Transformed::no(expr));
                };
                let (Some(seen), Some(own)) = (
                    self.seen.fields().get(column.index()),
                    self.physical.fields().get(column.index()),
                ) else {
                    return Ok(Transformed::no(expr));
                };
                let source: Arc<dyn PhysicalExpr> =
                    Arc::new(Column::new(own.name(), column.index()));
                let opaque = self.maybe_nan.contains(seen.name());
                if seen.data_type() == own.data_type() && !opaque {
                    let renamed = seen.name() != own.name();
                    return Ok(Transformed::new(source, renamed, TreeNodeRecursion::Jump));
                }
                let relabelled: Arc<dyn PhysicalExpr> =
                    Arc::new(Relabel { source, field: Arc::clone(seen) });
                Ok(Transformed::new(relabelled, true, TreeNodeRecursion::Jump))
            })
            .data()
    }
}

/// A column of a file under the table's name and, inside, the table's names for its children;
/// statistics do not see through it.
#[derive(Debug, Eq)]
struct Relabel {
    source: Arc<dyn PhysicalExpr>,
    field: FieldRef,
}

impl PartialEq for Relabel {
    fn eq(&self, other: &Self) -> bool {
        self.source.eq(&other.source) && self.field == other.field
    }
}

impl Hash for Relabel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
        self.field.hash(state);
    }
}

impl fmt::Display for Relabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.source, self.field.name())
    }
}

impl PhysicalExpr for Relabel {
    fn return_field(&self, _input_schema: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let array = self.source.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(relabel(&array, self.field.data_type())?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.source]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let source = children.pop().unwrap_or_else(|| Arc::clone(&self.source));
        Ok(Arc::new(Self { source, field: Arc::clone(&self.field) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt_sql(f)
    }
}
