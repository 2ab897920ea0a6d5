//! Metrics in SQL.

use consumption::metrics::expand_sql;

use super::{Shop, question, shop};

fn told(shop: &Shop, sql: &str) -> String {
    match expand_sql(&shop.project, sql) {
        Ok(Some(expanded)) => shop.run(&expanded),
        Ok(None) => "not about metrics\n".to_owned(),
        Err(error) => format!("{error}\nhelp: {}\n", error.help().unwrap_or_default()),
    }
}

#[test]
fn measures_are_selected_like_columns() {
    let shop = shop("postgres");
    let mut text = String::new();
    for sql in [
        "select measure(orders), metric_time__month from metrics group by metric_time__month \
         order by metric_time__month",
        "SELECT date_trunc('month', metric_time) AS month, MEASURE(revenue) AS money \
         FROM public.metrics m WHERE m.customer__country = 'DE' GROUP BY 1 ORDER BY money DESC \
         LIMIT 1",
        "select measure(revenue) / measure(orders) as mean, \"customer__country\" country \
         from metrics group by 2 having measure(orders) > 1 order by measure(orders) desc",
        "with monthly as (select metric_time__month, measure(orders) as n from metrics) \
         select sum(n) as all_orders from (select n from monthly union all \
         select measure(visits) from metrics where metric_time__day > '2026-01-04') t;",
        "select measure(orders) from metrics",
        "select measure(ordrs) from metrics",
        "select measure(orders) from metrics join customers on true",
        "select measure(orders) from metrics where measure(orders) > 1",
        "select *, measure(orders) from metrics",
        "select 'measure(orders) from metrics' as text",
        "select * from metrics",
    ] {
        text.push_str(&format!("> {sql}\n{}\n", told(&shop, sql)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn sql_and_questions_agree() {
    let shop = shop("postgres");
    let asked = shop.ask(&question("orders,paid_share by customer__country"));
    let sql = "select customer__country, measure(orders) as orders, measure(paid_share) as \
               paid_share from metrics group by customer__country order by customer__country";
    assert_eq!(told(&shop, sql), asked);
}

#[test]
fn placeholders_of_prepared_statements_stay() {
    let shop = shop("postgres");
    let sql = "select measure(orders) from metrics where customer__country = $1 limit $2";
    let expanded = expand_sql(&shop.project, sql).unwrap().unwrap();
    assert!(expanded.contains("= $1") && expanded.ends_with("limit $2"), "{expanded}");
}

#[test]
fn the_sql_of_a_question_can_be_read() {
    let shop = shop("postgres");
    let query = question("orders,paid_share by metric_time__day,customer__country");
    let plan = consumption::metrics::plan(&shop.project, &query).unwrap();
    insta::assert_snapshot!(plan.sql);
}
