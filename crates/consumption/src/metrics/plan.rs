//! From a question to SQL.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use compute::Dialect;
use project::dashboard::ColumnFormat;
use project::semantics::{
    Filter, FilterItem, Grain, METRIC_TIME, Metric, SemanticModel, Semantics,
};
use project::{Project, suggest};
use serde_json::Value as Json;

use super::keys::{Key, KeyKind, own_grain, read, split};
use super::sql::Writer;
use super::tree::Branches;
use super::{ColumnRole, MetricPlan, MetricQuery, PlannedColumn, ask};
use crate::ConsumptionError;

/// What planning one question needs.
pub(super) struct Planner<'s> {
    pub(super) project: &'s Project,
    pub(super) semantics: &'s Semantics,
    pub(super) writer: Writer,
    pub(super) keys: Vec<Key>,
    /// Conditions of the question.
    pub(super) conditions: Vec<Filter>,
    pub(super) from: Option<NaiveDate>,
    pub(super) to: Option<NaiveDate>,
    /// What each grouping that was asked for is called in the answer.
    asked: BTreeMap<String, String>,
    /// Metrics in conditions of metrics.
    depth: usize,
}

/// Metrics in conditions of metrics may nest this deep.
const DEPTH_MAX: usize = 4;

/// The SQL of a question, in the project's dialect.
///
/// # Errors
/// When a name is not known or can mean several things, or a join would repeat rows.
pub fn plan(project: &Project, query: &MetricQuery) -> Result<MetricPlan, ConsumptionError> {
    let dialect: Dialect = project.dialect.parse()?;
    let planner = Planner::new(project, query, Writer { dialect }, 0)?;
    planner.plan(query)
}

/// The SQL of a question inside another one: its rows come in any order. Also what each grouping
/// is called in the answer.
pub(super) fn plan_inside(
    project: &Project,
    query: &MetricQuery,
) -> Result<(MetricPlan, BTreeMap<String, String>), ConsumptionError> {
    let dialect: Dialect = project.dialect.parse()?;
    let planner = Planner::new(project, query, Writer { dialect }, 1)?;
    Ok((planner.plan(query)?, planner.asked))
}

impl<'s> Planner<'s> {
    fn new(
        project: &'s Project,
        query: &MetricQuery,
        writer: Writer,
        depth: usize,
    ) -> Result<Self, ConsumptionError> {
        if query.metrics.is_empty() {
            return Err(ConsumptionError::Settings {
                message: "the question names no metric".to_owned(),
                help: "Name one, such as --metrics signups; `fiveply metric list` lists them."
                    .to_owned(),
            });
        }
        let mut planner = Self {
            project,
            semantics: &project.semantics,
            writer,
            keys: Vec::new(),
            conditions: Vec::new(),
            from: query.from,
            to: query.to,
            asked: BTreeMap::new(),
            depth,
        };
        for name in &query.group_by {
            let key = read(name, || planner.default_grain(&query.metrics))?;
            planner.asked.insert(name.trim().to_ascii_lowercase(), key.name.clone());
            if !planner.keys.contains(&key) {
                planner.keys.push(key);
            }
        }
        for text in &query.conditions {
            planner.conditions.extend(ask::condition(project, text)?);
        }
        planner.whole_buckets();
        Ok(planner)
    }

    /// A bucket that the question's first or last day lies in counts as a whole.
    fn whole_buckets(&mut self) {
        let grain = self.time_grain();
        if let Some(grain) = grain {
            self.from = self.from.map(|day| super::spine::start_of(grain, day));
            self.to = self.to.map(|day| super::spine::end_of(grain, day));
        }
    }

    /// The finest grain of `metric_time` that is asked for.
    pub(super) fn time_grain(&self) -> Option<Grain> {
        let grains = self.keys.iter().filter_map(|key| match key.kind {
            KeyKind::Time(grain) => Some(grain),
            KeyKind::Named { .. } => None,
        });
        grains.min()
    }

    /// The grain that all metrics can be told by.
    fn default_grain(&self, metrics: &[String]) -> Result<Grain, ConsumptionError> {
        let mut grains = Vec::new();
        for name in metrics {
            let metric = self.metric(name)?;
            match metric.time_grain {
                Some(grain) => grains.push(grain),
                None => self.grains_below(metric, &mut grains)?,
            }
        }
        Ok(grains.into_iter().max().unwrap_or(Grain::Day))
    }

