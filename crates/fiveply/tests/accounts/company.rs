//! A demo folder, played, loaded and built by the real binary.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use demo::{DemoOptions, Incident, Truth};
use serde_json::Value;
use testkit::{Finished, Fiveply, Folder};

use super::books::Books;

pub(crate) struct Company {
    pub(crate) folder: Folder,
    pub(crate) fiveply: Fiveply,
    seed: String,
    scale: &'static str,
}

impl Company {
    /// An empty folder for a company.
    pub(crate) fn new(seed: u64, scale: &'static str) -> Self {
        let folder = Folder::empty().unwrap();
        let fiveply = Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path());
        Self { folder, fiveply, seed: seed.to_string(), scale }
    }

    /// `fiveply demo` in the folder, however it ends.
    pub(crate) fn demo(&self, more: &[&str]) -> Finished {
        let mut arguments = vec!["demo", "--no-serve", "--dir", "."];
        arguments.extend(["--seed", &self.seed, "--scale", self.scale]);
        arguments.extend(more);
        self.fiveply.run(&arguments).unwrap()
    }

    /// `fiveply demo` that must end well.
    pub(crate) fn good_demo(&self, more: &[&str]) -> Finished {
        let finished = self.demo(more);
        assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.stderr);
        finished
    }

    /// Plays the company up to a moment, and neither loads nor builds.
    pub(crate) fn play(&self, incidents: &[Incident], until: DateTime<Utc>) {
        let options = DemoOptions {
            scale: self.scale.parse().unwrap(),
            seed: self.seed.parse().unwrap(),
            until: Some(until),
            incidents: incidents.to_vec(),
            ..DemoOptions::new(self.folder.path())
        };
        demo::generate(&options, &|_| ()).unwrap();
    }

    pub(crate) fn truth(&self) -> Truth {
        Truth::read(self.folder.path()).unwrap()
    }

    pub(crate) fn books(&self) -> Books {
        Books::open(self.folder.path(), self.truth().until)
    }

    /// Replaces text in one file of the project.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let path = self.folder.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name} has no {from:?}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// The rows of every table in an order of their own, without what the loader adds. Of tables
    /// that keep a row for every day, only today's.
    pub(crate) fn tables(&self) -> BTreeMap<String, Vec<String>> {
        let books = self.books();
        let mut tables = BTreeMap::new();
        for table in books.tables() {
            let today = match table.name.as_str() {
                "fact_salesforce_opportunities" | "mart_account_health_daily" => {
                    "where snapshot_date = current_date"
                }
                "feature_churn_user_daily" => "where feature_date = current_date",
                _ => "",
            };
            let rows = books.rows(&format!("select * from {table} {today}"));
            let mut rows: Vec<String> = rows.into_iter().map(plain).collect();
            rows.sort_unstable();
            tables.insert(table.to_string(), rows);
        }
        tables
    }
}

/// A row without what depends on when it was loaded.
fn plain(mut row: Value) -> String {
    if let Value::Object(fields) = &mut row {
        fields.retain(|name, _| {
            !name.starts_with("_fiveply") && name != "run_id" && name != "rejected_at"
        });
    }
    row.to_string()
}

/// Two companies hold the same rows in every table.
pub(crate) fn assert_same(one: &Company, other: &Company) {
    let (one, other) = (one.tables(), other.tables());
    let names = |tables: &BTreeMap<String, Vec<String>>| tables.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other));
    for (table, rows) in &one {
        let differs = rows.iter().zip(&other[table]).find(|(a, b)| a != b);
        assert_eq!(differs, None, "{table}");
        assert_eq!(rows.len(), other[table].len(), "{table}");
    }
}
