//! What is said when a template is wrong.

use std::sync::Arc;

use super::{Warehouse, node, render_in, renderer_of, shown};

#[track_caller]
fn says(macros: &str, text: &str, expected: &str) {
    let found = render_in(&[("shop", macros)], text).map_err(|diagnostic| shown(&diagnostic));
    assert_eq!(found, Err(expected.to_owned()));
}

#[test]
fn an_unknown_macro_is_named_with_the_nearest_one() {
    says(
        "{% macro cents_to_dollars(x) %}{{ x }}{% endmacro %}",
        "select\n  {{ cents_to_dolars('a') }}",
        "E0302 models/m.sql:2:6 \"cents_to_dolars\" is not defined | Did you \
         mean \"cents_to_dollars\"?",
    );
}

#[test]
fn an_error_inside_macros_shows_the_chain_of_calls() {
    says(
        "{% macro inner() %}\n  {{ exceptions.raise_compiler_error('no luck') }}\n{% endmacro %}\n\
         {% macro outer() %}{{ inner() }}{% endmacro %}",
        "select {{ outer() }}",
        "E0303 shop/macros/all.sql:2:6 no luck < shop/macros/all.sql:4:23 called from here \
         < models/m.sql:1:11 called from here | \
         The template raises this itself: give it what it asks for.",
    );
}

#[test]
fn syntax_errors_point_at_the_place() {
    let found = render_in(&[], "select 1\n{% if x %}").unwrap_err();
    assert_eq!(found.code, "E0300");
    assert!(shown(&found).starts_with("E0300 models/m.sql:2:"), "{}", shown(&found));
}

#[test]
fn missing_variables_refs_and_secrets_are_refused() {
    says(
        "",
        "{{ var('strat') }}",
        "E0302 models/m.sql:1:4 variable \"strat\" has no value and no default | Did you \
         mean \"start\"? \
         | Set it under vars: in dbt_project.yml, or pass --vars '{strat: ...}'.",
    );
    says(
        "",
        "{{ ref('gone') }}",
        "E0301 models/m.sql:1:4 ref('gone') names no model, seed or snapshot",
    );
    says(
        "",
        "{{ env_var('DBT_ENV_SECRET_KEY') }}",
        "E0301 models/m.sql:1:4 secret \"DBT_ENV_SECRET_KEY\" is read where it would be shown \
         | Secrets may be read in connections and profiles only.",
    );
}

#[test]
fn secrets_are_scrubbed_from_messages() {
    says(
        "",
        "{{ exceptions.raise_compiler_error('key hunter2') }}",
        "E0303 models/m.sql:1:4 key ***** | \
         The template raises this itself: give it what it asks for.",
    );
}

#[test]
fn endless_recursion_ends_in_a_message() {
    let macros = "{% macro a() %}{{ a() }}{% endmacro %}";
    let found = render_in(&[("shop", macros)], "{{ a() }}").unwrap_err();
    assert_eq!(found.code, "E0304");
    assert!(found.message.contains("nested more than"), "{}", found.message);
}

#[test]
fn a_list_that_holds_itself_prints() {
    let text = "{% set l = [] %}{% do l.append(l) %}{{ l }}";
    assert!(render_in(&[], text).unwrap().contains("..."));
}

#[test]
fn wrong_arguments_are_named() {
    let found = render_in(&[("shop", "{% macro m(a) %}{{ a }}{% endmacro %}")], "{{ m(1, 2) }}");
    assert!(shown(&found.unwrap_err()).contains("macro 'm' takes not more than 1 argument(s)"));
}

#[test]
fn warnings_are_kept() {
    let rendered = renderer_of(&[])
        .render(&node("{{ exceptions.warn('old') }}x"), Arc::new(Warehouse))
        .unwrap();
    assert_eq!(rendered.text, "x");
    assert_eq!(rendered.warnings[0].message, "old");
}
