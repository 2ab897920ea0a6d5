{{ config(
    materialized='incremental', incremental_strategy='microbatch', event_time='updated_at',
    batch_size='year', begin='2024-01-01', lookback=1) }}
select id as order_id, status, updated_at from {{ ref('timed_orders') }}
