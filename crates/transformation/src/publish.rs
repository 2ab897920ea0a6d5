//! Publishes all tables of a run at one moment, or none.

use ledger::{AttemptEnd, Commit, StepStatus, Tested};

use crate::{TransformationError, Workshop};

impl Workshop {
    /// Points to every version that waits for the end of the run, in one ledger transaction.
    /// Returns how many there were.
    ///
    /// # Errors
    /// When another writer moved one of the pointers: then none is moved.
    pub async fn publish_run(&self) -> Result<usize, TransformationError> {
        let staged = self.take_staged();
        if staged.is_empty() {
            return Ok(0);
        }
        let mut commit = Commit::new(self.commit_id(), self.environment.clone());
        commit = commit.run(self.run.clone());
        for node in &staged {
            let rows = node.version.snapshot_id.map(|_| node.version.account.after);
            let mut end = AttemptEnd::succeeded(rows);
            if node.version.tested == Tested::Warned {
                end.status = StepStatus::Warned;
            }
            commit = node.joined_to(commit).end(node.attempt.clone(), end);
        }
        let committed = self.ledger.commit(&commit).await;
        for node in &staged {
            // A lease that was lost meanwhile belongs to somebody else; nothing to give back.
            let _ = self.ledger.release(&node.lease).await;
        }
        committed?;
        Ok(staged.len())
    }

    /// Gives up every version that waits for the end of the run: nothing is pointed to.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub async fn withdraw_run(&self, because: &str) -> Result<usize, TransformationError> {
        let staged = self.take_staged();
        for node in &staged {
            self.ledger.record_tests(&node.tests).await?;
            let end = AttemptEnd {
                status: StepStatus::Skipped,
                message: Some(format!("not published: {because}")),
                error_kind: None,
                rows: None,
            };
            self.ledger.finish_attempt(&node.attempt, &end).await?;
            let _ = self.ledger.release(&node.lease).await;
        }
        Ok(staged.len())
    }
}
