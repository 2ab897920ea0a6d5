{{ config(materialized='incremental', on_schema_change='append_new_columns') }}
select order_id {% if is_incremental() %}, status as late_status {% endif %}
from {{ ref('stg_orders') }}
{% if is_incremental() %} where order_id > (select max(order_id) from {{ this }}) {% endif %}
