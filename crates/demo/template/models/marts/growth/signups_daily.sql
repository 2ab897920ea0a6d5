-- The dashboard's numbers: a day against the average of the same weekday in the four weeks before.
with days as (
    select
        signup_date,
        count(*) as signups,
        count(case when activated then 1 end) as activated
    from {{ ref('fact_signups') }}
    group by 1
),

compared as (
    select
        *,
        (
            lag(signups, 7) over (order by signup_date)
            + lag(signups, 14) over (order by signup_date)
            + lag(signups, 21) over (order by signup_date)
            + lag(signups, 28) over (order by signup_date)
        ) / 4.0 as average_4_weeks
    from days
)

select
    signup_date,
    signups,
    activated,
    average_4_weeks,
    cast(round(100 * (signups - average_4_weeks) / average_4_weeks) as integer) as delta_percent
from compared
