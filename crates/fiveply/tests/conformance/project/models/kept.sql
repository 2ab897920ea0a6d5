{{ config(materialized='swap_in', wanted='yes') }}
select order_id, status from {{ ref('stg_orders') }} where status <> 'placed'
