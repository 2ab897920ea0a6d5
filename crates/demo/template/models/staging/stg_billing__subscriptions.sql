select
    id as subscription_id,
    customer as account_id,
    status,
    plan_id as plan,
    quantity as seats,
    currency,
    cast(to_timestamp(created) as timestamp) as created_at
from {{ source('billing', 'subscriptions') }}
