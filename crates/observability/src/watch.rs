//! Notices by itself: opens and closes incidents from what the ledger and the tables tell, and
//! tells the webhook once of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use base::{ErrorKind, NodeId, RunId};
use chrono::{Days, NaiveDate, TimeDelta};
use ledger::{
    IncidentKind, IncidentRecord, IncidentSeverity, IncidentStatus, NewIncident, StepStatus,
};
use project::NodeKind;
use serde_json::{Value, json};
use transformation::Tools;

use crate::ObservabilityError;
use crate::alerts::{message, targets};
use crate::case::stopped;
use crate::clock_column::time_columns;
use crate::count::{Counts, count, unusual};
use crate::diagnose::diagnose;
use crate::diagnosis::{Diagnosis, Finding, FindingKind, Verdict};
use crate::model_hop::{short, shown};
use crate::promise::PromiseStatus;
use crate::question::Question;
use crate::scene::Scene;

/// Complete days that are watched.
const DAYS_WATCHED: u64 = 7;
/// Open incidents that are looked at.
const INCIDENTS_MAX: u32 = 1_000;

/// Watches one environment; keep it as long as the process runs.
#[derive(Debug)]
pub struct Watcher {
    tools: Tools,
    targets: Vec<String>,
    /// The versions that were watched last: nothing is counted again until one is newer.
    seen: Mutex<BTreeMap<String, String>>,
}

/// What a look brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Incidents that were opened, by their ids.
    pub opened: Vec<String>,
    /// Incidents that were closed, by their ids.
    pub closed: Vec<String>,
    /// Alerts that were taken.
    pub alerts_sent: u32,
    /// Alerts that will be tried again.
    pub alerts_refused: u32,
}

/// What was found, by cause; it is open as long as it is found.
type Found = BTreeMap<String, NewIncident>;

impl Watcher {
    /// Watches the tools' environment, and tells the webhooks of `alerts:` in fiveply.yml.
    pub fn new(tools: Tools) -> Self {
        let targets = targets(tools.project.settings.alerts.as_ref());
        Self { tools, targets, seen: Mutex::default() }
    }

    /// Watches by a project that was read anew.
    pub fn use_project(&mut self, project: Arc<project::Project>) {
        self.targets = targets(project.settings.alerts.as_ref());
        self.tools.project = project;
    }

    /// Looks once: after a run, and every minute. Any number of processes may do so at once.
    ///
    /// # Errors
    /// When the ledger or a table cannot be read.
    pub async fn watch(&self) -> Result<Watched, ObservabilityError> {
        let mut watched = Watched::default();
        let mut found = Found::new();
        let mut unseen = BTreeSet::new();
        Box::pin(self.failures(&mut found)).await?;
        if self.something_new().await? {
            Box::pin(self.tables(&mut found)).await?;
        } else {
            unseen.extend([IncidentKind::RowsAstray, IncidentKind::VolumeUnusual]);
        }
        Box::pin(self.promises(&mut found)).await?;
        for new in found.values() {
            let (incident, is_new) = self.tools.ledger.open_incident(new).await?;
            if is_new {
                watched.opened.push(incident.id);
            }
        }
        Box::pin(self.close(&found, &unseen, &mut watched)).await?;
        self.send(&mut watched).await?;
        Ok(watched)
    }

