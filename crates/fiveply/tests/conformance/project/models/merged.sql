{{ config(
    materialized='incremental', unique_key='order_id', incremental_strategy='merge',
    merge_exclude_columns=['first_status']) }}
select order_id, status as first_status, status, amount_cents from {{ ref('stg_orders') }}
