//! Rows that an increment left out: which, when they came, which run passed them by, and whether
//! they have come back since.

use base::{NodeId, TableName};
use chrono::{DateTime, TimeDelta, Utc};
use compute::Catalog;
use ledger::{AccountFilter, AttemptRecord, StepStatus, TableVersion};
use movement::LOADED_COLUMN;
use project::NodeKind;

use crate::ObservabilityError;
use crate::case::{Case, HISTORY_MAX};
use crate::clock_column::{TimeColumn, origins};
use crate::count::{count, midnight};
use crate::diagnosis::{FindingKind, Mend, Mended, Moment};
use crate::model_hop::{short, shown, things};
use crate::scene::{moment, name, quoted, time as time_of, whole};

/// Versions that are looked through for the one that mended a day.
const VERSIONS_MAX: usize = 64;

/// The rows that are missing, as a view.
struct Missing {
    catalog: Catalog,
    view: TableName,
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
    rows: u64,
}

/// When missing rows came, and through which stream.
struct Arrival {
    stream: NodeId,
    at: DateTime<Utc>,
    rows: u64,
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
}

/// Explains rows that are in the inputs of an incremental model and not in its table.
pub(crate) async fn explain(
    case: &mut Case,
    id: &NodeId,
    versions: &[TableVersion],
    missing: u64,
) -> Result<(), ObservabilityError> {
    let Some(now) = versions.last().map(|version| version.metadata_location.clone()) else {
        return Ok(());
    };
    let anew = case.scene.anew(case.scene.published.clone(), id);
    tell(case, id, versions, anew, &now, missing).await
}

/// Looks whether a day that is whole now was not whole in an earlier version.
pub(crate) async fn look_for_mended(
    case: &mut Case,
    id: &NodeId,
    versions: &[TableVersion],
) -> Result<(), ObservabilityError> {
    let Some(arrived) = last_arrival(case, id).await? else { return Ok(()) };
    // The version that readers saw after the first run that could have seen all rows. Ids of runs
    // sort by time; a run that found nothing to add left the version before in place.
    let Some(passed) = passed_by(case, id, arrived).await? else { return Ok(()) };
    let Some(first) = versions
        .iter()
        .rposition(|one| one.run.as_ref().is_some_and(|run| *run <= passed.attempt.run))
    else {
        return Ok(());
    };
    let later = &versions[first..];
    if later.len() < 2 {
        return Ok(());
    }
    let now = case.actual.get(id).map_or(0, |counts| counts.of(case.day));
    let then = rows_of_version(case, id, &later[0]).await?;
    if then >= now {
        return Ok(());
    }
    let mut by = later[later.len() - 1].clone();
    for version in later.iter().take(VERSIONS_MAX).skip(1) {
        if rows_of_version(case, id, version).await? == now {
            by = version.clone();
            break;
        }
    }
    let place = case.findings.len();
    let published = case.scene.published.clone();
    let location = later[0].metadata_location.clone();
    tell(case, id, versions, published, &location, now - then).await?;
    for finding in case.findings.iter_mut().skip(place) {
        finding.mend = None;
        finding.mended =
            Some(Mended { run: by.run.clone(), at: by.business_time, rows: now - then });
        finding.timeline.push(Moment {
            at: by.business_time,
            what: format!("{} of the day came back", things(now - then)),
            run: by.run.clone(),
        });
    }
    Ok(())
}

async fn rows_of_version(
    case: &Case,
    id: &NodeId,
    version: &TableVersion,
) -> Result<u64, ObservabilityError> {
    let (Some(table), Some(time)) = (case.scene.table(id), case.times.get(id)) else {
        return Ok(0);
    };
    let (catalog, beside) =
        case.scene.beside(case.scene.published.clone(), &table, &version.metadata_location);
    Ok(count(&case.scene, &catalog, &beside, time, case.day).await?.of(case.day))
}

