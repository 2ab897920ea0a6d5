//! One incident as it is shown: what happened to it, and its diagnosis as of now.

use chrono::{DateTime, Utc};
use ledger::IncidentRecord;
use transformation::Tools;

use crate::ObservabilityError;
use crate::diagnose::diagnose;
use crate::diagnosis::Diagnosis;
use crate::question::Question;

/// Incidents among which one is looked for by the beginning of its id.
const INCIDENTS_MAX: u32 = 1_000;

/// An incident with what happened to it, as it is shown.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct IncidentStory {
    /// The incident; `details.diagnosis` is the diagnosis, where there is one.
    pub incident: IncidentRecord,
    /// What happened, oldest first.
    pub timeline: Vec<ledger::IncidentEvent>,
    /// The diagnosis as of now, after what was mended meanwhile.
    pub diagnosis: Option<Diagnosis>,
    /// When this was put together, by the business clock.
    pub made_at: DateTime<Utc>,
}

/// One incident with its timeline, its diagnosis made anew.
///
/// # Errors
/// When there is no such incident, or the ledger cannot be read.
pub async fn incident_story(tools: &Tools, id: &str) -> Result<IncidentStory, ObservabilityError> {
    let ledger = &tools.ledger;
    let found = match ledger.incident(id).await? {
        Some(found) => Some(found),
        // The beginning of an id is enough where it names one.
        None => {
            let all = ledger.incidents(&tools.environment, None, INCIDENTS_MAX).await?;
            let mut fitting = all.into_iter().filter(|one| one.id.starts_with(id));
            fitting.next().filter(|_| fitting.next().is_none() && !id.is_empty())
        }
    };
    let Some(incident) = found else {
        let help = Some("`fiveply incident list` shows them.".to_owned());
        return Err(ObservabilityError::NotFound { name: format!("incident {id}"), help });
    };
    let timeline = ledger.incident_events(&incident.id).await?;
    let kept = incident.details.get("diagnosis").cloned();
    let kept: Option<Diagnosis> = kept.and_then(|kept| serde_json::from_value(kept).ok());
    let diagnosis = match &kept {
        Some(kept) => {
            let measure = kept.asked.measure.clone();
            let of_node = Question::of(&kept.asked.name, kept.asked.node.clone());
            let question = Question { measure, ..of_node };
            let now = Box::pin(diagnose(tools, &question, kept.asked.day)).await;
            now.ok().or_else(|| Some(kept.clone()))
        }
        None => None,
    };
    let made_at = ledger.clocks().business.now();
    Ok(IncidentStory { incident, timeline, diagnosis, made_at })
}
