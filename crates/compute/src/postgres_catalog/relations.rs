//! The relations of `pg_catalog` that speak of this platform's own tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::facts::{ColumnFacts, TableFacts, number_of, stable_number};
use super::kinds::{self, Oid};
use super::plan::{Column, Relation, Rows};
use super::statics::statics;
use super::value::{Row, Value};

/// The namespaces that are always there.
pub(crate) const PG_CATALOG: Oid = 11;
pub(crate) const INFORMATION_SCHEMA: Oid = 13_283;
/// Who owns everything.
pub(crate) const OWNER: Oid = 10;
/// `pg_class` itself, to which descriptions of relations belong.
const CLASS_OF_RELATIONS: i64 = 1_259;
/// The access method of tables, and of indexes.
const HEAP: i64 = 2;
const BTREE: i64 = 403;

/// Numbers of PostgreSQL's own relations that drivers compare with.
const KNOWN_NUMBERS: &[(&str, Oid)] = &[
    ("pg_type", 1_247),
    ("pg_attribute", 1_249),
    ("pg_proc", 1_255),
    ("pg_class", 1_259),
    ("pg_authid", 1_260),
    ("pg_database", 1_262),
    ("pg_tablespace", 1_213),
    ("pg_foreign_server", 1_417),
    ("pg_am", 2_601),
    ("pg_attrdef", 2_604),
    ("pg_cast", 2_605),
    ("pg_constraint", 2_606),
    ("pg_depend", 2_608),
    ("pg_description", 2_609),
    ("pg_index", 2_610),
    ("pg_inherits", 2_611),
    ("pg_language", 2_612),
    ("pg_namespace", 2_615),
    ("pg_opclass", 2_616),
    ("pg_operator", 2_617),
    ("pg_rewrite", 2_618),
    ("pg_trigger", 2_620),
    ("pg_extension", 3_079),
    ("pg_policy", 3_256),
    ("pg_statistic_ext", 3_381),
    ("pg_collation", 3_456),
    ("pg_enum", 3_501),
    ("pg_range", 3_541),
];

pub(crate) type Relations = BTreeMap<(&'static str, &'static str), Arc<Relation>>;

pub(crate) fn text(value: &str) -> Value {
    Value::text(value)
}

pub(crate) fn int(value: impl Into<i64>) -> Value {
    Value::Int(value.into())
}

pub(crate) fn big(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// A relation from `name type, name type` and its rows.
pub(crate) fn relation(columns: &str, rows: Vec<Vec<Value>>) -> Arc<Relation> {
    let columns: Vec<Column> = columns
        .split(',')
        .filter_map(|column| column.trim().rsplit_once(' '))
        .map(|(name, kind)| Column {
            name: name.trim().to_owned(),
            kind: kinds::by_name(kind).unwrap_or(kinds::TEXT),
        })
        .collect();
    let width = columns.len();
    debug_assert!(rows.iter().all(|row| row.len() == width), "a row has other columns");
    let rows = rows.into_iter().map(Row::from).collect();
    Arc::new(Relation { columns, rows: Arc::new(Rows::new(rows, width)) })
}

/// The number of a relation of ours or of PostgreSQL's.
pub(crate) fn system_number(schema: &str, name: &str) -> Oid {
    let known = KNOWN_NUMBERS.iter().find(|(held, _)| *held == name);
    known.map_or_else(|| stable_number(&["relation", schema, name]), |(_, number)| *number)
}

pub(crate) fn namespace_number(name: &str) -> Oid {
    match name {
        "pg_catalog" => PG_CATALOG,
        "information_schema" => INFORMATION_SCHEMA,
        other => stable_number(&["namespace", other]),
    }
}

/// Relations that exist and hold nothing here: schema, name, columns.
fn empty() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    include_str!("empty_relations.txt").lines().filter_map(|line| {
        let (name, columns) = line.split_once(": ")?;
        let (schema, name) = name.split_once('.')?;
        Some((schema, name, columns))
    })
}