/// Tells which rows `whole` has that the version in `location` has not.
async fn tell(
    case: &mut Case,
    id: &NodeId,
    versions: &[TableVersion],
    whole: Catalog,
    location: &str,
    rows: u64,
) -> Result<(), ObservabilityError> {
    let Some(time) = case.times.get(id).cloned() else { return Ok(()) };
    let mut finding = case.finding(FindingKind::IncrementDropped, id);
    finding.rows = rows;
    finding.what = format!("{} left {} of the day out", short(id), things(rows));
    finding.mend = Some(mend(case, id));
    let keys = case.scene.node(id).map(|node| node.config.unique_key.clone()).unwrap_or_default();
    if keys.is_empty() {
        finding
            .evidence
            .push("it has no unique_key, so the rows cannot be told one by one".to_owned());
        case.findings.push(finding);
        return Ok(());
    }
    let missing = missing(case, id, &time, &keys, whole, location).await?;
    finding.rows = missing.rows.max(rows);
    let arrivals = arrivals(case, id, &keys, &missing).await?;
    if let Some(arrival) = arrivals.first() {
        let run = passed_by(case, id, arrival.at).await?;
        if let Some(attempt) = &run {
            finding.run = Some(attempt.attempt.run.clone());
            finding.attempt = Some(attempt.attempt.number);
            finding.at = Some(attempt.business_started);
        }
        let before = run.as_ref().and_then(|attempt| {
            let mut earlier = versions.iter().rev();
            earlier.find(|one| one.run.as_ref() < Some(&attempt.attempt.run))
        });
        let watermark = match before {
            Some(before) => newest(case, id, &time, &before.metadata_location).await?,
            None => None,
        };
        let late = watermark.filter(|mark| missing.last.is_some_and(|last| last <= *mark));
        finding.what = words(case, id, &missing, arrival, late);
        if let Some(mark) = late {
            finding.kind = FindingKind::LateRowsDropped;
            finding.evidence.push(format!(
                "the youngest row of {} was of {} by then, the youngest of these is of {}",
                short(id),
                shown(mark),
                missing.last.map_or_else(String::new, shown),
            ));
        }
        finding.timeline = loads(case, arrival).await?;
        if let Some(attempt) = &run {
            finding.timeline.push(Moment {
                at: attempt.business_started,
                what: format!(
                    "{} takes what is younger and leaves {} out",
                    short(id),
                    things(rows)
                ),
                run: Some(attempt.attempt.run.clone()),
            });
        }
        let failed = finding.timeline.iter().filter(|one| one.what.contains("failed")).count();
        if failed > 0 {
            finding.evidence.push(format!(
                "loads of {} failed {failed} times before the rows came",
                short(&arrival.stream)
            ));
        }
    }
    case.findings.push(finding);
    Ok(())
}

fn words(
    case: &Case,
    id: &NodeId,
    missing: &Missing,
    arrival: &Arrival,
    late: Option<DateTime<Utc>>,
) -> String {
    let span = |from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>| match (from, to) {
        (Some(from), Some(to)) if from == to => format!("of {}", from.format("%H:%M")),
        (Some(from), Some(to)) => {
            format!("of {} to {}", from.format("%H:%M"), to.format("%H:%M"))
        }
        _ => "of the day".to_owned(),
    };
    let came = if arrival.at.date_naive() == case.day {
        arrival.at.format("%H:%M").to_string()
    } else {
        shown(arrival.at)
    };
    let rows = things(missing.rows);
    let stream = short(&arrival.stream);
    let times = if arrival.rows == missing.rows {
        span(arrival.first, arrival.last)
    } else {
        span(missing.first, missing.last)
    };
    let why = match late {
        Some(_) => "below the time it had come to, and dropped them without a word",
        None => "and its increment left them out",
    };
    format!("{rows} {times} came through {stream} at {came}; {} found them {why}", short(id))
}

fn mend(case: &Case, id: &NodeId) -> Mend {
    let keyed = case.scene.node(id).is_some_and(|node| !node.config.unique_key.is_empty());
    let (name, day) = (short(id), case.day);
    let command = if keyed {
        format!("fiveply backfill {name} --from {day} --to {day}")
    } else {
        format!("fiveply run --select {name}+ --full-refresh")
    };
    Mend {
        what: "makes the day anew from the raw rows that were kept, tests it, and builds what \
               reads it"
            .to_owned(),
        edit: None,
        command: Some(command),
    }
}

