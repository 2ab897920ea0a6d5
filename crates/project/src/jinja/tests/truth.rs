//! Our own snippets with what dbt-core 1.12 with dbt-duckdb renders them to.

use super::render;

#[rustfmt::skip]
const TRUTH: &[(&str, &str)] = &[
    (
        "{{ [1.5, 1e20, 0.00001, 3.0] }} {{ 1e16 }} {{ 0.1 + 0.2 }}",
        "[1.5, 1e+20, 1e-05, 3.0] 1e+16 0.30000000000000004",
    ),
    (
        "{{ '%r' % 'a' }} {{ '%5s|%-5s|' % ('a', 'b') }} {{ '%x' % 255 }} {{ '%e' % \
         12345.678 }}",
        "'a'     a|b    | ff 1.234568e+04",
    ),
    (
        "{{ \"a\\tb\" | list }} {{ ['a\\nb', \"q'q\", 'd\"d'] }} {{ 'é' }} {{ ['é'] }}",
        "['a', '\\t', 'b'] ['a\\nb', \"q'q\", 'd\"d'] é ['é']",
    ),
    (
        "{{ [3,1,2] | sort(reverse=true) }} {{ {'b':1,'a':2} | dictsort }} {{ [1,2,3,4] \
         | batch(2) | list }} {{ [1,1,2] | unique | list }}",
        "[3, 2, 1] [('a', 2), ('b', 1)] [[1, 2], [3, 4]] [1, 2]",
    ),
    (
        "{{ [{'a':1,'b':2},{'a':1,'b':3}] | groupby('a') | length }} {{ [{'a':1}] | \
         map(attribute='a') | list }} {{ [1,2,3] | sum }} {{ [1,2] | first }} {{ 'abc' | \
         last }}",
        "1 [1] 6 1 c",
    ),
    (
        "{{ 'a' if false }}|{{ none | string }}|{{ 3 | float }}|{{ '3.7' | float }}|{{ \
         3.7 | round }}|{{ 3.14159 | round(2) }}|{{ -3 | abs }}",
        "|None|3.0|3.7|4.0|3.14|3",
    ),
    (
        "{{ 'hello world foo' | truncate(10) }}|{{ 'x' | indent(2) }}|{{ 'a b' | \
         wordcount }}|{{ ' x ' | trim }}|{{ 'ab' | center(6) }}|{{ 'abc' | reverse }}",
        "hello world foo|x|2|x|  ab  |cba",
    ),
    (
        "{{ (1,2) + (3,) }} {{ [1] * 3 }} {{ 'ab' * 2 }} {{ not none }} {{ 1 == 1.0 }} \
         {{ '1' == 1 }} {{ 1 in [1] }} {{ 'a' not in 'abc' }}",
        "(1, 2, 3) [1, 1, 1] abab True True False True False",
    ),
    (
        "{{ 1 < 2 < 3 }} {{ [1,2] == [1,2] }} {{ {'a':1} == {'a':1} }} {{ (1,) == [1] \
         }} {{ 5 // 2 }} {{ -5 // 2 }} {{ 5 % -3 }}",
        "True True True False 2 -3 -1",
    ),
    (
        "{{ 'a,b,,c'.split(',') }} {{ 'a  b'.split() }} {{ 'aXbXc'.split('X', 1) }} {{ \
         'abc'[1:] }} {{ 'abc'[::-1] }} {{ [1,2,3][-2:] }} {{ 'abc'.find('c') }} {{ \
         'a-b'.replace('-', '+') }}",
        "['a', 'b', '', 'c'] ['a', 'b'] ['a', 'bXc'] bc cba [2, 3] 2 a+b",
    ),
    (
        "{{ 'Hello'.swapcase() }} {{ 'hello world'.title() }} {{ 'x'.join(['a','b']) }} \
         {{ 'abc'.endswith(('c','d')) }} {{ 'a'.isdigit() }} {{ '12'.isdigit() }} {{ \
         'aa'.count('a') }} {{ 'ab'.index('b') }} {{ 'abc'.capitalize() }}",
        "hELLO Hello World axb True False True 2 1 Abc",
    ),
    (
        "{{ modules.datetime.datetime(2026,1,2,3,4,5) }} {{ \
         [modules.datetime.date(2026,1,2)] }} {{ \
         [modules.datetime.datetime(2026,1,2,3,4)] }} {{ \
         [modules.datetime.timedelta(days=1, hours=2)] }} {{ \
         modules.datetime.timedelta(hours=-1) }}",
        "2026-01-02 03:04:05 [datetime.date(2026, 1, 2)] [datetime.datetime(2026, 1, 2, \
         3, 4)] [datetime.timedelta(days=1, seconds=7200)] -1 day, 23:00:00",
    ),
    (
        "{{ modules.datetime.datetime(2026,1,2).strftime('%A %d %B %Y %j %U %I %p %y \
         %f') }} {{ modules.datetime.date(2026,1,2).weekday() }} {{ \
         modules.datetime.date(2026,1,2).isocalendar()[1] }}",
        "Friday 02 January 2026 002 00 12 AM 26 000000 4 1",
    ),
    (
        "{{ modules.pytz.utc }} {{ modules.pytz.timezone('US/Eastern') }} {{ \
         modules.datetime.datetime(2026,1,2).replace(tzinfo=modules.pytz.utc).isoformat() \
         }} {{ modules.datetime.datetime.fromisoformat('2026-01-02T03:04:05+02:00') }}",
        "UTC US/Eastern 2026-01-02T00:00:00+00:00 2026-01-02 03:04:05+02:00",
    ),
    (
        "{{ modules.re.split('[,;]', 'a,b;c') }} {{ modules.re.search('(?P<x>b+)', \
         'abbc').group('x') }} {{ modules.re.escape('a.b') }} {{ \
         modules.re.compile('a').sub('b', 'aaa') }} {{ modules.re.findall('(a)(b)', \
         'abab') }}",
        "['a', 'b', 'c'] bb a\\.b bbb [('a', 'b'), ('a', 'b')]",
    ),
    (
        "{{ tojson([1, 1.5, 'a', none, true, {'k': (1,2)}]) }} {{ {'z': [1, {'y': 2}]} \
         | tojson }} {{ fromjson('[1, {\"a\": null}]') }}",
        "[1, 1.5, \"a\", null, true, {\"k\": [1, 2]}] {\"z\": [1, {\"y\": 2}]} [1, \
         {'a': None}]",
    ),
    (
        "{{ toyaml({'a': [1, {'b': 'x y', 'c': none}], 'd': {'e': true}, 'f': 'yes', \
         'g': '1'}) }}",
        "a:\n- 1\n- b: x y\n  c: null\nd:\n  e: true\nf: 'yes'\ng: '1'\n",
    ),
    (
        "{{ set([1,2]) | list }} {{ set_strict([1]) | list }} {{ zip([1],[2]) | list }} \
         {{ local_md5('é') }} {{ diff_of_two_dicts({'a': ['x','y']}, {'A': ['X']}) }}",
        "[1, 2] [1] [(1, 2)] 66ddcd97cfdeabb2f6fb8a999b4bc76f {'a': ['y']}",
    ),
    (
        "{% set ns = namespace(l=[]) %}{% for i in [1,2,3] if i != 2 %}{% do \
         ns.l.append(i ~ '/' ~ loop.index ~ '/' ~ loop.length ~ loop.first ~ loop.last) \
         %}{% endfor %}{{ ns.l }}",
        "['1/1/2TrueFalse', '3/2/2FalseTrue']",
    ),
    (
        "{% for x in [1,2,3] %}{{ loop.cycle('a','b') }}{{ loop.previtem }}{{ \
         loop.nextitem }}{{ loop.changed(x) }}{% endfor %}",
        "a2Trueb13Truea2True",
    ),
    (
        "{% set c = cycler('a','b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }} {% set \
         j = joiner(',') %}{{ j() }}a{{ j() }}b",
        "aba a,b",
    ),
    (
        "{% filter upper %}abc{% endfilter %} {% with a = 1 %}{{ a }}{% endwith %} {%- \
         set x, y = 1, 2 %}{{ x }}{{ y }}",
        "ABC 112",
    ),
    (
        "{% for k in {'b': 1, 'a': 2} %}{{ k }}{% else %}none{% endfor %} {% for k, v \
         in {'b': 1} | dictsort %}{{ k }}{{ v }}{% endfor %} {% for x in [] %}{% else \
         %}empty{% endfor %}",
        "ba b1 empty",
    ),
    (
        "{{ 12345678901234567890 * 10 }} {{ 2 ** 100 }} {{ 7.0 // 2 }} {{ 1/3 }} {{ 10 \
         / 5 }} {{ 1_000 }}",
        "123456789012345678900 1267650600228229401496703205376 3.0 0.3333333333333333 \
         2.0 1000",
    ),
    (
        "{{ 'a' 'b' }} {{ \"x\" ~ 1.0 ~ true ~ none }} {{ [none, true] | join('-') }} \
         {{ {'a': none}.a }} {{ {'a': 1}.get('b') }} {{ undefined_thing | default('u') \
         }} {{ undefined_thing is none }}",
        "ab x1.0TrueNone None-True None None u False",
    ),
    (
        "{{ [1,2,3] | select('greaterthan', 1) | list }} {{ ['a','b'] | \
         reject('equalto', 'a') | list }} {{ [{'n': 'x', 'e': true}, {'n': 'y', 'e': \
         false}] | selectattr('e') | map(attribute='n') | list }} {{ [1,2] | \
         map('string') | list }} {{ ['a', 'b'] | map('upper') | join }}",
        "[2, 3] ['b'] ['x'] ['1', '2'] AB",
    ),
    (
        "{{ (1,2) is sequence }} {{ 1 is number }} {{ 'a' is string }} {{ 1.0 is float \
         }} {{ 1 is integer }} {{ true is boolean }} {{ 3 is divisibleby 3 }} {{ 3 is \
         odd }} {{ 'A' is upper }} {{ [] is iterable }} {{ 1 is sameas 1 }} {{ 'a' is in \
         ['a'] }}",
        "True True True True True True True True True True True True",
    ),
];

#[test]
fn snippets_render_as_dbt_renders_them() {
    let wrong: Vec<String> = TRUTH
        .iter()
        .filter_map(|(text, expected)| {
            let found = render(text);
            (found != *expected).then(|| format!("{text}\n  gives {found:?}\n  dbt   {expected:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
