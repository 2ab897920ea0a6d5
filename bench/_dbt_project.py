"""Makes a dbt project of any size, the same one each time: layers of models over seeds, a package.

    python bench/_dbt_project.py FOLDER --models 1000 --layers 10 --tests 2000

Layer 0 stages raw seeds, declared as sources, in views. Each further layer joins two models of the
one before: tables, views in every third layer, every tenth model incremental. Models read
variables, configure themselves and call macros, one through `adapter.dispatch`, one of a package.
Each model has properties; the first tests are unique and not_null keys, the others are ranges of a
package's generic test. One CSV has 100 rows, so the figures are those of the tool, not the engine.
"""

import argparse
import random
import shutil
from pathlib import Path

RAW_TABLES = 20
RAW_ROWS = 100
GROUP = 25

DBT_PROJECT = """name: generated
version: "1.0.0"
config-version: 2
profile: generated
model-paths: [models]
seed-paths: [seeds]
macro-paths: [macros]
vars:
  smallest_amount: 0
  currency: EUR
models:
  generated:
    +materialized: table
    layer_00:
      +materialized: view
      +tags: [staging]
seeds:
  generated:
    +schema: raw
"""

PROFILES = """generated:
  target: dev
  outputs:
    dev: {type: duckdb, path: generated.duckdb, schema: analytics, threads: 2}
"""

MACROS = """{% macro cents_to_units(column, places=2) %}
round({{ column }} / 100.0, {{ places }})
{% endmacro %}

{% macro size_of(column) %}{{ return(adapter.dispatch('size_of', 'generated')(column)) }}{% endmacro %}

{% macro default__size_of(column) %}
case
{% for limit, word in [(100, 'small'), (1000, 'middle')] %}
  when {{ column }} < {{ limit }} then '{{ word }}'
{% endfor %}
  else 'large'
end
{% endmacro %}
"""

PACKAGE_MACROS = """{% macro audit_columns(layer) %}
{{ layer }} as layer_number, '{{ target.name }}' as built_for
{% endmacro %}

{% test in_range(model, column_name, lowest=0) %}
select {{ column_name }} from {{ model }} where {{ column_name }} < {{ lowest }}
{% endtest %}
"""

STAGING = """{{{{ config(alias='{name}') }}}}

with source as (
    select * from {{{{ source('raw', '{raw}') }}}}
),

renamed as (
    select
        id,
        upper(name) as name,
        {{{{ cents_to_units('amount') }}}} as amount,
        cast(happened_on as date) as happened_on,
        {{{{ helpers.audit_columns({layer}) }}}}
    from source
    where amount >= {{{{ var('smallest_amount') }}}} and id > {offset}
)

select * from renamed
"""

JOINING = """{{%- set measures = ['amount', 'doubled'] -%}}
{config}
with one as (
    select * from {{{{ ref('{left}') }}}}
),

other as (
    select id, max(amount) as amount, count(*) as pieces
    from {{{{ ref('{right}') }}}}
    group by id
),

joined as (
    select
        one.id,
        one.name,
        one.happened_on,
        coalesce(one.amount, 0) as amount,
        coalesce(other.amount, 0) * 2 as doubled,
        coalesce(other.pieces, 0) as pieces
    from one
    left join other on one.id = other.id
)

select
    id,
    name,
    happened_on,
    {{% for measure in measures %}}{{{{ measure }}}},
    {{% endfor -%}}
    pieces,
    {{{{ size_of('amount') }}}} as size,
    '{{{{ var("currency") }}}}' as currency,
    {{{{ helpers.audit_columns({layer}) }}}}
from joined
{tail}"""

