//! Numbers: division and rounding as the homes do them.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array,
    StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, i256};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Call, Kernel, Want, decimal_of, returns};

/// Digits after the point of a PostgreSQL quotient: it keeps at least 16 that count.
const QUOTIENT_SCALE: i8 = 16;

pub(crate) fn all() -> Vec<ScalarUDF> {
    const TEXT: &[Want] = &[Want::Double];
    vec![
        Kernel::udf(
            "fp_numeric_divide",
            &[Want::Decimal, Want::Decimal],
            |types| Ok(DataType::Decimal128(38, quotient_scale(types))),
            numeric_divide,
        ),
        Kernel::udf(
            "fp_numeric_div_whole",
            &[Want::Decimal, Want::Decimal],
            returns!(DataType::Decimal128(38, 0)),
            numeric_div_whole,
        ),
        Kernel::udf(
            "fp_double_divide",
            &[Want::Double, Want::Double],
            returns!(DataType::Float64),
            double_divide,
        ),
        Kernel::udf("fp_round_half_even", TEXT, returns!(DataType::Float64), |call| {
            let rounded = call.doubles(0)?.into_iter().map(|x| x.map(f64::round_ties_even));
            Ok(Arc::new(rounded.collect::<Float64Array>()) as ArrayRef)
        }),
        Kernel::udf("fp_product", &[Want::Whole, Want::Whole], returns!(DataType::Int64), |call| {
            let pairs = call.wholes(0)?.into_iter().zip(call.wholes(1)?);
            let product = |(a, b): (i64, i64)| match a.checked_mul(b) {
                Some(product) => Ok(product),
                None => exec_err!("{a} * {b} is out of range of bigint"),
            };
            let all = pairs.map(|(a, b)| a.zip(b).map(product).transpose());
            Ok(Arc::new(all.collect::<Result<Int64Array>>()?))
        }),
        Kernel::udf("fp_xor", &[Want::Whole, Want::Whole], returns!(DataType::Int64), |call| {
            let pairs = call.wholes(0)?.into_iter().zip(call.wholes(1)?);
            let all = pairs.map(|(a, b)| a.zip(b).map(|(a, b)| a ^ b));
            Ok(Arc::new(all.collect::<Int64Array>()))
        }),
        Kernel::udf("fp_ceil", &[Want::Any], whole_type, |call| {
            towards(call, f64::ceil, |value, unit| {
                value.div_euclid(unit) + i128::from(value.rem_euclid(unit) != 0)
            })
        }),
        Kernel::udf("fp_floor", &[Want::Any], whole_type, |call| {
            towards(call, f64::floor, i128::div_euclid)
        }),
        Kernel::udf("fp_trunc", &[Want::Any], whole_type, |call| {
            towards(call, f64::trunc, |value, unit| value / unit)
        }),
        Kernel::udf("fp_round", &[Want::Text, Want::Any, Want::Whole], round_type, round),
        Kernel::udf(
            "fp_round_even",
            &[Want::Double, Want::Whole],
            returns!(DataType::Float64),
            |call| {
                let pairs = call.doubles(0)?.into_iter().zip(call.wholes(1)?);
                let all = pairs.map(|(x, n)| {
                    let power = 10f64.powi(i32::try_from(n?.clamp(-300, 300)).unwrap_or(0));
                    Some((x? * power).round_ties_even() / power)
                });
                Ok(Arc::new(all.collect::<Float64Array>()))
            },
        ),
        Kernel::udf("fp_is_finite", &[Want::Any], returns!(DataType::Boolean), |call| {
            finite(call, |x| x.is_finite(), true)
        }),
        Kernel::udf("fp_is_infinite", &[Want::Any], returns!(DataType::Boolean), |call| {
            finite(call, |x| x.is_infinite(), false)
        }),
        Kernel::udf(
            "fp_width_bucket",
            &[Want::Double, Want::Double, Want::Double, Want::Whole],
            returns!(DataType::Int32),
            width_bucket,
        ),
        Kernel::udf("fp_number_words", &[Want::Text], returns!(DataType::Utf8), |call| {
            let all = call.texts(0)?.into_iter().map(|text| text.map(str::trim));
            Ok(Arc::new(all.collect::<StringArray>()))
        }),
        Kernel::udf("fp_whole_words", &[Want::Text], returns!(DataType::Utf8), |call| {
            let all = call.texts(0)?.into_iter().map(|text| text.map(whole_words));
            Ok(Arc::new(all.collect::<StringArray>()))
        }),
        Kernel::udf("fp_to_numeric", &[Want::Any], numeric_type, to_numeric),
        Kernel::udf("fp_double_text_duckdb", TEXT, returns!(DataType::Utf8), |call| {
            double_texts(call, true)
        }),
        Kernel::udf("fp_double_text_postgres", TEXT, returns!(DataType::Utf8), |call| {
            double_texts(call, false)
        }),
    ]
}

