//! Templates and the world around them: macros, dispatch, ref, config, queries.

use std::sync::Arc;

use base::SourceFile;
use serde_json::{Map, json};

use super::{Warehouse, node, render, render_in, renderer_of};
use crate::jinja::{NodeSource, TestCall};

#[test]
fn macros_return_values_pack_surplus_and_call_back() {
    let macros = &[(
        "shop",
        "{% macro total(a, b=10) %}{{ return(a + b) }}{% endmacro %}\
         {% macro first(items) %}{% for i in items %}{{ return(i) }}{% endfor %}{% endmacro %}\
         {% macro many() %}{{ varargs | length }}{{ kwargs.x }}{% endmacro %}\
         {% macro twice(n) %}[{{ caller(n) }}{{ caller(n + 1) }}]{% endmacro %}\
         {% macro fact(n) %}{{ return(1 if n < 2 else n * fact(n - 1)) }}{% endmacro %}\
         {%- macro trimmed() -%}  x  {%- endmacro -%}\
         {% macro fresh(l=[]) %}{% do l.append(1) %}{{ return(l) }}{% endmacro %}\
         {% macro named(schema, name=schema, both=[schema, name]) %}{{ both }}{% endmacro %}\
         {% macro typed(a: string, b: int = 3) %}{{ a }}{{ b }}{% endmacro %}\
         {% macro outer() %}{% set y = 5 %}{% call twice(1) %}{{ y }}{{ caller() }}{% endcall \
         %}{% endmacro %}",
    )];
    let cases = [
        ("{{ total(1) + 1 }} {{ total(1, b=2) }} {{ shop.total(1) }}", "12 3 11"),
        ("{{ first([7, 8]) + 1 }}", "8"),
        ("{{ many(1, 2, x='k') }}", "2k"),
        ("{% set z = 'z' %}{% call(n) twice(1) %}{{ n }}{{ z }}{% endcall %}", "[1z2z]"),
        ("{{ fact(5) }}", "120"),
        ("{{ trimmed() }}", "x"),
        ("{{ fresh() }}{{ fresh() }}", "[1][1]"),
        ("{{ typed('a') }}", "a3"),
        ("{{ named('s') }}{{ named('s', name='n') }}", "['s', 's']['s', 'n']"),
        ("{{ context['total'](1, 1) }}{{ context.get('nope') }}", "2None"),
    ];
    for (text, expected) in cases {
        assert_eq!(
            render_in(macros, text).map_err(|d| super::shown(&d)),
            Ok(expected.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn dispatch_prefers_the_root_project_then_the_dialect_then_default() {
    let macros = &[
        (
            "shop",
            "{% macro duckdb__noise() %}mine{% endmacro %}\
             {% macro ref(name) %}{{ return(builtins.ref(name).include(database=false)) }}{% \
         endmacro %}",
        ),
        (
            "lib",
            "{% macro noise() %}{{ return(adapter.dispatch('noise', 'lib')()) }}{% endmacro %}\
             {% macro duckdb__noise() %}theirs{% endmacro %}\
             {% macro hum() %}{{ adapter.dispatch('hum', 'lib')() }}{% endmacro %}\
             {% macro default__hum() %}hum{% endmacro %}",
        ),
    ];
    assert_eq!(render_in(macros, "{{ lib.noise() }} {{ lib.hum() }}").unwrap(), "mine hum");
    assert_eq!(render_in(macros, "{{ ref('a') }}").unwrap(), "\"main\".\"a\"");
}

#[test]
fn relations_render_and_are_mappings() {
    let cases = [
        ("{{ ref('a') }} {{ ref('eph') }}", "\"dev\".\"main\".\"a\" __dbt__cte__eph"),
        ("{{ source('app', 't').include(database=false) }}", "\"app\".\"t\""),
        (
            "{{ this.schema }}.{{ this.name }} {{ this.type }} {{ this.is_table }}",
            "main.m table True",
        ),
        ("{{ this is mapping }} {{ this.metadata.type }}", "True DuckDBRelation"),
        ("{{ this.incorporate(path={'identifier': 'x'}, type='view').is_view }}", "True"),
        ("{{ api.Relation.create(schema='s', identifier='i') }}", "\"s\".\"i\""),
        ("{{ this.information_schema('columns') }}", "\"dev\".INFORMATION_SCHEMA.columns"),
        (
            "{{ adapter.get_columns_in_relation(this) | map(attribute='name') | join(',') }}",
            "id,name",
        ),
        ("{{ adapter.get_relation('dev', 'main', 'nope') is none }}", "True"),
        ("{{ adapter.quote('a') }} {{ load_relation(this) is not none }}", "\"a\" True"),
    ];
    for (text, expected) in cases {
        assert_eq!(render(text), expected, "{text}");
    }
}

#[test]
fn queries_answer_as_agate_tables() {
    let text = "{% set t = run_query('select status, n from s') %}\
        {% if execute %}{% for s in t.columns[0].values() %}{{ s }},{% endfor %}\
        {{ t.rows[1]['n'] }}{{ t.columns['n'].values() }}{% for r in t %}{{ r[0] }}{{ r.n }}{% \
         endfor %}\
        {{ t.column_names }}{{ t | length }}{% endif %}";
    assert_eq!(render(text), "new,paid,4(3, 4)new3paid4('status', 'n')2");
    let text = "{% call statement('x', fetch_result=true) %}select status, n from s{% endcall %}\
        {{ load_result('x').data[0] }}{{ load_result('x')['table'].rows | length }}";
    assert_eq!(render(text), "('new', 3)2");
}

#[test]
fn parsing_records_calls_and_swallows_what_nobody_can_know() {
    let text = "{{ config(materialized='table', tags=['a']) }}\n\
        {% set v = run_query('select 1').columns[0].values() %}\
        {% for x in v %}{{ x }}{% endfor %}{{ later.macro(1)['x'] }}{{ unknown() }}\
        select * from {{ ref('a') }} join {{ ref('p', 'b', v=2) }} join {{ source('s', 't') }}\
        {% if is_incremental() %}{{ ref('hidden') }}{% endif %} {{ var('start') }} {{ \
         var('none') }}";
    let parsed = renderer_of(&[]).parse(&node(text)).map_err(|d| super::shown(&d)).unwrap();
    assert_eq!(
        serde_json::Value::Object(parsed.configs[0].values.clone()),
        json!({"materialized": "table", "tags": ["a"]})
    );
    assert_eq!(parsed.configs[0].span.location(), "models/m.sql:1:4");
    let refs: Vec<String> = parsed.refs.iter().map(|(call, _)| call.to_string()).collect();
    assert_eq!(refs, ["ref('a')", "ref('p', 'b', v=2)"]);
    assert_eq!(parsed.sources[0].table, "t");
    assert_eq!(parsed.vars.len(), 2);
    assert!(parsed.macros.contains("macro.dbt.run_query"), "{:?}", parsed.macros);
}

#[test]
fn configuration_is_read_at_run_time() {
    let mut node = node(
        "{{ config.get('a') }}{{ config.get('b', 'x') }}{{ config.require('a') }}{{ \
         is_incremental() }}",
    );
    node.config = json!({"a": 1}).as_object().unwrap().clone();
    node.model = json!({"config": {"materialized": "incremental"}});
    let rendered = renderer_of(&[]).render(&node, Arc::new(Warehouse)).unwrap();
    assert_eq!(rendered.text, "1x1True");
}

#[test]
fn generic_tests_have_dbts_columns() {
    let file = SourceFile::new("models/schema.yml", "models: []");
    let mut source = NodeSource::file(&file, "shop", "test.shop.unique_m_id");
    let arguments = json!({"model": "{{ get_where_subquery(ref('m')) }}", "column_name": "id"});
    source.test = Some(TestCall {
        name: "unique".into(),
        package: None,
        arguments: arguments.as_object().unwrap().clone(),
    });
    let renderer = renderer_of(&[]);
    let rendered = renderer.render(&source, Arc::new(Warehouse)).unwrap();
    let words: Vec<&str> = rendered.text.split_whitespace().collect();
    assert_eq!(
        words.join(" "),
        "select id as unique_field, count(*) as n_records from \"dev\".\"main\".\"m\" \
         where id is not null group by id having count(*) > 1"
    );
    source.config = json!({"where": "id > 1"}).as_object().unwrap().clone();
    let rendered = renderer.render(&source, Arc::new(Warehouse)).unwrap();
    assert!(
        rendered.text.contains("(select * from \"dev\".\"main\".\"m\" where id > 1) dbt_subquery")
    );
    let parsed = renderer.parse(&source).unwrap();
    assert_eq!(parsed.refs.len(), 1);
    let arguments =
        json!({"model": "m", "column_name": "s", "values": ["a", "b"], "to": "ref('x')"});
    let mut arguments = arguments.as_object().unwrap().clone();
    arguments.remove("to");
    source.test = Some(TestCall { name: "accepted_values".into(), package: None, arguments });
    let text = renderer.render(&source, Arc::new(Warehouse)).unwrap().text;
    assert!(text.contains("'a','b'"), "{text}");
}

#[test]
fn names_are_generated_by_the_project_or_by_default() {
    let call = |macros: &[(&str, &str)], custom: serde_json::Value| {
        let node = node("");
        renderer_of(macros)
            .call(
                "generate_schema_name",
                &[custom, json!({"name": "m"})],
                &Map::new(),
                &node,
                Arc::new(Warehouse),
            )
            .unwrap()
    };
    assert_eq!(call(&[], json!(null)), json!("main"));
    assert_eq!(call(&[], json!("marts")), json!("main_marts"));
    let own = "{% macro generate_schema_name(name, node) -%}{{ name | trim }}{%- endmacro %}";
    assert_eq!(call(&[("shop", own)], json!("marts")), json!("marts"));
}

#[test]
fn values_are_rendered_natively() {
    let renderer = renderer_of(&[]);
    let file = SourceFile::new("models/schema.yml", "x");
    let place = base::Span::new(&file, 0..1);
    let value = json!({"a": "{{ var('flags') }}", "b": "x{{ 1 }}", "c": ["{{ 1 + 1 \
         }}"], "d": "{{ env_var('REGION') }}"});
    let rendered = renderer.render_value(&value, "shop", &place).unwrap();
    assert_eq!(rendered, json!({"a": [1, 2], "b": "x1", "c": [2], "d": "eu"}));
}

#[test]
fn the_map_leads_back_through_macros() {
    let macros = "{% macro cents(c) %}\n  ({{ c }} / 100)\n{% endmacro %}";
    let text = "select\n  {{ cents('amount') }} as a,\n  bad_column\nfrom {{ ref('o') }}";
    let renderer = renderer_of(&[("shop", macros)]);
    let node = node(text);
    let rendered = renderer.render(&node, Arc::new(Warehouse)).unwrap();
    let map = renderer.map(&node, Arc::new(Warehouse), &rendered.text);
    let at = |part: &str| {
        let start = rendered.text.find(part).unwrap();
        let (origin, through) = map.origin(start..start + part.len()).unwrap();
        (origin.location(), through.map(|span| span.location()))
    };
    assert_eq!(at("bad_column"), ("models/m.sql:3:3".into(), None));
    assert_eq!(at("/ 100"), ("shop/macros/all.sql:2:12".into(), Some("models/m.sql:2:6".into())));
    assert_eq!(at("amount"), ("shop/macros/all.sql:2:7".into(), Some("models/m.sql:2:6".into())));
    assert_eq!(at("\"o\""), ("models/m.sql:4:9".into(), None));
}

#[test]
fn cross_database_macros_speak_the_dialect() {
    let cases = [
        ("{{ dbt.date_trunc('month', 'd') }}", "date_trunc('month', d)"),
        ("{{ dbt.dateadd('day', 1, 'd') }}", "(d + cast(1 as bigint) * interval 1 day)"),
        ("{{ dbt.datediff('a', 'b', 'day') }}", "(date_diff('day', a::timestamp, b::timestamp ))"),
        ("{{ dbt.type_string() }} {{ dbt.type_numeric() }}", "TEXT numeric(28,6)"),
        ("{{ dbt.concat(['a', 'b']) }}", "a || b"),
        ("{{ dbt.hash('a') }}", "md5(cast(a as TEXT))"),
        ("{{ dbt.safe_cast('a', 'int') }}", "cast(a as int)"),
        ("{{ dbt.string_literal('a') }} {{ dbt.current_timestamp() }}", "'a' now()"),
        ("{{ dbt.split_part('a', \"','\", 1) }}", "string_split(a, ',')[ 1 ]"),
        ("{{ dbt.escape_single_quotes(\"it's\") }}", "it''s"),
        ("{{ dbt.get_powers_of_two(5) }}", "3"),
    ];
    for (text, expected) in cases {
        assert_eq!(render(text), expected, "{text}");
    }
}

#[test]
fn a_variable_that_holds_a_template_is_rendered_where_it_is_asked_for() {
    let renderer = renderer_of(&[]);
    let mut settings = renderer.settings().clone();
    let variables = json!({
        "orders": "{{ source('app', 'orders') }}",
        "tables": ["{{ source('app', 'x') }}"],
        "endless": "{{ var('endless') }}",
    });
    let variables = variables.as_object().unwrap().clone();
    settings.variables.insert("shop".to_owned(), variables);
    let renderer = crate::jinja::Renderer::new(Arc::clone(renderer.library()), settings);
    let text = "from {{ var('orders') }} -- {{ var('tables')[0] }}";
    let parsed = renderer.parse(&node(text)).unwrap();
    assert_eq!(parsed.sources.len(), 1);
    let rendered = renderer.render(&node(text), Arc::new(Warehouse)).unwrap();
    assert_eq!(rendered.text, "from \"dev\".\"app\".\"orders\" -- {{ source('app', 'x') }}");
    let refused = renderer.render(&node("{{ var('endless') }}"), Arc::new(Warehouse));
    assert!(refused.unwrap_err().message.contains("asks for it"));
}

#[test]
fn only_what_a_template_calls_itself_counts_as_its_macro() {
    let macros = &[(
        "shop",
        "{% macro outer() %}{{ inner() }}{% endmacro %}{% macro inner() %}1{% endmacro %}\
         {% macro twice() %}{{ caller() }}{% endmacro %}",
    )];
    let text = "{{ outer() }}{% call twice() %}{{ inner() }}{% endcall %}{{ outer() }}";
    let parsed = renderer_of(macros).parse(&node(text)).unwrap();
    assert_eq!(parsed.called, ["macro.shop.outer", "macro.shop.twice"]);
    assert!(parsed.macros.contains("macro.shop.inner"));
}

#[test]
fn what_a_template_notes_in_the_graph_the_next_one_reads() {
    let renderer = renderer_of(&[]);
    let text = "{% do graph.setdefault('notes', []).append(1) %}{{ graph.notes | length }}";
    let render = |renderer: &crate::jinja::Renderer| {
        renderer.render(&node(text), Arc::new(Warehouse)).unwrap().text
    };
    assert_eq!([render(&renderer), render(&renderer)], ["1", "2"]);
    let mut settings = renderer.settings().clone();
    settings.invocation_id = "another command".to_owned();
    let other = crate::jinja::Renderer::new(Arc::clone(renderer.library()), settings);
    assert_eq!(render(&other), "1");
}
