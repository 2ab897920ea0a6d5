//! What a good project becomes.

use project::config::{IncrementalStrategy, OnSchemaChange};
use project::{Materialization, NodeKind, ProjectOptions, TestSeverity};

use crate::fixture::{clean, clean_with, ids, node, opened};

const SHOP: &str = r#"
//- dbt_project.yml
name: shop
version: '1.0'
profile: shop
models:
  shop:
    +materialized: table
    staging:
      +materialized: view
      +schema: stage
      +tags: [raw]
vars:
  days: 28
//- models/staging/stg_orders.sql
select * from {{ source('app', 'orders') }}
//- models/orders.sql
{{ config(materialized='incremental', unique_key='id', on_schema_change='append_new_columns',
          incremental_strategy='delete+insert', tags='core') }}
select *, {{ var('days') }} as days
from {{ ref('stg_orders') }} join {{ ref('countries') }} using (c)
//- models/schema.yml
version: 2
sources:
  - name: app
    schema: raw_app
    freshness: {warn_after: {count: 2, period: hour}}
    loaded_at_field: at
    tables:
      - name: orders
        identifier: orders_v1
        columns:
          - name: id
            tests: [not_null]
models:
  - name: orders
    description: All orders
    meta: {owner: ana@example.com}
    config: {tags: [daily]}
    tests:
      - unique:
          column_name: id
          config: {severity: warn, where: "id > 0"}
    columns:
      - name: id
        data_tests:
          - not_null
          - relationships: {arguments: {to: ref('stg_orders'), field: id}}
exposures:
  - name: board
    type: dashboard
    owner: {name: Bo, email: bo@example.com}
    depends_on: [ref('orders')]
//- seeds/countries.csv
c,name
1,x
//- tests/no_negative.sql
select * from {{ ref('orders') }} where amount < 0
"#;

