//! Python on the inside: the tables of the blueprint.

use super::render;

#[track_caller]
fn gives(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(text, expected)| {
            let found = render(text);
            (found != *expected)
                .then(|| format!("{text}\n  gives   {found:?}\n  expected {expected:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn values_print_as_python_prints_them() {
    gives(&[
        ("{{ none }} {{ true }} {{ [1, 'a', none, 1.0] }}", "None True [1, 'a', None, 1.0]"),
        ("{{ {'a': 1, 'b': [2]} }}", "{'a': 1, 'b': [2]}"),
        ("{{ (1, 'x') }} {{ (1,) }}", "(1, 'x') (1,)"),
        ("{{ 7 / 2 }} {{ 7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }}", "3.5 3 2 1024"),
        ("{{ 4 / 2 }} {{ [1e20, 0.00001] }} {{ 1e16 }}", "2.0 [1e+20, 1e-05] 1e+16"),
        ("{{ [modules.datetime.date(2026, 1, 2)] }}", "[datetime.date(2026, 1, 2)]"),
        ("{{ [3, 1] | sort(reverse=true) }} {{ '' | default('x', boolean=true) }}", "[3, 1] x"),
        ("{{ 'a' ~ 1 ~ none }}", "a1None"),
        ("{{ \"it's\" | list | length }}", "4"),
        ("{{ [\"it's\"] }}", "[\"it's\"]"),
    ]);
}

#[test]
fn lists_dicts_and_sets_can_be_changed() {
    gives(&[
        ("{% set l = [] %}{% do l.append(1) %}{% do l.extend([2, 3]) %}{{ l }}", "[1, 2, 3]"),
        ("{% set l = [3, 1] %}{% do l.sort() %}{% do l.insert(0, 9) %}{{ l }}", "[9, 1, 3]"),
        ("{% set l = [1, 2] %}{{ l.pop() }}{{ l.pop(0) }}{{ l }}", "21[]"),
        ("{% set l = [1] + [2] %}{% do l.append(3) %}{{ l }}", "[1, 2, 3]"),
        ("{% set l = [1, 2, 3][1:] %}{% do l.append(4) %}{{ l }}{{ l[-1] }}", "[2, 3, 4]4"),
        ("{% set a = [] %}{% set b = a %}{% do b.append(1) %}{{ a }}", "[1]"),
        (
            "{% set d = {} %}{% do d.update({'a': 1}) %}{% do d.update(b=2) %}{{ d }}",
            "{'a': 1, 'b': 2}",
        ),
        ("{% set d = {'a': 1} %}{{ d.pop('a') }}{{ d.pop('z', 5) }}{{ d }}", "15{}"),
        ("{% set d = {} %}{% do d.setdefault('k', []).append(1) %}{{ d }}", "{'k': [1]}"),
        (
            "{% set d = {'items': 3} %}{{ d['items'] }}{{ d.get('no') }}{{ d.get('no', 4) }}",
            "3None4",
        ),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}", "a=1"),
        ("{% set s = set([1, 1, 2]) %}{% do s.add(3) %}{{ s | length }}{{ 3 in s }}", "3True"),
        ("{{ set([1, 2]) - set([2]) }}", "{1}"),
        (
            "{% for i in range(2) %}{% set l = [] %}{% do l.append(i) %}{{ l }}{% endfor %}",
            "[0][1]",
        ),
        ("{{ dict(a=1, b=2) }}{{ dict([('x', 1)]) }}", "{'a': 1, 'b': 2}{'x': 1}"),
        ("{{ 'a,b'.split(',') + ['c'] }}", "['a', 'b', 'c']"),
        ("{% set x = 'a b'.split() %}{% do x.append('c') %}{{ x }}", "['a', 'b', 'c']"),
        ("{% set x = [2, 1] | sort %}{% do x.append(0) %}{{ x }}", "[1, 2, 0]"),
        ("{{ zip([1, 2], ['a', 'b']) | list }}", "[(1, 'a'), (2, 'b')]"),
    ]);
}

#[test]
fn text_is_formatted_as_python_does() {
    gives(&[
        ("{{ '%s-%05d-%.2f' % ('a', 42, 1.5) }}", "a-00042-1.50"),
        ("{{ '%(x)s' % {'x': 1} }} {{ '100%%' % () }}", "1 100%"),
        ("{{ '{} {x}'.format(1, x=2) }}", "1 2"),
        ("{{ 'abc'.center(7, '*') }} {{ 'a'.ljust(3) }}| {{ '7'.zfill(3) }}", "**abc** a  | 007"),
        (
            "{{ 'a.b.c'.partition('.') }} {{ 'a.b.c'.rsplit('.', 1) }}",
            "('a', '.', 'b.c') ['a.b', 'c']",
        ),
        ("{{ 'Abc'.upper() }}{{ 'x'.startswith('x') }}{{ ' a '.strip() }}", "ABCTruea"),
        ("{{ 'a_b' | replace('_', ' ') | title }}", "A B"),
        ("{{ ['a', 1, none] | join(',') }}", "a,1,None"),
        ("{{ '12' | int + 1 }} {{ 'x' | int }} {{ 'x' | int(-1) }} {{ '1.9' | int }}", "13 0 -1 1"),
        ("{{ nope | default('d') }} {{ '' | default('d', true) }}", "d d"),
    ]);
}

#[test]
fn json_is_written_as_python_writes_it() {
    gives(&[
        ("{{ tojson({'b': [1, none], 'a': 'é'}) }}", r#"{"b": [1, null], "a": "\u00e9"}"#),
        ("{{ {'b': 1, 'a': '<'} | tojson }}", r#"{"a": "\u003c", "b": 1}"#),
        ("{{ tojson({'b': 1, 'a': 2}, sort_keys=true) }}", r#"{"a": 2, "b": 1}"#),
        ("{{ fromjson('{\"a\": [1]}').a[0] }}{{ fromjson('nope', 'd') }}", "1d"),
        ("{{ toyaml({'a': 1, 'b': ['x']}) }}", "a: 1\nb:\n- x\n"),
        ("{{ fromyaml('a: [1, x]') }}", "{'a': [1, 'x']}"),
        ("{{ local_md5('abc') }}", "900150983cd24fb0d6963f7d28e17f72"),
    ]);
}

#[test]
fn modules_answer_as_python_does() {
    gives(&[
        ("{{ run_started_at }}", "2026-11-22 10:20:30+00:00"),
        ("{{ run_started_at.strftime('%Y%m%d') }}", "20261122"),
        (
            "{{ run_started_at.astimezone(modules.pytz.timezone('Europe/Berlin')) }}",
            "2026-11-22 11:20:30+01:00",
        ),
        (
            "{{ modules.datetime.date(2026, 1, 31) + modules.datetime.timedelta(days=1) }}",
            "2026-02-01",
        ),
        (
            "{{ (modules.datetime.datetime(2026, 1, 2) - modules.datetime.datetime(2026, 1, \
         1)).days }}",
            "1",
        ),
        (
            "{{ modules.datetime.datetime.strptime('2026-03-04', '%Y-%m-%d').isoformat() }}",
            "2026-03-04T00:00:00",
        ),
        (
            "{{ modules.datetime.datetime(2026, 1, 1, \
         tzinfo=modules.pytz.timezone('America/Los_Angeles')) }}",
            "2026-01-01 00:00:00-07:53",
        ),
        (
            "{% set july = modules.datetime.datetime(2026, 7, 1) %}\
             {{ modules.pytz.timezone('America/New_York').localize(july) }}",
            "2026-07-01 00:00:00-04:00",
        ),
        ("{{ modules.datetime.timedelta(hours=25) }}", "1 day, 1:00:00"),
        ("{{ modules.re.sub('(a)(b)', '\\\\2\\\\1', 'xab') }}", "xba"),
        (
            "{{ modules.re.match('[a-z]+', 'abc1').group(0) }}{{ modules.re.match('b', 'ab') is \
         none }}",
            "abcTrue",
        ),
        ("{{ modules.re.findall('[0-9]+', 'a1b22') }}", "['1', '22']"),
        ("{{ modules.re.sub('(?<!x)a', '-', 'xaa', flags=modules.re.IGNORECASE) }}", "xa-"),
        ("{{ modules.itertools.product([1, 2], ['a']) | list }}", "[(1, 'a'), (2, 'a')]"),
        ("{{ modules.itertools.combinations([1, 2, 3], 2) | list | length }}", "3"),
    ]);
}

#[test]
fn jinja_of_python_is_accepted() {
    gives(&[
        ("{% if execute: %}yes{% endif %}", "yes"),
        ("{% for i in [1, 2]: %}{{ i }}{{ ',' if not loop.last }}{% endfor %}", "1,2"),
        ("{% set x %}a{{ 1 }}b{% endset %}{{ x | upper }}", "A1B"),
        (
            "{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% \
         endfor %}{{ ns.n }}",
            "3",
        ),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{% for a, b in [(1, 2)] %}{{ a + b }}{% endfor %}", "3"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{{ 'a' is sequence }}{{ {} is mapping }}{{ ref is callable }}", "TrueTrueTrue"),
        ("{% macro m(x, y=2) %}{{ x }}{{ y }}{% endmacro %}{{ m(1) }}", "12"),
        ("{{ nope }}|{{ nope is defined }}", "|False"),
        ("{{ [1, 2, 3] | select('odd') | list }}", "[1, 3]"),
    ]);
}
