//! Relations and columns as templates handle them.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::jinja::arguments::{Arguments, text_of};
use crate::jinja::collections::{dict_of, invalid, pairs_of, unknown_method};
use crate::jinja::value::from_json;
use crate::jinja::{Column, Parts, Relation, RelationKind};

/// A relation. A mapping, as dbt's own is: packages test for that.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RelationObject {
    pub(crate) relation: Relation,
    /// Python's name of the class, such as `DuckDBRelation`.
    pub(crate) class: &'static str,
}

/// The class name that dbt's adapter of a dialect has.
pub(crate) fn relation_class(dialect: &str) -> &'static str {
    match dialect {
        "duckdb" => "DuckDBRelation",
        "postgres" => "PostgresRelation",
        "redshift" => "RedshiftRelation",
        "snowflake" => "SnowflakeRelation",
        "bigquery" => "BigQueryRelation",
        _ => "BaseRelation",
    }
}

const RELATION_KEYS: &[&str] =
    &["path", "type", "quote_character", "include_policy", "quote_policy", "dbt_created"];

fn part(value: Option<&String>) -> Value {
    value.map_or_else(|| Value::from(()), |text| Value::from(text.as_str()))
}

fn policy(parts: Parts) -> Value {
    dict_of([
        ("database".to_owned(), Value::from(parts.database)),
        ("schema".to_owned(), Value::from(parts.schema)),
        ("identifier".to_owned(), Value::from(parts.identifier)),
    ])
}

/// A part given as an argument: text, or none.
fn part_of(value: &Value) -> Option<String> {
    if value.is_none() || value.is_undefined() { None } else { Some(text_of(value)) }
}

fn change_parts(parts: &mut Parts, arguments: &mut Arguments) {
    for (name, part) in [
        ("database", &mut parts.database),
        ("schema", &mut parts.schema),
        ("identifier", &mut parts.identifier),
    ] {
        if let Some(value) = arguments.named(name) {
            *part = value.is_true();
        }
    }
}

fn change_policy(parts: &mut Parts, value: &Value) -> Result<(), Error> {
    for (key, value) in pairs_of(value)? {
        match key.as_str() {
            Some("database") => parts.database = value.is_true(),
            Some("schema") => parts.schema = value.is_true(),
            Some("identifier") => parts.identifier = value.is_true(),
            _ => {}
        }
    }
    Ok(())
}

impl RelationObject {
    pub(crate) fn value(relation: Relation, class: &'static str) -> Value {
        Value::from_object(Self { relation, class })
    }

    /// The relation a template hands over, if it is one.
    pub(crate) fn of(value: &Value) -> Option<Relation> {
        value.downcast_object_ref::<Self>().map(|object| object.relation.clone())
    }

    fn with(&self, change: impl FnOnce(&mut Relation)) -> Value {
        let mut relation = self.relation.clone();
        change(&mut relation);
        Self::value(relation, self.class)
    }

    fn replace_path(relation: &mut Relation, name: &str, value: &Value) {
        match name {
            "database" => relation.database = part_of(value),
            "schema" => relation.schema = part_of(value),
            "identifier" => relation.identifier = part_of(value),
            _ => {}
        }
    }

    /// `Relation.create(database=..., schema=..., identifier=..., type=...)`.
    pub(crate) fn create(class: &'static str, args: &[Value]) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        let mut relation = Relation {
            database: None,
            schema: None,
            identifier: None,
            kind: None,
            quote: Parts::ALL,
            include: Parts::ALL,
        };
        for name in ["database", "schema", "identifier"] {
            if let Some(value) = arguments.optional(name) {
                Self::replace_path(&mut relation, name, &value);
            }
        }
        incorporate(&mut relation, &mut arguments)?;
        Ok(Self::value(relation, class))
    }

    fn information_schema(&self, view: Option<Value>) -> Value {
        self.with(|relation| {
            relation.schema = Some("information_schema".to_owned());
            relation.identifier = view.as_ref().and_then(part_of);
            relation.quote = Parts { schema: false, identifier: false, ..relation.quote };
            relation.include.schema = true;
            relation.include.identifier = relation.identifier.is_some();
            relation.kind = None;
        })
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        let relation = &self.relation;
        Some(match name {
            "database" => part(relation.database.as_ref()),
            "schema" => part(relation.schema.as_ref()),
            "identifier" | "name" | "table" => part(relation.identifier.as_ref()),
            "type" => {
                relation.kind.map_or_else(|| Value::from(()), |kind| Value::from(kind.name()))
            }
            "path" => dict_of([
                ("database".to_owned(), part(relation.database.as_ref())),
                ("schema".to_owned(), part(relation.schema.as_ref())),
                ("identifier".to_owned(), part(relation.identifier.as_ref())),
            ]),
            "is_table" => Value::from(relation.kind == Some(RelationKind::Table)),
            "is_view" => Value::from(relation.kind == Some(RelationKind::View)),
            "is_cte" => Value::from(relation.kind == Some(RelationKind::Cte)),
            "is_materialized_view" => {
                Value::from(relation.kind == Some(RelationKind::MaterializedView))
            }
            "is_pointer" | "is_function" => Value::from(false),
            "can_be_renamed" | "can_be_replaced" => Value::from(true),
            "quote_policy" => policy(relation.quote),
            "include_policy" => policy(relation.include),
            "quote_character" => Value::from("\""),
            "metadata" => dict_of([("type".to_owned(), Value::from(self.class))]),
            "dbt_created" => Value::from(false),
            "event_time_filter" | "limit" | "catalog" => Value::from(()),
            _ => return None,
        })
    }

    fn matches(&self, arguments: &mut Arguments) -> Value {
        let relation = &self.relation;
        let parts = [
            ("database", &relation.database),
            ("schema", &relation.schema),
            ("identifier", &relation.identifier),
        ];
        let all = parts.into_iter().all(|(name, own)| match arguments.optional(name) {
            Some(wanted) if !wanted.is_none() => {
                let wanted = text_of(&wanted).to_lowercase();
                own.as_ref().is_some_and(|own| own.to_lowercase() == wanted)
            }
            _ => true,
        });
        Value::from(all)
    }
}

