//! Incremental models: how new rows enter the table, and what happens when columns differ.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use project::config::{IncrementalStrategy, OnSchemaChange};
use project::{Materialization, Node, Project};
use storage::{SchemaEdit, Stage, WriteMode};

use crate::TransformationError;

/// The mode of writing that the model's strategy means. dbt's default with a `unique_key` deletes
/// and inserts; without one it appends.
pub(crate) fn mode_of(node: &Node) -> WriteMode {
    let keys = &node.config.unique_key;
    match strategy_of(node) {
        IncrementalStrategy::InsertOverwrite => WriteMode::ReplacePartitions,
        IncrementalStrategy::Merge if !keys.is_empty() => WriteMode::Merge { keys: keys.clone() },
        IncrementalStrategy::DeleteInsert if !keys.is_empty() => {
            WriteMode::ReplaceKeys { keys: keys.clone() }
        }
        // dbt's own macros insert where there is no key to find rows by.
        IncrementalStrategy::DeleteInsert
        | IncrementalStrategy::Merge
        | IncrementalStrategy::Append
        | IncrementalStrategy::Microbatch
        | IncrementalStrategy::Custom(_) => WriteMode::Append,
    }
}

fn strategy_of(node: &Node) -> IncrementalStrategy {
    let default = match node.config.unique_key.is_empty() {
        true => IncrementalStrategy::Append,
        false => IncrementalStrategy::DeleteInsert,
    };
    match node.config.incremental_strategy.clone() {
        Some(IncrementalStrategy::Custom(word)) if word == "default" => default,
        Some(strategy) => strategy,
        None => default,
    }
}

pub(crate) fn is_microbatch(node: &Node) -> bool {
    node.config.materialized == Materialization::Incremental
        && node.config.incremental_strategy == Some(IncrementalStrategy::Microbatch)
}

/// The macro that makes the statements of a strategy.
pub(crate) fn macro_of(node: &Node) -> String {
    let word = match strategy_of(node) {
        IncrementalStrategy::Append => "append".to_owned(),
        IncrementalStrategy::DeleteInsert => "delete_insert".to_owned(),
        IncrementalStrategy::Merge => "merge".to_owned(),
        IncrementalStrategy::InsertOverwrite => "insert_overwrite".to_owned(),
        IncrementalStrategy::Microbatch => "microbatch".to_owned(),
        IncrementalStrategy::Custom(word) => word.replace('+', "_"),
    };
    format!("get_incremental_{word}_sql")
}

/// Whether rows enter by statements of a macro: the project's own strategy, or settings beyond
/// what the lake merges by itself.
pub(crate) fn is_by_statement(node: &Node, project: &Project) -> bool {
    let config = &node.config;
    let own = project.macros().find(&node.package, &macro_of(node));
    let own = own.is_some_and(|found| found.package != project::jinja::GLOBAL_PACKAGE);
    let expression = |key: &String| !key.chars().all(|c| c.is_alphanumeric() || c == '_');
    own || matches!(strategy_of(node), IncrementalStrategy::Custom(_))
        || !config.incremental_predicates.is_empty()
        || config.all.get("predicates").is_some_and(|value| !value.is_null())
        || !config.merge_update_columns.is_empty()
        || !config.merge_exclude_columns.is_empty()
        || config.unique_key.iter().any(expression)
}