    /// Loads that fail, and models that are not published, each under what causes it.
    async fn failures(&self, found: &mut Found) -> Result<(), ObservabilityError> {
        let tools = &self.tools;
        let scene = Scene::open(tools, &[]).await?;
        let open = Some(IncidentStatus::Open);
        let open = tools.ledger.incidents(&tools.environment, open, INCIDENTS_MAX).await?;
        let open: Vec<NewIncident> = open.into_iter().map(|one| self.as_before(one)).collect();
        let mut explained: BTreeSet<NodeId> = BTreeSet::new();
        for id in tools.project.graph.order() {
            let Some(node) = tools.project.graph.node(id) else { continue };
            let loads = node.kind == NodeKind::Stream;
            if !loads && !matches!(node.kind, NodeKind::Model | NodeKind::Seed) {
                continue;
            }
            let Some(stop) = stopped(&scene, id).await? else { continue };
            // What was left out because of another node belongs to that node's incident.
            if stop.status == StepStatus::Skipped || explained.contains(id) {
                continue;
            }
            // What was explained once is not explained again every minute.
            let known = open
                .iter()
                .find(|one| one.kind != IncidentKind::PromiseBroken && touched(one).contains(id));
            if let Some(known) = known {
                explained.extend(touched(known));
                found.entry(known.cause.clone()).or_insert_with(|| known.clone());
                continue;
            }
            let mut new = self.incident(
                if loads { IncidentKind::LoadFailed } else { IncidentKind::BuildFailed },
                id,
            );
            new.cause = format!("{}:{id}", new.kind);
            new.began = stop.since;
            new.run = Some(stop.run.clone());
            new.severity = IncidentSeverity::High;
            new.title = match (loads, stop.error_kind) {
                (true, _) => {
                    format!("{} cannot be loaded since {}", short(id), shown(stop.since))
                }
                (false, Some(ErrorKind::Data)) => {
                    new.kind = IncidentKind::TestFailed;
                    format!("{} is held back by a test since {}", short(id), shown(stop.since))
                }
                (false, _) => format!("{} fails since {}", short(id), shown(stop.since)),
            };
            new.details = json!({"message": stop.message});
            if !loads {
                let day = stop.since.date_naive();
                let diagnosis = self.explain(id, day).await;
                if let Some((diagnosis, finding)) = &diagnosis {
                    explained.extend(finding.held_back.iter().map(|held| held.node.clone()));
                    caused_by(&mut new, diagnosis, finding);
                }
            }
            found.entry(new.cause.clone()).or_insert(new);
        }
        Ok(())
    }

    /// Promises that are broken, unless what breaks them has an incident of its own.
    async fn promises(&self, found: &mut Found) -> Result<(), ObservabilityError> {
        let covered: BTreeSet<NodeId> = found.values().flat_map(touched).collect();
        for state in crate::budget::promises(&self.tools).await? {
            let broken = matches!(state.status, PromiseStatus::Broken | PromiseStatus::BudgetSpent);
            if !broken || covered.contains(&state.node) {
                continue;
            }
            let mut new = self.incident(IncidentKind::PromiseBroken, &state.node);
            new.cause = format!("promise:{}", state.name);
            new.owner = state.owner.clone().or(new.owner);
            new.severity = match state.status {
                PromiseStatus::BudgetSpent => IncidentSeverity::High,
                _ => IncidentSeverity::Medium,
            };
            new.title = format!("promise on {} is broken: {}", short(&state.node), state.promise);
            new.details = json!({"promise": state});
            found.insert(new.cause.clone(), new);
        }
        Ok(())
    }

    /// Whether a table has a version that was not watched yet.
    async fn something_new(&self) -> Result<bool, ObservabilityError> {
        let tools = &self.tools;
        let pointers = tools.ledger.pointers(&tools.environment).await?;
        let now: BTreeMap<String, String> = pointers
            .into_iter()
            .map(|one| (one.table.to_string(), one.metadata_location))
            .collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let new = *seen != now;
        *seen = now;
        Ok(new)
    }

    /// Rows that are missing, and days that are unusual, in the last complete days.
    async fn tables(&self, found: &mut Found) -> Result<(), ObservabilityError> {
        let tools = &self.tools;
        let now = tools.ledger.clocks().business.now();
        let last = (now + TimeDelta::minutes(1)).date_naive() - Days::new(1);
        let mut told: BTreeSet<NaiveDate> = BTreeSet::new();
        let watched = |id: &&NodeId| {
            let node = tools.project.graph.node(id);
            node.is_some_and(|node| {
                matches!(node.kind, NodeKind::Model | NodeKind::Stream) && !node.is_ephemeral()
            })
        };
        let nodes: Vec<NodeId> =
            tools.project.graph.order().iter().filter(watched).cloned().collect();
        let scene = Scene::open(tools, &nodes).await?;
        for id in &nodes {
            let days = match odd_days(&scene, id, last).await {
                Ok(days) => days,
                Err(error) => {
                    tracing::warn!(node = %id, %error, "a table could not be watched");
                    continue;
                }
            };
            for (day, astray) in days {
                if !astray && told.contains(&day) {
                    continue;
                }
                let Some(diagnosis) = self.look(id, day).await else { continue };
                self.judge(id, day, &diagnosis, found);
                told.insert(day);
            }
        }
        Ok(())
    }

