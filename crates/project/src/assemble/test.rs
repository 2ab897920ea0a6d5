//! Tests, generic and singular.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Diagnostic, NodeId};
use serde_json::{Map, Value as Json};

use super::model::{describe, latest_version};
use super::{Assembly, Outline, file_source, first_line, fqn};
use crate::config::{self, NodeConfig};
use crate::content::Content;
use crate::generic_test::{self, GenericTest, Tested};
use crate::jinja::{NodeSource, TestCall};
use crate::node::{Node, NodeKind};
use crate::package::Package;
use crate::properties::{ColumnPatch, Facts, Patch, Place, Properties, TestDeclaration};
use crate::test_node::{TestKind, TestSeverity};
use crate::{codes, suggest};

/// Test macros that depend on nothing but the node they are written at; their templates need no
/// rendering to know it.
const PLAIN_TESTS: &[&str] = &["unique", "not_null", "accepted_values"];

/// What tests are written at.
struct Attached<'a> {
    id: NodeId,
    tested: Tested,
    place: &'a Place,
    /// Tags that the tests inherit: those of a source table.
    tags: Vec<String>,
    enabled: bool,
}

impl<'i> Assembly<'i, '_> {
    pub(super) fn singular_tests(
        &mut self,
        package: &'i Package,
        content: &'i Content,
        patches: &BTreeMap<(&'static str, &'i str), &'i Patch>,
    ) {
        for sql in &content.singular_tests {
            let stem = sql.found.stem();
            let patch = patches.get(&("test", stem)).copied();
            let outline = Outline {
                kind: NodeKind::Test,
                package: package.name(),
                name: stem.to_owned(),
                fqn: fqn(package.name(), sql.found.folders(), stem),
                path: sql.found.path.clone(),
                span: first_line(&sql.file),
                file: Arc::clone(&sql.file),
            };
            let mut node = self.template_node(outline, patch, None, file_source);
            describe(&mut node, patch, None);
            let settings = &node.config.all;
            let name = node.name.clone();
            let kind = TestKind::Singular;
            let test =
                generic_test::with_settings(kind, settings, name, &node.span, self.diagnostics);
            node.test = Some(test);
            if let Some(patch) = patch {
                self.mark_used(patch);
            }
            self.keep(node);
        }
    }

    pub(super) fn generic_tests(&mut self, package: &'i Package, properties: &'i Properties) {
        for patch in &properties.patches {
            if patch.kind == NodeKind::Test {
                continue;
            }
            if patch.versions.is_empty() {
                let id = format!("{}.{}.{}", patch.kind.word(), package.name(), patch.name);
                let expression = format!("ref('{}')", patch.name);
                let name = patch.name.clone();
                self.tests_at(
                    &NodeId::new(id),
                    Tested { name, source: false, expression },
                    &patch.place,
                    (&patch.tests, &patch.columns),
                );
            }
            let latest = latest_version(patch);
            for version in &patch.versions {
                let number = &version.version;
                let id = format!("model.{}.{}.v{number}", package.name(), patch.name);
                let expression = format!("ref('{}', version='{number}')", patch.name);
                let name = format!("{}_v{number}", patch.name);
                let columns = version.columns.as_ref().unwrap_or(&patch.columns);
                let tests = version.tests.as_ref().unwrap_or(&patch.tests);
                let tested = Tested { name, source: false, expression };
                self.tests_at(&NodeId::new(id), tested, &patch.place, (tests, columns));
            }
            debug_assert!(patch.versions.is_empty() || latest.is_some());
        }
        for table in &properties.sources {
            let source = &table.source.source;
            let id = format!("source.{}.{source}.{}", package.name(), table.name);
            let expression = format!("source('{source}', '{}')", table.name);
            let tested =
                Tested { name: format!("{source}_{}", table.name), source: true, expression };
            let written = (&table.tests, &table.columns);
            self.tests_at(&NodeId::new(id), tested, &table.place, written);
        }
    }

    fn tests_at(
        &mut self,
        id: &NodeId,
        tested: Tested,
        place: &'i Place,
        (tests, columns): (&'i Vec<TestDeclaration>, &'i Vec<ColumnPatch>),
    ) {
        // A description without its node was reported already.
        let Some(&index) = self.ids.get(id) else { return };
        let node = &self.nodes[index];
        let tags = if tested.source { node.tags.clone() } else { Vec::new() };
        let enabled = node.config.enabled;
        let attached = Attached { id: id.clone(), tested, place, tags, enabled };
        for declaration in tests.iter().chain(columns.iter().flat_map(|column| &column.tests)) {
            self.generic_test(&attached, declaration);
        }
    }

    fn generic_test(&mut self, attached: &Attached<'i>, declaration: &TestDeclaration) {
        let read = generic_test::read(declaration, &attached.tested, self.diagnostics);
        let Some(test) = read else { return };
        if !self.test_macro_exists(&test, &attached.place.package) {
            return;
        }
        let (short_name, full_name) = test.names(&attached.tested);
        let package = attached.place.package.as_str();
        let outline = Outline {
            kind: NodeKind::Test,
            package,
            name: full_name.clone(),
            fqn: fqn(package, attached.place.folders.clone(), &full_name),
            path: attached.place.file.path.clone(),
            span: test.span.clone(),
            file: Arc::clone(&attached.place.file),
        };
        let mut settings = self.tree_settings(NodeKind::Test, package, &outline.fqn);
        if !attached.tags.is_empty() {
            let mut tags = Map::new();
            tags.insert("tags".to_owned(), attached.tags.clone().into());
            config::merge(&mut settings, &tags);
        }
        config::merge(&mut settings, &test.config);
        self.render_settings(&mut settings, &test, package);
        if !attached.enabled {
            settings.insert("enabled".to_owned(), false.into());
        }
        if short_name != full_name {
            settings.entry("alias").or_insert_with(|| short_name.as_str().into());
        }
        let facts = Facts { description: test.description.clone(), ..Facts::default() };
        let mut node = self.node(outline, &facts, settings);
        node.id = NodeId::new(format!("{}.{}", node.id, test.id_hash(&full_name)));
        node.raw_sql = raw_template(&test, (short_name != full_name).then_some(&short_name));
        let mut facts = test.test(&node.config.all, short_name, self.diagnostics);
        facts.attached = Some(attached.id.clone());
        node.test = Some(facts);
        let asked = self.test_calls(&mut node, &test, attached);
        if !asked.is_empty() {
            // What the YAML says outranks what the test's macro says; the tree comes before both.
            let mut settings = self.tree_settings(NodeKind::Test, package, &node.fqn);
            config::merge(&mut settings, &asked);
            config::merge(&mut settings, &node.config.all);
            self.take_settings(&mut node, &test, settings);
        }
        self.keep(node);
    }

    fn take_settings(&mut self, node: &mut Node, test: &GenericTest, all: Map<String, Json>) {
        let what = format!("{} \"{}\"", node.kind.word(), node.name);
        node.config = NodeConfig::from_merged(all, &what, &test.span, self.diagnostics);
        node.tags = config::tags(&node.config.all);
        let Some(old) = node.test.take() else { return };
        let mut new = test.test(&node.config.all, old.short_name, self.diagnostics);
        new.attached = old.attached;
        node.test = Some(new);
    }

    /// `config: {severity: "{{ var('severity') }}"}` is rendered when the project is read.
    fn render_settings(
        &mut self,
        settings: &mut Map<String, Json>,
        test: &GenericTest,
        package: &str,
    ) {
        for (key, value) in settings.iter_mut() {
            // `where` is rendered by the test's own macro.
            let text = value.as_str().unwrap_or_default();
            if key == "where" || !crate::templates::holds_jinja(text) {
                continue;
            }
            match self.inputs.renderer.render_value(value, package, &test.span) {
                Ok(rendered) => *value = rendered,
                Err(problem) => self.diagnostics.push(*problem),
            }
        }
    }

    fn test_macro_exists(&mut self, test: &GenericTest, package: &str) -> bool {
        let library = self.inputs.renderer.library();
        if library.find_test(test.namespace.as_deref(), package, &test.name).is_some()
            || library.find_test(None, package, &test.name).is_some() && test.namespace.is_none()
        {
            return true;
        }
        let shown = match &test.namespace {
            Some(namespace) => format!("{namespace}.{}", test.name),
            None => test.name.clone(),
        };
        let names: Vec<&str> =
            library.macros().filter_map(|known| known.name.strip_prefix("test_")).collect();
        let hint = match &test.namespace {
            Some(namespace) if !library.has_package(namespace) => {
                format!("Install the package \"{namespace}\" into dbt_packages/.")
            }
            _ => suggest::did_you_mean(&test.name, names).unwrap_or_else(|| {
                format!("Write a macro: {{% test {}(model, column_name) %}}.", test.name)
            }),
        };
        let message = format!("test \"{shown}\" does not exist");
        self.diagnostics.push(
            Diagnostic::error(codes::TEST_UNKNOWN, message).at(test.span.clone(), "").help(hint),
        );
        false
    }

    /// Takes up what the test's macro refers to, and returns what it sets with `config`.
    fn test_calls(
        &mut self,
        node: &mut Node,
        test: &GenericTest,
        attached: &Attached<'_>,
    ) -> Map<String, Json> {
        let plain = test.namespace.is_none()
            && PLAIN_TESTS.contains(&test.name.as_str())
            && !self.is_overridden(&test.name, &node.package);
        if plain {
            node.depends_on.push(attached.id.clone());
            let own = format!("macro.dbt.test_{}", test.name);
            node.macros = vec![own, "macro.dbt.get_where_subquery".to_owned()];
            return Map::new();
        }
        let source = test_source(node, test);
        let parsed = self.parse(&source);
        let mut asked = Map::new();
        for call in &parsed.configs {
            config::merge(&mut asked, &call.values);
        }
        node.refs = parsed.refs.into_iter().map(|(call, _)| (call, test.span.clone())).collect();
        node.sources = parsed.sources;
        node.macros = parsed.called;
        for call in &mut node.sources {
            call.span.clone_from(&test.span);
        }
        node.depends_on.push(attached.id.clone());
        asked
    }

    fn is_overridden(&self, test: &str, package: &str) -> bool {
        let found = self.inputs.renderer.library().find_test(None, package, test);
        found.is_some_and(|found| found.package != crate::jinja::GLOBAL_PACKAGE)
    }
}

