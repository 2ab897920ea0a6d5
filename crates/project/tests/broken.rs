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
const CASES: &[(&str, &str)] = &[
    ("yaml_syntax", "//- models/bad.yml\nmodels:\n  - name: [a\n"),
    ("yaml_tab", "//- models/bad.yml\nmodels:\n\t- name: a\n"),
    (
        "yaml_braces",
        "//- models/bad.yml\nmodels:\n  - name: a\n    description: {{ doc('x') }}: y\n",
    ),
    (
        "duplicate_key",
        "//- models/bad.yml\nmodels:\n  - name: fine\n    description: a\n    description: b\n",
    ),
    ("second_document", "//- models/bad.yml\nversion: 2\n---\nmodels: []\n"),
    ("models_no_list", "//- models/bad.yml\nmodels:\n  name: fine\n"),
    ("missing_name", "//- models/bad.yml\nmodels:\n  - description: nameless\n  - name: fine\n"),
    (
        "unknown_key",
        "//- models/bad.yml\nmodels:\n  - name: fine\n    descripton: typo\nmodel: []\n",
    ),
    ("described_and_absent", "//- models/bad.yml\nmodels:\n  - name: fien\n"),
    ("described_twice", "//- models/bad.yml\nmodels: [{name: fine}, {name: fine}]\n"),
    ("ref_missing", "//- models/bad.sql\nselect *\nfrom {{ ref('fnie') }}\n"),
    (
        "ref_is_source",
        "//- models/bad.sql\nselect * from {{ ref('signups') }}\n//- models/bad.yml\nsources: [{name: app, tables: [{name: signups}]}]\n",
    ),
    ("ref_package", "//- models/bad.sql\nselect * from {{ ref('other', 'fine') }}\n"),
    (
        "ref_disabled",
        "//- models/off.sql\n{{ config(enabled=false) }} select 1\n//- models/bad.sql\nselect * from {{ ref('off') }}\n",
    ),
    ("source_missing", "//- models/bad.sql\nselect * from {{ source('app', 'signups') }}\n"),
    (
        "source_table_missing",
        "//- models/bad.sql\nselect * from {{ source('app', 'singups') }}\n//- ingest/app.yml\nconnection: {type: files, path: d}\nstreams: [{name: signups, files: '*.csv'}]\n",
    ),
    (
        "cycle",
        "//- models/a.sql\nselect * from {{ ref('b') }}\n//- models/b.sql\nselect * from {{ ref('c') }}\n//- models/c.sql\nselect * from {{ ref('a') }}\n",
    ),
    ("self_ref", "//- models/a.sql\nselect * from {{ ref('a') }}\n"),
    ("same_name", "//- models/x/a.sql\nselect 1\n//- models/y/a.sql\nselect 2\n"),
    (
        "same_table",
        "//- models/a.sql\nselect 1\n//- models/b.sql\n{{ config(alias='a') }} select 2\n",
    ),
    (
        "config_value",
        "//- models/a.sql\n{{ config(enabled='perhaps', on_schema_change='apend_new_columns', unique_key={'a': 1}) }} select 1\n",
    ),
    (
        "config_path",
        "//- dbt_project.yml\nname: shop\nmodels:\n  shop:\n    stagging:\n      +materialized: table\n",
    ),
    ("project_key", "//- dbt_project.yml\nname: shop\nmodel-path: [models]\nmodels: 3\n"),
    (
        "test_unknown",
        "//- models/bad.yml\nmodels: [{name: fine, columns: [{name: id, tests: [not_nul, dbt_utils.recency]}]}]\n",
    ),
    (
        "test_form",
        "//- models/bad.yml\nmodels: [{name: fine, tests: [3, {unique: [a]}, {unique: {}, column_name: id}]}]\n",
    ),
    (
        "test_twice",
        "//- models/bad.yml\nmodels: [{name: fine, columns: [{name: id, tests: [unique, unique]}]}]\n",
    ),
    (
        "test_severity",
        "//- models/bad.yml\nmodels: [{name: fine, columns: [{name: id, tests: [{unique: {config: {severity: fatal}}}]}]}]\n",
    ),
    (
        "freshness",
        "//- models/bad.yml\nsources: [{name: a, freshness: {warn_after: {count: 1, period: week}}, tables: [{name: t}]}]\n",
    ),
    (
        "group_missing",
        "//- models/bad.yml\nmodels: [{name: fine, group: finanec}]\ngroups: [{name: finance, owner: {name: F}}]\n",
    ),
    (
        "private",
        "//- models/bad.yml\nmodels: [{name: fine, group: g, access: private}]\ngroups: [{name: g, owner: {name: F}}]\n",
    ),
    (
        "exposure_reference",
        "//- models/bad.yml\nexposures: [{name: e, type: dashboard, owner: {name: B}, depends_on: [fine, ref('finer')]}]\n",
    ),
    ("jinja_syntax", "//- models/bad.sql\nselect {{ 1 + }}\n"),
    ("jinja_raise", "//- models/bad.sql\n{{ exceptions.raise_compiler_error('no ' ~ 1) }}\n"),
    (
        "macro_open",
        "//- macros/bad.sql\n{% macro a() %} x\n//- macros/ok.sql\n{% macro b() %}{% endmacro %}\n",
    ),
    (
        "yaml_template",
        "//- models/bad.yml\nmodels: [{name: fine, config: {schema: \"{{ env_var('NOT_SET') }}\"}}]\n",
    ),
    (
        "target_missing",
        "//- dbt_project.yml\nname: shop\nprofile: shop\n//- profiles.yml\nshop:\n  target: live\n  outputs: {dev: {type: duckdb}}\n",
    ),
    (
        "profile_missing",
        "//- dbt_project.yml\nname: shop\nprofile: shpo\n//- profiles.yml\nshop:\n  outputs: {dev: {type: duckdb}}\n",
    ),
    (
        "package_missing",
        "//- packages.yml\npackages:\n  - package: dbt-labs/dbt_utils\n    version: 1.1.1\n  - local: ../shared\n",
    ),
    (
        "settings",
        "//- fiveply.yml\ndialect: oracle\nwarehose: x\nclock: soon\nlimits: {memory: much}\nconnections: {a: {url: x}}\n",
    ),
    (
        "ingest",
        "//- ingest/app.yml\nconnection: {type: files, path: d}\nstreams: [{name: a, fils: x}]\n",
    ),
    ("version_file", "//- models/bad.yml\nmodels: [{name: users, versions: [{v: 1}]}]\n"),
    (
        "docs_missing",
        "//- models/bad.yml\nmodels: [{name: fine, description: \"{{ doc('nope') }}\"}]\n",
    ),
];

#[test]
fn good_files_are_read_beside_every_broken_one() {
    let mut wrong = Vec::new();
    for (name, files) in CASES {
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
        insta::assert_snapshot!(*name, drawn(&opened.diagnostics));
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
    for (_, files) in CASES {
        let project = if files.contains("//- dbt_project.yml") { "" } else { PROJECT };
        for problem in opened(&format!("{project}{files}{GOOD}")).diagnostics {
            assert!(known.contains(&problem.code) || problem.code >= "E0100", "{}", problem.code);
            assert!(!problem.message.ends_with('.'), "{}", problem.message);
        }
    }
}
