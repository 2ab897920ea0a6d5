//! Date functions that take a unit by name.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Interval,
};

use super::super::dialect::Dialect;
use super::super::time;
use super::super::tree::{as_text, binary, call, folded, text};
use super::super::type_names::{cast, double};
use super::super::walk::{Scene, refused};
use crate::error::QueryError;

/// Rewrites a call of one of them.
pub(super) fn rewrite(
    scene: &Scene<'_>,
    node: &Expr,
    name: &str,
    arguments: &[&Expr],
) -> Result<Option<Expr>, QueryError> {
    let own = |index: usize| arguments.get(index).map(|argument| (*argument).clone());
    let duckdb = scene.dialect == Dialect::Duckdb;
    let postgres = scene.dialect == Dialect::Postgres;
    Ok(match (name, arguments.len()) {
        ("date_part" | "datepart", 2) => {
            let Some(unit) = own(0).as_ref().and_then(as_text).map(str::to_ascii_lowercase) else {
                return Err(refused(
                    scene,
                    node,
                    "\"date_part\" of a computed unit is not run",
                    "Write the unit as a literal: date_part('day', x).",
                ));
            };
            own(1).map(|value| date_part(scene.dialect, &unit, value, false))
        }
        ("date_diff" | "datediff" | "timestampdiff", 3) if !postgres => {
            Some(unit_call(scene, node, "fp_date_diff", name, arguments)?)
        }
        ("date_sub" | "datesub", 3) if duckdb => {
            Some(unit_call(scene, node, "fp_date_sub", name, arguments)?)
        }
        ("dateadd" | "date_add" | "timestampadd", 3) if !postgres => {
            let unit = unit_name(arguments).ok_or_else(|| unit_refusal(scene, node, name))?;
            match (own(1), own(2)) {
                (Some(count), Some(start)) => {
                    let apart = time::times(count, one(&unit));
                    Some(binary(start, BinaryOperator::Plus, apart))
                }
                _ => None,
            }
        }
        ("date_trunc" | "datetrunc", 2) => {
            let unit = own(0).as_ref().and_then(as_text).map(str::to_ascii_lowercase);
            match (unit, own(1)) {
                (Some(unit), Some(value)) => {
                    Some(date_trunc(scene.dialect, &singular(&unit), value))
                }
                _ => return Err(unit_refusal(scene, node, name)),
            }
        }
        ("age", 1) if duckdb || postgres => {
            own(0).map(|value| call("fp_age", vec![time::day(scene, 0), value]))
        }
        _ => None,
    })
}

/// `interval '1 unit'`.
fn one(unit: &str) -> Expr {
    Expr::Interval(Interval {
        value: Box::new(text(format!("1 {unit}"))),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

fn singular(unit: &str) -> String {
    match unit {
        "s" | "us" | "ms" => unit.to_owned(),
        "centuries" => "century".to_owned(),
        "millennia" => "millennium".to_owned(),
        _ => unit.trim_end_matches('s').to_owned(),
    }
}

/// DataFusion's own is fast and prunes; ours knows the other units, and intervals.
fn date_trunc(dialect: Dialect, unit: &str, value: Expr) -> Expr {
    const OWN: [&str; 6] = ["decade", "century", "millennium", "isoyear", "hundred", "thousand"];
    let unit = match (dialect, unit) {
        // DuckDB's begin with the year that ends in 00.
        (Dialect::Duckdb, "century") => "hundred",
        (Dialect::Duckdb, "millennium") => "thousand",
        (_, unit) => unit,
    };
    let name = if super::is_interval(&value) || OWN.contains(&unit) {
        "fp_date_trunc"
    } else {
        "date_trunc"
    };
    call(name, vec![text(unit), value])
}

/// `make_interval(days => 3, hours => 2)`.
pub(super) fn make_interval(function: &Function) -> Option<Expr> {
    const UNITS: [(&str, &str); 7] = [
        ("years", "year"),
        ("months", "month"),
        ("weeks", "week"),
        ("days", "day"),
        ("hours", "hour"),
        ("mins", "minute"),
        ("secs", "second"),
    ];
    let FunctionArguments::List(list) = &function.args else { return None };
    let parts: Option<Vec<Expr>> = list
        .args
        .iter()
        .enumerate()
        .map(|(index, argument)| {
            let (unit, count) = match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(count)) => (UNITS.get(index)?.1, count),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(count), .. } => {
                    let name = folded(name);
                    (UNITS.iter().find(|(word, _)| *word == name)?.1, count)
                }
                _ => return None,
            };
            Some(time::times(count.clone(), one(unit)))
        })
        .collect();
    parts?.into_iter().reduce(|all, part| binary(all, BinaryOperator::Plus, part))
}

