//! Features: values that describe a user or an account at a moment, for models to learn from and
//! to be asked about.
//!
//! A **training set** joins features to an entity frame as they were at each row's moment: the
//! newest row at or before it, at most `ttl` old, both ends included; of two rows of one moment
//! the one made later. Every row of the frame stays, repeated ones too. An **online store** keeps
//! the newest row of each entity in the ledger's database; a refresh writes a new version beside
//! the served one and swings to it in one transaction.

mod asof;
#[cfg(test)]
mod asof_tests;
mod frame;
mod reading;
mod refresh;
mod serve;
mod training;

use project::features::{Feature, FeatureView};

use crate::{ConsumptionContext, ConsumptionError};

pub use frame::{EntityFrame, frame_from_file};
pub use refresh::{RefreshReport, refresh};
pub use serve::{OnlineAnswer, OnlineRefusal, OnlineRequest, OnlineStore};
pub use training::{TrainingRequest, TrainingSummary, training_set};

/// Feature references, `view:feature` each, or a service's: by view, in the order asked.
pub(crate) fn chosen<'p>(
    features: &'p project::features::Features,
    references: &[String],
    service: Option<&str>,
) -> Result<Vec<(&'p FeatureView, &'p Feature)>, ConsumptionError> {
    let pairs: Vec<(String, String)> = match service {
        Some(name) => match features.service(name) {
            Some(service) => service.features.clone(),
            None => {
                let known = features.services.iter().map(|one| one.name.as_str());
                return Err(missing("feature service", name, known));
            }
        },
        None => {
            let mut pairs = Vec::new();
            for reference in references {
                match reference.split_once(':') {
                    Some((view, feature)) => pairs.push((view.to_owned(), feature.to_owned())),
                    None => pairs.extend(all_of(features, reference)?),
                }
            }
            pairs
        }
    };
    let mut found = Vec::with_capacity(pairs.len());
    for (view_name, name) in &pairs {
        let Some(view) = features.view(view_name) else {
            let known = features.views.iter().map(|one| one.name.as_str());
            return Err(missing("feature view", view_name, known));
        };
        let Some(feature) = view.features.iter().find(|feature| feature.name == *name) else {
            let known = view.features.iter().map(|one| one.name.as_str());
            return Err(missing(&format!("feature of \"{view_name}\""), name, known));
        };
        found.push((view, feature));
    }
    Ok(found)
}

fn all_of(
    features: &project::features::Features,
    name: &str,
) -> Result<Vec<(String, String)>, ConsumptionError> {
    let Some(view) = features.view(name) else {
        let known = features.views.iter().map(|one| one.name.as_str());
        return Err(missing("feature view", name, known));
    };
    Ok(view.features.iter().map(|one| (name.to_owned(), one.name.clone())).collect())
}

fn missing<'k>(what: &str, name: &str, known: impl Iterator<Item = &'k str>) -> ConsumptionError {
    let help = project::suggest::did_you_mean(name, known)
        .unwrap_or_else(|| "`fiveply features list` shows what the project has.".to_owned());
    ConsumptionError::NotFound { message: format!("no {what} is named \"{name}\""), help }
}

/// The feature view of a name or of a node's id.
///
/// # Errors
/// When the project has none of that name.
pub fn find_view<'p>(
    context: &'p ConsumptionContext,
    name: &str,
) -> Result<&'p FeatureView, ConsumptionError> {
    let project = &context.project;
    let named =
        |view: &&FeatureView| view.name == name || view.node_id(&project.name).as_str() == name;
    let known = project.features.views.iter().map(|view| view.name.as_str());
    project.features.views.iter().find(named).ok_or_else(|| missing("feature view", name, known))
}
