//! Which names an environment holds, as one rendering sees them: what the ledger points to, and
//! over it what is staged or made for this rendering alone.

use std::collections::{BTreeMap, BTreeSet};

use base::TableName;
use ledger::{PointerKind, PointerMap};

/// Names and what stands under them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Existing {
    pointers: PointerMap,
    /// What stands over them; none hides a name.
    own: BTreeMap<TableName, Option<PointerKind>>,
}

impl Existing {
    pub(crate) fn new(pointers: PointerMap) -> Self {
        Self { pointers, own: BTreeMap::new() }
    }

    pub(crate) fn insert(&mut self, name: TableName, kind: PointerKind) {
        self.own.insert(name, Some(kind));
    }

    pub(crate) fn remove(&mut self, name: &TableName) {
        self.own.insert(name.clone(), None);
    }

    /// What stands under a name, spelt just so.
    pub(crate) fn get(&self, name: &TableName) -> Option<PointerKind> {
        match self.own.get(name) {
            Some(own) => *own,
            None => self.pointers.get(name).map(|pointer| pointer.kind),
        }
    }

    /// The first name that is spelt so but for case.
    pub(crate) fn alike(&self, name: &TableName) -> Option<(TableName, PointerKind)> {
        let same = |held: &TableName| {
            held.name.eq_ignore_ascii_case(&name.name)
                && held.namespace.eq_ignore_ascii_case(&name.namespace)
        };
        let stored = self.pointers.alike(name).map(|pointer| (&pointer.table, pointer.kind));
        let stored = stored.filter(|(held, _)| !self.own.contains_key(*held));
        let own = self.own.iter().filter_map(|(held, kind)| Some((held, (*kind)?)));
        let first = stored.chain(own.filter(|(held, _)| same(held))).min_by_key(|(held, _)| *held);
        first.map(|(held, kind)| (held.clone(), kind))
    }

    /// Everything in one namespace, whatever its case, by name.
    pub(crate) fn within(&self, namespace: &str) -> Vec<(TableName, PointerKind)> {
        let stored = self.pointers.iter().map(|pointer| (&pointer.table, pointer.kind));
        let stored = stored.filter(|(held, _)| !self.own.contains_key(*held));
        let own = self.own.iter().filter_map(|(held, kind)| Some((held, (*kind)?)));
        let found: BTreeMap<&TableName, PointerKind> = stored
            .chain(own)
            .filter(|(held, _)| held.namespace.eq_ignore_ascii_case(namespace))
            .collect();
        found.into_iter().map(|(held, kind)| (held.clone(), kind)).collect()
    }

    /// The namespaces that hold something.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        let stored = self.pointers.iter().map(|pointer| &pointer.table);
        let stored = stored.filter(|held| !self.own.contains_key(*held));
        let own = self.own.iter().filter(|(_, kind)| kind.is_some()).map(|(held, _)| held);
        let found: BTreeSet<&str> = stored.chain(own).map(|held| held.namespace.as_str()).collect();
        found.into_iter().map(str::to_owned).collect()
    }
}
