select
    "Id" as opportunity_id,
    "Name" as opportunity_name,
    "Account_External_Id__c" as account_id,
    "Type" as opportunity_type,
    case
        when "StageName" = 'Closed Won' then 'closed_won'
        when "StageName" = 'Closed Lost' then 'closed_lost'
        else 'open'
    end as stage,
    cast("Amount" as numeric(18, 2)) as amount_usd,
    "CloseDate" as close_date,
    "OwnerName" as owner_name,
    "LeadSource" as lead_source,
    cast("CreatedDate" as timestamp) as created_at,
    cast("SystemModstamp" as timestamp) as updated_at
from {{ source('crm', 'opportunities') }}