    fn judge(&self, id: &NodeId, day: NaiveDate, diagnosis: &Diagnosis, found: &mut Found) {
        let open = diagnosis.findings.iter().find(|finding| finding.mended.is_none());
        match (diagnosis.verdict, open) {
            (Verdict::Explained, Some(finding)) => {
                let mut new = self.incident(IncidentKind::RowsAstray, &finding.node);
                new.day = Some(day);
                new.began = finding.at.unwrap_or(new.began);
                new.severity = IncidentSeverity::High;
                caused_by(&mut new, diagnosis, finding);
                if of_one_day(finding.kind) && !found.contains_key(&new.cause) {
                    new.cause = format!("{}:{day}", new.cause);
                }
                found.entry(new.cause.clone()).or_insert(new);
            }
            (Verdict::RealChange | Verdict::Undetermined, _) => {
                let mut new = self.incident(IncidentKind::VolumeUnusual, id);
                new.day = Some(day);
                new.cause = format!("volume:{day}");
                new.severity = IncidentSeverity::Low;
                new.title.clone_from(&diagnosis.headline);
                new.details = json!({"diagnosis": diagnosis});
                found.entry(new.cause.clone()).or_insert(new);
            }
            _ => {}
        }
    }

    async fn look(&self, id: &NodeId, day: NaiveDate) -> Option<Diagnosis> {
        let question = Question::of(short(id), id.clone());
        match Box::pin(diagnose(&self.tools, &question, day)).await {
            Ok(diagnosis) => Some(diagnosis),
            Err(error) => {
                tracing::warn!(node = %id, %error, "a number could not be explained");
                None
            }
        }
    }

    /// What is behind a node that is not published, when it is nearer to the source.
    async fn explain(&self, id: &NodeId, day: NaiveDate) -> Option<(Diagnosis, Finding)> {
        let diagnosis = self.look(id, day).await?;
        let finding = diagnosis
            .findings
            .iter()
            .find(|finding| finding.node != *id && finding.mended.is_none() && finding.rows > 0);
        let finding = finding.cloned()?;
        Some((diagnosis, finding))
    }

    fn incident(&self, kind: IncidentKind, id: &NodeId) -> NewIncident {
        let owner = self.tools.project.graph.node(id).and_then(|node| node.owner.clone());
        NewIncident {
            environment: self.tools.environment.clone(),
            cause: String::new(),
            kind,
            severity: IncidentSeverity::Medium,
            node: Some(id.clone()),
            owner: owner.as_ref().map(|owner| owner.name.clone()),
            owner_email: owner.and_then(|owner| owner.email),
            title: String::new(),
            run: None,
            day: None,
            details: Value::Null,
            began: self.tools.ledger.clocks().business.now(),
            targets: self.targets.clone(),
        }
    }

    /// An open incident as it was found.
    fn as_before(&self, open: IncidentRecord) -> NewIncident {
        NewIncident {
            environment: open.environment,
            cause: open.cause,
            kind: open.kind,
            severity: open.severity,
            node: open.node,
            owner: open.owner,
            owner_email: open.owner_email,
            title: open.title,
            run: open.run,
            day: open.day,
            details: open.details,
            began: open.began,
            targets: self.targets.clone(),
        }
    }

    /// Closes what is no longer found.
    async fn close(
        &self,
        found: &Found,
        unseen: &BTreeSet<IncidentKind>,
        watched: &mut Watched,
    ) -> Result<(), ObservabilityError> {
        let ledger = &self.tools.ledger;
        let open = Some(IncidentStatus::Open);
        let open = ledger.incidents(&self.tools.environment, open, INCIDENTS_MAX).await?;
        for incident in open {
            if found.contains_key(&incident.cause) || unseen.contains(&incident.kind) {
                continue;
            }
            let (message, run) = self.ended(&incident).await?;
            let targets = &self.targets;
            if ledger.close_incident(&incident.id, &message, run.as_ref(), targets).await? {
                watched.closed.push(incident.id);
            }
        }
        Ok(())
    }

    /// What ended an incident, and in which run.
    async fn ended(
        &self,
        incident: &IncidentRecord,
    ) -> Result<(String, Option<RunId>), ObservabilityError> {
        let Some(node) = &incident.node else { return Ok(("it is over".to_owned(), None)) };
        if let Some(day) = incident.day
            && let Some(diagnosis) = self.look(node, day).await
            && let Some(mended) = diagnosis.findings.iter().find_map(|one| one.mended.clone())
        {
            return Ok((diagnosis.headline, mended.run));
        }
        let ledger = &self.tools.ledger;
        let steps = ledger.node_steps(&self.tools.environment, node, 1).await?;
        let last = steps.first().filter(|step| !step.status.wants_retry());
        let message = match last {
            Some(_) => format!("{} succeeded again", short(node)),
            None => "it is no longer so".to_owned(),
        };
        Ok((message, last.map(|step| step.run.clone())))
    }

