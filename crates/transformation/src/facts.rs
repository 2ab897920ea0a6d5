//! What templates ask of the lake while they render: which relations exist, their columns, and
//! the rows of queries.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, TimeUnit};
use base::TableName;
use compute::Dialect;
use ledger::PointerKind;
use project::jinja::{
    AdapterCall, Cell, Column, Failure, Host, Relation, RelationKind, Table, TableColumn,
};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::TransformationError;
use crate::invocation::Invocation;
use crate::world::{Rows, World};

/// Answers templates from one world. Its methods block, so they run on a rendering thread.
pub(crate) struct Facts {
    world: Arc<World>,
    runtime: Handle,
    dialect: Dialect,
    invocation: Arc<Invocation>,
    /// Namespaces that the project's nodes go to: they are there as soon as anything needs them.
    namespaces: Arc<BTreeSet<String>>,
    /// Whether nothing may change any more: the same text is rendered again, to point at it.
    settled: AtomicBool,
}

impl Facts {
    pub(crate) fn new(
        world: Arc<World>,
        runtime: Handle,
        dialect: Dialect,
        invocation: Arc<Invocation>,
        namespaces: Arc<BTreeSet<String>>,
    ) -> Self {
        let settled = AtomicBool::new(false);
        Self { world, runtime, dialect, invocation, namespaces, settled }
    }

    /// From now on statements that would change something do nothing.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::SeqCst);
    }

    fn columns_of(&self, sql: &str) -> Result<Vec<Column>, Failure> {
        let session = self.world.session();
        let prepared = self.runtime.block_on(session.prepare(sql)).map_err(failure)?;
        Ok(self.as_columns(&prepared.schema()))
    }

    fn as_columns(&self, schema: &Schema) -> Vec<Column> {
        let fields = schema.fields().iter();
        fields.map(|field| column(field.name(), field.data_type(), self.dialect)).collect()
    }

    fn change<T>(
        &self,
        work: impl Future<Output = Result<T, TransformationError>>,
    ) -> Result<Option<T>, Failure> {
        if self.settled.load(Ordering::SeqCst) {
            return Ok(None);
        }
        self.runtime.block_on(work).map(Some).map_err(|error| told(&error))
    }
}

fn failure(error: compute::QueryError) -> Failure {
    let mut failure = Failure::new(error.message);
    failure.notes.extend(error.detail);
    failure.help.extend(error.help);
    failure
}

fn told(error: &TransformationError) -> Failure {
    match error {
        TransformationError::Query { error, .. } => failure(error.clone()),
        other => Failure::new(other.to_string()),
    }
}

fn name_of(relation: &Relation) -> TableName {
    let schema = relation.schema.as_deref().unwrap_or_default();
    TableName::new(schema, relation.identifier.as_deref().unwrap_or_default())
}

/// Whether a text asks and changes nothing; most do, and need not be taken apart.
fn only_asks(sql: &str) -> bool {
    let word: String = sql
        .trim_start_matches(|letter: char| letter.is_whitespace() || letter == '(')
        .chars()
        .take_while(|letter| letter.is_alphabetic())
        .collect();
    ["select", "with", "from", "values"].contains(&word.to_ascii_lowercase().as_str())
        && !sql.trim_end().trim_end_matches(';').contains(';')
}

impl Host for Facts {
    fn relation(&self, wanted: &Relation) -> Result<Option<Relation>, Failure> {
        let found = self.world.found(&name_of(wanted));
        Ok(found.map(|(name, kind)| {
            let mut relation = wanted.clone().of_kind(kind_of(kind));
            relation.schema = Some(name.namespace);
            relation.identifier = Some(name.name);
            relation
        }))
    }

