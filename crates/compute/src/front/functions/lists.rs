//! Lists: one element of them, numbers over them, and the aggregates that look at all rows at once
//! (`mode`, `quantile_disc`, `histogram`), which gather a list first.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, ListArray, MapArray,
    StructArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{SortOptions, cast, sort_to_indices, take};
use arrow::datatypes::{DataType, Decimal128Type, Field, Fields, Float64Type, Int64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Call, Kernel, Returns, Want, decimal_of, returns};

pub(crate) fn all() -> Vec<ScalarUDF> {
    const LIST: &[Want] = &[Want::List];
    const SHARE: &[Want] = &[Want::List, Want::Double];
    const HEAD: &[Want] = &[Want::List, Want::Whole];
    let double: Returns = returns!(DataType::Float64);
    vec![
        Kernel::udf("fp_list_min", LIST, element, |call| pick(call, |items, _| end(items, false))),
        Kernel::udf("fp_list_max", LIST, element, |call| pick(call, |items, _| end(items, true))),
        Kernel::udf("fp_list_mode", LIST, element, |call| pick(call, |items, _| mode(items))),
        Kernel::udf("fp_list_first", LIST, element, |call| {
            pick(call, |items, _| Ok((!items.is_empty()).then_some(0)))
        }),
        Kernel::udf("fp_list_last", LIST, element, |call| {
            pick(call, |items, _| Ok(items.len().checked_sub(1)))
        }),
        Kernel::udf("fp_list_any_value", LIST, element, |call| {
            pick(call, |items, _| Ok((0..items.len()).find(|row| items.is_valid(*row))))
        }),
        Kernel::udf("fp_list_quantile_disc", SHARE, element, |call| {
            let shares = call.doubles(1)?;
            pick(call, |items, row| quantile_disc(items, shares[row]))
        }),
        Kernel::udf("fp_list_distinct", LIST, same_list, |call| {
            sublists(call, |items, _| {
                Ok(groups(items)?.into_iter().map(|(place, _)| place).collect())
            })
        }),
        Kernel::udf("fp_list_head", HEAD, same_list, head),
        Kernel::udf("fp_list_sum", LIST, sum_type, sum),
        Kernel::udf("fp_list_count", LIST, returns!(DataType::Int64), |call| {
            let lists = call.lists(0)?.iter();
            let counts = lists.map(|list| list.map(|list| (list.len() - list.null_count()) as i64));
            Ok(Arc::new(counts.collect::<Int64Array>()))
        }),
        Kernel::udf("fp_list_unique", LIST, returns!(DataType::Int64), |call| {
            let lists = call.lists(0)?.iter();
            let counts = lists.map(|list| list.map(|list| Ok(groups(&list)?.len() as i64)));
            Ok(Arc::new(counts.map(Option::transpose).collect::<Result<Int64Array>>()?))
        }),
        Kernel::udf("fp_list_avg", LIST, double, |call| numbers(call, mean)),
        Kernel::udf("fp_list_median", LIST, double, |call| numbers(call, median)),
        Kernel::udf("fp_list_mad", LIST, double, |call| {
            numbers(call, |all| {
                let middle = median(all)?;
                median(&all.iter().map(|x| (x - middle).abs()).collect::<Vec<_>>())
            })
        }),
        Kernel::udf("fp_list_product", LIST, double, |call| {
            numbers(call, |all| (!all.is_empty()).then(|| all.iter().product()))
        }),
        Kernel::udf("fp_list_skewness", LIST, double, |call| numbers(call, skewness)),
        Kernel::udf("fp_list_kurtosis", LIST, double, |call| numbers(call, kurtosis)),
        Kernel::udf("fp_list_entropy", LIST, double, entropy),
        Kernel::udf("fp_list_histogram", LIST, histogram_type, histogram),
    ]
}

fn item_type(types: &[DataType]) -> Result<DataType> {
    match types.first() {
        Some(DataType::List(item)) => Ok(item.data_type().clone()),
        _ => plan_err!("a list is expected"),
    }
}

fn element(types: &[DataType]) -> Result<DataType> {
    item_type(types)
}

#[allow(clippy::unnecessary_wraps)]
fn same_list(types: &[DataType]) -> Result<DataType> {
    Ok(types.first().cloned().unwrap_or(DataType::Null))
}

