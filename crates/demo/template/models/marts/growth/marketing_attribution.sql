select
    lead_source,
    count(*) as opportunities,
    count(case when stage = 'closed_won' then 1 end) as won,
    coalesce(sum(case when stage = 'closed_won' then amount_usd end), 0) as won_usd,
    coalesce(sum(case when stage = 'open' then amount_usd end), 0) as open_usd
from {{ ref('stg_crm__opportunities') }}
group by 1
