{% macro greet(name) %}{{ return(adapter.dispatch('greet', 'helpers')(name)) }}{% endmacro %}

{% macro default__greet(name) %}'{{ var('greeting') }} ' || {{ name }}{% endmacro %}

{% macro duckdb__greet(name) %}'{{ var('greeting') }}, ' || {{ name }}{% endmacro %}
