//! What PostgreSQL itself brings: types, functions, operators, from the catalog crate's copy.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float32Type, Int16Type, Int32Type, Int64Type};
use datafusion_pg_catalog::pg_catalog::{ArrowTable, PgCatalogStaticTables};

use super::kinds::{self, Oid};
use super::plan::{Column, Relation, Rows};
use super::value::{Row, Value};

/// Columns whose type the copy has flattened.
const KINDS: &[(&str, Oid)] = &[
    ("adnum", kinds::INT2),
    ("collencoding", kinds::INT4),
    ("conforencoding", kinds::INT4),
    ("contoencoding", kinds::INT4),
    ("evtenabled", kinds::CHAR),
    ("inhseqno", kinds::INT4),
    ("objsubid", kinds::INT4),
    ("refobjsubid", kinds::INT4),
    ("rolconnlimit", kinds::INT4),
    ("typtypmod", kinds::INT4),
    ("typndims", kinds::INT4),
    ("aggtransspace", kinds::INT4),
    ("aggmtransspace", kinds::INT4),
    ("proargtypes", kinds::OIDVECTOR),
    ("proallargtypes", 1028),
    ("proargmodes", 1002),
    ("proargnames", 1009),
    ("tgattr", kinds::INT2VECTOR),
    ("polroles", 1028),
    ("stxkeys", kinds::INT2VECTOR),
    ("stxkind", 1002),
    ("prattrs", kinds::INT2VECTOR),
    ("partattrs", kinds::INT2VECTOR),
    ("extconfig", 1028),
    ("evttags", 1009),
    ("subpublications", 1009),
];

/// One letter that stands for a word.
const LETTERS: &[&str] = &[
    "aggfinalmodify",
    "aggkind",
    "aggmfinalmodify",
    "amoppurpose",
    "amtype",
    "castcontext",
    "castmethod",
    "collprovider",
    "defaclobjtype",
    "deptype",
    "ev_enabled",
    "ev_type",
    "oprkind",
    "partstrat",
    "polcmd",
    "prokind",
    "proparallel",
    "provolatile",
    "srsubstate",
    "tgenabled",
    "typalign",
    "typcategory",
    "typdelim",
    "typstorage",
    "typtype",
];

/// Names of functions that stand for their numbers.
const FUNCTIONS: &[&str] = &[
    "aggcombinefn",
    "aggdeserialfn",
    "aggfinalfn",
    "aggfnoid",
    "aggmfinalfn",
    "aggminvtransfn",
    "aggmtransfn",
    "aggserialfn",
    "aggtransfn",
    "amhandler",
    "amproc",
    "oprcode",
    "oprjoin",
    "oprrest",
    "prosupport",
    "rngcanonical",
    "rngsubdiff",
    "typanalyze",
    "typinput",
    "typmodin",
    "typmodout",
    "typoutput",
    "typreceive",
    "typsend",
    "typsubscript",
];

/// The relations, and the functions of each name.
#[derive(Debug, Default)]
pub(crate) struct Statics {
    pub(crate) relations: BTreeMap<&'static str, Arc<Relation>>,
    pub(crate) functions: HashMap<String, Oid>,
    pub(crate) function_names: HashMap<Oid, String>,
    pub(crate) types: HashMap<String, Oid>,
    pub(crate) type_names: HashMap<Oid, String>,
}

/// Read once in a process.
pub(crate) fn statics() -> &'static Statics {
    static STATICS: OnceLock<Statics> = OnceLock::new();
    STATICS.get_or_init(|| match PgCatalogStaticTables::try_new() {
        Ok(tables) => convert(&tables),
        // The copy is part of the program; without it clients see no types, and still connect.
        Err(_) => Statics::default(),
    })
}

macro_rules! tables {
    ($tables:ident: $($name:ident)*) => {
        [$((stringify!($name), &$tables.$name)),*]
    };
}

