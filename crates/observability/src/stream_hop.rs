//! One stream: did its loads go well, what did they reject, did the source deliver every hour, and
//! each row once, under the names it always had.

use base::{LoadAccount, NodeId};
use chrono::{DateTime, TimeDelta, Utc};
use ledger::{AccountFilter, AttemptRecord, StepStatus};
use movement::{FILE_COLUMN, LOADED_COLUMN};
use project::NodeKind;

use crate::ObservabilityError;
use crate::case::{Case, HISTORY_MAX, held_back};
use crate::clock_column::TimeColumn;
use crate::count::{Counts, midnight, stretch, unusual};
use crate::diagnosis::{FindingKind, Mend, Moment};
use crate::model_hop::{short, shown};
use crate::scene::{moment, name, quoted, text, time as time_of, whole};
use crate::{drift, duplicates, shift};

/// Rows that usually come in hours that stay empty, from which on silence is no chance.
const SILENCE_ROWS_MIN: f64 = 12.0;

/// Looks at one stream.
pub(crate) async fn look(case: &mut Case, id: &NodeId) -> Result<(), ObservabilityError> {
    if case.scene.node(id).is_none_or(|node| node.kind != NodeKind::Stream) {
        return Ok(());
    }
    let loaded = case
        .scene
        .schema(id)
        .is_some_and(|schema| schema.column_with_name(LOADED_COLUMN).is_some());
    Box::pin(drift::look(case, id)).await?;
    let attempts = {
        let tools = &case.scene.tools;
        tools.ledger.node_attempts(&tools.environment, id, HISTORY_MAX).await?
    };
    let failed = failing(&attempts);
    if let Some(time) = case.times.get(id).cloned().filter(|_| loaded) {
        accounts(case, id, &time).await?;
        rejects(case, id, &time).await?;
        Box::pin(duplicates::look(case, id, &time)).await?;
        silence(case, id, &time, &attempts, failed.as_ref()).await?;
        let counts = case.actual.get(id).cloned().unwrap_or_default();
        shift::at_source(case, id, &counts);
    } else if let Some(failing) = failed.filter(|one| one.since.date_naive() <= case.day) {
        load_failed(case, id, &failing, 0.0).await?;
    }
    Ok(())
}

/// Loads that fail since a moment.
struct Failing {
    since: DateTime<Utc>,
    first: AttemptRecord,
    tries: usize,
    last_good: Option<DateTime<Utc>>,
}

fn failing(attempts: &[AttemptRecord]) -> Option<Failing> {
    let mut found: Option<Failing> = None;
    for attempt in attempts {
        match attempt.end.status {
            StepStatus::Succeeded | StepStatus::Warned => {
                if let Some(found) = &mut found {
                    found.last_good = Some(attempt.business_started);
                }
                break;
            }
            StepStatus::Failed => {
                let tries = found.as_ref().map_or(0, |found| found.tries) + 1;
                let since = attempt.business_started;
                found = Some(Failing { since, first: attempt.clone(), tries, last_good: None });
            }
            _ => {}
        }
    }
    found
}

/// The accounts of the loads that brought the day's rows.
async fn accounts(
    case: &mut Case,
    id: &NodeId,
    time: &TimeColumn,
) -> Result<(), ObservabilityError> {
    let Some(table) = case.scene.table(id) else { return Ok(()) };
    let (from, to) = (midnight(case.day), midnight(case.day) + TimeDelta::days(1));
    let sql = format!(
        "select at from (select cast({} as timestamp) as at, {} as x from {}) as q where x >= {} \
         and x < {} group by at",
        name(LOADED_COLUMN),
        time.expression,
        quoted(&table),
        moment(from),
        moment(to),
    );
    let rows = case.scene.rows(&case.scene.published, &sql).await?;
    let filter = AccountFilter {
        environment: Some(case.scene.tools.environment.clone()),
        node: Some(id.clone()),
        ..AccountFilter::default()
    };
    let all = case.scene.tools.ledger.accounts(&filter).await?;
    let all: Vec<_> = all.iter().filter(|one| one.table == table && one.load.is_some()).collect();
    let mut taken = std::collections::BTreeSet::new();
    let mut sum = LoadAccount::default();
    for at in rows.iter().filter_map(|row| time_of(row, "at")) {
        let Some(account) = all.iter().find(|one| one.business_time >= at) else { continue };
        if let (true, Some(load)) = (taken.insert(account.sequence), account.load) {
            sum.add(&load);
        }
    }
    if sum.late > 0 {
        let mut finding = case.finding(FindingKind::LateRowsDropped, id);
        finding.layer = "ingest".to_owned();
        finding.rows = sum.late;
        finding.what = format!("{} set {} rows aside because they came late", short(id), sum.late);
        case.findings.push(finding);
    }
    case.accounts.insert(id.clone(), sum);
    Ok(())
}

