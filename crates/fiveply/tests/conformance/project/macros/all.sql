{% macro cents(column) -%}
  cast(round({{ column }} * 100) as bigint)
{%- endmacro %}

{% macro set_up_log() %}
  create table if not exists {{ target.schema }}.hook_log (name varchar, n bigint)
{% endmacro %}

{% macro note_schemas(schemas) %}
  insert into {{ target.schema }}.run_log values ('schemas', '{{ schemas | sort | join(",") }}')
{% endmacro %}

{% macro dbt_statuses() %}
  {% if not execute %}{{ return([]) }}{% endif %}
  {% set answer = run_query('select distinct status from ' ~ ref('orders') ~ ' order by 1') %}
  {{ return(answer.columns[0].values() | list) }}
{% endmacro %}

{% macro fill(count) %}
  {% set name = target.schema ~ '.filled' %}
  {% do run_query('create or replace table ' ~ name ~ ' as select ' ~ count ~ ' as n') %}
  {% do run_query('insert into ' ~ name ~ ' values (' ~ (count + 1) ~ ')') %}
  {% do run_query('update ' ~ name ~ ' set n = n * 10 where n = ' ~ count) %}
  {% do run_query('delete from ' ~ name ~ ' where n = ' ~ (count + 1)) %}
  {% do log('filled with ' ~ count, info=true) %}
{% endmacro %}

{% test at_least(model, column_name, minimum) %}
  select * from {{ model }} where {{ column_name }} < {{ minimum }}
{% endtest %}

{% test row_count_between(model, low, high) %}
  {{ config(fail_calc='coalesce(sum(beyond), 0)') }}
  select abs(count(*) - {{ high }}) as beyond from {{ model }}
  having count(*) not between {{ low }} and {{ high }}
{% endtest %}

{% materialization swap_in, default %}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set existing = load_cached_relation(this) -%}
  {%- set fresh = make_intermediate_relation(target_relation) -%}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}
  {% do drop_relation_if_exists(load_cached_relation(fresh)) %}
  {% call statement('main') -%}
    {{ create_table_as(False, fresh, sql) }}
  {%- endcall %}
  {% if existing is not none %}
    {% do adapter.drop_relation(existing) %}
  {% endif %}
  {% do adapter.rename_relation(fresh, target_relation) %}
  {% call statement('mark') -%}
    insert into {{ target_relation }} values (-1, '{{ config.get("wanted") }}')
  {%- endcall %}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {% do adapter.commit() %}
  {{ run_hooks(post_hooks, inside_transaction=False) }}
  {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
