//! The rows of a sync: read in the order of their keys, with their fields mapped.

use base::NodeId;
use compute::{Prepared, Session};
use futures::TryStreamExt;
use project::sync::{FieldValue, Nulls, Sync};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::template;
use crate::{ConsumptionContext, ConsumptionError, cells};

/// Hexadecimal digits of a content hash.
const HASH_DIGITS: usize = 32;

/// One row as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outgoing {
    /// A JSON list of the key columns' values.
    pub(super) key: String,
    /// The key columns.
    pub(super) key_columns: Map<String, Value>,
    /// The tool's fields.
    pub(super) fields: Map<String, Value>,
    /// Hash of the fields.
    pub(super) hash: String,
}

impl Outgoing {
    /// A row of which only the key is known any more.
    pub(super) fn removed(
        sync: &Sync,
        key: String,
        fields: Map<String, Value>,
    ) -> Result<Self, ConsumptionError> {
        let values: Vec<Value> = serde_json::from_str(&key)
            .map_err(|_| ConsumptionError::Internal(format!("key {key} is no list")))?;
        let key_columns = sync.key.iter().cloned().zip(values).collect();
        let hash = hash_of(&fields);
        Ok(Self { key, key_columns, fields, hash })
    }
}

/// The hash by which two contents are told apart.
pub(super) fn hash_of(fields: &Map<String, Value>) -> String {
    let text = serde_json::to_string(fields).unwrap_or_default();
    digest(&[text.as_bytes()])
}

/// Hexadecimal digits of parts, kept apart.
pub(super) fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    let digits: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..HASH_DIGITS].to_owned()
}

/// A planned query over pinned tables, and how its columns become fields.
#[derive(Debug)]
pub(super) struct Scan<'s> {
    sync: &'s Sync,
    node: NodeId,
    session: Session,
    prepared: Prepared,
    /// Columns that texts with braces use, by name and place in the answer.
    columns: Vec<String>,
}

impl<'s> Scan<'s> {
    pub(super) async fn open(
        context: &ConsumptionContext,
        sync: &'s Sync,
    ) -> Result<Self, ConsumptionError> {
        let node = sync.node_id(&context.project.name);
        let relation = context.relation(&node)?;
        let mut columns: Vec<String> = Vec::new();
        for field in &sync.fields {
            if let FieldValue::Template(text) = &field.value {
                for column in template::row_columns(text) {
                    if !columns.contains(&column) {
                        columns.push(column);
                    }
                }
            }
        }
        let mut chosen: Vec<String> = Vec::new();
        let mut choose = |expression: String| {
            let name = context.quoted(&format!("c{}", chosen.len()));
            chosen.push(format!("{expression} as {name}"));
        };
        sync.key.iter().for_each(|key| choose(context.quoted(key)));
        for field in &sync.fields {
            match &field.value {
                FieldValue::Column(column) => choose(context.quoted(column)),
                FieldValue::Sql(sql) => choose(format!("({sql})")),
                FieldValue::Template(_) | FieldValue::Constant(_) => {}
            }
        }
        columns.iter().for_each(|column| choose(context.quoted(column)));
        let filter = sync.filter.as_ref().map(|filter| format!("\nwhere ({filter})"));
        let order: Vec<String> = (1..=sync.key.len()).map(|place| place.to_string()).collect();
        let sql = format!(
            "select {}\nfrom {}{}\norder by {}",
            chosen.join(",\n    "),
            context.table(&relation),
            filter.unwrap_or_default(),
            order.join(", ")
        );
        let session = context.session().await?;
        let prepared = session.prepare(&sql).await.map_err(|error| {
            let what = format!("sync \"{}\": {}", sync.name, error.message);
            compute::QueryError { message: what, ..error }
        })?;
        Ok(Self { sync, node, session, prepared, columns })
    }

    /// Hash of how fields are made: a change makes every row differ.
    pub(super) fn mapping_hash(&self) -> String {
        digest(&[format!("{:?}{:?}", self.sync.fields, self.sync.nulls).as_bytes()])
    }

