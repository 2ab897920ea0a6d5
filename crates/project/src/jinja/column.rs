//! A column of a relation, as `adapter.get_columns_in_relation` hands it to templates.

/// A column with its type in the project's dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// Its type without length and precision, such as `VARCHAR` or `DECIMAL`.
    pub data_type: String,
    /// Length of a text type.
    pub char_size: Option<u64>,
    /// Precision of a decimal type.
    pub numeric_precision: Option<u64>,
    /// Scale of a decimal type.
    pub numeric_scale: Option<u64>,
}

impl Column {
    /// A column whose type has no length.
    pub fn new(name: impl Into<String>, data_type: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            data_type: data_type.into(),
            char_size: None,
            numeric_precision: None,
            numeric_scale: None,
        }
    }
}
