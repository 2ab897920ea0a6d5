//! `count(distinct x)` for many groups at once.
//!
//! DataFusion keeps one set per group for everything but integers: with text, some 25 kB each,
//! which is 5 GB for 200,000 users. Here each value is numbered once, by the tables that `group
//! by` uses, and one set holds the pairs of group and number.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, UInt64Array, new_empty_array,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    ReversedUDAF, SetMonotonicity, Signature, StatisticsArgs,
};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use datafusion::prelude::SessionContext;

/// Replaces `count` by one that counts distinct values of any type in little memory.
pub(crate) fn register(context: &SessionContext) {
    context.register_udaf(AggregateUDF::from(Count { inner: count_udaf() }));
}

/// DataFusion's `count`, but for `distinct` in groups.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Count {
    inner: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Count {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        match numbered_type(&args) {
            Some(_) => true,
            None => self.inner.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match numbered_type(&args) {
            Some(value_type) => Ok(Box::new(DistinctCounts::new(value_type)?)),
            None => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn value_from_stats(&self, statistics: &StatisticsArgs) -> Option<ScalarValue> {
        self.inner.value_from_stats(statistics)
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

/// The type of the values to be numbered, when this is a `count(distinct one_column)` for which
/// DataFusion has nothing better. A dictionary's state holds its values, not its keys.
fn numbered_type(args: &AccumulatorArgs) -> Option<DataType> {
    let [field] = args.expr_fields else { return None };
    let value_type = field.data_type();
    let left_alone =
        value_type.is_integer() || matches!(value_type, DataType::Dictionary(..) | DataType::Null);
    (args.is_distinct && !left_alone).then(|| value_type.clone())
}

/// How many distinct values each group has.
struct DistinctCounts {
    value_type: DataType,
    /// Numbers the values from 0 on.
    values: Box<dyn GroupValues>,
    /// Group in the upper half, number of the value in the lower.
    pairs: HashSet<u64, foldhash::fast::RandomState>,
    counts: Vec<i64>,
    /// Numbers of the values of the batch at hand.
    numbers: Vec<usize>,
}

fn numbering(value_type: &DataType) -> Result<Box<dyn GroupValues>> {
    let schema = Schema::new(vec![Field::new("value", value_type.clone(), true)]);
    new_group_values(Arc::new(schema), &GroupOrdering::None)
}

fn pair(group: usize, number: usize) -> Result<u64> {
    match (u32::try_from(group), u32::try_from(number)) {
        (Ok(group), Ok(number)) => Ok((u64::from(group) << 32) | u64::from(number)),
        _ => exec_err!("count(distinct) found more than {} values or groups", u32::MAX),
    }
}

fn halves(pair: u64) -> (usize, usize) {
    ((pair >> 32) as usize, (pair & u64::from(u32::MAX)) as usize)
}

impl DistinctCounts {
    fn new(value_type: DataType) -> Result<Self> {
        let values = numbering(&value_type)?;
        let pairs = HashSet::default();
        Ok(Self { value_type, values, pairs, counts: Vec::new(), numbers: Vec::new() })
    }

    fn add(
        &mut self,
        values: &ArrayRef,
        groups: impl Iterator<Item = usize>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let mut numbers = std::mem::take(&mut self.numbers);
        self.values.intern(std::slice::from_ref(values), &mut numbers)?;
        let nulls = values.logical_nulls();
        for (row, group) in groups.enumerate() {
            let counted = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
                && filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if counted && self.pairs.insert(pair(group, numbers[row])?) {
                self.counts[group] += 1;
            }
        }
        self.numbers = numbers;
        Ok(())
    }

    fn grow(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
    }

    /// Takes the pairs of the first groups out, and renumbers what stays.
    fn take_first(&mut self, emit_to: EmitTo) -> Result<Taken> {
        let counts = emit_to.take_needed(&mut self.counts);
        let groups = counts.len();
        let mut pairs: Vec<u64> = Vec::with_capacity(self.pairs.len());
        let mut staying: Vec<u64> = Vec::new();
        for pair in std::mem::take(&mut self.pairs) {
            if halves(pair).0 < groups { pairs.push(pair) } else { staying.push(pair) }
        }
        let values = self.take_values()?;
        if !staying.is_empty() {
            let places = staying.iter().map(|pair| halves(*pair).1 as u64);
            let kept = take(&values, &UInt64Array::from_iter_values(places), None)?;
            let mut numbers = Vec::new();
            self.values.intern(&[kept], &mut numbers)?;
            for (old, number) in staying.iter().zip(numbers) {
                self.pairs.insert(pair(halves(*old).0 - groups, number)?);
            }
        }
        Ok(Taken { counts, pairs, values })
    }

    /// All numbered values in the order of their numbers; the numbering begins anew.
    fn take_values(&mut self) -> Result<ArrayRef> {
        // The numbering of nested types cannot be emptied before it was given a value.
        if self.values.is_empty() {
            return Ok(new_empty_array(&self.value_type));
        }
        let mut columns = self.values.emit(EmitTo::All)?;
        self.values = numbering(&self.value_type)?;
        match columns.pop() {
            Some(values) => Ok(values),
            None => internal_err!("a numbering of one column gave none"),
        }
    }
}

/// What was counted for some groups.
struct Taken {
    counts: Vec<i64>,
    pairs: Vec<u64>,
    values: ArrayRef,
}

impl Taken {
    /// The distinct values of each group.
    fn lists(self) -> Result<ArrayRef> {
        let lengths = self.counts.iter().map(|count| *count as usize);
        let Ok(_) = i32::try_from(self.pairs.len()) else {
            return exec_err!("count(distinct) holds {} values at once", self.pairs.len());
        };
        let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
        let mut next: Vec<usize> = offsets.iter().map(|offset| *offset as usize).collect();
        let mut places = vec![0_u64; self.pairs.len()];
        for (group, number) in self.pairs.into_iter().map(halves) {
            places[next[group]] = number as u64;
            next[group] += 1;
        }
        let places = UInt64Array::new(ScalarBuffer::from(places), None);
        let items = take(&self.values, &places, None)?;
        list_of(items, offsets)
    }
}

fn list_of(items: ArrayRef, offsets: OffsetBuffer<i32>) -> Result<ArrayRef> {
    let item = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, offsets, items, None)?))
}

impl GroupsAccumulator for DistinctCounts {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let [values] = values else {
            return internal_err!("count(distinct) takes one column, not {}", values.len());
        };
        self.grow(total_num_groups);
        self.add(values, group_indices.iter().copied(), opt_filter)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let taken = self.take_first(emit_to)?;
        Ok(Arc::new(Int64Array::from(taken.counts)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.take_first(emit_to)?.lists()?])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let ([lists], None) = (values, opt_filter) else {
            return internal_err!("count(distinct) merges one column without a filter");
        };
        self.grow(total_num_groups);
        let lists = lists.as_list::<i32>();
        let (first, last) = (lists.value_offsets()[0], lists.value_offsets()[lists.len()]);
        let items = lists.values().slice(first as usize, (last - first) as usize);
        let lengths = lists.offsets().lengths();
        let groups = group_indices.iter().zip(lengths);
        let groups = groups.flat_map(|(group, length)| std::iter::repeat_n(*group, length));
        self.add(&items, groups, None)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let [values] = values else {
            return internal_err!("count(distinct) takes one column, not {}", values.len());
        };
        let nulls = values.logical_nulls();
        let counted: BooleanArray = (0..values.len())
            .map(|row| {
                Some(
                    nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
                        && opt_filter.is_none_or(|one| one.is_valid(row) && one.value(row)),
                )
            })
            .collect();
        let offsets = OffsetBuffer::from_lengths(counted.values().iter().map(usize::from));
        let items = arrow::compute::filter(values, &counted)?;
        Ok(vec![list_of(items, offsets)?])
    }

    fn supports_convert_to_state(&self) -> bool {
        true
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.values.size()
            // A slot of the set is the pair and one byte that says whether it is taken.
            + self.pairs.capacity() * (size_of::<u64>() + 1)
            + self.counts.capacity() * size_of::<i64>()
            + self.numbers.capacity() * size_of::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringViewArray;
    use arrow::datatypes::{Int32Type, Int64Type};
    use proptest::prelude::*;

    use super::*;

    /// A group and its value.
    type Row = (usize, Option<u8>);

    fn texts(rows: &[Row]) -> ArrayRef {
        let values = rows.iter().map(|(_, value)| value.map(|value| format!("value {value}")));
        Arc::new(values.collect::<StringViewArray>())
    }

    /// A nested type, which is numbered in another way than text.
    fn lists(rows: &[Row]) -> ArrayRef {
        let values = rows.iter().map(|(_, value)| value.map(|value| [Some(i32::from(value))]));
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(values))
    }

    fn groups(rows: &[Row]) -> Vec<usize> {
        rows.iter().map(|(group, _)| *group).collect()
    }

    fn expected(rows: &[Row], total: usize) -> Vec<i64> {
        let mut sets = vec![HashSet::new(); total];
        for (group, value) in rows {
            sets[*group].extend(*value);
        }
        sets.iter().map(|set| set.len() as i64).collect()
    }

    fn counts(array: &ArrayRef) -> Vec<i64> {
        array.as_primitive::<Int64Type>().values().to_vec()
    }

    const GROUPS: usize = 6;

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        proptest::collection::vec((0..GROUPS, proptest::option::weighted(0.8, 0..5_u8)), 0..60)
    }

    /// Counts the first rows in part, early groups leaving first as they do when the input is
    /// sorted by group, and merges the second rows into them.
    fn merged(
        column: fn(&[Row]) -> ArrayRef,
        first: &[Row],
        second: &[Row],
        early: usize,
    ) -> Vec<i64> {
        let value_type = column(&[]).data_type().clone();
        let fresh = || DistinctCounts::new(value_type.clone()).unwrap();
        let mut partial = fresh();
        partial.update_batch(&[column(first)], &groups(first), None, GROUPS).unwrap();
        let mut whole = fresh();
        let state = partial.state(EmitTo::First(early)).unwrap();
        let those: Vec<usize> = (0..early).collect();
        whole.merge_batch(&state, &those, None, GROUPS).unwrap();
        let state = partial.state(EmitTo::All).unwrap();
        let those: Vec<usize> = (early..GROUPS).collect();
        whole.merge_batch(&state, &those, None, GROUPS).unwrap();
        let state = fresh().convert_to_state(&[column(second)], None).unwrap();
        whole.merge_batch(&state, &groups(second), None, GROUPS).unwrap();

        let mut counted = counts(&whole.evaluate(EmitTo::First(early)).unwrap());
        counted.extend(counts(&whole.evaluate(EmitTo::All).unwrap()));
        counted
    }

    proptest! {
        #[test]
        fn partial_counts_merge_to_what_sets_count(
            first in rows(), second in rows(), early in 0..=GROUPS,
        ) {
            let all: Vec<_> = first.iter().chain(&second).copied().collect();
            let expected = expected(&all, GROUPS);
            prop_assert_eq!(merged(texts, &first, &second, early), expected.clone());
            prop_assert_eq!(merged(lists, &first, &second, early), expected);
        }
    }

    #[test]
    fn groups_that_hold_nothing_but_null_leave_last() {
        let first = [(0, Some(1)), (5, None)];
        for column in [texts, lists] {
            assert_eq!(merged(column, &first, &[], 1), [1, 0, 0, 0, 0, 0]);
        }
    }

    #[test]
    fn rows_that_a_filter_leaves_out_are_not_counted() {
        let rows = [(0, Some(1)), (0, Some(2)), (1, Some(1)), (1, None)];
        let filter = BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]);
        let mut counted = DistinctCounts::new(DataType::Utf8View).unwrap();
        counted.update_batch(&[texts(&rows)], &groups(&rows), Some(&filter), 2).unwrap();
        assert_eq!(counts(&counted.evaluate(EmitTo::All).unwrap()), [1, 0]);
    }
}
