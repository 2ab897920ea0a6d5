//! What can be reached from a table over its entities, in at most two joins that repeat no row.

use project::semantics::{Dimension, Entity, EntityKind, SemanticModel, Semantics};
use project::suggest;

use crate::ConsumptionError;

/// Joins from a metric's table to a dimension.
pub(super) const HOPS_MAX: usize = 2;
/// Names that an error lists.
const LISTED_MAX: usize = 12;

/// A join over an entity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop<'s> {
    /// The entity.
    pub(super) entity: &'s str,
    /// The table that is joined.
    pub(super) to: &'s SemanticModel,
}

/// What is reached.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member<'s> {
    /// A dimension.
    Dimension(&'s Dimension),
    /// A key.
    Entity(&'s Entity),
}

impl Member<'_> {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Dimension(dimension) => &dimension.name,
            Self::Entity(entity) => &entity.name,
        }
    }
}

/// A name and what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'s> {
    /// `user`, `account`, `country`.
    pub(super) parts: Vec<&'s str>,
    /// Joins on the way.
    pub(super) hops: Vec<Hop<'s>>,
    /// What it is.
    pub(super) member: Member<'s>,
    /// Whose it is.
    pub(super) model: &'s SemanticModel,
}

impl Candidate<'_> {
    pub(super) fn full_name(&self) -> String {
        self.parts.join("__")
    }
}

/// Whether a join over an entity leaves each row on the left once.
fn keeps_rows(left: EntityKind, right: EntityKind) -> bool {
    match (left, right) {
        (_, EntityKind::Foreign) | (EntityKind::Natural, EntityKind::Natural) => false,
        (_, EntityKind::Primary | EntityKind::Unique | EntityKind::Natural) => true,
    }
}

/// Everything that rows of a table can be grouped by.
pub(super) fn candidates<'s>(
    semantics: &'s Semantics,
    start: &'s SemanticModel,
) -> Vec<Candidate<'s>> {
    let mut found = Vec::new();
    let own = start.own_entities();
    for dimension in &start.dimensions {
        let member = Member::Dimension(dimension);
        if own.is_empty() {
            let parts = vec![dimension.name.as_str()];
            found.push(Candidate { parts, hops: Vec::new(), member, model: start });
        }
        for entity in &own {
            let parts = vec![*entity, dimension.name.as_str()];
            found.push(Candidate { parts, hops: Vec::new(), member, model: start });
        }
    }
    for entity in &start.entities {
        let member = Member::Entity(entity);
        let parts = vec![entity.name.as_str()];
        found.push(Candidate { parts, hops: Vec::new(), member, model: start });
    }
    walk(semantics, start, start, &[], &mut found);
    found
}

fn walk<'s>(
    semantics: &'s Semantics,
    start: &'s SemanticModel,
    here: &'s SemanticModel,
    hops: &[Hop<'s>],
    found: &mut Vec<Candidate<'s>>,
) {
    if hops.len() == HOPS_MAX {
        return;
    }
    for entity in &here.entities {
        if hops.iter().any(|hop| hop.entity == entity.name) {
            continue;
        }
        for next in &semantics.models {
            let visited = hops.iter().any(|hop| hop.to.name == next.name);
            let Some(other) = next.entity(&entity.name) else { continue };
            if visited || next.name == start.name || !keeps_rows(entity.kind, other.kind) {
                continue;
            }
            let mut hops = hops.to_vec();
            hops.push(Hop { entity: &entity.name, to: next });
            let path: Vec<&str> = hops.iter().map(|hop| hop.entity).collect();
            let members = next.dimensions.iter().map(Member::Dimension).chain(
                next.entities.iter().filter(|one| one.name != entity.name).map(Member::Entity),
            );
            for member in members {
                let mut parts = path.clone();
                parts.push(match member {
                    Member::Dimension(dimension) => &dimension.name,
                    Member::Entity(entity) => &entity.name,
                });
                found.push(Candidate { parts, hops: hops.clone(), member, model: next });
            }
            walk(semantics, start, next, &hops, found);
        }
    }
}

