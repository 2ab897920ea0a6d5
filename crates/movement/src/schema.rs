//! The columns of a stream while it is loaded: what the table has, what the user declared, what
//! the data showed.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use indexmap::IndexMap;
use project::ingest::{ColumnType, DeclaredColumn};

use crate::decode::Guess;

/// The file a row came from.
pub const FILE_COLUMN: &str = "_fiveply_file";
/// The line of the file a row began on, from 1; in Parquet files the row's number.
pub const LINE_COLUMN: &str = "_fiveply_line";
/// When the row was loaded, on the business clock.
pub const LOADED_COLUMN: &str = "_fiveply_loaded_at";

/// The zone under which Iceberg's `timestamptz` travels in Arrow.
const UTC_ZONE: &str = "+00:00";

/// What a column holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// One of the types that text formats can have.
    Typed(ColumnType),
    /// A type only Parquet files bring: lists, structs, binary.
    Native(DataType),
}

/// One column of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The user gave the type: letters are converted to it where that is exact.
    pub(crate) declared: bool,
    /// The table has it already: rows on disk hold the type, so it stays.
    pub(crate) committed: bool,
}

impl Column {
    pub(crate) fn data_type(&self) -> DataType {
        match &self.kind {
            Kind::Typed(kind) => data_type(*kind),
            Kind::Native(kind) => kind.clone(),
        }
    }
}

/// The Arrow type of a column type.
pub(crate) fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Bigint => DataType::Int64,
        ColumnType::Double => DataType::Float64,
        ColumnType::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
        ColumnType::Date => DataType::Date32,
        ColumnType::Time => DataType::Time64(TimeUnit::Microsecond),
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::Timestamptz => {
            DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from(UTC_ZONE)))
        }
        ColumnType::String | ColumnType::Json => DataType::Utf8,
    }
}

/// The column type of an Arrow type that a table or a Parquet file has.
pub(crate) fn kind_of(found: &DataType) -> Kind {
    Kind::Typed(match found {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int64 => ColumnType::Bigint,
        DataType::Float64 => ColumnType::Double,
        DataType::Decimal128(precision, scale) => ColumnType::Decimal(*precision, *scale),
        DataType::Date32 => ColumnType::Date,
        DataType::Time64(TimeUnit::Microsecond) => ColumnType::Time,
        DataType::Timestamp(TimeUnit::Microsecond, None) => ColumnType::Timestamp,
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => ColumnType::Timestamptz,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::String,
        other => return Kind::Native(other.clone()),
    })
}

/// A column type in the user's words.
pub(crate) fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Typed(ColumnType::Boolean) => "boolean".to_owned(),
        Kind::Typed(ColumnType::Bigint) => "bigint".to_owned(),
        Kind::Typed(ColumnType::Double) => "double".to_owned(),
        Kind::Typed(ColumnType::Decimal(precision, scale)) => {
            format!("decimal({precision},{scale})")
        }
        Kind::Typed(ColumnType::Date) => "date".to_owned(),
        Kind::Typed(ColumnType::Time) => "time".to_owned(),
        Kind::Typed(ColumnType::Timestamp) => "timestamp".to_owned(),
        Kind::Typed(ColumnType::Timestamptz) => "timestamptz".to_owned(),
        Kind::Typed(ColumnType::String) => "string".to_owned(),
        Kind::Typed(ColumnType::Json) => "json".to_owned(),
        Kind::Native(kind) => kind.to_string(),
    }
}

/// Which columns of ours stand behind those of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServiceColumns {
    /// File, line and time.
    Files,
    /// The time.
    Rest,
}

impl ServiceColumns {
    pub(crate) fn fields(self) -> Vec<Field> {
        let loaded = Field::new(LOADED_COLUMN, data_type(ColumnType::Timestamptz), true);
        match self {
            Self::Rest => vec![loaded],
            Self::Files => vec![
                Field::new(FILE_COLUMN, DataType::Utf8, true),
                Field::new(LINE_COLUMN, DataType::Int64, true),
                loaded,
            ],
        }
    }
}

fn is_service(name: &str) -> bool {
    matches!(name, FILE_COLUMN | LINE_COLUMN | LOADED_COLUMN)
}

/// The columns of a stream, by place and by name.
#[derive(Clone, Debug)]
pub(crate) struct StreamSchema {
    pub(crate) columns: Vec<Column>,
    index: HashMap<String, usize>,
    pub(crate) service: ServiceColumns,
    arrow: SchemaRef,
}

impl StreamSchema {
    /// What the table has.
    pub(crate) fn new(
        table: Option<&Schema>,
        json_columns: &[&str],
        service: ServiceColumns,
    ) -> Self {
        let known = table.into_iter().flat_map(|schema| schema.fields().iter());
        let known = known.filter(|field| !is_service(field.name()));
        let columns = known.map(|field| {
            let name = field.name().clone();
            let mut kind = kind_of(field.data_type());
            let json = json_columns.contains(&name.as_str());
            if json && kind == Kind::Typed(ColumnType::String) {
                kind = Kind::Typed(ColumnType::Json);
            }
            Column { name, kind, declared: false, committed: true }
        });
        Self::of(columns.collect(), service)
    }

