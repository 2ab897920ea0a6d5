//! From a node to the SQL that runs.

use std::sync::Arc;

use base::NodeId;
use chrono::DateTime;
use project::jinja::NoHost;
use project::{CompileContext, Project};

use crate::fixture::clean;

fn context() -> CompileContext {
    CompileContext::new(Arc::new(NoHost), DateTime::UNIX_EPOCH, "an-id")
}

fn shop() -> Project {
    clean(
        r#"
//- dbt_project.yml
name: shop
on-run-start: ["select '{{ target.name }}'"]
//- models/base.sql
{{ config(materialized='ephemeral') }}
select 1 as id
//- models/middle.sql
{{ config(materialized='ephemeral') }}
with x as (select * from {{ ref('base') }}) select * from x
//- models/top.sql
{{ config(materialized='table', post_hook="analyze {{ this }}") }}
select {{ id_column() }}
from {{ ref('middle') }}
{% if is_incremental() %} where false {% endif %}
//- models/schema.yml
models:
  - name: top
    columns: [{name: id, tests: [unique, {accepted_values: {values: [1, 2], quote: false}}]}]
  - name: base
    columns: [{name: id, tests: [not_null: {where: "id > 0"}]}]
//- macros/m.sql
{% macro id_column() %}id{% endmacro %}
"#,
    )
}

fn test_named(project: &Project, name: &str) -> NodeId {
    let found = project.graph.nodes.values().find(|node| node.name.starts_with(name)).unwrap();
    found.id.clone()
}

#[test]
fn ephemeral_parents_come_in_front() {
    let shop = shop();
    let compiled = shop.compile(&NodeId::from("model.shop.top"), &context()).unwrap();
    insta::assert_snapshot!(compiled.sql);
    let ids: Vec<&str> = compiled.ephemerals.iter().map(NodeId::as_str).collect();
    assert_eq!(ids, ["model.shop.base", "model.shop.middle"]);
}

#[test]
fn tests_compile_to_dbts_queries() {
    let shop = shop();
    let mut text = String::new();
    for name in ["unique", "accepted", "not_null"] {
        let id = test_named(&shop, name);
        let compiled = shop.compile(&id, &context()).unwrap();
        let test = shop.graph.node(&id).unwrap().test.as_ref().unwrap();
        text.push_str(&format!("-- {}\n{}\n", id, test.query(&compiled.sql)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn hooks_and_operations_render() {
    let shop = shop();
    let top = NodeId::from("model.shop.top");
    let hook = &shop.graph.node(&top).unwrap().config.post_hooks[0];
    let sql = shop.render_text(&top, &hook.sql, &context()).unwrap();
    assert_eq!(sql, r#"analyze "prod"."main"."top""#);
    let operation = NodeId::from("operation.shop.shop-on-run-start-0");
    assert_eq!(shop.compile(&operation, &context()).unwrap().sql, "select 'prod'");
}

#[test]
fn every_byte_of_sql_leads_back_to_the_users_file() {
    let shop = shop();
    let compiled = shop.compile(&NodeId::from("model.shop.top"), &context()).unwrap();
    let map = shop.source_map(&compiled, &context());
    let origin = |word: &str| {
        let at = compiled.sql.rfind(word).unwrap();
        let (span, through) = map.origin(at..at + word.len()).unwrap();
        (span.location(), through.map(|span| span.location()))
    };
    assert_eq!(origin("from").0, "models/top.sql:3:1");
    let at = compiled.sql.find("1 as id").unwrap();
    assert_eq!(map.origin(at..at + 1).unwrap().0.location(), "models/base.sql:2:8");
    let at = compiled.sql.rfind("id\n").unwrap();
    let (span, through) = map.origin(at..at + 2).unwrap();
    assert_eq!(span.location(), "macros/m.sql:1:24");
    assert_eq!(through.unwrap().location().split(':').next(), Some("models/top.sql"));
}

#[test]
fn a_full_refresh_is_seen_by_templates() {
    let shop = clean(
        "//- dbt_project.yml\nname: shop\n//- models/a.sql\nselect {{ flags.FULL_REFRESH }} as f\n",
    );
    let mut context = context();
    let id = NodeId::from("model.shop.a");
    assert_eq!(shop.compile(&id, &context).unwrap().sql, "select False as f");
    context.full_refresh = true;
    assert_eq!(shop.compile(&id, &context).unwrap().sql, "select True as f");
}

#[test]
fn what_has_no_sql_says_so() {
    let shop = clean("//- dbt_project.yml\nname: shop\n//- seeds/s.csv\na\n1\n");
    let problems = shop.compile(&NodeId::from("seed.shop.s"), &context()).unwrap_err();
    assert_eq!(problems[0].message, "seed \"s\" has no SQL to compile");
}

#[test]
fn a_dispatch_namespace_that_is_no_package_is_none() {
    let shop = clean(
        r#"
//- dbt_project.yml
name: shop
//- macros/m.sql
{% macro width(x) %}{{ return(adapter.dispatch('width', 'macros')(x)) }}{% endmacro %}
{% macro default__width(x) %}length({{ x }}){% endmacro %}
//- models/a.sql
select {{ width('b') }}
"#,
    );
    let compiled = shop.compile(&NodeId::from("model.shop.a"), &context()).unwrap();
    assert_eq!(compiled.sql, "select length(b)");
}
