{{ config(materialized='incremental', unique_key=['user_id', 'feature_date']) }}
with usage as (
    select
        user_id,
        count(*) as events_28d,
        count(distinct event_type) as distinct_actions_28d,
        max(event_ts) as last_event_ts
    from {{ ref('fact_user_events') }}
    where event_ts >= current_date - interval '28 days'
    group by 1
),

billing as (
    select
        user_id,
        sum(amount_usd) as revenue_28d,
        bool_or(payment_failed) as had_failed_payment_28d
    from {{ ref('fact_billing_events') }}
    where feature_date >= current_date - interval '28 days'
    group by 1
),

support as (
    select
        user_id,
        count(*) as tickets_28d
    from {{ ref('fact_support_tickets') }}
    where created_at >= current_date - interval '28 days'
    group by 1
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
