{{ config(severity='warn') }}
select o.* from {{ ref('orders') }} o left join {{ ref('customers') }} c on c.id = o.customer
where c.id is null
