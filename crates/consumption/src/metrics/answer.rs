//! From SQL to rows that a page can draw, with what is known about how fresh they are.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::DataType;
use base::InputVersion;
use compute::{Prepared, Session};
use futures::StreamExt;
use project::dashboard::ColumnFormat;
use serde::Serialize;
use serde_json::Value;

use super::plan::newest;
use super::{ColumnRole, MetricQuery, PlannedColumn, plan};
use crate::{ConsumptionContext, ConsumptionError, cells};

/// Rows of one answer; further ones are left out, and it is said.
pub const ANSWER_ROWS_MAX: usize = 10_000;
/// Answers kept.
const ANSWERS_KEPT_MAX: usize = 256;
/// Values in all answers kept.
const VALUES_KEPT_MAX: usize = 2_000_000;
/// Words whose presence makes an answer good for one moment only.
const MOMENTARY: &[&str] = &["now(", "current_", "today(", "getdate", "localtime", "sysdate"];

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnsweredColumn {
    /// Its name.
    pub name: String,
    /// A title for people.
    pub label: String,
    /// `number`, `date`, `time`, `text`, `boolean`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `metric`, `time`, `dimension`; none in answers to SQL.
    pub role: Option<&'static str>,
    /// The grain of a time.
    pub grain: Option<&'static str>,
    /// What is counted.
    pub unit: Option<String>,
    /// `number`, `percent`, `currency`, `date`.
    pub format: Option<String>,
    /// Digits after the point.
    pub decimals: Option<u8>,
}

/// Rows, and what they mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Columns in order.
    pub columns: Vec<AnsweredColumn>,
    /// Rows, each with a value per column.
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more rows than these.
    pub truncated: bool,
    /// The SQL that was run.
    pub sql: String,
    /// Table versions that were read.
    #[serde(skip)]
    pub inputs: Vec<InputVersion>,
    /// Whether the same was asked before and nothing changed since.
    pub cached: bool,
}

/// Answers kept while the tables they stand on stay as they are; a clone shares them.
#[derive(Clone, Debug, Default)]
pub struct AnswerCache(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<String, Arc<Answer>>,
    order: VecDeque<String>,
    values: usize,
}

fn size(answer: &Answer) -> usize {
    answer.rows.len() * answer.columns.len().max(1)
}

impl AnswerCache {
    fn get(&self, key: &str) -> Option<Arc<Answer>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.answers.get(key).map(Arc::clone)
    }

    fn keep(&self, key: String, answer: Arc<Answer>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values += size(&answer);
        if let Some(before) = kept.answers.insert(key.clone(), answer) {
            kept.values -= size(&before);
        } else {
            kept.order.push_back(key);
        }
        while kept.answers.len() > ANSWERS_KEPT_MAX || kept.values > VALUES_KEPT_MAX {
            let Some(oldest) = kept.order.pop_front() else { break };
            if let Some(gone) = kept.answers.remove(&oldest) {
                kept.values -= size(&gone);
            }
        }
    }
}

/// Answers a question about metrics.
///
/// # Errors
/// When it cannot be planned or run.
pub async fn answer(
    context: &ConsumptionContext,
    query: &MetricQuery,
    cache: &AnswerCache,
) -> Result<Answer, ConsumptionError> {
    let plan = plan(&context.project, query)?;
    let session = context.session().await?;
    answer_sql(context, &session, &plan.sql, &plan.columns, cache).await
}

/// Runs SQL and keeps its rows; `planned` says what its columns mean, as far as that is known.
///
/// # Errors
/// When it cannot be planned or run.
pub async fn answer_sql(
    context: &ConsumptionContext,
    session: &Session,
    sql: &str,
    planned: &[PlannedColumn],
    cache: &AnswerCache,
) -> Result<Answer, ConsumptionError> {
    let prepared = session.prepare(sql).await?;
    let key = key(context, sql, &prepared);
    if let Some(known) = cache.get(&key) {
        return Ok(Answer { cached: true, ..known.as_ref().clone() });
    }
    let mut stream = session.stream(&prepared, context.cancel.child_token()).await?;
    let (mut rows, mut truncated) = (Vec::new(), false);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let columns = cells::columns(&batch)?;
        for row in 0..batch.num_rows() {
            if rows.len() == ANSWER_ROWS_MAX {
                truncated = true;
                break;
            }
            rows.push(columns.iter().map(|column| column[row].clone()).collect());
        }
        if truncated {
            break;
        }
    }
    let fields = prepared.schema();
    let columns = fields
        .fields()
        .iter()
        .map(|field| {
            let known = planned.iter().find(|column| column.name == *field.name());
            described(field.name(), field.data_type(), known)
        })
        .collect();
    let inputs = prepared.inputs();
    let answer = Answer { columns, rows, truncated, sql: sql.to_owned(), inputs, cached: false };
    cache.keep(key, Arc::new(answer.clone()));
    Ok(answer)
}

/// What an answer depends on: its SQL, the versions it reads, and the moment if it asks for it.
fn key(context: &ConsumptionContext, sql: &str, prepared: &Prepared) -> String {
    let lower = sql.to_ascii_lowercase();
    let momentary = MOMENTARY.iter().any(|word| lower.contains(word));
    let moment = momentary.then(|| context.clocks.business.now());
    let inputs = prepared.inputs();
    let versions: Vec<String> = inputs
        .iter()
        .map(|input| format!("{}@{:?}/{}", input.table, input.snapshot_id, input.rows))
        .collect();
    format!("{}\n{}\n{moment:?}\n{sql}", context.environment, versions.join(","))
}

fn described(name: &str, kind: &DataType, planned: Option<&PlannedColumn>) -> AnsweredColumn {
    let role = planned.map(|column| column.role);
    let format = planned.map_or_else(ColumnFormat::default, |column| column.format.clone());
    AnsweredColumn {
        name: name.to_owned(),
        label: format.label.unwrap_or_else(|| name.to_owned()),
        kind: word(kind),
        role: role.map(|role| match role {
            ColumnRole::Time(_) => "time",
            ColumnRole::Dimension => "dimension",
            ColumnRole::Metric => "metric",
        }),
        grain: match role {
            Some(ColumnRole::Time(grain)) => Some(grain.word()),
            Some(ColumnRole::Dimension | ColumnRole::Metric) | None => None,
        },
        unit: format.unit,
        format: format.format,
        decimals: format.decimals,
    }
}

/// A type in a word that a page can draw by.
fn word(kind: &DataType) -> &'static str {
    match kind {
        DataType::Boolean => "boolean",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(_, _) | DataType::Time32(_) | DataType::Time64(_) => "time",
        other if other.is_numeric() => "number",
        _ => "text",
    }
}

/// The time of the newest row that any of these metrics counts; none when they have no time.
///
/// # Errors
/// When it cannot be asked for.
pub(crate) async fn newest_row(
    context: &ConsumptionContext,
    session: &Session,
    metrics: &[String],
    cache: &AnswerCache,
) -> Result<Option<String>, ConsumptionError> {
    let mut latest: Option<String> = None;
    for sql in newest(&context.project, metrics)? {
        let answer = answer_sql(context, session, &sql, &[], cache).await?;
        let value = answer.rows.first().and_then(|row| row.first()?.as_str().map(str::to_owned));
        latest = latest.max(value);
    }
    Ok(latest)
}
