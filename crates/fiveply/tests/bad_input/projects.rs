//! Broken projects: the fault is drawn where it stands, whatever the command.

use insta::assert_snapshot;
use serde_json::Value;
use testkit::Folder;

use super::{GOOD, PROJECT, assert_no_panic, document, fiveply, project, settled};

/// Name of each case and its files; a case without a dbt_project.yml gets a good one.
fn cases() -> Vec<(&'static str, &'static str)> {
    let text = include_str!("projects.txt");
    let cases = text.split("//= ").filter_map(|case| case.split_once('\n'));
    cases.collect()
}

fn errors(document: &Value) -> Vec<Value> {
    let diagnostics = document["diagnostics"].as_array().cloned().unwrap_or_default();
    diagnostics.into_iter().filter(|one| one["severity"] == "error").collect()
}

#[test]
fn every_broken_project_is_drawn_with_its_place_and_what_to_do() {
    let cases = cases();
    assert!(cases.len() >= 20, "{}", cases.len());
    for (name, files) in cases {
        let base = if files.contains("-- dbt_project.yml --") { "" } else { PROJECT };
        let folder = Folder::with(&format!("{base}{GOOD}{files}")).unwrap();
        let fiveply = fiveply(folder.path());

        let drawn = fiveply.run(&["build"]).unwrap();
        assert_no_panic(&drawn);
        assert_eq!(drawn.code, Some(2), "{name}: {drawn:#?}");
        assert!(drawn.stdout.is_empty(), "{name}: {drawn:#?}");
        assert_snapshot!(name, settled(&drawn.stderr, folder.path()));

        let parsed = fiveply.run(&["parse", "--output", "json"]).unwrap();
        assert_eq!(parsed.code, Some(2), "{name}");
        let parsed = document(&parsed);
        let built = fiveply.run(&["build", "--output", "json"]).unwrap();
        assert_eq!(built.code, Some(2), "{name}");
        assert_eq!(errors(&parsed), errors(&document(&built)), "{name}");
        for error in errors(&parsed) {
            assert!(error["place"]["line"].is_u64(), "{name} has no place: {error}");
            assert!(error["place"]["column"].is_u64(), "{name} has no column: {error}");
            assert!(!error["help"].as_array().unwrap().is_empty(), "{name}: no help: {error}");
        }
        // The good files beside it were read: two models and a test.
        assert!(parsed["nodes"].as_u64().unwrap() >= 3, "{name}: {parsed}");
        assert!(!folder.path().join(".fiveply").exists(), "{name}: something was built");
    }
}

#[test]
fn files_that_are_no_text_are_named_and_the_others_are_read() {
    let (folder, fiveply) = project("");
    folder.write("models/latin.sql", b"select 'caf\xe9' as name\n").unwrap();
    folder.write("models/latin.yml", b"models: [{name: good, description: caf\xe9}]\n").unwrap();
    folder.write("models/bytes.sql", b"\x00\x01\x02\xff\xfe").unwrap();
    let drawn = fiveply.run(&["parse"]).unwrap();
    assert_no_panic(&drawn);
    assert_eq!(drawn.code, Some(2));
    assert_snapshot!(settled(&drawn.stderr, folder.path()));
}

