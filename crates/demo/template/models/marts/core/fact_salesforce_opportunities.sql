{{ config(
    materialized='incremental',
    unique_key=['opportunity_id', 'snapshot_date'],
    on_schema_change='append_new_columns'
) }}
-- The CRM keeps no history of its own: every day's state is kept here.
select
    opportunity_id,
    current_date as snapshot_date,
    account_id,
    opportunity_type,
    stage,
    amount_usd,
    close_date,
    owner_name,
    lead_source,
    created_at
from {{ ref('stg_crm__opportunities') }}
