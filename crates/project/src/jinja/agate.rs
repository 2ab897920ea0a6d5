//! Query answers in the shape of agate tables: rows and columns can be indexed by number and by
//! name.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use crate::jinja::arguments::{Arguments, text_of};
use crate::jinja::collections::{List, dict_of, invalid, items, unknown_method};
use crate::jinja::datetime::{DateObject, DateTimeObject};
use crate::jinja::timedelta::TimeObject;
use crate::jinja::{Cell, Table, TableColumn};

/// A cell as a template value.
pub(crate) fn cell(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::from(()),
        Cell::Boolean(value) => Value::from(*value),
        Cell::Integer(value) => Value::from(*value),
        Cell::Float(value) => Value::from(*value),
        Cell::Decimal(digits) => decimal(digits),
        Cell::Text(text) => Value::from(text.as_str()),
        Cell::Date(date) => DateObject::value(*date),
        Cell::Time(time) => TimeObject::value(*time),
        Cell::Timestamp(time) => DateTimeObject::naive(*time),
        Cell::Moment(moment) => DateTimeObject::utc(*moment),
        Cell::List(cells) => List::value(cells.iter().map(self::cell).collect()),
        Cell::Struct(fields) => {
            dict_of(fields.iter().map(|(name, value)| (name.clone(), self::cell(value))))
        }
    }
}

/// A decimal: a whole number when it is one; a float when that prints the same digits; else the
/// digits as text, so that nothing is lost.
fn decimal(digits: &str) -> Value {
    if let Ok(whole) = digits.parse::<i128>() {
        return Value::from(whole);
    }
    match digits.parse::<f64>() {
        Ok(number) if number.to_string() == digits => Value::from(number),
        _ => Value::from(digits),
    }
}

/// Values with a name each: a row, or the columns of a table.
pub(crate) struct Mapped {
    names: Arc<Vec<String>>,
    values: Vec<Value>,
    /// Printed in front of the values.
    label: &'static str,
}

impl Mapped {
    fn value(names: &Arc<Vec<String>>, values: Vec<Value>, label: &'static str) -> Value {
        Value::from_object(Self { names: Arc::clone(names), values, label })
    }
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<agate.{}: (", self.label)?;
        for (index, value) in self.values.iter().enumerate() {
            write!(f, "{}{value:?}", if index == 0 { "" } else { ", " })?;
        }
        f.write_str(")>")
    }
}

impl Object for Mapped {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if let Some(name) = key.as_str() {
            let at = self.names.iter().position(|known| known == name)?;
            return self.values.get(at).cloned();
        }
        let index = key.as_i64()?;
        let at = if index < 0 {
            self.values.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?
        } else {
            usize::try_from(index).ok()?
        };
        self.values.get(at).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values.clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.values.len())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        Ok(match method {
            "values" => Value::from(Tuple::new(self.values.clone())),
            "keys" => {
                List::value(self.names.iter().map(|name| Value::from(name.as_str())).collect())
            }
            "items" => {
                let pairs = self.names.iter().zip(&self.values).map(|(name, value)| {
                    Value::from(Tuple::new(vec![Value::from(name.as_str()), value.clone()]))
                });
                List::value(pairs.collect())
            }
            "get" => {
                let key = arguments.required("key")?;
                let default = arguments.optional("default").unwrap_or_else(|| Value::from(()));
                self.get_value(&key).unwrap_or(default)
            }
            "dict" => dict_of(self.names.iter().cloned().zip(self.values.iter().cloned())),
            "index" => {
                let wanted = arguments.required("value")?;
                let at = self.values.iter().position(|value| *value == wanted);
                at.map(Value::from).ok_or_else(|| invalid("the value is not in the row"))?
            }
            "count" => {
                let wanted = arguments.required("value")?;
                Value::from(self.values.iter().filter(|value| **value == wanted).count())
            }
            _ => return Err(unknown_method()),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// One column of a table.
pub(crate) struct TableColumnObject {
    column: TableColumn,
    index: usize,
    values: Vec<Value>,
}

impl fmt::Debug for TableColumnObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<agate.Column: {:?}>", self.column.name)
    }
}

