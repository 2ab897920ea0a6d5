select
    response_id,
    user_id,
    score,
    comment,
    cast(answered_at as timestamp) as answered_at
from {{ source('nps', 'answers') }}
