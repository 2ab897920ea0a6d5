-- Both doors, one row per delivery; the product's shipper promises "at least once".
select
    signup_id,
    cast(signed_up_at as timestamp) as signed_up_at,
    lower(email) as email,
    country,
    plan,
    invited_to_account_id,
    'web' as door
from {{ source('app', 'signups') }}

union all

select
    signup_id,
    cast(signed_up_at as timestamp) as signed_up_at,
    lower(email) as email,
    country,
    plan,
    invited_to_account_id,
    'mobile' as door
from {{ source('app', 'signups_mobile') }}
