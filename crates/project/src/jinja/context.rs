//! What a name means in a template: one object that resolves names on demand, made for each
//! render of a node.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use base::{Diagnostic, Span};
use minijinja::{Error, Value};

use crate::jinja::adapter::{Adapter, Api};
use crate::jinja::call::{MacroObject, Overlay};
use crate::jinja::datetime::DateTimeObject;
use crate::jinja::engine::ENGINE_NAMES;
use crate::jinja::functions::{Config, Exceptions, FUNCTIONS, Function, Var};
use crate::jinja::library::GLOBAL_PACKAGE;
use crate::jinja::marks::Marks;
use crate::jinja::modules::{Module, ModuleObject};
use crate::jinja::names::{Constant, Flags, Namespace};
use crate::jinja::objects::{RelationObject, relation_class};
use crate::jinja::render::{NodeSource, Parsed, Settings};
use crate::jinja::signal::{Raised, raise};
use crate::jinja::unit::{Origin, Unit, interned};
use crate::jinja::value::{Missing, from_json, from_map};
use crate::jinja::{Failure, Host, Macro, MacroLibrary, RefCall, Relation};

/// Macro calls within macro calls; a macro that calls itself for ever ends here.
pub(crate) const CALL_DEPTH_MAX: usize = 150;
/// Macro calls of one render.
pub(crate) const CALLS_MAX: usize = 2_000_000;
/// Bytes that all macros of one render may give back together.
pub(crate) const OUTPUT_BYTES_MAX: usize = 1 << 30;

/// Why a template is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To learn what it calls: `execute` is false.
    Parse,
    /// For a run: `execute` is true.
    Run,
    /// For a value of a YAML file: no node, and secrets are allowed.
    Value,
}

/// What a render leaves behind besides its text.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) parsed: Parsed,
    pub(crate) resolved: Vec<RefCall>,
    /// Variables whose text is being rendered.
    pub(crate) open_variables: BTreeSet<String>,
}

/// The world of one render.
pub(crate) struct Context {
    pub(crate) library: Arc<MacroLibrary>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) node: NodeSource,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) phase: Phase,
    pub(crate) record: Mutex<Record>,
    pub(crate) results: Mutex<HashMap<String, Value>>,
    pub(crate) marks: Option<Mutex<Marks>>,
    extra: BTreeMap<String, Value>,
    model: OnceLock<Value>,
    site: Mutex<Option<Span>>,
    depth: AtomicUsize,
    calls: AtomicUsize,
    output_bytes: AtomicUsize,
    marked: Mutex<HashMap<String, Arc<Unit>>>,
    origins: Mutex<HashMap<&'static str, Origin>>,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a call as ended when it goes out of scope.
pub(crate) struct Entered<'c>(&'c AtomicUsize);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Context {
    pub(crate) fn new(
        library: &Arc<MacroLibrary>,
        settings: &Arc<Settings>,
        node: &NodeSource,
        host: Arc<dyn Host>,
        phase: Phase,
        marks: Option<Marks>,
    ) -> Arc<Self> {
        let extra = node.extra.iter().map(|(name, json)| (name.clone(), from_json(json))).collect();
        Arc::new(Self {
            library: Arc::clone(library),
            settings: Arc::clone(settings),
            node: node.clone(),
            host,
            phase,
            record: Mutex::default(),
            results: Mutex::default(),
            marks: marks.map(Mutex::new),
            extra,
            model: OnceLock::new(),
            site: Mutex::default(),
            depth: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            output_bytes: AtomicUsize::new(0),
            marked: Mutex::default(),
            origins: Mutex::default(),
        })
    }

    /// The context as the engine's root value.
    pub(crate) fn root(context: &Arc<Self>) -> Value {
        Self::root_with(context, BTreeMap::new())
    }

    /// The same with some names laid over it.
    pub(crate) fn root_with(context: &Arc<Self>, names: BTreeMap<String, Value>) -> Value {
        Value::from_object(Overlay { context: Arc::clone(context), names: Arc::new(names) })
    }

    pub(crate) fn parsing(&self) -> bool {
        self.phase == Phase::Parse
    }

    /// The place of the call that runs, or of the whole node.
    pub(crate) fn site(&self) -> Span {
        locked(&self.site).clone().unwrap_or_else(|| self.place())
    }

    pub(crate) fn at(&self, site: Span) {
        *locked(&self.site) = Some(site);
    }

