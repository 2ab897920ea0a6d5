//! Named selectors of `selectors.yml`: unions, intersections and exclusions of criteria.

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, NodeId};
use serde_json::{Map, Value as Json};

use super::{Graph, IndirectSelection, Selection};
use crate::{codes, suggest};

/// Selectors that use each other may nest this deep.
const DEPTH_MAX: usize = 50;

type Chosen = Result<BTreeSet<NodeId>, Box<Diagnostic>>;

impl Graph {
    /// The nodes that a named selector means. `like` gives what its criteria leave open.
    ///
    /// # Errors
    /// When there is no such selector, or it breaks the grammar.
    pub fn select_named(
        &self,
        name: &str,
        selectors: &BTreeMap<String, Json>,
        like: &Selection,
    ) -> Chosen {
        Named { graph: self, selectors, like }.named(name, 0)
    }
}

struct Named<'n> {
    graph: &'n Graph,
    selectors: &'n BTreeMap<String, Json>,
    like: &'n Selection,
}

fn refuse(message: String) -> Box<Diagnostic> {
    let help = "Write a criterion, or union, intersection and exclude lists of such.";
    Box::new(Diagnostic::error(codes::SELECTOR_SYNTAX, message).help(help))
}

impl Named<'_> {
    fn named(&self, name: &str, depth: usize) -> Chosen {
        if depth > DEPTH_MAX {
            return Err(refuse(format!("selector \"{name}\" uses itself")));
        }
        let Some(definition) = self.selectors.get(name) else {
            let known = self.selectors.keys().map(String::as_str);
            let message = format!("selectors.yml has no selector \"{name}\"");
            let help = suggest::did_you_mean(name, known)
                .unwrap_or_else(|| "Name one of selectors.yml.".to_owned());
            return Err(Box::new(Diagnostic::error(codes::SELECTOR_SYNTAX, message).help(help)));
        };
        self.defined(definition, depth + 1)
    }

    fn defined(&self, definition: &Json, depth: usize) -> Chosen {
        match definition {
            Json::String(text) => self.criterion(text, None),
            Json::Array(items) => self.union(items, depth),
            Json::Object(fields) => self.fields(fields, depth),
            other => Err(refuse(format!("a selector's definition is {other}"))),
        }
    }

    fn fields(&self, fields: &Map<String, Json>, depth: usize) -> Chosen {
        if let Some(Json::Array(items)) = fields.get("union") {
            return self.union(items, depth);
        }
        if let Some(Json::Array(items)) = fields.get("intersection") {
            let mut together: Option<BTreeSet<NodeId>> = None;
            for item in items.iter().filter(|item| item.get("exclude").is_none()) {
                let one = self.defined(item, depth)?;
                together = Some(match together {
                    None => one,
                    Some(before) => before.intersection(&one).cloned().collect(),
                });
            }
            return self.without(together.unwrap_or_default(), items, depth);
        }
        let text = |key: &str| match fields.get(key) {
            Some(Json::String(text)) => Some(text.clone()),
            Some(Json::Number(number)) => Some(number.to_string()),
            Some(Json::Bool(flag)) => Some(flag.to_string()),
            _ => None,
        };
        let Some(method) = text("method") else {
            return match fields.iter().next() {
                Some((key, Json::String(value))) if fields.len() == 1 => {
                    self.criterion(&format!("{key}:{value}"), None)
                }
                _ => Err(refuse("a selector's definition has no method".to_owned())),
            };
        };
        let value = text("value").unwrap_or_default();
        let chosen = if method == "selector" {
            self.named(&value, depth)?
        } else {
            let yes = |key: &str| fields.get(key).and_then(Json::as_bool) == Some(true);
            let depth_of = |key: &str| text(key).unwrap_or_default();
            let mut criterion = format!("{method}:{value}");
            if yes("childrens_parents") {
                criterion = format!("@{criterion}");
            }
            if yes("parents") {
                criterion = format!("{}+{criterion}", depth_of("parents_depth"));
            }
            if yes("children") {
                criterion = format!("{criterion}+{}", depth_of("children_depth"));
            }
            let indirect = match text("indirect_selection").as_deref() {
                Some("eager") => Some(IndirectSelection::Eager),
                Some("cautious") => Some(IndirectSelection::Cautious),
                Some("buildable") => Some(IndirectSelection::Buildable),
                Some("empty") => Some(IndirectSelection::Empty),
                _ => None,
            };
            self.criterion(&criterion, indirect)?
        };
        match fields.get("exclude") {
            Some(Json::Array(items)) => {
                let gone = self.union(items, depth)?;
                Ok(chosen.difference(&gone).cloned().collect())
            }
            _ => Ok(chosen),
        }
    }

    fn union(&self, items: &[Json], depth: usize) -> Chosen {
        let mut chosen = BTreeSet::new();
        for item in items.iter().filter(|item| item.get("method").is_some() || !is_exclusion(item))
        {
            chosen.extend(self.defined(item, depth)?);
        }
        self.without(chosen, items, depth)
    }

    fn without(&self, mut chosen: BTreeSet<NodeId>, items: &[Json], depth: usize) -> Chosen {
        for item in items.iter().filter(|item| is_exclusion(item)) {
            if let Some(Json::Array(inner)) = item.get("exclude") {
                for id in self.union(inner, depth)? {
                    chosen.remove(&id);
                }
            }
        }
        Ok(chosen)
    }

    fn criterion(&self, text: &str, indirect: Option<IndirectSelection>) -> Chosen {
        let selection = Selection {
            select: vec![text.to_owned()],
            exclude: Vec::new(),
            indirect: indirect.unwrap_or(self.like.indirect),
            facts: self.like.facts.clone(),
        };
        match self.graph.select(&selection) {
            Err(problem) if problem.code == codes::SELECTOR_EMPTY => Ok(BTreeSet::new()),
            chosen => chosen,
        }
    }
}

fn is_exclusion(item: &Json) -> bool {
    item.get("exclude").is_some() && item.get("method").is_none()
}
