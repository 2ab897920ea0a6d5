//! How far an endpoint was read.

use serde::{Deserialize, Serialize};

const LAYOUT: u32 = 1;

/// The position as the ledger keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestPosition {
    /// Layout of this document.
    pub(crate) layout: u32,
    /// The greatest value of the cursor's field over all finished passes, or the page's cursor.
    pub(crate) cursor: Option<String>,
    /// When that cursor was read, RFC 3339, by the business clock.
    pub(crate) read_at: Option<String>,
    /// Whether the whole list was read once.
    pub(crate) listed: bool,
    /// The pass that a batch ended in.
    pub(crate) pass: Option<Pass>,
}

/// A pass over the pages that is not finished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pass {
    /// The value that asks for the next page.
    pub(crate) page: Option<String>,
    /// The greatest value of the cursor's field so far.
    pub(crate) high: Option<String>,
}

impl RestPosition {
    pub(crate) fn new() -> Self {
        Self { layout: LAYOUT, ..Self::default() }
    }
}
