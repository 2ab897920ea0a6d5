{{ config(
    materialized='incremental', unique_key=['order_id', 'customer_id'],
    incremental_strategy='delete+insert',
    incremental_predicates=["DBT_INTERNAL_DEST.order_id < 5"] if false else none) }}
select order_id, customer_id, amount_cents from {{ ref('stg_orders') }}
