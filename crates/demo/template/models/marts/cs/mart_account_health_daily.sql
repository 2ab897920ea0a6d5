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
