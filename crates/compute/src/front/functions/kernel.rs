//! The shape of our own scalar functions: types in, type out, arrays in, array out.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::datatypes::{
    DataType, Field, Float64Type, Int64Type, IntervalMonthDayNanoType, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// What a column of arguments is turned into before the function sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Any type, as it is.
    Any,
    /// Any type, to be shown as text; nulls without a type are text.
    Shown,
    /// UTF-8 text.
    Text,
    /// 64-bit whole numbers.
    Whole,
    /// Doubles.
    Double,
    /// Booleans.
    Truth,
    /// Moments in microseconds; a time zone is kept, dates become midnight.
    Moment,
    /// Moments, intervals or times of day, as they are; dates become midnight.
    When,
    /// Intervals.
    Interval,
    /// Decimals, whole numbers as decimals.
    Decimal,
    /// Bytes; text as its UTF-8 bytes.
    Bytes,
    /// Lists, whatever they hold.
    List,
}

/// A time without a zone, in microseconds: what both homes keep.
pub(crate) fn local_timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

impl Want {
    fn coerce(self, function: &str, given: &DataType) -> Result<DataType> {
        let refuse = |what: &str| {
            plan_err!("\"{}\" takes {what}, not {given}", function.trim_start_matches("fp_"))
        };
        Ok(match self {
            Self::Any => given.clone(),
            Self::Shown if given.is_null() => DataType::Utf8,
            Self::Shown => given.clone(),
            Self::Text => match given {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
                    DataType::Utf8
                }
                _ => return refuse("text"),
            },
            Self::Whole => match given {
                given if given.is_integer() || given.is_null() => DataType::Int64,
                _ => return refuse("whole numbers"),
            },
            Self::Double => match given {
                given if given.is_numeric() || given.is_null() => DataType::Float64,
                _ => return refuse("numbers"),
            },
            Self::Truth => match given {
                DataType::Boolean | DataType::Null => DataType::Boolean,
                _ => return refuse("a boolean"),
            },
            Self::Moment | Self::When => match given {
                DataType::Timestamp(_, zone) => {
                    DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
                }
                DataType::Date32 | DataType::Date64 | DataType::Null => local_timestamp(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => local_timestamp(),
                DataType::Interval(_) | DataType::Duration(_) if self == Self::When => {
                    DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano)
                }
                DataType::Time32(_) | DataType::Time64(_) if self == Self::When => {
                    DataType::Time64(TimeUnit::Microsecond)
                }
                _ => return refuse("a date or timestamp"),
            },
            Self::Interval => match given {
                DataType::Interval(_) | DataType::Duration(_) | DataType::Null => {
                    DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano)
                }
                _ => return refuse("an interval"),
            },
            Self::Decimal => decimal_of(given).map_or_else(|| refuse("numbers"), Ok)?,
            Self::Bytes => match given {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
                    DataType::Binary
                }
                DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::FixedSizeBinary(_) => DataType::Binary,
                _ => return refuse("text or bytes"),
            },
            Self::List => match given {
                DataType::List(_) => given.clone(),
                DataType::LargeList(item)
                | DataType::FixedSizeList(item, _)
                | DataType::ListView(item) => DataType::List(Arc::clone(item)),
                DataType::Null => {
                    DataType::List(Arc::new(Field::new_list_field(DataType::Null, true)))
                }
                _ => return refuse("a list"),
            },
        })
    }
}

/// The decimal type that holds every value of a whole or decimal type.
pub(crate) fn decimal_of(given: &DataType) -> Option<DataType> {
    Some(match given {
        DataType::Decimal128(..) => given.clone(),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Int8 | DataType::UInt8 | DataType::Int16 | DataType::UInt16 => {
            DataType::Decimal128(5, 0)
        }
        DataType::Int32 | DataType::UInt32 => DataType::Decimal128(10, 0),
        DataType::Int64 | DataType::UInt64 | DataType::Null => DataType::Decimal128(20, 0),
        _ => return None,
    })
}

/// What a function gets to work with.
pub(crate) struct Call<'a> {
    /// One array per argument, all of one length.
    pub(crate) columns: &'a [ArrayRef],
    /// How many rows there are.
    pub(crate) rows: usize,
    /// The type that was promised.
    pub(crate) returns: &'a DataType,
}

