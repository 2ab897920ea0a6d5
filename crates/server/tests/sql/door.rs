//! A small lake with the SQL door open over it, closed when it goes away.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

use access::{Access, Identity, NewUser, Role};
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    ListBuilder, RecordBatch, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field};
use async_trait::async_trait;
use base::system::{SystemFiles, SystemRandomness};
use base::{Clocks, EnvironmentName, RunId, Secret, TableName};
use compute::{Engine, EngineOptions};
use ledger::{Commit, Ledger};
use project::ProjectOptions;
use server::sql::SqlOptions;
use server::{
    FiringReference, Loaded, Operations, Platform, PlatformParts, RunRequest, ServerError,
    SharedPlatform,
};
use storage::{Lake, StageOptions, ViewDefinition};
use testkit::Folder;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Rows of `shop.orders`.
pub(crate) const ORDERS: i64 = 5_000;

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

pub(crate) struct Door {
    pub(crate) platform: SharedPlatform,
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: tokio::task::JoinHandle<Result<(), ServerError>>,
    folder: Folder,
    _closing: DropGuard,
}

const PROJECT: &str = "
-- dbt_project.yml --
name: bazaar
-- profiles.yml --
bazaar:
  target: prod
  outputs:
    prod: {type: duckdb, schema: shop}
-- models/orders.sql --
select 1 as id
-- models/properties.yml --
models:
  - name: orders
    description: One line for each order.
    columns:
      - {name: id, description: The number on the receipt.}
";

impl Door {
    pub(crate) async fn open() -> Self {
        Self::with(SqlOptions::default()).await
    }

    pub(crate) async fn with(options: SqlOptions) -> Self {
        let folder = Folder::with(PROJECT).unwrap();
        let root = folder.path().to_path_buf();
        let opened = project::open(&root, &ProjectOptions::default(), &SystemFiles);
        let project = Arc::new(opened.project.unwrap());
        let (clocks, randomness) = (Clocks::system(), Arc::new(SystemRandomness));
        let path = root.join(".fiveply/ledger.db");
        let ledger =
            Ledger::open(&path, clocks.clone(), Arc::<SystemRandomness>::clone(&randomness))
                .await
                .unwrap();
        let lake = Lake::local(&root.join("warehouse"), clocks.clone(), randomness).unwrap();
        fill(&ledger, &lake, &project.environment).await;
        let platform = Platform::new(PlatformParts {
            loaded: Loaded::new(Arc::clone(&project), clocks.machine.now()),
            lake,
            engine: Engine::new(EngineOptions::default()).unwrap(),
            environment: project.environment.clone(),
            dialect: project.dialect.parse().unwrap(),
            files: Arc::new(SystemFiles),
            access: Access::new(ledger.clone()),
            operations: Arc::new(Idle),
            root,
            ledger,
            clocks,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (shared, closing) = (Arc::clone(&platform), shutdown.clone());
        let served = tokio::spawn(server::sql::serve(shared, listener, options, closing));
        let guard = shutdown.clone().drop_guard();
        Self { platform, address, shutdown, served, folder, _closing: guard }
    }

    /// Adds a user whose password is `<name>-password`.
    pub(crate) async fn add_user(&self, name: &str, roles: &[Role]) {
        let password = Secret::new(format!("{name}-password"));
        let new = NewUser { name: name.to_owned(), password, roles: roles.to_vec() };
        self.platform.access.add_user(new).await.unwrap();
    }

    /// Runs psql with these arguments.
    pub(crate) async fn psql(&self, arguments: &[&str]) -> Output {
        let folder = std::env::var_os("FIVEPLY_POSTGRES").map(PathBuf::from);
        let folder = folder.expect("FIVEPLY_POSTGRES is not set; run `cargo xtask test`");
        let mut psql = Command::new(folder.join("psql"));
        psql.args(["-X", "-h", "127.0.0.1", "-U", "ana", "-d", "prod", "-p"])
            .arg(self.address.port().to_string())
            .args(arguments)
            .env("PGCONNECT_TIMEOUT", "20")
            .env_remove("PGPASSWORD");
        psql.kill_on_drop(true).output().await.unwrap()
    }

    /// The rows that psql shows, unaligned, without header; its error when it failed.
    pub(crate) async fn asked(&self, sql: &str) -> String {
        let output = self.psql(&["-v", "VERBOSITY=verbose", "-Atc", sql]).await;
        let text = if output.status.success() { output.stdout } else { output.stderr };
        String::from_utf8(text).unwrap().trim_end().to_owned()
    }

    /// Runs a Python program of a driver; its output, which is nothing when all is well.
    pub(crate) async fn python(&self, name: &str, program: &str) -> String {
        let python = std::env::var_os("FIVEPLY_PYTHON");
        let python = python.expect("FIVEPLY_PYTHON is not set; run `cargo xtask test`");
        self.client(Command::new(python), name, program).await
    }

    /// Runs a program with an interpreter, and shows what went wrong.
    pub(crate) async fn client(&self, mut command: Command, name: &str, program: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, program).unwrap();
        let port = self.address.port().to_string();
        command.arg(&path).env("PORT", port).env("PYTHONWARNINGS", "ignore").kill_on_drop(true);
        let output = command.output().await.unwrap();
        let (out, error) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
        let out = String::from_utf8_lossy(&out).into_owned();
        assert!(output.status.success(), "{name} failed:\n{out}\n{error}");
        out
    }
}

async fn fill(ledger: &Ledger, lake: &Lake, environment: &EnvironmentName) {
    write(ledger, lake, environment, &TableName::new("shop", "orders"), orders()).await;
    let ids = Int64Array::from(vec![1, 2]);
    let names = StringArray::from(vec![Some("Ana"), None]);
    let contacts = [("id", Arc::new(ids) as ArrayRef), ("Name", Arc::new(names) as ArrayRef)];
    let contacts = RecordBatch::try_from_iter(contacts).unwrap();
    write(ledger, lake, environment, &TableName::new("crm", "contacts"), contacts).await;
    let view = ViewDefinition {
        sql: "select id, amount from shop.orders where amount > 40".to_owned(),
        dialect: "postgres".to_owned(),
        schema: Arc::new(arrow::datatypes::Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("amount", DataType::Decimal128(12, 2), true),
        ])),
        default_namespace: "shop".to_owned(),
    };
    let commit = ledger.new_commit_id();
    let name = TableName::new("shop", "large_orders");
    let staged =
        lake.stage_view(&name, None, &view, &StageOptions::new(commit.clone())).await.unwrap();
    let commit = Commit::new(commit, environment.clone()).swing(staged.swing);
    ledger.commit(&commit).await.unwrap();
}

