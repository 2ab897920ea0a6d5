select * from {{ ref('stg_orders') }} where amount_cents >= {{ var('floor') }} * 100
