-- dp W2 as printed
with usage as (
select
user_id,
date_trunc('day', event_ts)::date as feature_date,
count(*) as events_28d,
count(distinct event_type) as distinct_actions_28d,
max(event_ts) as last_event_ts
from fact_user_events
where event_ts >= current_date - interval '28 days'
group by 1, 2
),
billing as (
select
user_id,
feature_date,
sum(amount_usd) as revenue_28d,
bool_or(payment_failed) as had_failed_payment_28d
from fact_billing_events
where feature_date >= current_date - interval '28 days'
group by 1, 2
),
support as (
select
user_id,
feature_date,
count(*) as tickets_28d
from fact_support_tickets
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
-- dp W2 grouped by user
with usage as (
select
user_id,
count(*) as events_28d,
count(distinct event_type) as distinct_actions_28d,
max(event_ts) as last_event_ts
from fact_user_events
where event_ts >= current_date - interval '28 days'
group by 1
),
billing as (
select
user_id,
sum(amount_usd) as revenue_28d,
bool_or(payment_failed) as had_failed_payment_28d
from fact_billing_events
where feature_date >= current_date - interval '28 days'
group by 1
),
support as (
select
user_id,
count(*) as tickets_28d
from fact_support_tickets
where created_at >= current_date - interval '28 days'
group by 1
)
select
user_id,
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
-- dp W4 as printed
with usage as (
select
account_id,
current_date as snapshot_date,
count(distinct case when event_ts >= current_date - interval '7 days'
then user_id end) as active_users_7d,
max(event_ts) as last_engagement_at
from fact_product_usage
where event_ts >= current_date - interval '90 days'
group by 1
),
sf as (
select
account_id,
bool_or(stage = 'closed_lost') as renewal_at_risk_flag,
sum(case when stage = 'open' then amount_usd end) as open_pipeline_usd
from fact_salesforce_opportunities
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
from dim_accounts a
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
