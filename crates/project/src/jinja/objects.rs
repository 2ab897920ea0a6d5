//! Relations and columns as templates handle them.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::jinja::arguments::{Arguments, text_of};
use crate::jinja::collections::{dict_of, pairs_of, unknown_method};
use crate::jinja::{Parts, Relation, RelationKind};

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
            filter: None,
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
            relation.schema = Some("INFORMATION_SCHEMA".to_owned());
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
