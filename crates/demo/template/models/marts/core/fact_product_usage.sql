{{ config(materialized='view') }}
-- What counts as using the product: opening a page or signing in does not.
select
    event_id,
    account_id,
    user_id,
    feature,
    event_ts
from {{ ref('stg_app__usage') }}
where event_type not in ('login', 'page_view')
