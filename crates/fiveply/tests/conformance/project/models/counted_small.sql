with all_of_them as (select * from {{ ref('small_orders') }})
select count(*) as n, sum(amount_cents) as cents from all_of_them