/// What a name means for rows of a table.
///
/// # Errors
/// When nothing is called so, several things are, or the join would repeat rows.
pub(super) fn resolve<'s>(
    semantics: &'s Semantics,
    start: &'s SemanticModel,
    parts: &[String],
    whom: &str,
) -> Result<Candidate<'s>, ConsumptionError> {
    let all = candidates(semantics, start);
    let same = |candidate: &Candidate<'_>| {
        candidate.parts.len() == parts.len()
            && candidate.parts.iter().zip(parts).all(|(one, other)| *one == other.as_str())
    };
    let ends = |candidate: &Candidate<'_>| {
        let skip = candidate.parts.len().saturating_sub(parts.len());
        candidate.parts.len() > parts.len()
            && candidate.parts[skip..].iter().zip(parts).all(|(one, other)| *one == other.as_str())
    };
    let mut fitting: Vec<&Candidate<'_>> = all.iter().filter(|one| same(one)).collect();
    if fitting.is_empty() {
        fitting = all.iter().filter(|one| ends(one)).collect();
    }
    let nearest = fitting.iter().map(|one| one.hops.len()).min();
    fitting.retain(|one| Some(one.hops.len()) == nearest);
    let first = fitting.first().copied();
    let differ = |one: &&Candidate<'_>| {
        first.is_some_and(|first| {
            one.model.name != first.model.name
                || one.hops.iter().zip(&first.hops).any(|(a, b)| a.to.name != b.to.name)
                || one.member.name() != first.member.name()
                || (one.parts != first.parts && !one.hops.is_empty())
        })
    };
    match first {
        None => Err(not_reached(semantics, start, parts, &all, whom)),
        Some(_) if fitting.iter().any(differ) => Err(ambiguous(parts, &fitting, whom)),
        Some(found) => Ok(found.clone()),
    }
}

fn ambiguous(parts: &[String], fitting: &[&Candidate<'_>], whom: &str) -> ConsumptionError {
    let mut names: Vec<String> = fitting
        .iter()
        .map(|one| format!("{} (of \"{}\")", one.full_name(), one.model.name))
        .collect();
    names.sort();
    names.dedup();
    let same = fitting.iter().all(|one| one.parts == fitting[0].parts);
    let help = if same {
        "Give the dimension of one of these semantic models another name."
    } else {
        "Name it with its whole path."
    };
    ConsumptionError::Settings {
        message: format!(
            "\"{}\" can mean several things for {whom}: {}",
            parts.join("__"),
            names.join(", ")
        ),
        help: help.to_owned(),
    }
}

fn not_reached(
    semantics: &Semantics,
    start: &SemanticModel,
    parts: &[String],
    all: &[Candidate<'_>],
    whom: &str,
) -> ConsumptionError {
    let asked = parts.join("__");
    if let Some(refused) = fan_out(semantics, start, parts, whom) {
        return refused;
    }
    let names: Vec<String> = all.iter().map(Candidate::full_name).collect();
    let hint = suggest::did_you_mean(&asked, names.iter().map(String::as_str))
        .or_else(|| {
            let last = parts.last()?;
            let near = suggest::nearest(last, all.iter().map(|one| one.member.name()))?;
            let full = all.iter().find(|one| one.member.name() == near)?.full_name();
            Some(format!("Did you mean \"{full}\"?"))
        })
        .unwrap_or_else(|| {
            let mut listed: Vec<&str> = names.iter().map(String::as_str).collect();
            listed.sort_unstable();
            listed.dedup();
            let more = listed.len().saturating_sub(LISTED_MAX);
            listed.truncate(LISTED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("It can be grouped by: metric_time, {}{more}.", listed.join(", "))
        });
    ConsumptionError::NotFound {
        message: format!("{whom} cannot be grouped or filtered by \"{asked}\""),
        help: hint,
    }
}

/// The reason, when only a join that repeats rows leads there.
fn fan_out(
    semantics: &Semantics,
    start: &SemanticModel,
    parts: &[String],
    whom: &str,
) -> Option<ConsumptionError> {
    let last = parts.last()?;
    for entity in &start.entities {
        for next in &semantics.models {
            let Some(other) = next.entity(&entity.name) else { continue };
            let has = next.dimension(last).is_some() || next.entity(last).is_some();
            let meant = match parts.len() {
                1 => true,
                _ => parts[..parts.len() - 1].iter().any(|part| {
                    *part == entity.name || next.own_entities().contains(&part.as_str())
                }),
            };
            if next.name == start.name || !has || !meant || keeps_rows(entity.kind, other.kind) {
                continue;
            }
            let (name, left, right) = (&entity.name, &start.name, &next.name);
            let message = format!(
                "{whom} cannot be grouped or filtered by \"{}\": joining \"{right}\" to \"{left}\" \
                 over \"{name}\" would count rows of \"{left}\" more than once, because \
                 \"{right}\" has many rows for one \"{name}\" ({} to {})",
                parts.join("__"),
                entity.kind.word(),
                other.kind.word()
            );
            let help = format!(
                "Declare a metric on \"{right}\", or build a model with one row per \"{name}\" \
                 and give it the primary entity \"{name}\"."
            );
            return Some(ConsumptionError::Settings { message, help });
        }
    }
    None
}
