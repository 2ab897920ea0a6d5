select revenue_date, revenue_usd
from {{ ref('revenue_daily') }}
where revenue_usd < 0 or refunded_usd < 0