#[test]
fn a_project_becomes_a_graph() {
    let project = clean(SHOP);
    let without_hash = |id: &String| match id.strip_prefix("test.shop.") {
        Some(test) => test.split('.').next().unwrap().to_owned(),
        None => id.clone(),
    };
    assert_eq!(
        ids(&project).iter().map(without_hash).collect::<Vec<_>>(),
        [
            "exposure.shop.board",
            "model.shop.orders",
            "model.shop.stg_orders",
            "seed.shop.countries",
            "source.shop.app.orders",
            "no_negative",
            "not_null_orders_id",
            "relationships_orders_id__id__ref_stg_orders_",
            "source_not_null_app_orders_id",
            "unique_orders_id",
        ]
    );
    let orders = node(&project, "model.shop.orders");
    assert_eq!(
        orders.depends_on.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
        ["model.shop.stg_orders", "seed.shop.countries"]
    );
    assert_eq!(orders.tags, ["daily", "core"]);
    assert_eq!(orders.owner.as_ref().unwrap().name, "ana@example.com");
    assert_eq!(orders.config.materialized, Materialization::Incremental);
    assert_eq!(orders.config.incremental_strategy, Some(IncrementalStrategy::DeleteInsert));
    assert_eq!(orders.config.on_schema_change, OnSchemaChange::AppendNewColumns);
    assert_eq!(orders.config.unique_key, ["id"]);
    assert_eq!(orders.relation.as_ref().unwrap().to_string(), r#""prod"."main"."orders""#);
    let staged = node(&project, "model.shop.stg_orders");
    assert_eq!(staged.config.materialized, Materialization::View);
    assert_eq!(
        staged.relation.as_ref().unwrap().to_string(),
        r#""prod"."main_stage"."stg_orders""#
    );
    let source = node(&project, "source.shop.app.orders");
    assert_eq!(source.relation.as_ref().unwrap().to_string(), r#""prod"."raw_app"."orders_v1""#);
    let freshness = source.source.as_ref().unwrap().freshness.as_ref().unwrap();
    assert_eq!(freshness.warn_after_minutes, Some(120));
}

#[test]
fn tests_carry_their_settings_and_their_node() {
    let project = clean(SHOP);
    let unique = project.graph.nodes.values().find(|node| node.name == "unique_orders_id").unwrap();
    let test = unique.test.as_ref().unwrap();
    assert_eq!(test.severity, TestSeverity::Warn);
    assert_eq!(test.where_condition.as_deref(), Some("id > 0"));
    assert_eq!(test.attached.as_ref().unwrap().as_str(), "model.shop.orders");
    let relationships =
        project.graph.nodes.values().find(|node| node.name.starts_with("relationships")).unwrap();
    assert_eq!(relationships.depends_on.len(), 2);
    assert_eq!(relationships.kind, NodeKind::Test);
}

#[test]
fn a_node_looks_to_templates_as_in_dbt() {
    let project = clean(SHOP);
    let shape = |id: &str| project::manifest::node(node(&project, id));
    let orders = shape("model.shop.orders");
    assert_eq!(orders["path"], "orders.sql");
    assert_eq!(orders["original_file_path"], "models/orders.sql");
    assert_eq!(orders["patch_path"], "shop://models/schema.yml");
    assert_eq!(orders["checksum"]["name"], "sha256");
    assert_eq!(orders["config"]["on_schema_change"], "append_new_columns");
    assert_eq!(orders["config"]["post-hook"], serde_json::json!([]));
    assert_eq!(orders["depends_on"]["nodes"][0], "model.shop.stg_orders");
    assert_eq!(shape("model.shop.stg_orders")["path"], "staging/stg_orders.sql");
    let source = shape("source.shop.app.orders");
    assert_eq!(source["path"], "models/schema.yml");
    let after = serde_json::json!({"count": 2, "period": "hour"});
    assert_eq!(source["freshness"]["warn_after"], after);
    assert_eq!(source["config"]["freshness"]["warn_after"], after);
    let unique = project.graph.nodes.values().find(|node| node.name == "unique_orders_id").unwrap();
    let unique = project::manifest::node(unique);
    assert_eq!(unique["path"], "unique_orders_id.sql");
    assert_eq!(unique["config"]["severity"], "warn");
    assert_eq!(unique["relation_name"], serde_json::Value::Null);
    assert_eq!(unique["file_key_name"], "models.orders");
    assert_eq!(unique["refs"][0]["name"], "orders");
    let macros = serde_json::json!(["macro.dbt.test_unique", "macro.dbt.get_where_subquery"]);
    assert_eq!(unique["depends_on"]["macros"], macros);
    assert_eq!(shape("seed.shop.countries")["config"]["delimiter"], ",");
}

#[test]
fn parents_come_before_children() {
    let project = clean(SHOP);
    let order = project.graph.order();
    let place = |id: &str| order.iter().position(|known| known.as_str() == id).unwrap();
    assert!(place("source.shop.app.orders") < place("model.shop.stg_orders"));
    assert!(place("model.shop.stg_orders") < place("model.shop.orders"));
    assert!(place("model.shop.orders") < place("exposure.shop.board"));
    assert_eq!(order.len(), project.graph.nodes.len());
}

#[test]
fn streams_are_sources_without_a_sources_block() {
    let project = clean(
        r#"
//- dbt_project.yml
name: shop
//- ingest/app.yml
connection: {type: files, path: data}
owner: platform
streams:
  - name: signups
    files: "signups/*.ndjson"
  - name: events
    files: "events/*.ndjson"
//- models/sources.yml
sources:
  - name: app
    tables: [{name: events, description: What happened}]
//- models/daily.sql
select 1 from {{ source('app', 'signups') }}, {{ source('app', 'events') }}
"#,
    );
    let daily = node(&project, "model.shop.daily");
    assert_eq!(
        daily.depends_on.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
        ["source.shop.app.events", "stream.app.signups"]
    );
    let events = node(&project, "source.shop.app.events");
    assert_eq!(events.depends_on[0].as_str(), "stream.app.events");
    assert_eq!(events.owner.as_ref().unwrap().name, "platform");
    let signups = node(&project, "stream.app.signups");
    assert_eq!(signups.relation.as_ref().unwrap().to_string(), r#""prod"."app"."signups""#);
    assert_eq!(project.sources.len(), 1);
}

#[test]
fn profiles_give_target_schema_threads_and_dialect() {
    let text = r#"
//- dbt_project.yml
name: shop
profile: shop
//- profiles.yml
shop:
  target: "{{ env_var('WHERE', 'dev') }}"
  outputs:
    dev: {type: duckdb, path: x.duckdb, schema: ana, threads: 2}
    live: {type: postgres, host: h, user: u, password: "{{ env_var('NOT_SET') }}", schema: shop}
//- models/a.sql
select '{{ target.name }}' as a
"#;
    let project = clean(text);
    assert_eq!((project.target.name.as_str(), project.dialect.as_str()), ("dev", "duckdb"));
    assert_eq!((project.target.schema.as_str(), project.target.threads), ("ana", 2));
    assert_eq!(project.environment.as_str(), "dev");
    let options = ProjectOptions {
        target: Some("live".to_owned()),
        environment: Some("copy".to_owned()),
        ..ProjectOptions::default()
    };
    let project = clean_with(text, &options);
    assert_eq!((project.target.name.as_str(), project.dialect.as_str()), ("live", "postgres"));
    assert_eq!(project.environment.as_str(), "copy");
    assert!(!project.target.values.contains_key("password"));
}

#[test]
fn settings_are_read_and_connections_never_shown() {
    let project = clean(
        r#"
//- dbt_project.yml
name: shop
//- fiveply.yml
dialect: postgres
warehouse: lake
clock: {now: "2026-05-22T06:00:00Z"}
environments: {prod: {schema: core}, dev: }
connections:
  crm: {type: rest, url: "https://x", token: hunter2}
  later: {type: postgres, url: "{{ env_var('NOT_SET') }}"}
limits: {memory: 2GB, threads: 3}
//- models/a.sql
select 1
"#,
    );
    assert_eq!(project.dialect, "postgres");
    assert_eq!(project.settings.warehouse, "lake");
    assert!(project.settings.clock.is_some());
    assert_eq!(project.target.schema, "core");
    assert_eq!(project.settings.limits.memory_bytes, Some(2_000_000_000));
    assert_eq!(project.target.threads, 3);
    assert!(!format!("{:?}", project.settings.connections["crm"].settings).contains("hunter2"));
    assert!(project.settings.connections["later"].problem.is_some());
}

#[test]
fn a_project_of_its_own_names_schemas() {
    let project = clean(
        r#"
//- dbt_project.yml
name: shop
//- macros/names.sql
{% macro generate_schema_name(custom_schema_name, node) %}
  {{ custom_schema_name if custom_schema_name is not none else target.schema ~ '_x' }}
{% endmacro %}
//- models/a.sql
{{ config(schema='exact') }} select 1
//- models/b.sql
{{ config(alias='bee') }} select 1
"#,
    );
    let relation = |id: &str| node(&project, id).relation.as_ref().unwrap().to_string();
    assert_eq!(relation("model.shop.a"), r#""prod"."exact"."a""#);
    assert_eq!(relation("model.shop.b"), r#""prod"."main_x"."bee""#);
}

#[test]
fn versions_are_nodes_and_the_latest_is_meant() {
    let project = clean(
        r#"
//- dbt_project.yml
name: shop
//- models/users_v1.sql
select 1 as id
//- models/users_v2.sql
select 2 as id
//- models/use.sql
select * from {{ ref('users') }}
//- models/use_old.sql
select * from {{ ref('users', v=1) }}
//- models/schema.yml
models:
  - name: users
    columns: [{name: id, tests: [not_null]}]
    versions: [{v: 1}, {v: 2}]
"#,
    );
    assert_eq!(node(&project, "model.shop.use").depends_on[0].as_str(), "model.shop.users.v2");
    assert_eq!(node(&project, "model.shop.use_old").depends_on[0].as_str(), "model.shop.users.v1");
    let latest = node(&project, "model.shop.users.v2");
    assert_eq!(latest.relation.as_ref().unwrap().identifier, "users_v2");
    assert_eq!(project.graph.children(&latest.id).len(), 2);
}

#[test]
fn what_cannot_run_yet_is_named() {
    let opened = opened(
        r#"
//- dbt_project.yml
name: shop
//- models/a.sql
select 1
//- models/p.py
def model(dbt, session): pass
//- models/schema.yml
unit_tests:
  - name: adds
    model: a
    given: []
    expect: {rows: []}
//- snapshots/s.sql
{% snapshot keep %}{{ config(unique_key='id', strategy='check', check_cols='all') }}
select * from {{ ref('a') }}{% endsnapshot %}
"#,
    );
    assert!(opened.is_clean());
    let project = opened.project.as_ref().unwrap();
    assert_eq!(node(project, "snapshot.shop.keep").depends_on[0].as_str(), "model.shop.a");
    assert_eq!(node(project, "unit_test.shop.a.adds").depends_on[0].as_str(), "model.shop.a");
    insta::assert_snapshot!(crate::fixture::drawn(&opened.diagnostics));
}
