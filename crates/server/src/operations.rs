//! What a door can set going. Only the binary knows how steps are carried out, so that it hands
//! the doors an implementation.

use access::Identity;
use async_trait::async_trait;
use base::RunId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ServerError;

/// What a run does with its nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunCommand {
    /// Loads streams.
    Load,
    /// Loads seeds.
    Seed,
    /// Builds models without tests.
    Run,
    /// Tests what is published.
    Test,
    /// Builds and tests seeds and models.
    #[default]
    Build,
    /// Whatever a job does: loads, builds and tests, then serves features and syncs.
    Job,
}

impl RunCommand {
    /// Every command.
    pub const ALL: &[Self] =
        &[Self::Load, Self::Seed, Self::Run, Self::Test, Self::Build, Self::Job];

    /// The command's word on the command line and in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Seed => "seed",
            Self::Run => "run",
            Self::Test => "test",
            Self::Build => "build",
            Self::Job => "job",
        }
    }
}

/// A run to start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunRequest {
    /// What is done.
    pub command: RunCommand,
    /// Nodes to take, in the words of `--select`; empty for all.
    pub select: Vec<String>,
    /// Nodes to leave out.
    pub exclude: Vec<String>,
    /// Whether incremental models are built from nothing.
    pub full_refresh: bool,
}

/// One run of a job that is due: the row of the ledger that keeps it from running twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FiringReference {
    /// The job.
    pub job: String,
    /// Its moment, by the business clock.
    pub logical_time: DateTime<Utc>,
}

/// Sets things going, in the background: each answers as soon as the ledger knows of it.
#[async_trait]
pub trait Operations: Send + Sync + std::fmt::Debug {
    /// Starts a run of a selection.
    ///
    /// # Errors
    /// When the selection is wrong or takes no node, or the ledger cannot be written.
    async fn start(&self, request: &RunRequest, by: &Identity) -> Result<RunId, ServerError>;

    /// Starts a run of what did not succeed in another one.
    ///
    /// # Errors
    /// When there is no such run, or nothing in it to repeat.
    async fn retry(&self, run: &RunId, by: &Identity) -> Result<RunId, ServerError>;

    /// Asks a run of this process to stop; false when it is not at work here.
    async fn cancel(&self, run: &RunId) -> bool;

    /// Runs a job now, whatever its schedule says.
    ///
    /// # Errors
    /// When there is no such job, or the ledger cannot be written.
    async fn run_job(&self, job: &str, by: &Identity) -> Result<FiringReference, ServerError>;
}
