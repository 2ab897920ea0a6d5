//! Models, seeds, snapshots and analyses.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Diagnostic, NodeId, SourceFile};
use serde_json::{Map, Value as Json};

use super::{Assembly, Outline, file_source, first_line, fqn};
use crate::codes;
use crate::config::{self, NodeConfig};
use crate::content::{Content, SqlFile};
use crate::folder::Found;
use crate::jinja::{Block, NodeSource, Parsed};
use crate::node::{Node, NodeKind};
use crate::package::Package;
use crate::properties::{Patch, Properties, Version};

type Patches<'i> = BTreeMap<(&'static str, &'i str), &'i Patch>;

impl<'i> Assembly<'i, '_> {
    pub(super) fn models(
        &mut self,
        package: &'i Package,
        content: &'i Content,
        patches: &Patches<'i>,
    ) {
        let versions = self.version_files(content, patches);
        for sql in &content.models {
            match versions.get(sql.found.stem()) {
                Some((patch, version)) => self.versioned_model(package, sql, patch, version),
                None => {
                    let patch = patches.get(&("model", sql.found.stem())).copied();
                    let patch = patch.filter(|patch| patch.versions.is_empty());
                    self.model(package, sql, patch, None);
                }
            }
        }
        for found in &content.python_models {
            self.python_model(package, found, patches);
        }
    }

    /// Which file holds which version: `defined_in`, else `name_v2`, else `name.v2`, else, for the
    /// latest one, `name`.
    fn version_files(
        &mut self,
        content: &Content,
        patches: &Patches<'i>,
    ) -> BTreeMap<String, (&'i Patch, &'i Version)> {
        let mut found = BTreeMap::new();
        let exists = |stem: &str| content.models.iter().any(|sql| sql.found.stem() == stem);
        for patch in patches.values().filter(|patch| patch.kind == NodeKind::Model) {
            let latest = latest_version(patch);
            for version in &patch.versions {
                let number = &version.version;
                let mut names: Vec<String> = version.defined_in.iter().cloned().collect();
                if names.is_empty() {
                    names.push(format!("{}_v{number}", patch.name));
                    names.push(format!("{}.v{number}", patch.name));
                    if Some(number) == latest.as_ref() {
                        names.push(patch.name.clone());
                    }
                }
                match names.iter().find(|name| exists(name)) {
                    Some(name) => {
                        found.insert(name.clone(), (*patch, version));
                    }
                    None => self.diagnostics.push(
                        Diagnostic::warning(
                            codes::PATCH_WITHOUT_NODE,
                            format!("version {number} of model \"{}\" has no file", patch.name),
                        )
                        .at(version.span.clone(), "")
                        .help(format!("Add {}.sql, or name its file in \"defined_in\".", names[0])),
                    ),
                }
            }
        }
        found
    }

    fn versioned_model(
        &mut self,
        package: &'i Package,
        sql: &'i SqlFile,
        patch: &'i Patch,
        version: &'i Version,
    ) {
        self.model(package, sql, Some(patch), Some(version));
    }

    fn model(
        &mut self,
        package: &'i Package,
        sql: &'i SqlFile,
        patch: Option<&'i Patch>,
        version: Option<&'i Version>,
    ) {
        let stem = sql.found.stem();
        let name = version.and(patch).map_or(stem, |patch| &patch.name);
        let mut names = fqn(package.name(), sql.found.folders(), name);
        if let Some(version) = version {
            names.push(format!("v{}", version.version));
        }
        let outline = Outline {
            kind: NodeKind::Model,
            package: package.name(),
            name: name.to_owned(),
            fqn: names,
            path: sql.found.path.clone(),
            span: first_line(&sql.file),
            file: Arc::clone(&sql.file),
        };
        let mut node = self.template_node(outline, patch, version, file_source);
        if let (Some(patch), Some(version)) = (patch, version) {
            node.id = NodeId::new(format!("{}.v{}", node.id, version.version));
            node.version = Some(version.version.clone());
            node.latest_version = latest_version(patch);
        }
        if let Some(patch) = patch {
            self.mark_used(patch);
        }
        self.keep(node);
    }

    /// A node made of a template: settings in dbt's order (project file, properties, template).
    pub(super) fn template_node(
        &mut self,
        outline: Outline<'_>,
        patch: Option<&Patch>,
        version: Option<&Version>,
        source: impl Fn(&Node) -> NodeSource,
    ) -> Node {
        let mut settings = self.tree_settings(outline.kind, outline.package, &outline.fqn);
        let mut facts = patch.map(|patch| patch.facts.clone()).unwrap_or_default();
        config::merge(&mut settings, &facts.config);
        if let Some(version) = version {
            config::merge(&mut settings, &version.facts.config);
            if !version.facts.description.is_empty() {
                facts.description.clone_from(&version.facts.description);
            }
        }
        let span = outline.span.clone();
        let what = format!("{} \"{}\"", outline.kind.word(), outline.name);
        let mut node = self.node(outline, &facts, settings.clone());
        let template = source(&node);
        node.raw_sql = template.text().to_owned();
        node.sql_offset = template.range.start;
        let parsed = self.parse(&template);
        if let Some(call) = parsed.configs.last() {
            let place = call.span.clone();
            for call in &parsed.configs {
                config::merge(&mut settings, &call.values);
            }
            // What an earlier level got wrong was said when the node was made.
            node.config = NodeConfig::from_merged(settings, &what, &place, self.diagnostics);
            node.tags = config::tags(&node.config.all);
            node.meta = config::meta(&node.config.all);
            node.group = node.config.all.get("group").and_then(Json::as_str).map(str::to_owned);
            if let Some(access) = super::access_of(&node.config.all) {
                node.access = access;
            }
            if node.owner.is_none() {
                let owner = crate::properties::owner_of_meta(node.config.all.get("meta"));
                node.owner =
                    owner.or_else(|| self.group_owner(&node.package, node.group.as_deref(), &span));
            }
        }
        describe(&mut node, patch, version);
        let own = version.and_then(|version| version.access);
        if let Some(access) = own.or_else(|| patch.and_then(|patch| patch.access)) {
            node.access = access;
        }
        node.deprecation = match (version, patch) {
            (Some(version), _) => version.deprecation.clone(),
            (None, patch) => patch.and_then(|patch| patch.deprecation.clone()),
        };
        self.take_calls(&mut node, parsed);
        self.hook_calls(&mut node);
        node
    }

    fn take_calls(&mut self, node: &mut Node, parsed: Parsed) {
        node.macros = parsed.called;
        node.refs.extend(parsed.refs);
        node.sources.extend(parsed.sources);
    }

    /// Hooks can `ref` too, and what they name is a parent.
    fn hook_calls(&mut self, node: &mut Node) {
        let hooks = node.config.pre_hooks.iter().chain(&node.config.post_hooks);
        let texts: Vec<String> = hooks
            .map(|hook| hook.sql.clone())
            .filter(|sql| crate::templates::holds_jinja(sql))
            .collect();
        for text in texts {
            let file = SourceFile::new(node.path.clone(), text);
            let mut source = NodeSource::file(&file, &node.package, node.id.as_str());
            source.this = Some(crate::jinja::Relation::new("", "", &*node.name));
            let parsed = self.parse(&source);
            for called in parsed.called {
                if !node.macros.contains(&called) {
                    node.macros.push(called);
                }
            }
            let place = node.span.clone();
            node.refs.extend(parsed.refs.into_iter().map(|(call, _)| (call, place.clone())));
            for mut call in parsed.sources {
                call.span = place.clone();
                node.sources.push(call);
            }
        }
    }

    fn python_model(&mut self, package: &'i Package, found: &Found, patches: &Patches<'i>) {
        let patch = patches.get(&("model", found.stem())).copied();
        let file = SourceFile::new(found.path.clone(), "");
        let outline = Outline {
            kind: NodeKind::Model,
            package: package.name(),
            name: found.stem().to_owned(),
            fqn: fqn(package.name(), found.folders(), found.stem()),
            path: found.path.clone(),
            span: first_line(&file),
            file,
        };
        let mut settings = self.tree_settings(outline.kind, outline.package, &outline.fqn);
        settings.entry("materialized").or_insert_with(|| "table".into());
        let facts = patch.map(|patch| patch.facts.clone()).unwrap_or_default();
        config::merge(&mut settings, &facts.config);
        let mut node = self.node(outline, &facts, settings);
        describe(&mut node, patch, None);
        let mut declaration = Map::new();
        declaration.insert("language".to_owned(), "python".into());
        node.declaration = Some(Json::Object(declaration));
        if let Some(patch) = patch {
            self.mark_used(patch);
        }
        self.keep(node);
    }

    pub(super) fn seeds(
        &mut self,
        package: &'i Package,
        content: &'i Content,
        patches: &Patches<'i>,
    ) {
        for found in &content.seeds {
            let patch = patches.get(&("seed", found.stem())).copied();
            let file = SourceFile::new(found.path.clone(), "");
            let outline = Outline {
                kind: NodeKind::Seed,
                package: package.name(),
                name: found.stem().to_owned(),
                fqn: fqn(package.name(), found.folders(), found.stem()),
                path: found.path.clone(),
                span: first_line(&file),
                file,
            };
            let mut settings = self.tree_settings(outline.kind, outline.package, &outline.fqn);
            let facts = patch.map(|patch| patch.facts.clone()).unwrap_or_default();
            config::merge(&mut settings, &facts.config);
            let mut node = self.node(outline, &facts, settings);
            describe(&mut node, patch, None);
            if let Some(patch) = patch {
                self.mark_used(patch);
            }
            self.keep(node);
        }
    }

    pub(super) fn snapshots(
        &mut self,
        package: &'i Package,
        content: &'i Content,
        properties: &'i Properties,
        patches: &Patches<'i>,
    ) {
        for (found, block) in &content.snapshots {
            let patch = patches.get(&("snapshot", block.name.as_str())).copied();
            let node = self.snapshot(package, found, block, patch);
            self.keep(node);
            if let Some(patch) = patch {
                self.mark_used(patch);
            }
        }
        for patch in properties.patches.iter().filter(|patch| patch.relation.is_some()) {
            self.yaml_snapshot(package, patch);
        }
    }

    fn snapshot(
        &mut self,
        package: &'i Package,
        found: &Found,
        block: &Block,
        patch: Option<&Patch>,
    ) -> Node {
        let file = &block.span.file;
        let outline = Outline {
            kind: NodeKind::Snapshot,
            package: package.name(),
            name: block.name.clone(),
            fqn: fqn(package.name(), fqn_folders(found), &block.name),
            path: found.path.clone(),
            span: block.name_span.clone(),
            file: Arc::clone(file),
        };
        self.template_node(outline, patch, None, |node| {
            let mut source = file_source(node);
            source.range = block.body.clone();
            source
        })
    }

    fn yaml_snapshot(&mut self, package: &'i Package, patch: &'i Patch) {
        let Some(relation) = &patch.relation else { return };
        let text = format!("select * from {{{{ {relation} }}}}");
        let file = SourceFile::new(patch.place.file.path.clone(), text);
        let outline = Outline {
            kind: NodeKind::Snapshot,
            package: package.name(),
            name: patch.name.clone(),
            fqn: fqn(package.name(), patch.place.folders.clone(), &patch.name),
            path: patch.place.file.path.clone(),
            span: patch.span.clone(),
            file,
        };
        let mut node = self.template_node(outline, Some(patch), None, file_source);
        for (_, place) in &mut node.refs {
            place.clone_from(&patch.span);
        }
        for call in &mut node.sources {
            call.span.clone_from(&patch.span);
        }
        self.keep(node);
    }

    pub(super) fn analyses(
        &mut self,
        package: &'i Package,
        content: &'i Content,
        patches: &Patches<'i>,
    ) {
        for sql in &content.analyses {
            let stem = sql.found.stem();
            let patch = patches.get(&("analysis", stem)).copied();
            let mut names = fqn(package.name(), sql.found.folders(), stem);
            names.insert(1, "analysis".to_owned());
            let outline = Outline {
                kind: NodeKind::Analysis,
                package: package.name(),
                name: stem.to_owned(),
                fqn: names,
                path: sql.found.path.clone(),
                span: first_line(&sql.file),
                file: Arc::clone(&sql.file),
            };
            let node = self.template_node(outline, patch, None, file_source);
            if let Some(patch) = patch {
                self.mark_used(patch);
            }
            self.keep(node);
        }
    }
}

/// A snapshot's file is part of its fqn.
fn fqn_folders(found: &Found) -> Vec<String> {
    let mut folders = found.folders();
    folders.push(found.stem().to_owned());
    folders
}

/// `latest_version`, or the greatest version.
pub(super) fn latest_version(patch: &Patch) -> Option<String> {
    let written = patch.latest_version.clone();
    written.or_else(|| {
        let numbers = patch.versions.iter().map(|version| &version.version);
        numbers.max_by(|left, right| compare_versions(left, right)).cloned()
    })
}

fn compare_versions(left: &str, right: &str) -> std::cmp::Ordering {
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => left.total_cmp(&right),
        _ => left.cmp(right),
    }
}

/// Puts what properties say onto a node.
pub(super) fn describe(node: &mut Node, patch: Option<&Patch>, version: Option<&Version>) {
    let Some(patch) = patch else { return };
    node.patch_path = Some(patch.place.file.path.clone());
    let columns = version.and_then(|version| version.columns.as_ref()).unwrap_or(&patch.columns);
    node.columns = columns.iter().map(|patch| patch.column.clone()).collect();
}