/// Everything that is the same for all connections.
pub(crate) fn build(tables: &[Arc<TableFacts>], database: &str) -> Relations {
    let mut relations = Relations::new();
    for (name, relation) in &statics().relations {
        relations.insert(("pg_catalog", *name), Arc::clone(relation));
    }
    let mut add = |name, columns: &str, rows| {
        relations.insert(("pg_catalog", name), relation(columns, rows));
    };
    add(
        "pg_namespace",
        "oid oid, nspname name, nspowner oid, nspacl aclitem[]",
        namespaces(tables),
    );
    add("pg_index", INDEX, tables.iter().filter_map(|facts| index(facts)).collect());
    add("pg_constraint", CONSTRAINT, tables.iter().filter_map(|facts| constraint(facts)).collect());
    add(
        "pg_description",
        "objoid oid, classoid oid, objsubid int4, description text",
        tables.iter().flat_map(|facts| descriptions(facts)).collect(),
    );
    add("pg_tables", TABLES, tables.iter().filter_map(|facts| table(facts)).collect());
    add("pg_views", "schemaname name, viewname name, viewowner name, definition text", {
        tables.iter().filter_map(|facts| view(facts)).collect()
    });
    add("pg_indexes", INDEXES, tables.iter().filter_map(|facts| index_line(facts)).collect());
    for name in ["pg_stat_user_tables", "pg_stat_all_tables"] {
        add(name, STATISTICS, tables.iter().filter_map(|facts| statistics(facts)).collect());
    }
    super::information_schema::add(&mut relations, tables, database);
    for (schema, name, columns) in empty() {
        relations.insert((schema, name), relation(columns, Vec::new()));
    }
    let system: Vec<_> = relations.keys().copied().chain(super::session_relations()).collect();
    let mut class: Vec<Vec<Value>> = tables.iter().flat_map(|facts| classes(facts)).collect();
    class.extend(system.iter().map(|(schema, name)| system_class(schema, name)));
    let attributes = attributes(tables, &relations);
    let mut add = |name, columns: &str, rows| {
        relations.insert(("pg_catalog", name), relation(columns, rows));
    };
    add("pg_class", CLASS, class);
    add("pg_attribute", ATTRIBUTE, attributes);
    relations
}

const CLASS: &str = "oid oid, relname name, relnamespace oid, reltype oid, reloftype oid, \
    relowner oid, relam oid, relfilenode oid, reltablespace oid, relpages int4, reltuples float4, \
    relallvisible int4, reltoastrelid oid, relhasindex bool, relisshared bool, \
    relpersistence char, relkind char, relnatts int2, relchecks int2, relhasrules bool, \
    relhastriggers bool, relhassubclass bool, relrowsecurity bool, relforcerowsecurity bool, \
    relispopulated bool, relreplident char, relispartition bool, relrewrite oid, \
    relfrozenxid xid, relminmxid xid, relacl aclitem[], reloptions text[], \
    relpartbound pg_node_tree, relhasoids bool";

struct Class<'a> {
    oid: Oid,
    name: &'a str,
    namespace: Oid,
    kind: &'a str,
    columns: usize,
    rows: u64,
    indexed: bool,
}

fn class(of: &Class<'_>) -> Vec<Value> {
    let method = match of.kind {
        "r" => HEAP,
        "i" => BTREE,
        _ => 0,
    };
    let no = || Value::Bool(false);
    #[expect(clippy::cast_precision_loss, reason = "an estimate to a client")]
    let tuples = if of.kind == "r" { of.rows as f64 } else { -1.0 };
    vec![
        int(of.oid),
        text(of.name),
        int(of.namespace),
        int(0),
        int(0),
        int(OWNER),
        int(method),
        int(of.oid),
        int(0),
        big(of.rows / 100 + u64::from(of.rows > 0)),
        Value::Float(tuples),
        int(0),
        int(0),
        Value::Bool(of.indexed),
        no(),
        text("p"),
        text(of.kind),
        big(of.columns as u64),
        int(0),
        Value::Bool(of.kind == "v"),
        no(),
        no(),
        no(),
        no(),
        Value::Bool(true),
        text("d"),
        no(),
        int(0),
        int(0),
        int(0),
        Value::Null,
        Value::Null,
        Value::Null,
        no(),
    ]
}

fn classes(facts: &TableFacts) -> Vec<Vec<Value>> {
    let namespace = namespace_number(&facts.name.namespace);
    let keyed = !facts.key.is_empty();
    let own = class(&Class {
        oid: facts.oid,
        name: &facts.name.name,
        namespace,
        kind: if facts.view.is_some() { "v" } else { "r" },
        columns: facts.columns.len(),
        rows: facts.rows,
        indexed: keyed,
    });
    let name = facts.key_name();
    let index = keyed.then(|| {
        class(&Class {
            oid: facts.index_oid(),
            name: &name,
            namespace,
            kind: "i",
            columns: facts.key.len(),
            rows: facts.rows,
            indexed: false,
        })
    });
    [own].into_iter().chain(index).collect()
}