async fn missing(
    case: &Case,
    id: &NodeId,
    time: &TimeColumn,
    keys: &[String],
    shows: Catalog,
    location: &str,
) -> Result<Missing, ObservabilityError> {
    let table = case.scene.table(id).unwrap_or_else(|| TableName::new("", ""));
    let (catalog, beside) = case.scene.beside(shows, &table, location);
    let chosen: Vec<String> =
        keys.iter().enumerate().map(|(place, key)| format!("{} as k{place}", name(key))).collect();
    let same: Vec<String> = keys
        .iter()
        .enumerate()
        .map(|(place, key)| format!("had.{} = should.k{place}", name(key)))
        .collect();
    let (from, to) = (midnight(case.day), midnight(case.day) + TimeDelta::days(1));
    let sql = format!(
        "select should.* from (select {}, {} as x from {}) as should where should.x >= {} and \
         should.x < {} and not exists (select 1 from {} as had where {})",
        chosen.join(", "),
        time.expression,
        quoted(&table),
        moment(from),
        moment(to),
        quoted(&beside),
        same.join(" and "),
    );
    let view = TableName::new(beside.namespace.clone(), "missing_rows");
    let catalog = catalog.with_view(view.clone(), case.scene.own_view(sql));
    let sql =
        format!("select count(*) as n, min(x) as first, max(x) as last from {}", quoted(&view));
    let rows = case.scene.rows(&catalog, &sql).await?;
    let row = rows.first().cloned().unwrap_or_default();
    Ok(Missing {
        catalog,
        view,
        first: time_of(&row, "first"),
        last: time_of(&row, "last"),
        rows: whole(&row, "n"),
    })
}

/// When the missing rows came, most of them first.
async fn arrivals(
    case: &Case,
    id: &NodeId,
    keys: &[String],
    missing: &Missing,
) -> Result<Vec<Arrival>, ObservabilityError> {
    let mut found = Vec::new();
    for (stream, columns) in streams_of_keys(case, id, keys) {
        let Some(table) = case.scene.table(&stream) else { continue };
        let joined: Vec<String> = columns
            .iter()
            .map(|(place, column)| {
                format!("cast(raw.{} as varchar) = cast(gone.k{place} as varchar)", name(column))
            })
            .collect();
        let sql = format!(
            "select came as at, count(*) as n, min(x) as first, max(x) as last from (\
             select min(cast(raw.{} as timestamp)) as came, gone.x as x, gone.k0 as k0 from {} as \
             gone join {} as raw on {} group by gone.x, gone.k0) as q group by came",
            name(LOADED_COLUMN),
            quoted(&missing.view),
            quoted(&table),
            joined.join(" and "),
        );
        for row in case.scene.rows(&missing.catalog, &sql).await? {
            if let Some(at) = time_of(&row, "at") {
                found.push(Arrival {
                    stream: stream.clone(),
                    at,
                    rows: whole(&row, "n"),
                    first: time_of(&row, "first"),
                    last: time_of(&row, "last"),
                });
            }
        }
    }
    found.sort_by_key(|arrival| (std::cmp::Reverse(arrival.rows), arrival.at));
    Ok(found)
}

/// Streams from whose columns the keys come, with those columns.
fn streams_of_keys(
    case: &Case,
    id: &NodeId,
    keys: &[String],
) -> Vec<(NodeId, Vec<(usize, String)>)> {
    let mut found: std::collections::BTreeMap<NodeId, Vec<(usize, String)>> = Default::default();
    for (place, key) in keys.iter().enumerate() {
        let mut edge = vec![(id.clone(), key.clone())];
        let mut steps = 0;
        while let Some((node, column)) = edge.pop() {
            steps += 1;
            let is_stream =
                case.scene.node(&node).is_some_and(|node| node.kind == NodeKind::Stream);
            let loaded = case
                .scene
                .schema(&node)
                .is_some_and(|schema| schema.column_with_name(LOADED_COLUMN).is_some());
            if is_stream && loaded {
                found.entry(node).or_default().push((place, column));
            } else if steps < 1_000 {
                edge.extend(origins(&case.scene, &node, &column));
            }
        }
    }
    found.into_iter().collect()
}

