//! The churn feature table and the account health table, with the SQL that people wrote down.

use super::Desk;

const CHURN_INPUTS: &str = r#"
-- fiveply.yml --
dialect: DIALECT
clock: 2026-05-22T06:00:00Z
-- models/facts/fact_user_events.sql --
{{ config(materialized='table') }}
select user_id, event_type, cast(event_ts as timestamp) as event_ts from (values
  (1, 'view', '2026-05-20 10:00:00'), (1, 'buy', '2026-05-20 11:00:00'),
  (1, 'view', '2026-05-21 10:00:00'), (2, 'view', '2026-05-22 01:00:00'),
  (4, 'view', '2026-01-01 00:00:00')
) as e(user_id, event_type, event_ts)
-- models/facts/fact_billing_events.sql --
{{ config(materialized='table') }}
select user_id, cast(feature_date as date) as feature_date,
  cast(amount_usd as decimal(10, 2)) as amount_usd, payment_failed
from (values (1, '2026-05-10', 9.99, false), (1, '2026-05-11', 5.00, true),
  (3, '2026-05-12', 7.50, false)) as b(user_id, feature_date, amount_usd, payment_failed)
-- models/facts/fact_support_tickets.sql --
{{ config(materialized='table') }}
select user_id, cast(created_at as timestamp) as created_at,
  cast(created_at as date) as feature_date
from (values (2, '2026-05-21 09:00:00'), (2, '2026-05-21 10:00:00')) as s(user_id, created_at)
-- models/marts/schema.yml --
models:
  - name: feature_churn_user_daily
    tests:
      - unique_together: {columns: [user_id, feature_date]}
    columns:
      - {name: user_id, tests: [not_null]}
      - {name: events_28d, tests: [not_null]}
      - {name: revenue_28d, tests: [not_null]}
      - {name: tickets_28d, tests: [not_null]}
-- tests/generic/unique_together.sql --
{% test unique_together(model, columns) %}
select {{ columns | join(', ') }}, count(*) as n_records
from {{ model }} group by {{ columns | join(', ') }} having count(*) > 1
{% endtest %}
"#;

/// As printed: `usage` and `billing` are grouped by day, but joined by user.
const CHURN: &str = r#"
-- models/marts/ml/feature_churn_user_daily.sql --
{{ config(materialized='incremental', unique_key=['user_id','feature_date']) }}
with usage as (
select
user_id,
date_trunc('day', event_ts)::date as feature_date,
count(*) as events_28d,
count(distinct event_type) as distinct_actions_28d,
max(event_ts) as last_event_ts
from {{ ref('fact_user_events') }}
where event_ts >= current_date - interval '28 days'
group by 1, 2
),
billing as (
select
user_id,
feature_date,
sum(amount_usd) as revenue_28d,
bool_or(payment_failed) as had_failed_payment_28d
from {{ ref('fact_billing_events') }}
where feature_date >= current_date - interval '28 days'
group by 1, 2
),
support as (
select
user_id,
feature_date,
count(*) as tickets_28d
from {{ ref('fact_support_tickets') }}
where created_at >= current_date - interval '28 days'
group by 1, 2
)
select
coalesce(u.user_id, b.user_id, s.user_id) as user_id,
current_date as feature_date,
coalesce(u.events_28d, 0) as events_28d,
coalesce(u.distinct_actions_28d, 0) as distinct_actions_28d,
current_date - u.last_event_ts::date as days_since_last_event,
coalesce(b.revenue_28d, 0) as revenue_28d,
coalesce(b.had_failed_payment_28d, false) as had_failed_payment_28d,
coalesce(s.tickets_28d, 0) as tickets_28d
from usage u
full outer join billing b using (user_id)
full outer join support s using (user_id)
"#;

const TABLE: &str = "select user_id, feature_date, events_28d, distinct_actions_28d, \
                     days_since_last_event, revenue_28d, had_failed_payment_28d, tickets_28d \
                     from feature_churn_user_daily order by user_id";

#[test]
fn the_churn_features_are_stopped_by_their_contract_before_anyone_reads_them() {
    for dialect in ["duckdb", "postgres"] {
        let desk = Desk::new(dialect, "");
        desk.add(&CHURN_INPUTS.replace("DIALECT", dialect));
        desk.add(CHURN);
        let told = desk.bad(&["build"]);
        let message = told.message("feature_churn_user_daily");
        assert!(message.contains("unique_together"), "{message}");
        assert!(
            message.contains("such as user_id = 1, feature_date = 2026-05-22"),
            "an offending user is shown: {message}"
        );
        assert!(message.contains("nothing is published under this name"), "{message}");
        assert!(desk.versions("prod", "main.feature_churn_user_daily").is_empty());

        // Grouped by user alone it is right, and what was held back is all that runs.
        let by_user = CHURN
            .replace("date_trunc('day', event_ts)::date as feature_date,\n", "")
            .replace("user_id,\nfeature_date,\n", "user_id,\n")
            .replace("group by 1, 2", "group by 1");
        desk.add(&by_user);
        let told = desk.good(&["retry"]);
        assert_eq!(told.statuses(), ["feature_churn_user_daily succeeded"]);
        assert_eq!(told.tests().len(), 5);
        let right = [
            "1 2026-05-22 3 2 1 14.99 true 0",
            "2 2026-05-22 1 1 0 0.00 false 2",
            "3 2026-05-22 0 0 - 7.50 false 0",
        ];
        assert_eq!(desk.rows(TABLE), right);
        // The next run of the day replaces the day's rows.
        desk.good(&["build"]);
        assert_eq!(desk.rows(TABLE), right);
        // The mistake comes back: readers keep the last good version.
        desk.add(CHURN);
        let told = desk.bad(&["build"]);
        let message = told.message("feature_churn_user_daily");
        assert!(message.contains("readers keep the last good version"), "{message}");
        assert_eq!(desk.rows(TABLE), right);
    }
}

