select
    user_id,
    account_id,
    lower(email) as email,
    full_name,
    role,
    signup_id,
    active,
    cast(created_at as timestamp) as created_at,
    cast(updated_at as timestamp) as updated_at
from {{ source('app', 'users') }}
