//! Training sets: features as they were at each row's moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use compute::{RowStream, Session};
use futures::TryStreamExt;
use project::features::{Feature, FeatureView};

use super::asof::{AsofJoin, Entity, Moment, Rules};
use super::chosen;
use super::frame::EntityFrame;
use super::reading::{Reading, micros};
use crate::{ConsumptionContext, ConsumptionError};

/// Entity rows that are joined at a time: what bounds the memory, and each time the views are read.
const FRAME_ROWS: usize = 1_000_000;

/// What to put together.
#[derive(Clone, Debug)]
pub struct TrainingRequest {
    /// `view:feature`, or `view` for all of its features.
    pub features: Vec<String>,
    /// A feature service instead.
    pub service: Option<String>,
    /// Which entities, at which moments.
    pub frame: EntityFrame,
    /// The frame's column of moments.
    pub timestamp: String,
    /// Whether columns are named `view__feature`.
    pub full_names: bool,
    /// Whether a row counts only from the moment it was made, so that late corrections do not leak.
    pub from_created: bool,
}

/// What was put together.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TrainingSummary {
    /// Rows, as many as the frame has.
    pub rows: u64,
    /// Names of the features' columns.
    pub features: Vec<String>,
}

/// One view's share of the request.
struct Wanted<'p> {
    view: &'p FeatureView,
    features: Vec<&'p Feature>,
    names: Vec<String>,
}

/// Joins features to an entity frame. `sink` takes the rows as they come, in the order of the
/// frame; it is called at least once, with no rows if there are none.
///
/// # Errors
/// When a name does not exist, the frame lacks a column, or a query fails.
pub async fn training_set(
    context: &ConsumptionContext,
    request: &TrainingRequest,
    sink: &mut (dyn FnMut(&RecordBatch) -> Result<(), ConsumptionError> + Send),
) -> Result<TrainingSummary, ConsumptionError> {
    let wanted = wanted(context, request)?;
    let session = context.session().await?;
    let mut summary = TrainingSummary {
        rows: 0,
        features: wanted.iter().flat_map(|view| view.names.clone()).collect(),
    };
    let mut readings = Vec::new();
    for view in &wanted {
        readings.push(Reading::open(context, &session, view.view, view.features.clone()).await?);
    }
    let mut frame = Frame::open(context, &session, &request.frame).await?;
    check_columns(&frame.schema, request, &wanted)?;
    let mut first = true;
    while let Some(chunk) = frame.next(first).await? {
        first = false;
        let times = micros(chunk.column(index_of(&chunk.schema(), &request.timestamp)?).as_ref())?;
        let mut fields: Vec<Field> =
            chunk.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut columns = chunk.columns().to_vec();
        for (view, reading) in wanted.iter().zip(&readings) {
            let found = join(context, &session, view, reading, &chunk, &times, request).await?;
            for (name, column) in view.names.iter().zip(found) {
                fields.push(Field::new(name, column.data_type().clone(), true));
                columns.push(column);
            }
        }
        let joined = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        summary.rows += joined.num_rows() as u64;
        sink(&joined)?;
    }
    Ok(summary)
}

fn wanted<'p>(
    context: &'p ConsumptionContext,
    request: &TrainingRequest,
) -> Result<Vec<Wanted<'p>>, ConsumptionError> {
    let features = &context.project.features;
    let pairs = chosen(features, &request.features, request.service.as_deref())?;
    if pairs.is_empty() {
        return Err(ConsumptionError::Settings {
            message: "no feature was asked for".to_owned(),
            help: "Name features as view:feature, or a service with --service.".to_owned(),
        });
    }
    let mut wanted: Vec<Wanted<'p>> = Vec::new();
    for (view, feature) in pairs {
        let full = request.full_names;
        let name =
            if full { format!("{}__{}", view.name, feature.name) } else { feature.name.clone() };
        match wanted.iter_mut().find(|known| known.view.name == view.name) {
            Some(known) => {
                known.features.push(feature);
                known.names.push(name);
            }
            None => wanted.push(Wanted { view, features: vec![feature], names: vec![name] }),
        }
    }
    Ok(wanted)
}

