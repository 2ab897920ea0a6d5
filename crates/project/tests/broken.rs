//! Broken projects: each has one fault and good files beside it, which must still be read.

use crate::fixture::{drawn, ids, opened};

const GOOD: &str = r#"
//- models/good.sql
select * from {{ ref('fine') }}
//- models/fine.sql
select 1 as id
//- models/good.yml
models: [{name: good, columns: [{name: id, tests: [not_null]}]}]
"#;

const PROJECT: &str = "//- dbt_project.yml\nname: shop\n";

/// Name of the case and its files; a case without a dbt_project.yml gets a good one.
fn cases() -> Vec<(&'static str, &'static str)> {
    let text = include_str!("broken_projects.txt");
    let cases = text.split("//= ").filter_map(|case| case.split_once('\n'));
    let cases: Vec<(&str, &str)> = cases.collect();
    assert!(cases.len() >= 25);
    cases
}

#[test]
fn good_files_are_read_beside_every_broken_one() {
    let mut wrong = Vec::new();
    for (name, files) in cases() {
        let project = if files.contains("//- dbt_project.yml") { "" } else { PROJECT };
        let opened = opened(&format!("{project}{files}{GOOD}"));
        let Some(project) = &opened.project else {
            wrong.push(format!("{name}: no project"));
            continue;
        };
        let good = ids(project).iter().any(|id| id == "model.shop.good")
            && ids(project).iter().any(|id| id.starts_with("test.shop.not_null_good_id"));
        if !good {
            wrong.push(format!("{name}: {:?}", ids(project)));
        }
        if opened.diagnostics.is_empty() {
            wrong.push(format!("{name}: nothing was said"));
        }
        insta::assert_snapshot!(name, drawn(&opened.diagnostics));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn without_a_project_file_there_is_no_project() {
    let opened = opened("//- models/a.sql\nselect 1\n");
    assert!(opened.project.is_none());
    insta::assert_snapshot!(drawn(&opened.diagnostics));
}

#[test]
fn every_code_is_in_the_table() {
    let known: Vec<&str> = project::codes::ALL.iter().map(|(code, _)| *code).collect();
    for (_, files) in cases() {
        let project = if files.contains("//- dbt_project.yml") { "" } else { PROJECT };
        for problem in opened(&format!("{project}{files}{GOOD}")).diagnostics {
            assert!(known.contains(&problem.code) || problem.code >= "E0100", "{}", problem.code);
            assert!(!problem.message.ends_with('.'), "{}", problem.message);
        }
    }
}
