//! A small project with open doors, closed when it goes away.

use std::net::SocketAddr;
use std::sync::Arc;

use access::{Access, Identity, NewUser, Role};
use async_trait::async_trait;
use base::system::{SystemFiles, SystemRandomness};
use base::{Clocks, RunId, Secret};
use compute::{Engine, EngineOptions};
use ledger::Ledger;
use project::ProjectOptions;
use server::{
    FiringReference, HttpOptions, Loaded, Operations, Platform, PlatformParts, RunRequest,
    ServerError, SharedPlatform,
};
use storage::Lake;
use testkit::{Folder, Http};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Sets nothing going.
#[derive(Debug)]
struct Idle;

#[async_trait]
impl Operations for Idle {
    async fn start(&self, _: &RunRequest, _: &Identity) -> Result<RunId, ServerError> {
        Ok(RunId::new("started"))
    }

    async fn retry(&self, _: &RunId, _: &Identity) -> Result<RunId, ServerError> {
        Ok(RunId::new("retried"))
    }

    async fn cancel(&self, _: &RunId) -> bool {
        false
    }

    async fn run_job(&self, job: &str, _: &Identity) -> Result<FiringReference, ServerError> {
        Err(ServerError::not_found(format!("there is no job \"{job}\"")))
    }
}

pub(crate) struct House {
    pub(crate) access: Access,
    pub(crate) platform: SharedPlatform,
    pub(crate) address: SocketAddr,
    _folder: Folder,
    _shutdown: DropGuard,
}

impl House {
    /// Opens the doors over a project, written as [`Folder::with`] takes it.
    pub(crate) async fn open(files: &str) -> Self {
        let folder = Folder::with("-- dbt_project.yml --\nname: shop\n").unwrap();
        folder.add(files).unwrap();
        let root = folder.path().to_path_buf();
        let opened = project::open(&root, &ProjectOptions::default(), &SystemFiles);
        assert!(opened.is_clean(), "{:?}", opened.diagnostics);
        let project = Arc::new(opened.project.unwrap());
        let (clocks, randomness) = (Clocks::system(), Arc::new(SystemRandomness));
        let path = root.join(".fiveply/ledger.db");
        let ledger =
            Ledger::open(&path, clocks.clone(), Arc::<SystemRandomness>::clone(&randomness))
                .await
                .unwrap();
        let access = Access::new(ledger.clone());
        let platform = Platform::new(PlatformParts {
            loaded: Loaded::new(Arc::clone(&project), clocks.machine.now()),
            lake: Lake::local(&root.join("warehouse"), clocks.clone(), randomness).unwrap(),
            engine: Engine::new(EngineOptions::default()).unwrap(),
            environment: project.environment.clone(),
            dialect: project.dialect.parse().unwrap(),
            files: Arc::new(SystemFiles),
            access: access.clone(),
            operations: Arc::new(Idle),
            root,
            ledger,
            clocks,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (shared, closing) = (Arc::clone(&platform), shutdown.clone());
        tokio::spawn(server::serve(shared, listener, HttpOptions::default(), closing));
        let _shutdown = shutdown.drop_guard();
        Self { access, platform, address, _folder: folder, _shutdown }
    }

    /// Adds a user whose password is `<name>-password`.
    pub(crate) async fn add_user(&self, name: &str, roles: &[Role]) {
        let password = Secret::new(format!("{name}-password"));
        let new = NewUser { name: name.to_owned(), password, roles: roles.to_vec() };
        self.access.add_user(new).await.unwrap();
    }

    /// A caller who says nothing about who calls.
    pub(crate) fn http(&self) -> Http {
        Http::new(&format!("http://{}", self.address))
    }
}
