//! From files to nodes: every resource becomes a node with its settings merged and its template
//! parsed. Edges follow in `resolve`.

mod consumers;
mod declared;
mod model;
mod semantic;
mod test;

pub(crate) use declared::{Reference, parse_reference};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{Diagnostic, NodeId, SourceFile, Span};
use serde_json::{Map, Value as Json};

use crate::config::{self, NodeConfig};
use crate::config_tree;
use crate::content::Content;
use crate::dashboard::Dashboard;
use crate::features::Features;
use crate::ingest::IngestSource;
use crate::jinja::{self, NodeSource, Parsed, Renderer};
use crate::naming::Namer;
use crate::node::{Access, Node, NodeKind, Owner};
use crate::package::Package;
use crate::properties::{Facts, Group, Patch, Properties};
use crate::semantics::Draft;
use crate::sync::Sync;
use crate::{codes, docs, suggest};

/// What nodes are made of.
pub(crate) struct Inputs<'i> {
    pub(crate) packages: &'i [Package],
    pub(crate) contents: &'i [Content],
    pub(crate) properties: &'i [Properties],
    pub(crate) ingest: &'i [IngestSource],
    pub(crate) syncs: &'i [Sync],
    pub(crate) features: &'i Features,
    pub(crate) semantics: &'i Draft,
    pub(crate) dashboards: &'i [Dashboard],
    pub(crate) renderer: &'i Renderer,
    pub(crate) namer: &'i Namer,
}

/// Nodes so far, and what was said about them.
pub(crate) struct Assembly<'i, 'd> {
    inputs: &'i Inputs<'i>,
    groups: BTreeMap<(String, String), &'i Group>,
    docs: BTreeMap<(String, String), &'i str>,
    nodes: Vec<Node>,
    ids: BTreeMap<NodeId, usize>,
    /// Patches that found their node, by address.
    used: BTreeSet<(String, &'static str, String)>,
    diagnostics: &'d mut Vec<Diagnostic>,
}

/// What a node is before its settings are known.
pub(crate) struct Outline<'o> {
    pub(crate) kind: NodeKind,
    pub(crate) package: &'o str,
    pub(crate) name: String,
    pub(crate) fqn: Vec<String>,
    pub(crate) path: String,
    pub(crate) file: Arc<SourceFile>,
    pub(crate) span: Span,
}

