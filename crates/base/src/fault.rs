//! The kill points: every commit step of the architecture, named, so that the fault suite can end
//! the process at each of them.

macro_rules! kill_points {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// A commit step at which the fault suite may end the process.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum KillPoint {
            $($(#[$doc])* $variant,)*
        }

        impl KillPoint {
            /// Every point, in the order in which a step passes them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name by which the fault suite asks for it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kill_points! {
    /// The lease was claimed, nothing was read.
    LeaseClaimed => "lease_claimed",
    /// A batch was read up to a position, nothing was written.
    BatchRead => "batch_read",
    /// Data files are written and synced, no manifest names them.
    DataFilesWritten => "data_files_written",
    /// Manifests are written and synced, no metadata file names them.
    ManifestsWritten => "manifests_written",
    /// The metadata file is written and synced, no pointer names it.
    MetadataWritten => "metadata_written",
    /// Inside the ledger transaction, before COMMIT.
    LedgerBeforeCommit => "ledger_before_commit",
    /// After COMMIT, before the answer reached the step.
    LedgerAfterCommit => "ledger_after_commit",
    /// The source was told, the lease is still held.
    SourceAcknowledged => "source_acknowledged",
    /// A destination answered for a batch, nothing was acknowledged yet.
    DestinationAnswered => "destination_answered",
    /// The lease was released, the run is still open.
    LeaseReleased => "lease_released",
}

/// The environment variable that names the point and hit to die at: `ledger_before_commit:2`.
/// Only builds with debug assertions look at it.
pub const KILL_VARIABLE: &str = "FIVEPLY_KILL_AT";
