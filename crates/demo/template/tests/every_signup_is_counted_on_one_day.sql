-- Returns a row when the dashboard's days do not add up to the sign-ups behind them.
select counted, kept
from (select sum(signups) as counted from {{ ref('signups_daily') }}) d
cross join (select count(*) as kept from {{ ref('fact_signups') }}) f
where counted <> kept
