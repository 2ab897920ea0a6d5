//! Renders a node: once for the parser, once for the run, and on demand once more to find where
//! each byte of the SQL came from.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use base::{Diagnostic, SourceFile, Span};
use chrono::{DateTime, Utc};
use minijinja::Value;
use serde_json::{Map, Value as Json};

use crate::jinja::call::MacroObject;
use crate::jinja::collections::kwargs_of;
use crate::jinja::context::{Context, Phase, locked};
use crate::jinja::diagnose::diagnose;
use crate::jinja::marks::Marks;
use crate::jinja::native::{json_of, run_test, run_text};
use crate::jinja::unit::Origin;
use crate::jinja::value::{from_json, to_json};
use crate::jinja::{Host, MacroLibrary, NoHost, RefCall, Relation};

/// What is the same for every node of one command.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The root project's name.
    pub project_name: String,
    /// The dialect the project is written in: `duckdb`, `postgres`, ...
    pub dialect: String,
    /// The `target` variable: name, schema, database, type, threads, ...
    pub target: Json,
    /// Environment variables, read once.
    pub environment_variables: BTreeMap<String, String>,
    /// Variables by package, those of the root project and the command line already merged in.
    pub variables: BTreeMap<String, Map<String, Json>>,
    /// When the run started, on the business clock.
    pub run_started_at: DateTime<Utc>,
    /// The command's own id.
    pub invocation_id: String,
    /// The `flags` variable, upper-case names: `FULL_REFRESH`, `WHICH`, ...
    pub flags: Map<String, Json>,
    /// The `invocation_args_dict` variable.
    pub arguments: Map<String, Json>,
    /// The `graph` variable of the command that runs.
    pub(crate) graph: SharedGraph,
    /// What packages read as `builtins.ref.config`: the project's name, its packages' versions.
    pub project: Map<String, Json>,
}

impl Settings {
    /// Settings with nothing in them, for a project and dialect.
    pub fn new(project_name: &str, dialect: &str) -> Self {
        Self {
            project_name: project_name.to_owned(),
            dialect: dialect.to_owned(),
            target: Json::Object(Map::new()),
            environment_variables: BTreeMap::new(),
            variables: BTreeMap::new(),
            run_started_at: DateTime::UNIX_EPOCH,
            invocation_id: String::new(),
            flags: Map::new(),
            arguments: Map::new(),
            project: Map::new(),
            graph: SharedGraph::default(),
        }
    }
}

/// The `graph` variable: made once for a command and the same for all its nodes, since packages
/// keep notes in it (`graph.setdefault(...)`).
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedGraph(Arc<Mutex<Option<(String, Value)>>>);

impl SharedGraph {
    /// The graph of a command.
    pub(crate) fn of(&self, invocation: &str, make: impl FnOnce() -> Json) -> Value {
        let mut held = locked(&self.0);
        if let Some((known, graph)) = held.as_ref()
            && known == invocation
        {
            return graph.clone();
        }
        let graph = from_json(&make());
        *held = Some((invocation.to_owned(), graph.clone()));
        graph
    }
}

/// A generic test: the macro that is called and its arguments from the YAML file.
#[derive(Clone, Debug, Default)]
pub struct TestCall {
    /// The test's name as written, such as `unique`.
    pub name: String,
    /// The package that the YAML file names (`dbt_utils.expression_is_true`).
    pub package: Option<String>,
    /// The arguments; `model` among them. Strings may hold Jinja and are rendered natively,
    /// except `column_name`.
    pub arguments: Map<String, Json>,
}

/// A node to render.
#[derive(Clone, Debug)]
pub struct NodeSource {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The bytes of the file that hold the template.
    pub range: Range<usize>,
    /// For a generic test: what it calls. The template is then made up from it, and `range` is
    /// the place in the YAML file that errors point to.
    pub test: Option<TestCall>,
    /// The package the node belongs to.
    pub package: String,
    /// The node's unique id, such as `model.shop.orders`.
    pub unique_id: String,
    /// The `this` variable.
    pub this: Option<Relation>,
    /// The `model` variable, in the shape of a manifest node.
    pub model: Json,
    /// The node's resolved configuration, for `config.get` at run time.
    pub config: Map<String, Json>,
    /// Further names for the template.
    pub extra: Map<String, Json>,
    /// Values that macros give instead of being called, by name or `package.name`.
    pub macros: Map<String, Json>,
}

