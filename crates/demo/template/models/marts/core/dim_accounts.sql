select
    a.account_id,
    a.account_name,
    a.domain,
    a.country,
    c.region,
    a.industry,
    a.employees,
    a.plan,
    p.plan_rank,
    a.status,
    a.created_at
from {{ ref('stg_app__accounts') }} a
left join {{ ref('countries') }} c on a.country = c.country
left join {{ ref('plans') }} p on a.plan = p.plan
