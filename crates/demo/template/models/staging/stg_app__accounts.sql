select
    account_id,
    account_name,
    domain,
    country,
    industry,
    employees,
    plan,
    status,
    cast(created_at as timestamp) as created_at,
    cast(updated_at as timestamp) as updated_at
from {{ source('app', 'accounts') }}