    fn grains_below(
        &self,
        metric: &Metric,
        grains: &mut Vec<Grain>,
    ) -> Result<(), ConsumptionError> {
        for one in metric.kind.aggregations() {
            let time = one.time_dimension.as_deref();
            grains.extend(own_grain(self.semantics, &one.model, time));
        }
        for input in metric.kind.inputs() {
            self.grains_below(self.metric(&input.name)?, grains)?;
        }
        Ok(())
    }

    /// A metric by its name.
    pub(super) fn metric(&self, name: &str) -> Result<&'s Metric, ConsumptionError> {
        find(self.semantics, name)
    }

    /// The table of a semantic model.
    pub(super) fn relation(&self, model: &SemanticModel) -> Result<String, ConsumptionError> {
        let node = model.model.as_ref().and_then(|id| self.project.graph.node(id));
        let Some(node) = node else {
            return Err(ConsumptionError::NotFound {
                message: format!("semantic model \"{}\" stands on no table", model.name),
                help: "Let its \"model:\" ref a model, seed or snapshot that takes part."
                    .to_owned(),
            });
        };
        match node.relation.as_ref().filter(|_| !node.is_ephemeral()) {
            Some(relation) => Ok(self.writer.table(relation)),
            None => Err(ConsumptionError::Settings {
                message: format!(
                    "semantic model \"{}\" stands on \"{}\", which is ephemeral",
                    model.name, node.name
                ),
                help: "Make that model a view or a table.".to_owned(),
            }),
        }
    }

    /// Another metric's rows per entity, and the names of the entities' columns.
    pub(super) fn nested(
        &self,
        name: &str,
        group_by: &[String],
    ) -> Result<(String, Vec<String>), ConsumptionError> {
        if self.depth >= DEPTH_MAX {
            return Err(ConsumptionError::Settings {
                message: format!("metrics in filters nest deeper than {DEPTH_MAX}"),
                help: "Take one of these filters out.".to_owned(),
            });
        }
        // Filters of filters go by the rows' whole history, as in dbt.
        let query = MetricQuery {
            metrics: vec![name.to_owned()],
            group_by: group_by.to_vec(),
            ..MetricQuery::default()
        };
        let inner = Planner::new(self.project, &query, self.writer, self.depth + 1)?;
        let columns = inner.keys.iter().map(|key| self.writer.name(&key.name)).collect();
        Ok((inner.plan(&query)?.sql, columns))
    }

    fn plan(&self, query: &MetricQuery) -> Result<MetricPlan, ConsumptionError> {
        let mut branches = Branches::default();
        let mut metrics: Vec<(&'s Metric, String)> = Vec::new();
        let mut named = BTreeSet::new();
        for name in &query.metrics {
            let metric = self.metric(name)?;
            if named.insert(&metric.name) {
                let sql = self.expression(metric, &[], None, &mut branches)?;
                metrics.push((metric, sql));
            }
        }
        let columns = self.columns(&metrics);
        let order = self.order(query, &columns)?;
        let mut sql = self.combine(&branches, &metrics);
        if !order.is_empty() {
            sql.push_str(&format!("\norder by {}", order.join(", ")));
        }
        if let Some(limit) = query.limit {
            sql.push_str(&format!("\nlimit {limit}"));
        }
        Ok(MetricPlan { sql, columns })
    }

    fn columns(&self, metrics: &[(&Metric, String)]) -> Vec<PlannedColumn> {
        let mut columns: Vec<PlannedColumn> = Vec::new();
        for key in &self.keys {
            let role = match &key.kind {
                KeyKind::Time(grain) => ColumnRole::Time(*grain),
                KeyKind::Named { grain: Some(grain), .. } => ColumnRole::Time(*grain),
                KeyKind::Named { grain: None, .. } => ColumnRole::Dimension,
            };
            columns.push(PlannedColumn {
                name: key.name.clone(),
                role,
                format: ColumnFormat::default(),
            });
        }
        for (metric, _) in metrics {
            columns.push(PlannedColumn {
                name: metric.name.clone(),
                role: ColumnRole::Metric,
                format: format_of(metric),
            });
        }
        columns
    }

    /// Columns to order by; the groupings' times first when nothing is said.
    fn order(
        &self,
        query: &MetricQuery,
        columns: &[PlannedColumn],
    ) -> Result<Vec<String>, ConsumptionError> {
        if query.order_by.is_empty() && self.depth == 0 {
            let keys = self.keys.iter().map(|key| self.writer.name(&key.name));
            return Ok(keys.collect());
        }
        let mut order = Vec::new();
        for text in &query.order_by {
            let (name, falls) = falling(text);
            let (parts, grain) = split(&name);
            let column = columns
                .iter()
                .find(|column| column.name == name)
                .or_else(|| {
                    let time = parts == [METRIC_TIME] && grain.is_none();
                    columns.iter().find(|one| time && matches!(one.role, ColumnRole::Time(_)))
                })
                .ok_or_else(|| {
                    let names = columns.iter().map(|column| column.name.as_str());
                    ConsumptionError::NotFound {
                        message: format!("the answer has no column \"{name}\" to be ordered by"),
                        help: suggest::did_you_mean(&name, names.clone()).unwrap_or_else(|| {
                            let names: Vec<&str> = names.collect();
                            format!("Its columns are: {}.", names.join(", "))
                        }),
                    }
                })?;
            let name = self.writer.name(&column.name);
            order.push(if falls { format!("{name} desc") } else { name });
        }
        Ok(order)
    }

    /// Conditions of the question that name no other than the metrics' time, and the others.
    pub(super) fn divided<'f>(
        &'f self,
        more: &[&'f Filter],
    ) -> Result<(Vec<&'f Filter>, Vec<&'f Filter>), ConsumptionError> {
        let (mut times, mut others) = (Vec::new(), Vec::new());
        for filter in self.conditions.iter().chain(more.iter().copied()) {
            let (mut of_time, mut of_other) = (false, false);
            for item in filter.items() {
                let is_time = matches!(item, FilterItem::Name { name, .. }
                    if split(name).0 == [METRIC_TIME]);
                of_time |= is_time;
                of_other |= !is_time;
            }
            if of_time && of_other {
                return Err(ConsumptionError::Settings {
                    message: format!(
                        "the condition \"{}\" names {METRIC_TIME} beside something else",
                        filter.text.trim()
                    ),
                    help: "Write it as two conditions: for a metric over time they hold at \
                           different moments."
                        .to_owned(),
                });
            }
            if of_time { times.push(filter) } else { others.push(filter) }
        }
        Ok((times, others))
    }
}

