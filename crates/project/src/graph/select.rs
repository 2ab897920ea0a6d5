//! Node selection, in dbt's grammar: `+model`, `2+model+1`, `@model`, `tag:nightly`, a space for
//! "or", a comma for "and".

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, NodeId};
use globset::GlobBuilder;

use super::Graph;
use super::pattern::{fits, has_wildcard};
use crate::node::{Access, Node, NodeKind};
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

const METHODS: &[&str] = &[
    "access",
    "config",
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
            "metric" => kind_named(NodeKind::Metric),
            "semantic_model" => kind_named(NodeKind::SemanticModel),
            "saved_query" => kind_named(NodeKind::SavedQuery),
            "unit_test" => kind_named(NodeKind::UnitTest),
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

fn text_fits(pattern: &str, text: &str) -> bool {
    pattern == text || (has_wildcard(pattern) && fits(pattern, text))
}

fn name_fits(value: &str, node: &Node) -> bool {
    text_fits(value, &node.name) || text_fits(value, &format!("{}.{}", node.package, node.name))
}

/// Sources and resources that exist in YAML alone have methods of their own, as in dbt; streams
/// are found by name too.
fn fqn_fits(value: &str, node: &Node) -> bool {
    match node.kind {
        NodeKind::Model
        | NodeKind::Seed
        | NodeKind::Snapshot
        | NodeKind::Test
        | NodeKind::Analysis
        | NodeKind::UnitTest
        | NodeKind::Stream => {
            let versioned = node.version.is_some();
            one_fqn_fits(value, &node.fqn, versioned)
                || node.fqn.get(1..).is_some_and(|fqn| one_fqn_fits(value, fqn, versioned))
        }
        NodeKind::Source
        | NodeKind::Operation
        | NodeKind::Exposure
        | NodeKind::Metric
        | NodeKind::SemanticModel
        | NodeKind::SavedQuery => false,
    }
}

fn one_fqn_fits(value: &str, fqn: &[String], versioned: bool) -> bool {
    let parts: Vec<&str> = value.split('.').collect();
    let Some(last) = fqn.last() else { return false };
    if versioned && fqn.len() >= 2 {
        let name = &fqn[fqn.len() - 2];
        let tail = &parts[parts.len().saturating_sub(2)..];
        if name == value || format!("{name}_{last}") == tail.join("_") {
            return true;
        }
    } else if last == value {
        return true;
    }
    let flat: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
    if flat.len() < parts.len() {
        return false;
    }
    for (index, part) in parts.iter().enumerate() {
        if has_wildcard(part) {
            return fits(&parts[index..].join("."), &flat[index..].join("."));
        }
        if flat[index] != *part {
            return false;
        }
    }
    true
}

/// `source:app`, `source:app.signups`, `source:package.app.signups`.
fn source_fits(value: &str, node: &Node) -> bool {
    let Some(source) = &node.source else { return false };
    let parts: Vec<&str> = value.split('.').collect();
    match parts.as_slice() {
        [one] => text_fits(one, &source.source),
        [one, table] => text_fits(one, &source.source) && text_fits(table, &node.name),
        [package, one, table] => {
            text_fits(package, &node.package)
                && text_fits(one, &source.source)
                && text_fits(table, &node.name)
        }
        _ => false,
    }
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

/// The file itself or any folder above it; the properties file of a test counts as its file.
fn path_fits(matcher: &globset::GlobMatcher, node: &Node) -> bool {
    let mut path = node.path.as_str();
    loop {
        if matcher.is_match(path) {
            return true;
        }
        match path.rsplit_once('/') {
            Some((above, _)) => path = above,
            None => return false,
        }
    }
}

fn file_fits(value: &str, node: &Node) -> bool {
    let name = node.path.rsplit('/').next().unwrap_or(&node.path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    text_fits(value, name) || text_fits(value, stem)
}

fn test_type_fits(value: &str, node: &Node) -> bool {
    match value {
        "unit" => node.kind == NodeKind::UnitTest,
        "data" => node.test.is_some(),
        // dbt's old words.
        "schema" => node.test.as_ref().is_some_and(|test| test.type_word() == "generic"),
        other => node.test.as_ref().is_some_and(|test| text_fits(other, test.type_word())),
    }
}

fn version_fits(value: &str, node: &Node) -> bool {
    if node.kind != NodeKind::Model {
        return false;
    }
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
    match value {
        "none" => node.version.is_none(),
        "latest" => node.version.is_some() && node.version == node.latest_version,
        "old" => number(&node.version) < number(&node.latest_version) && node.version.is_some(),
        "prerelease" => number(&node.version) > number(&node.latest_version),
        _ => false,
    }
}

/// `config.materialized:table`, `config.meta.team:core`; a list fits when one item does.
fn config_fits(arguments: &[String], value: &str, node: &Node) -> bool {
    let mut path = arguments.iter();
    let Some(first) = path.next() else { return false };
    let owned;
    let mut found = match node.config.all.get(first) {
        Some(found) => found,
        None => {
            owned = match first.as_str() {
                "materialized" if node.kind == NodeKind::Model => {
                    node.config.materialized.word().into()
                }
                "enabled" => node.config.enabled.into(),
                _ => return false,
            };
            &owned
        }
    };
    for key in path {
        match found.get(key) {
            Some(inner) => found = inner,
            None => return false,
        }
    }
    json_fits(value, found)
}

fn json_fits(value: &str, found: &serde_json::Value) -> bool {
    match found {
        serde_json::Value::Null => value.eq_ignore_ascii_case("none"),
        serde_json::Value::Bool(flag) => value.eq_ignore_ascii_case(&flag.to_string()),
        serde_json::Value::Number(number) => number.to_string() == value,
        serde_json::Value::String(text) => text_fits(value, text),
        serde_json::Value::Array(items) => items.iter().any(|item| json_fits(value, item)),
        serde_json::Value::Object(fields) => fields.contains_key(value),
    }
}

fn access_word(access: Access) -> &'static str {
    match access {
        Access::Private => "private",
        Access::Protected => "protected",
        Access::Public => "public",
    }
}
