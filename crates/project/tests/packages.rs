//! Installed and local packages.

use project::ProjectOptions;
use serde_json::json;

use crate::fixture::{clean, clean_with, ids, node, opened};

const WITH_PACKAGES: &str = r#"
//- dbt_project.yml
name: shop
vars:
  start: root
  tools: {start: scoped}
models:
  tools: {+schema: tools}
//- packages.yml
packages:
  - local: shared/tools
  - package: dbt-labs/helpers
    version: [">=1.0.0"]
//- models/orders.sql
select {{ helpers.twice('x') }} from {{ ref('calendar') }}, {{ ref('tools', 'base') }}
//- models/base.sql
select 1
//- models/schema.yml
models: [{name: orders, tests: [helpers.has_rows]}]
//- shared/tools/dbt_project.yml
name: tools
vars: {start: own, end: own}
//- shared/tools/models/calendar.sql
{{ config(materialized='table') }}
select '{{ var("start") }}' as s, '{{ var("end") }}' as e from {{ ref('base') }}
//- shared/tools/models/base.sql
select 1
//- dbt_packages/helpers/dbt_project.yml
name: helpers
//- dbt_packages/helpers/macros/twice.sql
{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}
{% test has_rows(model) %}select 1 from {{ model }} having count(*) = 0{% endtest %}
"#;

#[test]
fn packages_bring_models_macros_and_tests() {
    let project = clean(WITH_PACKAGES);
    assert_eq!(project.packages, ["shop", "tools", "helpers"]);
    let orders = node(&project, "model.shop.orders");
    assert_eq!(
        orders.depends_on.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
        ["model.tools.base", "model.tools.calendar"]
    );
    assert!(ids(&project).iter().any(|id| id.starts_with("test.shop.helpers_has_rows_orders_.")));
    // A package refs its own models first.
    let calendar = node(&project, "model.tools.calendar");
    assert_eq!(calendar.depends_on[0].as_str(), "model.tools.base");
    assert_eq!(calendar.relation.as_ref().unwrap().schema, "main_tools");
}

#[test]
fn variables_of_the_root_win_and_the_command_line_wins_over_all() {
    let project = clean(WITH_PACKAGES);
    assert_eq!(project.vars["tools"]["start"], "scoped");
    assert_eq!(project.vars["tools"]["end"], "own");
    assert_eq!(project.vars["shop"]["start"], "root");
    let vars = json!({"start": "given"}).as_object().unwrap().clone();
    let options = ProjectOptions { vars, ..ProjectOptions::default() };
    assert_eq!(clean_with(WITH_PACKAGES, &options).vars["tools"]["start"], "given");
}

#[test]
fn two_packages_of_one_name_are_refused() {
    let opened = opened(
        "//- dbt_project.yml\nname: shop\n//- dbt_packages/a/dbt_project.yml\nname: x\n\
         //- packages.yml\npackages: [{local: one}, {local: two}]\n\
         //- one/dbt_project.yml\nname: same\n//- two/dbt_project.yml\nname: same\n",
    );
    assert_eq!(opened.diagnostics.len(), 1);
    assert_eq!(opened.diagnostics[0].code, project::codes::PACKAGE_NAME_TAKEN);
}
