{{ config(materialized='incremental', unique_key='order_id', incremental_strategy='delete+insert') }}
select order_id, status, amount_cents from {{ ref('stg_orders') }}
{% if is_incremental() %} where status <> 'placed' {% endif %}
