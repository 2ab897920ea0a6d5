select
    s.plan,
    count(*) as subscriptions,
    sum(s.seats) as seats,
    sum(s.seats * p.price_usd) as monthly_usd
from {{ ref('stg_billing__subscriptions') }} s
inner join {{ ref('plans') }} p on s.plan = p.plan
group by 1
