//! The web UI as its readers meet it: every page in a real browser, by keyboard, held against the
//! ledger. The pictures of each page are kept in `target/screenshots`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use base::clock::Clocks;
use base::system::SystemRandomness;
use base::{EnvironmentName, LoadAccount, NodeId, RunId};
use ledger::{AccountFilter, Ledger, TestStatus};
use serde_json::{Value, json};
use testkit::{Fiveply, Folder};

#[test]
fn every_page_shows_what_the_ledger_knows_and_nothing_breaks() {
    let folder = Folder::empty().unwrap();
    let maker = Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path());
    let demo = ["demo", "--scale", "0.01", "--incident", "w1", "--dir", "company", "--no-serve"];
    maker.good(&demo).unwrap();
    let company = folder.path().join("company");
    let expected = folder.path().join("expected.json");
    std::fs::write(&expected, expected_figures(&company).to_string()).unwrap();
    let fiveply = Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), &company);
    fiveply.good(&["--quiet", "sync", "run", "account_health"]).unwrap();
    fiveply.good(&["incident", "watch", "--quiet"]).unwrap();
    let up = fiveply.up(&["--no-schedule"]).unwrap();
    let walked = Command::new(tool("FIVEPLY_NODE"))
        .current_dir(walker())
        .args(["walk.js", &format!("{}/", up.url())])
        .arg(&expected)
        .arg(pictures())
        .env("FIVEPLY_CHROMIUM", tool("FIVEPLY_CHROMIUM"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    up.stop().unwrap();
    assert!(walked.status.success(), "\n{}", String::from_utf8_lossy(&walked.stderr));
}

/// What pages must show, read from the ledger by other means than the server's.
fn expected_figures(company: &Path) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let path = company.join(".fiveply/ledger.db");
        let ledger = Ledger::open(&path, Clocks::system(), Arc::new(SystemRandomness));
        let ledger = ledger.await.unwrap();
        let prod = EnvironmentName::new("prod");
        let accounts = ledger.accounts(&AccountFilter::default()).await.unwrap();
        let mut rows: BTreeMap<String, u64> = BTreeMap::new();
        // The newest load of each stream, which may have committed several times.
        let mut loads: BTreeMap<&NodeId, (&Option<RunId>, LoadAccount)> = BTreeMap::new();
        for account in &accounts {
            if let Some(table) = account.account {
                rows.insert(account.table.to_string(), table.after);
            }
            let node = account.node.as_ref().filter(|node| node.as_str().starts_with("stream."));
            if let (Some(node), Some(load)) = (node, account.load) {
                let newest = loads.entry(node).or_insert((&account.run, LoadAccount::default()));
                if newest.0 != &account.run {
                    *newest = (&account.run, LoadAccount::default());
                }
                newest.1.add(&load);
            }
        }
        let read: u64 = loads.values().map(|(_, load)| load.read).sum();
        let rejected: u64 = loads.values().map(|(_, load)| load.rejected).sum();
        let mut tests: BTreeMap<NodeId, TestStatus> = BTreeMap::new();
        let runs = ledger.runs(Some(&prod), 1_000).await.unwrap();
        for run in runs.iter().rev() {
            for result in ledger.test_results(&run.id).await.unwrap() {
                tests.insert(result.test.node, result.test.status);
            }
        }
        let passed = tests.values().filter(|status| **status == TestStatus::Passed).count();
        json!({
            "rows": rows,
            "rows_read": read,
            "rows_rejected": rejected,
            "tests": tests.len(),
            "tests_passed": passed,
            "walk": [
                "stream.app.signups_mobile",
                "model.fiveply_demo.stg_app__signups",
                "model.fiveply_demo.int_signups_deduplicated",
                "model.fiveply_demo.fact_signups",
                "model.fiveply_demo.signups_daily",
            ],
            "walk_end": "main.signups_daily",
        })
    })
}

/// A program that `cargo xtask test` installs.
fn tool(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(program) => PathBuf::from(program),
        None => panic!("{variable} is not set; run the tests with `cargo xtask test`"),
    }
}

/// The folder of the script, with what it needs installed beside it.
fn walker() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::read(sources.join("package-lock.json")).unwrap();
    let stamp = folder.join("installed-lock.json");
    for name in ["package.json", "package-lock.json", "walk.js"] {
        std::fs::copy(sources.join(name), folder.join(name)).unwrap();
    }
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return folder;
    }
    let node = tool("FIVEPLY_NODE");
    let beside = node.parent().unwrap().to_path_buf();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(beside.clone()).chain(std::env::split_paths(&path));
    let installed = Command::new(beside.join("npm"))
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
        .current_dir(&folder)
        .env("PATH", std::env::join_paths(folders).unwrap())
        .output()
        .unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    std::fs::write(&stamp, lock).unwrap();
    folder
}

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots")
}
