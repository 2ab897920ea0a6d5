//! Opens a project: every file read, every problem collected, one checked graph.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Diagnostic, EnvironmentName, Files, Severity, SourceFile};
use serde_json::{Map, Value as Json};

use crate::assemble::{self, Inputs};
use crate::content::{self, Content};
use crate::dashboard::{self, Dashboard};
use crate::features::{self, Features};
use crate::folder::{Documents, Folder};
use crate::graph::Graph;
use crate::ingest::{self, IngestSource};
use crate::jinja::{self, MacroLibrary, Renderer};
use crate::jobs::{self, Job};
use crate::naming::Namer;
use crate::options::ProjectOptions;
use crate::package::{self, Package};
use crate::profile::{self, Target};
use crate::project_file;
use crate::promises::{self, Promise};
use crate::properties::Properties;
use crate::semantics::{self, Semantics};
use crate::settings::{self, Settings};
use crate::sync::{self, Sync};
use crate::yaml::{self, Mapping, Value};
use crate::{codes, config_tree, resolve, selectors, templates};

/// A project, read.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Its own version, as it says.
    pub version: Option<String>,
    /// Its folder.
    pub root: PathBuf,
    /// `fiveply.yml`.
    pub settings: Settings,
    /// The SQL dialect its text is written in.
    pub dialect: String,
    /// dbt's target.
    pub target: Target,
    /// The environment that is built and read.
    pub environment: EnvironmentName,
    /// Every node.
    pub graph: Arc<Graph>,
    /// Variables as each package sees them.
    pub vars: BTreeMap<String, Map<String, Json>>,
    /// The sources of `ingest/`.
    pub sources: Vec<IngestSource>,
    /// The syncs of `syncs/`.
    pub syncs: Vec<Sync>,
    /// What `features/` declares.
    pub features: Features,
    /// Semantic models, metrics, saved queries and time spines.
    pub semantics: Arc<Semantics>,
    /// The dashboards of `dashboards/`.
    pub dashboards: Vec<Dashboard>,
    /// The jobs of `jobs/`.
    pub jobs: Vec<Job>,
    /// The promises of `jobs/`.
    pub promises: Vec<Promise>,
    /// `flags:` of dbt_project.yml.
    pub flags: Map<String, Json>,
    /// `query-comment:` of dbt_project.yml.
    pub query_comment: Option<Json>,
    /// Named selectors of selectors.yml.
    pub selectors: BTreeMap<String, Json>,
    /// The one that holds when a command selects nothing.
    pub default_selector: Option<String>,
    /// Folders of the root project's tests.
    pub test_paths: Vec<String>,
    /// Names of the packages, the root first.
    pub packages: Vec<String>,
    pub(crate) renderer: Renderer,
}

/// A project and what was said about it. Without a usable dbt_project.yml there is no project;
/// with errors there is one, of what could be read.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The project.
    pub project: Option<Project>,
    /// What was said about it.
    pub diagnostics: Vec<Diagnostic>,
}

