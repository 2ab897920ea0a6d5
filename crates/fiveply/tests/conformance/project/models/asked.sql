{%- set statuses = dbt_statuses() -%}
select {{ statuses | length }} as kinds, '{{ statuses | join("+") }}' as listed
-- depends_on: {{ ref('orders') }}
