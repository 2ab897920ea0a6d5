{{ config(materialized='ephemeral') }}
with small as (select * from {{ ref('stg_orders') }} where amount_cents < 1000)
select * from small
