select
    id as ticket_id,
    external_id as conversation_id,
    requester_external_id as user_id,
    organization_external_id as account_id,
    subject,
    status,
    priority,
    satisfaction_rating,
    cast(created_at as timestamp) as created_at,
    cast(updated_at as timestamp) as updated_at
from {{ source('support', 'tickets') }}
