//! Rows that a source delivers again under a new key: equal in everything but the key.

use std::collections::BTreeMap;

use base::NodeId;
use chrono::NaiveDate;
use ledger::StepStatus;
use project::ingest::Stream;

use crate::ObservabilityError;
use crate::case::{Case, HISTORY_MAX, held_back};
use crate::clock_column::TimeColumn;
use crate::count::{median, midnight, stretch};
use crate::diagnosis::{Edit, FindingKind, Mend};
use crate::model_hop::short;
use crate::scene::{Scene, moment, name, number, quoted, text, whole};

/// Columns that our loads add begin so.
const SERVICE_PREFIX: &str = "_fiveply";

/// Looks for rows that came again under a new key.
pub(crate) async fn look(
    case: &mut Case,
    id: &NodeId,
    time: &TimeColumn,
) -> Result<(), ObservabilityError> {
    let (Some(table), Some(schema)) = (case.scene.table(id), case.scene.schema(id).cloned()) else {
        return Ok(());
    };
    let keys = stream_of(&case.scene, id).map(|stream| stream.primary_key.clone());
    let keys = keys.unwrap_or_default();
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .filter(|field| !field.name().starts_with(SERVICE_PREFIX) && !keys.contains(field.name()))
        .map(|field| name(field.name()))
        .collect();
    if columns.is_empty() {
        return Ok(());
    }
    let extra = extra_by_day(case, &quoted(&table), &columns, time).await;
    let extra = case.scene.or_limit(&format!("rows of {id} that came twice"), extra);
    let here = extra.get(&case.day).copied().unwrap_or(0.0);
    let counts = case.actual.get(id).cloned().unwrap_or_default();
    let usual: Vec<f64> = counts
        .0
        .keys()
        .filter(|day| **day != case.day)
        .map(|day| extra.get(day).copied().unwrap_or(0.0))
        .collect();
    let usual = if usual.is_empty() { f64::NAN } else { median(usual) };
    // Without a key a row may well come twice now and then: "at least once" is what most promise.
    let lenient = keys.is_empty() || usual > 0.0;
    let bound = if lenient { usual + 3.0 * usual.max(1.0).sqrt() + 3.0 } else { 0.5 };
    if here == 0.0 || usual.is_nan() || here <= bound {
        let note = if here == 0.0 { "no row" } else { "no more rows than usual" };
        case.excluded.push(format!("{note} of {} came twice", short(id)));
        return Ok(());
    }
    let since = extra.iter().filter(|(_, rows)| **rows > bound).map(|(day, _)| *day).min();
    let since = since.unwrap_or(case.day);
    tell(case, id, time, &keys, &columns, here, since).await
}

/// Rows of each day beyond the first of their kind.
async fn extra_by_day(
    case: &Case,
    table: &str,
    columns: &[String],
    time: &TimeColumn,
) -> Result<BTreeMap<NaiveDate, f64>, ObservabilityError> {
    let (from, to) = stretch(case.day);
    let sql = format!(
        "select cast(d as varchar) as d, sum(n - 1) as extra from (select cast(moment__ as date) \
         as d, count(*) as n from (select *, {x} as moment__ from {table}) as q \
         where moment__ >= {from} and moment__ < {to} \
         group by cast(moment__ as date), {columns} having count(*) > 1) as g \
         group by 1",
        x = time.expression,
        from = moment(from),
        to = moment(to),
        columns = columns.join(", "),
    );
    let mut extra = BTreeMap::new();
    for row in case.scene.rows(&case.scene.published, &sql).await? {
        if let Some(day) = text(&row, "d").and_then(|text| text.parse().ok()) {
            extra.insert(day, number(&row, "extra"));
        }
    }
    Ok(extra)
}

