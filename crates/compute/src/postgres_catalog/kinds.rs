//! PostgreSQL's types: their numbers, their names, and what a column of ours is to a client.

use arrow::datatypes::{DataType, Field};

/// The number under which PostgreSQL knows a type.
pub type Oid = u32;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $oid:literal, $word:literal, $array:literal;)*) => {
        $($(#[$doc])* pub const $name: Oid = $oid;)*
        /// Number, name, number of the array type.
        const KINDS: &[(Oid, &str, Oid)] = &[$(($oid, $word, $array)),*];
    };
}

kinds! {
    /// `boolean`
    BOOL = 16, "bool", 1000;
    /// `bytea`
    BYTEA = 17, "bytea", 1001;
    /// `"char"`
    CHAR = 18, "char", 1002;
    /// `name`
    NAME = 19, "name", 1003;
    /// `bigint`
    INT8 = 20, "int8", 1016;
    /// `smallint`
    INT2 = 21, "int2", 1005;
    /// `int2vector`
    INT2VECTOR = 22, "int2vector", 1006;
    /// `integer`
    INT4 = 23, "int4", 1007;
    /// `regproc`
    REGPROC = 24, "regproc", 1008;
    /// `text`
    TEXT = 25, "text", 1009;
    /// `oid`
    OID = 26, "oid", 1028;
    /// `xid`
    XID = 28, "xid", 1011;
    /// `oidvector`
    OIDVECTOR = 30, "oidvector", 1013;
    /// `json`
    JSON = 114, "json", 199;
    /// `pg_node_tree`
    PG_NODE_TREE = 194, "pg_node_tree", 0;
    /// `real`
    FLOAT4 = 700, "float4", 1021;
    /// `double precision`
    FLOAT8 = 701, "float8", 1022;
    /// A literal whose type is not settled.
    UNKNOWN = 705, "unknown", 0;
    /// `inet`
    INET = 869, "inet", 1041;
    /// `character(n)`
    BPCHAR = 1042, "bpchar", 1014;
    /// `character varying`
    VARCHAR = 1043, "varchar", 1015;
    /// `date`
    DATE = 1082, "date", 1182;
    /// `time`
    TIME = 1083, "time", 1183;
    /// `timestamp`
    TIMESTAMP = 1114, "timestamp", 1115;
    /// `timestamp with time zone`
    TIMESTAMPTZ = 1184, "timestamptz", 1185;
    /// `interval`
    INTERVAL = 1186, "interval", 1187;
    /// `numeric`
    NUMERIC = 1700, "numeric", 1231;
    /// `regprocedure`
    REGPROCEDURE = 2202, "regprocedure", 2207;
    /// `regoper`
    REGOPER = 2203, "regoper", 2208;
    /// `regclass`
    REGCLASS = 2205, "regclass", 2210;
    /// `regtype`
    REGTYPE = 2206, "regtype", 2211;
    /// A row without a name.
    RECORD = 2249, "record", 2287;
    /// An array of anything.
    ANYARRAY = 2277, "anyarray", 0;
    /// `void`
    VOID = 2278, "void", 0;
    /// `uuid`
    UUID = 2950, "uuid", 2951;
    /// `jsonb`
    JSONB = 3802, "jsonb", 3807;
    /// `regnamespace`
    REGNAMESPACE = 4089, "regnamespace", 4090;
    /// `regrole`
    REGROLE = 4096, "regrole", 4097;
    /// `aclitem`
    ACLITEM = 1033, "aclitem", 1034;
}

/// Names under which people write types.
const SPELLINGS: &[(&str, Oid)] = &[
    ("bigint", INT8),
    ("boolean", BOOL),
    ("character", BPCHAR),
    ("character varying", VARCHAR),
    ("char varying", VARCHAR),
    ("decimal", NUMERIC),
    ("double precision", FLOAT8),
    ("float", FLOAT8),
    ("int", INT4),
    ("integer", INT4),
    ("real", FLOAT4),
    ("smallint", INT2),
    ("string", TEXT),
    ("time without time zone", TIME),
    ("timestamp with time zone", TIMESTAMPTZ),
    ("timestamp without time zone", TIMESTAMP),
];

/// The type of this name; `x[]` and `_x` are arrays of x.
pub fn by_name(name: &str) -> Option<Oid> {
    let name = name.trim().to_ascii_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    if let Some(element) = name.strip_suffix("[]").or_else(|| name.strip_prefix('_')) {
        return by_name(element).map(array_of).filter(|oid| *oid != 0);
    }
    let name = name.trim_matches('"');
    let known = KINDS.iter().find(|(_, word, _)| *word == name).map(|(oid, _, _)| *oid);
    known.or_else(|| SPELLINGS.iter().find(|(word, _)| *word == name).map(|(_, oid)| *oid))
}

/// The short name: `int4`, `_text`.
pub fn name(oid: Oid) -> String {
    for (kind, word, array) in KINDS {
        if *kind == oid {
            return (*word).to_owned();
        }
        if *array == oid && oid != 0 {
            return format!("_{word}");
        }
    }
    oid.to_string()
}

/// The array type of a type; `text[]` for those without one.
pub fn array_of(element: Oid) -> Oid {
    match KINDS.iter().find(|(oid, _, _)| *oid == element) {
        Some((_, _, array)) if *array != 0 => *array,
        _ => 1009,
    }
}

/// What an array holds; none for types that are none.
pub fn element_of(array: Oid) -> Option<Oid> {
    match array {
        INT2VECTOR => Some(INT2),
        OIDVECTOR => Some(OID),
        ANYARRAY => Some(TEXT),
        0 => None,
        _ => KINDS.iter().find(|(_, _, held)| *held == array).map(|(oid, _, _)| *oid),
    }
}

/// Bytes of a value, or -1 where they differ.
pub fn size(oid: Oid) -> i16 {
    match oid {
        BOOL | CHAR => 1,
        INT2 => 2,
        INT4 | OID | XID | FLOAT4 | DATE | REGCLASS | REGTYPE | REGPROC | REGPROCEDURE
        | REGNAMESPACE | REGROLE | REGOPER | VOID => 4,
        INT8 | FLOAT8 | TIME | TIMESTAMP | TIMESTAMPTZ => 8,
        INTERVAL | UUID => 16,
        NAME => 64,
        UNKNOWN => -2,
        _ => -1,
    }
}

/// Whether a value is the number of something that has a name.
pub(crate) fn names_something(oid: Oid) -> bool {
    matches!(oid, REGCLASS | REGTYPE | REGPROC | REGPROCEDURE | REGNAMESPACE | REGROLE | REGOPER)
}

/// Whole numbers, and the numbers of things.
pub(crate) fn is_integer(oid: Oid) -> bool {
    matches!(oid, INT2 | INT4 | INT8 | OID | XID) || names_something(oid)
}

/// Texts of all kinds.
pub(crate) fn is_text(oid: Oid) -> bool {
    matches!(oid, TEXT | NAME | CHAR | BPCHAR | VARCHAR | UNKNOWN | PG_NODE_TREE | JSON | JSONB)
}

/// What a client is told that a column of an answer is, and its modifier (a decimal's digits).
pub fn of_field(field: &Field) -> (Oid, i32) {
    let uuid = field.extension_type_name() == Some("arrow.uuid");
    if uuid && matches!(field.data_type(), DataType::FixedSizeBinary(16)) {
        return (UUID, -1);
    }
    of_type(field.data_type())
}

fn of_type(data_type: &DataType) -> (Oid, i32) {
    let kind = match data_type {
        DataType::Boolean => BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => INT2,
        DataType::Int32 | DataType::UInt16 => INT4,
        DataType::Int64 | DataType::UInt32 => INT8,
        DataType::UInt64 => return (NUMERIC, modifier(20, 0)),
        DataType::Float16 | DataType::Float32 => FLOAT4,
        DataType::Float64 => FLOAT8,
        DataType::Date32 | DataType::Date64 => DATE,
        DataType::Time32(_) | DataType::Time64(_) => TIME,
        DataType::Timestamp(_, None) => TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => INTERVAL,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => BYTEA,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            return (NUMERIC, modifier(*precision, *scale));
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => match of_field(item).0 {
            nested if element_of(nested).is_some() => JSON,
            element => array_of(element),
        },
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => JSON,
        DataType::Dictionary(_, value) => return of_type(value),
        DataType::RunEndEncoded(_, value) => return of_field(value),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => TEXT,
    };
    (kind, -1)
}

fn modifier(precision: u8, scale: i8) -> i32 {
    ((i32::from(precision) << 16) | i32::from(scale.max(0))) + 4
}

/// The name that people see: `integer`, `numeric(12,2)`, `text[]`.
pub(crate) fn format(oid: Oid, modifier: Option<i32>) -> String {
    if let Some(element) = element_of(oid)
        && !matches!(oid, INT2VECTOR | OIDVECTOR | ANYARRAY)
    {
        return format!("{}[]", format(element, modifier));
    }
    let digits = modifier.filter(|modifier| *modifier >= 4).map(|modifier| modifier - 4);
    let word = match oid {
        0 => "-",
        BOOL => "boolean",
        CHAR => "\"char\"",
        INT2 => "smallint",
        INT4 => "integer",
        INT8 => "bigint",
        FLOAT4 => "real",
        FLOAT8 => "double precision",
        TIME => "time without time zone",
        TIMESTAMP => "timestamp without time zone",
        TIMESTAMPTZ => "timestamp with time zone",
        BPCHAR => "character",
        VARCHAR => match digits {
            Some(length) => return format!("character varying({length})"),
            None => "character varying",
        },
        NUMERIC => match digits {
            Some(digits) => return format!("numeric({},{})", digits >> 16, digits & 0xffff),
            None => "numeric",
        },
        _ => return name(oid),
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_under_every_name_people_write() {
        assert_eq!(by_name("pg_catalog.int4"), Some(INT4));
        assert_eq!(by_name("double precision"), Some(FLOAT8));
        assert_eq!(by_name("text[]"), Some(1009));
        assert_eq!(by_name("_oid"), Some(1028));
        assert_eq!(by_name("no_such"), None);
        assert_eq!(format(NUMERIC, Some(modifier(12, 2))), "numeric(12,2)");
        assert_eq!(format(1007, None), "integer[]");
    }
}