/// Rows of the day that were rejected: those of files whose other rows are of the day.
async fn rejects(
    case: &mut Case,
    id: &NodeId,
    time: &TimeColumn,
) -> Result<(), ObservabilityError> {
    let Some(table) = case.scene.table(id) else { return Ok(()) };
    let rejects = table.rejects();
    if !case.scene.published.names().any(|name| *name == rejects) {
        case.excluded.push(format!("no row of {} was ever rejected", short(id)));
        return Ok(());
    }
    let of_files =
        case.scene.schema(id).is_some_and(|schema| schema.column_with_name(FILE_COLUMN).is_some());
    let (from, to) = stretch(case.day);
    let sql = if of_files {
        format!(
            "select cast(f.d as varchar) as d, sum(r.rows) as n, max(r.reason) as reason, \
             max(r.run_id) as run from (select {file} as file, min(cast({x} as date)) as d from \
             {table} group by 1) as f join {rejects} as r on r.file = f.file where f.d >= \
             cast({from} as date) and f.d < cast({to} as date) group by 1",
            file = name(FILE_COLUMN),
            x = time.expression,
            table = quoted(&table),
            rejects = quoted(&rejects),
            from = moment(from),
            to = moment(to),
        )
    } else {
        format!(
            "select cast(cast(rejected_at as date) as varchar) as d, sum(rows) as n, max(reason) \
             as reason, max(run_id) as run from {rejects} where cast(rejected_at as timestamp) >= \
             {from} and cast(rejected_at as timestamp) < {to} group by 1",
            rejects = quoted(&rejects),
            from = moment(from),
            to = moment(to),
        )
    };
    let rows = case.scene.rows(&case.scene.published, &sql).await;
    let rows = case.scene.or_limit(&format!("rejects of {id}"), rows);
    let day = case.day.to_string();
    let here = rows.iter().find(|row| text(row, "d") == Some(&day));
    let rejected = here.map_or(0, |row| whole(row, "n"));
    let counts = case.actual.get(id).cloned().unwrap_or_default();
    let all_days = counts.0.keys().filter(|one| **one != case.day);
    let usual: Vec<f64> = all_days
        .map(|one| {
            let day = one.to_string();
            let row = rows.iter().find(|row| text(row, "d") == Some(&day));
            row.map_or(0.0, |row| whole(row, "n") as f64)
        })
        .collect();
    if rejected == 0 || !unusual(rejected as f64, &usual) {
        case.excluded.push(format!("rejected rows of {} are as usual", short(id)));
        return Ok(());
    }
    let mut finding = case.finding(FindingKind::RowsRejected, id);
    finding.rows = rejected;
    finding.run = here.and_then(|row| text(row, "run")).map(base::RunId::new);
    finding.what = format!("the load of {} rejected {rejected} rows of the day", short(id));
    let reason = here.and_then(|row| text(row, "reason")).unwrap_or("no reason is kept");
    finding.evidence.push(format!("such as: {reason}"));
    finding.evidence.push(format!("they are kept in {rejects}"));
    finding.mend = Some(Mend {
        what: format!(
            "shows the rows; what the source mends is loaded by `fiveply load {}`",
            short(id)
        ),
        edit: None,
        command: Some(format!(
            "fiveply query \"select reason, file, line, source_text from {rejects} order by \
             rejected_at desc limit 20\""
        )),
    });
    case.never_came.insert(id.clone(), rejected as f64);
    case.findings.push(finding);
    Ok(())
}