/// `type=`, `path=`, `quote_policy=`, `include_policy=` of `incorporate` and `create`.
fn incorporate(relation: &mut Relation, arguments: &mut Arguments) -> Result<(), Error> {
    if let Some(path) = arguments.named("path") {
        for (key, value) in pairs_of(&path)? {
            RelationObject::replace_path(relation, &text_of(&key), &value);
        }
    }
    if let Some(kind) = arguments.named("type") {
        relation.kind = part_of(&kind).and_then(|name| RelationKind::parse(&name));
    }
    if let Some(value) = arguments.named("quote_policy") {
        change_policy(&mut relation.quote, &value)?;
    }
    if let Some(value) = arguments.named("include_policy") {
        change_policy(&mut relation.include, &value)?;
    }
    Ok(())
}

impl fmt::Debug for RelationObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} {}>", self.class, self.relation.render())
    }
}

impl Object for RelationObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.attribute(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(RELATION_KEYS)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        Ok(match method {
            "render" | "render_limited" | "__str__" => Value::from(self.relation.render()),
            "include" => self.with(|relation| change_parts(&mut relation.include, &mut arguments)),
            "quote" => self.with(|relation| change_parts(&mut relation.quote, &mut arguments)),
            "quoted" => Value::from(format!("\"{}\"", arguments.text("identifier")?)),
            "incorporate" => {
                let mut relation = self.relation.clone();
                incorporate(&mut relation, &mut arguments)?;
                Self::value(relation, self.class)
            }
            "replace_path" => self.with(|relation| {
                for (name, value) in arguments.take_named() {
                    Self::replace_path(relation, &name, &value);
                }
            }),
            "without_identifier" => self.with(|relation| relation.include.identifier = false),
            "information_schema" => self.information_schema(arguments.optional("view_name")),
            "information_schema_only" => self.information_schema(None),
            "matches" => self.matches(&mut arguments),
            "create" => Self::create(self.class, args)?,
            "get" => {
                let key = arguments.text("key")?;
                let default = arguments.optional("default");
                self.attribute(&key).or(default).unwrap_or_else(|| Value::from(()))
            }
            "to_dict" => dict_of(
                RELATION_KEYS
                    .iter()
                    .map(|key| ((*key).to_owned(), self.attribute(key).unwrap_or_default())),
            ),
            _ => return Err(unknown_method()),
        })
    }

    fn custom_cmp(
        self: &Arc<Self>,
        other: &minijinja::value::DynObject,
    ) -> Option<std::cmp::Ordering> {
        let other = other.downcast_ref::<Self>()?;
        let key = |relation: &Relation| {
            [&relation.database, &relation.schema, &relation.identifier]
                .map(|part| part.as_ref().map(|part| part.to_lowercase()))
        };
        Some(key(&self.relation).cmp(&key(&other.relation)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.relation.render())
    }
}

/// `api.Relation`.
#[derive(Debug)]
pub(crate) struct RelationClass(pub(crate) &'static str);

impl Object for RelationClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "create" => RelationObject::create(self.0, args),
            "add_ephemeral_prefix" => {
                let name = Arguments::new(args).text("name")?;
                Ok(Value::from(format!("__dbt__cte__{name}")))
            }
            _ => Err(unknown_method()),
        }
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        RelationObject::create(self.0, args)
    }
}

/// A column.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ColumnObject(pub(crate) Column);

fn size(value: Option<u64>) -> Value {
    value.map_or_else(|| Value::from(()), Value::from)
}