    fn relations(&self, database: Option<&str>, schema: &str) -> Result<Vec<Relation>, Failure> {
        let session = self.world.session();
        let database = database.unwrap_or(session.catalog().environment().as_str());
        let relation = |(name, kind): (TableName, PointerKind)| {
            Relation::new(database, &*name.namespace, &*name.name).of_kind(kind_of(kind))
        };
        Ok(self.world.within(schema).into_iter().map(relation).collect())
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, Failure> {
        match self.relation(relation)? {
            None => Ok(Vec::new()),
            Some(found) => self.columns_of(&format!("select * from {}", found.render())),
        }
    }

    fn query_columns(&self, sql: &str) -> Result<Vec<Column>, Failure> {
        self.columns_of(sql)
    }

    fn query(&self, sql: &str) -> Result<Table, Failure> {
        let answer = match only_asks(sql) {
            true => Some(self.runtime.block_on(self.world.ask(sql)).map_err(|e| told(&e))?),
            false => self.change(self.world.carry_out(sql))?.flatten(),
        };
        answer.map_or_else(|| Ok(Table::default()), |rows| table_of(&rows))
    }

    fn adapter(&self, call: &AdapterCall) -> Result<Value, Failure> {
        let text = |at: usize, name: &str| {
            let given = call.arguments.get(at).or_else(|| call.named.get(name));
            given.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let nothing = Value::String(String::new());
        match call.method.as_str() {
            "drop_relation" => {
                for relation in &call.relations {
                    self.change(self.world.drop_name(&name_of(relation)))?;
                }
                Ok(nothing)
            }
            "truncate_relation" => {
                for relation in &call.relations {
                    let sql = format!("truncate table {}", relation.render());
                    self.change(self.world.carry_out(&sql))?;
                }
                Ok(nothing)
            }
            "rename_relation" => {
                if let [from, to] = call.relations.as_slice() {
                    self.change(self.world.rename(&name_of(from), &name_of(to)))?;
                }
                Ok(nothing)
            }
            "drop_schema" => {
                let schema = call.relations.first().and_then(|one| one.schema.clone());
                let schema = schema.unwrap_or_else(|| text(0, "relation"));
                let sql = format!("drop schema if exists \"{schema}\" cascade");
                self.change(self.world.carry_out(&sql))?;
                Ok(nothing)
            }
            "check_schema_exists" => {
                let schema = text(1, "schema");
                let known = self.world.namespaces().into_iter();
                let mut known = known.chain(self.namespaces.iter().cloned());
                Ok(known.any(|name| name.eq_ignore_ascii_case(&schema)).into())
            }
            "list_schemas" => {
                let known = self.world.namespaces().into_iter();
                let known: BTreeSet<String> =
                    known.chain(self.namespaces.iter().cloned()).collect();
                Ok(json!(known))
            }
            "external_root" => Ok(json!(".")),
            "get_binding_char" => Ok(json!("?")),
            "location_exists" => Ok(json!(false)),
            "standardize_grants_dict" => Ok(json!({})),
            "create_schema" | "debug_query" | "pre_model_hook" | "post_model_hook"
            | "alter_column_type" | "grant_access_to" | "ensure_transaction" | "warn_once" => {
                Ok(nothing)
            }
            _ => Err(Failure::new(format!("adapter.{} is not known here", call.method))),
        }
    }

    fn log(&self, message: &str, info: bool) {
        self.invocation.say(message, info);
    }

    fn print(&self, message: &str) {
        self.invocation.print(message);
    }

    fn warn(&self, message: &str) {
        self.invocation.warn(message);
    }

    fn warnings_raise(&self) -> bool {
        self.invocation.warnings_raise
    }

    fn selected_resources(&self) -> Vec<String> {
        self.invocation.selected.clone()
    }
}

/// Rows as templates see them.
pub(crate) fn table_of(answer: &Rows) -> Result<Table, Failure> {
    let fields = answer.schema.fields().iter();
    let columns = fields
        .map(|field| TableColumn {
            name: field.name().clone(),
            data_type: agate_type(field.data_type()).to_owned(),
        })
        .collect();
    let mut rows = Vec::new();
    for batch in &answer.batches {
        rows.extend(cells(batch, &answer.schema)?);
    }
    Ok(Table { columns, rows })
}

fn kind_of(kind: PointerKind) -> RelationKind {
    match kind {
        PointerKind::Table => RelationKind::Table,
        PointerKind::View => RelationKind::View,
    }
}

/// agate's word for a type.
fn agate_type(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "Boolean",
        DataType::Date32 | DataType::Date64 => "Date",
        DataType::Timestamp(_, _) => "DateTime",
        kind if kind.is_integer() => "Integer",
        kind if kind.is_numeric() => "Number",
        _ => "Text",
    }
}

fn cells(batch: &RecordBatch, schema: &Schema) -> Result<Vec<Vec<Cell>>, Failure> {
    let objects = crate::audit::as_objects(std::slice::from_ref(batch)).map_err(failure)?;
    let row = |object: serde_json::Map<String, Value>| {
        let fields = schema.fields().iter();
        fields
            .map(|field| cell(object.get(field.name()).unwrap_or(&Value::Null), field.data_type()))
            .collect()
    };
    Ok(objects.into_iter().map(row).collect())
}

#[expect(clippy::cast_possible_truncation, reason = "it was a single before it became text")]
fn as_single(number: f64) -> f32 {
    number as f32
}

fn cell(value: &Value, data_type: &DataType) -> Cell {
    match (value, data_type) {
        (Value::Null, _) => Cell::Null,
        (Value::Bool(value), _) => Cell::Boolean(*value),
        (Value::Number(number), kind) => match number.as_i64() {
            Some(whole) if !kind.is_floating() => Cell::Integer(i128::from(whole)),
            _ if kind.is_floating() => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                // Python has doubles alone, and a single shows all its digits there.
                let single = *kind == DataType::Float32;
                Cell::Float(if single { f64::from(as_single(number)) } else { number })
            }
            _ => Cell::Decimal(number.to_string()),
        },
        (Value::String(text), DataType::Date32 | DataType::Date64) => {
            text.parse().map_or_else(|_| Cell::Text(text.clone()), Cell::Date)
        }
        (Value::String(text), DataType::Timestamp(_, None)) => {
            text.parse().map_or_else(|_| Cell::Text(text.clone()), Cell::Timestamp)
        }
        (Value::String(text), DataType::Timestamp(_, Some(_))) => {
            text.parse().map_or_else(|_| Cell::Text(text.clone()), Cell::Moment)
        }
        (Value::String(text), kind) if kind.is_numeric() => Cell::Decimal(text.clone()),
        (Value::String(text), _) => Cell::Text(text.clone()),
        (other @ (Value::Array(_) | Value::Object(_)), _) => Cell::Text(other.to_string()),
    }
}