fn quotient_scale(types: &[DataType]) -> i8 {
    let scale = |index: usize| match types.get(index) {
        Some(DataType::Decimal128(_, scale)) => *scale,
        _ => 0,
    };
    QUOTIENT_SCALE.max(scale(0)).max(scale(1)).min(20)
}

fn decimals(call: &Call<'_>, index: usize) -> Result<(Decimal128Array, i8)> {
    let column = call.any(index)?;
    let kind = decimal_of(column.data_type()).unwrap_or(DataType::Decimal128(38, 9));
    let array = cast(&column, &kind)?.as_primitive::<Decimal128Type>().clone();
    let scale = array.scale();
    Ok((array, scale))
}

fn quotients(call: &Call<'_>, scale: i8, round: bool) -> Result<ArrayRef> {
    let (left, left_scale) = decimals(call, 0)?;
    let (right, right_scale) = decimals(call, 1)?;
    let shift = i32::from(scale) - i32::from(left_scale) + i32::from(right_scale);
    let mut out = Vec::with_capacity(call.rows);
    for (a, b) in left.iter().zip(right.iter()) {
        let (Some(a), Some(b)) = (a, b) else {
            out.push(None);
            continue;
        };
        if b == 0 {
            return exec_err!("division by zero");
        }
        out.push(Some(quotient(a, b, shift, round)?));
    }
    let array = Decimal128Array::from(out).with_precision_and_scale(38, scale)?;
    Ok(Arc::new(array))
}

fn quotient(a: i128, b: i128, shift: i32, round: bool) -> Result<i128> {
    let too_large = || datafusion::common::exec_datafusion_err!("the quotient is out of range");
    let power = |n: i32| i256::from_i128(10).checked_pow(n.unsigned_abs());
    let (mut a, mut b) = (i256::from_i128(a), i256::from_i128(b));
    if shift >= 0 {
        a = power(shift).and_then(|p| a.checked_mul(p)).ok_or_else(too_large)?;
    } else {
        b = power(shift).and_then(|p| b.checked_mul(p)).ok_or_else(too_large)?;
    }
    let whole = a.checked_div(b).ok_or_else(too_large)?;
    let rest = a.checked_rem(b).ok_or_else(too_large)?;
    let negative = (a < i256::ZERO) != (b < i256::ZERO);
    let twice = rest.wrapping_abs().checked_mul(i256::from_i128(2)).ok_or_else(too_large)?;
    let step = if round && twice >= b.wrapping_abs() { i256::ONE } else { i256::ZERO };
    let answer = if negative { whole.wrapping_sub(step) } else { whole.wrapping_add(step) };
    answer.to_i128().ok_or_else(too_large)
}

fn numeric_divide(call: &Call<'_>) -> Result<ArrayRef> {
    let scale = match call.returns {
        DataType::Decimal128(_, scale) => *scale,
        _ => QUOTIENT_SCALE,
    };
    quotients(call, scale, true)
}

fn numeric_div_whole(call: &Call<'_>) -> Result<ArrayRef> {
    quotients(call, 0, false)
}

fn double_divide(call: &Call<'_>) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(call.rows);
    for (a, b) in call.doubles(0)?.into_iter().zip(call.doubles(1)?) {
        match (a, b) {
            (Some(_), Some(0.0)) => return exec_err!("division by zero"),
            (Some(a), Some(b)) => out.push(Some(a / b)),
            _ => out.push(None),
        }
    }
    Ok(Arc::new(Float64Array::from(out)))
}