const STRING_TYPES: &[&str] = &["text", "character varying", "character", "varchar", "string"];
const FLOAT_TYPES: &[&str] = &["real", "float4", "float", "double precision", "float8", "double"];
const INTEGER_TYPES: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "smallserial",
    "serial",
    "bigserial",
    "int2",
    "int4",
    "int8",
    "serial2",
    "serial4",
    "serial8",
    "tinyint",
    "hugeint",
    "utinyint",
    "usmallint",
    "uinteger",
    "ubigint",
    "int",
];

impl ColumnObject {
    pub(crate) fn value(column: Column) -> Value {
        Value::from_object(Self(column))
    }

    fn is_one_of(&self, types: &[&str]) -> bool {
        types.contains(&self.0.data_type.to_lowercase().as_str())
    }

    fn is_numeric(&self) -> bool {
        self.is_one_of(&["numeric", "decimal"])
    }

    fn is_number(&self) -> bool {
        self.is_one_of(FLOAT_TYPES) || self.is_one_of(INTEGER_TYPES) || self.is_numeric()
    }

    /// The type with its length or precision.
    pub(crate) fn full_type(&self) -> String {
        let column = &self.0;
        if self.is_one_of(STRING_TYPES) {
            return match column.char_size {
                Some(size) => format!("character varying({size})"),
                None => column.data_type.clone(),
            };
        }
        match (self.is_numeric(), column.numeric_precision, column.numeric_scale) {
            (true, Some(precision), Some(scale)) => {
                format!("{}({precision},{scale})", column.data_type)
            }
            _ => column.data_type.clone(),
        }
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        let column = &self.0;
        Some(match name {
            "name" | "column" => Value::from(column.name.as_str()),
            "quoted" => Value::from(format!("\"{}\"", column.name)),
            "dtype" => Value::from(column.data_type.as_str()),
            "data_type" => Value::from(self.full_type()),
            "char_size" => size(column.char_size),
            "numeric_precision" => size(column.numeric_precision),
            "numeric_scale" => size(column.numeric_scale),
            _ => return None,
        })
    }
}

impl fmt::Debug for ColumnObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Column {} ({})>", self.0.name, self.full_type())
    }
}

impl Object for ColumnObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.attribute(key.as_str()?)
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        Ok(match method {
            "is_string" => Value::from(self.is_one_of(STRING_TYPES)),
            "is_number" => Value::from(self.is_number()),
            "is_float" => Value::from(self.is_one_of(FLOAT_TYPES)),
            "is_integer" => Value::from(self.is_one_of(INTEGER_TYPES)),
            "is_numeric" => Value::from(self.is_numeric()),
            "string_size" => Value::from(self.0.char_size.unwrap_or(256)),
            "can_expand_to" => {
                let other = arguments.required("other_column")?;
                let other =
                    other.downcast_object_ref::<Self>().ok_or_else(|| invalid("a column"))?;
                let strings = self.is_one_of(STRING_TYPES) && other.is_one_of(STRING_TYPES);
                let longer = other.0.char_size.unwrap_or(256) > self.0.char_size.unwrap_or(256);
                Value::from(strings && longer)
            }
            "literal" => {
                let value = arguments.text("value")?;
                Value::from(format!("{value}::{}", self.full_type()))
            }
            "string_type" | "numeric_type" | "create" | "translate_type" => {
                return column_class(method, &mut arguments);
            }
            _ => return Err(unknown_method()),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

fn column_class(method: &str, arguments: &mut Arguments) -> Result<Value, Error> {
    Ok(match method {
        "create" => {
            let name = arguments.text("name")?;
            let data_type = arguments.text("dtype")?;
            let number = |value: Option<Value>| value.and_then(|value| value.as_i64());
            let mut column = Column::new(name, data_type);
            column.char_size = number(arguments.optional("char_size")).map(i64::unsigned_abs);
            column.numeric_precision =
                number(arguments.optional("numeric_precision")).map(i64::unsigned_abs);
            column.numeric_scale =
                number(arguments.optional("numeric_scale")).map(i64::unsigned_abs);
            ColumnObject::value(column)
        }
        "string_type" => Value::from(format!("character varying({})", arguments.text("size")?)),
        "numeric_type" => {
            let name = arguments.text("dtype")?;
            let (precision, scale) = (arguments.optional("precision"), arguments.optional("scale"));
            match (precision, scale) {
                (Some(precision), Some(scale)) if !precision.is_none() && !scale.is_none() => {
                    Value::from(format!("{name}({precision},{scale})"))
                }
                _ => Value::from(name),
            }
        }
        "translate_type" => {
            let name = arguments.text("dtype")?;
            Value::from(if name.eq_ignore_ascii_case("STRING") { "TEXT".to_owned() } else { name })
        }
        _ => return Err(unknown_method()),
    })
}

/// `api.Column`.
#[derive(Debug)]
pub(crate) struct ColumnClass;

impl Object for ColumnClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        column_class(method, &mut Arguments::new(args))
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        column_class("create", &mut Arguments::new(args))
    }
}

/// An answer of the host's `adapter` as a template value.
pub(crate) fn answer(json: &serde_json::Value) -> Value {
    from_json(json)
}
