//! Streams, sources, what exists in YAML alone, and the hooks of a run.

use std::sync::Arc;

use base::{Diagnostic, NodeId, SourceFile, Span};
use serde_json::{Map, Value as Json};

use super::{Assembly, Outline, fqn};
use crate::codes;
use crate::config;
use crate::ingest::{IngestSource, Stream};
use crate::jinja::{NodeSource, RefCall, SourceCall};
use crate::node::{Column, Node, NodeKind, Owner, Relation, SourceFacts};
use crate::package::Package;
use crate::properties::{Declared, Facts, Properties, SourceTable};

impl<'i> Assembly<'i, '_> {
    pub(super) fn streams(&mut self) {
        for source in self.inputs.ingest {
            for stream in &source.streams {
                let node = self.stream(source, stream);
                self.keep(node);
            }
        }
    }

    fn stream(&mut self, source: &IngestSource, stream: &Stream) -> Node {
        let package = self.inputs.packages[0].name();
        let outline = Outline {
            kind: NodeKind::Stream,
            package,
            name: stream.name.clone(),
            fqn: fqn(package, vec![source.name.clone()], &stream.name),
            path: source.file.path.clone(),
            span: stream.span.clone(),
            file: Arc::clone(&source.file),
        };
        let mut settings = self.tree_settings(NodeKind::Stream, package, &outline.fqn);
        let tags: Vec<String> = source.tags.iter().chain(&stream.tags).cloned().collect();
        let mut own = Map::new();
        own.insert("tags".to_owned(), tags.into());
        own.insert("meta".to_owned(), source.meta.clone());
        config::merge(&mut settings, &own);
        own.remove("tags");
        own.insert("meta".to_owned(), stream.meta.clone());
        config::merge(&mut settings, &own);
        let owner = stream.owner.as_ref().or(source.owner.as_ref());
        let owner = owner.map(|name| Owner { name: name.clone(), email: None });
        let description = stream.description.clone();
        let facts = Facts { description, owner, ..Facts::default() };
        let mut node = self.node(outline, &facts, settings);
        node.id = source.node_id(stream);
        node.columns = stream.columns.iter().map(plain_column).collect();
        let table = source.table(stream);
        node.relation = Some(Relation {
            database: self.inputs.namer.environment().to_owned(),
            schema: table.namespace,
            identifier: table.name,
        });
        node.source = Some(SourceFacts {
            source: source.name.clone(),
            source_description: source.description.clone(),
            ..SourceFacts::default()
        });
        node
    }

    pub(super) fn sources(&mut self, package: &'i Package, properties: &'i Properties) {
        for table in &properties.sources {
            let node = self.source_table(package, table);
            self.keep(node);
        }
    }

    fn source_table(&mut self, package: &'i Package, table: &'i SourceTable) -> Node {
        let source = &table.source.source;
        let mut folders = table.place.folders.clone();
        folders.push(source.clone());
        let outline = Outline {
            kind: NodeKind::Source,
            package: package.name(),
            name: table.name.clone(),
            fqn: fqn(package.name(), folders, &table.name),
            path: table.place.file.path.clone(),
            span: table.span.clone(),
            file: Arc::clone(&table.place.file),
        };
        let mut settings = self.tree_settings(NodeKind::Source, package.name(), &outline.fqn);
        config::merge(&mut settings, &table.facts.config);
        let mut node = self.node(outline, &table.facts, settings);
        let id = format!("source.{}.{source}.{}", package.name(), table.name);
        node.id = NodeId::new(id);
        node.patch_path = Some(table.place.file.path.clone());
        node.columns = table.columns.iter().map(|patch| patch.column.clone()).collect();
        let stream = self.nodes.iter().find(|known| {
            known.kind == NodeKind::Stream
                && known.name == table.name
                && known.source.as_ref().is_some_and(|facts| facts.source == *source)
        });
        // A table that a stream of ours loads lives where the stream puts it.
        node.relation = match stream {
            Some(stream) => {
                node.depends_on.push(stream.id.clone());
                if node.owner.is_none() {
                    node.owner.clone_from(&stream.owner);
                }
                stream.relation.clone()
            }
            None => Some(Relation {
                database: self.inputs.namer.environment().to_owned(),
                schema: table.schema.clone().unwrap_or_else(|| source.clone()),
                identifier: table.identifier.clone().unwrap_or_else(|| table.name.clone()),
            }),
        };
        node.source = Some(table.source.clone());
        node
    }

    pub(super) fn declared(&mut self, package: &'i Package, properties: &'i Properties) {
        for declared in &properties.declared {
            let node = self.declared_node(package, declared);
            self.keep(node);
        }
    }

    fn declared_node(&mut self, package: &'i Package, declared: &'i Declared) -> Node {
        let mut folders = declared.place.folders.clone();
        let tested = declared.written.get("model").and_then(Json::as_str);
        let tested = tested.filter(|_| declared.kind == NodeKind::UnitTest);
        // The model is part of a unit test's name, as in dbt.
        folders.extend(tested.map(str::to_owned));
        let outline = Outline {
            kind: declared.kind,
            package: package.name(),
            name: declared.name.clone(),
            fqn: fqn(package.name(), folders, &declared.name),
            path: declared.place.file.path.clone(),
            span: declared.span.clone(),
            file: Arc::clone(&declared.place.file),
        };
        let mut settings = self.tree_settings(declared.kind, package.name(), &outline.fqn);
        config::merge(&mut settings, &declared.facts.config);
        let mut node = self.node(outline, &declared.facts, settings);
        node.declaration = Some(declared.written.clone());
        if let Some(model) = tested {
            let id = format!("unit_test.{}.{model}.{}", package.name(), declared.name);
            node.id = NodeId::new(id);
        }
        for (text, span) in &declared.depends_on {
            self.reference(&mut node, text, span);
        }
        node
    }

    /// `ref('orders')` or `source('app', 'signups')` written as a YAML text.
    pub(super) fn reference(&mut self, node: &mut Node, text: &str, span: &Span) {
        match parse_reference(text) {
            Some(Reference::Ref(call)) => node.refs.push((call, span.clone())),
            Some(Reference::Source(source, table)) => {
                node.sources.push(SourceCall { source, table, span: span.clone() });
            }
            // Metrics are named so; they are no nodes with rows.
            None if text.contains("metric(") => {}
            None => {
                let message = format!("\"{text}\" is no ref and no source");
                self.diagnostics.push(
                    Diagnostic::error(codes::WRONG_VALUE, message)
                        .at(span.clone(), "")
                        .help("Write ref('model') or source('source', 'table')."),
                );
            }
        }
    }

    pub(super) fn operations(&mut self, package: &'i Package) {
        let file = &package.file;
        for (moment, hooks) in
            [("on-run-start", &file.on_run_start), ("on-run-end", &file.on_run_end)]
        {
            for (index, (sql, span)) in hooks.iter().enumerate() {
                let name = format!("{}-{moment}-{index}", package.name());
                let node = self.operation(package, &name, moment, sql, span);
                self.keep(node);
            }
        }
    }

    fn operation(
        &mut self,
        package: &'i Package,
        name: &str,
        moment: &str,
        sql: &str,
        span: &Span,
    ) -> Node {
        let mut names = vec![package.name().to_owned(), "hooks".to_owned(), name.to_owned()];
        names.dedup();
        let (file, start) = place_of(sql, span);
        let outline = Outline {
            kind: NodeKind::Operation,
            package: package.name(),
            name: name.to_owned(),
            fqn: names,
            path: span.file.path.clone(),
            span: span.clone(),
            file,
        };
        let range = start..start + sql.len();
        let mut node = self.template_node(outline, None, None, |node| {
            let mut source = NodeSource::file(&node.file, &node.package, node.id.as_str());
            source.range = range.clone();
            source
        });
        node.tags.push(moment.to_owned());
        node
    }
}