/// Hours that stay empty although rows usually come.
async fn silence(
    case: &mut Case,
    id: &NodeId,
    time: &TimeColumn,
    attempts: &[AttemptRecord],
    failing: Option<&Failing>,
) -> Result<(), ObservabilityError> {
    let counts = case.actual.get(id).cloned().unwrap_or_default();
    let Some((first, last, lost)) = silent_hours(case, &counts, time) else {
        if let Some(failing) = failing.filter(|one| one.since.date_naive() <= case.day) {
            load_failed(case, id, failing, 0.0).await?;
        } else {
            case.excluded.push(format!("{} has rows for every usual hour", short(id)));
        }
        return Ok(());
    };
    let end = midnight(case.day) + TimeDelta::hours(i64::from(last) + 1);
    let read_since = attempts.iter().any(|attempt| {
        matches!(attempt.end.status, StepStatus::Succeeded | StepStatus::Warned)
            && attempt.business_started >= end
    });
    if let (false, Some(failing)) = (read_since, failing) {
        load_failed(case, id, failing, lost).await?;
        if let Some(finding) = case.findings.last_mut() {
            finding.hours = Some((first, last));
        }
        return Ok(());
    }
    let mut finding = case.finding(FindingKind::SourceSilent, id);
    finding.rows = lost.round() as u64;
    finding.hours = Some((first, last));
    finding.what = if read_since {
        format!(
            "{} has no row from {first:02}:00 to {:02}:00, where about {lost:.0} usually come; \
             loads went well, so the source delivered none",
            short(id),
            last + 1
        )
    } else {
        finding.layer = "ingest".to_owned();
        format!(
            "{} has no row from {first:02}:00 to {:02}:00, where about {lost:.0} usually come; \
             it was not loaded since",
            short(id),
            last + 1
        )
    };
    finding.mend = Some(Mend {
        what: "once the source has delivered them, loads the rows and builds what reads them"
            .to_owned(),
        edit: None,
        command: Some(format!("fiveply load {} && fiveply build", short(id))),
    });
    case.never_came.insert(id.clone(), lost);
    case.findings.push(finding);
    Ok(())
}

/// The longest stretch of empty hours in which rows usually come, and how many.
fn silent_hours(case: &Case, counts: &Counts, time: &TimeColumn) -> Option<(u32, u32, f64)> {
    if time.days_only || counts.usual_days(case.day).len() < 2 {
        let usual = counts.usual(case.day).filter(|usual| *usual >= SILENCE_ROWS_MIN)?;
        return (counts.of(case.day) == 0).then_some((0, 23, usual));
    }
    let (hours, usual) = (counts.hours(case.day), counts.usual_hours(case.day));
    let mut best: Option<(u32, u32, f64)> = None;
    let mut open: Option<(u32, f64)> = None;
    for hour in 0..24_u32 {
        let place = hour as usize;
        open = match (hours[place], open) {
            (0, None) => Some((hour, usual[place])),
            (0, Some((first, sum))) => Some((first, sum + usual[place])),
            _ => None,
        };
        if let Some((first, sum)) = open
            && sum >= SILENCE_ROWS_MIN
            && best.is_none_or(|(_, _, most)| sum > most)
        {
            best = Some((first, hour, sum));
        }
    }
    best
}

async fn load_failed(
    case: &mut Case,
    id: &NodeId,
    failing: &Failing,
    lost: f64,
) -> Result<(), ObservabilityError> {
    let mut finding = case.finding(FindingKind::LoadFailed, id);
    let message = failing.first.end.message.clone().unwrap_or_default();
    finding.rows = lost.round() as u64;
    finding.run = Some(failing.first.attempt.run.clone());
    finding.attempt = Some(failing.first.attempt.number);
    finding.at = Some(failing.since);
    finding.what = format!(
        "{} cannot be loaded since {}; the last good load was {}",
        short(id),
        shown(failing.since),
        failing.last_good.map_or_else(|| "never".to_owned(), shown),
    );
    finding.evidence.push(message.clone());
    finding.evidence.push(format!("{} attempts failed", failing.tries));
    finding.timeline.push(Moment {
        at: failing.since,
        what: format!("load of {} failed: {message}", short(id)),
        run: Some(failing.first.attempt.run.clone()),
    });
    finding.held_back = held_back(&case.scene, id, failing.since).await?;
    finding.mend = Some(Mend {
        what: "once the source is mended, loads what was missed and builds what reads it"
            .to_owned(),
        edit: None,
        command: Some(format!("fiveply load {} && fiveply build", short(id))),
    });
    if lost > 0.0 {
        case.never_came.insert(id.clone(), lost);
    }
    case.findings.push(finding);
    Ok(())
}