async fn tell(
    case: &mut Case,
    id: &NodeId,
    time: &TimeColumn,
    keys: &[String],
    columns: &[String],
    here: f64,
    since: NaiveDate,
) -> Result<(), ObservabilityError> {
    let Some(table) = case.scene.table(id) else { return Ok(()) };
    let mut finding = case.finding(FindingKind::DuplicatesDelivered, id);
    finding.rows = here.round() as u64;
    let under = if keys.is_empty() { "" } else { " under a new key" };
    finding.what = format!(
        "{} rows of the day came a second time through {}{under}; it began on {since}",
        finding.rows,
        short(id)
    );
    let tools = case.scene.tools.clone();
    let attempts = tools.ledger.node_attempts(&tools.environment, id, HISTORY_MAX).await?;
    let first = attempts.iter().rev().find(|attempt| {
        attempt.business_started >= midnight(since)
            && matches!(attempt.end.status, StepStatus::Succeeded | StepStatus::Warned)
    });
    finding.at = first.map(|attempt| attempt.business_started);
    finding.run = first.map(|attempt| attempt.attempt.run.clone());
    finding.attempt = first.map(|attempt| attempt.attempt.number);
    let told_by = unique_before(case, &quoted(&table), columns, time, since).await;
    let told_by = case.scene.or_limit(&format!("keys of {id}"), told_by);
    if let Some(column) = &told_by {
        finding.evidence.push(format!("\"{column}\" named each row once until {since}"));
    }
    finding.held_back = held_back(&case.scene, id, midnight(since)).await?;
    finding.mend = Some(mend(case, id, told_by.as_deref(), keys));
    heal_source(case, id, columns, keys)?;
    case.findings.push(finding);
    Ok(())
}

/// A column beside the key that named each row once before it began.
async fn unique_before(
    case: &Case,
    table: &str,
    columns: &[String],
    time: &TimeColumn,
    since: NaiveDate,
) -> Result<Option<String>, ObservabilityError> {
    let distinct: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| format!("count(distinct {column}) as c{place}"))
        .collect();
    let sql = format!(
        "select count(*) as n, {} from (select *, {} as moment__ from {table}) as q where \
         moment__ < {}",
        distinct.join(", "),
        time.expression,
        moment(midnight(since)),
    );
    let rows = case.scene.rows(&case.scene.published, &sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let all = whole(row, "n");
    let named = columns
        .iter()
        .enumerate()
        .find(|(place, _)| all > 1 && whole(row, &format!("c{place}")) == all);
    Ok(named.map(|(_, column)| column.trim_matches('"').to_owned()))
}

/// The source as it would be with each row once, for what the number would be.
fn heal_source(
    case: &mut Case,
    id: &NodeId,
    columns: &[String],
    keys: &[String],
) -> Result<(), ObservabilityError> {
    let (Some(table), Some(schema)) = (case.scene.table(id), case.scene.schema(id).cloned()) else {
        return Ok(());
    };
    let Some(location) = case.scene.location(&table) else { return Ok(()) };
    let (_, beside) = case.scene.beside(case.scene.published.clone(), &table, &location);
    let all: Vec<String> = schema.fields().iter().map(|field| name(field.name())).collect();
    let order: Vec<String> = match keys.is_empty() {
        true => columns.iter().take(1).cloned().collect(),
        false => keys.iter().map(|key| name(key)).collect(),
    };
    let sql = format!(
        "select {all} from (select {all}, row_number() over (partition by {columns} order by \
         {order}) as copy_number from {beside}) as q where copy_number = 1",
        all = all.join(", "),
        columns = columns.join(", "),
        order = order.join(", "),
        beside = quoted(&beside),
    );
    case.originals.push((table.clone(), location));
    let view = case.scene.own_view(sql);
    case.mended_sources.push((table, view));
    Ok(())
}

fn mend(case: &Case, id: &NodeId, told_by: Option<&str>, keys: &[String]) -> Mend {
    let children = case.scene.graph().children(id).iter();
    let mut readers = children.filter_map(|child| case.scene.node(child));
    let model = readers.find(|node| node.kind == project::NodeKind::Model);
    let what = "the owner of the source is asked to stop it; until then the first model keeps one \
                row of each, and what was held back is built"
        .to_owned();
    let edit = model.zip(told_by).map(|(model, column)| Edit {
        file: model.path.clone(),
        place: format!("model {}", model.name),
        line: format!(
            "keep one row: row_number() over (partition by {column} order by {}) = 1",
            keys.first().map_or("1", String::as_str)
        ),
    });
    let command = model.map(|model| format!("fiveply build --select {}+", model.name));
    Mend { what, edit, command }
}

/// The stream of a node as it is written in `ingest/`.
pub(crate) fn stream_of<'s>(scene: &'s Scene, id: &NodeId) -> Option<&'s Stream> {
    let sources = scene.tools.project.sources.iter();
    let mut all = sources.flat_map(|source| source.streams.iter().map(move |one| (source, one)));
    all.find(|(source, stream)| source.node_id(stream) == *id).map(|(_, stream)| stream)
}
