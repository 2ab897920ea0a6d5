//! What templates ask of the lake while they render: which relations exist, their columns, and
//! the rows of queries.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, TimeUnit};
use base::TableName;
use compute::{Dialect, Session};
use ledger::PointerKind;
use project::jinja::{Cell, Column, Failure, Host, Relation, RelationKind, Table, TableColumn};
use serde_json::Value;
use tokio::runtime::Handle;

/// Answers templates from one session. Its methods block, so they run on a rendering thread.
pub(crate) struct Facts {
    session: Session,
    existing: BTreeMap<TableName, PointerKind>,
    runtime: Handle,
    dialect: Dialect,
}

impl Facts {
    pub(crate) fn new(
        session: Session,
        existing: BTreeMap<TableName, PointerKind>,
        runtime: Handle,
        dialect: Dialect,
    ) -> Self {
        Self { session, existing, runtime, dialect }
    }

    fn columns_of(&self, sql: &str) -> Result<Vec<Column>, Failure> {
        let prepared = self.runtime.block_on(self.session.prepare(sql)).map_err(failure)?;
        Ok(self.as_columns(&prepared.schema()))
    }

    fn as_columns(&self, schema: &Schema) -> Vec<Column> {
        let fields = schema.fields().iter();
        fields.map(|field| column(field.name(), field.data_type(), self.dialect)).collect()
    }
}

fn failure(error: compute::QueryError) -> Failure {
    let mut failure = Failure::new(error.message);
    failure.notes.extend(error.detail);
    failure.help.extend(error.help);
    failure
}

impl Host for Facts {
    fn relation(&self, wanted: &Relation) -> Result<Option<Relation>, Failure> {
        let schema = wanted.schema.as_deref().unwrap_or_default();
        let name = TableName::new(schema, wanted.identifier.as_deref().unwrap_or_default());
        Ok(self.existing.get(&name).map(|kind| wanted.clone().of_kind(kind_of(*kind))))
    }

    fn relations(&self, database: Option<&str>, schema: &str) -> Result<Vec<Relation>, Failure> {
        let here = self.existing.iter().filter(|(name, _)| name.namespace == schema);
        let environment = self.session.catalog().environment().as_str();
        let database = database.unwrap_or(environment);
        let relation = |(name, kind): (&TableName, &PointerKind)| {
            Relation::new(database, &*name.namespace, &*name.name).of_kind(kind_of(*kind))
        };
        Ok(here.map(relation).collect())
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
        let prepared = self.runtime.block_on(self.session.prepare(sql)).map_err(failure)?;
        let schema = prepared.schema();
        let batches = self.runtime.block_on(self.session.rows(sql)).map_err(failure)?;
        let columns = schema
            .fields()
            .iter()
            .map(|field| TableColumn {
                name: field.name().clone(),
                data_type: agate_type(field.data_type()).to_owned(),
            })
            .collect();
        let mut rows = Vec::new();
        for batch in &batches {
            rows.extend(cells(batch, &schema)?);
        }
        Ok(Table { columns, rows })
    }
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

fn cell(value: &Value, data_type: &DataType) -> Cell {
    match (value, data_type) {
        (Value::Null, _) => Cell::Null,
        (Value::Bool(value), _) => Cell::Boolean(*value),
        (Value::Number(number), kind) => match number.as_i64() {
            Some(whole) if !kind.is_floating() => Cell::Integer(i128::from(whole)),
            _ if kind.is_floating() => Cell::Float(number.as_f64().unwrap_or(f64::NAN)),
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
fn column(name: &str, data_type: &DataType, dialect: Dialect) -> Column {
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