#[test]
fn yaml_bombs_and_deep_nesting_end_in_a_named_limit() {
    let bomb: String = (1..20)
        .map(|level| {
            let alias = format!("*a{}, ", level - 1).repeat(9);
            format!("a{level}: &a{level} [{alias}]\n")
        })
        .collect();
    let (folder, fiveply) = project("");
    folder.write("models/bomb.yml", format!("a0: &a0 [x]\n{bomb}").as_bytes()).unwrap();
    folder.write("models/deep.yml", format!("models: {}", "[".repeat(100_000)).as_bytes()).unwrap();
    let jinja = format!("select {{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000));
    folder.write("models/deep.sql", jinja.as_bytes()).unwrap();
    let parsed = fiveply.run(&["parse", "--output", "json"]).unwrap();
    assert_eq!(parsed.code, Some(2));
    let errors = errors(&document(&parsed));
    let files: Vec<&str> = errors.iter().filter_map(|e| e["place"]["file"].as_str()).collect();
    for file in ["models/bomb.yml", "models/deep.yml", "models/deep.sql"] {
        assert!(files.contains(&file), "{file} is not among {files:?}");
    }
}

const BROKEN_MODELS: &str = "\
-- models/grammar.sql --
select id,, id
from {{ ref('fine') }}
-- models/column.sql --
select idd
from {{ ref('fine') }}
-- models/relation.sql --
select * from elsewhere.nothing
-- models/function.sql --
select flor(id) from {{ ref('fine') }}
-- models/value.sql --
{{ config(materialized='table') }}
select cast('x' || id as integer) as number from {{ ref('fine') }}
-- models/statement.sql --
delete from {{ ref('fine') }}
-- models/open_quote.sql --
select 'never closed from {{ ref('fine') }}
-- models/raised.sql --
{% if execute %}{{ exceptions.raise_compiler_error('not today') }}{% endif %}
select 1
-- models/macro.sql --
select {{ surrogat_key('id') }} as key
-- models/materialization.sql --
{{ config(materialized='tabel') }} select 1
-- models/after.sql --
select * from {{ ref('column') }}
";

#[test]
fn broken_sql_fails_its_own_model_and_the_others_are_built() {
    let (folder, fiveply) = project(BROKEN_MODELS);
    fiveply.good(&["parse"]).unwrap();
    let built = fiveply.run(&["build", "--threads", "1"]).unwrap();
    assert_no_panic(&built);
    assert_eq!(built.code, Some(1), "{built:#?}");
    assert_snapshot!(settled(&built.stderr, folder.path()));
    assert_eq!(fiveply.value("select count(*) from good").unwrap(), 1);

    folder.write("models/column.sql", b"select id from {{ ref('fine') }}").unwrap();
    let again = fiveply.run(&["build", "--output", "json", "-s", "column", "after"]).unwrap();
    assert_eq!(again.code, Some(0), "{again:#?}");
    assert_eq!(fiveply.value("select count(*) from after").unwrap(), 1);
}

#[test]
fn a_model_that_breaks_later_keeps_its_last_good_version() {
    let (folder, fiveply) = project("");
    let table = |sql: &str| format!("{{{{ config(materialized='table') }}}} {sql}");
    folder.write("models/kept.sql", table("select 7 as id").as_bytes()).unwrap();
    fiveply.good(&["build"]).unwrap();
    for broken in ["select 8 as idd from", "select cast('x' as integer) as id"] {
        folder.write("models/kept.sql", table(broken).as_bytes()).unwrap();
        let built = fiveply.run(&["build"]).unwrap();
        assert_no_panic(&built);
        assert_eq!(built.code, Some(1), "{broken}: {built:#?}");
        assert_eq!(fiveply.value("select id from kept").unwrap(), 7, "{broken}");
    }
}

#[test]
fn broken_seeds_fail_alone() {
    let (folder, fiveply) = project("-- seeds/right.csv --\nid,name\n1,a\n2,b\n");
    folder.write("seeds/ragged.csv", b"id,name\n1,a\n2\n").unwrap();
    folder.write("seeds/quote.csv", b"id,name\n1,\"a\n2,b\n").unwrap();
    folder.write("seeds/latin.csv", b"id,name\n1,caf\xe9\n").unwrap();
    folder.write("seeds/empty.csv", b"").unwrap();
    folder.write("seeds/twice.csv", b"id,id\n1,2\n").unwrap();
    let built = fiveply.run(&["build", "--threads", "1"]).unwrap();
    assert_no_panic(&built);
    assert_eq!(built.code, Some(1), "{built:#?}");
    assert_snapshot!(settled(&built.stderr, folder.path()));
    assert_eq!(fiveply.value("select count(*) from \"right\"").unwrap(), 2);
    assert_eq!(fiveply.value("select count(*) from good").unwrap(), 1);
}