impl NodeSource {
    /// A node that fills a whole file; white space at both ends is left out, as dbt does.
    pub fn file(file: &Arc<SourceFile>, package: &str, unique_id: &str) -> Self {
        let start = file.text.len() - file.text.trim_start().len();
        let end = file.text.trim_end().len().max(start);
        Self {
            file: Arc::clone(file),
            range: start..end,
            test: None,
            package: package.to_owned(),
            unique_id: unique_id.to_owned(),
            this: None,
            model: Json::Null,
            config: Map::new(),
            extra: Map::new(),
            macros: Map::new(),
        }
    }

    /// The text of the template; empty for a generic test.
    pub fn text(&self) -> &str {
        if self.test.is_some() { "" } else { &self.file.text[self.range.clone()] }
    }
}

/// A call of `config(...)` met while parsing.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigCall {
    /// The arguments, in order.
    pub values: Map<String, Json>,
    /// Where the call is.
    pub span: Span,
}

/// A call of `source(...)` met while parsing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCall {
    /// The source.
    pub source: String,
    /// The table.
    pub table: String,
    /// Where the call is.
    pub span: Span,
}

/// A call of `var(...)` met while parsing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VarCall {
    /// The variable.
    pub name: String,
    /// Where the call is.
    pub span: Span,
}

/// What a template calls, learnt by rendering it with `execute` false.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// Calls of `config`, in order; later ones override earlier ones.
    pub configs: Vec<ConfigCall>,
    /// Calls of `ref`, in order, repeated ones included.
    pub refs: Vec<(RefCall, Span)>,
    /// Calls of `source`, in order, repeated ones included.
    pub sources: Vec<SourceCall>,
    /// Calls of `var`.
    pub vars: Vec<VarCall>,
    /// Names of environment variables that were read.
    pub environment_variables: BTreeSet<String>,
    /// Ids of the macros that were called.
    pub macros: BTreeSet<String>,
    /// Those of them that the template itself calls, in order of their first call.
    pub called: Vec<String>,
    /// Warnings raised with `exceptions.warn`.
    pub warnings: Vec<Diagnostic>,
    /// The rendered text, seldom of use.
    pub text: String,
}

/// A node rendered for a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// The SQL.
    pub text: String,
    /// Ids of the macros that were called.
    pub macros: BTreeSet<String>,
    /// References that were resolved, in order of first use.
    pub refs: Vec<RefCall>,
    /// Warnings raised with `exceptions.warn`.
    pub warnings: Vec<Diagnostic>,
}

/// From a byte of the rendered SQL back to the user's files.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    pub(crate) pieces: Vec<Piece>,
}

/// A stretch of rendered text with one origin.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// First byte of the rendered text.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
    /// Where it was written; for text that maps byte by byte, the first byte of it.
    pub(crate) origin: Span,
    /// The place in the node's own file, when the origin is inside a macro.
    pub(crate) through: Option<Span>,
    /// Whether the text was copied byte by byte from the origin.
    pub(crate) verbatim: bool,
}

impl SourceMap {
    /// Where a stretch of the rendered text comes from: the innermost macro or model, and the
    /// place in the node's own file that led there when the two differ.
    pub fn origin(&self, range: Range<usize>) -> Option<(Span, Option<Span>)> {
        let index = self.pieces.partition_point(|piece| piece.end <= range.start);
        let piece = self.pieces.get(index)?;
        let mut origin = piece.origin.clone();
        if piece.verbatim {
            let length = range.end.min(piece.end).saturating_sub(range.start.max(piece.start));
            origin.start += range.start.saturating_sub(piece.start);
            origin.end = origin.start + length.max(1);
        }
        Some((origin, piece.through.clone()))
    }

    /// The map of the same text with `prefix` bytes put in front.
    #[must_use]
    pub fn shifted(mut self, prefix: usize) -> Self {
        for piece in &mut self.pieces {
            piece.start += prefix;
            piece.end += prefix;
        }
        self
    }
}

/// Renders nodes of one project; cheap to clone, safe to use from many threads.
#[derive(Clone, Debug)]
pub struct Renderer {
    library: Arc<MacroLibrary>,
    settings: Arc<Settings>,
}

impl Renderer {
    /// A renderer over the project's macros.
    pub fn new(library: Arc<MacroLibrary>, settings: Settings) -> Self {
        Self { library, settings: Arc::new(settings) }
    }

