//! One model: does its table hold what its code makes of its inputs; does its code lose or make
//! rows; is it held back.

use base::{ErrorKind, NodeId};
use chrono::{DateTime, TimeDelta, Utc};
use ledger::{AccountFilter, StepStatus, TableVersion, TestStatus};
use project::NodeKind;

use crate::ObservabilityError;
use crate::case::{Case, HISTORY_MAX, Stopped, hours_between, stopped};
use crate::count::{count, mean, midnight};
use crate::diagnosis::{FindingKind, Mend, Moment};
use crate::dropped;

/// Rows on the usual days from which on a share that never varies counts as a rule.
const ROWS_FOR_A_RULE: f64 = 50.0;

/// Looks at one model.
pub(crate) async fn look(case: &mut Case, id: &NodeId) -> Result<(), ObservabilityError> {
    if case.scene.node(id).is_none_or(|node| node.kind != NodeKind::Model) {
        return Ok(());
    }
    let Some(table) = case.scene.table(id) else { return Ok(()) };
    if case.scene.is_view(id) {
        return through(case, id).await;
    }
    let stop = stopped(&case.scene, id).await?;
    let versions = {
        let tools = &case.scene.tools;
        tools.ledger.table_versions(&tools.environment, &table).await?
    };
    let timed = case.times.get(id).filter(|time| !time.of_run).cloned();
    let Some(time) = timed else {
        if let Some(stop) = stop.filter(|stop| stop.since.date_naive() <= case.day) {
            held(case, id, &stop, 0).await?;
        }
        return Ok(());
    };
    let behind = behind(case, id, &versions).await?;
    let incremental = case.scene.is_incremental(id);
    if !(incremental || behind || stop.is_some()) || !case.scene.sql.contains_key(id) {
        return through(case, id).await;
    }
    let anew = case.scene.anew(case.scene.published.clone(), id);
    let expected = count(&case.scene, &anew, &table, &time, case.day).await;
    let expected = case.scene.or_limit(&format!("{id} from nothing"), expected);
    let actual = case.actual.get(id).cloned().unwrap_or_default();
    let (should, is) = (expected.of(case.day), actual.of(case.day));
    case.expected.insert(id.clone(), expected.clone());
    if should > is {
        let missing = should - is;
        let hours = hours_between(&expected.hours(case.day), &actual.hours(case.day));
        let before = case.findings.len();
        match stop {
            Some(stop) => held(case, id, &stop, missing).await?,
            None if behind => stale(case, id, &versions, missing),
            None if incremental => {
                Box::pin(dropped::explain(case, id, &versions, missing)).await?;
            }
            None => case.scene.limits.push(format!(
                "{id} holds {missing} rows fewer than its code makes of the same inputs: it \
                 depends on more than its inputs, such as the date"
            )),
        }
        for finding in case.findings.iter_mut().skip(before) {
            finding.hours = finding.hours.or(hours.filter(|_| !time.days_only));
        }
        return Ok(());
    }
    if is > should {
        let more = is - should;
        case.notes.insert(id.clone(), format!("{more} rows that its inputs no longer have"));
    }
    if incremental && !behind {
        Box::pin(dropped::look_for_mended(case, id, &versions)).await?;
    }
    through(case, id).await
}

/// Whether inputs of a table have versions that no successful step of it has seen. A step that
/// found nothing to add leaves no version, and has seen them all the same.
async fn behind(
    case: &Case,
    id: &NodeId,
    versions: &[TableVersion],
) -> Result<bool, ObservabilityError> {
    let Some(last) = versions.last() else { return Ok(false) };
    let tools = &case.scene.tools;
    let attempts = tools.ledger.node_attempts(&tools.environment, id, HISTORY_MAX).await?;
    let good = attempts
        .iter()
        .find(|attempt| matches!(attempt.end.status, StepStatus::Succeeded | StepStatus::Warned));
    let Some(seen) = good.map(|attempt| attempt.machine_started) else { return Ok(false) };
    for input in last.inputs.iter().filter(|input| input.table != last.table) {
        let filter = AccountFilter {
            environment: Some(tools.environment.clone()),
            table: Some(input.table.clone()),
            ..AccountFilter::default()
        };
        let accounts = tools.ledger.accounts(&filter).await?;
        let newest = accounts.iter().rev().find(|account| account.snapshot_id.is_some());
        let newer = newest.is_some_and(|newest| {
            newest.snapshot_id != input.snapshot_id && newest.machine_time > seen
        });
        if newer {
            return Ok(true);
        }
    }
    Ok(false)
}