/// Fits the table's columns to the model's, by `on_schema_change`, and returns the shape in which
/// rows are written.
pub(crate) fn fit_columns(
    node: &Node,
    table: &Schema,
    rows: &Schema,
    stage: &mut Stage,
) -> Result<SchemaRef, TransformationError> {
    let new: Vec<&str> = names_missing(rows, table);
    let gone: Vec<&str> = names_missing(table, rows);
    match node.config.on_schema_change {
        OnSchemaChange::Ignore => {
            if !gone.is_empty() {
                return Err(columns(node, format!("no longer gives {}", listed(&gone))));
            }
        }
        OnSchemaChange::Fail => {
            if !new.is_empty() || !gone.is_empty() {
                let change = match (new.is_empty(), gone.is_empty()) {
                    (false, true) => format!("has the new columns {}", listed(&new)),
                    (true, _) => format!("no longer gives {}", listed(&gone)),
                    (false, false) => {
                        format!("has the new columns {}, no longer {}", listed(&new), listed(&gone))
                    }
                };
                return Err(columns(node, change));
            }
        }
        OnSchemaChange::AppendNewColumns | OnSchemaChange::SyncAllColumns => {
            if node.config.on_schema_change == OnSchemaChange::SyncAllColumns {
                for name in &gone {
                    stage.evolve(&SchemaEdit::DropColumn { name: (*name).to_owned() })?;
                }
            }
            let added: Vec<_> = rows
                .fields()
                .iter()
                .filter(|field| new.contains(&field.name().as_str()))
                .map(Arc::clone)
                .collect();
            if !added.is_empty() {
                stage.evolve_to(&Schema::new(added))?;
            }
        }
    }
    Ok(stage.arrow_schema()?)
}

fn names_missing<'a>(from: &'a Schema, other: &Schema) -> Vec<&'a str> {
    let fields = from.fields().iter().map(|field| field.name().as_str());
    fields.filter(|name| other.column_with_name(name).is_none()).collect()
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

fn columns(node: &Node, change: String) -> TransformationError {
    TransformationError::Columns {
        message: format!("model \"{}\" {change}", node.name),
        help: "Set on_schema_change to append_new_columns or sync_all_columns, or build it from \
               nothing with --full-refresh."
            .to_owned(),
    }
}

/// Rows in the table's shape: columns by name, types as the table has them, absent ones NULL. A
/// value that does not fit the table's type is an error, never a NULL.
pub(crate) fn shaped(batch: &RecordBatch, shape: &SchemaRef) -> Result<RecordBatch, String> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(shape.fields().len());
    for field in shape.fields() {
        let array = match batch.column_by_name(field.name()) {
            None => new_null_array(field.data_type(), batch.num_rows()),
            Some(array) if same_type(array.data_type(), field.data_type()) => Arc::clone(array),
            Some(array) => {
                cast_with_options(array, field.data_type(), &options).map_err(|error| {
                    format!(
                        "column \"{}\" gives {} where its table has {}: {error}",
                        field.name(),
                        array.data_type(),
                        field.data_type()
                    )
                })?
            }
        };
        arrays.push(array);
    }
    let fields: Vec<_> = shape
        .fields()
        .iter()
        .zip(&arrays)
        .map(|(field, array)| {
            let field = field.as_ref().clone();
            field.with_data_type(array.data_type().clone()).with_nullable(true)
        })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|error| error.to_string())
}

/// Text and binary have several layouts of one type; storage takes any of them.
fn same_type(a: &DataType, b: &DataType) -> bool {
    use DataType::{LargeUtf8, Utf8, Utf8View};
    a == b || (matches!(a, Utf8 | LargeUtf8 | Utf8View) && matches!(b, Utf8 | LargeUtf8 | Utf8View))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, Int64Array, StringArray};
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn rows_take_the_tables_shape_and_absent_columns_are_null() {
        let batch = RecordBatch::try_from_iter([
            ("b", Arc::new(Int32Array::from(vec![1])) as ArrayRef),
            ("extra", Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
        ])
        .expect("a batch");
        let shape: SchemaRef = Arc::new(Schema::new(vec![
            Field::new("a", DataType::Utf8, true),
            Field::new("b", DataType::Int64, true),
        ]));
        let shaped = shaped(&batch, &shape).expect("it fits");
        assert_eq!(shaped.num_columns(), 2);
        assert_eq!(shaped.column(0).null_count(), 1);
        assert_eq!(shaped.column(1).as_ref(), &Int64Array::from(vec![1]));
    }

    #[test]
    fn a_value_too_large_for_the_table_is_an_error_not_a_null() {
        let wide = Arc::new(Int64Array::from(vec![i64::MAX])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("a", wide)]).expect("a batch");
        let narrow: SchemaRef = Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true)]));
        let refused = shaped(&batch, &narrow).expect_err("it does not fit");
        assert!(
            refused.contains("column \"a\" gives Int64 where its table has Int32"),
            "{refused}"
        );
    }
}
