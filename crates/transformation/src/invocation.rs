//! How a command was called, as templates see it: flags, arguments, what is selected, and where
//! what they say is heard.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base::NodeId;
use ledger::PresentVersion;
use project::RowFilter;
use project::jinja::Relation;
use serde_json::{Map, Value};

use crate::batches::EventTimes;

/// Hears what templates say with `log`, `print` and `exceptions.warn`.
pub trait Listener: Send + Sync {
    /// `log(…)`; `info` says whether people are to see it.
    fn said(&self, message: &str, info: bool);
    /// `print(…)`.
    fn printed(&self, message: &str) {
        self.said(message, true);
    }
    /// `exceptions.warn(…)`.
    fn warned(&self, message: &str);
}

/// How a command was called.
#[derive(Clone, Default)]
pub struct Invocation {
    /// Entries of the `flags` variable, in upper case.
    pub flags: Map<String, Value>,
    /// The `invocation_args_dict` variable.
    pub arguments: Map<String, Value>,
    /// The `selected_resources` variable.
    pub selected: Vec<String>,
    /// The `results` and `schemas` variables, for hooks at the end of a run.
    pub extra: Map<String, Value>,
    /// The periods that microbatch models compute.
    pub event_times: EventTimes,
    /// Which rows of their parents models read; all when none.
    pub filter: Option<RowFilter>,
    /// What stands in the place of parents that are not built here.
    pub stands_for: BTreeMap<NodeId, Relation>,
    /// What another environment shows where this one has nothing.
    pub beneath: Vec<PresentVersion>,
    /// Whether failing rows of tests are kept, unless a test says otherwise.
    pub store_failures: bool,
    /// Whether a test that would warn fails.
    pub warnings_fail: bool,
    /// Whether `exceptions.warn(…)` is an error.
    pub warnings_raise: bool,
    /// Where what templates say is heard.
    pub listener: Option<Arc<dyn Listener>>,
}

impl Invocation {
    pub(crate) fn say(&self, message: &str, info: bool) {
        if let Some(listener) = &self.listener {
            listener.said(message, info);
        }
    }

    pub(crate) fn print(&self, message: &str) {
        if let Some(listener) = &self.listener {
            listener.printed(message);
        }
    }

    pub(crate) fn warn(&self, message: &str) {
        if let Some(listener) = &self.listener {
            listener.warned(message);
        }
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation").field("flags", &self.flags).finish_non_exhaustive()
    }
}