/// A column with the name its type has in the dialect.
pub(crate) fn column(name: &str, data_type: &DataType, dialect: Dialect) -> Column {
    let word = |postgres: &str, other: &str| match dialect {
        Dialect::Postgres => postgres.to_owned(),
        Dialect::Duckdb | Dialect::Snowflake | Dialect::Bigquery => other.to_owned(),
    };
    let mut column = Column::new(
        name,
        match data_type {
            DataType::Boolean => word("boolean", "BOOLEAN"),
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => word("smallint", "SMALLINT"),
            DataType::Int32 | DataType::UInt16 => word("integer", "INTEGER"),
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => word("bigint", "BIGINT"),
            DataType::Float32 => word("real", "FLOAT"),
            DataType::Float64 => word("double precision", "DOUBLE"),
            DataType::Decimal128(_, _) | DataType::Decimal256(_, _) => word("numeric", "DECIMAL"),
            DataType::Date32 | DataType::Date64 => word("date", "DATE"),
            DataType::Time32(_) | DataType::Time64(_) => word("time without time zone", "TIME"),
            DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, None)
            | DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, None) => {
                word("timestamp without time zone", "TIMESTAMP")
            }
            DataType::Timestamp(_, Some(_)) => {
                word("timestamp with time zone", "TIMESTAMP WITH TIME ZONE")
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                word("bytea", "BLOB")
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => word("text", "VARCHAR"),
            other => other.to_string(),
        },
    );
    if let DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) =
        data_type
    {
        column.numeric_precision = Some(u64::from(*precision));
        column.numeric_scale = u64::try_from(*scale).ok();
    }
    column
}