fn plain_column(column: &crate::ingest::DeclaredColumn) -> Column {
    Column {
        span: Some(column.span.clone()),
        name: column.name.clone(),
        description: column.description.clone(),
        data_type: None,
        quote: None,
        tags: Vec::new(),
        meta: Map::new(),
        constraints: Vec::new(),
    }
}

/// The file and offset at which a YAML text can be read as it is; a file of its own when the YAML
/// spells it differently (escapes, folded lines).
pub(super) fn place_of(text: &str, span: &Span) -> (Arc<SourceFile>, usize) {
    let written = span.file.text.get(span.start..span.end).unwrap_or_default();
    match written.find(text) {
        Some(at) => (Arc::clone(&span.file), span.start + at),
        None => (SourceFile::new(span.file.path.clone(), text), 0),
    }
}

/// What a text such as `ref('orders')` names.
pub(crate) enum Reference {
    Ref(RefCall),
    Source(String, String),
}

pub(crate) fn parse_reference(text: &str) -> Option<Reference> {
    let text = text.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
    let (function, arguments) = text.split_once('(')?;
    let arguments = arguments.strip_suffix(')')?;
    let mut plain: Vec<String> = Vec::new();
    let mut version = None;
    for argument in arguments.split(',').map(str::trim).filter(|argument| !argument.is_empty()) {
        match argument.split_once('=') {
            Some((_, value)) => version = Some(unquoted(value)),
            None => plain.push(unquoted(argument)),
        }
    }
    let mut plain = plain.into_iter();
    match (function.trim(), plain.next(), plain.next(), plain.next()) {
        ("ref", Some(name), None, None) => {
            Some(Reference::Ref(RefCall { package: None, name, version }))
        }
        ("ref", Some(package), Some(name), None) => {
            Some(Reference::Ref(RefCall { package: Some(package), name, version }))
        }
        ("source", Some(source), Some(table), None) => Some(Reference::Source(source, table)),
        _ => None,
    }
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['\'', '"']).to_owned()
}
