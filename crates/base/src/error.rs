//! One vocabulary for what went wrong, and one table for what to do about it (decision 13).

use serde::{Deserialize, Serialize};

/// What kind of thing went wrong. Every crate's error enum maps each variant to one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The user's project, SQL or arguments are wrong.
    Project,
    /// The data broke a rule that the user wrote: a test, a contract, a reject limit.
    Data,
    /// Something that was asked for does not exist.
    NotFound,
    /// Another writer was first.
    Conflict,
    /// Another process holds the lease.
    Held,
    /// A network or server fault that passes.
    Transient,
    /// The vendor asks for patience.
    RateLimited,
    /// Credentials are missing, wrong or too weak.
    Denied,
    /// The source lost what was not read yet; rows may be missing.
    SourceLost,
    /// A named limit was reached: memory, time, depth, rows.
    Limit,
    /// A person or a shutdown asked to stop.
    Cancelled,
    /// The disk or the object store refused.
    Storage,
    /// A file of ours or of the user's does not hold what its format promises.
    Corrupt,
    /// The answer to a commit was lost: it may or may not have happened.
    OutcomeUnknown,
    /// Known, and not built yet.
    Unsupported,
    /// Our bug.
    Internal,
}

/// When trying again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// At once: the cause was a race.
    Now,
    /// After a pause: the cause passes by itself.
    Later,
    /// After somebody changed something.
    NeedsPerson,
    /// After we changed something.
    OurBug,
}

impl ErrorKind {
    /// When trying again makes sense.
    pub fn retry(self) -> Retry {
        match self {
            Self::Conflict | Self::OutcomeUnknown => Retry::Now,
            Self::Held | Self::Transient | Self::RateLimited => Retry::Later,
            Self::Project
            | Self::Data
            | Self::NotFound
            | Self::Denied
            | Self::SourceLost
            | Self::Limit
            | Self::Cancelled
            | Self::Storage
            | Self::Corrupt
            | Self::Unsupported => Retry::NeedsPerson,
            Self::Internal => Retry::OurBug,
        }
    }

    /// One sentence that tells the operator what to do next.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Project => "Mend the file named above and run the command again.",
            Self::Data => "Look at the rows named above; the last good version stays in place.",
            Self::NotFound => "Check the name; `fiveply ls` lists what the project has.",
            Self::Conflict => "Another writer committed first; the step is tried again by itself.",
            Self::Held => "Another process works on this node; wait for it or stop it.",
            Self::Transient => "The fault usually passes; `fiveply retry` runs what did not run.",
            Self::RateLimited => "The vendor asks for a pause; run `fiveply retry` later.",
            Self::Denied => "Check the credentials of the connection in fiveply.yml.",
            Self::SourceLost => "Load it anew under another stream name; the old table stays.",
            Self::Limit => "Raise the limit named above in fiveply.yml, or make the work smaller.",
            Self::Cancelled => "Nothing was published; `fiveply retry` goes on from here.",
            Self::Storage => "Check space and permissions of the warehouse folder.",
            Self::Corrupt => "Restore or remove the file named above; good files stay in use.",
            Self::OutcomeUnknown => "The commit is looked up by its id before anything is redone.",
            Self::Unsupported => "Use the replacement named above.",
            Self::Internal => "This is a bug in fiveply; please report it with the message above.",
        }
    }
}
