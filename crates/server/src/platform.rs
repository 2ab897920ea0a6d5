//! What every door is handed: the project as it was last read without errors, and everything that
//! answers questions about it.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use access::Access;
use base::{Clocks, Diagnostic, EnvironmentName, Files};
use chrono::{DateTime, Utc};
use compute::{Dialect, Engine};
use ledger::Ledger;
use project::Project;
use storage::Lake;

use crate::Operations;

/// What a platform is made of.
#[derive(Debug)]
pub struct PlatformParts {
    /// The project's folder.
    pub root: PathBuf,
    /// The project as it is now, and as it will be.
    pub loaded: Loaded,
    /// What must never be forgotten.
    pub ledger: Ledger,
    /// The tables.
    pub lake: Lake,
    /// Runs queries.
    pub engine: Engine,
    /// Where tables are read and published.
    pub environment: EnvironmentName,
    /// The dialect of the project's SQL.
    pub dialect: Dialect,
    /// Both clocks.
    pub clocks: Clocks,
    /// The project's files.
    pub files: Arc<dyn Files>,
    /// Who may do what.
    pub access: Access,
    /// Sets runs going.
    pub operations: Arc<dyn Operations>,
}

/// What every door needs. Handed about as [`crate::SharedPlatform`].
#[derive(Debug)]
pub struct Platform(PlatformParts);

impl Platform {
    /// Puts the parts together.
    pub fn new(parts: PlatformParts) -> Arc<Self> {
        Arc::new(Self(parts))
    }

    /// The project as it was last read without errors. Take it once per request, so that one
    /// answer never mixes two versions.
    pub fn project(&self) -> Arc<Project> {
        self.0.loaded.project()
    }

    /// How the project's files stand now.
    pub fn standing(&self) -> ProjectStanding {
        self.0.loaded.standing()
    }
}

impl std::ops::Deref for Platform {
    type Target = PlatformParts;

    fn deref(&self) -> &PlatformParts {
        &self.0
    }
}

/// How the project's files stand.
#[derive(Clone, Debug)]
pub struct ProjectStanding {
    /// When the project in use was read, by the machine clock.
    pub loaded_at: DateTime<Utc>,
    /// What is wrong with the files since then; empty when the project in use is the newest.
    pub problems: Vec<Diagnostic>,
}

/// The project in use: replaced when its files change, kept when they are broken. A clone shares
/// it.
#[derive(Clone, Debug)]
pub struct Loaded(Arc<RwLock<(Arc<Project>, ProjectStanding)>>);

impl Loaded {
    /// A project that was just read.
    pub fn new(project: Arc<Project>, loaded_at: DateTime<Utc>) -> Self {
        let standing = ProjectStanding { loaded_at, problems: Vec::new() };
        Self(Arc::new(RwLock::new((project, standing))))
    }

    /// The project in use.
    pub fn project(&self) -> Arc<Project> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// How the files stand.
    pub fn standing(&self) -> ProjectStanding {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Uses a newer project from now on.
    pub fn replace(&self, project: Arc<Project>, loaded_at: DateTime<Utc>) {
        let standing = ProjectStanding { loaded_at, problems: Vec::new() };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (project, standing);
    }

    /// Keeps the project in use, because the files are broken now.
    pub fn keep(&self, problems: Vec<Diagnostic>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).1.problems = problems;
    }
}
