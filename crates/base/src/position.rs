//! How far a stream was read.

use serde::{Deserialize, Serialize};

/// A position as the ledger keeps it: a JSON document whose shape belongs to the source that
/// wrote it (files already read, a cursor, offsets, an LSN). Only that source looks inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(serde_json::Value);

impl Position {
    /// Stores a source's own position type.
    ///
    /// # Errors
    /// When the type does not serialise to JSON.
    pub fn encode<T: Serialize>(position: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_value(position).map(Self)
    }

    /// Reads the position back as a source's own type.
    ///
    /// # Errors
    /// When the document was written by another kind of source.
    pub fn decode<T: for<'de> Deserialize<'de>>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.0)
    }

    /// The document.
    pub fn as_json(&self) -> &serde_json::Value {
        &self.0
    }
}

impl From<serde_json::Value> for Position {
    fn from(document: serde_json::Value) -> Self {
        Self(document)
    }
}
