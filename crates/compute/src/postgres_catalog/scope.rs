//! Where a name of a catalog query is looked up: the tables of its own select, then those of the
//! selects around it.

use base::ErrorKind;

use super::kinds::Oid;
use super::plan::{Aggregate, SetCall, Window};
use crate::error::QueryError;

/// A column that can be named.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) table: String,
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    pub(crate) kind: Oid,
    pub(crate) slot: usize,
    /// The second of two that `using` made one.
    pub(crate) hidden: bool,
}

/// One select while it is bound.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) columns: Vec<Named>,
    pub(crate) width: usize,
    pub(crate) reach: Vec<usize>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) windows: Vec<Window>,
    pub(crate) sets: Vec<SetCall>,
    /// A derived table does not see its neighbours unless it is lateral.
    pub(crate) closed_to_inner: bool,
    /// An argument of an aggregate cannot hold another.
    pub(crate) inside_aggregate: bool,
}

/// The selects around the place that is being bound, innermost last.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    pub(crate) frames: Vec<Frame>,
}

/// Where a column was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) depth: usize,
    pub(crate) slot: usize,
    pub(crate) kind: Oid,
}

impl Scopes {
    pub(crate) fn top(&mut self) -> Result<&mut Frame, QueryError> {
        self.frames.last_mut().ok_or_else(|| QueryError::internal("a name outside any select"))
    }

    /// Finds `[[schema.]table.]column`.
    pub(crate) fn find(&mut self, parts: &[String]) -> Result<Option<Found>, QueryError> {
        let (schema, table, name) = match parts {
            [name] => (None, None, name),
            [table, name] => (None, Some(table), name),
            [schema, table, name] | [_, schema, table, name] => (Some(schema), Some(table), name),
            _ => return Ok(None),
        };
        let innermost = self.frames.len().saturating_sub(1);
        for at in (0..self.frames.len()).rev() {
            let frame = &self.frames[at];
            if at != innermost && frame.closed_to_inner {
                continue;
            }
            let mut found = frame.columns.iter().filter(|column| {
                column.name == *name
                    && table.is_none_or(|table| column.table == *table)
                    && schema.is_none_or(|schema| {
                        column.schema.as_ref().is_none_or(|held| held == schema)
                    })
                    && (table.is_some() || !column.hidden)
            });
            let Some(first) = found.next() else { continue };
            if found.next().is_some() {
                return Err(QueryError::project(format!("column \"{name}\" is ambiguous"))
                    .help("Write the name or alias of its table before the column's."));
            }
            let found = Found { depth: innermost - at, slot: first.slot, kind: first.kind };
            self.reached(at, found.slot);
            return Ok(Some(found));
        }
        Ok(None)
    }

    /// Every query between the name and its table depends on that table's row.
    fn reached(&mut self, at: usize, slot: usize) {
        for inner in at + 1..self.frames.len() {
            let reach = &mut self.frames[inner].reach;
            let distance = inner - at;
            if reach.len() <= distance {
                reach.resize(distance + 1, 0);
            }
            reach[distance] = reach[distance].max(slot + 1);
        }
    }

    pub(crate) fn unknown(&self, parts: &[String]) -> QueryError {
        let name = parts.last().map_or("", String::as_str);
        let frame = self.frames.last();
        let near = frame.and_then(|frame| {
            crate::spans::nearest(name, frame.columns.iter().map(|column| column.name.as_str()))
        });
        let error = QueryError::new(
            ErrorKind::Project,
            format!("column \"{}\" does not exist", parts.join(".")),
        );
        match near {
            Some(near) => error.help(format!("Did you mean \"{near}\"?")),
            None => error,
        }
    }
}
