//! Opens everything a command works with: the project, its two clocks, ledger, lake and engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::clock::{Anchor, RunningClock};
use base::system::{SystemClock, SystemFiles, SystemRandomness};
use base::{Clock, Clocks, Diagnostic, EnvironmentName, Files, Randomness, SourceFile};
use chrono::{DateTime, Utc};
use compute::{Dialect, Engine, EngineOptions};
use consumption::ConsumptionContext;
use ledger::Ledger;
use project::{Project, ProjectOptions, Settings, yaml};
use serde_json::{Map, Value};
use storage::Lake;
use tokio_util::sync::CancellationToken;
use transformation::Tools;

use crate::arguments::Common;
use crate::console::Console;
use crate::draw;
use crate::events::{self, warnings};
use crate::failure::Failure;

/// The file that makes a folder a project.
const PROJECT_FILE: &str = "dbt_project.yml";

/// A project that was read.
#[derive(Clone, Debug)]
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
    let warnings = match errors.is_empty() {
        true => warnings::of_project(warnings)?,
        false => warnings,
    };
    for warning in warnings.iter().filter(|_| !events::speaks_dbt()) {
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
        profile: common.profile.clone(),
        profiles_dir: common.profiles_dir.clone(),
        vars: read_vars(common.vars.as_deref())?,
        environment_variables: variables,
        environment: common.environment.clone(),
        now: Some(SystemClock.now()),
        ..ProjectOptions::default()
    };
    let mut opened = project::open(&root, &options, &SystemFiles);
    let unchecked = |name: &str| {
        let value = options.environment_variables.get(name).map(|value| value.to_lowercase());
        value.is_some_and(|value| ["0", "f", "false", "n", "no"].contains(&value.as_str()))
    };
    if unchecked("DBT_VERSION_CHECK") || std::env::args_os().any(|w| w == "--no-version-check") {
        opened.diagnostics.retain(|one| one.code != project::codes::VERSION_REFUSED);
    }
    if let Some(project) = &opened.project {
        opened.diagnostics.extend(orchestration::check_jobs(project));
        let now = project.settings.clock.unwrap_or_else(|| SystemClock.now());
        opened.diagnostics.extend(project.graph.deprecations(now));
    }
    Ok((opened, root))
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

/// Reads a mapping that stands on the command line.
///
/// # Errors
/// When it is none.
pub(crate) fn read_mapping(name: &str, text: &str) -> Result<Map<String, Value>, Failure> {
    let mut diagnostics = Vec::new();
    let value = yaml::read(&SourceFile::new(name, text), &mut diagnostics);
    match value.map(|value| value.to_json()) {
        Some(Value::Object(fields)) => Ok(fields),
        Some(_) | None => Err(Failure::usage(format!("{name} is no mapping"))
            .help(format!("Write it as {name} '{{day: 2026-05-22, limit: 10}}'."))
            .diagnostics(diagnostics)),
    }
}

fn read_vars(text: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(Map::new()) };
    read_mapping("--vars", text)
}

/// Everything a command works with. A clone shares it.
#[derive(Clone, Debug)]
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
    /// The project's own clock, if it has one.
    pub(crate) own_clock: Option<OwnClock>,
}

/// A project's own business clock: `clock:` in fiveply.yml.
#[derive(Clone, Debug)]
pub(crate) struct OwnClock {
    /// The key under which the ledger keeps it.
    pub(crate) setting: String,
    /// Where it stands first.
    pub(crate) first: DateTime<Utc>,
    /// Business seconds in a real second, while a server runs it.
    pub(crate) speed: f64,
    clock: Arc<RunningClock>,
}

impl OwnClock {
    fn of(settings: &Settings) -> Option<Self> {
        let first = settings.clock?;
        let speed = settings.clock_speed;
        let standing = Anchor::standing(first);
        let clock = Arc::new(RunningClock::new(Arc::new(SystemClock), standing));
        Some(Self { setting: format!("{first} x{speed}"), first, speed, clock })
    }

    /// Shows what a server shows that runs it now, or where the last one left it.
    async fn follow(&self, ledger: &Ledger) -> Result<(), Failure> {
        if let Some(known) = ledger.business_clock(&self.setting).await? {
            let runs = known.runs(ledger.clocks().machine.now());
            self.clock.set(if runs { known.anchor } else { Anchor::standing(known.last_shown()) });
        }
        Ok(())
    }

    /// Runs it on from where it stands, together with every other server.
    pub(crate) async fn run(&self, ledger: &Ledger) -> Result<(), Failure> {
        let anchor = ledger.run_business_clock(&self.setting, self.first, self.speed).await?;
        self.clock.set(anchor);
        Ok(())
    }
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
        let own_clock = OwnClock::of(&project.settings);
        let clocks = match &own_clock {
            Some(own) => Clocks::with_business(Arc::clone(&own.clock) as Arc<dyn Clock>),
            None => Clocks::system(),
        };
        let randomness: Arc<dyn Randomness> = Arc::new(SystemRandomness);
        let ledger_path = root.join(&project.settings.ledger);
        let ledger = Ledger::open(&ledger_path, clocks.clone(), Arc::clone(&randomness)).await?;
        if let Some(own) = &own_clock {
            own.follow(&ledger).await?;
        }
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
        Ok(Self { root, project, ledger, lake, engine, environment, dialect, clocks, own_clock })
    }

    /// The same place with a newer reading of the project's files.
    pub(crate) fn with_project(&self, project: Arc<Project>) -> Self {
        Self { project, ..self.clone() }
    }

    /// What syncs and feature views work with.
    pub(crate) fn consumption(&self, cancel: CancellationToken) -> ConsumptionContext {
        ConsumptionContext {
            project: Arc::clone(&self.project),
            ledger: self.ledger.clone(),
            lake: self.lake.clone(),
            engine: self.engine.clone(),
            environment: self.environment.clone(),
            dialect: self.dialect,
            clocks: self.clocks.clone(),
            cancel,
        }
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
