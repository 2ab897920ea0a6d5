//! What is refused, and what is said about it.

use super::{question, shop};

#[test]
fn questions_that_cannot_be_answered_say_why_and_what_to_do() {
    let shop = shop("postgres");
    let mut text = String::new();
    for one in [
        "ordres",
        "customers by order__status",
        "customers by size",
        "orders by customer__contry",
        "orders by nothing_like_it",
        "orders by metric_time__hour",
        "orders by customer__country__month",
        "revenue_3d",
        "revenue_growth by order__status",
        "revenue_3d by metric_time__day where metric_time__day > '2026-01-01' or order__size = 'x'",
        "orders by customer__country order region",
    ] {
        text.push_str(&format!("> {one}\n{}\n\n", shop.refused(&question(one))));
    }
    insta::assert_snapshot!(text);
}