    /// Reads the rows and hands each over.
    pub(super) async fn each(
        &self,
        context: &ConsumptionContext,
        mut take: impl FnMut(&Outgoing) -> Result<(), ConsumptionError>,
    ) -> Result<(), ConsumptionError> {
        let mut rows = self.rows(context).await?;
        while let Some(batch) = rows.next(context).await? {
            for row in &batch {
                take(row)?;
            }
        }
        Ok(())
    }

    /// Reads the rows from the beginning.
    pub(super) async fn rows(
        &self,
        context: &ConsumptionContext,
    ) -> Result<Rows<'_, 's>, ConsumptionError> {
        let stream = self.session.stream(&self.prepared, context.cancel.clone()).await?;
        Ok(Rows { scan: self, stream, last_key: None })
    }
}

/// Rows as they come.
pub(super) struct Rows<'r, 's> {
    scan: &'r Scan<'s>,
    stream: compute::RowStream,
    last_key: Option<String>,
}

impl Rows<'_, '_> {
    /// The next rows; none at the end.
    pub(super) async fn next(
        &mut self,
        context: &ConsumptionContext,
    ) -> Result<Option<Vec<Outgoing>>, ConsumptionError> {
        context.go_on(&self.scan.node)?;
        let Some(batch) = self.stream.try_next().await? else { return Ok(None) };
        let columns = cells::columns(&batch)?;
        let mut rows = Vec::with_capacity(batch.num_rows());
        for place in 0..batch.num_rows() {
            let values: Vec<&Value> = columns.iter().map(|column| &column[place]).collect();
            rows.push(self.row(&values)?);
        }
        Ok(Some(rows))
    }

    fn row(&mut self, values: &[&Value]) -> Result<Outgoing, ConsumptionError> {
        let sync = self.scan.sync;
        let (key_values, rest) = values.split_at(sync.key.len());
        let key = serde_json::to_string(key_values).unwrap_or_default();
        self.check_key(&key, key_values)?;
        let mapped = rest.len() - self.scan.columns.len();
        let (mapped, named) = rest.split_at(mapped);
        let find = |name: &str| {
            let column = name.strip_prefix("row.")?;
            let place = self.scan.columns.iter().position(|known| known == column)?;
            named.get(place).map(|value| (*value).clone())
        };
        let mut mapped = mapped.iter();
        let mut fields = Map::new();
        for field in &sync.fields {
            let value = match &field.value {
                FieldValue::Column(_) | FieldValue::Sql(_) => {
                    mapped.next().map_or(Value::Null, |value| (*value).clone())
                }
                FieldValue::Template(text) => Value::String(template::fill(text, &find)),
                FieldValue::Constant(value) => value.clone(),
            };
            if !(value.is_null() && sync.nulls == Nulls::Omit) {
                fields.insert(field.name.clone(), value);
            }
        }
        let key_columns = sync.key.iter().cloned();
        let key_columns = key_columns.zip(key_values.iter().map(|value| (*value).clone()));
        let hash = hash_of(&fields);
        Ok(Outgoing { key, key_columns: key_columns.collect(), fields, hash })
    }

    /// Rows come in the order of their keys, so a key that is there twice comes twice in a row.
    fn check_key(&mut self, key: &str, values: &[&Value]) -> Result<(), ConsumptionError> {
        let sync = self.scan.sync;
        let columns = sync.key.join(", ");
        let help = "Give \"key:\" columns that name each row, and test the model for it.";
        let wrong =
            |message: String| Err(ConsumptionError::Data { message, help: help.to_owned() });
        if values.iter().any(|value| value.is_null()) {
            return wrong(format!("sync \"{}\": a row has no key ({columns}): {key}", sync.name));
        }
        if self.last_key.as_deref() == Some(key) {
            return wrong(format!(
                "sync \"{}\": two rows have the key {key} ({columns})",
                sync.name
            ));
        }
        self.last_key = Some(key.to_owned());
        Ok(())
    }
}