    /// The node's whole template.
    pub(crate) fn place(&self) -> Span {
        Span::new(&self.node.file, self.node.range.clone())
    }

    pub(crate) fn note_macro(&self, id: &str) {
        let mut record = locked(&self.record);
        if !record.parsed.macros.contains(id) {
            record.parsed.macros.insert(id.to_owned());
        }
    }

    /// A macro that the node's own template calls, not one that a macro calls.
    pub(crate) fn note_direct_call(&self, id: &str) {
        if self.depth.load(Ordering::Relaxed) > 0 {
            return;
        }
        let called = &mut locked(&self.record).parsed.called;
        if !called.iter().any(|known| known == id) {
            called.push(id.to_owned());
        }
    }

    pub(crate) fn warn(&self, message: &str) {
        let warning =
            Diagnostic::warning(crate::codes::JINJA_RAISED, message).at(self.site(), "raised here");
        locked(&self.record).parsed.warnings.push(warning);
        self.host.warn(message);
    }

    /// Hides the values of secrets.
    pub(crate) fn scrubbed(&self, text: &str) -> String {
        let secrets = self.settings.environment_variables.iter();
        secrets
            .filter(|(name, value)| name.starts_with(SECRET_PREFIX) && !value.trim().is_empty())
            .fold(text.to_owned(), |text, (_, secret)| text.replace(secret.as_str(), "*****"))
    }

    pub(crate) fn enter(&self, name: &str) -> Result<Entered<'_>, Error> {
        let entered = Entered(&self.depth);
        let depth = self.depth.fetch_add(1, Ordering::Relaxed);
        if depth >= CALL_DEPTH_MAX {
            let failure = Failure::new(format!(
                "macro calls are nested more than {CALL_DEPTH_MAX} deep, in \"{name}\""
            ))
            .help("Look for a macro that calls itself without an end.");
            return Err(raise(Raised::Limit, failure));
        }
        if self.calls.fetch_add(1, Ordering::Relaxed) >= CALLS_MAX {
            let failure = Failure::new(format!("one render calls more than {CALLS_MAX} macros"));
            return Err(raise(Raised::Limit, failure));
        }
        Ok(entered)
    }

    pub(crate) fn count_output(&self, text: Value) -> Result<Value, Error> {
        let bytes = text.as_str().map_or(0, str::len);
        let total = self.output_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if total > OUTPUT_BYTES_MAX {
            let failure =
                Failure::new(format!("macros made more than {OUTPUT_BYTES_MAX} bytes of text"));
            return Err(raise(Raised::Limit, failure));
        }
        Ok(text)
    }

    pub(crate) fn note_origin(&self, name: &str, origin: &Origin) {
        locked(&self.origins).insert(interned(name), origin.clone());
    }

    pub(crate) fn origin(&self, name: &str) -> Option<Origin> {
        locked(&self.origins).get(name).cloned()
    }

    /// The macro's compiled template.
    pub(crate) fn unit(&self, declared: &Arc<Macro>) -> Result<Arc<Unit>, Error> {
        let Some(marks) = self.marks.as_ref().filter(|marks| locked(marks).in_macros) else {
            if let Some(unit) = declared.unit.get() {
                self.note_origin(unit.name, &unit.origin);
                return Ok(Arc::clone(unit));
            }
            self.note_origin(&declared.id, &Unit::macro_origin(declared));
            let unit = Arc::new(Unit::of_macro(declared, None)?);
            return Ok(Arc::clone(declared.unit.get_or_init(|| unit)));
        };
        if let Some(unit) = locked(&self.marked).get(&declared.id) {
            return Ok(Arc::clone(unit));
        }
        let unit = Arc::new(Unit::of_macro(declared, Some(&mut *locked(marks)))?);
        self.note_origin(unit.name, &unit.origin);
        locked(&self.marked).insert(declared.id.clone(), Arc::clone(&unit));
        Ok(unit)
    }

    /// A relation as a template value.
    pub(crate) fn relation(&self, relation: Relation) -> Value {
        RelationObject::value(relation, relation_class(&self.settings.dialect))
    }

    pub(crate) fn this(&self) -> Value {
        match &self.node.this {
            Some(relation) => self.relation(relation.clone()),
            None if self.parsing() => Missing::value(),
            None => Value::UNDEFINED,
        }
    }
}