    /// With the types the user gave, for columns the table has and for those it does not.
    pub(crate) fn declared(&self, declared: &[DeclaredColumn]) -> Self {
        let mut columns = self.columns.clone();
        for wanted in declared {
            let Some(kind) = wanted.kind else { continue };
            match columns.iter_mut().find(|column| column.name == wanted.name) {
                Some(column) => {
                    column.declared = true;
                    if kind == ColumnType::Json && column.kind == Kind::Typed(ColumnType::String) {
                        column.kind = Kind::Typed(kind);
                    }
                }
                None => {
                    let (name, kind) = (wanted.name.clone(), Kind::Typed(kind));
                    columns.push(Column { name, kind, declared: true, committed: false });
                }
            }
        }
        Self::of(columns, self.service)
    }

    /// Those columns are in the table now that another schema says are.
    pub(crate) fn committed_as(&self, other: &Self) -> Self {
        let mut columns = self.columns.clone();
        for column in &mut columns {
            let known = other.place(&column.name).map(|place| &other.columns[place]);
            column.committed |= known.is_some_and(|known| known.committed);
        }
        Self::of(columns, self.service)
    }

    /// All of it is in the table now.
    pub(crate) fn all_committed(&self) -> Self {
        let mut columns = self.columns.clone();
        columns.iter_mut().for_each(|column| column.committed = true);
        Self::of(columns, self.service)
    }

    fn of(columns: Vec<Column>, service: ServiceColumns) -> Self {
        let named = columns.iter().enumerate();
        let index = named.map(|(place, column)| (column.name.clone(), place)).collect();
        let mut fields: Vec<Field> = columns
            .iter()
            .map(|column| Field::new(&column.name, column.data_type(), true))
            .collect();
        fields.extend(service.fields());
        Self { columns, index, service, arrow: Arc::new(Schema::new(fields)) }
    }

    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    pub(crate) fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    /// The columns' names, quoted, for a message.
    pub(crate) fn names(&self) -> String {
        let quoted: Vec<String> =
            self.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        quoted.join(", ")
    }

    /// The columns that hold JSON text, for the table's property.
    pub(crate) fn json_columns(&self) -> String {
        let json = |column: &&Column| column.kind == Kind::Typed(ColumnType::Json);
        let names: Vec<&str> =
            self.columns.iter().filter(json).map(|column| column.name.as_str()).collect();
        names.join(",")
    }

    /// With new columns behind the others, and wider types where the table has no rows yet.
    pub(crate) fn evolved(
        &self,
        added: &IndexMap<String, Kind>,
        widened: &[(usize, Guess)],
    ) -> Self {
        let mut columns = self.columns.clone();
        for (place, guess) in widened {
            let column = &mut columns[*place];
            column.kind = Kind::Typed(wider(&column.kind, *guess));
        }
        for (name, kind) in added {
            if columns.iter().any(|column| column.name == *name) || is_service(name) {
                continue;
            }
            let (name, kind) = (name.clone(), kind.clone());
            columns.push(Column { name, kind, declared: false, committed: false });
        }
        Self::of(columns, self.service)
    }

    /// Another name for a column.
    pub(crate) fn renamed(&self, from: &str, to: &str) -> Self {
        let mut columns = self.columns.clone();
        for column in columns.iter_mut().filter(|column| column.name == from) {
            to.clone_into(&mut column.name);
        }
        Self::of(columns, self.service)
    }
}

/// The type that holds a column's values and one that did not fit.
fn wider(kind: &Kind, guess: Guess) -> ColumnType {
    let Kind::Typed(kind) = *kind else { return ColumnType::String };
    let merged = Guess::Of(kind).merge(guess).column_type();
    // The value's type was within reach and the value itself was not: a whole number that a
    // double would change.
    if merged == kind { ColumnType::String } else { merged }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_stand_behind_those_of_the_table() {
        let table = Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new(LOADED_COLUMN, DataType::Int64, true),
        ]);
        let span = base::Span::new(&base::SourceFile::new("x", ""), 0..0);
        let declared = [DeclaredColumn {
            name: "b".to_owned(),
            kind: Some(ColumnType::Decimal(18, 2)),
            description: String::new(),
            span,
        }];
        let schema = StreamSchema::new(Some(&table), &[], ServiceColumns::Files);
        let schema = schema.declared(&declared);
        let names: Vec<&str> = schema.arrow().fields().iter().map(|f| f.name().as_str()).collect();
        assert_eq!(names, ["a", "b", FILE_COLUMN, LINE_COLUMN, LOADED_COLUMN]);
        assert!(schema.columns[0].committed && !schema.columns[1].committed);
    }

    #[test]
    fn a_value_that_changes_nothing_about_the_type_makes_it_text() {
        let double = Kind::Typed(ColumnType::Double);
        assert_eq!(wider(&double, Guess::Of(ColumnType::Bigint)), ColumnType::String);
    }
}
