//! Names a person gives and ids the program gives.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Clock, Randomness};

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it stands.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_newtype!(
    /// A named set of table pointers, such as `prod` or `dev_ana`; dbt's target name.
    EnvironmentName
);
text_newtype!(
    /// A node of the graph, in dbt's form: `model.shop.orders`, `stream.app.signups`.
    NodeId
);
text_newtype!(
    /// One execution of a selection.
    RunId
);
text_newtype!(
    /// One ledger transaction; it also travels in the Iceberg snapshot summary.
    CommitId
);

impl RunId {
    /// A new id that sorts by the machine time of its making.
    pub fn generate(clock: &dyn Clock, randomness: &dyn Randomness) -> Self {
        Self(time_ordered_uuid(clock, randomness).to_string())
    }
}

impl CommitId {
    /// A new id that sorts by the machine time of its making.
    pub fn generate(clock: &dyn Clock, randomness: &dyn Randomness) -> Self {
        Self(time_ordered_uuid(clock, randomness).to_string())
    }
}

/// A version 7 UUID from the given clock and randomness.
fn time_ordered_uuid(clock: &dyn Clock, randomness: &dyn Randomness) -> Uuid {
    let millis = u64::try_from(clock.now().timestamp_millis()).unwrap_or(0);
    let mut random = [0_u8; 10];
    let (high, low) = (randomness.next_u64().to_be_bytes(), randomness.next_u64().to_be_bytes());
    random[..8].copy_from_slice(&high);
    random[8..].copy_from_slice(&low[..2]);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// A table or view: namespace (dbt's schema) and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    /// dbt's schema.
    pub namespace: String,
    /// The table's own name (dbt's alias).
    pub name: String,
}

impl TableName {
    /// Names a table in a namespace.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The table that holds this one's rejected rows.
    pub fn rejects(&self) -> Self {
        Self::new(self.namespace.clone(), format!("{}__rejects", self.name))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

/// One table, topic, endpoint or file set of a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamName {
    /// The source: the name of its file in `ingest/`.
    pub source: String,
    /// The stream's own name.
    pub stream: String,
}

impl StreamName {
    /// Names a stream of a source.
    pub fn new(source: impl Into<String>, stream: impl Into<String>) -> Self {
        Self { source: source.into(), stream: stream.into() }
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.source, self.stream)
    }
}