/// One element of each list, by its place.
fn pick(
    call: &Call<'_>,
    choose: impl Fn(&ArrayRef, usize) -> Result<Option<usize>>,
) -> Result<ArrayRef> {
    let lists = call.lists(0)?;
    let mut places = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        places.push(match lists.is_null(row) {
            true => None,
            false => {
                let start = lists.value_offsets()[row] as u64;
                choose(&lists.value(row), row)?.map(|place| start + place as u64)
            }
        });
    }
    Ok(take(lists.values(), &UInt64Array::from(places), None)?)
}

/// The smallest or largest element that is there.
fn end(items: &ArrayRef, largest: bool) -> Result<Option<usize>> {
    let options = SortOptions { descending: largest, nulls_first: false };
    let order = sort_to_indices(items, Some(options), Some(1))?;
    Ok(order.values().first().map(|place| *place as usize).filter(|place| items.is_valid(*place)))
}

/// Equal elements together, in the order of their first: that place and how many there are.
fn groups(items: &ArrayRef) -> Result<Vec<(usize, usize)>> {
    let converter = RowConverter::new(vec![SortField::new(items.data_type().clone())])?;
    let rows = converter.convert_columns(&[Arc::clone(items)])?;
    let mut places = std::collections::HashMap::new();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for row in (0..items.len()).filter(|row| items.is_valid(*row)) {
        let group = *places.entry(rows.row(row)).or_insert_with(|| {
            found.push((row, 0));
            found.len() - 1
        });
        if let Some((_, count)) = found.get_mut(group) {
            *count += 1;
        }
    }
    Ok(found)
}

/// The most frequent element; of several the one that came first.
fn mode(items: &ArrayRef) -> Result<Option<usize>> {
    let mut best: Option<(usize, usize)> = None;
    for (place, count) in groups(items)? {
        if best.is_none_or(|(_, most)| count > most) {
            best = Some((place, count));
        }
    }
    Ok(best.map(|(place, _)| place))
}

/// The first element at or above the share, in order.
fn quantile_disc(items: &ArrayRef, share: Option<f64>) -> Result<Option<usize>> {
    let Some(share) = share else { return Ok(None) };
    if !(0.0..=1.0).contains(&share) {
        return exec_err!("a quantile lies between 0 and 1, not at {share}");
    }
    let options = SortOptions { descending: false, nulls_first: false };
    let order = sort_to_indices(items, Some(options), None)?;
    let count = items.len() - items.null_count();
    let place = ((share * count as f64).ceil() as usize).saturating_sub(1);
    Ok((count > 0).then(|| order.value(place.min(count - 1)) as usize))
}

fn head(call: &Call<'_>) -> Result<ArrayRef> {
    let counts = call.wholes(1)?;
    sublists(call, |items, row| {
        let count = usize::try_from(counts[row].unwrap_or(0)).unwrap_or(0);
        Ok((0..count.min(items.len())).collect())
    })
}

/// Some elements of each list, by their places.
fn sublists(
    call: &Call<'_>,
    choose: impl Fn(&ArrayRef, usize) -> Result<Vec<usize>>,
) -> Result<ArrayRef> {
    let lists = call.lists(0)?;
    let (mut places, mut lengths, mut there) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..call.rows {
        let valid = lists.is_valid(row);
        let start = lists.value_offsets()[row] as u64;
        let chosen = if valid { choose(&lists.value(row), row)? } else { Vec::new() };
        lengths.push(chosen.len());
        places.extend(chosen.into_iter().map(|place| start + place as u64));
        there.push(valid);
    }
    let values = take(lists.values(), &UInt64Array::from(places), None)?;
    let DataType::List(item) = lists.data_type() else { return exec_err!("a list is expected") };
    let (offsets, nulls) = (OffsetBuffer::from_lengths(lengths), NullBuffer::from(there));
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, Some(nulls))?))
}

fn sum_type(types: &[DataType]) -> Result<DataType> {
    Ok(match item_type(types)? {
        kind if kind.is_floating() => DataType::Float64,
        kind => match decimal_of(&kind) {
            Some(DataType::Decimal128(_, scale)) => DataType::Decimal128(38, scale),
            _ => return plan_err!("a list of numbers is expected, not of {kind}"),
        },
    })
}

fn sum(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = call.lists(0)?;
    if let DataType::Decimal128(_, scale) = call.returns {
        let all = lists.iter().map(|list| -> Result<Option<i128>> {
            let Some(list) = list else { return Ok(None) };
            let items = cast(&list, call.returns)?;
            let items = items.as_primitive::<Decimal128Type>();
            Ok((items.null_count() < items.len()).then(|| items.iter().flatten().sum()))
        });
        let array = all.collect::<Result<Decimal128Array>>()?;
        return Ok(Arc::new(array.with_precision_and_scale(38, *scale)?));
    }
    numbers(call, |all| (!all.is_empty()).then(|| all.iter().sum()))
}

