{{ config(materialized='table', event_time='updated_at', pre_hook="{{ set_up_log() }}") }}
select id, status, updated_at from {{ ref('orders') }}
