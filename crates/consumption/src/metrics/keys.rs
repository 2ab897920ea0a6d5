//! What answers are grouped by.

use project::semantics::{Grain, METRIC_TIME, SemanticModel, Semantics};

use crate::ConsumptionError;

/// One grouping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The column's name in the answer.
    pub(super) name: String,
    /// What it is.
    pub(super) kind: KeyKind,
}

/// What a grouping is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// The time each metric is counted by.
    Time(Grain),
    /// A dimension or an entity.
    Named {
        /// Its name, between double underscores.
        parts: Vec<String>,
        /// The grain, when it is a time and one is asked for.
        grain: Option<Grain>,
    },
}

/// `user__created_at__month` as its parts and its grain.
pub(super) fn split(name: &str) -> (Vec<String>, Option<Grain>) {
    let mut parts: Vec<String> = name.trim().split("__").map(str::to_ascii_lowercase).collect();
    let mut grain = None;
    if parts.len() > 1
        && let Some(found) = parts.last().and_then(|last| Grain::from_word(last))
    {
        grain = Some(found);
        parts.pop();
    }
    (parts, grain)
}

/// Reads a grouping; `default` is the grain of a time that says none.
///
/// # Errors
/// When the name is empty.
pub(super) fn read(
    name: &str,
    default: impl FnOnce() -> Result<Grain, ConsumptionError>,
) -> Result<Key, ConsumptionError> {
    let (parts, grain) = split(name);
    if parts.iter().any(String::is_empty) {
        return Err(ConsumptionError::Settings {
            message: format!("\"{name}\" is no name to group by"),
            help: "Write metric_time__day, entity or entity__dimension.".to_owned(),
        });
    }
    if parts == [METRIC_TIME] {
        let grain = match grain {
            Some(grain) => grain,
            None => default()?,
        };
        let name = format!("{METRIC_TIME}__{}", grain.word());
        return Ok(Key { name, kind: KeyKind::Time(grain) });
    }
    let mut name = parts.join("__");
    if let Some(grain) = grain {
        name = format!("{name}__{}", grain.word());
    }
    Ok(Key { name, kind: KeyKind::Named { parts, grain } })
}

/// The own grain of a time dimension of a model.
pub(super) fn own_grain(
    semantics: &Semantics,
    model: &str,
    dimension: Option<&str>,
) -> Option<Grain> {
    let model: &SemanticModel = semantics.model(model)?;
    match model.dimension(dimension?)?.kind {
        project::semantics::DimensionKind::Time(grain) => Some(grain),
        project::semantics::DimensionKind::Categorical => None,
    }
}
