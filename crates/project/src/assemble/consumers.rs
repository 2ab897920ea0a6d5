//! Syncs and feature views: nodes that stand on one model each.

use std::sync::Arc;

use base::{SourceFile, Span};
use serde_json::{Map, Value as Json};

use super::{Assembly, Outline, fqn};
use crate::config;
use crate::node::{NodeKind, Owner};
use crate::properties::Facts;

/// What a node of `syncs/` or `features/` says about itself.
struct Told<'t> {
    kind: NodeKind,
    name: &'t str,
    description: &'t str,
    owner: Option<&'t String>,
    tags: &'t [String],
    meta: &'t Json,
    enabled: bool,
    from: &'t (String, Span),
    file: &'t Arc<SourceFile>,
    span: &'t Span,
}

impl Assembly<'_, '_> {
    pub(super) fn syncs(&mut self) {
        for sync in self.inputs.syncs {
            self.consumer(&Told {
                kind: NodeKind::Sync,
                name: &sync.name,
                description: &sync.description,
                owner: sync.owner.as_ref(),
                tags: &sync.tags,
                meta: &sync.meta,
                enabled: sync.enabled,
                from: &sync.from,
                file: &sync.file,
                span: &sync.span,
            });
        }
    }

    pub(super) fn feature_views(&mut self) {
        for view in &self.inputs.features.views {
            self.consumer(&Told {
                kind: NodeKind::FeatureView,
                name: &view.name,
                description: &view.description,
                owner: view.owner.as_ref(),
                tags: &view.tags,
                meta: &view.meta,
                enabled: true,
                from: &view.source,
                file: &view.file,
                span: &view.span,
            });
        }
    }

    fn consumer(&mut self, told: &Told<'_>) {
        let package = self.inputs.packages[0].name();
        let folder = if told.kind == NodeKind::Sync { "syncs" } else { "features" };
        let outline = Outline {
            kind: told.kind,
            package,
            name: told.name.to_owned(),
            fqn: fqn(package, vec![folder.to_owned()], told.name),
            path: told.file.path.clone(),
            file: Arc::clone(told.file),
            span: told.span.clone(),
        };
        let mut settings = Map::new();
        settings.insert("tags".to_owned(), told.tags.to_vec().into());
        settings.insert("enabled".to_owned(), told.enabled.into());
        let mut own = Map::new();
        own.insert("meta".to_owned(), told.meta.clone());
        config::merge(&mut settings, &own);
        let owner = told.owner.map(|name| Owner { name: name.clone(), email: None });
        let description = told.description.to_owned();
        let facts = Facts { description, owner, ..Facts::default() };
        let mut node = self.node(outline, &facts, settings);
        let (text, span) = told.from;
        self.reference(&mut node, text, span);
        self.keep(node);
    }
}