/// Environment variables that must never be shown.
pub(crate) const SECRET_PREFIX: &str = "DBT_ENV_SECRET_";

/// A shared context: the engine's values hold it by `Arc`.
pub(crate) trait Resolve {
    /// What a name means; `None` leaves it to the engine.
    fn resolve(&self, name: &str) -> Option<Value>;
    /// A macro or a package of macros of that name.
    fn macro_named(&self, name: &str) -> Option<Value>;
    /// One of dbt's own functions or variables.
    fn builtin(&self, name: &str) -> Option<Value>;
}

impl Resolve for Arc<Context> {
    fn resolve(&self, name: &str) -> Option<Value> {
        if name == "__caller" {
            return Some(Function::value(self, "__caller"));
        }
        if name.starts_with("__") {
            return None;
        }
        if let Some(value) = self.extra.get(name) {
            return Some(value.clone());
        }
        if let Some(json) = self.node.macros.get(name) {
            return Some(Constant::value(json));
        }
        if let Some(found) = self.macro_named(name) {
            return Some(found);
        }
        if let Some(value) = self.builtin(name) {
            return Some(value);
        }
        let unknown = self.parsing() && !ENGINE_NAMES.contains(&name);
        unknown.then(Missing::value)
    }

    fn macro_named(&self, name: &str) -> Option<Value> {
        let package = self.node.package.as_str();
        let library = &self.library;
        let own =
            library.in_package(package, name).or_else(|| library.in_package(library.root(), name));
        if let Some(found) = own {
            return Some(MacroObject::value(self, found));
        }
        if library.has_package(name) {
            return Some(Namespace::package(self, name));
        }
        let found = library.in_package(GLOBAL_PACKAGE, name)?;
        Some(MacroObject::value(self, found))
    }

    fn builtin(&self, name: &str) -> Option<Value> {
        if let Some(known) = FUNCTIONS.iter().find(|known| **known == name) {
            return Some(Function::value(self, known));
        }
        let settings = &self.settings;
        Some(match name {
            "this" => self.this(),
            "execute" => Value::from(self.phase == Phase::Run),
            "config" => Value::from_object(Config(Arc::clone(self))),
            "var" => Value::from_object(Var(Arc::clone(self))),
            "adapter" => Value::from_object(Adapter(Arc::clone(self))),
            "api" => Value::from_object(Api(Arc::clone(self))),
            "exceptions" => Value::from_object(Exceptions(Arc::clone(self))),
            "builtins" | "context" => Namespace::builtins(self, name == "context"),
            "target" => from_json(&settings.target),
            "env" => from_json(&settings.target),
            "model" | "node" => self.model.get_or_init(|| from_json(&self.node.model)).clone(),
            "schema" => settings.target.get("schema").map(from_json)?,
            "database" => settings.target.get("database").map(from_json)?,
            "project_name" => Value::from(settings.project_name.as_str()),
            "dbt_version" => Value::from(crate::dbt_version::DBT_VERSION),
            "invocation_id" => Value::from(settings.invocation_id.as_str()),
            "invocation_args_dict" => from_map(&settings.arguments),
            "flags" => Value::from_object(Flags(Arc::clone(self))),
            "run_started_at" => DateTimeObject::utc(settings.run_started_at),
            "modules" => ModuleObject::value(Module::All, settings.run_started_at),
            "graph" => match self.phase {
                Phase::Run => settings.graph.of(&settings.invocation_id, || self.host.graph()),
                Phase::Parse | Phase::Value => Missing::value(),
            },
            "selected_resources" => {
                let ids: BTreeSet<String> = self.host.selected_resources().into_iter().collect();
                crate::jinja::collections::List::value(ids.into_iter().map(Value::from).collect())
            }
            "thread_id" => Value::from("Thread-1"),
            "dbt_metadata_envs" => from_map(&serde_json::Map::new()),
            "pre_hooks" | "post_hooks" => {
                let hooks = crate::config::hooks(self.node.config.get(&name.replace('_', "-")));
                let one = |hook: crate::config::Hook| {
                    let transaction = hook.transaction;
                    from_json(&serde_json::json!({"sql": hook.sql, "transaction": transaction}))
                };
                crate::jinja::collections::List::value(hooks.into_iter().map(one).collect())
            }
            "sql" | "compiled_code" => return None,
            _ => return None,
        })
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<context of {}>", self.node.unique_id)
    }
}
