select
    id as payment_id,
    subscription as subscription_id,
    customer as account_id,
    client_reference_id as user_id,
    amount as amount_minor,
    currency,
    status,
    cast(to_timestamp(created) as timestamp) as created_at
from {{ source('billing', 'payments') }}