fn system_class(schema: &str, name: &str) -> Vec<Value> {
    class(&Class {
        oid: system_number(schema, name),
        name,
        namespace: namespace_number(schema),
        kind: if schema == "pg_catalog" && !is_view(name) { "r" } else { "v" },
        columns: 0,
        rows: 0,
        indexed: false,
    })
}

fn is_view(name: &str) -> bool {
    name.ends_with('s') && !matches!(name, "pg_inherits" | "pg_class") || name.contains("_stat_")
}

const ATTRIBUTE: &str = "attrelid oid, attname name, atttypid oid, attstattarget int4, \
    attlen int2, attnum int2, attndims int4, attcacheoff int4, atttypmod int4, attbyval bool, \
    attalign char, attstorage char, attcompression char, attnotnull bool, atthasdef bool, \
    atthasmissing bool, attidentity char, attgenerated char, attisdropped bool, attislocal bool, \
    attinhcount int4, attcollation oid, attacl aclitem[], attoptions text[], \
    attfdwoptions text[], attmissingval text[]";

fn attribute(relation: Oid, place: usize, column: &ColumnFacts) -> Vec<Value> {
    let no = || Value::Bool(false);
    let collated =
        matches!(column.kind, kinds::TEXT | kinds::NAME | kinds::BPCHAR | kinds::VARCHAR);
    let collation = if collated { 100 } else { 0 };
    vec![
        int(relation),
        text(&column.name),
        int(column.kind),
        int(-1),
        int(kinds::size(column.kind)),
        big(place as u64 + 1),
        int(i32::from(kinds::element_of(column.kind).is_some())),
        int(-1),
        int(column.modifier),
        Value::Bool(kinds::size(column.kind) > 0),
        text("i"),
        text(if kinds::size(column.kind) > 0 { "p" } else { "x" }),
        text(""),
        Value::Bool(column.required),
        no(),
        no(),
        text(""),
        text(""),
        no(),
        Value::Bool(true),
        int(0),
        int(collation),
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
    ]
}

fn attributes(tables: &[Arc<TableFacts>], relations: &Relations) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for facts in tables {
        for (place, column) in facts.columns.iter().enumerate() {
            rows.push(attribute(facts.oid, place, column));
        }
        for (place, held) in facts.key.iter().enumerate() {
            if let Some(column) = facts.columns.get(*held) {
                rows.push(attribute(facts.index_oid(), place, column));
            }
        }
    }
    for ((schema, name), relation) in relations {
        let number = system_number(schema, name);
        for (place, column) in relation.columns.iter().enumerate() {
            let column = ColumnFacts {
                name: column.name.clone(),
                kind: column.kind,
                modifier: -1,
                required: false,
                description: None,
            };
            rows.push(attribute(number, place, &column));
        }
    }
    rows
}

fn namespaces(tables: &[Arc<TableFacts>]) -> Vec<Vec<Value>> {
    let mut names: Vec<&str> = tables.iter().map(|facts| facts.name.namespace.as_str()).collect();
    names.extend(["pg_catalog", "information_schema"]);
    names.sort_unstable();
    names.dedup();
    let row = |name: &str| vec![int(namespace_number(name)), text(name), int(OWNER), Value::Null];
    names.into_iter().map(row).collect()
}

const INDEX: &str = "indexrelid oid, indrelid oid, indnatts int2, indnkeyatts int2, \
    indisunique bool, indnullsnotdistinct bool, indisprimary bool, indisexclusion bool, \
    indimmediate bool, indisclustered bool, indisvalid bool, indcheckxmin bool, indisready bool, \
    indislive bool, indisreplident bool, indkey int2vector, indcollation oidvector, \
    indclass oidvector, indoption int2vector, indexprs pg_node_tree, indpred pg_node_tree";

fn numbers(facts: &TableFacts) -> Value {
    Value::array(facts.key.iter().map(|place| big(*place as u64 + 1)))
}