impl Object for TableColumnObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("name") => Some(Value::from(self.column.name.as_str())),
            Some("index") => Some(Value::from(self.index)),
            Some("data_type") => Some(Value::from(self.column.data_type.as_str())),
            Some(_) => None,
            None => self.values.get(key.as_usize()?).cloned(),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values.clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.values.len())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _args: &[Value],
    ) -> Result<Value, Error> {
        Ok(match method {
            "values" => Value::from(Tuple::new(self.values.clone())),
            "values_without_nulls" => {
                let kept = self.values.iter().filter(|value| !value.is_none()).cloned();
                Value::from(Tuple::new(kept.collect()))
            }
            "values_distinct" => {
                let mut seen = indexmap::IndexSet::new();
                seen.extend(self.values.iter().cloned());
                Value::from(Tuple::new(seen.into_iter().collect()))
            }
            "values_sorted" => {
                let mut sorted = self.values.clone();
                sorted.sort();
                Value::from(Tuple::new(sorted))
            }
            _ => return Err(unknown_method()),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A query's answer.
pub(crate) struct TableObject {
    columns: Vec<TableColumn>,
    names: Arc<Vec<String>>,
    rows: Vec<Vec<Value>>,
}

impl TableObject {
    pub(crate) fn value(table: &Table) -> Value {
        let rows = table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        Self::of(table.columns.clone(), rows)
    }

    fn of(columns: Vec<TableColumn>, rows: Vec<Vec<Value>>) -> Value {
        let names = Arc::new(columns.iter().map(|column| column.name.clone()).collect());
        Value::from_object(Self { columns, names, rows })
    }

    /// Rows as tuples: the `data` of a result.
    pub(crate) fn data(&self) -> Value {
        List::value(self.rows.iter().map(|row| Value::from(Tuple::new(row.clone()))).collect())
    }

    fn rows(&self) -> Vec<Value> {
        self.rows.iter().map(|row| Mapped::value(&self.names, row.clone(), "Row")).collect()
    }

    fn columns(&self) -> Value {
        let columns = self.columns.iter().enumerate().map(|(index, column)| {
            let values =
                self.rows.iter().map(|row| row.get(index).cloned().unwrap_or_default()).collect();
            Value::from_object(TableColumnObject { column: column.clone(), index, values })
        });
        Mapped::value(&self.names, columns.collect(), "MappedSequence")
    }

    fn keep(&self, names: &Value, keep: bool) -> Result<Value, Error> {
        let wanted: Vec<String> = match names.as_str() {
            Some(name) => vec![name.to_owned()],
            None => items(names)?.iter().map(text_of).collect(),
        };
        let kept: Vec<usize> = (0..self.columns.len())
            .filter(|index| wanted.contains(&self.columns[*index].name) == keep)
            .collect();
        let columns = kept.iter().map(|index| self.columns[*index].clone()).collect();
        let rows = self
            .rows
            .iter()
            .map(|row| kept.iter().filter_map(|index| row.get(*index).cloned()).collect())
            .collect();
        Ok(Self::of(columns, rows))
    }

    fn rename(&self, names: &Value) -> Result<Value, Error> {
        let mut columns = self.columns.clone();
        if names.kind() == minijinja::value::ValueKind::Map {
            for column in &mut columns {
                if let Ok(name) = names.get_item(&Value::from(column.name.as_str()))
                    && let Some(name) = name.as_str()
                {
                    column.name = name.to_owned();
                }
            }
        } else {
            for (column, name) in columns.iter_mut().zip(items(names)?) {
                column.name = text_of(&name);
            }
        }
        Ok(Self::of(columns, self.rows.clone()))
    }
}

impl fmt::Debug for TableObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<agate.Table>")
    }
}

impl Object for TableObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str() {
            Some("rows") => {
                let numbers = (0..self.rows.len()).map(|number| number.to_string()).collect();
                Mapped::value(&Arc::new(numbers), self.rows(), "MappedSequence")
            }
            Some("columns") => self.columns(),
            Some("column_names") => {
                let names = self.names.iter().map(|name| Value::from(name.as_str()));
                Value::from(Tuple::new(names.collect()))
            }
            Some("column_types") => {
                let types =
                    self.columns.iter().map(|column| Value::from(column.data_type.as_str()));
                Value::from(Tuple::new(types.collect()))
            }
            Some(_) => return None,
            None => self.rows().into_iter().nth(key.as_usize()?)?,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.rows())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.rows.len())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        // agate's Table has neither `__len__` nor `__bool__`: it is always true.
        true
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        match method {
            "select" => self.keep(&arguments.required("key")?, true),
            "exclude" => self.keep(&arguments.required("key")?, false),
            "rename" => self.rename(&arguments.required("column_names")?),
            "limit" => {
                let count = arguments.required("count")?.as_usize().unwrap_or(0);
                let rows = self.rows.iter().take(count).cloned().collect();
                Ok(Self::of(self.columns.clone(), rows))
            }
            "order_by" => {
                let key = arguments.text("key")?;
                let at = self.names.iter().position(|name| *name == key);
                let at = at.ok_or_else(|| invalid(format!("the table has no column {key:?}")))?;
                let mut rows = self.rows.clone();
                rows.sort_by(|a, b| a[at].cmp(&b[at]));
                if arguments.optional("reverse").is_some_and(|value| value.is_true()) {
                    rows.reverse();
                }
                Ok(Self::of(self.columns.clone(), rows))
            }
            "print_table" | "print_csv" | "print_json" => Ok(Value::from("")),
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
