//! All pointers of an environment, kept in memory and brought up to date by what changed since:
//! whoever looks at an environment once for each of its tables reads each change once.
//!
//! Triggers write down which names changed and in which order, so that other processes, and other
//! clients of the JDBC catalog, are seen too.

use std::cmp::Ordering;
use std::sync::{Arc, PoisonError};

use base::{EnvironmentName, TableName};

use crate::pointers::read_pointer;
use crate::records::Record;
use crate::transaction::sql;
use crate::{Ledger, LedgerError, Pointer};

/// Pointers of one part; a change copies one part and the list of parts.
const PART_MAX: usize = 128;

/// The pointers of an environment at one moment. A clone is cheap, and a change of it copies
/// little. They come in the order of their names, upper and lower case side by side.
#[derive(Clone, Debug, Default)]
pub struct PointerMap {
    parts: Arc<Vec<Arc<Vec<Arc<Pointer>>>>>,
}

/// What a process knows of an environment.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The newest change that is in it.
    through: i64,
    map: PointerMap,
}

fn folded(left: &TableName, right: &TableName) -> Ordering {
    let compare = |left: &str, right: &str| {
        let bytes = left.bytes().map(|byte| byte.to_ascii_lowercase());
        bytes.cmp(right.bytes().map(|byte| byte.to_ascii_lowercase()))
    };
    compare(&left.namespace, &right.namespace).then_with(|| compare(&left.name, &right.name))
}

fn order(left: &TableName, right: &TableName) -> Ordering {
    folded(left, right).then_with(|| left.cmp(right))
}

impl PointerMap {
    /// Collects pointers.
    pub fn new(mut pointers: Vec<Pointer>) -> Self {
        pointers.sort_by(|left, right| order(&left.table, &right.table));
        let mut parts = Vec::new();
        let mut part = Vec::new();
        for pointer in pointers {
            part.push(Arc::new(pointer));
            if part.len() == PART_MAX / 2 {
                parts.push(Arc::new(std::mem::take(&mut part)));
            }
        }
        if !part.is_empty() {
            parts.push(Arc::new(part));
        }
        Self { parts: Arc::new(parts) }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Pointer> {
        self.parts.iter().flat_map(|part| part.iter()).map(Arc::as_ref)
    }

    /// The pointer of a name.
    pub fn get(&self, name: &TableName) -> Option<&Pointer> {
        let part = self.parts.get(self.part_of(name))?;
        let at = part.binary_search_by(|held| order(&held.table, name)).ok()?;
        part.get(at).map(Arc::as_ref)
    }

    /// Every pointer of that name, whatever its case.
    pub fn alike(&self, name: &TableName) -> impl Iterator<Item = &Pointer> {
        let before = |part: &Arc<Vec<Arc<Pointer>>>| {
            part.last().is_some_and(|last| folded(&last.table, name) == Ordering::Less)
        };
        let parts = self.parts.get(self.parts.partition_point(before)..).unwrap_or_default();
        parts
            .iter()
            .flat_map(|part| part.iter())
            .map(Arc::as_ref)
            .skip_while(move |held| folded(&held.table, name) == Ordering::Less)
            .take_while(move |held| folded(&held.table, name) == Ordering::Equal)
    }

    /// The part that holds a name or would.
    fn part_of(&self, name: &TableName) -> usize {
        let starts_before = |part: &Arc<Vec<Arc<Pointer>>>| {
            part.first().is_some_and(|first| order(&first.table, name) != Ordering::Greater)
        };
        self.parts.partition_point(starts_before).saturating_sub(1)
    }

    fn put(&mut self, pointer: Pointer) {
        let at = self.part_of(&pointer.table);
        let parts = Arc::make_mut(&mut self.parts);
        if parts.is_empty() {
            parts.push(Arc::default());
        }
        let Some(part) = parts.get_mut(at).map(Arc::make_mut) else { return };
        match part.binary_search_by(|held| order(&held.table, &pointer.table)) {
            Ok(held) => part[held] = Arc::new(pointer),
            Err(free) => part.insert(free, Arc::new(pointer)),
        }
        if part.len() > PART_MAX {
            let upper = part.split_off(PART_MAX / 2);
            parts.insert(at + 1, Arc::new(upper));
        }
    }

    fn remove(&mut self, name: &TableName) {
        let at = self.part_of(name);
        let parts = Arc::make_mut(&mut self.parts);
        let Some(part) = parts.get_mut(at).map(Arc::make_mut) else { return };
        if let Ok(held) = part.binary_search_by(|held| order(&held.table, name)) {
            part.remove(held);
        }
        if part.is_empty() {
            parts.remove(at);
        }
    }
}

impl Ledger {
    /// Every table and view of an environment at one moment. What the process knew of it already
    /// is not read again.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn pointer_map(
        &self,
        environment: &EnvironmentName,
    ) -> Result<PointerMap, LedgerError> {
        let before = {
            let known = self.known_pointers().lock().unwrap_or_else(PoisonError::into_inner);
            known.get(environment).cloned()
        };
        let now = match before {
            None => self.all_pointers(environment).await?,
            Some(before) => match self.changes_since(environment, before).await? {
                (now, true) => now,
                (now, false) => return Ok(now.map),
            },
        };
        let map = now.map.clone();
        let mut known = self.known_pointers().lock().unwrap_or_else(PoisonError::into_inner);
        let newer = known.get(environment).is_none_or(|held| held.through < now.through);
        if newer {
            known.insert(environment.clone(), now);
        }
        Ok(map)
    }

