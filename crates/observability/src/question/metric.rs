//! The numbers that a metric is made of: tables, what is added up, and which rows count.

use project::semantics::{
    AggregateFunction, Aggregation, Filter, FilterItem, FilterPart, Metric, SemanticModel,
};
use transformation::Tools;

use super::Question;

/// Metrics inside metrics.
const METRIC_DEPTH_MAX: usize = 16;
/// The name of the time that every metric is counted by.
const METRIC_TIME: &str = "metric_time";

/// A question for each table's number that the metric is made of; none when there is no such
/// metric, or none of its tables takes part.
pub(super) fn questions(tools: &Tools, asked: &str) -> Option<Vec<Question>> {
    let metric = tools.project.semantics.metrics.get(asked)?;
    let mut found = Vec::new();
    collect(tools, metric, &[], METRIC_DEPTH_MAX, &mut found);
    if let [one] = found.as_mut_slice()
        && one.name != asked
    {
        let note = format!("{asked} is made of {}: that number was looked at", one.name);
        one.notes.push(note);
        asked.clone_into(&mut one.name);
    }
    (!found.is_empty()).then_some(found)
}

/// Walks to the metrics that count rows themselves; `outer` are the filters on the way.
fn collect(
    tools: &Tools,
    metric: &Metric,
    outer: &[&Filter],
    depth: usize,
    found: &mut Vec<Question>,
) {
    let filters: Vec<&Filter> = outer.iter().copied().chain(&metric.filters).collect();
    let semantics = &tools.project.semantics;
    let aggregations = metric.kind.aggregations();
    for aggregation in &aggregations {
        let of_filters = filters.iter().copied().chain(&aggregation.filters);
        let Some(mut question) =
            of_aggregation(tools, &metric.name, aggregation, &of_filters.collect::<Vec<_>>())
        else {
            continue;
        };
        if aggregations.len() > 1 {
            question.name = format!("{} ({})", metric.name, aggregation.name);
        }
        let same = |one: &Question| {
            (&one.node, &one.measure, &one.expression, &one.filter)
                == (&question.node, &question.measure, &question.expression, &question.filter)
        };
        if !found.iter().any(same) {
            found.push(question);
        }
    }
    if depth == 0 {
        return;
    }
    for input in metric.kind.inputs() {
        let Some(inner) = semantics.metrics.get(&input.name) else { continue };
        let outer: Vec<&Filter> = filters.iter().copied().chain(&input.filters).collect();
        collect(tools, inner, &outer, depth - 1, found);
    }
}

fn of_aggregation(
    tools: &Tools,
    name: &str,
    aggregation: &Aggregation,
    filters: &[&Filter],
) -> Option<Question> {
    let model = tools.project.semantics.model(&aggregation.model)?;
    let mut question = Question::of(name, model.model.clone()?);
    let time = aggregation.time_dimension.as_ref().or(model.time_dimension.as_ref());
    let time = time.map(|time| column_of(model, time).unwrap_or_else(|| time.clone()));
    question.time_column = time.clone().filter(|time| is_plain(time));
    let mut conditions = Vec::new();
    for filter in filters {
        match condition(model, time.as_deref(), filter) {
            Some(condition) => conditions.push(format!("({condition})")),
            None => question.notes.push(format!(
                "the filter \"{}\" of {name} reads more than {}: it is left out, and the number \
                 is that of more rows",
                filter.text.trim(),
                model.name
            )),
        }
    }
    let expression = aggregation.expr.trim();
    match aggregation.function {
        AggregateFunction::Sum if is_plain(expression) => {
            question.measure = Some(expression.to_owned());
        }
        AggregateFunction::Sum if is_one(expression) => question.counts_rows = true,
        AggregateFunction::Sum => question.expression = Some(expression.to_owned()),
        AggregateFunction::SumBoolean => {
            conditions.push(format!("({expression})"));
            question.counts_rows = true;
        }
        AggregateFunction::Count => {
            if !is_one(expression) && expression != "*" {
                conditions.push(format!("({expression}) is not null"));
            }
            question.counts_rows = true;
        }
        AggregateFunction::CountDistinct
        | AggregateFunction::Average
        | AggregateFunction::Min
        | AggregateFunction::Max
        | AggregateFunction::Median
        | AggregateFunction::Percentile => {
            question.counts_rows = true;
            question.notes.push(format!(
                "{name} is no sum of rows: the rows it is made of were counted instead"
            ));
        }
    }
    question.filter = (!conditions.is_empty()).then(|| conditions.join(" and "));
    Some(question)
}

/// A filter as a condition over the model's own table; none when it needs another one.
fn condition(model: &SemanticModel, time: Option<&str>, filter: &Filter) -> Option<String> {
    let mut text = String::new();
    for part in &filter.parts {
        match part {
            FilterPart::Sql(sql) => text.push_str(sql),
            FilterPart::Item(FilterItem::Metric { .. }) => return None,
            FilterPart::Item(FilterItem::Name { name, grain }) => {
                let column = match name.as_str() {
                    METRIC_TIME => time?.to_owned(),
                    name => own_column(model, name)?,
                };
                match grain {
                    Some(grain) => {
                        text.push_str(&format!("date_trunc('{}', {column})", grain.word()));
                    }
                    None => text.push_str(&format!("({column})")),
                }
            }
        }
    }
    Some(text)
}

/// The column of `dimension` or `entity__dimension`, or of an entity, when the model has it itself.
fn own_column(model: &SemanticModel, name: &str) -> Option<String> {
    let (owner, last) = match name.rsplit_once("__") {
        Some((owner, last)) => (Some(owner), last),
        None => (None, name),
    };
    if owner.is_some_and(|owner| !model.own_entities().contains(&owner)) {
        return None;
    }
    let of_entity = || {
        let entity = model.entity(last)?;
        Some(entity.expr.clone().unwrap_or_else(|| entity.name.clone()))
    };
    column_of(model, last).or_else(of_entity)
}

fn column_of(model: &SemanticModel, name: &str) -> Option<String> {
    let dimension = model.dimension(name)?;
    Some(dimension.expr.clone().unwrap_or_else(|| dimension.name.clone()))
}

fn is_plain(text: &str) -> bool {
    let word = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    word && !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_one(text: &str) -> bool {
    text == "1"
}
