//! Columns as templates handle them.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::jinja::Column;
use crate::jinja::arguments::Arguments;
use crate::jinja::collections::{invalid, unknown_method};

/// A column.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ColumnObject(pub(crate) Column);

fn size(value: Option<u64>) -> Value {
    value.map_or_else(|| Value::from(()), Value::from)
}

const STRING_TYPES: &[&str] = &["text", "character varying", "character", "varchar", "string"];
const FLOAT_TYPES: &[&str] = &["real", "float4", "float", "double precision", "float8", "double"];
const INTEGER_TYPES: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "smallserial",
    "serial",
    "bigserial",
    "int2",
    "int4",
    "int8",
    "serial2",
    "serial4",
    "serial8",
    "tinyint",
    "hugeint",
    "utinyint",
    "usmallint",
    "uinteger",
    "ubigint",
    "int",
];

impl ColumnObject {
    pub(crate) fn value(column: Column) -> Value {
        Value::from_object(Self(column))
    }

    fn is_one_of(&self, types: &[&str]) -> bool {
        types.contains(&self.0.data_type.to_lowercase().as_str())
    }

    fn is_numeric(&self) -> bool {
        self.is_one_of(&["numeric", "decimal"])
    }

    fn is_number(&self) -> bool {
        self.is_one_of(FLOAT_TYPES) || self.is_one_of(INTEGER_TYPES) || self.is_numeric()
    }

    /// The type with its length or precision.
    pub(crate) fn full_type(&self) -> String {
        let column = &self.0;
        if self.is_one_of(STRING_TYPES) {
            return match column.char_size {
                Some(size) => format!("character varying({size})"),
                None => column.data_type.clone(),
            };
        }
        match (self.is_numeric(), column.numeric_precision, column.numeric_scale) {
            (true, Some(precision), Some(scale)) => {
                format!("{}({precision},{scale})", column.data_type)
            }
            _ => column.data_type.clone(),
        }
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        let column = &self.0;
        Some(match name {
            "name" | "column" => Value::from(column.name.as_str()),
            "quoted" => Value::from(format!("\"{}\"", column.name)),
            "dtype" => Value::from(column.data_type.as_str()),
            "data_type" => Value::from(self.full_type()),
            "char_size" => size(column.char_size),
            "numeric_precision" => size(column.numeric_precision),
            "numeric_scale" => size(column.numeric_scale),
            _ => return None,
        })
    }
}

impl fmt::Debug for ColumnObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Column {} ({})>", self.0.name, self.full_type())
    }
}

impl Object for ColumnObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.attribute(key.as_str()?)
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        Ok(match method {
            "is_string" => Value::from(self.is_one_of(STRING_TYPES)),
            "is_number" => Value::from(self.is_number()),
            "is_float" => Value::from(self.is_one_of(FLOAT_TYPES)),
            "is_integer" => Value::from(self.is_one_of(INTEGER_TYPES)),
            "is_numeric" => Value::from(self.is_numeric()),
            "string_size" => Value::from(self.0.char_size.unwrap_or(256)),
            "can_expand_to" => {
                let other = arguments.required("other_column")?;
                let other =
                    other.downcast_object_ref::<Self>().ok_or_else(|| invalid("a column"))?;
                let strings = self.is_one_of(STRING_TYPES) && other.is_one_of(STRING_TYPES);
                let longer = other.0.char_size.unwrap_or(256) > self.0.char_size.unwrap_or(256);
                Value::from(strings && longer)
            }
            "literal" => {
                let value = arguments.text("value")?;
                Value::from(format!("{value}::{}", self.full_type()))
            }
            "string_type" | "numeric_type" | "create" | "translate_type" => {
                return column_class(method, &mut arguments);
            }
            _ => return Err(unknown_method()),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

fn column_class(method: &str, arguments: &mut Arguments) -> Result<Value, Error> {
    Ok(match method {
        "create" => {
            let name = arguments.text("name")?;
            let data_type = arguments.text("dtype")?;
            let number = |value: Option<Value>| value.and_then(|value| value.as_i64());
            let mut column = Column::new(name, data_type);
            column.char_size = number(arguments.optional("char_size")).map(i64::unsigned_abs);
            column.numeric_precision =
                number(arguments.optional("numeric_precision")).map(i64::unsigned_abs);
            column.numeric_scale =
                number(arguments.optional("numeric_scale")).map(i64::unsigned_abs);
            ColumnObject::value(column)
        }
        "string_type" => Value::from(format!("character varying({})", arguments.text("size")?)),
        "numeric_type" => {
            let name = arguments.text("dtype")?;
            let (precision, scale) = (arguments.optional("precision"), arguments.optional("scale"));
            match (precision, scale) {
                (Some(precision), Some(scale)) if !precision.is_none() && !scale.is_none() => {
                    Value::from(format!("{name}({precision},{scale})"))
                }
                _ => Value::from(name),
            }
        }
        "translate_type" => {
            let name = arguments.text("dtype")?;
            Value::from(if name.eq_ignore_ascii_case("STRING") { "TEXT".to_owned() } else { name })
        }
        _ => return Err(unknown_method()),
    })
}

/// `api.Column`.
#[derive(Debug)]
pub(crate) struct ColumnClass;

impl Object for ColumnClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        column_class(method, &mut Arguments::new(args))
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        column_class("create", &mut Arguments::new(args))
    }
}
