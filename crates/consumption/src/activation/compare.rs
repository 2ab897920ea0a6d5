//! What differs from what the destination acknowledged.

use std::collections::HashMap;

use ledger::{SyncCounts, SyncOperation, SyncRow};
use project::sync::{OnRemoved, Sync, SyncMode};
use sha2::{Digest, Sha256};

use super::scan::Outgoing;
use crate::{ConsumptionContext, ConsumptionError};

/// Rows that one question to the ledger answers with.
pub(super) const PAGE_ROWS: u32 = 10_000;

/// A row as the destination has it, small enough for millions of them.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// What it acknowledged; zero for nothing.
    acknowledged: u128,
    present: bool,
    in_flight: bool,
    seen: bool,
}

/// What is to be done about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The destination has it.
    Unchanged,
    /// The mode does not send it.
    Held,
    /// It is sent.
    Send(SyncOperation),
}

/// What the destination has, and how the model's rows compare with it.
#[derive(Debug)]
pub(super) struct Comparison {
    mode: SyncMode,
    removes: bool,
    resync: bool,
    known: HashMap<u128, Known>,
    present: u64,
    inserts: u64,
    updates: u64,
    unchanged: u64,
    held: u64,
}

impl Comparison {
    /// Reads what was acknowledged so far.
    pub(super) async fn with_acknowledged(
        context: &ConsumptionContext,
        sync: &Sync,
        resync: bool,
    ) -> Result<Self, ConsumptionError> {
        let mut known = HashMap::new();
        let mut present = 0;
        let mut after: Option<String> = None;
        loop {
            let (ledger, environment) = (&context.ledger, &context.environment);
            let page =
                ledger.sync_rows(environment, &sync.name, after.as_deref(), PAGE_ROWS).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for row in &page {
                present += u64::from(row.present);
                known.insert(short(&row.key), known_row(row));
            }
        }
        Ok(Self {
            mode: sync.mode,
            removes: sync.on_removed != OnRemoved::Ignore,
            resync,
            known,
            present,
            inserts: 0,
            updates: 0,
            unchanged: 0,
            held: 0,
        })
    }

    /// Counts a row of the model.
    pub(super) fn count(&mut self, row: &Outgoing) -> Result<(), ConsumptionError> {
        match self.decide(row) {
            Decision::Unchanged => self.unchanged += 1,
            Decision::Held => self.held += 1,
            Decision::Send(SyncOperation::Insert) => self.inserts += 1,
            Decision::Send(_) => self.updates += 1,
        }
        if let Some(known) = self.known.get_mut(&short(&row.key)) {
            known.seen = true;
        }
        Ok(())
    }

    /// What is to be done about a row of the model.
    pub(super) fn decide(&self, row: &Outgoing) -> Decision {
        let known = self.known.get(&short(&row.key));
        match known.filter(|known| known.present) {
            None if self.mode == SyncMode::Update => Decision::Send(SyncOperation::Update),
            None => Decision::Send(SyncOperation::Insert),
            Some(known) => {
                let same = known.acknowledged == content(&row.hash) && !known.in_flight;
                match self.mode {
                    _ if same && !self.resync => Decision::Unchanged,
                    SyncMode::Insert => Decision::Held,
                    SyncMode::Update | SyncMode::Upsert | SyncMode::Mirror => {
                        Decision::Send(SyncOperation::Update)
                    }
                }
            }
        }
    }

    /// Whether a row that the destination has, or may have, is no longer in the model.
    pub(super) fn is_removed(&self, row: &SyncRow) -> bool {
        let known = self.known.get(&short(&row.key));
        self.removes && known.is_some_and(is_gone)
    }

    /// Rows that are to be taken away.
    pub(super) fn removed_count(&self) -> u64 {
        if !self.removes {
            return 0;
        }
        self.known.values().map(|known| u64::from(is_gone(known))).sum()
    }

    /// Rows that the destination had before.
    pub(super) fn known_count(&self) -> u64 {
        self.present
    }

    /// Rows that would change in the destination.
    pub(super) fn would_update(&self) -> u64 {
        // In `update` mode a row that was never acknowledged is none the sync knows of.
        self.updates.min(self.present)
    }

    /// The account as far as it is known before anything is sent.
    pub(super) fn counts(&self, removed: u64) -> SyncCounts {
        SyncCounts {
            read: self.inserts + self.updates + self.unchanged + self.held + removed,
            unchanged: self.unchanged,
            held: self.held,
            ..SyncCounts::default()
        }
    }

    /// What would be inserted and updated.
    pub(super) fn would_send(&self) -> (u64, u64) {
        (self.inserts, self.updates)
    }
}

fn is_gone(known: &Known) -> bool {
    !known.seen && (known.present || known.in_flight)
}

fn known_row(row: &SyncRow) -> Known {
    Known {
        acknowledged: row.acknowledged_hash.as_deref().map_or(0, content),
        present: row.present,
        in_flight: row.in_flight,
        seen: false,
    }
}

/// A content hash as a number.
fn content(hash: &str) -> u128 {
    u128::from_str_radix(hash, 16).unwrap_or(0)
}

/// A key's own hash: keys of millions of rows stay small.
fn short(key: &str) -> u128 {
    let digest = Sha256::digest(key.as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(bytes)
}