fn stale(case: &mut Case, id: &NodeId, versions: &[TableVersion], missing: u64) {
    let mut finding = case.finding(FindingKind::Stale, id);
    let built = versions.last().map(|version| version.business_time);
    finding.rows = missing;
    finding.at = built;
    finding.run = versions.last().and_then(|version| version.run.clone());
    finding.what = format!(
        "{} was last built {}, before {missing} rows of the day were loaded",
        short(id),
        built.map_or_else(|| "never".to_owned(), shown),
    );
    finding.mend = Some(Mend {
        what: "builds it with what is loaded".to_owned(),
        edit: None,
        command: Some(format!("fiveply build --select {}+", short(id))),
    });
    case.findings.push(finding);
}

/// A table whose readers keep the last good version.
async fn held(
    case: &mut Case,
    id: &NodeId,
    stop: &Stopped,
    missing: u64,
) -> Result<(), ObservabilityError> {
    let by_test = stop.status == StepStatus::Failed && stop.error_kind == Some(ErrorKind::Data);
    let kind = match stop.status {
        StepStatus::Failed if !by_test => FindingKind::BuildFailed,
        _ => FindingKind::HeldBack,
    };
    let mut finding = case.finding(kind, id);
    finding.rows = missing;
    finding.run = Some(stop.run.clone());
    finding.at = Some(stop.since);
    let since = stop.good_since.map_or_else(|| "never".to_owned(), shown);
    finding.what = match kind {
        FindingKind::BuildFailed => {
            format!("{} fails since {}: {}", short(id), shown(stop.since), stop.message)
        }
        _ => format!(
            "{} is held back since {}; readers see the version of {since}",
            short(id),
            shown(stop.since)
        ),
    };
    finding.evidence.push(stop.message.clone());
    finding.timeline.push(Moment {
        at: stop.since,
        what: stop.message.clone(),
        run: Some(stop.run.clone()),
    });
    if by_test && let Some(table) = case.scene.table(id) {
        let tools = &case.scene.tools;
        let tests = tools.ledger.table_tests(&tools.environment, &table, 200).await?;
        for result in tests {
            let of_run = result.test.run.as_ref() == Some(&stop.run);
            if of_run && matches!(result.test.status, TestStatus::Failed | TestStatus::Errored) {
                finding.layer = "test".to_owned();
                let message = result.test.message.unwrap_or_default();
                finding.evidence.push(format!("test {} failed: {message}", result.test.node));
            }
        }
    }
    finding.mend = Some(Mend {
        what: "once the cause is mended, builds it and what reads it".to_owned(),
        edit: None,
        command: Some(format!("fiveply build --select {}+", short(id))),
    });
    case.findings.push(finding);
    Ok(())
}

/// Whether the code of a model loses or makes more rows on the day than on usual days.
async fn through(case: &mut Case, id: &NodeId) -> Result<(), ObservabilityError> {
    let Some(time) = case.times.get(id).cloned() else { return Ok(()) };
    let grouped = case.scene.lineage.get(id).is_none_or(|lineage| {
        lineage.operators.iter().any(|operator| operator.starts_with("group by"))
    });
    if time.of_run || time.from.is_empty() || grouped {
        return Ok(());
    }
    let mut input = crate::count::Counts::default();
    for parent in &time.from {
        let Some(counts) = case.actual.get(parent) else { return Ok(()) };
        let days = case.times.get(parent).is_some_and(|parent| parent.days_only);
        if days != time.days_only && !time.days_only {
            return Ok(());
        }
        input.add(counts);
    }
    let output = case.actual.get(id).cloned().unwrap_or_default();
    let day = case.day;
    let (read, made) = (input.of(day) as f64, output.of(day) as f64);
    let usual = input.usual_days(day);
    let usual_read: f64 = usual.iter().map(|day| input.of(*day) as f64).sum();
    let usual_made: f64 = usual.iter().map(|day| output.of(*day) as f64).sum();
    if usual_read < ROWS_FOR_A_RULE {
        return Ok(());
    }
    if crate::shift::at_model(case, id, &input, &output) {
        return Ok(());
    }
    let share = usual_made / usual_read;
    let shares: Vec<f64> = usual
        .iter()
        .filter(|day| input.of(**day) > 0)
        .map(|day| output.of(*day) as f64 / input.of(*day) as f64)
        .collect();
    let spread = shares.iter().map(|one| (one - share).abs()).fold(0.0, f64::max);
    let chance = (read * share.min(1.0) * (1.0 - share.min(1.0))).max(0.0).sqrt();
    let expected = read * share;
    let bound = (3.0 * chance).max(2.0 * spread * read).max(0.5);
    if (made - expected).abs() <= bound {
        let same = mean(&shares).is_some_and(|mean| (mean - 1.0).abs() < 1e-9);
        if !same {
            let percent = (share * 100.0).round();
            case.excluded.push(format!("{} lets {percent}% through, as usual", short(id)));
        }
        return Ok(());
    }
    astray(case, id, &time.name, expected, made).await
}

