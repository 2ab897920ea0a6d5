select
    cast(answered_at as date) as answered_date,
    count(*) as answers,
    sum(case when score >= 9 then 1 else 0 end) as promoters,
    sum(case when score <= 6 then 1 else 0 end) as detractors,
    100 * (sum(case when score >= 9 then 1 else 0 end)
        - sum(case when score <= 6 then 1 else 0 end)) / count(*) as nps
from {{ ref('stg_nps__answers') }}
group by 1
