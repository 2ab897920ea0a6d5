with payments as (
    select
        p.*,
        cast(p.amount_minor * c.usd_rate / 100 as numeric(18, 2)) as asked_usd
    from {{ ref('stg_billing__payments') }} p
    inner join {{ ref('currencies') }} c on p.currency = c.currency
)

select
    payment_id,
    subscription_id,
    account_id,
    user_id,
    cast(created_at as date) as feature_date,
    created_at,
    case when status = 'succeeded' then asked_usd else 0 end as amount_usd,
    case when status = 'refunded' then asked_usd else 0 end as refunded_usd,
    status = 'failed' as payment_failed
from payments