    async fn all_pointers(&self, environment: &EnvironmentName) -> Result<Known, LedgerError> {
        // One statement sees one moment.
        let statement = sql(concat!(
            "SELECT through.change AS through, catalog_name AS environment, ",
            "table_namespace AS namespace, table_name AS name, metadata_location, ",
            "previous_metadata_location, iceberg_type ",
            "FROM (SELECT coalesce(max(change), 0) AS change FROM pointer_changes) AS through ",
            "LEFT JOIN iceberg_tables ON metadata_location IS NOT NULL AND catalog_name = ?"
        ));
        let records = self.rows(statement.bind(environment.as_str().to_owned())).await?;
        let through = records.first().map_or(Ok(0), |record| record.number("through"))?;
        let held = records.iter().filter(|record| is_held(record));
        let pointers = held.map(read_pointer).collect::<Result<Vec<_>, _>>()?;
        Ok(Known { through, map: PointerMap::new(pointers) })
    }

    /// What is known with what changed since, and whether anything did.
    async fn changes_since(
        &self,
        environment: &EnvironmentName,
        mut known: Known,
    ) -> Result<(Known, bool), LedgerError> {
        let statement = sql(concat!(
            "SELECT c.change, c.catalog_name AS environment, c.table_namespace AS namespace, ",
            "c.table_name AS name, t.metadata_location, t.previous_metadata_location, ",
            "t.iceberg_type FROM pointer_changes AS c LEFT JOIN iceberg_tables AS t ",
            "ON t.catalog_name = c.catalog_name AND t.table_namespace = c.table_namespace ",
            "AND t.table_name = c.table_name ",
            "WHERE c.change > ? AND c.catalog_name = ? ORDER BY c.change"
        ));
        let statement = statement.bind(known.through).bind(environment.as_str().to_owned());
        let records = self.rows(statement).await?;
        for record in &records {
            match is_held(record) {
                true => known.map.put(read_pointer(record)?),
                false => known.map.remove(&record.table()?),
            }
            known.through = record.number("change")?;
        }
        Ok((known, !records.is_empty()))
    }
}

fn is_held(record: &Record) -> bool {
    matches!(record.maybe_text("metadata_location"), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::PointerKind;

    fn pointer(name: &str, location: &str) -> Pointer {
        Pointer {
            environment: "prod".into(),
            table: TableName::new("main", name),
            kind: PointerKind::Table,
            metadata_location: location.to_owned(),
            previous_metadata_location: None,
        }
    }

    #[test]
    fn a_map_holds_what_a_plain_one_would_after_any_changes() {
        let mut map = PointerMap::default();
        let mut plain = BTreeMap::new();
        for turn in 0_u32..3_000 {
            let name = format!("t{:04}", turn.wrapping_mul(2_654_435_761) % 700);
            if turn % 5 == 4 {
                map.remove(&TableName::new("main", name.clone()));
                plain.remove(&name);
            } else {
                map.put(pointer(&name, &turn.to_string()));
                plain.insert(name, turn.to_string());
            }
        }
        let held: Vec<(String, String)> = map
            .iter()
            .map(|held| (held.table.name.clone(), held.metadata_location.clone()))
            .collect();
        assert_eq!(held, plain.clone().into_iter().collect::<Vec<_>>());
        for (name, location) in plain {
            let found = map.get(&TableName::new("main", name));
            assert_eq!(found.map(|held| &held.metadata_location), Some(&location));
        }
        assert!(map.parts.iter().all(|part| part.len() <= PART_MAX));
    }

    #[test]
    fn a_clone_keeps_what_it_held() {
        let before = PointerMap::new((0..500).map(|n| pointer(&format!("t{n}"), "1")).collect());
        let mut after = before.clone();
        after.put(pointer("t7", "2"));
        after.remove(&TableName::new("main", "t8"));
        let location = |map: &PointerMap, name: &str| {
            map.get(&TableName::new("main", name)).map(|held| held.metadata_location.clone())
        };
        assert_eq!(location(&before, "t7").as_deref(), Some("1"));
        assert_eq!(location(&after, "t7").as_deref(), Some("2"));
        assert!(location(&before, "t8").is_some() && location(&after, "t8").is_none());
        assert_eq!((before.iter().count(), after.iter().count()), (500, 499));
    }

    #[test]
    fn names_that_differ_in_case_alone_are_found_together() {
        let names = ["orders", "Orders", "ORDERS", "order", "orderz"];
        let map = PointerMap::new(names.iter().map(|name| pointer(name, "1")).collect());
        let alike = |name: &str| map.alike(&TableName::new("MAIN", name)).count();
        assert_eq!((alike("orDers"), alike("ORDER"), alike("nothing")), (3, 1, 0));
        assert!(map.get(&TableName::new("main", "oRders")).is_none());
    }
}
