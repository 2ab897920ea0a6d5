select
    u.user_id,
    u.account_id,
    u.email,
    u.full_name,
    u.role,
    u.signup_id,
    u.active,
    a.country,
    u.created_at
from {{ ref('stg_app__users') }} u
left join {{ ref('stg_app__accounts') }} a on u.account_id = a.account_id
