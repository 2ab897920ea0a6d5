select
    feature_date as revenue_date,
    count(*) as payments,
    count(case when payment_failed then 1 end) as failed_payments,
    sum(amount_usd) as revenue_usd,
    sum(refunded_usd) as refunded_usd
from {{ ref('fact_billing_events') }}
group by 1
