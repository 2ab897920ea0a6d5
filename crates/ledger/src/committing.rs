//! The one transaction. It checks everything it relies on under the write lock, writes everything
//! that belongs together, and knows afterwards whether it happened.

use base::fault::KillPoint;
use base::system::kill_point;
use base::{CommitId, TableName};

use crate::accounts::{NewAccount, stored};
use crate::transaction::{Statement, Write, sql};
use crate::words::moment;
use crate::{Commit, Committed, Ledger, LedgerError, PointerKind, Swing, TableVersion};

impl Ledger {
    /// Publishes a commit, wholly or not at all: every lease is still held, every pointer and
    /// position is the one the commit started from, and every row account adds up. A commit whose
    /// id was committed before answers with the first one's result and changes nothing.
    ///
    /// When the caller drops the future halfway, or the process dies, ask [`Ledger::committed`].
    ///
    /// # Errors
    /// [`LedgerError::Conflict`], [`LedgerError::PositionMoved`] and [`LedgerError::LeaseLost`]
    /// when somebody else was first; [`LedgerError::AccountBroken`] and
    /// [`LedgerError::Malformed`] for a commit that is wrong in itself: nothing was changed.
    /// [`LedgerError::OutcomeUnknown`] when it may have happened.
    pub async fn commit(&self, commit: &Commit) -> Result<Committed, LedgerError> {
        check_equations(commit)?;
        let mut write = self.write().await?;
        if let Some(first) = write.row(select(&commit.id)).await? {
            return read_committed(&first);
        }
        for lease in &commit.leases {
            write.check_lease(lease).await?;
        }
        write.publish(commit).await?;
        let committed = write.insert_commit(commit).await?;
        for lease in &commit.releases {
            write.release(lease).await?;
        }
        kill_point(KillPoint::LedgerBeforeCommit);
        match write.commit().await {
            Ok(()) => {
                kill_point(KillPoint::LedgerAfterCommit);
                if !commit.releases.is_empty() {
                    kill_point(KillPoint::LeaseReleased);
                }
                Ok(committed)
            }
            Err(error) => self.settle(commit, error).await,
        }
    }

    /// Whether a commit happened. This settles a lost answer: nothing may be redone, rebased or
    /// deleted before it was asked.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn committed(&self, id: &CommitId) -> Result<Option<Committed>, LedgerError> {
        self.row(select(id)).await?.as_ref().map(read_committed).transpose()
    }

    /// COMMIT answered with an error. The failed transaction is rolled back before the writing
    /// connection is used again, so what that connection sees now is what holds.
    async fn settle(&self, commit: &Commit, error: LedgerError) -> Result<Committed, LedgerError> {
        let looked_up = async {
            let mut write = self.write().await?;
            write.row(select(&commit.id)).await
        };
        match looked_up.await {
            Ok(Some(record)) => read_committed(&record),
            Ok(None) => Err(error),
            Err(_) => Err(LedgerError::OutcomeUnknown {
                commit: commit.id.clone(),
                source: Box::new(error),
            }),
        }
    }
}

fn select(id: &CommitId) -> Statement<'static> {
    sql("SELECT sequence, commit_id, machine_time FROM commits WHERE commit_id = ?")
        .bind(id.as_str().to_owned())
}

fn read_committed(record: &crate::records::Record) -> Result<Committed, LedgerError> {
    Ok(Committed {
        id: CommitId::new(record.text("commit_id")?),
        sequence: record.number("sequence")?,
        committed_at: record.time("machine_time")?,
        repeated: true,
    })
}

/// The equations that need no ledger to check.
fn check_equations(commit: &Commit) -> Result<(), LedgerError> {
    for version in &commit.versions {
        check_version(commit, version)?;
    }
    let loads = commit
        .versions
        .iter()
        .filter_map(|version| version.load.as_ref().map(|load| (&version.table, load)));
    let entries = commit.loads.iter().map(|entry| (&entry.table, &entry.account));
    for (table, load) in loads.chain(entries) {
        if !load.holds() {
            return Err(broken(
                table,
                format!(
                    "{} changes were read, but {} inserted + {} updated + {} deleted + {} \
                     unchanged + {} deduplicated + {} late + {} rejected make {}",
                    load.read,
                    load.inserted,
                    load.updated,
                    load.deleted,
                    load.unchanged,
                    load.deduplicated,
                    load.late,
                    load.rejected,
                    load.accounted()
                ),
            ));
        }
    }
    check_each_load_once(commit)
}

