//! The answer to a query, as plain data; templates see it in the shape of an agate table.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

/// The answer to a query that a template asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The columns, in order.
    pub columns: Vec<TableColumn>,
    /// The rows; each has one cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

/// One column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// The column's name.
    pub name: String,
    /// agate's word for its type: `Integer`, `Number`, `Text`, `Boolean`, `Date`, `DateTime`.
    pub data_type: String,
}

/// One value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i128),
    /// A floating-point number.
    Float(f64),
    /// A decimal number in its own digits.
    Decimal(String),
    /// Text.
    Text(String),
    /// A date.
    Date(NaiveDate),
    /// A time of day.
    Time(NaiveTime),
    /// A timestamp without time zone.
    Timestamp(NaiveDateTime),
    /// A moment in time.
    Moment(DateTime<Utc>),
    /// A list.
    List(Vec<Cell>),
    /// A structure.
    Struct(Vec<(String, Cell)>),
}
