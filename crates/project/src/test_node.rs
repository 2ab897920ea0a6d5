//! What a test has beyond what every node has.

use base::NodeId;
use serde_json::{Map, Value as Json};

/// What a failing test does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TestSeverity {
    /// Fails the step.
    #[default]
    Error,
    /// Is told and nothing more.
    Warn,
}

/// Whether a test is an instance of a macro or a file of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum TestKind {
    /// `{% test name(model, ...) %}` with arguments.
    Generic {
        /// Package of the macro, when the test names one.
        namespace: Option<String>,
        /// The macro without its `test_` prefix, such as `not_null`.
        name: String,
        /// Arguments as written, `model` included, `column_name` too.
        arguments: Map<String, Json>,
        /// The column it is written at.
        column: Option<String>,
    },
    /// A `.sql` file in the test paths.
    Singular,
}

/// What a test has beyond what every node has.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Which test it is.
    pub kind: TestKind,
    /// The node it is written at; none for a singular test.
    pub attached: Option<NodeId>,
    /// What a failure does.
    pub severity: TestSeverity,
    /// Expression over the failing rows whose value is compared.
    pub fail_calculation: String,
    /// Condition on that value that warns, such as `!= 0` or `> 10`.
    pub warn_if: String,
    /// Condition on that value that fails.
    pub error_if: String,
    /// Rows of the tested relation that count.
    pub where_condition: Option<String>,
    /// At most so many failing rows.
    pub limit: Option<i64>,
    /// Whether failing rows are kept in a table.
    pub store_failures: Option<bool>,
    /// The short name under which files and tables of it are kept (63 characters at most).
    pub short_name: String,
}

impl Test {
    /// `generic` or `singular`: what `test_type:` selects.
    pub fn type_word(&self) -> &'static str {
        match self.kind {
            TestKind::Generic { .. } => "generic",
            TestKind::Singular => "singular",
        }
    }

    /// The macro's name for a generic test.
    pub fn macro_name(&self) -> Option<&str> {
        match &self.kind {
            TestKind::Generic { name, .. } => Some(name),
            TestKind::Singular => None,
        }
    }
}
