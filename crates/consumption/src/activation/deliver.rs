//! Batches on their way: marked, sent, answered for, written down.

use std::collections::VecDeque;

use base::ErrorKind;
use base::fault::KillPoint;
use base::system::kill_point;
use ledger::{
    Attempt, Lease, NewSyncEntry, SyncAnswer, SyncBatchEnd, SyncCounts, SyncOperation, SyncOutcome,
    SyncSend,
};
use movement::{Delivered, Delivery, Destination};
use project::sync::{DestinationKind, OnRemoved, Sync};
use serde_json::{Map, Value};

use super::compare::{Comparison, Decision, PAGE_ROWS};
use super::scan::{Outgoing, Scan, digest};
use super::wire::{self, Posted, Said};
use crate::{ConsumptionContext, ConsumptionError};

/// Letters of one row's request or answer that the log keeps.
const LOGGED_LETTERS_MAX: usize = 8_192;
/// Places that a request can have: changed rows, new rows, removed rows.
const PLACES: usize = 3;

/// Takes batches to a destination.
pub(super) struct Courier<'c> {
    context: &'c ConsumptionContext,
    sync: &'c Sync,
    attempt: &'c Attempt,
    lease: &'c Lease,
    destination: Destination,
    waiting: [Vec<Posted>; PLACES],
    first_refusal: Option<String>,
}

impl<'c> Courier<'c> {
    pub(super) fn open(
        context: &'c ConsumptionContext,
        sync: &'c Sync,
        attempt: &'c Attempt,
        lease: &'c Lease,
    ) -> Result<Self, ConsumptionError> {
        let connection = &sync.destination.connection;
        let cancel = context.cancel.clone();
        let destination = Destination::open(connection, context.clocks.clone(), cancel)?;
        let waiting = Default::default();
        Ok(Self { context, sync, attempt, lease, destination, waiting, first_refusal: None })
    }

    /// Why the first refused row was refused.
    pub(super) fn first_refusal(&self) -> Option<&str> {
        self.first_refusal.as_deref()
    }

    /// Sends the rows that are new or changed.
    pub(super) async fn send_changed(
        &mut self,
        scan: &Scan<'_>,
        comparison: &Comparison,
    ) -> Result<(), ConsumptionError> {
        let mut rows = scan.rows(self.context).await?;
        while let Some(batch) = rows.next(self.context).await? {
            for row in batch {
                if let Decision::Send(operation) = comparison.decide(&row) {
                    self.add(row, operation, None).await?;
                }
            }
        }
        self.send_waiting().await
    }

    /// Takes away what is no longer in the model.
    pub(super) async fn send_removed(
        &mut self,
        comparison: &Comparison,
    ) -> Result<(), ConsumptionError> {
        let (operation, fields) = match &self.sync.on_removed {
            OnRemoved::Ignore => return Ok(()),
            OnRemoved::Delete => (SyncOperation::Delete, Map::new()),
            OnRemoved::Set(fields) => (SyncOperation::Clear, fields.iter().cloned().collect()),
        };
        let mut after: Option<String> = None;
        loop {
            let (ledger, environment) = (&self.context.ledger, &self.context.environment);
            let page =
                ledger.sync_rows(environment, &self.sync.name, after.as_deref(), PAGE_ROWS).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for row in page.into_iter().filter(|row| comparison.is_removed(row)) {
                let outgoing = Outgoing::removed(self.sync, row.key, fields.clone())?;
                self.add(outgoing, operation, row.destination_id).await?;
            }
        }
        self.send_waiting().await
    }

    async fn add(
        &mut self,
        row: Outgoing,
        operation: SyncOperation,
        destination_id: Option<String>,
    ) -> Result<(), ConsumptionError> {
        let place = wire::place_of(self.sync, operation);
        let idempotency_key = String::new();
        self.waiting[place].push(Posted { row, operation, destination_id, idempotency_key });
        if self.waiting[place].len() < self.sync.destination.batch {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.waiting[place]);
        self.send(rows).await
    }

    async fn send_waiting(&mut self) -> Result<(), ConsumptionError> {
        for place in 0..PLACES {
            let rows = std::mem::take(&mut self.waiting[place]);
            if !rows.is_empty() {
                self.send(rows).await?;
            }
        }
        Ok(())
    }

    /// Marks a batch, sends it, and writes down what came of it. One that is refused as a whole is
    /// halved until the rows at fault stand alone.
    async fn send(&mut self, mut rows: Vec<Posted>) -> Result<(), ConsumptionError> {
        self.context.go_on(&self.attempt.node)?;
        let sends: Vec<SyncSend> = rows.iter().map(send_of).collect();
        let name = &self.sync.name;
        let generations = self.context.ledger.begin_sync_batch(self.lease, name, &sends).await?;
        for (row, generation) in rows.iter_mut().zip(generations) {
            row.idempotency_key = self.row_key(row, generation);
        }
        let (rows, without_id): (Vec<Posted>, Vec<Posted>) =
            rows.into_iter().partition(|row| self.can_be_sent(row));
        self.refuse_here(without_id).await?;
        let mut parts = VecDeque::from([rows]);
        while let Some(rows) = parts.pop_front() {
            if rows.is_empty() {
                continue;
            }
            let batch_key = batch_key(&rows);
            let delivery = wire::delivery(self.sync, &rows, &batch_key);
            let delivered = match self.destination.send(&delivery).await {
                Ok(delivered) => delivered,
                Err(error) => {
                    self.log_unanswered(&rows, &delivery, &batch_key, &error).await?;
                    return Err(error.into());
                }
            };
            kill_point(KillPoint::DestinationAnswered);
            match wire::said(self.sync, &rows, &delivered) {
                Some(said) => self.end(&rows, &delivery, &delivered, said).await?,
                None if rows.len() > 1 => {
                    let mut first = rows;
                    let second = first.split_off(first.len() / 2);
                    parts.push_front(second);
                    parts.push_front(first);
                }
                None => {
                    let answer = SyncAnswer::Refused { error: wire::refusal(&delivered) };
                    let said = vec![Said { answer, response: delivered.body.clone() }];
                    self.end(&rows, &delivery, &delivered, said).await?;
                }
            }
        }
        Ok(())
    }