fn index(facts: &TableFacts) -> Option<Vec<Value>> {
    let width = u64::try_from(facts.key.len()).ok().filter(|width| *width > 0)?;
    let (yes, no) = (|| Value::Bool(true), || Value::Bool(false));
    let zeros = || Value::array(facts.key.iter().map(|_| int(0)));
    Some(vec![
        int(facts.index_oid()),
        int(facts.oid),
        big(width),
        big(width),
        yes(),
        no(),
        yes(),
        no(),
        yes(),
        no(),
        yes(),
        no(),
        yes(),
        yes(),
        no(),
        numbers(facts),
        zeros(),
        // The default class of integers; what it is does not matter to a reader.
        Value::array(facts.key.iter().map(|_| int(1_978))),
        zeros(),
        Value::Null,
        Value::Null,
    ])
}

const CONSTRAINT: &str = "oid oid, conname name, connamespace oid, contype char, \
    condeferrable bool, condeferred bool, convalidated bool, conrelid oid, contypid oid, \
    conindid oid, conparentid oid, confrelid oid, confupdtype char, confdeltype char, \
    confmatchtype char, conislocal bool, coninhcount int4, connoinherit bool, conkey int2[], \
    confkey int2[], conpfeqop oid[], conppeqop oid[], conffeqop oid[], confdelsetcols int2[], \
    conexclop oid[], conbin pg_node_tree, conperiod bool";

fn constraint(facts: &TableFacts) -> Option<Vec<Value>> {
    if facts.key.is_empty() {
        return None;
    }
    let mut row = vec![
        int(facts.key_oid()),
        text(&facts.key_name()),
        int(namespace_number(&facts.name.namespace)),
        text("p"),
        Value::Bool(false),
        Value::Bool(false),
        Value::Bool(true),
        int(facts.oid),
        int(0),
        int(facts.index_oid()),
        int(0),
        int(0),
        text(" "),
        text(" "),
        text(" "),
        Value::Bool(true),
        int(0),
        Value::Bool(true),
        numbers(facts),
    ];
    row.extend(std::iter::repeat_n(Value::Null, 7));
    row.push(Value::Bool(false));
    Some(row)
}

fn descriptions(facts: &TableFacts) -> Vec<Vec<Value>> {
    let line = |place: usize, said: &Option<String>| {
        let said = said.as_ref()?;
        Some(vec![int(facts.oid), int(CLASS_OF_RELATIONS), big(place as u64), text(said)])
    };
    let columns = facts.columns.iter().zip(1..);
    let columns = columns.filter_map(|(column, place)| line(place, &column.description));
    line(0, &facts.description).into_iter().chain(columns).collect()
}

const TABLES: &str = "schemaname name, tablename name, tableowner name, tablespace name, \
    hasindexes bool, hasrules bool, hastriggers bool, rowsecurity bool";

fn table(facts: &TableFacts) -> Option<Vec<Value>> {
    let no = || Value::Bool(false);
    facts.view.is_none().then(|| {
        vec![
            text(&facts.name.namespace),
            text(&facts.name.name),
            text(super::OWNER_NAME),
            Value::Null,
            Value::Bool(!facts.key.is_empty()),
            no(),
            no(),
            no(),
        ]
    })
}

fn view(facts: &TableFacts) -> Option<Vec<Value>> {
    let sql = facts.view.as_ref()?;
    let (namespace, name) = (text(&facts.name.namespace), text(&facts.name.name));
    Some(vec![namespace, name, text(super::OWNER_NAME), text(sql)])
}

const INDEXES: &str =
    "schemaname name, tablename name, indexname name, tablespace name, indexdef text";

fn index_line(facts: &TableFacts) -> Option<Vec<Value>> {
    (!facts.key.is_empty()).then(|| {
        vec![
            text(&facts.name.namespace),
            text(&facts.name.name),
            text(&facts.key_name()),
            Value::Null,
            Value::Null,
        ]
    })
}

const STATISTICS: &str = "relid oid, schemaname name, relname name, seq_scan int8, \
    seq_tup_read int8, idx_scan int8, idx_tup_fetch int8, n_tup_ins int8, n_tup_upd int8, \
    n_tup_del int8, n_live_tup int8, n_dead_tup int8, last_vacuum timestamptz, \
    last_analyze timestamptz";

fn statistics(facts: &TableFacts) -> Option<Vec<Value>> {
    if facts.view.is_some() {
        return None;
    }
    let mut row = vec![int(facts.oid), text(&facts.name.namespace), text(&facts.name.name)];
    row.extend(std::iter::repeat_n(int(0), 7));
    row.extend([big(facts.rows), int(0), Value::Null, Value::Null]);
    Some(row)
}

/// The number of a table, for facts.
pub(crate) fn table_number(name: &base::TableName) -> Oid {
    number_of("relation", name)
}
