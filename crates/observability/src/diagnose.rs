//! The way from a number back to its source, and what it tells.

use std::collections::BTreeSet;

use base::{NodeId, TableName};
use chrono::NaiveDate;
use compute::{Catalog, Dialect};
use project::NodeKind;
use transformation::Tools;

use crate::ObservabilityError;
use crate::case::Case;
use crate::clock_column::{TimeColumn, time_columns};
use crate::count::{Counts, count, sums};
use crate::diagnosis::{DayValue, Diagnosis, Finding, FindingKind, Hop, Number};
use crate::model_hop::short;
use crate::question::Question;
use crate::scene::{BESIDE, Scene, quoted};
use crate::verdict;

/// The column of what a metric adds up, in the view of the rows it counts.
const EXPRESSION: &str = "diagnosed_value";

/// Says why a number is what it is on one day.
///
/// # Errors
/// When the table is not there, or the ledger cannot be read. What else cannot be looked at is
/// named in the answer.
pub async fn diagnose(
    tools: &Tools,
    question: &Question,
    day: NaiveDate,
) -> Result<Diagnosis, ObservabilityError> {
    let opening = Scene::open(tools, std::slice::from_ref(&question.node));
    let mut scene = Box::pin(opening).await?;
    if scene.schema(&question.node).is_none() {
        return Err(ObservabilityError::NotBuilt {
            name: question.name.clone(),
            environment: tools.environment.to_string(),
        });
    }
    let measure = measure_of(&scene, question)?;
    scene.limits.extend(question.notes.iter().cloned());
    let times = time_columns(&scene, &question.node, question.time_column.as_deref());
    if !times.contains_key(&question.node) {
        scene.limits.push(format!(
            "{} has no column that tells the day of a row, so its number is not compared",
            short(&question.node)
        ));
    }
    let mut case = Case::new(scene, day, times);
    for id in case.scene.nodes.clone() {
        count_hop(&mut case, &id).await;
        let looked = Box::pin(crate::stream_hop::look(&mut case, &id)).await;
        case.scene.or_limit(&format!("{id}"), looked);
        let looked = Box::pin(crate::model_hop::look(&mut case, &id)).await;
        case.scene.or_limit(&format!("{id}"), looked);
    }
    gather(&mut case);
    let number = Box::pin(number(&mut case, question, measure.as_deref())).await;
    let hops = hops(&case).await?;
    Ok(verdict::pronounce(case, question, measure, number, hops))
}

/// The column that is added up: as asked, else the count or sum of a table that has one row a day.
fn measure_of(scene: &Scene, question: &Question) -> Result<Option<String>, ObservabilityError> {
    let Some(schema) = scene.schema(&question.node) else { return Ok(None) };
    if question.counts_rows || question.expression.is_some() {
        return Ok(None);
    }
    if let Some(asked) = &question.measure {
        let field = schema.fields().iter().find(|field| field.name().eq_ignore_ascii_case(asked));
        return match field.filter(|field| field.data_type().is_numeric()) {
            Some(field) => Ok(Some(field.name().clone())),
            None => {
                let numeric = schema.fields().iter().filter(|one| one.data_type().is_numeric());
                let names: Vec<&str> = numeric.map(|field| field.name().as_str()).collect();
                Err(ObservabilityError::NoColumn {
                    table: short(&question.node).to_owned(),
                    column: asked.clone(),
                    columns: names.join(", "),
                })
            }
        };
    }
    let Some(lineage) = scene.lineage.get(&question.node) else { return Ok(None) };
    let of = |wanted: &str| {
        let mut columns = lineage.columns.iter();
        columns.find(|column| column.aggregate.as_deref() == Some(wanted))
    };
    Ok(of("count").or_else(|| of("sum")).map(|column| column.name.clone()))
}