/// Names the operator of a model that takes or makes more rows than usual.
async fn astray(
    case: &mut Case,
    id: &NodeId,
    column: &str,
    expected: f64,
    made: f64,
) -> Result<(), ObservabilityError> {
    let lost = made < expected;
    let kind = if lost { FindingKind::RowsLostInModel } else { FindingKind::RowsDoubledInModel };
    let mut finding = case.finding(kind, id);
    finding.rows = (expected - made).abs().round() as u64;
    let place = operator(case, id, column).await;
    let place = case.scene.or_limit(&format!("{id} taken apart"), place);
    finding.what = match (&place, lost) {
        (Some(place), true) => format!(
            "{} loses {} rows of the day more than usual at: {place}",
            short(id),
            finding.rows
        ),
        (Some(place), false) => {
            format!("{} makes {} rows too many at: {place}", short(id), finding.rows)
        }
        (None, true) => {
            format!("{} loses {} rows of the day more than usual", short(id), finding.rows)
        }
        (None, false) => format!("{} makes {} rows too many", short(id), finding.rows),
    };
    finding.evidence.push(format!(
        "its inputs would usually give {expected:.0} rows of the day; there are {made:.0}"
    ));
    let read = case.scene.tools.project.graph.parents(id);
    let looked_up = read
        .iter()
        .filter(|parent| case.times.get(id).is_some_and(|time| !time.from.contains(parent)));
    let looked_up: Vec<String> = looked_up.map(|parent| parent.to_string()).collect();
    if !looked_up.is_empty() {
        finding.evidence.push(format!("it looks rows up in {}", looked_up.join(", ")));
    }
    finding.mend = Some(Mend {
        what: "after the model or the table it joins is mended, builds it anew".to_owned(),
        edit: None,
        command: Some(format!("fiveply build --select {}+", short(id))),
    });
    case.findings.push(finding);
    Ok(())
}

async fn operator(
    case: &Case,
    id: &NodeId,
    column: &str,
) -> Result<Option<String>, ObservabilityError> {
    let Some(sql) = case.scene.sql.get(id) else { return Ok(None) };
    let counts = case.actual.get(id).cloned().unwrap_or_default();
    let mut days = vec![case.day];
    days.extend(counts.usual_days(case.day));
    let stretches: Vec<(DateTime<Utc>, DateTime<Utc>)> =
        days.iter().map(|day| (midnight(*day), midnight(*day) + TimeDelta::days(1))).collect();
    let session = case.scene.project_session(case.scene.published.clone());
    let prepared = session.prepare(sql).await?;
    let stages = session.anatomy(&prepared, column, &stretches).await?;
    let mut worst: Option<(f64, String)> = None;
    for pair in stages.windows(2) {
        let share = |rows: &[u64], before: &[u64]| {
            let (rows, before): (u64, u64) = (rows.iter().sum(), before.iter().sum());
            if before == 0 { 1.0 } else { rows as f64 / before as f64 }
        };
        let usual = share(&pair[1].rows[1..], &pair[0].rows[1..]);
        let here = share(&pair[1].rows[..1], &pair[0].rows[..1]);
        let off = (here - usual).abs() * pair[0].rows[0] as f64;
        if worst.as_ref().is_none_or(|(most, _)| off > *most) && off >= 0.5 {
            let said =
                format!("{} ({} rows in, {} out)", pair[1].what, pair[0].rows[0], pair[1].rows[0]);
            worst = Some((off, said));
        }
    }
    Ok(worst.map(|(_, said)| said))
}

/// A node's name as a selector takes it.
pub(crate) fn short(id: &NodeId) -> &str {
    let mut parts = id.as_str().splitn(3, '.');
    let kind = parts.next().unwrap_or_default();
    match (kind, parts.next(), parts.next()) {
        ("stream" | "source", Some(_), Some(_)) => {
            id.as_str().split_once('.').map_or(id.as_str(), |(_, rest)| rest)
        }
        (_, _, Some(name)) => name,
        _ => id.as_str(),
    }
}

/// A moment for people.
pub(crate) fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// `1 row`, `1,180 rows`.
pub(crate) fn things(rows: u64) -> String {
    match rows {
        1 => "1 row".to_owned(),
        rows => format!("{} rows", crate::verdict::figure(rows as f64)),
    }
}
