//! Compiled statements of whole projects, here and at home.
//!
//! `FIVEPLY_STATEMENTS` names a folder with `answers.json` (database, statements, and what their
//! home answered) and `tables/<schema>.<table>.parquet`. Without it nothing is compared: such
//! statements belong to their projects and are not kept here.

use std::path::{Path, PathBuf};

use arrow::record_batch::RecordBatch;
use base::{EnvironmentName, TableName};
use chrono::{TimeZone, Utc};
use compute::{Catalog, Dialect, SessionOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::by_hand::{engine, small};
use crate::differential::{ours, settle, theirs};

fn tables(folder: &Path, mut catalog: Catalog) -> Catalog {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("tables"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    for path in files {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let (schema, table) = stem.split_once('.').unwrap();
        let file = std::fs::File::open(&path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        let columns = arrow::record_batch::RecordBatchReader::schema(&reader);
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        catalog = catalog.with_batches(TableName::new(schema, table), columns, batches);
    }
    catalog
}

#[derive(Default)]
struct Count {
    tried: usize,
    home_refused: usize,
    planned: usize,
    ran: usize,
    equal: usize,
}

#[tokio::test]
async fn compiled_statements_give_the_rows_of_their_home() {
    let Ok(folders) = std::env::var("FIVEPLY_STATEMENTS") else { return };
    let mut different = 0;
    for folder in folders.split(':') {
        different += project(Path::new(folder)).await;
    }
    eprintln!("{different} silent differences");
}

async fn project(folder: &Path) -> usize {
    let text = std::fs::read_to_string(folder.join("answers.json")).unwrap();
    let order: Value = serde_json::from_str(&text).unwrap();
    let database = order["database"].as_str().unwrap();
    let catalog = tables(folder, Catalog::empty(EnvironmentName::new(database)));
    let dialect: Dialect = order["dialect"].as_str().unwrap().parse().unwrap();
    let session = engine(small()).session(
        catalog,
        SessionOptions {
            dialect,
            business_now: Utc.with_ymd_and_hms(2026, 5, 22, 12, 0, 0).unwrap(),
            time_zone: "UTC".to_owned(),
            default_namespace: Some("main".to_owned()),
        },
    );
    let (mut count, mut different) = (Count::default(), 0);
    for statement in order["statements"].as_array().unwrap() {
        let (name, sql) = (&statement["name"], statement["sql"].as_str().unwrap());
        count.tried += 1;
        let Ok(home) = theirs(&statement["answer"]) else {
            count.home_refused += 1;
            continue;
        };
        if let Err(error) = session.prepare(sql).await {
            eprintln!("  not planned {name}: {} / {:?}", error.message, error.help);
            continue;
        }
        count.planned += 1;
        match ours(&session, sql).await {
            Err(error) => eprintln!("  not run {name}: {}", error.message),
            Ok(here) => {
                count.ran += 1;
                let (here, home) = (settle(sql, here), settle(sql, home));
                if here == home {
                    count.equal += 1;
                } else {
                    different += 1;
                    let (here, home) = (format!("{here:?}"), format!("{home:?}"));
                    let at = here.bytes().zip(home.bytes()).take_while(|(a, b)| a == b).count();
                    let from = at.saturating_sub(60);
                    let part = |text: &str| text.chars().skip(from).take(200).collect::<String>();
                    eprintln!(
                        "  DIFFERENT {name}\n    home {}\n    here {}",
                        part(&home),
                        part(&here)
                    );
                }
            }
        }
    }
    eprintln!(
        "{}: {} tried, {} refused at home, {} planned, {} ran, {} equal",
        folder.display(),
        count.tried,
        count.home_refused,
        count.planned,
        count.ran,
        count.equal
    );
    different
}