/// Whole numbers stay whole; a decimal keeps its digits; a double stays a double.
fn round_type(types: &[DataType]) -> Result<DataType> {
    Ok(match types.get(1) {
        Some(given @ DataType::Decimal128(..)) => given.clone(),
        Some(given) if given.is_integer() => given.clone(),
        _ => DataType::Float64,
    })
}

fn round(call: &Call<'_>) -> Result<ArrayRef> {
    let half_even = call.texts(0)?.first().is_some_and(|name| *name == Some("postgres"));
    let column = call.any(1)?;
    let digits = call.wholes(2)?;
    if column.data_type().is_integer() && digits.iter().flatten().all(|n| *n >= 0) {
        return Ok(column);
    }
    if column.data_type().is_integer() {
        let wide = cast(&column, &DataType::Decimal128(38, 0))?;
        let rounded = round_decimals(wide.as_primitive::<Decimal128Type>(), &digits)?;
        return Ok(cast(&rounded, call.returns)?);
    }
    if let DataType::Decimal128(..) = column.data_type() {
        return round_decimals(column.as_primitive::<Decimal128Type>(), &digits);
    }
    let doubles = cast(&column, &DataType::Float64)?;
    let doubles = doubles.as_primitive::<Float64Type>();
    let rounded = doubles.iter().zip(digits).map(|(x, digits)| match (x, digits) {
        (Some(x), Some(0)) if half_even => Some(x.round_ties_even()),
        (Some(x), Some(digits)) => Some(round_double(x, digits)),
        _ => None,
    });
    Ok(Arc::new(rounded.collect::<Float64Array>()))
}

/// The whole part of a decimal may need a digit more than it had.
fn whole_type(types: &[DataType]) -> Result<DataType> {
    Ok(match types.first() {
        Some(DataType::Decimal128(..)) => DataType::Decimal128(38, 0),
        Some(given) if given.is_integer() => given.clone(),
        Some(given) if given.is_numeric() || given.is_null() => DataType::Float64,
        other => return plan_err!("\"ceil\" and \"floor\" take numbers, not {other:?}"),
    })
}

fn towards(
    call: &Call<'_>,
    double: fn(f64) -> f64,
    exact: fn(i128, i128) -> i128,
) -> Result<ArrayRef> {
    let column = call.any(0)?;
    if column.data_type().is_integer() {
        return Ok(column);
    }
    if let DataType::Decimal128(_, scale) = column.data_type() {
        let unit = 10i128.pow(u32::try_from(*scale).unwrap_or(0));
        let all = column.as_primitive::<Decimal128Type>().iter();
        let array: Decimal128Array = all.map(|value| value.map(|v| exact(v, unit))).collect();
        return Ok(Arc::new(array.with_precision_and_scale(38, 0)?));
    }
    let all = call.doubles(0)?.into_iter().map(|x| x.map(double));
    Ok(Arc::new(all.collect::<Float64Array>()))
}

fn round_double(x: f64, digits: i64) -> f64 {
    let power = 10f64.powi(i32::try_from(digits.clamp(-300, 300)).unwrap_or(0));
    let shifted = x * power;
    if shifted.is_finite() { shifted.round() / power } else { x }
}

fn round_decimals(array: &Decimal128Array, digits: &[Option<i64>]) -> Result<ArrayRef> {
    let scale = i64::from(array.scale());
    let rounded: Vec<Option<i128>> = array
        .iter()
        .zip(digits)
        .map(|(value, digits)| {
            let (value, drop) = (value?, scale - (*digits)?);
            if drop <= 0 {
                return Some(value);
            }
            let unit = 10i128.checked_pow(u32::try_from(drop).ok()?)?;
            let (whole, rest) = (value / unit, value % unit);
            let step = if rest.abs() * 2 >= unit { value.signum() } else { 0 };
            Some((whole + step) * unit)
        })
        .collect();
    let array = Decimal128Array::from(rounded)
        .with_precision_and_scale(array.precision(), array.scale())?;
    Ok(Arc::new(array))
}