/// A part of a date, in the type its home gives it.
pub(crate) fn date_part(dialect: Dialect, unit: &str, value: Expr, extract: bool) -> Expr {
    let whole = !matches!(
        (unit, dialect),
        ("epoch" | "julian", _)
            | ("second" | "seconds" | "milliseconds" | "millisecond", Dialect::Postgres)
    );
    // DataFusion's own is fast and prunes; ours knows the other parts.
    let plain = matches!(unit, "year" | "quarter" | "month" | "day" | "doy" | "hour" | "minute");
    let value = match whole {
        true if plain => cast(call("date_part", vec![text(unit), value]), DataType::BigInt(None)),
        true => call("fp_date_part", vec![text(unit), value]),
        false => call("fp_date_part_fraction", vec![text(unit), value]),
    };
    match (dialect, extract, whole) {
        (Dialect::Postgres, true, true) => {
            cast(value, DataType::Decimal(ExactNumberInfo::PrecisionAndScale(20, 0)))
        }
        (Dialect::Postgres, true, false) => {
            cast(value, DataType::Decimal(ExactNumberInfo::PrecisionAndScale(20, 6)))
        }
        (Dialect::Postgres, false, true) => cast(value, double()),
        _ => value,
    }
}

fn unit_name(arguments: &[&Expr]) -> Option<String> {
    let unit = match arguments.first()? {
        Expr::Identifier(name) => folded(name),
        other => as_text(other)?.to_ascii_lowercase(),
    };
    let unit = match unit.as_str() {
        "yy" | "yyyy" | "y" => "year".to_owned(),
        "mon" | "mm" => "month".to_owned(),
        "d" | "dd" => "day".to_owned(),
        "hh" | "h" | "hr" => "hour".to_owned(),
        "mi" | "m" | "min" => "minute".to_owned(),
        "s" | "ss" | "sec" => "second".to_owned(),
        "ms" => "millisecond".to_owned(),
        "us" => "microsecond".to_owned(),
        "w" | "wk" => "week".to_owned(),
        "qtr" | "q" => "quarter".to_owned(),
        other => singular(other),
    };
    const UNITS: [&str; 13] = [
        "year",
        "quarter",
        "month",
        "week",
        "day",
        "hour",
        "minute",
        "second",
        "millisecond",
        "microsecond",
        "decade",
        "century",
        "isoyear",
    ];
    UNITS.contains(&unit.as_str()).then_some(unit)
}

fn unit_refusal(scene: &Scene<'_>, node: &Expr, name: &str) -> QueryError {
    refused(
        scene,
        node,
        format!("the unit of \"{name}\" is not known"),
        "Write it as a literal: year, quarter, month, week, day, hour, minute or second.",
    )
}

fn unit_call(
    scene: &Scene<'_>,
    node: &Expr,
    kernel: &str,
    name: &str,
    arguments: &[&Expr],
) -> Result<Expr, QueryError> {
    let mut unit = unit_name(arguments).ok_or_else(|| unit_refusal(scene, node, name))?;
    if unit == "week" && scene.dialect == Dialect::Duckdb {
        // It counts sevens of days, not Mondays.
        "seven".clone_into(&mut unit);
    }
    let mut all = vec![text(unit)];
    all.extend(arguments.iter().skip(1).map(|argument| (*argument).clone()));
    Ok(call(kernel, all))
}
