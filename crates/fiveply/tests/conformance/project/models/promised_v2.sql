select amount_cents, order_id, status from {{ ref('stg_orders') }}