    /// The macros.
    pub fn library(&self) -> &Arc<MacroLibrary> {
        &self.library
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Renders with `execute` false and writes down what the template calls. Asks no host:
    /// `ref`, `source` and `this` all give the node's own relation, as in dbt.
    ///
    /// # Errors
    /// When the template does not parse or raises an error.
    pub fn parse(&self, node: &NodeSource) -> Result<Parsed, Box<Diagnostic>> {
        let context = self.context(node, Arc::new(NoHost), Phase::Parse, None);
        let text = self.run(&context)?;
        let mut record = std::mem::take(&mut *locked(&context.record));
        record.parsed.text = text;
        Ok(record.parsed)
    }

    /// Renders with `execute` true.
    ///
    /// # Errors
    /// When the template does not parse or raises an error.
    pub fn render(
        &self,
        node: &NodeSource,
        host: Arc<dyn Host>,
    ) -> Result<Rendered, Box<Diagnostic>> {
        let context = self.context(node, host, Phase::Run, None);
        let text = self.run(&context)?;
        let record = std::mem::take(&mut *locked(&context.record));
        Ok(Rendered {
            text,
            macros: record.parsed.macros,
            refs: record.resolved,
            warnings: record.parsed.warnings,
        })
    }

    /// Renders again with marks and tells where each byte of `text` (the same render's text)
    /// came from; an empty map when that cannot be told.
    pub fn map(&self, node: &NodeSource, host: Arc<dyn Host>, text: &str) -> SourceMap {
        // A macro that measures or compares text sees the marks: then mark the node's text only.
        for in_macros in [true, false] {
            let marks = Marks::new(in_macros, &node.file.path, node.range.clone());
            let context = self.context(node, Arc::clone(&host), Phase::Run, Some(marks));
            let Ok(marked) = self.run(&context) else { continue };
            let Some(marks) = &context.marks else { continue };
            if let Some(map) = locked(marks).read(&marked, text) {
                return map;
            }
        }
        SourceMap::default()
    }

    /// Renders a value of a YAML file natively: a string that is exactly one `{{ expression }}`
    /// gives the expression's value, any other string its text; lists and maps are entered.
    /// `package` decides which variables and macros are seen; `place` is where errors point to.
    ///
    /// # Errors
    /// When a template inside does not parse or raises an error.
    pub fn render_value(
        &self,
        value: &Json,
        package: &str,
        place: &Span,
    ) -> Result<Json, Box<Diagnostic>> {
        let node = NodeSource {
            range: place.start..place.end,
            package: package.to_owned(),
            ..NodeSource::file(&place.file, package, "value")
        };
        let context = self.context(&node, Arc::new(NoHost), Phase::Value, None);
        json_of(&context, value).map_err(|error| diagnose(&context, &error))
    }

    /// Calls a macro by its id or unqualified name with JSON arguments: name generators,
    /// `run-operation`, hooks. Gives the returned value; text for a macro without `return`.
    /// `node` supplies the context (`this`, `model`, `config`).
    ///
    /// # Errors
    /// When the macro does not exist or raises an error.
    pub fn call(
        &self,
        macro_name: &str,
        arguments: &[Json],
        named: &Map<String, Json>,
        node: &NodeSource,
        host: Arc<dyn Host>,
    ) -> Result<Json, Box<Diagnostic>> {
        let context = self.context(node, host, Phase::Run, None);
        let declared = match macro_name.strip_prefix("macro.").and_then(|id| id.split_once('.')) {
            Some((package, name)) => self.library.in_package(package, name),
            None => match macro_name.split_once('.') {
                Some((package, name)) => self.library.in_package(package, name),
                None => self.library.find(&node.package, macro_name),
            },
        };
        let Some(declared) = declared else {
            let message = format!("macro \"{macro_name}\" does not exist");
            let mut diagnostic = Diagnostic::error(crate::codes::JINJA_NAME, message);
            let names = self.library.names(&node.package);
            diagnostic.help.extend(crate::suggest::did_you_mean(macro_name, names));
            return Err(Box::new(diagnostic));
        };
        let mut args: Vec<Value> = arguments.iter().map(from_json).collect();
        if !named.is_empty() {
            args.push(kwargs_of(named.iter().map(|(key, json)| (key.clone(), from_json(json)))));
        }
        let object = MacroObject { context: Arc::clone(&context), declared: Arc::clone(declared) };
        let value = object.invoke(&args).map_err(|error| diagnose(&context, &error))?;
        Ok(to_json(&value))
    }

    fn context(
        &self,
        node: &NodeSource,
        host: Arc<dyn Host>,
        phase: Phase,
        marks: Option<Marks>,
    ) -> Arc<Context> {
        Context::new(&self.library, &self.settings, node, host, phase, marks)
    }

    fn run(&self, context: &Arc<Context>) -> Result<String, Box<Diagnostic>> {
        let result = match &context.node.test {
            Some(test) => run_test(context, test),
            None => {
                let range = &context.node.range;
                let origin = Origin {
                    file: Arc::clone(&context.node.file),
                    start: range.start,
                    stands_for: None,
                };
                run_text(context, context.node.text(), origin, BTreeMap::new())
            }
        };
        result.map_err(|error| diagnose(context, &error))
    }
}