impl Call<'_> {
    fn as_type(&self, index: usize, kind: &DataType) -> Result<ArrayRef> {
        // Plans made by hand are not coerced.
        Ok(arrow::compute::cast(self.column(index)?, kind)?)
    }

    fn column(&self, index: usize) -> Result<&ArrayRef> {
        match self.columns.get(index) {
            Some(column) => Ok(column),
            None => exec_err!("argument {index} is missing"),
        }
    }

    /// Any column.
    pub(crate) fn any(&self, index: usize) -> Result<ArrayRef> {
        self.column(index).map(Arc::clone)
    }

    /// Text of a row; none for null.
    pub(crate) fn texts(&self, index: usize) -> Result<Vec<Option<&str>>> {
        match self.column(index)?.as_string_opt::<i32>() {
            Some(texts) => Ok(texts.iter().collect()),
            None => exec_err!("argument {index} is not text"),
        }
    }

    /// Whole numbers.
    pub(crate) fn wholes(&self, index: usize) -> Result<Vec<Option<i64>>> {
        Ok(self.as_type(index, &DataType::Int64)?.as_primitive::<Int64Type>().iter().collect())
    }

    /// Doubles.
    pub(crate) fn doubles(&self, index: usize) -> Result<Vec<Option<f64>>> {
        Ok(self.as_type(index, &DataType::Float64)?.as_primitive::<Float64Type>().iter().collect())
    }

    /// Bytes of a row; none for null.
    pub(crate) fn bytes(&self, index: usize) -> Result<Vec<Option<&[u8]>>> {
        match self.column(index)?.as_binary_opt::<i32>() {
            Some(bytes) => Ok(bytes.iter().collect()),
            None => exec_err!("argument {index} is not bytes"),
        }
    }

    /// Lists.
    pub(crate) fn lists(&self, index: usize) -> Result<&ListArray> {
        match self.column(index)?.as_list_opt::<i32>() {
            Some(lists) => Ok(lists),
            None => exec_err!("argument {index} is not a list"),
        }
    }

    /// Booleans.
    pub(crate) fn truths(&self, index: usize) -> Result<Vec<Option<bool>>> {
        Ok(self.column(index)?.as_boolean().iter().collect())
    }

    /// Microseconds since the epoch, of moments.
    pub(crate) fn micros(&self, index: usize) -> Result<Vec<Option<i64>>> {
        Ok(self.column(index)?.as_primitive::<TimestampMicrosecondType>().iter().collect())
    }

    /// Intervals.
    pub(crate) fn intervals(
        &self,
        index: usize,
    ) -> Result<Vec<Option<arrow::datatypes::IntervalMonthDayNano>>> {
        Ok(self.column(index)?.as_primitive::<IntervalMonthDayNanoType>().iter().collect())
    }

    /// The time zone of a column of moments.
    pub(crate) fn zone(&self, index: usize) -> Result<Option<Arc<str>>> {
        Ok(match self.column(index)?.data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        })
    }
}

/// The type of an answer, by the types of the arguments.
pub(crate) type Returns = fn(&[DataType]) -> Result<DataType>;
type Run = fn(&Call<'_>) -> Result<ArrayRef>;

/// One of our scalar functions.
#[derive(Debug)]
pub(crate) struct Kernel {
    name: &'static str,
    wants: &'static [Want],
    /// The last want is that of any number of arguments, none included.
    more: bool,
    returns: Returns,
    run: Run,
    signature: Signature,
}

impl Kernel {
    /// A function that gives the same for the same arguments.
    pub(crate) fn udf(
        name: &'static str,
        wants: &'static [Want],
        returns: Returns,
        run: Run,
    ) -> ScalarUDF {
        let signature = Signature::user_defined(Volatility::Immutable);
        ScalarUDF::from(Self { name, wants, more: false, returns, run, signature })
    }

    /// One whose last want may come any number of times.
    pub(crate) fn open(
        name: &'static str,
        wants: &'static [Want],
        returns: Returns,
        run: Run,
    ) -> ScalarUDF {
        let signature = Signature::user_defined(Volatility::Immutable);
        ScalarUDF::from(Self { name, wants, more: true, returns, run, signature })
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kernel {}

impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Kernel {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        (self.returns)(arguments)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if self.more && given.len() + 1 >= self.wants.len() {
            let last = self.wants.last().copied().unwrap_or(Want::Any);
            let wants = self.wants.iter().copied().chain(std::iter::repeat(last));
            return given.iter().zip(wants).map(|(g, want)| want.coerce(self.name, g)).collect();
        }
        if given.len() != self.wants.len() {
            return plan_err!(
                "\"{}\" takes {} arguments, not {}",
                self.name.trim_start_matches("fp_"),
                self.wants.len(),
                given.len()
            );
        }
        given.iter().zip(self.wants).map(|(given, want)| want.coerce(self.name, given)).collect()
    }

    /// Any value of its type: without one, a function around it knows no order, and a sorted window
    /// over both is refused by DataFusion's own check of the plan.
    fn evaluate_bounds(&self, inputs: &[&Interval]) -> Result<Interval> {
        let types: Vec<DataType> = inputs.iter().map(|input| input.data_type()).collect();
        let returns = (self.returns)(&types).unwrap_or(DataType::Null);
        Interval::make_unbounded(&returns).or_else(|_| Interval::make_unbounded(&DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let columns = args
            .args
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let returns = args.return_field.data_type();
        let answer = (self.run)(&Call { columns: &columns, rows, returns })?;
        if answer.len() != rows {
            return exec_err!("\"{}\" gave {} rows for {rows}", self.name, answer.len());
        }
        if scalar {
            let value = datafusion::common::ScalarValue::try_from_array(&answer, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(answer))
    }
}

macro_rules! returns {
    ($type:expr) => {
        |_| Ok($type)
    };
}
pub(crate) use returns;