/// When the last row of the day came, over all streams on the way to a node.
async fn last_arrival(
    case: &Case,
    id: &NodeId,
) -> Result<Option<DateTime<Utc>>, ObservabilityError> {
    let mut last = None;
    let ancestors = case.scene.graph().ancestors(id, None);
    for stream in ancestors {
        let (Some(time), Some(table)) = (case.times.get(&stream), case.scene.table(&stream)) else {
            continue;
        };
        let schema = case.scene.schema(&stream);
        let loaded = schema.is_some_and(|schema| schema.column_with_name(LOADED_COLUMN).is_some());
        if !loaded {
            continue;
        }
        let (from, to) = (midnight(case.day), midnight(case.day) + TimeDelta::days(1));
        let sql = format!(
            "select max(at) as at from (select cast({} as timestamp) as at, {} as x from {}) as q \
             where x >= {} and x < {}",
            name(LOADED_COLUMN),
            time.expression,
            quoted(&table),
            moment(from),
            moment(to),
        );
        let rows = case.scene.rows(&case.scene.published, &sql).await?;
        last = last.max(rows.first().and_then(|row| time_of(row, "at")));
    }
    Ok(last)
}

/// The youngest row of a version.
async fn newest(
    case: &Case,
    id: &NodeId,
    time: &TimeColumn,
    location: &str,
) -> Result<Option<DateTime<Utc>>, ObservabilityError> {
    let Some(table) = case.scene.table(id) else { return Ok(None) };
    let (catalog, beside) = case.scene.beside(case.scene.published.clone(), &table, location);
    let sql = format!(
        "select max(x) as at from (select {} as x from {}) as q",
        time.expression,
        quoted(&beside)
    );
    let rows = case.scene.rows(&catalog, &sql).await?;
    Ok(rows.first().and_then(|row| time_of(row, "at")))
}

/// The first attempt of a node that could have seen rows of that load.
async fn passed_by(
    case: &Case,
    id: &NodeId,
    loaded: DateTime<Utc>,
) -> Result<Option<AttemptRecord>, ObservabilityError> {
    let tools = &case.scene.tools;
    let attempts = tools.ledger.node_attempts(&tools.environment, id, HISTORY_MAX).await?;
    let good = |attempt: &&AttemptRecord| {
        matches!(attempt.end.status, StepStatus::Succeeded | StepStatus::Warned)
            && attempt.business_started >= loaded
    };
    Ok(attempts.iter().rev().find(good).cloned())
}

/// The loads of a stream from the first row's hour to the load that brought the rows.
async fn loads(case: &Case, arrival: &Arrival) -> Result<Vec<Moment>, ObservabilityError> {
    let tools = &case.scene.tools;
    let attempts =
        tools.ledger.node_attempts(&tools.environment, &arrival.stream, HISTORY_MAX).await?;
    let from = arrival.first.unwrap_or(arrival.at);
    let mut moments: Vec<Moment> = Vec::new();
    let mut reason = "";
    for attempt in attempts.iter().rev() {
        let at = attempt.business_started;
        if at < from || at > arrival.at {
            continue;
        }
        let stream = short(&arrival.stream);
        let what = match attempt.end.status {
            StepStatus::Failed => {
                let message = attempt.end.message.as_deref().unwrap_or("no reason is kept");
                let again = std::mem::replace(&mut reason, message) == message;
                match again {
                    true => format!("load of {stream} failed again"),
                    false => format!("load of {stream} failed: {message}"),
                }
            }
            StepStatus::Succeeded | StepStatus::Warned if at == arrival.at => {
                format!("load of {stream} succeeded and brought {} of the rows", arrival.rows)
            }
            StepStatus::Succeeded | StepStatus::Warned => format!("load of {stream} succeeded"),
            _ => continue,
        };
        moments.push(Moment { at, what, run: Some(attempt.attempt.run.clone()) });
    }
    let of_stream =
        AccountFilter { node: Some(arrival.stream.clone()), ..AccountFilter::default() };
    let accounts = tools.ledger.accounts(&of_stream).await?;
    let brought = accounts.iter().find(|account| account.business_time >= arrival.at);
    if let (Some(account), Some(last)) = (brought, moments.last_mut())
        && let Some(load) = account.load
    {
        last.what = format!("{} ({} read, {} inserted)", last.what, load.read, load.inserted);
    }
    Ok(moments)
}