impl Opened {
    /// Whether nothing stands in the way of a run.
    pub fn is_clean(&self) -> bool {
        self.project.is_some() && !self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

impl Project {
    /// Every macro, the built-in ones included.
    pub fn macros(&self) -> &Arc<MacroLibrary> {
        self.renderer.library()
    }
}

/// Reads the project in a folder.
pub fn open(root: &Path, options: &ProjectOptions, files: &dyn Files) -> Opened {
    let mut diagnostics = Vec::new();
    let opening = Opening { folder: Folder { root, files }, options };
    let project = opening.run(&mut diagnostics);
    Opened { project, diagnostics: tidy(diagnostics) }
}

/// Each thing is said once, in the order of files and lines.
fn tidy(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut said = BTreeSet::new();
    let mut kept: Vec<Diagnostic> = diagnostics
        .into_iter()
        .filter(|problem| {
            let place = problem
                .primary
                .as_ref()
                .map(|label| (label.span.file.path.clone(), label.span.start));
            // A setting is typed twice on its way: with and without the template's own.
            let place = place.filter(|_| problem.code != codes::CONFIG_VALUE);
            said.insert((problem.code, problem.message.clone(), place))
        })
        .collect();
    kept.sort_by_cached_key(|problem| {
        problem.primary.as_ref().map(|label| (label.span.file.path.clone(), label.span.start))
    });
    kept
}

struct Opening<'o> {
    folder: Folder<'o>,
    options: &'o ProjectOptions,
}

/// What is known before packages are read.
struct Ground {
    settings: Settings,
    connections: Option<Mapping>,
    target: Target,
    dialect: String,
    environment: String,
}

impl Opening<'_> {
    fn run(&self, diagnostics: &mut Vec<Diagnostic>) -> Option<Project> {
        if !self.folder.exists("dbt_project.yml") {
            let message = "the folder has no dbt_project.yml".to_owned();
            diagnostics.push(
                Diagnostic::error(codes::PROJECT_FILE_MISSING, message)
                    .help("Go to a project's folder, or make one with `fiveply init`."),
            );
            return None;
        }
        let file = self.folder.read("dbt_project.yml", diagnostics)?;
        let Some(mut value) = yaml::read(&file, diagnostics) else {
            self.report_empty(&file, diagnostics);
            return None;
        };
        let ground = self.ground(&value, diagnostics);
        let early = self.renderer(&ground, &[], Arc::clone(&empty_library()), BTreeMap::new());
        let late = templates::LATE_IN_PROJECT;
        templates::render(&mut value, &early, "", late, Severity::Error, diagnostics);
        let root = project_file::read(&value, diagnostics)?;
        let root = Package { folder: String::new(), file: root };
        let packages = package::load_all(self.folder, root, &early, diagnostics);
        Some(self.assemble(ground, &packages, diagnostics))
    }

    fn report_empty(&self, file: &Arc<SourceFile>, diagnostics: &mut Vec<Diagnostic>) {
        if !diagnostics.iter().any(Diagnostic::is_error) {
            let problem = Diagnostic::error(codes::MISSING_KEY, "dbt_project.yml is empty")
                .at(base::Span::new(file, 0..0), "")
                .help("Give it a name: \"name: my_project\".");
            diagnostics.push(problem);
        }
    }

    /// Settings, target, dialect and environment.
    fn ground(&self, project: &Value, diagnostics: &mut Vec<Diagnostic>) -> Ground {
        let bare = Renderer::new(empty_library(), self.bare_settings("duckdb"));
        let (settings, connections) = self.settings(&bare, diagnostics);
        let named = |key: &str| {
            let mut value = project.as_mapping()?.get(key)?.clone();
            let mut unused = Vec::new();
            templates::render(&mut value, &bare, "", &[], Severity::Warning, &mut unused);
            value.as_text().map(str::to_owned)
        };
        let (root, files) = (self.folder.root, self.folder.files);
        let profile = named("profile");
        let name = profile.as_deref();
        let found = profile::read(root, name, self.options, &bare, files, diagnostics);
        let dialect = settings.dialect.clone().unwrap_or_else(|| match &found {
            Some(target) => dialect_of(&target.kind, diagnostics),
            None => "duckdb".to_owned(),
        });
        let mut target = found.unwrap_or_else(|| Target::without_profile(self.options, &dialect));
        let environment = self
            .options
            .environment
            .clone()
            .or_else(|| settings.environment.clone().filter(|_| self.options.target.is_none()))
            .unwrap_or_else(|| target.name.clone());
        if !is_environment_name(&environment) {
            let shown = environment.escape_debug();
            let message = format!("environment \"{shown}\" has no usable name");
            diagnostics.push(
                Diagnostic::error(codes::ENVIRONMENT_NAME, message)
                    .help("Use letters, digits, `_`, `-` and `.`, such as `dev_ana`."),
            );
        }
        if let Some(schema) =
            settings.environments.get(&environment).and_then(|known| known.schema.clone())
        {
            target.schema = schema;
        }
        if let Some(threads) = settings.limits.threads.filter(|threads| *threads > 0) {
            target.threads = threads;
        }
        Ground { settings, connections, target, dialect, environment }
    }

