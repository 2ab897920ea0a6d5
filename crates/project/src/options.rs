//! What the command line and the environment add to the user's files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};

/// What the command line and the environment add to the user's files.
#[derive(Clone, Debug, Default)]
pub struct ProjectOptions {
    /// `--target`.
    pub target: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--profiles-dir`.
    pub profiles_dir: Option<PathBuf>,
    /// `--vars`.
    pub vars: Map<String, Json>,
    /// The process's environment variables, read once by the binary.
    pub environment_variables: BTreeMap<String, String>,
    /// `--environment`; the target's name otherwise.
    pub environment: Option<String>,
    /// The moment at which the project is read: what `run_started_at` and `datetime.now()` say to
    /// templates that ask while it is read, unless the project sets a clock of its own.
    pub now: Option<DateTime<Utc>>,
    /// Whether to say that the connection of profiles.yml is not used: `debug` does.
    pub announce_ignored_connection: bool,
}

impl ProjectOptions {
    /// An environment variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment_variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
