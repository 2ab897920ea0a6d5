{{ config(tags=['broken']) }}
select nothing_of_that_name from {{ ref('orders') }}