    fn settings(
        &self,
        renderer: &Renderer,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> (Settings, Option<Mapping>) {
        let mut settings = Settings::default();
        if !self.folder.exists("fiveply.yml") {
            return (settings, None);
        }
        let read = self.folder.read("fiveply.yml", diagnostics);
        let Some(mut value) = read.and_then(|file| yaml::read(&file, diagnostics)) else {
            return (settings, None);
        };
        let late = ["connections"];
        templates::render(&mut value, renderer, "", &late, Severity::Error, diagnostics);
        // A connection with a missing variable is a problem of whoever uses it.
        let mut problems = BTreeMap::new();
        if let yaml::Data::Mapping(mapping) = &mut value.data
            && let Some(entry) = mapping.entries.iter_mut().find(|entry| entry.key == "connections")
            && let yaml::Data::Mapping(connections) = &mut entry.value.data
        {
            for entry in &mut connections.entries {
                let mut own = Vec::new();
                let inner = &mut entry.value;
                templates::render(inner, renderer, "", &[], Severity::Error, &mut own);
                if let Some(problem) = own.into_iter().next() {
                    problems.insert(entry.key.clone(), problem);
                }
            }
        }
        settings = settings::read(&value, diagnostics);
        for (name, problem) in problems {
            if let Some(connection) = settings.connections.get_mut(&name) {
                connection.problem = Some(problem);
            }
        }
        let connections = value.as_mapping().and_then(|mapping| mapping.get("connections"));
        let connections = connections.and_then(Value::as_mapping).cloned();
        (settings, connections)
    }

    fn bare_settings(&self, dialect: &str) -> jinja::Settings {
        let mut settings = jinja::Settings::new("", dialect);
        settings.environment_variables.clone_from(&self.options.environment_variables);
        settings.variables.insert(String::new(), self.options.vars.clone());
        settings
    }

    fn renderer(
        &self,
        ground: &Ground,
        packages: &[Package],
        library: Arc<MacroLibrary>,
        variables: BTreeMap<String, Map<String, Json>>,
    ) -> Renderer {
        let mut settings = self.bare_settings(&ground.dialect);
        settings.project = package::for_templates(packages, &self.options.vars);
        if let Some(root) = packages.first() {
            root.name().clone_into(&mut settings.project_name);
            settings.project.insert("target_name".to_owned(), ground.target.name.as_str().into());
        }
        settings.target = ground.target.for_templates(&ground.environment);
        settings.variables.extend(variables);
        if let Some(now) = ground.settings.clock.or(self.options.now) {
            settings.run_started_at = now;
        }
        Renderer::new(library, settings)
    }

    fn assemble(
        &self,
        ground: Ground,
        packages: &[Package],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Project {
        let root = &packages[0].file;
        let contents: Vec<Content> = packages
            .iter()
            .map(|package| content::read(self.folder, package, diagnostics))
            .collect();
        let blocks = packages
            .iter()
            .zip(&contents)
            .map(|(package, content)| (package.name().to_owned(), content.macros.clone()))
            .collect();
        let dispatch = root.dispatch.clone();
        let (library, problems) = MacroLibrary::new(&root.name, &ground.dialect, dispatch, blocks);
        diagnostics.extend(problems);
        let vars = package::variables(packages, &self.options.vars);
        let renderer = self.renderer(&ground, packages, Arc::new(library), vars.clone());
        let properties = properties(packages, &contents, &renderer, diagnostics);
        let ingest = self.ingest(&ground, &root.name, &renderer, diagnostics);
        let read = Documents { folder: self.folder, renderer: &renderer, package: &root.name };
        let syncs = sync::read_all(read, ground.connections.as_ref(), diagnostics);
        let features = features::read_all(read, diagnostics);
        let texts = properties.iter().flat_map(|one| &one.semantic);
        let semantics = semantics::draft(texts, diagnostics);
        let dashboards = self.dashboards(&root.name, &renderer, diagnostics);
        let jobs = jobs::read_all(read, diagnostics);
        let promises = self.promises(&root.name, &renderer, diagnostics);
        let namer = Namer::new(&renderer, &ground.environment, &ground.target.schema);
        let inputs = Inputs {
            packages,
            contents: &contents,
            properties: &properties,
            ingest: &ingest,
            syncs: &syncs,
            features: &features,
            semantics: &semantics,
            dashboards: &dashboards,
            renderer: &renderer,
            namer: &namer,
        };
        let nodes = assemble::nodes(&inputs, diagnostics);
        let graph = resolve::graph(packages, nodes, &namer, diagnostics);
        let semantics = semantics.finish(&graph, diagnostics);
        promises::check(&graph, &promises, diagnostics);
        report_unsupported(&graph, diagnostics);
        report_unused_paths(&packages[0], &graph, diagnostics);
        self.report_unread(diagnostics);
        let (selectors, default_selector) = selectors::read(self.folder, &renderer, diagnostics);
        Project {
            selectors,
            default_selector,
            name: root.name.clone(),
            version: root.version.clone(),
            root: self.folder.root.to_path_buf(),
            settings: ground.settings,
            dialect: ground.dialect,
            target: ground.target,
            environment: EnvironmentName::new(ground.environment),
            graph: Arc::new(graph),
            vars,
            sources: ingest,
            syncs,
            features,
            semantics: Arc::new(semantics),
            dashboards,
            jobs,
            promises,
            flags: root.flags.clone(),
            query_comment: root.query_comment.clone(),
            test_paths: root.paths.tests.clone(),
            packages: packages.iter().map(|package| package.name().to_owned()).collect(),
            renderer,
        }
    }

    fn ingest(
        &self,
        ground: &Ground,
        package: &str,
        renderer: &Renderer,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<IngestSource> {
        let mut sources = Vec::new();
        if !self.folder.exists("ingest") {
            return sources;
        }
        for found in self.folder.list("", "ingest", diagnostics) {
            if !found.has_extension(&["yml", "yaml"]) {
                continue;
            }
            let Some(file) = self.folder.read(&found.path, diagnostics) else { continue };
            let Some(mut value) = yaml::read(&file, diagnostics) else { continue };
            // A missing variable matters to `load` alone, which meets it again.
            let warn = Severity::Warning;
            templates::render(&mut value, renderer, package, &[], warn, diagnostics);
            let named = value.as_mapping().and_then(|mapping| mapping.get("connection"));
            let known = named.and_then(Value::as_text);
            let connection = known.and_then(|name| ground.settings.connections.get(name));
            if let Some(problem) = connection.and_then(|connection| connection.problem.clone()) {
                diagnostics.push(Diagnostic { severity: warn, ..problem });
            }
            let connections = ground.connections.as_ref();
            sources.extend(ingest::read_with(&file, &value, connections, diagnostics));
        }
        sources
    }

    fn dashboards(
        &self,
        package: &str,
        renderer: &Renderer,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Dashboard> {
        let mut dashboards = Vec::new();
        if !self.folder.exists("dashboards") {
            return dashboards;
        }
        for found in self.folder.list("", "dashboards", diagnostics) {
            if !found.has_extension(&["yml", "yaml"]) {
                continue;
            }
            let Some(file) = self.folder.read(&found.path, diagnostics) else { continue };
            let Some(mut value) = yaml::read(&file, diagnostics) else { continue };
            let late = templates::LATE_IN_DASHBOARDS;
            templates::render(&mut value, renderer, package, late, Severity::Error, diagnostics);
            dashboards.extend(dashboard::read(package, &file, &value, diagnostics));
        }
        dashboards
    }

    fn promises(
        &self,
        package: &str,
        renderer: &Renderer,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Promise> {
        let mut found = Vec::new();
        if !self.folder.exists("jobs") {
            return found;
        }
        // What is wrong with the files themselves is said where their jobs are read.
        let mut unheard = Vec::new();
        for one in self.folder.list("", "jobs", &mut unheard) {
            if !one.has_extension(&["yml", "yaml"]) {
                continue;
            }
            let Some(file) = self.folder.read(&one.path, &mut unheard) else { continue };
            let Some(mut value) = yaml::read(&file, &mut unheard) else { continue };
            templates::render(&mut value, renderer, package, &[], Severity::Error, &mut unheard);
            promises::read(&file, &value, &mut found, diagnostics);
        }
        found
    }

    /// Files that dbt reads and this product does not yet.
    fn report_unread(&self, diagnostics: &mut Vec<Diagnostic>) {
        if self.folder.exists("catalogs.yml") {
            let message = "catalogs in \"catalogs.yml\" have no effect yet".to_owned();
            diagnostics.push(Diagnostic::warning(codes::UNSUPPORTED_RESOURCE, message));
        }
    }
}

fn empty_library() -> Arc<MacroLibrary> {
    Arc::new(MacroLibrary::new("", "duckdb", BTreeMap::new(), Vec::new()).0)
}

fn dialect_of(kind: &str, diagnostics: &mut Vec<Diagnostic>) -> String {
    match kind {
        "duckdb" | "postgres" | "snowflake" | "bigquery" => kind.to_owned(),
        "redshift" => "postgres".to_owned(),
        other => {
            let message = format!("the profile's type \"{other}\" is no dialect known here");
            diagnostics.push(
                Diagnostic::warning(codes::WRONG_VALUE, message)
                    .note("The project's SQL is read as duckdb's.")
                    .help("Set \"dialect:\" in fiveply.yml."),
            );
            "duckdb".to_owned()
        }
    }
}

fn properties(
    packages: &[Package],
    contents: &[Content],
    renderer: &Renderer,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Properties> {
    let mut found = Vec::new();
    for (index, (package, content)) in packages.iter().zip(contents).enumerate() {
        let mut own = Vec::new();
        found.push(content.properties(package, renderer, &mut own));
        // Warnings about a package's own files are its author's affair.
        diagnostics.extend(own.into_iter().filter(|problem| index == 0 || problem.is_error()));
    }
    found
}

/// Names per kind that one warning lists.
const NAMES_LISTED_MAX: usize = 10;

/// What is known and not built yet: one warning for each kind, with names.
fn report_unsupported(graph: &Graph, diagnostics: &mut Vec<Diagnostic>) {
    let mut kinds: BTreeMap<String, Vec<&crate::node::Node>> = BTreeMap::new();
    for node in graph.nodes.values().filter(|node| node.package == graph.root_package) {
        if node.is_python() {
            kinds.entry("Python model".to_owned()).or_default().push(node);
        }
    }
    for (kind, nodes) in kinds {
        let listed = nodes.iter().take(NAMES_LISTED_MAX).map(|node| format!("\"{}\"", node.name));
        let mut names: Vec<String> = listed.collect();
        if nodes.len() > NAMES_LISTED_MAX {
            names.push(format!("{} more", nodes.len() - NAMES_LISTED_MAX));
        }
        let message = match nodes.len() {
            1 => format!("1 {kind} is skipped: not built yet"),
            count => format!("{count} {} are skipped: not built yet", plural(&kind)),
        };
        let mut problem = Diagnostic::warning(codes::UNSUPPORTED_RESOURCE, message);
        if let Some(node) = nodes.first() {
            problem = problem.at(node.span.clone(), "");
        }
        let names = names.join(", ");
        diagnostics.push(problem.note(format!("They stay in the graph, unbuilt: {names}.")));
    }
}

fn plural(kind: &str) -> String {
    match kind.strip_suffix("query") {
        Some(stem) => format!("{stem}queries"),
        None => format!("{kind}s"),
    }
}

fn report_unused_paths(root: &Package, graph: &Graph, diagnostics: &mut Vec<Diagnostic>) {
    for (key, tree) in root.file.trees() {
        let fqns: BTreeSet<&[String]> = graph
            .nodes
            .values()
            .chain(graph.disabled.values())
            .filter(|node| project_file::tree_key(node.kind) == Some(key))
            .map(|node| node.fqn.as_slice())
            .collect();
        config_tree::report_unused(key, tree, &fqns, diagnostics);
    }
}

/// Whether SQL and paths can carry the name as it stands.
fn is_environment_name(name: &str) -> bool {
    let letters = |letter: char| letter.is_alphanumeric() || "_-.@+ ".contains(letter);
    !name.trim().is_empty() && !name.starts_with('.') && name.chars().all(letters)
}
