//! What a user does, project folder in and tables out: each test runs the real binary in a folder
//! of its own and says what must be there afterwards.

mod audits;
mod changed;
mod commands;
mod environments;
mod incremental;
mod intervals;
mod lineage;
mod models;
mod projects;
mod publishing;
mod seeds;
mod worked_examples;

use ledger::{Ledger, TableVersion};
use serde_json::Value;
use testkit::{Finished, Fiveply, Folder};

/// A project that someone works on.
pub(crate) struct Desk {
    pub(crate) folder: Folder,
    pub(crate) fiveply: Fiveply,
}

/// What a `run`, `test`, `seed` or `build` said, as JSON.
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) json: Value,
    pub(crate) stderr: String,
}

impl Desk {
    /// A project in a dialect; `text` as for [`Folder::with`]. It gets a `dbt_project.yml` of its
    /// own unless it brings one.
    pub(crate) fn new(dialect: &str, text: &str) -> Self {
        let folder = Folder::empty().unwrap();
        folder.write("dbt_project.yml", b"name: shop\n").unwrap();
        folder.write("fiveply.yml", format!("dialect: {dialect}\n").as_bytes()).unwrap();
        folder.add(text).unwrap();
        let fiveply = Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path());
        Self { folder, fiveply }
    }

    /// Writes further files, or others in place of those that are there.
    pub(crate) fn add(&self, text: &str) {
        self.folder.add(text).unwrap();
    }

    /// Runs a command with a summary, however it ends.
    pub(crate) fn told(&self, arguments: &[&str]) -> Told {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        let Finished { code, stdout, stderr } = self.fiveply.run(&all).unwrap();
        let json = serde_json::from_str(&stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{stdout}\n{stderr}"));
        Told { code: code.unwrap(), json, stderr }
    }

    /// Runs a command that must succeed.
    pub(crate) fn good(&self, arguments: &[&str]) -> Told {
        let told = self.told(arguments);
        assert_eq!(told.code, 0, "{arguments:?}: {:#}\n{}", told.json, told.stderr);
        told
    }

    /// Runs a command one of whose nodes must fail.
    pub(crate) fn bad(&self, arguments: &[&str]) -> Told {
        let told = self.told(arguments);
        assert_eq!(told.code, 1, "{arguments:?}: {:#}\n{}", told.json, told.stderr);
        told
    }

    /// Runs a command that must be refused before any node runs; what it said.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let finished = self.fiveply.run(arguments).unwrap();
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:#?}");
        finished.stderr
    }

    /// A query's rows, each as its values with spaces between; NULL is `-`.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        self.rows_of(&[], sql)
    }

    /// The same, with further arguments.
    pub(crate) fn rows_of(&self, arguments: &[&str], sql: &str) -> Vec<String> {
        let mut all = vec!["query", "--format", "csv", "--limit", "0"];
        all.extend(arguments);
        all.push(sql);
        let finished = self.fiveply.good(&all).unwrap();
        let plain = |line: &str| {
            let values: Vec<&str> =
                line.split(',').map(|value| if value.is_empty() { "-" } else { value }).collect();
            values.join(" ")
        };
        finished.stdout.lines().skip(1).map(plain).collect()
    }

    /// Lines of a command's standard output, sorted.
    pub(crate) fn lines(&self, arguments: &[&str]) -> Vec<String> {
        let finished = self.fiveply.good(arguments).unwrap();
        let mut lines: Vec<String> = finished.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Every version of a table, oldest first.
    pub(crate) fn versions(&self, environment: &str, table: &str) -> Vec<TableVersion> {
        let (namespace, name) = table.split_once('.').unwrap();
        let (environment, table) = (environment.into(), base::TableName::new(namespace, name));
        let path = self.folder.path().join(".fiveply/ledger.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clocks = base::Clocks::system();
            let randomness = std::sync::Arc::new(base::system::SystemRandomness);
            let ledger = Ledger::open(&path, clocks, randomness).await.unwrap();
            let versions = ledger.table_versions(&environment, &table).await.unwrap();
            ledger.close().await;
            versions
        })
    }
}

impl Told {
    /// What is said about the one node whose id ends in `name`.
    pub(crate) fn node(&self, name: &str) -> &Value {
        let ends = |node: &&Value| {
            let id = node["node"].as_str().unwrap();
            id.ends_with(&format!(".{name}")) || id.contains(&format!(".{name}."))
        };
        let nodes = self.json["nodes"].as_array().unwrap();
        let found: Vec<&Value> = nodes.iter().filter(ends).collect();
        let [node] = found.as_slice() else { panic!("{name}: {found:#?} in {:#}", self.json) };
        node
    }

    /// `name status` of every node, sorted; tests under what their ids call them.
    pub(crate) fn statuses(&self) -> Vec<String> {
        let nodes = self.json["nodes"].as_array().unwrap().iter();
        let mut lines: Vec<String> = nodes
            .map(|node| {
                let name = short(node["node"].as_str().unwrap());
                format!("{name} {}", node["status"].as_str().unwrap())
            })
            .collect();
        lines.sort();
        lines
    }

    /// `name status failures` of every test, on a version or as a step of its own, sorted.
    pub(crate) fn tests(&self) -> Vec<String> {
        let nodes = self.json["nodes"].as_array().unwrap().iter();
        let tests = nodes.flat_map(|node| node["tests"].as_array().unwrap());
        let mut lines: Vec<String> = tests
            .map(|test| {
                let name = short(test["node"].as_str().unwrap());
                format!("{name} {} {}", test["status"].as_str().unwrap(), test["failures"])
            })
            .collect();
        lines.sort();
        lines
    }

    /// Why a node did not succeed.
    pub(crate) fn message(&self, name: &str) -> String {
        self.node(name)["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// `model.shop.orders` → `orders`, `test.shop.unique_orders_id.1a2b` → `unique_orders_id`.
fn short(id: &str) -> &str {
    id.split('.').nth(2).unwrap_or(id)
}
