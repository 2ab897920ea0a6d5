//! The rows of a feature view as the join and the online store take them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, SecondsFormat};
use compute::{Prepared, Session};
use project::features::{Feature, FeatureType, FeatureView};

use crate::{ConsumptionContext, ConsumptionError};

/// What is read of a view: its keys, its moments, some of its features.
#[derive(Debug)]
pub(super) struct Reading<'v> {
    view: &'v FeatureView,
    features: Vec<&'v Feature>,
    table: String,
    /// Types in which keys are compared.
    key_types: Vec<DataType>,
}

/// Rows of a view, column by column.
pub(super) struct ViewRows {
    pub(super) keys: Vec<ArrayRef>,
    pub(super) events: Vec<Option<i64>>,
    pub(super) created: Vec<Option<i64>>,
    pub(super) features: RecordBatch,
}

impl<'v> Reading<'v> {
    pub(super) async fn open(
        context: &ConsumptionContext,
        session: &Session,
        view: &'v FeatureView,
        features: Vec<&'v Feature>,
    ) -> Result<Self, ConsumptionError> {
        let relation = context.relation(&view.node_id(&context.project.name))?;
        let table = context.table(&relation);
        let mut reading = Self { view, features, table, key_types: Vec::new() };
        let prepared = reading.prepare(context, session, &reading.sql(context, None)).await?;
        let schema = prepared.schema();
        let keys = schema.fields().iter().take(view.join_keys.len());
        reading.key_types = keys.map(|field| comparable(field.data_type())).collect();
        Ok(reading)
    }

    pub(super) async fn prepare(
        &self,
        context: &ConsumptionContext,
        session: &Session,
        sql: &str,
    ) -> Result<Prepared, ConsumptionError> {
        context.go_on(&self.view.node_id(&context.project.name))?;
        let prepared = session.prepare(sql).await.map_err(|error| {
            let message = format!("feature view \"{}\": {}", self.view.name, error.message);
            compute::QueryError { message, ..error }
        })?;
        Ok(prepared)
    }

    /// Keys, event, creation and features, in this order; within a stretch of event time.
    pub(super) fn sql(
        &self,
        context: &ConsumptionContext,
        stretch: Option<(Option<i64>, i64)>,
    ) -> String {
        let time = context.quoted(&self.view.timestamp);
        let mut conditions = Vec::new();
        if let Some((from, to)) = stretch {
            conditions.push(format!("{time} <= {}", moment_literal(to)));
            conditions.extend(from.map(|from| format!("{time} >= {}", moment_literal(from))));
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!("\nwhere {}", conditions.join(" and "))
        };
        format!("select {}\nfrom {}{filter}", self.columns(context).join(", "), self.table)
    }

    /// The newest row of each key that is true by now.
    pub(super) fn newest_sql(&self, context: &ConsumptionContext, now_us: i64) -> String {
        let keys: Vec<String> = self.view.join_keys.iter().map(|key| context.quoted(key)).collect();
        let time = context.quoted(&self.view.timestamp);
        let mut order = vec![format!("{time} desc")];
        let created = self.view.created_timestamp.as_deref();
        order.extend(created.map(|column| format!("{} desc nulls last", context.quoted(column))));
        let place = context.quoted("place__");
        format!(
            "select {0}\nfrom (select *, row_number() over (partition by {1} order by {2}) as \
             {place}\nfrom {3} where {time} <= {4}) as newest\nwhere {place} = 1",
            self.columns(context).join(", "),
            keys.join(", "),
            order.join(", "),
            self.table,
            moment_literal(now_us),
        )
    }

    fn columns(&self, context: &ConsumptionContext) -> Vec<String> {
        let view = self.view;
        let created = view.created_timestamp.as_ref().unwrap_or(&view.timestamp);
        let names = view.join_keys.iter().chain([&view.timestamp, created]);
        let names = names.chain(self.features.iter().map(|feature| &feature.name));
        let aliased = |(place, name): (usize, &String)| {
            format!("{} as {}", context.quoted(name), context.quoted(&format!("c{place}")))
        };
        names.enumerate().map(aliased).collect()
    }

    /// Types in which keys are compared.
    pub(super) fn key_types(&self) -> &[DataType] {
        &self.key_types
    }

    /// The features' columns, every one of which may be missing.
    pub(super) fn feature_schema(&self) -> SchemaRef {
        let field = |feature: &&Feature| Field::new(&feature.name, arrow_type(feature.kind), true);
        Arc::new(Schema::new(self.features.iter().map(field).collect::<Vec<_>>()))
    }

    /// Takes an answer apart.
    pub(super) fn take(&self, batch: &RecordBatch) -> Result<ViewRows, ConsumptionError> {
        let key_count = self.view.join_keys.len();
        let mut keys = Vec::with_capacity(key_count);
        for (column, kind) in batch.columns().iter().zip(&self.key_types) {
            keys.push(cast(column, kind)?);
        }
        let events = micros(batch.column(key_count).as_ref())?;
        let created = match &self.view.created_timestamp {
            Some(_) => micros(batch.column(key_count + 1).as_ref())?,
            None => vec![None; batch.num_rows()],
        };
        let schema = self.feature_schema();
        let mut columns = Vec::with_capacity(self.features.len());
        for (field, column) in schema.fields().iter().zip(&batch.columns()[key_count + 2..]) {
            columns.push(cast(column, field.data_type())?);
        }
        // A view may be asked for no feature at all, and has rows nevertheless.
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let features = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(ViewRows { keys, events, created, features })
    }
}

/// The type in which keys of this type are compared with others.
fn comparable(kind: &DataType) -> DataType {
    if kind.is_integer() {
        DataType::Int64
    } else {
        match kind {
            DataType::Boolean => DataType::Boolean,
            DataType::Date32 => DataType::Date32,
            _ => DataType::Utf8,
        }
    }
}

fn arrow_type(kind: FeatureType) -> DataType {
    match kind {
        FeatureType::Int32 => DataType::Int32,
        FeatureType::Int64 => DataType::Int64,
        FeatureType::Float32 => DataType::Float32,
        FeatureType::Float64 => DataType::Float64,
        FeatureType::String => DataType::Utf8,
        FeatureType::Bool => DataType::Boolean,
        FeatureType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// Days, moments and texts of moments as microseconds since 1970.
pub(super) fn micros(array: &dyn Array) -> Result<Vec<Option<i64>>, ConsumptionError> {
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let moments = match array.data_type() {
        DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => {
            cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?
        }
        _ => cast(array, &zoned)?,
    };
    Ok(moments.as_primitive::<TimestampMicrosecondType>().iter().collect())
}

fn moment_literal(micros: i64) -> String {
    let moment = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    let text = moment.to_rfc3339_opts(SecondsFormat::Micros, true);
    format!("cast('{}' as timestamp)", text.replace('T', " ").trim_end_matches('Z'))
}