    /// Salesforce deletes by its own id, which only an acknowledgement tells.
    fn can_be_sent(&self, row: &Posted) -> bool {
        let by_id = matches!(self.sync.destination.kind, DestinationKind::Salesforce(_));
        !(by_id && row.operation == SyncOperation::Delete && row.destination_id.is_none())
    }

    async fn refuse_here(&mut self, rows: Vec<Posted>) -> Result<(), ConsumptionError> {
        for row in rows {
            let delivery = wire::delivery(self.sync, std::slice::from_ref(&row), "");
            let delivered = Delivered { status: 0, body: Value::Null };
            let error = "the destination never told the record's id, by which it is deleted";
            let answer = SyncAnswer::Refused { error: error.to_owned() };
            let said = vec![Said { answer, response: Value::Null }];
            self.end(&[row], &delivery, &delivered, said).await?;
        }
        Ok(())
    }

    async fn end(
        &mut self,
        rows: &[Posted],
        delivery: &Delivery,
        delivered: &Delivered,
        said: Vec<Said>,
    ) -> Result<(), ConsumptionError> {
        let batch_key = batch_key(rows);
        let mut counts = SyncCounts { requests: 1, ..SyncCounts::default() };
        let mut ends = Vec::with_capacity(rows.len());
        let mut log = Vec::with_capacity(rows.len());
        for (row, said) in rows.iter().zip(said) {
            let mut entry = self.entry(row, delivery, &batch_key, rows.len() == 1);
            entry.http_status = Some(delivered.status).filter(|status| *status > 0);
            entry.response = Some(self.logged(&said.response));
            match &said.answer {
                SyncAnswer::Acknowledged { .. } => match row.operation {
                    SyncOperation::Insert => counts.inserted += 1,
                    SyncOperation::Update => counts.updated += 1,
                    SyncOperation::Delete | SyncOperation::Clear => counts.deleted += 1,
                },
                SyncAnswer::Refused { error } => {
                    counts.failed += 1;
                    let error = self.destination.blanked_text(error);
                    entry.outcome = SyncOutcome::Refused;
                    entry.error = Some(error.clone());
                    self.first_refusal.get_or_insert(error);
                }
            }
            log.push(entry);
            ends.push((send_of(row), said.answer));
        }
        let end = SyncBatchEnd {
            sync: &self.sync.name,
            attempt: self.attempt,
            rows: &ends,
            log: &log,
            log_rows: self.sync.log_rows,
            counts,
        };
        Ok(self.context.ledger.end_sync_batch(self.lease, &end).await?)
    }

    async fn log_unanswered(
        &self,
        rows: &[Posted],
        delivery: &Delivery,
        batch_key: &str,
        error: &movement::MovementError,
    ) -> Result<(), ConsumptionError> {
        if error.kind() == ErrorKind::Cancelled {
            return Ok(());
        }
        let entries: Vec<NewSyncEntry> = rows
            .iter()
            .map(|row| NewSyncEntry {
                outcome: SyncOutcome::Unanswered,
                error: Some(self.destination.blanked_text(&error.to_string())),
                ..self.entry(row, delivery, batch_key, rows.len() == 1)
            })
            .collect();
        let end = SyncBatchEnd {
            sync: &self.sync.name,
            attempt: self.attempt,
            rows: &[],
            log: &entries,
            log_rows: self.sync.log_rows,
            counts: SyncCounts::default(),
        };
        Ok(self.context.ledger.log_unanswered(self.lease, &end).await?)
    }

    fn entry(
        &self,
        row: &Posted,
        delivery: &Delivery,
        batch_key: &str,
        alone: bool,
    ) -> NewSyncEntry {
        let request = wire::part_of(self.sync, delivery, row, alone);
        NewSyncEntry {
            key: row.row.key.clone(),
            operation: row.operation,
            outcome: SyncOutcome::Acknowledged,
            http_status: None,
            idempotency_key: row.idempotency_key.clone(),
            batch_key: batch_key.to_owned(),
            request: self.logged(&request),
            response: None,
            error: None,
        }
    }

    fn logged(&self, value: &Value) -> String {
        let text = self.destination.blanked(value).to_string();
        match text.char_indices().nth(LOGGED_LETTERS_MAX) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    /// Names one delivery of one content: the same again until the destination answered for it.
    fn row_key(&self, row: &Posted, generation: i64) -> String {
        digest(&[
            self.context.environment.as_str().as_bytes(),
            self.sync.name.as_bytes(),
            row.row.key.as_bytes(),
            row.operation.as_str().as_bytes(),
            row.row.hash.as_bytes(),
            &generation.to_be_bytes(),
        ])
    }
}

fn send_of(row: &Posted) -> SyncSend {
    SyncSend { key: row.row.key.clone(), operation: row.operation, hash: row.row.hash.clone() }
}

fn batch_key(rows: &[Posted]) -> String {
    let keys: Vec<&[u8]> = rows.iter().map(|row| row.idempotency_key.as_bytes()).collect();
    digest(&keys)
}
