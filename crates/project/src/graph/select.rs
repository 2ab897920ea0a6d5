//! Node selection, in dbt's grammar: `+model`, `2+model+1`, `@model`, `tag:nightly`, a space for
//! "or", a comma for "and".

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, NodeId};
use globset::GlobBuilder;

use super::Graph;
use super::method::{
    access_word, config_fits, file_fits, fqn_fits, name_fits, path_fits, source_fits,
    test_type_fits, text_fits, version_fits,
};
use crate::node::{Node, NodeKind};
use crate::{codes, suggest};

/// Which nodes a command is about.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// `--select`: everything when empty.
    pub select: Vec<String>,
    /// `--exclude`.
    pub exclude: Vec<String>,
    /// Which tests come along.
    pub indirect: IndirectSelection,
    /// Nodes behind selectors that ask what happened before: `result:error`,
    /// `state:modified`, `source_status:fresher`, each with the nodes it means.
    pub facts: BTreeMap<String, BTreeSet<NodeId>>,
}

/// Which tests come along with the nodes they test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndirectSelection {
    /// Those with any selected parent.
    #[default]
    Eager,
    /// Those whose parents are all selected.
    Cautious,
    /// Those whose parents are all selected or ancestors of selected ones.
    Buildable,
    /// None.
    Empty,
}

pub(crate) const METHODS: &[&str] = &[
    "access",
    "config",
    "dashboard",
    "exposure",
    "file",
    "fqn",
    "group",
    "metric",
    "owner",
    "package",
    "path",
    "resource_type",
    "result",
    "saved_query",
    "semantic_model",
    "source",
    "source_status",
    "state",
    "stream",
    "tag",
    "test_name",
    "test_type",
    "unit_test",
    "version",
];

/// One criterion: `2+config.materialized:table+`.
struct Criterion<'t> {
    text: &'t str,
    children_with_parents: bool,
    /// `None`: not asked for; `Some(None)`: all; `Some(Some(n))`: n steps.
    parents: Option<Option<usize>>,
    children: Option<Option<usize>>,
    method: String,
    arguments: Vec<String>,
    value: String,
}

impl Graph {
    /// The nodes that a selection means.
    ///
    /// # Errors
    /// When a selector breaks the grammar, or none of those given fits a node.
    pub fn select(&self, selection: &Selection) -> Result<BTreeSet<NodeId>, Box<Diagnostic>> {
        let mut selected = if selection.select.is_empty() {
            self.nodes.keys().cloned().collect()
        } else {
            self.union(&selection.select, selection)?
        };
        if !selection.select.is_empty() && selected.is_empty() {
            return Err(self.fits_nothing(&selection.select));
        }
        for id in self.union(&selection.exclude, selection)? {
            selected.remove(&id);
        }
        Ok(selected)
    }

    fn union(
        &self,
        texts: &[String],
        selection: &Selection,
    ) -> Result<BTreeSet<NodeId>, Box<Diagnostic>> {
        let mut found = BTreeSet::new();
        for part in texts.iter().flat_map(|text| text.split_whitespace()) {
            let mut together: Option<BTreeSet<NodeId>> = None;
            for text in part.split(',').filter(|text| !text.is_empty()) {
                let one = self.with_tests(self.criterion(text, selection)?, selection.indirect);
                together = Some(match together {
                    None => one,
                    Some(before) => before.intersection(&one).cloned().collect(),
                });
            }
            found.extend(together.unwrap_or_default());
        }
        Ok(found)
    }

    fn criterion(
        &self,
        text: &str,
        selection: &Selection,
    ) -> Result<BTreeSet<NodeId>, Box<Diagnostic>> {
        let criterion = parse(text)?;
        let direct = self.direct(&criterion, selection)?;
        let mut found = direct.clone();
        for id in &direct {
            if let Some(depth) = criterion.parents {
                found.extend(self.ancestors(id, depth));
            }
            if let Some(depth) = criterion.children {
                found.extend(self.descendants(id, depth));
            }
            if criterion.children_with_parents {
                let below = self.descendants(id, None);
                for child in below.iter().chain([id]) {
                    found.extend(self.ancestors(child, None));
                }
                found.extend(below);
            }
        }
        Ok(found)
    }

