//! Warnings that are errors, and selections that mean nothing.

use super::SHOP;
use crate::behaviour::Desk;

#[test]
fn a_selection_that_fits_nothing_warns_and_exits_with_zero() {
    let desk = Desk::new("duckdb", SHOP);
    for command in ["run", "build", "test", "seed", "snapshot", "compile", "ls"] {
        let finished = desk.fiveply.run(&[command, "--select", "nobody"]).unwrap();
        assert_eq!(finished.code, Some(0), "{command}: {finished:#?}");
        assert!(finished.stderr.contains("selector \"nobody\" fits no node"), "{finished:#?}");
    }
    let finished = desk.fiveply.good(&["ls", "-s", "after", "nobody"]).unwrap();
    assert!(finished.stderr.contains("nobody"), "one word of two: {finished:#?}");
    let json = desk.fiveply.good(&["run", "-s", "nobody", "--log-format", "json"]).unwrap().stdout;
    assert!(
        json.contains("\"NoNodesForSelectionCriteria\"") && json.contains("\"M030\""),
        "{json}"
    );
    assert!(json.contains("\"NothingToDo\"") && json.contains("\"Q035\""), "{json}");
    let syntax = desk.refused(&["run", "--select", "tags:daily"]);
    assert!(syntax.contains("tag"), "a wrong word is an error as in dbt: {syntax}");
}

#[test]
fn warnings_are_errors_when_asked_for_and_by_name() {
    let desk = Desk::new("duckdb", SHOP);
    let refused = desk.refused(&["run", "-s", "nobody", "--warn-error"]);
    assert!(refused.contains("NoNodesForSelectionCriteria"), "{refused}");
    let all_but = "{error: all, warn: [NoNodesForSelectionCriteria, NothingToDo]}";
    desk.good(&["run", "-s", "nobody", "--warn-error-options", all_but]);
    let silent = "{silence: [NoNodesForSelectionCriteria, NothingToDo]}";
    let told = desk.good(&["run", "-s", "nobody", "--warn-error-options", silent]);
    assert!(!told.stderr.contains("nobody"), "{}", told.stderr);
    let old = "{include: [NothingToDo]}";
    let refused = desk.refused(&["run", "-s", "nobody", "--warn-error-options", old]);
    assert!(refused.contains("NothingToDo"), "{refused}");
    let both = desk.refused(&["run", "--warn-error", "--warn-error-options", "{error: all}"]);
    assert!(both.contains("Give one of them"), "{both}");
    desk.add("-- dbt_project.yml --\nname: shop\nprofile: shop\nflags: {warn_error: true}\n");
    desk.refused(&["run", "-s", "nobody"]);
    desk.good(&["run", "-s", "nobody", "--warn-error-options", silent]);
}

#[test]
fn a_test_that_warns_fails_and_a_macro_that_warns_raises() {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["build"]);
    let told = desk.bad(&["build", "--warn-error-options", "{error: [LogTestResult]}"]);
    let failed: Vec<String> =
        told.tests().into_iter().filter(|line| line.contains(" failed ")).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    let mark = ["run-operation", "mark", "--args", "{word: x}"];
    desk.fiveply.good(&mark).unwrap();
    let strict = desk.fiveply.run(&[&mark[..], &["--warn-error"]].concat()).unwrap();
    assert_ne!(strict.code, Some(0), "{strict:#?}");
    assert!(strict.stderr.contains("beware of x"), "{strict:#?}");
}

#[test]
fn a_warning_about_a_file_is_an_error_by_its_name() {
    let desk = Desk::new("duckdb", SHOP);
    desk.add("-- models/more.yml --\nmodels:\n  - name: nowhere\n    description: gone\n");
    desk.good(&["build", "-s", "orders"]);
    let refused = desk.refused(&["build", "-s", "orders", "--warn-error"]);
    assert!(refused.contains("NoNodeForYamlKey") && refused.contains("nowhere"), "{refused}");
    desk.good(&[
        "build",
        "-s",
        "orders",
        "--warn-error-options",
        "{error: all, warn: [NoNodeForYamlKey]}",
    ]);
}
