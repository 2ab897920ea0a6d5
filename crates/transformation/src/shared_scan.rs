//! Tests of one staged version that one query answers together: whether any row breaks them.
//!
//! Most tests of most models are `not_null` and `unique`, and most of them pass. So the ones whose
//! compiled SQL is the built-in form over the staged table are asked about in one scan; a test that
//! no row breaks is done with that, and any other runs as if nobody had asked. Whatever keeps the
//! question from being answered only means that each test runs by itself.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type, Schema};
use base::{NodeId, TableName};
use compute::Session;
use futures::TryStreamExt;
use project::{Node, TestKind};
use tokio_util::sync::CancellationToken;

use crate::CompiledNode;

/// Rows of a table up to which distinct values are counted beside others: they are held in memory
/// for all tests at once.
const DISTINCT_ROWS_MAX: u64 = 1_000_000;
/// Tests that share a scan, so that a query stays one that can be planned.
const TESTS_MAX: usize = 100;

/// What breaks a test, as a count that is 0 when nothing does.
struct Question {
    test: NodeId,
    count: String,
}

/// The tests that no row of the table breaks, as far as one query tells.
pub(crate) async fn unbroken(
    table: &TableName,
    rows: u64,
    tests: &BTreeMap<NodeId, (&Node, CompiledNode)>,
    session: &Session,
    cancel: &CancellationToken,
) -> BTreeSet<NodeId> {
    let mut unbroken = BTreeSet::new();
    let Ok(schema) = session.columns_of(table).await else { return unbroken };
    let mut questions: BTreeMap<String, Vec<Question>> = BTreeMap::new();
    for (test, (node, compiled)) in tests {
        if let Some((relation, count)) = question(node, compiled, table, rows, &schema) {
            let question = Question { test: test.clone(), count };
            questions.entry(relation).or_default().push(question);
        }
    }
    for (relation, questions) in questions {
        for some in questions.chunks(TESTS_MAX).filter(|some| some.len() > 1) {
            if let Some(counts) = ask(&relation, some, session, cancel).await {
                let zero = some.iter().zip(counts).filter(|(_, count)| *count == 0);
                unbroken.extend(zero.map(|(question, _)| question.test.clone()));
            }
        }
    }
    unbroken
}

async fn ask(
    relation: &str,
    questions: &[Question],
    session: &Session,
    cancel: &CancellationToken,
) -> Option<Vec<i64>> {
    let counts: Vec<String> = questions
        .iter()
        .enumerate()
        .map(|(number, question)| format!("{} as breaks_{number}", question.count))
        .collect();
    let sql = format!("select {} from {relation}", counts.join(", "));
    let prepared = session.prepare(&sql).await.ok()?;
    let batches = session.stream(&prepared, cancel.clone()).await.ok()?;
    let batches: Vec<_> = batches.try_collect().await.ok()?;
    let row = batches.iter().find(|batch| batch.num_rows() == 1)?;
    let value = |column: &dyn Array| {
        let numbers = column.as_primitive_opt::<Int64Type>()?;
        (!numbers.is_null(0)).then(|| numbers.value(0))
    };
    row.columns().iter().map(|column| value(column.as_ref())).collect()
}

/// The relation and the count that answers a test, when its SQL is of the built-in form.
fn question(
    node: &Node,
    compiled: &CompiledNode,
    table: &TableName,
    rows: u64,
    schema: &Schema,
) -> Option<(String, String)> {
    let test = node.test.as_ref()?;
    let TestKind::Generic { arguments, .. } = &test.kind else { return None };
    let written = arguments.get("column_name")?.as_str()?;
    let field = schema.fields().iter().find(|field| names(written, field.name()))?;
    let words: Vec<&str> = compiled.sql.split_whitespace().collect();
    let (relation, count) = match words.as_slice() {
        ["select", column, "from", relation, "where", same, "is", "null"]
            if *column == written && *same == written =>
        {
            (*relation, format!("count(case when {written} is null then 1 end)"))
        }
        [
            "select",
            column,
            "as",
            "unique_field,",
            "count(*)",
            "as",
            "n_records",
            "from",
            relation,
            "where",
            a,
            "is",
            "not",
            "null",
            "group",
            "by",
            b,
            "having",
            "count(*)",
            ">",
            "1",
        ] if [*column, *a, *b] == [written; 3]
            && rows <= DISTINCT_ROWS_MAX
            && counts_as_it_groups(field.data_type()) =>
        {
            (*relation, format!("count({written}) - count(distinct {written})"))
        }
        _ => return None,
    };
    let shown = format!("\"{}\".\"{}\"", table.namespace, table.name);
    relation.ends_with(&shown).then(|| (relation.to_owned(), count))
}

/// Whether a written column is surely this one.
fn names(written: &str, field: &str) -> bool {
    let plain = !field.is_empty()
        && field
            .bytes()
            .all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && !field.starts_with(|first: char| first.is_ascii_digit());
    plain && (written == field || written == format!("\"{field}\""))
}

/// Types whose equal values are equal in every operator; floating zeros and NaN are not.
fn counts_as_it_groups(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Date32
                | DataType::Timestamp(_, _)
                | DataType::Decimal128(_, _)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_columns_that_need_no_quotes_are_asked_about_together() {
        assert!(names("id", "id") && names("\"id\"", "id"));
        for (written, field) in [("id", "ID"), ("Id", "id"), ("id + 1", "id"), ("\"a b\"", "a b")] {
            assert!(!names(written, field), "{written}");
        }
    }

    #[test]
    fn floating_numbers_are_left_to_the_test_itself() {
        assert!(counts_as_it_groups(&DataType::Int32) && counts_as_it_groups(&DataType::Utf8));
        assert!(!counts_as_it_groups(&DataType::Float64));
    }
}