INCREMENTAL_CONFIG = "{{ config(materialized='incremental', unique_key='id') }}\n"
INCREMENTAL_TAIL = """{% if is_incremental() %}
where happened_on >= (select max(happened_on) from {{ this }})
{% endif %}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--tests", type=int, default=2000)
    options = parser.parse_args()
    generate(options.folder, options.models, options.layers, options.tests)


def generate(folder, models, layers, tests):
    """Writes the project; what stands in the folder is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    chance = random.Random(7)
    write = Writer(folder)
    write("dbt_project.yml", DBT_PROJECT)
    write("profiles.yml", PROFILES)
    write("packages.yml", "packages:\n  - local: packages/helpers\n")
    write("packages/helpers/dbt_project.yml", "name: helpers\nversion: '1.0.0'\n")
    write("packages/helpers/macros/helpers.sql", PACKAGE_MACROS)
    (folder / "dbt_packages").mkdir()
    (folder / "dbt_packages" / "helpers").symlink_to("../packages/helpers")
    write("macros/money.sql", MACROS)
    seeds(write, chance)
    names = spread(models, layers)
    for layer, inside in enumerate(names):
        for number, name in enumerate(inside):
            path = f"{place(layer, number)}/{name}.sql"
            write(path, model(layer, number, name, names, chance))
    properties(write, names, tests)


class Writer:
    """Writes files below a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, path, text):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def spread(models, layers):
    """The names of the models of each layer."""
    sizes = [models // layers + (layer < models % layers) for layer in range(layers)]
    return [[f"{'stg' if layer == 0 else f'l{layer:02}'}_{number:04}" for number in range(size)]
            for layer, size in enumerate(sizes)]


def place(layer, number):
    return f"models/layer_{layer:02}/part_{number // GROUP:02}"


def seeds(write, chance):
    lines = ["version: 2", "sources:", "  - name: raw", "    schema: analytics_raw", "    tables:"]
    for table in range(RAW_TABLES):
        rows = ["id,name,amount,happened_on"]
        for row in range(1, RAW_ROWS + 1):
            day = f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
            rows.append(f"{row},customer {chance.randint(1, 40)},{chance.randint(0, 500000)},{day}")
        write(f"seeds/raw_{table:02}.csv", "\n".join(rows) + "\n")
        lines.append(f"      - name: raw_{table:02}")
    write("models/sources.yml", "\n".join(lines) + "\n")


def model(layer, number, name, names, chance):
    if layer == 0:
        raw = f"raw_{number % RAW_TABLES:02}"
        # What is read does not wait for its seed otherwise, in dbt neither.
        first = f"-- depends_on: {{{{ ref('{raw}') }}}}\n"
        return first + STAGING.format(name=name, raw=raw, layer=layer, offset=number % 7)
    above = names[layer - 1]
    left = above[number % len(above)]
    right = above[chance.randrange(len(above))]
    config, tail = "", ""
    if number % 10 == 3:
        config, tail = INCREMENTAL_CONFIG, INCREMENTAL_TAIL
    elif layer % 3 == 0:
        config = "{{ config(materialized='view') }}\n"
    return JOINING.format(layer=layer, left=left, right=right, config=config, tail=tail)


COLUMN_TESTS = [
    ("id", "unique", "          - unique"),
    ("id", "not_null", "          - not_null"),
    ("amount", "in_range",
     "          - helpers.in_range:\n              arguments: {lowest: 0}"),
    ("name", "not_null", "          - not_null"),
]


def properties(write, names, tests):
    """One properties file for each folder; tests go round the models until there are enough."""
    count = sum(len(layer) for layer in names)
    ordinal = 0
    for layer, inside in enumerate(names):
        for start in range(0, len(inside), GROUP):
            lines = ["version: 2", "models:"]
            for name in inside[start:start + GROUP]:
                mine = [one for turn, one in enumerate(COLUMN_TESTS)
                        if turn * count + ordinal < tests]
                lines += described(layer, name, mine)
                ordinal += 1
            write(f"{place(layer, start)}/_models.yml", "\n".join(lines) + "\n")


def described(layer, name, tests):
    lines = [f"  - name: {name}", f"    description: Model {name} of layer {layer}.",
             "    columns:"]
    for column in ("id", "name", "happened_on", "amount"):
        lines += [f"      - name: {column}", f"        description: The {column} of {name}."]
        mine = [text for where, _, text in tests if where == column]
        if mine:
            lines += ["        data_tests:", *mine]
    return lines


if __name__ == "__main__":
    main()
