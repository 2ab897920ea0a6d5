//! Answers to questions of every kind, looked over by hand.

use consumption::metrics::saved;

use super::{question, shop};

/// Questions and their answers, one after the other.
fn told(questions: &[&str]) -> String {
    let shop = shop("postgres");
    let mut text = String::new();
    for one in questions {
        text.push_str(&format!("> {one}\n{}\n", shop.ask(&question(one))));
    }
    text
}

#[test]
fn each_way_to_count_gives_its_number() {
    insta::assert_snapshot!(told(&[
        "orders,revenue,express_orders,buyers,mean_amount,least_amount,greatest_amount",
        "median_amount,amount_p75,amount_p75_discrete",
        "median_amount,orders by order__status",
        "orders,revenue by metric_time__month",
        "orders by metric_time__week,order__size order metric_time__week,-orders limit 4",
    ]));
}

#[test]
fn dimensions_are_reached_over_entities() {
    insta::assert_snapshot!(told(&[
        "orders by customer__country",
        "orders by customer",
        "revenue by customer__country_code__region order -revenue",
        "orders by region",
        "orders by customer__joined_on__month",
        "orders,visits,customers by customer__country",
        "orders,visits by metric_time from 2026-01-01 to 2026-01-04",
    ]));
}

#[test]
fn conditions_hold_before_anything_is_counted() {
    insta::assert_snapshot!(told(&[
        "paid_orders,orders by customer__country",
        "orders where customer__country = 'DE' and order__status = 'paid'",
        "orders where {{ Dimension('customer__country') }} in ('DE', 'FR')",
        "orders where metric_time__month = '2026-02-01' or order__size = 'large'",
        "orders_of_regulars,orders by customer",
        "revenue by metric_time__day from 2026-01-01 to 2026-01-02",
        "revenue by metric_time__month from 2026-01-15 to 2026-02-02",
    ]));
}

#[test]
fn shares_and_expressions_survive_what_is_missing() {
    insta::assert_snapshot!(told(&[
        "paid_share",
        "paid_share by metric_time__month",
        "orders_per_visit",
        "orders_per_visit by metric_time__week",
        "visit_to_order",
        "visit_to_order by customer__country",
    ]));
}

#[test]
fn numbers_are_looked_up_in_earlier_times() {
    insta::assert_snapshot!(told(&[
        "revenue_growth by metric_time__day to 2026-01-05",
        "revenue,revenue_before_month by metric_time__month",
        "revenue_before_month by metric_time__day",
        "revenue_of_month_start,revenue by metric_time__day from 2026-02-01 to 2026-02-03",
    ]));
}

#[test]
fn numbers_are_added_up_over_time() {
    insta::assert_snapshot!(told(&[
        "revenue_so_far",
        "revenue_so_far,revenue_3d,revenue_mtd by metric_time__day from 2026-01-01 to 2026-01-05",
        "revenue_so_far by metric_time__month",
        "revenue_mtd by metric_time__month",
        "buyers_30d by metric_time__month",
        "revenue_so_far by metric_time__month,customer__country",
        "daily_orders by metric_time__day from 2025-12-31 to 2026-01-05",
        "daily_orders by metric_time__month",
        "closing_balance",
        "closing_balance by metric_time__month",
        "closing_balance by account",
    ]));
}

#[test]
fn a_saved_query_is_asked_by_its_name() {
    let shop = shop("duckdb");
    let query = saved(&shop.project, "revenue_by_country").unwrap();
    assert_eq!(query.group_by, ["metric_time__month", "customer__country"]);
    insta::assert_snapshot!(shop.ask(&query));
}

#[test]
fn every_dialect_gives_the_same_numbers() {
    let one = shop("postgres");
    for dialect in ["duckdb", "snowflake", "bigquery"] {
        let other = shop(dialect);
        for text in [
            "orders,revenue,buyers by customer__country",
            "median_amount,amount_p75 by order__status",
            "revenue_so_far,revenue_growth by metric_time__day from 2026-01-01 to 2026-01-05",
            "daily_orders by metric_time__week from 2026-01-01 to 2026-02-01",
            "closing_balance,visits by metric_time__month",
        ] {
            let (left, right) = (one.ask(&question(text)), other.ask(&question(text)));
            // Where missing values stand in an order, each dialect has its own way.
            let sorted = |answer: &str| {
                let mut lines: Vec<String> = answer.lines().map(str::to_lowercase).collect();
                lines.sort_unstable();
                lines
            };
            assert_eq!(sorted(&left), sorted(&right), "{dialect}: {text}");
        }
    }
}
