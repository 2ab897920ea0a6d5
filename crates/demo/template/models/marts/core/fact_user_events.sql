select
    event_id,
    user_id,
    account_id,
    event_type,
    platform,
    session_id,
    event_ts
from {{ ref('stg_app__usage') }}
