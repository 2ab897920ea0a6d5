//! Semantic models, metrics, saved queries and dashboards as nodes.

use std::sync::Arc;

use crate::codes;
use crate::config;
use crate::dashboard::{Dashboard, TileSource};
use crate::jinja::NodeSource;
use crate::node::{Node, NodeKind};
use crate::package::Package;
use crate::semantics::{Draft, Resource};
use crate::suggest;

use super::declared::place_of;
use super::{Assembly, Outline, fqn};

impl<'i> Assembly<'i, '_> {
    /// What a package's YAML says about metrics.
    pub(super) fn semantics(&mut self, package: &'i Package, draft: &'i Draft) {
        for resource in &draft.resources {
            if resource.place.package == package.name() {
                let node = self.semantic(package, resource);
                self.keep(node);
            }
        }
    }

    fn semantic(&mut self, package: &'i Package, resource: &'i Resource) -> Node {
        let outline = Outline {
            kind: resource.kind,
            package: package.name(),
            name: resource.name.clone(),
            fqn: fqn(package.name(), resource.place.folders.clone(), &resource.name),
            path: resource.place.file.path.clone(),
            span: resource.span.clone(),
            file: Arc::clone(&resource.place.file),
        };
        let mut settings = self.tree_settings(resource.kind, package.name(), &outline.fqn);
        config::merge(&mut settings, &resource.facts.config);
        let mut node = self.node(outline, &resource.facts, settings);
        node.declaration = Some(resource.written.clone());
        node.depends_on.clone_from(&resource.depends_on);
        for (text, span) in &resource.references {
            self.reference(&mut node, text, span);
        }
        node
    }

    /// Dashboards stand on the metrics of their tiles and on what their SQL refs.
    pub(super) fn dashboards(&mut self, dashboards: &'i [Dashboard], draft: &'i Draft) {
        for dashboard in dashboards {
            let node = self.dashboard(dashboard, draft);
            self.keep(node);
        }
    }

    fn dashboard(&mut self, dashboard: &'i Dashboard, draft: &'i Draft) -> Node {
        let package = self.inputs.packages[0].name();
        let outline = Outline {
            kind: NodeKind::Dashboard,
            package,
            name: dashboard.name.clone(),
            fqn: fqn(package, Vec::new(), &dashboard.name),
            path: dashboard.file.path.clone(),
            span: super::first_line(&dashboard.file),
            file: Arc::clone(&dashboard.file),
        };
        let settings = dashboard.facts.config.clone();
        let mut node = self.node(outline, &dashboard.facts, settings);
        for tile in &dashboard.tiles {
            match &tile.source {
                TileSource::Metrics { metrics, .. } => {
                    for name in metrics {
                        self.tile_metric(&mut node, draft, &tile.name, name, &tile.span);
                    }
                }
                TileSource::Sql { text, span, .. } => {
                    let (file, start) = place_of(text, span);
                    let mut source = NodeSource::file(&file, package, node.id.as_str());
                    source.range = start..start + text.len();
                    let parsed = self.parse(&source);
                    node.refs.extend(parsed.refs);
                    node.sources.extend(parsed.sources);
                }
            }
        }
        node
    }

    fn tile_metric(
        &mut self,
        node: &mut Node,
        draft: &Draft,
        tile: &str,
        name: &str,
        span: &base::Span,
    ) {
        let metrics = &draft.semantics.metrics;
        if let Some(metric) = metrics.get(name) {
            node.depends_on.push(metric.id.clone());
            return;
        }
        // A metric that could not be read was said already.
        let broken = draft
            .resources
            .iter()
            .any(|known| known.kind == NodeKind::Metric && known.name == name);
        if broken {
            return;
        }
        let message = format!("tile \"{tile}\" shows metric \"{name}\", which does not exist");
        let hint = suggest::did_you_mean(name, metrics.keys().map(String::as_str))
            .unwrap_or_else(|| "`fiveply metric list` lists the metrics.".to_owned());
        self.diagnostics.push(
            base::Diagnostic::error(codes::SEMANTIC_MISSING, message)
                .at(span.clone(), "")
                .help(hint),
        );
    }
}
