select
    cast(answered_at as date) as answered_date,
    count(*) as answers,
    count(case when score >= 9 then 1 end) as promoters,
    count(case when score <= 6 then 1 end) as detractors,
    100 * (count(case when score >= 9 then 1 end)
        - count(case when score <= 6 then 1 end)) / count(*) as nps
from {{ ref('stg_nps__answers') }}
group by 1
