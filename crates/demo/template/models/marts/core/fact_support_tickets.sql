select
    ticket_id,
    conversation_id,
    user_id,
    account_id,
    subject,
    status,
    priority,
    satisfaction_rating,
    created_at,
    updated_at
from {{ ref('stg_support__tickets') }}