    /// Sends what is due. The row is claimed first, so that no two processes send one alert.
    async fn send(&self, watched: &mut Watched) -> Result<(), ObservabilityError> {
        let ledger = &self.tools.ledger;
        while let Some(alert) = ledger.claim_alert().await? {
            let Some(incident) = ledger.incident(&alert.incident).await? else {
                ledger.settle_alert(&alert, None).await?;
                continue;
            };
            let body = message(&incident, &alert.state);
            let sent = movement::post_message(&alert.target, &alert.id, &body).await;
            let refused = sent.err().map(|error| error.to_string());
            match &refused {
                None => watched.alerts_sent += 1,
                Some(why) => {
                    tracing::warn!(incident = alert.incident, why, "an alert was not taken");
                    watched.alerts_refused += 1;
                }
            }
            ledger.settle_alert(&alert, refused.as_deref()).await?;
        }
        Ok(())
    }
}

/// Whether a finding is about one day, and not about everything since a moment.
fn of_one_day(kind: FindingKind) -> bool {
    match kind {
        FindingKind::LateRowsDropped
        | FindingKind::IncrementDropped
        | FindingKind::RowsLostInModel
        | FindingKind::RowsDoubledInModel
        | FindingKind::TimeShifted
        | FindingKind::RowsRejected
        | FindingKind::SourceSilent => true,
        FindingKind::Stale
        | FindingKind::HeldBack
        | FindingKind::BuildFailed
        | FindingKind::DuplicatesDelivered
        | FindingKind::ColumnRenamed
        | FindingKind::ColumnEmpty
        | FindingKind::LoadFailed => false,
    }
}

/// The node of an incident and what is held back because of it.
fn touched(new: &NewIncident) -> BTreeSet<NodeId> {
    let mut nodes: BTreeSet<NodeId> = new.node.iter().cloned().collect();
    let findings = new.details.pointer("/diagnosis/findings").and_then(Value::as_array);
    for held in findings.into_iter().flatten().filter_map(|one| one["held_back"].as_array()) {
        let ids = held.iter().filter_map(|one| one["node"].as_str());
        nodes.extend(ids.map(NodeId::from));
    }
    nodes
}

/// Puts an incident under what causes it: one incident per cause, owned where it began.
fn caused_by(new: &mut NewIncident, diagnosis: &Diagnosis, finding: &Finding) {
    new.kind = match finding.kind {
        FindingKind::ColumnRenamed | FindingKind::ColumnEmpty => IncidentKind::SchemaDrift,
        FindingKind::LoadFailed => IncidentKind::LoadFailed,
        FindingKind::BuildFailed => IncidentKind::BuildFailed,
        FindingKind::HeldBack => IncidentKind::TestFailed,
        _ => IncidentKind::RowsAstray,
    };
    new.cause = format!("{}:{}", new.kind, finding.node);
    new.node = Some(finding.node.clone());
    new.owner.clone_from(&finding.owner);
    new.owner_email.clone_from(&finding.owner_email);
    new.title.clone_from(&finding.what);
    new.run = finding.run.clone().or_else(|| new.run.clone());
    new.details = json!({"diagnosis": diagnosis});
}

/// Days of a table that miss rows which its inputs have, and days that are unusual.
async fn odd_days(
    scene: &Scene,
    id: &NodeId,
    last: NaiveDate,
) -> Result<BTreeMap<NaiveDate, bool>, ObservabilityError> {
    let times = time_columns(scene, id, None);
    let mut odd = BTreeMap::new();
    let Some((time, table)) = times.get(id).zip(scene.table(id)) else { return Ok(odd) };
    if time.of_run || scene.schema(id).is_none() {
        return Ok(odd);
    }
    let actual = count(scene, &scene.published, &table, time, last).await?;
    let expected = if scene.is_incremental(id) {
        let anew = scene.anew(scene.published.clone(), id);
        count(scene, &anew, &table, time, last).await?
    } else {
        Counts::default()
    };
    for back in 0..DAYS_WATCHED {
        let Some(day) = last.checked_sub_days(Days::new(back)) else { continue };
        let usual: Vec<f64> =
            actual.usual_days(day).iter().map(|day| actual.of(*day) as f64).collect();
        if expected.of(day) > actual.of(day) {
            odd.insert(day, true);
        } else if unusual(actual.of(day) as f64, &usual) {
            odd.insert(day, false);
        }
    }
    Ok(odd)
}