/// The template of a generic test, for rendering.
fn test_source(node: &Node, test: &GenericTest) -> NodeSource {
    let mut source = NodeSource::file(&node.file, &node.package, node.id.as_str());
    source.range = test.span.start..test.span.end;
    source.config.clone_from(&node.config.all);
    source.test = Some(TestCall {
        name: test.name.clone(),
        package: test.namespace.clone(),
        arguments: test.arguments.clone(),
    });
    source
}

/// dbt's `raw_code` of a generic test.
fn raw_template(test: &GenericTest, short_name: Option<&String>) -> String {
    let name = match &test.namespace {
        Some(namespace) => format!("{namespace}.test_{}", test.name),
        None => format!("test_{}", test.name),
    };
    let mut config = test.config.clone();
    if let Some(short_name) = short_name {
        config.entry("alias").or_insert_with(|| short_name.as_str().into());
    }
    let settings: Vec<String> = config
        .iter()
        .map(|(key, value)| match value {
            Json::String(text) => format!("{key}=\"{}\"", text.replace('"', "\\\"")),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                format!("{key}={}", crate::python::representation(value))
            }
        })
        .collect();
    let call = format!("{{{{ {name}(**_dbt_generic_test_kwargs) }}}}");
    if settings.is_empty() {
        call
    } else {
        format!("{call}{{{{ config({}) }}}}", settings.join(","))
    }
}

impl TestSeverity {
    /// dbt's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
        }
    }
}