const HEALTH_INPUTS: &str = r#"
-- fiveply.yml --
dialect: DIALECT
clock: 2026-05-22T06:00:00Z
-- models/dim_accounts.sql --
{{ config(materialized='table') }}
select * from (values (1, 'Acme'), (2, 'Bolt'), (3, 'Core'), (4, 'Dorm'), (5, 'Even'))
  as a(account_id, account_name)
-- models/fact_product_usage.sql --
{{ config(materialized='table') }}
select account_id, user_id, cast(event_ts as timestamp) as event_ts from (values
  (1, 11, '2026-05-21 10:00:00'), (1, 12, '2026-05-21 11:00:00'), (1, 13, '2026-05-20 10:00:00'),
  (1, 14, '2026-05-19 10:00:00'), (1, 15, '2026-05-18 10:00:00'), (1, 15, '2026-05-18 11:00:00'),
  (2, 21, '2026-05-21 10:00:00'), (4, 41, '2026-04-01 10:00:00'), (5, 51, '2026-05-01 10:00:00')
) as u(account_id, user_id, event_ts)
-- models/fact_salesforce_opportunities.sql --
{{ config(materialized='table') }}
select account_id, cast(snapshot_date as date) as snapshot_date, stage,
  cast(amount_usd as decimal(10, 2)) as amount_usd from (values
  (1, '2026-05-22', 'open', 100.50), (1, '2026-05-22', 'open', 50.25),
  (2, '2026-05-22', 'closed_lost', 900.00), (3, '2026-05-21', 'closed_lost', 5.00)
) as s(account_id, snapshot_date, stage, amount_usd)
-- models/schema.yml --
models:
  - name: mart_account_health_daily
    columns:
      - {name: account_id, tests: [not_null, unique]}
      - name: health_status
        tests: [accepted_values: {values: [healthy, at_risk, dormant, watch]}]
"#;

const HEALTH: &str = r#"
-- models/marts/cs/mart_account_health_daily.sql --
{{ config(
materialized='incremental',
unique_key=['account_id', 'snapshot_date'],
on_schema_change='append_new_columns'
) }}
with usage as (
select
account_id,
current_date as snapshot_date,
count(distinct case when event_ts >= current_date - interval '7 days'
then user_id end) as active_users_7d,
max(event_ts) as last_engagement_at
from {{ ref('fact_product_usage') }}
where event_ts >= current_date - interval '90 days'
group by 1
),
sf as (
select
account_id,
bool_or(stage = 'closed_lost') as renewal_at_risk_flag,
sum(case when stage = 'open' then amount_usd end) as open_pipeline_usd
from {{ ref('fact_salesforce_opportunities') }}
where snapshot_date = current_date
group by 1
),
joined as (
select
a.account_id,
current_date as snapshot_date,
a.account_name,
coalesce(u.active_users_7d, 0) as active_users_7d,
u.last_engagement_at,
current_date - u.last_engagement_at::date as days_since_engagement,
coalesce(s.renewal_at_risk_flag, false) as renewal_at_risk_flag,
coalesce(s.open_pipeline_usd, 0) as open_pipeline_usd
from {{ ref('dim_accounts') }} a
left join usage u on a.account_id = u.account_id
left join sf s on a.account_id = s.account_id
)
select
*,
case
when active_users_7d >= 5
and days_since_engagement <= 14
and not renewal_at_risk_flag then 'healthy'
when renewal_at_risk_flag then 'at_risk'
when days_since_engagement > 30 then 'dormant'
else 'watch'
end as health_status
from joined
"#;

#[test]
fn the_account_health_table_has_the_right_rows() {
    for dialect in ["duckdb", "postgres"] {
        let desk = Desk::new(dialect, "");
        desk.add(&HEALTH_INPUTS.replace("DIALECT", dialect));
        desk.add(HEALTH);
        desk.good(&["build"]);
        let sql = "select account_id, snapshot_date, account_name, active_users_7d, \
                   days_since_engagement, renewal_at_risk_flag, open_pipeline_usd, health_status \
                   from mart_account_health_daily order by account_id";
        let right = [
            "1 2026-05-22 Acme 5 1 false 150.75 healthy",
            "2 2026-05-22 Bolt 1 1 true 0.00 at_risk",
            "3 2026-05-22 Core 0 - false 0.00 watch",
            "4 2026-05-22 Dorm 0 51 false 0.00 dormant",
            "5 2026-05-22 Even 0 21 false 0.00 watch",
        ];
        assert_eq!(desk.rows(sql), right);
        desk.good(&["build"]);
        assert_eq!(desk.rows(sql), right, "the day's rows are replaced");
    }
}