fn check_columns(
    schema: &SchemaRef,
    request: &TrainingRequest,
    wanted: &[Wanted<'_>],
) -> Result<(), ConsumptionError> {
    index_of(schema, &request.timestamp)?;
    for key in wanted.iter().flat_map(|view| &view.view.join_keys) {
        index_of(schema, key)?;
    }
    let mut taken: BTreeSet<&str> =
        schema.fields().iter().map(|field| field.name().as_str()).collect();
    for name in wanted.iter().flat_map(|view| &view.names) {
        if !taken.insert(name) {
            return Err(ConsumptionError::Settings {
                message: format!("two columns of the training set would be named \"{name}\""),
                help: "Ask for full feature names, which put the view in front.".to_owned(),
            });
        }
    }
    Ok(())
}

fn index_of(schema: &SchemaRef, name: &str) -> Result<usize, ConsumptionError> {
    schema.index_of(name).map_err(|_| {
        let known: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        ConsumptionError::Settings {
            message: format!("the entity frame has no column \"{name}\""),
            help: format!("It has: {}.", known.join(", ")),
        }
    })
}

/// The features of one view for the rows of a chunk.
async fn join(
    context: &ConsumptionContext,
    session: &Session,
    view: &Wanted<'_>,
    reading: &Reading<'_>,
    chunk: &RecordBatch,
    times: &[Option<i64>],
    request: &TrainingRequest,
) -> Result<Vec<ArrayRef>, ConsumptionError> {
    let fields = reading.key_types().iter().map(|kind| SortField::new(kind.clone())).collect();
    let converter = RowConverter::new(fields)?;
    let schema = chunk.schema();
    let mut keys = Vec::new();
    for (name, kind) in view.view.join_keys.iter().zip(reading.key_types()) {
        keys.push(cast(chunk.column(index_of(&schema, name)?), kind)?);
    }
    let encoded = encoded(&converter, &keys)?;
    let entities: Vec<Entity> = encoded.into_iter().zip(times.iter().copied()).collect();
    let ttl_us = view.view.ttl.and_then(|ttl| i64::try_from(ttl.as_micros()).ok());
    let rules = Rules { ttl_us, from_created: request.from_created };
    let mut join = AsofJoin::new(reading.feature_schema(), rules, &entities);
    let known = times.iter().flatten();
    if let (Some(first), Some(last)) = (known.clone().min(), known.max()) {
        let from = ttl_us.map(|ttl| first.saturating_sub(ttl));
        let sql = reading.sql(context, Some((from, *last)));
        let prepared = reading.prepare(context, session, &sql).await?;
        let mut rows = session.stream(&prepared, context.cancel.clone()).await?;
        while let Some(batch) = rows.try_next().await? {
            let rows = reading.take(&batch)?;
            let keys = self::encoded(&converter, &rows.keys)?;
            let moments: Vec<Moment<'_>> = keys
                .iter()
                .zip(rows.events.iter().zip(&rows.created))
                .map(|(key, (event, created))| Moment {
                    key: key.as_deref(),
                    event: *event,
                    created: *created,
                })
                .collect();
            join.offer(&moments, &rows.features)?;
        }
    }
    join.finish()
}

/// Keys as bytes that are equal when the keys are; none for a key with a missing part.
fn encoded(
    converter: &RowConverter,
    keys: &[ArrayRef],
) -> Result<Vec<Option<Box<[u8]>>>, ConsumptionError> {
    let rows = converter.convert_columns(keys)?;
    let of = |(place, row): (usize, arrow::row::Row<'_>)| {
        let whole = keys.iter().all(|column| !column.is_null(place));
        whole.then(|| row.as_ref().into())
    };
    Ok(rows.iter().enumerate().map(of).collect())
}

/// The entity frame, in chunks.
struct Frame {
    schema: SchemaRef,
    waiting: std::vec::IntoIter<RecordBatch>,
    stream: Option<RowStream>,
}

impl Frame {
    async fn open(
        context: &ConsumptionContext,
        session: &Session,
        frame: &EntityFrame,
    ) -> Result<Self, ConsumptionError> {
        let sql = match frame {
            EntityFrame::Rows(schema, rows) => {
                let waiting = rows.clone().into_iter();
                return Ok(Self { schema: Arc::clone(schema), waiting, stream: None });
            }
            EntityFrame::Sql(sql) => sql.clone(),
            EntityFrame::Model(name) => {
                let nodes = context.project.graph.nodes.values();
                let mut found = nodes.filter(|node| node.kind.is_referable() && node.name == *name);
                let relation = found.next().and_then(|node| node.relation.clone());
                let Some(relation) = relation else {
                    return Err(ConsumptionError::NotFound {
                        message: format!("no model is named \"{name}\""),
                        help: "`fiveply ls` lists what the project has.".to_owned(),
                    });
                };
                format!("select * from {}", context.table(&relation))
            }
        };
        let prepared = session.prepare(&sql).await?;
        let schema = prepared.schema();
        let stream = Some(session.stream(&prepared, context.cancel.clone()).await?);
        Ok(Self { schema, waiting: Vec::new().into_iter(), stream })
    }

    /// The next rows; none at the end, but some batch, if an empty one, at the beginning.
    async fn next(&mut self, first: bool) -> Result<Option<RecordBatch>, ConsumptionError> {
        let (mut parts, mut rows) = (Vec::new(), 0);
        while rows < FRAME_ROWS {
            let next = match (self.waiting.next(), &mut self.stream) {
                (Some(batch), _) => Some(batch),
                (None, Some(stream)) => stream.try_next().await?,
                (None, None) => None,
            };
            let Some(batch) = next else { break };
            rows += batch.num_rows();
            parts.push(batch);
        }
        if parts.is_empty() && !first {
            return Ok(None);
        }
        Ok(Some(concat_batches(&self.schema, &parts)?))
    }
}
