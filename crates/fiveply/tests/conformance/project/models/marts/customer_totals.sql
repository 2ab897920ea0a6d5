{%- set statuses = ['placed', 'shipped', 'returned'] -%}
select
    c.id as customer_id,
    coalesce(c.name, 'nobody') as name,
    {% for status in statuses -%}
    sum(case when o.status = '{{ status }}' then o.amount_cents else 0 end) as {{ status }}_cents,
    {% endfor -%}
    count(o.order_id) as orders
from {{ ref('customers') }} c
left join {{ ref('stg_orders') }} o on o.customer_id = c.id
group by 1, 2