async fn write(
    ledger: &Ledger,
    lake: &Lake,
    environment: &EnvironmentName,
    name: &TableName,
    rows: RecordBatch,
) {
    let commit = ledger.new_commit_id();
    let mut stage = lake.stage(environment, name, None, StageOptions::new(commit.clone()));
    stage.write(rows).await.unwrap();
    let staged = stage.finish().await.unwrap();
    let commit = staged.into_commit(Commit::new(commit, environment.clone()));
    ledger.commit(&commit).await.unwrap();
}

fn orders() -> RecordBatch {
    let ids: Vec<i64> = (1..=ORDERS).collect();
    let amounts = ids.iter().map(|id| Some(i128::from(id % 100) * 50 + 25));
    let amounts = amounts.collect::<Decimal128Array>().with_precision_and_scale(12, 2).unwrap();
    let start = 1_767_225_600_000_000_i64;
    let placed = ids.iter().map(|id| start + id * 1_500_000);
    let placed = TimestampMicrosecondArray::from_iter_values(placed).with_timezone("UTC");
    let customer = |id: &i64| if id % 7 == 0 { None } else { Some(format!("c{}", id % 10)) };
    let mut tags = ListBuilder::new(StringBuilder::new());
    for id in &ids {
        if id % 2 == 0 {
            tags.values().append_value("new");
            tags.values().append_value("a,b");
        }
        tags.append(id % 3 != 0);
    }
    let zips = StringArray::from_iter_values(ids.iter().map(|id| format!("{:05}", id % 97)));
    let field = Arc::new(Field::new("zip", DataType::Utf8, true));
    let address = StructArray::from(vec![(field, Arc::new(zips) as ArrayRef)]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(ids.clone()))),
        ("customer", Arc::new(ids.iter().map(customer).collect::<StringArray>())),
        ("amount", Arc::new(amounts)),
        ("placed_at", Arc::new(placed)),
        (
            "day",
            Arc::new(Date32Array::from_iter_values(
                ids.iter().map(|id| 20_454 + i32::try_from(id % 30).unwrap()),
            )),
        ),
        ("paid", Arc::new(BooleanArray::from_iter(ids.iter().map(|id| Some(id % 2 == 0))))),
        (
            "score",
            Arc::new(Float64Array::from_iter(
                ids.iter().map(|id| Some(f64::from(i32::try_from(*id).unwrap()) / 4.0)),
            )),
        ),
        ("tags", Arc::new(tags.finish())),
        ("address", Arc::new(address)),
        (
            "photo",
            Arc::new(BinaryArray::from_iter_values(
                ids.iter().map(|id| [0_u8, u8::try_from(id % 256).unwrap()]),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}