fn check_version(commit: &Commit, version: &TableVersion) -> Result<(), LedgerError> {
    let account = &version.account;
    if !account.holds() {
        return Err(broken(
            &version.table,
            format!(
                "{} rows before + {} inserted - {} deleted - {} removed are not the {} rows after",
                account.before, account.inserted, account.deleted, account.removed, account.after
            ),
        ));
    }
    if version.commit_id != commit.id && !version.foreign {
        return Err(malformed(
            commit,
            format!(
                "version \"{}\" of table \"{}\" was staged for commit \"{}\"",
                version.metadata_location, version.table, version.commit_id
            ),
        ));
    }
    if swing_of(commit, version).is_none() && !version.foreign {
        return Err(malformed(
            commit,
            format!(
                "no pointer swings to version \"{}\" of table \"{}\"",
                version.metadata_location, version.table
            ),
        ));
    }
    let swing_without_rows =
        version.inputs.iter().find(|input| input.snapshot_id.is_none() && input.rows != 0);
    match swing_without_rows {
        None => Ok(()),
        Some(input) => Err(broken(
            &version.table,
            format!("input \"{}\" has no snapshot and yet {} rows", input.table, input.rows),
        )),
    }
}

/// A load that a version carries must not be counted a second time beside it.
fn check_each_load_once(commit: &Commit) -> Result<(), LedgerError> {
    let twice = commit.loads.iter().find(|entry| {
        commit.versions.iter().any(|version| version.table == entry.table && version.load.is_some())
    });
    match twice {
        None => Ok(()),
        Some(entry) => Err(malformed(
            commit,
            format!("the load of table \"{}\" is counted twice", entry.table),
        )),
    }
}

fn swing_of<'a>(commit: &'a Commit, version: &TableVersion) -> Option<&'a Swing> {
    commit.swings.iter().find(|swing| {
        swing.table == version.table && swing.new.as_ref() == Some(&version.metadata_location)
    })
}

fn broken(table: &TableName, breach: String) -> LedgerError {
    LedgerError::AccountBroken { table: table.clone(), breach }
}

fn malformed(commit: &Commit, reason: String) -> LedgerError {
    LedgerError::Malformed { commit: commit.id.clone(), reason }
}