/// Makes every node.
pub(crate) fn nodes(inputs: &Inputs<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Node> {
    let mut groups = BTreeMap::new();
    let mut docs = BTreeMap::new();
    for (index, properties) in inputs.properties.iter().enumerate() {
        for group in &properties.groups {
            groups.insert((group.package.clone(), group.name.clone()), group);
        }
        let package = inputs.packages[index].name();
        for (name, text) in &inputs.contents[index].docs {
            docs.insert((package.to_owned(), name.clone()), text.as_str());
        }
    }
    let mut assembly = Assembly {
        inputs,
        groups,
        docs,
        nodes: Vec::new(),
        ids: BTreeMap::new(),
        used: BTreeSet::new(),
        diagnostics,
    };
    assembly.streams();
    for index in 0..inputs.packages.len() {
        assembly.package(index);
    }
    for patch in inputs.properties.iter().flat_map(|properties| &properties.patches) {
        assembly.report_unused(patch);
    }
    assembly.syncs();
    assembly.feature_views();
    assembly.dashboards(inputs.dashboards, inputs.semantics);
    assembly.nodes
}

impl<'i> Assembly<'i, '_> {
    fn package(&mut self, index: usize) {
        let inputs = self.inputs;
        let package = &inputs.packages[index];
        let (content, properties) = (&inputs.contents[index], &inputs.properties[index]);
        let mut patches = self.patches(&properties.patches);
        self.borrow(index, &mut patches);
        self.models(package, content, &patches);
        self.seeds(package, content, &patches);
        self.snapshots(package, content, properties, &patches);
        self.analyses(package, content, &patches);
        self.singular_tests(package, content, &patches);
        self.sources(package, properties);
        self.generic_tests(package, properties);
        self.declared(package, properties);
        self.semantics(package, inputs.semantics);
        self.operations(package);
    }

    /// A file may describe what another package has: a project replaces a package's seed by one of
    /// its own, and the package's description stays good.
    fn borrow(&self, index: usize, patches: &mut BTreeMap<(&'static str, &'i str), &'i Patch>) {
        for (other, properties) in self.inputs.properties.iter().enumerate() {
            if other == index {
                continue;
            }
            let content = &self.inputs.contents[other];
            let package = self.inputs.packages[other].name();
            let models = content.models.iter().map(|sql| (("model", sql.found.stem()), &sql.found));
            let seeds = content.seeds.iter().map(|found| (("seed", found.stem()), found));
            let there: BTreeMap<_, _> = models.chain(seeds).collect();
            for patch in &properties.patches {
                let name = patch.name.as_str();
                let key = (patch.kind.word(), name);
                if !matches!(patch.kind, NodeKind::Model | NodeKind::Seed) {
                    continue;
                }
                let found = there.get(&key);
                let has = found.is_some_and(|found| {
                    let fqn = fqn(package, found.folders(), name);
                    let settings = self.tree_settings(patch.kind, package, &fqn);
                    settings.get("enabled") != Some(&Json::Bool(false))
                });
                if !has && patch.versions.is_empty() {
                    patches.entry(key).or_insert(patch);
                }
            }
        }
    }

    /// Patches by kind and name; a second one for the same resource is reported.
    fn patches(&mut self, patches: &'i [Patch]) -> BTreeMap<(&'static str, &'i str), &'i Patch> {
        let mut found: BTreeMap<(&'static str, &'i str), &'i Patch> = BTreeMap::new();
        for patch in patches {
            let key = (patch.kind.word(), patch.name.as_str());
            if let Some(first) = found.get(&key) {
                let message = format!("{} \"{}\" is described twice", key.0, key.1);
                self.diagnostics.push(
                    Diagnostic::error(codes::PATCH_TWICE, message)
                        .at(patch.span.clone(), "described again here")
                        .also(first.span.clone(), "first described here")
                        .help("Keep one of the two; the first one is used."),
                );
            } else {
                found.insert(key, patch);
            }
        }
        found
    }

    fn mark_used(&mut self, patch: &Patch) {
        let key = (patch.place.package.clone(), patch.kind.word(), patch.name.clone());
        self.used.insert(key);
    }

    fn report_unused(&mut self, patch: &Patch) {
        let key = (patch.place.package.clone(), patch.kind.word(), patch.name.clone());
        if self.used.contains(&key) || patch.relation.is_some() || !patch.versions.is_empty() {
            return;
        }
        let word = patch.kind.word();
        let message = format!("{word} \"{}\" is described and does not exist", patch.name);
        let same_kind = self
            .nodes
            .iter()
            .filter(|node| node.kind == patch.kind && node.package == patch.place.package);
        let hint = suggest::did_you_mean(&patch.name, same_kind.map(|node| node.name.as_str()))
            .unwrap_or_else(|| format!("Add the {word}'s file, or remove its description."));
        self.diagnostics.push(
            Diagnostic::warning(codes::PATCH_WITHOUT_NODE, message)
                .at(patch.span.clone(), "")
                .help(hint),
        );
    }

    /// Settings of dbt_project.yml: the package's own, then the root's.
    fn tree_settings(&self, kind: NodeKind, package: &str, fqn: &[String]) -> Map<String, Json> {
        let mut settings = Map::new();
        let packages = self.inputs.packages;
        let own = packages.iter().skip(1).find(|known| known.name() == package);
        for file in own.into_iter().chain(packages.first()).map(|package| &package.file) {
            if let Some(tree) = file.tree(kind) {
                config_tree::apply(tree, fqn, &mut settings);
            }
        }
        settings
    }

    /// A node with everything but template calls and edges.
    fn node(&mut self, outline: Outline<'_>, facts: &Facts, settings: Map<String, Json>) -> Node {
        let what = format!("{} \"{}\"", outline.kind.word(), outline.name);
        // What properties say is refused where it stands there; each mistake is said once.
        if let Some(place) = facts.span.as_ref().filter(|_| !facts.config.is_empty()) {
            NodeConfig::from_merged(facts.config.clone(), &what, place, self.diagnostics);
        }
        let config = NodeConfig::from_merged(settings, &what, &outline.span, self.diagnostics);
        let place = facts.span.clone().unwrap_or_else(|| outline.span.clone());
        let group = config.all.get("group").and_then(Json::as_str).map(str::to_owned);
        let meta = config::meta(&config.all);
        let owner = facts
            .owner
            .clone()
            .or_else(|| crate::properties::owner_of_meta(config.all.get("meta")))
            .or_else(|| self.group_owner(outline.package, group.as_deref(), &place));
        let description =
            docs::fill(&facts.description, outline.package, &self.docs, &place, self.diagnostics);
        let (original_path, path_below) = self.paths_in_dbt(outline.package, &outline.path);
        Node {
            id: NodeId::new(format!(
                "{}.{}.{}",
                outline.kind.word(),
                outline.package,
                outline.name
            )),
            kind: outline.kind,
            name: outline.name,
            package: outline.package.to_owned(),
            fqn: outline.fqn,
            path: outline.path,
            original_path,
            path_below,
            patch_path: None,
            version: None,
            latest_version: None,
            description,
            columns: Vec::new(),
            tags: config::tags(&config.all),
            meta,
            group,
            access: access_of(&config.all).unwrap_or_default(),
            deprecation: None,
            owner,
            relation: None,
            raw_sql: String::new(),
            file: outline.file,
            sql_offset: 0,
            span: outline.span,
            refs: Vec::new(),
            sources: Vec::new(),
            macros: Vec::new(),
            depends_on: Vec::new(),
            test: None,
            source: None,
            declaration: None,
            config,
        }
    }

    /// A file relative to its package, and below the resource path that it lies in.
    fn paths_in_dbt(&self, package: &str, path: &str) -> (String, String) {
        let found = self.inputs.packages.iter().find(|known| known.name() == package);
        let Some(package) = found else { return (path.to_owned(), path.to_owned()) };
        let original = below(path, &package.folder).unwrap_or(path);
        let paths = &package.file.paths;
        let folders = [
            &paths.models,
            &paths.seeds,
            &paths.tests,
            &paths.snapshots,
            &paths.analyses,
            &paths.macros,
        ];
        let folders = folders.into_iter().flatten();
        let shortest = folders.filter_map(|folder| below(original, folder)).min_by_key(|p| p.len());
        (original.to_owned(), shortest.unwrap_or(original).to_owned())
    }

    fn group_owner(&mut self, package: &str, group: Option<&str>, span: &Span) -> Option<Owner> {
        let name = group?;
        let key = (package.to_owned(), name.to_owned());
        if let Some(group) = self.groups.get(&key) {
            return group.owner.clone();
        }
        // dbt knows groups by name alone: those of another package count too.
        if let Some((_, group)) = self.groups.iter().find(|((_, held), _)| held == name) {
            return group.owner.clone();
        }
        let known = self.groups.keys().map(|(_, name)| name.as_str());
        let hint = suggest::did_you_mean(name, known)
            .unwrap_or_else(|| "Declare it under \"groups:\" in a properties file.".to_owned());
        self.diagnostics.push(
            Diagnostic::error(codes::GROUP_MISSING, format!("group \"{name}\" does not exist"))
                .at(span.clone(), "")
                .help(hint),
        );
        None
    }

    /// Renders a template once to learn what it calls; a broken one is reported and calls nothing.
    fn parse(&mut self, source: &NodeSource) -> Parsed {
        match self.inputs.renderer.parse(source) {
            Ok(mut parsed) => {
                self.diagnostics.append(&mut parsed.warnings);
                parsed
            }
            Err(problem) => {
                self.diagnostics.push(*problem);
                Parsed::default()
            }
        }
    }

    /// Keeps a node, unless its id is taken by one that takes part too.
    fn keep(&mut self, node: Node) {
        if let Some(&index) = self.ids.get(&node.id) {
            let first = &self.nodes[index];
            if first.config.enabled && node.config.enabled {
                let word = node.kind.word();
                let message = format!("{word} \"{}\" exists twice", node.name);
                let (code, help) = match node.kind {
                    NodeKind::Test => (codes::TEST_NAME_TAKEN, "Give one of them a \"name:\"."),
                    NodeKind::Stream
                    | NodeKind::Source
                    | NodeKind::Seed
                    | NodeKind::Model
                    | NodeKind::Snapshot
                    | NodeKind::Analysis
                    | NodeKind::Operation
                    | NodeKind::Exposure
                    | NodeKind::Metric
                    | NodeKind::SemanticModel
                    | NodeKind::SavedQuery
                    | NodeKind::UnitTest
                    | NodeKind::Sync
                    | NodeKind::FeatureView
                    | NodeKind::Dashboard => {
                        (codes::DUPLICATE_NODE, "Rename or disable one of them.")
                    }
                };
                self.diagnostics.push(
                    Diagnostic::error(code, message)
                        .at(node.span.clone(), "the second one is left out")
                        .also(first.span.clone(), "the first one")
                        .help(help),
                );
                return;
            }
            if first.config.enabled {
                return;
            }
            self.nodes[index] = node;
            return;
        }
        self.ids.insert(node.id.clone(), self.nodes.len());
        self.nodes.push(node);
    }
}

fn access_of(settings: &Map<String, Json>) -> Option<Access> {
    match settings.get("access")?.as_str()? {
        "private" => Some(Access::Private),
        "protected" => Some(Access::Protected),
        "public" => Some(Access::Public),
        _ => None,
    }
}

/// The source of a template that fills a whole file.
fn file_source(node: &Node) -> NodeSource {
    let mut source = NodeSource::file(&node.file, &node.package, node.id.as_str());
    source.this = Some(jinja::Relation::new("", "", &*node.name));
    source.config.clone_from(&node.config.all);
    source
}

/// The rest of a path below a folder.
fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    let folder = folder.trim_start_matches("./").trim_end_matches('/');
    if folder.is_empty() {
        return Some(path);
    }
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// The first line of a file, to point at a resource that is the file.
pub(crate) fn first_line(file: &Arc<SourceFile>) -> Span {
    let start = file.text.len() - file.text.trim_start().len();
    let length = file.text[start..].lines().next().unwrap_or_default().len();
    Span::new(file, start..start + length)
}

/// Package, folders, name.
pub(crate) fn fqn(package: &str, folders: Vec<String>, name: &str) -> Vec<String> {
    let mut fqn = vec![package.to_owned()];
    fqn.extend(folders);
    fqn.push(name.to_owned());
    fqn
}