/// Queries for the newest time in each table that metrics count rows of.
///
/// # Errors
/// When a metric does not exist.
pub(super) fn newest(
    project: &Project,
    metrics: &[String],
) -> Result<Vec<String>, ConsumptionError> {
    let query = MetricQuery { metrics: metrics.to_vec(), ..MetricQuery::default() };
    let dialect: Dialect = project.dialect.parse()?;
    let planner = Planner::new(project, &query, Writer { dialect }, 0)?;
    let mut found: Vec<String> = Vec::new();
    let mut open: Vec<&str> = metrics.iter().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        let metric = planner.metric(name)?;
        open.extend(metric.kind.inputs().iter().map(|input| input.name.as_str()));
        for one in metric.kind.aggregations() {
            let model = project.semantics.model(&one.model);
            let time = one.time_dimension.as_ref();
            let Some((model, time)) = model.zip(time) else { continue };
            let Some(dimension) = model.dimension(time) else { continue };
            let expr = dimension.expr.as_ref().unwrap_or(time);
            let sql = format!("select max({expr}) as newest from {}", planner.relation(model)?);
            if !found.contains(&sql) {
                found.push(sql);
            }
        }
    }
    Ok(found)
}

/// A metric by its name.
///
/// # Errors
/// When there is none.
pub(super) fn find<'s>(
    semantics: &'s Semantics,
    name: &str,
) -> Result<&'s Metric, ConsumptionError> {
    semantics.metrics.get(name).ok_or_else(|| ConsumptionError::NotFound {
        message: format!("there is no metric \"{name}\""),
        help: suggest::did_you_mean(name, semantics.metrics.keys().map(String::as_str))
            .unwrap_or_else(|| "`fiveply metric list` lists the metrics.".to_owned()),
    })
}

/// `-signups` and `signups desc` fall.
pub(crate) fn falling(text: &str) -> (String, bool) {
    let text = text.trim();
    if let Some(name) = text.strip_prefix('-') {
        return (name.trim().to_ascii_lowercase(), true);
    }
    let lower = text.to_ascii_lowercase();
    if let Some(name) = lower.strip_suffix(" desc") {
        return (name.trim().to_owned(), true);
    }
    (lower.strip_suffix(" asc").unwrap_or(&lower).trim().to_owned(), false)
}

/// How a metric is shown, as its `meta` says.
pub(super) fn format_of(metric: &Metric) -> ColumnFormat {
    let text = |key: &str| metric.meta.get(key).and_then(Json::as_str).map(str::to_owned);
    let decimals = metric.meta.get("decimals").and_then(Json::as_u64);
    ColumnFormat {
        label: Some(metric.label.clone()),
        unit: text("unit"),
        format: text("format"),
        decimals: decimals.and_then(|count| u8::try_from(count).ok()),
    }
}