fn numbers(call: &Call<'_>, compute: impl Fn(&[f64]) -> Option<f64>) -> Result<ArrayRef> {
    let all = call.lists(0)?.iter().map(|list| -> Result<Option<f64>> {
        let Some(list) = list else { return Ok(None) };
        let items = cast(&list, &DataType::Float64)?;
        let items: Vec<f64> = items.as_primitive::<Float64Type>().iter().flatten().collect();
        Ok(compute(&items))
    });
    Ok(Arc::new(all.collect::<Result<Float64Array>>()?))
}

fn mean(all: &[f64]) -> Option<f64> {
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

fn median(all: &[f64]) -> Option<f64> {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    match sorted.len() % 2 {
        0 => Some(f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, upper)),
        _ => Some(upper),
    }
}

/// Sums of powers of the distances from the mean: second, third, fourth.
fn moments(all: &[f64]) -> Option<[f64; 3]> {
    let middle = mean(all)?;
    let power = |n: i32| all.iter().map(|x| (x - middle).powi(n)).sum::<f64>();
    Some([power(2), power(3), power(4)])
}

/// With the correction for small samples, as DuckDB counts it.
fn skewness(all: &[f64]) -> Option<f64> {
    let n = all.len() as f64;
    let [second, third, _] = moments(all)?;
    let deviation = (second / n).powf(1.5);
    (n >= 3.0 && deviation > 0.0)
        .then(|| (n * (n - 1.0)).sqrt() / (n - 2.0) * (third / n) / deviation)
}

fn kurtosis(all: &[f64]) -> Option<f64> {
    let n = all.len() as f64;
    let [second, _, fourth] = moments(all)?;
    let variance = second / n;
    (n >= 4.0 && variance > 0.0).then(|| {
        let plain = fourth / n / (variance * variance);
        (n - 1.0) * ((n + 1.0) * plain - 3.0 * (n - 1.0)) / ((n - 2.0) * (n - 3.0))
    })
}

fn entropy(call: &Call<'_>) -> Result<ArrayRef> {
    let all = call.lists(0)?.iter().map(|list| -> Result<Option<f64>> {
        let Some(list) = list else { return Ok(None) };
        let groups = groups(&list)?;
        let total: usize = groups.iter().map(|(_, count)| count).sum();
        let share = |count: usize| count as f64 / total as f64;
        Ok(Some(groups.iter().map(|(_, n)| -share(*n) * share(*n).log2()).sum::<f64>() + 0.0))
    });
    Ok(Arc::new(all.collect::<Result<Float64Array>>()?))
}

fn histogram_fields(item: DataType) -> Fields {
    Fields::from(vec![Field::new("key", item, false), Field::new("value", DataType::Int64, true)])
}

fn histogram_type(types: &[DataType]) -> Result<DataType> {
    let entries = DataType::Struct(histogram_fields(item_type(types)?));
    Ok(DataType::Map(Arc::new(Field::new("entries", entries, false)), false))
}

/// How often each element comes, by elements in order.
fn histogram(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = call.lists(0)?;
    let (mut keys, mut counts) = (Vec::new(), Vec::new());
    let (mut lengths, mut there) = (Vec::new(), Vec::new());
    for row in 0..call.rows {
        there.push(lists.is_valid(row));
        let start = lists.value_offsets()[row] as u64;
        let list = lists.value(row);
        let order = sort_to_indices(&list, None, None)?;
        let sorted = take(&list, &order, None)?;
        let found = if lists.is_valid(row) { groups(&sorted)? } else { Vec::new() };
        lengths.push(found.len());
        for (place, count) in found {
            keys.push(start + u64::from(order.value(place)));
            counts.push(count as i64);
        }
    }
    let keys = take(lists.values(), &UInt64Array::from(keys), None)?;
    let counts: ArrayRef = Arc::new(arrow::array::PrimitiveArray::<Int64Type>::from(counts));
    let fields = histogram_fields(keys.data_type().clone());
    let entries = StructArray::try_new(fields.clone(), vec![keys, counts], None)?;
    let field = Arc::new(Field::new("entries", DataType::Struct(fields), false));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(field, offsets, entries, Some(NullBuffer::from(there)), false)?))
}
