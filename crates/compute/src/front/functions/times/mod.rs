//! Dates, moments and intervals.

mod differences;
mod making;
mod parts;
mod truncating;
mod words;
mod zones;

use arrow::datatypes::{DataType, IntervalUnit};
use datafusion::logical_expr::ScalarUDF;

use super::formats;
use super::kernel::{Kernel, Returns, Want, local_timestamp, returns};

pub(crate) use zones::{utc, walls};

pub(crate) const DAY_US: i64 = 86_400_000_000;
const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const MOMENT: &[Want] = &[Want::Moment];

pub(crate) fn all() -> Vec<ScalarUDF> {
    let mut all = zones::all();
    all.extend(differences::all());
    all.extend(parts::all());
    all.extend(making::all());
    all.extend(truncating::all());
    all.extend(words::all());
    all.extend(as_text());
    all
}

/// Moments written by a format, and read by one.
fn as_text() -> Vec<ScalarUDF> {
    const FORMAT: &[Want] = &[Want::Moment, Want::Text];
    const TEMPLATE: &[Want] = &[Want::Text, Want::Text];
    let text: Returns = returns!(DataType::Utf8);
    let moment: Returns = returns!(local_timestamp());
    vec![
        Kernel::udf("fp_strftime", FORMAT, text, formats::strftime),
        Kernel::udf("fp_to_char", FORMAT, text, formats::to_char),
        Kernel::udf(
            "fp_strptime",
            &[Want::Text, Want::Any, Want::Truth],
            moment,
            formats::strptime,
        ),
        Kernel::udf("fp_to_timestamp", TEMPLATE, moment, formats::to_timestamp),
    ]
}
