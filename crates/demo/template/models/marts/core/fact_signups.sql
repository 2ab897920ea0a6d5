select
    s.signup_id,
    s.signed_up_at,
    cast(s.signed_up_at as date) as signup_date,
    s.email,
    s.country,
    s.plan,
    s.door,
    s.invited_to_account_id,
    u.user_id,
    u.user_id is not null as activated
from {{ ref('int_signups_deduplicated') }} s
left join {{ ref('dim_users') }} u on s.signup_id = u.signup_id