    fn direct(
        &self,
        criterion: &Criterion<'_>,
        selection: &Selection,
    ) -> Result<BTreeSet<NodeId>, Box<Diagnostic>> {
        match criterion.method.as_str() {
            "state" | "result" | "source_status" => {
                let key = format!("{}:{}", criterion.method, criterion.value);
                return selection.facts.get(&key).map_or_else(
                    || Err(needs_facts(&key)),
                    |nodes| {
                        let known = nodes.iter().filter(|id| self.nodes.contains_key(*id));
                        Ok(known.cloned().collect())
                    },
                );
            }
            method if METHODS.contains(&method) => {}
            method => return Err(unknown_method(criterion.text, method)),
        }
        let path = path_matcher(criterion)?;
        let fits = |node: &&Node| self.node_fits(criterion, path.as_ref(), node);
        Ok(self.nodes.values().filter(fits).map(|node| node.id.clone()).collect())
    }

    fn node_fits(
        &self,
        criterion: &Criterion<'_>,
        path: Option<&globset::GlobMatcher>,
        node: &Node,
    ) -> bool {
        let value = criterion.value.as_str();
        let word = |text: &str| text_fits(value, text);
        let kind_named = |kind: NodeKind| node.kind == kind && name_fits(value, node);
        match criterion.method.as_str() {
            "fqn" => fqn_fits(value, node),
            "tag" => node.tags.iter().any(|tag| word(tag)),
            "group" => node.group.as_deref().is_some_and(word),
            "owner" => node
                .owner
                .as_ref()
                .is_some_and(|owner| word(&owner.name) || owner.email.as_deref().is_some_and(word)),
            "access" => node.kind == NodeKind::Model && word(access_word(node.access)),
            "package" => {
                let wanted = if value == "this" { &self.root_package } else { value };
                text_fits(wanted, &node.package)
            }
            "path" => path.is_some_and(|path| path_fits(path, node)),
            "file" => file_fits(value, node),
            "resource_type" => word(node.kind.word()),
            "source" => {
                matches!(node.kind, NodeKind::Source | NodeKind::Stream) && source_fits(value, node)
            }
            "stream" => node.kind == NodeKind::Stream && source_fits(value, node),
            "exposure" => kind_named(NodeKind::Exposure),
            "dashboard" => kind_named(NodeKind::Dashboard),
            "metric" => kind_named(NodeKind::Metric),
            "semantic_model" => kind_named(NodeKind::SemanticModel),
            "saved_query" => kind_named(NodeKind::SavedQuery),
            "unit_test" => kind_named(NodeKind::UnitTest),
            "sync" => kind_named(NodeKind::Sync),
            "feature_view" => kind_named(NodeKind::FeatureView),
            "test_name" => node.test.as_ref().and_then(|test| test.macro_name()).is_some_and(word),
            "test_type" => test_type_fits(value, node),
            "version" => version_fits(value, node),
            "config" => config_fits(&criterion.arguments, value, node),
            _ => false,
        }
    }

    fn with_tests(
        &self,
        mut selected: BTreeSet<NodeId>,
        indirect: IndirectSelection,
    ) -> BTreeSet<NodeId> {
        let buildable: BTreeSet<NodeId> = match indirect {
            IndirectSelection::Empty => return selected,
            IndirectSelection::Eager | IndirectSelection::Cautious => BTreeSet::new(),
            IndirectSelection::Buildable => {
                selected.iter().flat_map(|id| self.ancestors(id, None)).collect()
            }
        };
        let mut tests = Vec::new();
        for child in selected.iter().flat_map(|id| self.children(id)) {
            let Some(node) = self.nodes.get(child) else { continue };
            if !matches!(node.kind, NodeKind::Test | NodeKind::UnitTest) {
                continue;
            }
            let comes_along = match indirect {
                IndirectSelection::Eager => true,
                IndirectSelection::Empty => false,
                IndirectSelection::Cautious | IndirectSelection::Buildable => node
                    .depends_on
                    .iter()
                    .all(|parent| selected.contains(parent) || buildable.contains(parent)),
            };
            if comes_along {
                tests.push(child.clone());
            }
        }
        selected.extend(tests);
        selected
    }

