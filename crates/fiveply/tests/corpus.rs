//! The error corpus: ways to break a project, each with what its author is shown. What went wrong,
//! where (file, line, column, through the Jinja), why, and what to do next; and what is good beside
//! it stays good.

use std::path::Path;

use insta::assert_snapshot;
use serde_json::Value;
use testkit::{Finished, Fiveply, Folder};

use crate::bad_input::settled;

/// Two good models and a test, beside which everything here is broken.
const GOOD: &str = "\
-- models/fine.sql --
select 1 as id
-- models/good.sql --
select * from {{ ref('fine') }}
-- models/good.yml --
models: [{name: good, columns: [{name: id, tests: [not_null]}]}]
";
const PROJECT: &str = "-- dbt_project.yml --\nname: shop\n";

/// One way to break a project.
struct Case<'t> {
    name: &'t str,
    /// The command that meets it; `parse` when the case names none.
    command: Vec<&'t str>,
    files: &'t str,
}

fn cases(text: &str) -> Vec<Case<'_>> {
    let one = |case| {
        let (head, files) = str::split_once(case, '\n').unwrap();
        let (name, command) = head.split_once(" | ").unwrap_or((head, "parse"));
        let command = command.split(' ').map(|word| word.trim_matches('\'')).collect();
        Case { name, command, files }
    };
    text.split("//= ").filter(|case| !case.is_empty()).map(one).collect()
}

/// The cases of one group.
fn text_of(group: &str) -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    std::fs::read_to_string(here.join(format!("{group}.txt"))).unwrap()
}

fn fiveply(folder: &Folder) -> Fiveply {
    Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path())
}

/// What people see, without the folder and what takes time.
fn seen(finished: &Finished, folder: &Folder) -> String {
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    let text = settled(&finished.stderr, folder.path());
    let code = finished.code.unwrap();
    format!("{}\nexit code {code}", text.trim_end())
}

/// Draws every case, and holds it to what a message owes: a place and what to do next.
fn draw_all(group: &str, text: &str) -> usize {
    let (cases, mut owed) = (cases(text), Vec::new());
    for case in &cases {
        let project = if case.files.contains("-- dbt_project.yml --") { "" } else { PROJECT };
        let folder = Folder::with(&format!("{project}{GOOD}{}", case.files)).unwrap();
        let fiveply = fiveply(&folder);
        let finished = fiveply.run(&case.command).unwrap();
        assert_snapshot!(format!("{group}__{}", case.name), seen(&finished, &folder));
        if case.command == ["parse"] {
            owed.extend(still_owed(case.name, &fiveply));
        }
    }
    assert!(owed.is_empty(), "{owed:#?}");
    cases.len()
}

/// What the messages of a case lack.
fn still_owed(name: &str, fiveply: &Fiveply) -> Vec<String> {
    let mut owed = Vec::new();
    let parsed = fiveply.run(&["parse", "--output", "json"]).unwrap();
    let parsed: Value = serde_json::from_str(&parsed.stdout).unwrap();
    let said = parsed["diagnostics"].as_array().unwrap();
    if said.is_empty() {
        owed.push(format!("{name}: nothing is said"));
    }
    for one in said {
        if !one["place"]["line"].is_u64() {
            owed.push(format!("{name}: no place: {one}"));
        }
        if one["help"].as_array().is_none_or(Vec::is_empty) {
            owed.push(format!("{name}: nothing to do: {one}"));
        }
    }
    if parsed["nodes"].as_u64().is_none_or(|nodes| nodes < 3) {
        owed.push(format!("{name}: the good files were not read"));
    }
    owed
}

#[test]
fn broken_yaml_and_names_are_drawn_where_they_stand() {
    let drawn = draw_all("yaml", &text_of("yaml")) + draw_all("graph", &text_of("graph"));
    assert!(drawn >= 30, "{drawn}");
}

#[test]
fn broken_templates_are_drawn_where_they_stand() {
    assert!(draw_all("jinja", &text_of("jinja")) >= 20);
}

#[test]
fn broken_settings_and_access_are_drawn_where_they_stand() {
    let drawn = draw_all("config", &text_of("config")) + draw_all("access", &text_of("access"));
    assert!(drawn >= 30, "{drawn}");
}

#[test]
fn broken_metrics_jobs_and_loads_are_drawn_where_they_stand() {
    assert!(draw_all("platform", &text_of("platform")) >= 15);
}

#[test]
fn commands_that_ask_for_what_is_not_there_say_what_is() {
    assert!(draw_all("selection", &text_of("selection")) >= 15);
}

/// The models of a text that begin with a word, in their order.
fn models<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
    let names = text.lines().filter_map(|line| {
        line.strip_prefix("-- models/").and_then(|rest| rest.strip_suffix(".sql --"))
    });
    names.filter(|name| name.starts_with(word)).collect()
}

/// What is drawn of each model.
fn drawn<'t>(text: &'t str, model: &str) -> Vec<&'t str> {
    let own = [
        format!("(model.shop.{model})"),
        format!("--> models/{model}.sql:"),
        format!("\"{model}\""),
    ];
    let blocks = text.split("\n\n").map(|block| block.trim_end_matches("\nexit code 1"));
    blocks.filter(|block| own.iter().any(|words| block.contains(words))).collect()
}

#[test]
fn wrong_sql_is_found_before_anything_runs_and_drawn_through_the_jinja() {
    let text = &text_of("sql");
    let folder = Folder::with(&format!("{PROJECT}{text}")).unwrap();
    let fiveply = fiveply(&folder);
    let compiled = fiveply.run(&["compile"]).unwrap();
    let shown = seen(&compiled, &folder);
    assert_eq!(compiled.code, Some(1), "{shown}");
    let broken = models(text, "sql_");
    assert!(broken.len() >= 36, "{}", broken.len());
    for model in &broken {
        assert_snapshot!(format!("sql__{model}"), drawn(&shown, model).join("\n\n"));
    }

    // The same is told before the first model of a build, which still builds all that is good.
    let built = fiveply.run(&["build", "--threads", "1"]).unwrap();
    assert_eq!(built.code, Some(1), "{}", built.stderr);
    let early = built.stderr.split(" 1/").next().unwrap();
    let late = broken.iter().filter(|model| drawn(early, model).is_empty());
    assert_eq!(late.collect::<Vec<_>>(), Vec::<&&str>::new(), "not told early");
    let without = broken.iter().filter(|model| !drawn(&shown, model).join("").contains(" --> "));
    assert_eq!(without.collect::<Vec<_>>(), Vec::<&&str>::new(), "without a place");
    assert_eq!(fiveply.value("select count(*) from still_good").unwrap(), 1);
    let tail = built.stderr.lines().last().unwrap_or_default();
    assert_snapshot!("sql__summary", tail.split(';').next().unwrap());
}

#[test]
fn broken_contracts_are_drawn_where_they_stand() {
    let text = &text_of("contract");
    let folder = Folder::with(&format!("{PROJECT}{text}")).unwrap();
    let fiveply = fiveply(&folder);
    let built = fiveply.run(&["build", "--threads", "1"]).unwrap();
    let shown = seen(&built, &folder);
    assert_eq!(built.code, Some(1), "{shown}");
    for model in models(text, "contract_") {
        let drawn = drawn(&shown, model).join("\n\n");
        assert_eq!(drawn.is_empty(), model == "contract_good", "{model}: {shown}");
        if !drawn.is_empty() {
            assert_snapshot!(format!("contract__{model}"), drawn);
        }
    }
    assert_eq!(fiveply.value("select count(*) from contract_good").unwrap(), 1);
}
