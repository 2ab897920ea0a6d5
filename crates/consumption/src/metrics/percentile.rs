//! Medians and percentiles, written with row numbers: the same in every dialect.

use project::semantics::{AggregateFunction, Aggregation, Percentile};

use super::combine::VALUE;
use super::sql::{conditions, group_by, indented, select};

/// The share that an aggregation is taken at; none for other functions.
pub(super) fn share(aggregation: &Aggregation) -> Option<Percentile> {
    match aggregation.function {
        AggregateFunction::Median => Some(Percentile { at: 0.5, discrete: false }),
        AggregateFunction::Percentile => {
            Some(aggregation.percentile.unwrap_or(Percentile { at: 0.5, discrete: false }))
        }
        AggregateFunction::Sum
        | AggregateFunction::SumBoolean
        | AggregateFunction::Count
        | AggregateFunction::CountDistinct
        | AggregateFunction::Average
        | AggregateFunction::Min
        | AggregateFunction::Max => None,
    }
}

/// Rows are numbered by value within their group; the value at the share, or between the two
/// beside it, is what remains. Missing values come last and are not counted.
pub(super) fn sql(keys: &[String], rows: &str, wheres: &[String], share: Percentile) -> String {
    let at = share.at.clamp(0.0, 1.0);
    let by = match keys.is_empty() {
        true => String::new(),
        false => format!("partition by {} ", keys.join(", ")),
    };
    let mut items = keys.to_vec();
    items.push("cast(value as double precision) as value".to_owned());
    let order = "order by case when value is null then 1 else 0 end, value";
    items.push(format!("row_number() over ({by}{order}) as place"));
    items.push(format!("count(value) over ({}) as places", by.trim_end()));
    let numbered = format!(
        "{}\nfrom (\n{}\n) as unnumbered{}",
        select(&items),
        indented(rows),
        conditions(wheres)
    );
    let mut items = keys.to_vec();
    if share.discrete {
        let place = format!("greatest(1, ceil({at:?} * places))");
        items.push(format!("max(case when place = {place} then value end) as {VALUE}"));
    } else {
        let place = format!("({at:?} * (places - 1) + 1)");
        let at = |which: &str| {
            format!("max(case when place = {which}({place}) and place <= places then value end)")
        };
        let part = format!("max({place} - floor({place}))");
        let (low, high) = (at("floor"), at("ceil"));
        items.push(format!("{low} + ({high} - {low}) * {part} as {VALUE}"));
    }
    format!("{}\nfrom (\n{}\n) as numbered{}", select(&items), indented(&numbered), group_by(keys))
}
