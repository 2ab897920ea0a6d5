{{ config(materialized='incremental', unique_key='signup_id') }}
-- One row per sign-up: the first delivery counts. An increment looks at what is younger than the
-- youngest sign-up it has.
with deliveries as (
    select *
    from {{ ref('stg_app__signups') }}
    {% if is_incremental() %}
    where signed_up_at > (select max(signed_up_at) from {{ this }})
    {% endif %}
),

numbered as (
    select
        *,
        row_number() over (partition by signup_id order by signed_up_at) as delivery
    from deliveries
)

select
    signup_id,
    signed_up_at,
    email,
    country,
    plan,
    invited_to_account_id,
    door
from numbered
where delivery = 1
