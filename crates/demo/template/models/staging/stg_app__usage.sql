select
    event_id,
    cast(event_ts as timestamp) as event_ts,
    user_id,
    account_id,
    event_type,
    feature,
    platform,
    session_id
from {{ source('app', 'usage') }}