fn convert(tables: &PgCatalogStaticTables) -> Statics {
    let mut found = Statics::default();
    let functions = columns(&tables.pg_proc, &found.functions);
    for row in &functions.rows.rows {
        if let (Some(Value::Int(number)), Some(name)) = (row.first(), row.get(1))
            && let (Ok(number), Some(name)) = (Oid::try_from(*number), name.written())
        {
            found.functions.entry(name.clone()).or_insert(number);
            found.function_names.insert(number, name);
        }
    }
    let all: [(&'static str, &Arc<ArrowTable>); 43] = tables!(tables:
        pg_aggregate pg_am pg_amop pg_amproc pg_cast pg_collation pg_conversion pg_language
        pg_opclass pg_operator pg_opfamily pg_proc pg_range pg_ts_config pg_ts_dict pg_ts_parser
        pg_ts_template pg_type pg_attrdef pg_db_role_setting pg_default_acl
        pg_enum pg_event_trigger pg_extension pg_foreign_data_wrapper pg_foreign_server
        pg_foreign_table pg_inherits pg_partitioned_table pg_policy pg_publication
        pg_publication_namespace pg_publication_rel pg_rewrite pg_seclabel
        pg_sequence pg_shdescription pg_statistic_ext pg_subscription pg_tablespace pg_trigger
        pg_user_mapping pg_get_keywords
    );
    for (name, table) in all {
        let mut relation = columns(table, &found.functions);
        match name {
            "pg_type" => without_row_types(&mut relation, &mut found),
            "pg_rewrite" => relation.rows = Arc::new(Rows::new(Vec::new(), relation.columns.len())),
            _ => {}
        }
        found.relations.insert(name, Arc::new(relation));
    }
    found
}

/// Types of rows of PostgreSQL's own tables mean nothing here.
fn without_row_types(relation: &mut Relation, found: &mut Statics) {
    let place = |name: &str| relation.columns.iter().position(|column| column.name == name);
    let (Some(kind), Some(relid), Some(element)) =
        (place("typtype"), place("typrelid"), place("typelem"))
    else {
        return;
    };
    let is_row = |row: &Row| row[kind] == Value::text("c") && row[relid] != Value::Int(0);
    let rows = &relation.rows.rows;
    let dropped: Vec<Value> =
        rows.iter().filter(|row| is_row(row)).map(|row| row[0].clone()).collect();
    let kept: Vec<Row> = rows
        .iter()
        .filter(|row| !is_row(row) && !dropped.contains(&row[element]))
        .cloned()
        .collect();
    for row in &kept {
        if let (Value::Int(number), Some(name)) = (&row[0], row[1].written())
            && let Ok(number) = Oid::try_from(*number)
        {
            found.types.insert(name.clone(), number);
            found.type_names.insert(number, name);
        }
    }
    relation.rows = Arc::new(Rows::new(kept, relation.columns.len()));
}

fn columns(table: &ArrowTable, functions: &HashMap<String, Oid>) -> Relation {
    let schema = table.schema();
    let columns: Vec<Column> = schema
        .fields()
        .iter()
        .map(|field| Column {
            name: field.name().clone(),
            kind: kind_of(field.name(), field.data_type()),
        })
        .collect();
    let width = columns.len();
    let Ok(batch) = concat_batches(&schema, table.data()) else {
        return Relation { columns, rows: Arc::new(Rows::new(Vec::new(), width)) };
    };
    let mut rows: Vec<Vec<Value>> = vec![Vec::with_capacity(width); batch.num_rows()];
    for (column, array) in columns.iter().zip(batch.columns()) {
        for (place, row) in rows.iter_mut().enumerate() {
            row.push(cell(array, place, column.kind, functions));
        }
    }
    let rows = rows.into_iter().map(Row::from).collect();
    Relation { columns, rows: Arc::new(Rows::new(rows, width)) }
}

fn kind_of(name: &str, data_type: &DataType) -> Oid {
    if let Some((_, kind)) = KINDS.iter().find(|(column, _)| *column == name) {
        return *kind;
    }
    match data_type {
        DataType::Boolean => kinds::BOOL,
        DataType::Int16 => kinds::INT2,
        DataType::Int32 => kinds::OID,
        DataType::Int64 => kinds::INT8,
        DataType::Float32 => kinds::FLOAT4,
        DataType::Utf8 if LETTERS.contains(&name) => kinds::CHAR,
        DataType::Utf8 if FUNCTIONS.contains(&name) => kinds::REGPROC,
        DataType::Utf8 if name.ends_with("acl") => 1034,
        DataType::Utf8 if name.ends_with("options") || name.ends_with("config") => 1009,
        DataType::Utf8 if name.ends_with("name") => kinds::NAME,
        _ => kinds::TEXT,
    }
}

fn cell(array: &ArrayRef, row: usize, kind: Oid, functions: &HashMap<String, Oid>) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int16 => Value::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => Value::Float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Utf8 => {
            let text = array.as_string::<i32>().value(row);
            match kind {
                kinds::REGPROC => Value::Int(functions.get(text).copied().unwrap_or(0).into()),
                kinds::OIDVECTOR | kinds::INT2VECTOR => numbers(text, char::is_whitespace),
                _ => match kinds::element_of(kind) {
                    Some(element) => list(text, element),
                    None => Value::text(text),
                },
            }
        }
        _ => Value::Null,
    }
}

fn numbers(text: &str, between: fn(char) -> bool) -> Value {
    let parts = text.split(between).filter_map(|part| part.parse().ok());
    Value::array(parts.map(Value::Int))
}

fn list(text: &str, element: Oid) -> Value {
    let Some(items) = super::value::array_from_text(text) else { return Value::Null };
    let one = |item: Option<String>| match item {
        None => Value::Null,
        Some(item) if kinds::is_integer(element) => item.parse().map_or(Value::Null, Value::Int),
        Some(item) => Value::text(item),
    };
    Value::array(items.into_iter().map(one))
}
