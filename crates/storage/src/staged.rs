//! A finished version that no pointer names yet, and the loop that appends against other writers.

use std::sync::Arc;

use base::limits::COMMIT_TRIES_MAX;
use base::{LoadAccount, TableAccount};
use iceberg::spec::DataFile;
use ledger::{Commit, Committed, Ledger, LedgerError, SchemaChange, Swing, TableVersion};

use crate::commit::{Changes, Plan, Target};
use crate::{Lake, LakeTable, Result, StorageError};

/// What became of the rows of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeCounts {
    /// Rows that were new.
    pub inserted: u64,
    /// Rows that took the place of an older row of their key.
    pub updated: u64,
    /// Rows that equal what the table held, and deletes of keys it did not hold.
    pub unchanged: u64,
    /// Changes that a later change of the same key in the same stage took the place of.
    pub deduplicated: u64,
    /// Keys whose rows went away.
    pub deleted: u64,
}

impl MergeCounts {
    /// The account of a load that read exactly these changes.
    pub fn load_account(&self) -> LoadAccount {
        let mut account = LoadAccount {
            inserted: self.inserted,
            updated: self.updated,
            deleted: self.deleted,
            unchanged: self.unchanged,
            deduplicated: self.deduplicated,
            ..LoadAccount::default()
        };
        account.read = account.accounted();
        account
    }
}

/// A version in the dark: complete, synced, readable, and garbage unless a ledger transaction
/// swings the pointer to it.
#[derive(Clone, Debug)]
pub struct Staged {
    /// The pointer's move.
    pub swing: Swing,
    /// What the ledger keeps about the version; inputs and test results are for others to fill in.
    pub version: TableVersion,
    /// How the row count came about.
    pub account: TableAccount,
    /// What became of the rows.
    pub merge: MergeCounts,
    /// What changed in the schema.
    pub schema_changes: Vec<SchemaChange>,
    /// The metadata file.
    pub metadata_location: String,
    /// The version, readable at once.
    pub table: LakeTable,
    pub(crate) changed: bool,
    pub(crate) appended: Option<Vec<DataFile>>,
    pub(crate) plan: Arc<Plan>,
}

impl Staged {
    /// Whether there is a new version at all. No rows, or rows that equal what was there, make
    /// none: the swing then stays in place, and the version belongs to an earlier commit.
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// Puts the version into a commit: swing, version and schema changes; of a version that did
    /// not change nothing but its load account.
    #[must_use]
    pub fn into_commit(&self, commit: Commit) -> Commit {
        if !self.changed {
            return commit;
        }
        commit
            .swing(self.swing.clone())
            .version(self.version.clone())
            .schema_changes(self.schema_changes.iter().cloned())
    }

    /// Moves an append onto a version that another writer made meanwhile; its data files are used
    /// again, manifests and metadata are written anew.
    ///
    /// # Errors
    /// `Conflict` when it is no append, or the other writer changed schema or partitioning.
    pub async fn rebase(self, lake: &Lake, onto: &LakeTable) -> Result<Self> {
        let conflict = |reason: &str| StorageError::Conflict {
            table: self.plan.name.to_string(),
            reason: reason.to_owned(),
        };
        let Some(files) = &self.appended else {
            return Err(conflict("only rows that are added can be moved onto its version"));
        };
        let old = &self.plan;
        // Of two writers that made the table at once with the same columns, both may append.
        let base = self.plan.base.as_ref().map_or(old.target.schema(), LakeTable::schema);
        let same_schema = base.as_struct() == onto.schema().as_struct()
            && old.target.schema().as_struct() == base.as_struct();
        if !same_schema {
            return Err(conflict("its schema changed meanwhile"));
        }
        if old.target.spec().fields() != onto.partition_spec().fields()
            || old.target.spec().spec_id() != onto.partition_spec().spec_id()
        {
            return Err(conflict("its partitioning changed meanwhile"));
        }
        if let Some(base) = &old.base
            && base.metadata().uuid() != onto.metadata().uuid()
        {
            return Err(conflict("it was dropped and made anew"));
        }
        let schema = onto.schema().as_ref().clone();
        let target = Target::new(lake, &old.name, Some(onto), &old.options, schema)?;
        let plan = Plan {
            lake: lake.clone(),
            environment: old.environment.clone(),
            name: old.name.clone(),
            base: Some(onto.clone()),
            options: old.options.clone(),
            target,
            schema_changes: old.schema_changes.clone(),
        };
        let rows = files.iter().map(DataFile::record_count).sum();
        let changes = Changes::append(&plan, files.clone(), rows);
        let mut moved = plan.commit(changes).await?;
        // What others filled in meanwhile stays.
        moved.version.inputs = self.version.inputs;
        moved.version.load = self.version.load;
        moved.version.tested = self.version.tested;
        moved.merge = self.merge;
        Ok(moved)
    }
}

/// Commits an append outside a step: no lease, the pointer alone decides. When another writer was
/// first, the append is moved onto its version and tried again; a lost answer is settled first.
///
/// `commit` puts the transaction together for each try, always under the same commit id.
///
/// # Errors
/// The ledger's, the disk's, or the conflict when it cannot be moved.
pub async fn append_with_retry(
    lake: &Lake,
    ledger: &Ledger,
    staged: Staged,
    commit: impl Fn(&Staged) -> Commit,
) -> Result<(Staged, Committed)> {
    let mut staged = staged;
    let mut tries = 0;
    loop {
        tries += 1;
        let asked = commit(&staged);
        let refused = match ledger.commit(&asked).await {
            Ok(committed) => return Ok((staged, committed)),
            Err(LedgerError::OutcomeUnknown { .. }) if tries < COMMIT_TRIES_MAX => {
                match ledger.committed(&asked.id).await? {
                    Some(committed) => return Ok((staged, committed)),
                    // It did not happen, and asking again under the same id is safe.
                    None => continue,
                }
            }
            Err(refused) => refused,
        };
        match &refused {
            LedgerError::Conflict { table, .. }
                if *table == staged.plan.name && tries < COMMIT_TRIES_MAX =>
            {
                let (environment, name) = (&staged.plan.environment, &staged.plan.name);
                let Some(onto) = lake.open(ledger, environment, name).await? else {
                    return Err(refused.into());
                };
                staged = staged.rebase(lake, &onto).await?;
            }
            _ => return Err(refused.into()),
        }
    }
}
