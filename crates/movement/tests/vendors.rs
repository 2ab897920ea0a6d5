//! The demo's company, loaded as its own ingest files say: once in the middle, once at the end.

use std::sync::Arc;

use base::clock::FixedClock;
use base::{Clocks, SourceFile};
use movement::load_stream;
use project::ingest::{IngestSource, read};

use crate::house::House;

/// The source's file with its calls of `env_var` filled in.
fn source(house: &House, name: &str, variables: &[(String, String)]) -> IngestSource {
    let path = house.folder.path().join("ingest").join(name);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (name, value) in variables {
        let call = format!("{{{{ env_var('{name}', '");
        while let Some(start) = text.find(&call) {
            let end = start + text[start..].find("}}").unwrap() + 2;
            text.replace_range(start..end, value);
        }
    }
    let file = SourceFile::new(format!("ingest/{name}"), text);
    let mut diagnostics = Vec::new();
    let value = project::yaml::read(&file, &mut diagnostics).unwrap();
    let source = read(&file, &value, &mut diagnostics);
    assert_eq!(diagnostics, []);
    source.unwrap()
}

async fn load_all(house: &mut House) -> Vec<String> {
    let company = demo::Company::open(house.folder.path()).unwrap().unwrap();
    let clocks = Clocks::with_business(Arc::new(FixedClock(company.until)));
    house.context.clocks = clocks;
    let vendors = company.start_vendors().await.unwrap();
    let mut lines = Vec::new();
    for file in ["app.yml", "nps.yml", "billing.yml", "crm.yml", "support.yml"] {
        let source = source(house, file, &vendors.environment());
        for stream in &source.streams {
            let outcome = load_stream(&house.context, &source, stream)
                .await
                .unwrap_or_else(|e| panic!("{}.{}: {e}", source.name, stream.name));
            assert!(outcome.account.holds());
            let account = outcome.account;
            assert_eq!(outcome.changed_files, [""; 0]);
            lines.push(format!(
                "{}: {} read, {} inserted, {} updated, {} deleted, {} rejected; {} rows",
                outcome.table,
                account.read,
                account.inserted,
                account.updated,
                account.deleted,
                account.rejected,
                outcome.rows
            ));
        }
    }
    lines
}

#[tokio::test]
async fn a_load_in_two_steps_gives_the_rows_of_one() {
    let mut stepped = House::new().await;
    let options =
        demo::DemoOptions { scale: 0.003, ..demo::DemoOptions::new(stepped.folder.path()) };
    let middle = demo::DemoOptions {
        until: Some("2026-05-10T09:30:00Z".parse().unwrap()),
        ..options.clone()
    };
    demo::generate(&middle, &|_| {}).unwrap();
    load_all(&mut stepped).await;
    demo::generate(&options, &|_| {}).unwrap();
    load_all(&mut stepped).await;
    let again = load_all(&mut stepped).await;

    let mut whole = House::new().await;
    demo::generate(&demo::DemoOptions { dir: whole.folder.path().into(), ..options }, &|_| {})
        .unwrap();
    let first = load_all(&mut whole).await;
    insta::assert_snapshot!(first.join("\n"));
    let rows = |line: &String| line.rsplit("; ").next().unwrap().to_owned();
    let tables = |line: &String| line.split(':').next().unwrap().to_owned();
    for (again, first) in again.iter().zip(&first) {
        assert_eq!((tables(again), rows(again)), (tables(first), rows(first)));
        assert!(again.contains(" 0 inserted, 0 updated, 0 deleted"), "{again}");
    }
}
