{{ config(materialized='incremental', unique_key='order_id', on_schema_change='sync_all_columns') }}
select order_id, {% if is_incremental() %} status {% else %} customer_id {% endif %}
from {{ ref('stg_orders') }}