    fn fits_nothing(&self, texts: &[String]) -> Box<Diagnostic> {
        let text = texts.join(" ");
        let message = format!("selector \"{text}\" fits no node");
        let mut problem = Diagnostic::error(codes::SELECTOR_EMPTY, message);
        let bare = text
            .trim_matches(|letter: char| letter == '+' || letter == '@' || letter.is_ascii_digit());
        let bare = bare.rsplit(':').next().unwrap_or(bare);
        let names = self.nodes.values().flat_map(|node| {
            [node.name.as_str()].into_iter().chain(node.tags.iter().map(String::as_str))
        });
        problem = match suggest::did_you_mean(bare, names) {
            Some(sentence) => problem.help(sentence),
            None => problem.help("`fiveply ls` lists what can be selected."),
        };
        Box::new(problem)
    }
}

fn parse(text: &str) -> Result<Criterion<'_>, Box<Diagnostic>> {
    let mut rest = text;
    let children_with_parents = rest.strip_prefix('@').map(|after| rest = after).is_some();
    let mut parents = None;
    if let Some((depth, after)) = rest.split_once('+')
        && depth.bytes().all(|byte| byte.is_ascii_digit())
    {
        parents = Some(depth.parse().ok());
        rest = after;
    }
    let mut children = None;
    if let Some((before, depth)) = rest.rsplit_once('+')
        && depth.bytes().all(|byte| byte.is_ascii_digit())
    {
        children = Some(depth.parse().ok());
        rest = before;
    }
    if children_with_parents && (parents.is_some() || children.is_some()) {
        let help = "Use \"@\" alone: it already means children and all their parents.";
        return Err(breaks_grammar(text, "\"@\" and \"+\" do not go together", help));
    }
    let method_part = rest.split_once(':').filter(|(method, _)| {
        let letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
        !method.is_empty() && method.chars().all(letter)
    });
    let (method, value) = match method_part {
        Some((method, value)) => (method.to_owned(), value),
        None => (default_method(rest).to_owned(), rest),
    };
    if value.is_empty() {
        let help = "Name a node, or use a method such as tag:nightly.";
        return Err(breaks_grammar(text, "it names nothing", help));
    }
    let mut words = method.split('.').map(str::to_owned);
    let name = words.next().unwrap_or_default();
    let arguments = words.collect();
    let value = value.to_owned();
    Ok(Criterion { text, children_with_parents, parents, children, method: name, arguments, value })
}

fn default_method(value: &str) -> &'static str {
    let extension = value.rsplit_once('.').map_or("", |(_, extension)| extension);
    if value.contains('/') {
        "path"
    } else if ["sql", "py", "csv", "yml", "yaml"].contains(&extension) {
        "file"
    } else {
        "fqn"
    }
}

fn breaks_grammar(text: &str, why: &str, help: &str) -> Box<Diagnostic> {
    let message = format!("selector \"{text}\" is not understood: {why}");
    Box::new(Diagnostic::error(codes::SELECTOR_SYNTAX, message).help(help))
}

fn unknown_method(text: &str, method: &str) -> Box<Diagnostic> {
    let message = format!("selector \"{text}\" uses the method \"{method}\", which does not exist");
    let help = suggest::did_you_mean(method, METHODS.iter().copied())
        .unwrap_or_else(|| format!("Methods are: {}.", METHODS.join(", ")));
    Box::new(Diagnostic::error(codes::SELECTOR_METHOD, message).help(help))
}

fn needs_facts(key: &str) -> Box<Diagnostic> {
    let message =
        format!("selector \"{key}\" asks about an earlier run or state that is not given");
    let help = "Give the command an earlier run to compare with.";
    Box::new(Diagnostic::error(codes::SELECTOR_METHOD, message).help(help))
}

fn path_matcher(
    criterion: &Criterion<'_>,
) -> Result<Option<globset::GlobMatcher>, Box<Diagnostic>> {
    if criterion.method != "path" {
        return Ok(None);
    }
    let pattern = criterion.value.trim_start_matches("./").trim_end_matches('/');
    match GlobBuilder::new(pattern).literal_separator(true).build() {
        Ok(glob) => Ok(Some(glob.compile_matcher())),
        Err(error) => {
            let why = format!("it is no path pattern ({})", error.kind());
            Err(breaks_grammar(criterion.text, &why, "Write it as path:models/staging."))
        }
    }
}
