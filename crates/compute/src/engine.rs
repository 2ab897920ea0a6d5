//! The engine: threads, memory, spill space and caches that all sessions of a process share.

use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use iceberg::io::FileIO;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::OnceCell;
use tokio_util::task::AbortOnDropHandle;

use crate::catalog::Catalog;
use crate::error::QueryError;
use crate::front::Dialect;
use crate::provider::LakeVersion;
use crate::session::{Session, SessionOptions};

/// Bytes of stack of a query thread: deep expressions recurse while they are planned.
const THREAD_STACK_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of Parquet footers kept.
const FOOTER_CACHE_BYTES: usize = 256 * 1024 * 1024;
/// Table versions whose manifests are kept.
const VERSIONS_KEPT_MAX: usize = 1_000;
/// Planners kept: dialects times the time zones of clients.
const PLANNERS_KEPT_MAX: usize = 64;
/// Bytes of spill files of all queries together, unless the options say otherwise.
const SPILL_BYTES: u64 = 200 * 1024 * 1024 * 1024;
/// Operators named when memory runs out.
const CONSUMERS_NAMED: usize = 3;

/// How much of the machine queries may use.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Bytes all queries may hold before they spill, and at most where they cannot.
    pub memory_bytes: usize,
    /// Folder for spill files; the system's temporary folder when absent.
    pub spill_folder: Option<PathBuf>,
    /// Bytes of all spill files together.
    pub spill_bytes: u64,
    /// Threads that plan and run queries, and partitions of a plan.
    pub threads: usize,
    /// Time after which a query is ended.
    pub time_limit: Option<Duration>,
    /// Rows in one batch.
    pub batch_rows: usize,
    /// Whether filters look at a column before the others of the row are decoded: faster for
    /// most filters, a little slower for those that keep nearly all.
    pub filter_while_decoding: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            memory_bytes: base::limits::QUERY_MEMORY_BYTES,
            spill_folder: None,
            spill_bytes: SPILL_BYTES,
            threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            time_limit: None,
            batch_rows: base::limits::BATCH_ROWS,
            filter_while_decoding: true,
        }
    }
}

/// Runs queries; a cheap clone.
///
/// Queries have threads of their own, so that one that never yields leaves the caller's timers,
/// and with them time limit and cancellation, alive.
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: EngineOptions,
    environment: Arc<RuntimeEnv>,
    threads: Threads,
    versions: Mutex<HashMap<String, Arc<OnceCell<Arc<LakeVersion>>>>>,
    planners: Mutex<HashMap<(Dialect, String), SessionState>>,
}

#[derive(Debug)]
struct Threads {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        // The last clone may go inside async code, where waiting for threads would panic.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Engine {
    /// Starts the threads and sets the bounds.
    ///
    /// # Errors
    /// When threads cannot be started or the spill folder cannot be made.
    pub fn new(options: EngineOptions) -> Result<Self, QueryError> {
        let threads = options.threads.max(1);
        let options = EngineOptions { threads, ..options };
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("fiveply-query")
            .thread_stack_size(THREAD_STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| {
                QueryError::new(
                    base::ErrorKind::Storage,
                    format!("the engine's {threads} threads could not be started: {error}"),
                )
            })?;
        let environment = Arc::new(environment(&options)?);
        let threads = Threads { handle: runtime.handle().clone(), runtime: Some(runtime) };
        let (versions, planners) = (Mutex::default(), Mutex::default());
        let shared = Shared { options, environment, threads, versions, planners };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Opens a session over pinned tables.
    pub fn session(&self, catalog: Catalog, options: SessionOptions) -> Session {
        Session::new(self.clone(), catalog, options)
    }

    /// The bounds it works within.
    pub fn options(&self) -> &EngineOptions {
        &self.shared.options
    }

    pub(crate) fn environment(&self) -> &Arc<RuntimeEnv> {
        &self.shared.environment
    }

    /// The planner of a dialect and a time zone with all its functions: `make` is asked once, and
    /// each session takes a copy and adds what is its own.
    pub(crate) fn planner(
        &self,
        dialect: Dialect,
        time_zone: &str,
        make: impl FnOnce() -> Result<SessionState, QueryError>,
    ) -> Result<SessionState, QueryError> {
        let mut planners = self.shared.planners.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (dialect, time_zone.to_owned());
        if let Some(known) = planners.get(&key) {
            return Ok(known.clone());
        }
        let made = make()?;
        if planners.len() >= PLANNERS_KEPT_MAX {
            planners.clear();
        }
        planners.insert(key, made.clone());
        Ok(made)
    }

    /// Runs work on the engine's threads; it is aborted when the caller goes away.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> AbortOnDropHandle<T> {
        AbortOnDropHandle::new(self.shared.threads.handle.spawn(work))
    }

    /// A table version by its metadata file, read once and kept.
    pub(crate) async fn version(
        &self,
        file_io: &FileIO,
        location: &str,
    ) -> Result<Arc<LakeVersion>, QueryError> {
        let slot = {
            let mut versions = self.shared.versions.lock().unwrap_or_else(PoisonError::into_inner);
            if versions.len() >= VERSIONS_KEPT_MAX && !versions.contains_key(location) {
                versions.clear();
            }
            Arc::clone(versions.entry(location.to_owned()).or_default())
        };
        let open = || async { LakeVersion::open(file_io, location).await.map(Arc::new) };
        slot.get_or_try_init(open).await.cloned()
    }
}

fn environment(options: &EngineOptions) -> Result<RuntimeEnv, QueryError> {
    let mode = match &options.spill_folder {
        Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let disk = DiskManagerBuilder::default()
        .with_mode(mode)
        .with_max_temp_directory_size(options.spill_bytes);
    let named = NonZeroUsize::new(CONSUMERS_NAMED).unwrap_or(NonZeroUsize::MIN);
    let memory = TrackConsumersPool::new(FairSpillPool::new(options.memory_bytes), named);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(memory))
        .with_disk_manager_builder(disk)
        .with_metadata_cache_limit(FOOTER_CACHE_BYTES)
        .build()
        .map_err(|error| {
            QueryError::new(
                base::ErrorKind::Storage,
                format!(
                    "the folder for spill files could not be used: {}",
                    error.strip_backtrace()
                ),
            )
        })
}