async fn count_hop(case: &mut Case, id: &NodeId) {
    let Some(time) = case.times.get(id).cloned() else { return };
    let Some(table) = case.scene.table(id).filter(|_| case.scene.schema(id).is_some()) else {
        return;
    };
    let counts = count(&case.scene, &case.scene.published, &table, &time, case.day).await;
    let counts: Counts = case.scene.or_limit(&format!("rows of {id}"), counts);
    case.actual.insert(id.clone(), counts);
}

/// Puts symptoms below their causes: what is held back because of a finding nearer to the source
/// is part of that finding.
fn gather(case: &mut Case) {
    let causes = [
        FindingKind::DuplicatesDelivered,
        FindingKind::ColumnRenamed,
        FindingKind::ColumnEmpty,
        FindingKind::RowsRejected,
        FindingKind::LoadFailed,
        FindingKind::SourceSilent,
        FindingKind::BuildFailed,
        FindingKind::HeldBack,
    ];
    let mut explained = BTreeSet::new();
    for (place, symptom) in case.findings.iter().enumerate() {
        if !matches!(symptom.kind, FindingKind::HeldBack | FindingKind::Stale) {
            continue;
        }
        let above = case.scene.graph().ancestors(&symptom.node, None);
        let cause = case
            .findings
            .iter()
            .any(|cause| causes.contains(&cause.kind) && above.contains(&cause.node));
        if cause {
            explained.insert(place);
        }
    }
    let symptoms: Vec<Finding> =
        explained.iter().map(|place| case.findings[*place].clone()).collect();
    let mut place = 0;
    case.findings.retain(|_| {
        place += 1;
        !explained.contains(&(place - 1))
    });
    for symptom in symptoms {
        let above = case.scene.graph().ancestors(&symptom.node, None);
        let cause = case.findings.iter_mut().find(|cause| above.contains(&cause.node));
        let Some(cause) = cause else { continue };
        cause.evidence.extend(symptom.evidence);
        if !cause.held_back.iter().any(|held| held.node == symptom.node) {
            cause.held_back.push(crate::diagnosis::Held {
                node: symptom.node,
                owner: symptom.owner,
                because: symptom.what,
                good_since: None,
            });
        }
    }
}

/// The rows of a table that a metric counts, with what it adds up: a view beside the real ones, in
/// the project's own dialect, for that is what the metric is written in.
fn narrowed(
    scene: &Scene,
    catalog: &Catalog,
    table: &TableName,
    question: &Question,
) -> (Catalog, TableName) {
    if question.filter.is_none() && question.expression.is_none() {
        return (catalog.clone(), table.clone());
    }
    let from = match scene.tools.dialect {
        Dialect::Bigquery => format!("`{}`.`{}`", table.namespace, table.name),
        Dialect::Duckdb | Dialect::Postgres | Dialect::Snowflake => quoted(table),
    };
    let more = question.expression.as_ref();
    let more = more.map(|expression| format!(", ({expression}) as {EXPRESSION}"));
    let kept = question.filter.as_ref().map(|filter| format!(" where {filter}"));
    let sql =
        format!("select *{} from {from}{}", more.unwrap_or_default(), kept.unwrap_or_default());
    let name = TableName::new(BESIDE, "counted");
    (catalog.clone().with_view(name.clone(), scene.view(&sql)), name)
}

