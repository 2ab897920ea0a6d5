{#- A comment that is no SQL. -#}
select
    id as order_id,
    customer as customer_id,
    {{ cents('amount') }} as amount_cents,
    status,
    updated_at
from {{ ref('orders') }}
