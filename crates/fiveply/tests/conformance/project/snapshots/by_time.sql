{% snapshot orders_by_time %}
{{ config(
    target_schema='snapshots', unique_key='id', strategy='timestamp', updated_at='updated_at',
    invalidate_hard_deletes=true) }}
select * from {{ ref('orders') }}
{% endsnapshot %}

{% snapshot orders_checked %}
{{ config(target_schema='snapshots', unique_key='id', strategy='check', check_cols=['status', 'amount']) }}
select id, status, amount from {{ ref('orders') }}
{% endsnapshot %}
