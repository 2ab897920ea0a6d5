//! Opens everything a command works with: the project, its two clocks, ledger, lake and engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::clock::FixedClock;
use base::system::{SystemFiles, SystemRandomness};
use base::{Clocks, Diagnostic, EnvironmentName, Files, Randomness, SourceFile};
use compute::{Dialect, Engine, EngineOptions};
use ledger::Ledger;
use project::{Project, ProjectOptions, yaml};
use serde_json::{Map, Value};
use storage::Lake;
use transformation::Tools;

use crate::arguments::Common;
use crate::console::Console;
use crate::draw;
use crate::failure::Failure;

/// The file that makes a folder a project.
const PROJECT_FILE: &str = "dbt_project.yml";

/// A project that was read.
#[derive(Debug)]
pub(crate) struct OpenedProject {
    /// Its folder.
    pub(crate) root: PathBuf,
    /// The project.
    pub(crate) project: Arc<Project>,
}

/// Reads the project and shows what is to be said about its files.
///
/// # Errors
/// When there is no project, or its files have errors.
pub(crate) fn open_project(
    common: &Common,
    extra_variables: &[(String, String)],
    console: &Console,
) -> Result<OpenedProject, Failure> {
    let (opened, root) = read_project(common, extra_variables)?;
    let (errors, warnings): (Vec<Diagnostic>, Vec<Diagnostic>) =
        opened.diagnostics.into_iter().partition(Diagnostic::is_error);
    for warning in &warnings {
        console.say(&draw::draw(warning, console.colours));
        console.say("");
    }
    match opened.project {
        Some(project) if errors.is_empty() => {
            Ok(OpenedProject { root, project: Arc::new(project) })
        }
        Some(_) | None => Err(Failure::project(errors)),
    }
}

/// Reads the project, whatever is wrong with it.
///
/// # Errors
/// When there is no project, or `--vars` is no mapping.
pub(crate) fn read_project(
    common: &Common,
    extra_variables: &[(String, String)],
) -> Result<(project::Opened, PathBuf), Failure> {
    let root = find_root(common.project_dir.as_deref())?;
    let mut variables: BTreeMap<String, String> = std::env::vars().collect();
    variables.extend(extra_variables.iter().cloned());
    let options = ProjectOptions {
        target: common.target.clone(),
        profiles_dir: common.profiles_dir.clone(),
        vars: read_vars(common.vars.as_deref())?,
        environment_variables: variables,
        environment: common.environment.clone(),
        ..ProjectOptions::default()
    };
    Ok((project::open(&root, &options, &SystemFiles), root))
}

/// The project's folder: as given, or the nearest one upward.
///
/// # Errors
/// When no folder upward is a project.
pub(crate) fn find_root(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let start = match given {
        Some(folder) => folder.to_path_buf(),
        None => std::env::current_dir()?,
    };
    let absolute = std::path::absolute(&start)?;
    let mut folder: &Path = &absolute;
    loop {
        if SystemFiles.exists(&folder.join(PROJECT_FILE)) {
            return Ok(folder.to_path_buf());
        }
        match folder.parent() {
            Some(parent) if given.is_none() => folder = parent,
            Some(_) | None => break,
        }
    }
    Err(Failure::usage(format!("no {PROJECT_FILE} in \"{}\"", absolute.display()))
        .help("Go to a project's folder, name it with --project-dir, or try `fiveply demo`."))
}

fn read_vars(text: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(Map::new()) };
    let mut diagnostics = Vec::new();
    let value = yaml::read(&SourceFile::new("--vars", text), &mut diagnostics);
    match value.map(|value| value.to_json()) {
        Some(Value::Object(vars)) => Ok(vars),
        Some(_) | None => Err(Failure::usage("--vars is no mapping")
            .help("Write it as --vars '{day: 2026-05-22, limit: 10}'.")
            .diagnostics(diagnostics)),
    }
}

/// Everything a command works with.
#[derive(Debug)]
pub(crate) struct Workplace {
    /// The project's folder.
    pub(crate) root: PathBuf,
    /// The project.
    pub(crate) project: Arc<Project>,
    /// What must never be forgotten.
    pub(crate) ledger: Ledger,
    /// The tables.
    pub(crate) lake: Lake,
    /// Runs queries.
    pub(crate) engine: Engine,
    /// Where tables are read and published.
    pub(crate) environment: EnvironmentName,
    /// The dialect of the project's SQL.
    pub(crate) dialect: Dialect,
    /// Both clocks.
    pub(crate) clocks: Clocks,
}

impl Workplace {
    /// Opens ledger, lake and engine of a project.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub(crate) async fn open(
        opened: OpenedProject,
        time_limit: Option<Duration>,
    ) -> Result<Self, Failure> {
        let OpenedProject { root, project } = opened;
        let clocks = match project.settings.clock {
            Some(now) => Clocks::with_business(Arc::new(FixedClock(now))),
            None => Clocks::system(),
        };
        let randomness: Arc<dyn Randomness> = Arc::new(SystemRandomness);
        let ledger_path = root.join(&project.settings.ledger);
        let ledger = Ledger::open(&ledger_path, clocks.clone(), Arc::clone(&randomness)).await?;
        let warehouse = root.join(&project.settings.warehouse);
        let lake = Lake::local(&warehouse, clocks.clone(), randomness)?;
        let limits = &project.settings.limits;
        let mut options = EngineOptions::default();
        if let Some(bytes) = limits.memory_bytes {
            options.memory_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        if let Some(threads) = limits.threads {
            options.threads = threads as usize;
        }
        options.time_limit = time_limit.or(limits.query_seconds.map(Duration::from_secs));
        let engine = Engine::new(options)?;
        let dialect = project.dialect.parse::<Dialect>()?;
        let environment = project.environment.clone();
        Ok(Self { root, project, ledger, lake, engine, environment, dialect, clocks })
    }

    /// What a workshop is made of.
    pub(crate) fn tools(&self) -> Tools {
        Tools {
            project: Arc::clone(&self.project),
            ledger: self.ledger.clone(),
            lake: self.lake.clone(),
            engine: self.engine.clone(),
            files: Arc::new(SystemFiles),
            environment: self.environment.clone(),
            dialect: self.dialect,
        }
    }
}