/// PostgreSQL's `numeric` without digits keeps what it is given.
fn numeric_type(types: &[DataType]) -> Result<DataType> {
    Ok(types.first().and_then(decimal_of).unwrap_or(DataType::Decimal128(38, 15)))
}

fn to_numeric(call: &Call<'_>) -> Result<ArrayRef> {
    let column = call.any(0)?;
    if column.data_type().is_floating() {
        // Fifteen digits count, as PostgreSQL's own cast does it.
        let texts: StringArray = cast(&column, &DataType::Float64)?
            .as_primitive::<Float64Type>()
            .iter()
            .map(|x| x.map(|x| format!("{:.*}", decimals_of(x), x)))
            .collect();
        return Ok(cast(&texts, call.returns)?);
    }
    Ok(cast(&column, call.returns)?)
}

fn decimals_of(x: f64) -> usize {
    let before = if x == 0.0 { 0 } else { x.abs().log10().floor().clamp(-300.0, 300.0) as i64 + 1 };
    usize::try_from((15 - before).clamp(0, 15)).unwrap_or(0)
}

fn double_texts(call: &Call<'_>, duckdb: bool) -> Result<ArrayRef> {
    let texts = call.doubles(0)?.into_iter().map(|x| x.map(|x| double_text(x, duckdb)));
    Ok(Arc::new(texts.collect::<StringArray>()))
}

/// The shortest text that reads back as the same number, in the home's notation.
pub(crate) fn double_text(x: f64, duckdb: bool) -> String {
    if x.is_nan() {
        return if duckdb { "nan" } else { "NaN" }.to_owned();
    }
    if x.is_infinite() {
        let word = if duckdb { "inf" } else { "Infinity" };
        return if x < 0.0 { format!("-{word}") } else { word.to_owned() };
    }
    let (low, high) = if duckdb { (1e-4, 1e16) } else { (1e-4, 1e15) };
    let size = x.abs();
    if x == 0.0 || (size >= low && size < high) {
        let text = format!("{x}");
        return if duckdb && !text.contains('.') { format!("{text}.0") } else { text };
    }
    let text = format!("{x:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

/// Days and moments are always finite here.
fn finite(call: &Call<'_>, test: fn(f64) -> bool, otherwise: bool) -> Result<ArrayRef> {
    let column = call.any(0)?;
    if column.data_type().is_numeric() {
        let all = call.doubles(0)?.into_iter().map(|x| x.map(test));
        return Ok(Arc::new(all.collect::<BooleanArray>()));
    }
    let all = (0..call.rows).map(|row| column.is_valid(row).then_some(otherwise));
    Ok(Arc::new(all.collect::<BooleanArray>()))
}

/// Which of `n` equal parts between two bounds a number falls in; 0 and n + 1 lie outside.
fn width_bucket(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, low, high) = (call.doubles(0)?, call.doubles(1)?, call.doubles(2)?);
    let mut out = Vec::with_capacity(call.rows);
    for (row, parts) in call.wholes(3)?.into_iter().enumerate() {
        let (Some(x), Some(low), Some(high), Some(parts)) =
            (values[row], low[row], high[row], parts)
        else {
            out.push(None);
            continue;
        };
        if parts <= 0 || low == high {
            return exec_err!("\"width_bucket\" takes two bounds and at least one part");
        }
        let share = ((x - low) / (high - low) * parts as f64).floor() + 1.0;
        out.push(Some(share.clamp(0.0, parts as f64 + 1.0) as i32));
    }
    Ok(Arc::new(Int32Array::from(out)))
}

/// DuckDB reads `2.5` and `1e3` as whole numbers too, rounded.
fn whole_words(text: &str) -> Cow<'_, str> {
    /// Doubles below this are exact.
    const EXACT_MAX: f64 = 9e15;
    let trimmed = text.trim();
    if !trimmed.contains(['.', 'e', 'E']) {
        return Cow::Borrowed(trimmed);
    }
    match trimmed.parse::<f64>() {
        Ok(x) if x.abs() < EXACT_MAX => Cow::Owned(format!("{:.0}", x.round() + 0.0)),
        _ => Cow::Borrowed(trimmed),
    }
}
