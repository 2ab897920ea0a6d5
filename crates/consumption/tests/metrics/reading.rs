//! What is said about files that declare metrics.

use super::{YAML, open};

const BROKEN: &str = r#"
version: 2
models:
  - name: orders
    semantic_model: true
    agg_time_dimension: ordered_on
    columns:
      - {name: order_id, entity: {type: primary, name: order}}
      - {name: ordered_at, granularity: day, dimension: time}
      - {name: created_at, dimension: time}
    metrics:
      - {name: revenue, type: simple, agg: summ, expr: amount}
      - {name: orders, type: simple, agg: count}
      - {name: share, type: ratio, numerator: orders, denominator: ordrs}
      - {name: one, type: derived, expr: two, input_metrics: [two]}
      - {name: two, type: derived, expr: one, input_metrics: [one]}
      - {name: week, type: cumulative, input_metric: share, window: a week}
      - {name: filtered, type: simple, agg: count, filter: "{{ Dimension('ordr__status') }} = 1"}
      - {name: odd, type: simple, agg: count, filter: "{{ Dimenson('order__status') }}"}
  - name: customers
    metrics: [{name: customers, type: simple, agg: count}]
metrics:
  - {name: alone, type: simple, agg: count, expr: "1"}
  - {name: old, label: Old, type: simple, type_params: {measure: ordr_count}}
semantic_models:
  - name: measures
    model: ref('order')
    entities: [{name: order, type: primry}]
    measures: [{name: order_count, agg: count, expr: order_id}]
saved_queries:
  - {name: both, query_params: {metrics: [orders, revenu]}}
"#;

#[test]
fn mistakes_are_named_where_they_stand() {
    let (opened, _folder) = open("postgres", BROKEN, &["orders", "customers"]);
    let mut text = String::new();
    for problem in &opened.diagnostics {
        let place = problem.primary.as_ref().map(|label| label.span.location());
        text.push_str(&format!(
            "{} {} {}\n    {}\n",
            problem.code,
            place.unwrap_or_default(),
            problem.message,
            problem.help.join(" ")
        ));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn metrics_stand_in_the_graph_on_what_they_are_made_of() {
    let tables = ["orders", "customers", "countries", "visits", "balances"];
    let (opened, _folder) = open("postgres", YAML, &tables);
    let project = opened.project.unwrap();
    let mut text = String::new();
    for node in project.graph.nodes.values() {
        if node.kind.word() != "model" {
            let parents: Vec<&str> = node.depends_on.iter().map(|id| id.as_str()).collect();
            text.push_str(&format!("{} <- {}\n", node.id, parents.join(" ")));
        }
    }
    insta::assert_snapshot!(text);
}