/// The number itself: as readers see it, as it would be, and as it usually is.
async fn number(case: &mut Case, question: &Question, measure: Option<&str>) -> Option<Number> {
    let id = &question.node;
    let time: TimeColumn = case.times.get(id).cloned()?;
    let table = case.scene.table(id)?;
    let day = case.day;
    let (complete_catalog, counted) = narrowed(&case.scene, &case.complete(), &table, question);
    let (published, _) = narrowed(&case.scene, &case.scene.published, &table, question);
    let measure = question.expression.as_ref().map_or(measure, |_| Some(EXPRESSION));
    let (actual, complete, usual_days) = match measure {
        Some(measure) => {
            let seen = sums(&case.scene, &published, &counted, &time, measure, day).await;
            let seen = case.scene.or_limit(&format!("{measure} of {id}"), seen);
            let whole = sums(&case.scene, &complete_catalog, &counted, &time, measure, day).await;
            let failed = whole.is_err();
            let whole = case.scene.or_limit(&format!("{measure} of {id} from nothing"), whole);
            let counts = Counts(seen.keys().map(|day| (*day, [0; 24])).collect());
            let usual = counts.usual_days(day).into_iter();
            let usual = usual.map(|day| (day, seen.get(&day).copied().unwrap_or(0.0)));
            let actual = seen.get(&day).copied().unwrap_or(0.0);
            let complete = whole.get(&day).copied().unwrap_or(0.0);
            (actual, if failed { actual } else { complete }, usual.collect::<Vec<_>>())
        }
        None => {
            let seen = if question.filter.is_some() {
                let seen = count(&case.scene, &published, &counted, &time, day).await;
                case.scene.or_limit(&format!("rows of {id}"), seen)
            } else {
                case.actual.get(id).cloned().unwrap_or_default()
            };
            let whole = if time.of_run {
                Ok(seen.clone())
            } else {
                count(&case.scene, &complete_catalog, &counted, &time, day).await
            };
            let failed = whole.is_err();
            let whole = case.scene.or_limit(&format!("{id} from nothing"), whole);
            let usual = seen.usual_days(day).into_iter().map(|day| (day, seen.of(day) as f64));
            let complete = if failed { seen.of(day) } else { whole.of(day) };
            (seen.of(day) as f64, complete as f64, usual.collect())
        }
    };
    let values: Vec<f64> = usual_days.iter().map(|(_, value)| *value).collect();
    let usual = crate::count::mean(&values);
    let unusual = crate::count::unusual(actual, &values);
    Some(Number {
        actual,
        complete,
        usual,
        change_percent: usual.filter(|usual| *usual != 0.0).map(|u| (actual - u) / u * 100.0),
        usual_days: usual_days.into_iter().map(|(day, value)| DayValue { day, value }).collect(),
        unusual,
    })
}

async fn hops(case: &Case) -> Result<Vec<Hop>, ObservabilityError> {
    let mut hops = Vec::new();
    let tools = &case.scene.tools;
    for id in &case.scene.nodes {
        let Some(node) = case.scene.node(id) else { continue };
        let table = case.scene.table(id);
        let versions = match &table {
            Some(table) => tools.ledger.table_versions(&tools.environment, table).await?,
            None => Vec::new(),
        };
        let time = case.times.get(id);
        let counts = case.actual.get(id);
        let expected = case.expected.get(id);
        let by_hour = time.is_some_and(|time| !time.days_only);
        let hours = |counts: Option<&Counts>| match counts {
            Some(counts) if by_hour => counts.hours(case.day).to_vec(),
            _ => Vec::new(),
        };
        let kind = match node.kind {
            NodeKind::Model => match case.scene.materialized(id) {
                Some(materialized) => materialized.word().to_owned(),
                None => "model".to_owned(),
            },
            other => other.word().to_owned(),
        };
        let mut open = case.findings.iter().filter(|one| one.mended.is_none());
        let broken = open.any(|finding| finding.node == *id);
        hops.push(Hop {
            node: id.clone(),
            kind,
            owner: node.owner.as_ref().map(|owner| owner.name.clone()),
            time_column: time.map(|time| time.name.clone()),
            rows: counts.map(|counts| counts.of(case.day)),
            expected: expected.map(|counts| counts.of(case.day)),
            usual: counts.and_then(|counts| counts.usual(case.day)),
            hours: hours(counts),
            expected_hours: hours(expected),
            usual_hours: match counts {
                Some(counts) if by_hour => counts.usual_hours(case.day),
                _ => Vec::new(),
            },
            account: case.accounts.get(id).copied(),
            run: versions.last().and_then(|version| version.run.clone()),
            built_at: versions.last().map(|version| version.business_time),
            broken,
            note: case.notes.get(id).cloned(),
            table,
        });
    }
    Ok(hops)
}