impl Write<'_> {
    async fn publish(&mut self, commit: &Commit) -> Result<(), LedgerError> {
        for swing in &commit.swings {
            self.swing(&commit.environment, swing).await?;
            if swing.expected != swing.new {
                self.insert_swing(commit, swing).await?;
            }
        }
        for position in &commit.positions {
            self.move_position(commit, position).await?;
        }
        for version in &commit.versions {
            // Two writers may notice the same version of another engine.
            if version.foreign && self.knows_version(commit, version).await? {
                continue;
            }
            self.check_rows_before(commit, version).await?;
            self.insert_version(commit, version).await?;
        }
        // After all versions: in a run that publishes at its end, one is the input of another.
        for version in &commit.versions {
            self.check_inputs(version).await?;
        }
        for load in &commit.loads {
            let new = NewAccount {
                table: &load.table,
                run: None,
                node: load.node.as_ref(),
                snapshot_id: None,
                metadata_location: None,
                account: None,
                load: Some(&load.account),
                inputs: &[],
                business_time: self.ledger.clocks().business.now(),
            };
            self.insert_account(commit, &new).await?;
        }
        for change in &commit.schema_changes {
            self.insert_schema_change(commit, change).await?;
        }
        for test in &commit.tests {
            let statement = self.ledger.test_statement(test);
            self.execute(statement).await?;
        }
        for (attempt, end) in &commit.ends {
            self.finish_attempt(attempt, end).await?;
        }
        Ok(())
    }

    async fn insert_commit(&mut self, commit: &Commit) -> Result<Committed, LedgerError> {
        let committed_at = self.ledger.clocks().machine.now();
        let statement = sql(concat!(
            "INSERT INTO commits (commit_id, environment, run, node, attempt, business_time, ",
            "machine_time) VALUES (?, ?, ?, ?, ?, ?, ?)"
        ));
        let statement = statement
            .bind(commit.id.as_str().to_owned())
            .bind(commit.environment.as_str().to_owned())
            .bind(commit.run.as_ref().map(|run| run.as_str().to_owned()))
            .bind(commit.node.as_ref().map(|node| node.as_str().to_owned()))
            .bind(commit.attempt)
            .bind(moment(self.ledger.clocks().business.now()))
            .bind(moment(committed_at));
        let sequence = self.insert(statement).await?;
        Ok(Committed { id: commit.id.clone(), sequence, committed_at, repeated: false })
    }

    async fn insert_swing(&mut self, commit: &Commit, swing: &Swing) -> Result<(), LedgerError> {
        let statement = sql(concat!(
            "INSERT INTO swings (commit_id, environment, namespace, name, kind, ",
            "previous_metadata_location, metadata_location) VALUES (?, ?, ?, ?, ?, ?, ?)"
        ));
        let statement = statement
            .bind(commit.id.as_str().to_owned())
            .bind(commit.environment.as_str().to_owned())
            .bind(swing.table.namespace.clone())
            .bind(swing.table.name.clone())
            .bind(swing.kind.as_str())
            .bind(swing.expected.clone())
            .bind(swing.new.clone());
        self.execute(statement).await.map(drop)
    }

    async fn insert_version(
        &mut self,
        commit: &Commit,
        version: &TableVersion,
    ) -> Result<(), LedgerError> {
        let account = NewAccount {
            table: &version.table,
            run: version.run.as_ref(),
            node: version.node.as_ref().or(commit.node.as_ref()),
            snapshot_id: version.snapshot_id,
            metadata_location: Some(&version.metadata_location),
            account: Some(&version.account),
            load: version.load.as_ref(),
            inputs: &version.inputs,
            business_time: version.business_time,
        };
        let account = self.insert_account(commit, &account).await?;
        let statement = sql(concat!(
            "INSERT INTO table_versions (environment, namespace, name, snapshot_id, ",
            "metadata_location, commit_id, account, rows_after, code_fingerprint, tested, ",
            "written_elsewhere, business_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ));
        let statement = statement
            .bind(commit.environment.as_str().to_owned())
            .bind(version.table.namespace.clone())
            .bind(version.table.name.clone())
            .bind(version.snapshot_id)
            .bind(version.metadata_location.clone())
            .bind(version.commit_id.as_str().to_owned())
            .bind(account)
            .bind(stored(version.account.after))
            .bind(version.code_fingerprint.clone())
            .bind(version.tested.as_str())
            .bind(version.foreign)
            .bind(moment(version.business_time));
        self.execute(statement).await.map(drop)
    }

    async fn knows_version(
        &mut self,
        commit: &Commit,
        version: &TableVersion,
    ) -> Result<bool, LedgerError> {
        let statement = sql(concat!(
            "SELECT sequence FROM table_versions WHERE environment = ? AND namespace = ? ",
            "AND name = ? AND metadata_location = ?"
        ));
        let statement = statement
            .bind(commit.environment.as_str().to_owned())
            .bind(version.table.namespace.clone())
            .bind(version.table.name.clone())
            .bind(version.metadata_location.clone());
        Ok(self.row(statement).await?.is_some())
    }

    /// The rows before must be the rows of the version that is replaced.
    async fn check_rows_before(
        &mut self,
        commit: &Commit,
        version: &TableVersion,
    ) -> Result<(), LedgerError> {
        let Some(swing) = swing_of(commit, version) else { return Ok(()) };
        if swing.kind == PointerKind::View {
            return Ok(());
        }
        let held = match &swing.expected {
            None => Some(0),
            Some(replaced) => {
                let statement = sql(
                    "SELECT rows_after FROM table_versions WHERE metadata_location = ? LIMIT 1",
                );
                let record = self.row(statement.bind(replaced.clone())).await?;
                record.map(|record| record.count("rows_after")).transpose()?
            }
        };
        match held {
            Some(held) if held != version.account.before => Err(broken(
                &version.table,
                format!(
                    "it starts from {} rows, but the version it replaces holds {held}",
                    version.account.before
                ),
            )),
            // A version that another engine wrote and that nobody recorded cannot be compared.
            Some(_) | None => Ok(()),
        }
    }

    /// The rows of each input must be the rows the ledger holds for that version.
    async fn check_inputs(&mut self, version: &TableVersion) -> Result<(), LedgerError> {
        for input in &version.inputs {
            let Some(snapshot_id) = input.snapshot_id else { continue };
            // Snapshot ids are random: the same one in another environment is the same version.
            let statement = sql(concat!(
                "SELECT rows_after FROM table_versions ",
                "WHERE namespace = ? AND name = ? AND snapshot_id = ? LIMIT 1"
            ));
            let statement = statement
                .bind(input.table.namespace.clone())
                .bind(input.table.name.clone())
                .bind(snapshot_id);
            let Some(record) = self.row(statement).await? else { continue };
            let held = record.count("rows_after")?;
            if held != input.rows {
                return Err(broken(
                    &version.table,
                    format!(
                        "{} rows of input \"{}\" were read, but its version {snapshot_id} holds \
                         {held}",
                        input.rows, input.table
                    ),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use base::clock::Clocks;
    use base::random::SeededRandomness;
    use base::{ErrorKind, Position, StreamName};

    use super::*;
    use crate::error::Fault;

    async fn ledger(folder: &tempfile::TempDir) -> Ledger {
        let path = folder.path().join("ledger.db");
        Ledger::open(&path, Clocks::system(), Arc::new(SeededRandomness::new(3))).await.unwrap()
    }

    fn commit(ledger: &Ledger) -> Commit {
        let position = Position::from(serde_json::json!("x".repeat(2_000)));
        let id = ledger.new_commit_id();
        let stream = StreamName::new("app", id.as_str());
        Commit::new(id, "prod").position(stream, None, position)
    }

    fn lost_answer(ledger: &Ledger) -> LedgerError {
        ledger.fault(sqlx::Error::WorkerCrashed)
    }

    #[tokio::test]
    async fn lost_answer_is_settled_by_looking_the_commit_up() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder).await;
        let (happened, did_not) = (commit(&ledger), commit(&ledger));
        let first = ledger.commit(&happened).await.unwrap();
        let settled = ledger.settle(&happened, lost_answer(&ledger)).await.unwrap();
        assert_eq!(settled.sequence, first.sequence);
        let refused = ledger.settle(&did_not, lost_answer(&ledger)).await.unwrap_err();
        assert!(matches!(refused, LedgerError::Database { .. }), "{refused}");
        ledger.close().await;
        let unknown = ledger.settle(&happened, lost_answer(&ledger)).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown);
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_the_ledger_goes_on_when_there_is_space() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder).await;
        // SQLite answers FULL when a file would have more pages than it may, as on a full disk.
        let limit = |pages: &'static str| sqlx::query(pages).execute(ledger.writer());
        limit("PRAGMA max_page_count = 60").await.unwrap();
        let mut refused = None;
        for _ in 0..100 {
            let next = commit(&ledger);
            if let Err(error) = ledger.commit(&next).await {
                assert_eq!(ledger.committed(&next.id).await.unwrap(), None);
                refused = Some((next, error));
                break;
            }
        }
        let (refused, error) = refused.unwrap();
        let LedgerError::Database { fault: Fault::DiskFull, .. } = error else { panic!("{error}") };
        assert!(error.to_string().contains("cannot grow, the disk is full"), "{error}");
        limit("PRAGMA max_page_count = 100000").await.unwrap();
        assert!(!ledger.commit(&refused).await.unwrap().repeated);
    }
}
