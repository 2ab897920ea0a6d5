//! Python's `itertools` as far as templates use it.

use minijinja::value::Tuple;
use minijinja::{Error, Value};

use crate::jinja::arguments::Arguments;
use crate::jinja::collections::{List, invalid, items, unknown_method};

/// Items a function may make.
const COMBINATIONS_MAX: usize = 100_000;

/// Calls a function of the module; what it makes is a list, not a generator.
pub(crate) fn call(method: &str, args: &[Value]) -> Result<Value, Error> {
    let mut arguments = Arguments::new(args);
    let tuples = |rows: Vec<Vec<Value>>| {
        List::value(rows.into_iter().map(|row| Value::from(Tuple::new(row))).collect())
    };
    match method {
        "chain" => {
            let mut all = Vec::new();
            for value in arguments.take_positional() {
                all.extend(items(&value)?);
            }
            Ok(List::value(all))
        }
        "product" => {
            let repeat = arguments.named("repeat").and_then(|value| value.as_usize()).unwrap_or(1);
            let pools: Result<Vec<Vec<Value>>, Error> =
                arguments.take_positional().iter().map(items).collect();
            let pools = pools?;
            let pools = std::iter::repeat_n(pools, repeat.min(64)).flatten();
            pools_product(pools.collect()).map(tuples)
        }
        "combinations" | "permutations" | "combinations_with_replacement" => {
            let pool = items(&arguments.required("iterable")?)?;
            let length = arguments.optional("r").and_then(|value| value.as_usize());
            let length = length.unwrap_or(pool.len());
            let mut rows = Vec::new();
            choose(method, pool.len(), length, &mut Vec::new(), &mut rows)?;
            Ok(tuples(
                rows.into_iter()
                    .map(|row| row.into_iter().map(|index| pool[index].clone()).collect())
                    .collect(),
            ))
        }
        "accumulate" => {
            let mut sum: Option<i64> = None;
            let mut sums = Vec::new();
            for item in items(&arguments.required("iterable")?)? {
                let item =
                    item.as_i64().ok_or_else(|| invalid("accumulate takes whole numbers"))?;
                let next = sum.unwrap_or(0).saturating_add(item);
                sum = Some(next);
                sums.push(Value::from(next));
            }
            Ok(List::value(sums))
        }
        "islice" => {
            let pool = items(&arguments.required("iterable")?)?;
            let bounds = arguments.take_positional();
            let number = |at: usize| bounds.get(at).and_then(|value: &Value| value.as_usize());
            let (start, stop) = match bounds.len() {
                0 | 1 => (0, number(0)),
                _ => (number(0).unwrap_or(0), number(1)),
            };
            let step = number(2).unwrap_or(1).max(1);
            let stop = stop.unwrap_or(pool.len()).min(pool.len());
            let kept = pool.into_iter().take(stop).skip(start).step_by(step);
            Ok(List::value(kept.collect()))
        }
        "repeat" => {
            let item = arguments.required("object")?;
            let times = arguments.required("times")?.as_usize().unwrap_or(0).min(COMBINATIONS_MAX);
            Ok(List::value(vec![item; times]))
        }
        "zip_longest" => {
            let fill = arguments.named("fillvalue").unwrap_or_else(|| Value::from(()));
            let pools: Result<Vec<Vec<Value>>, Error> =
                arguments.take_positional().iter().map(items).collect();
            let pools = pools?;
            let length = pools.iter().map(Vec::len).max().unwrap_or(0);
            let row = |at: usize| {
                pools
                    .iter()
                    .map(|pool| pool.get(at).cloned().unwrap_or_else(|| fill.clone()))
                    .collect()
            };
            Ok(tuples((0..length).map(row).collect()))
        }
        _ => Err(unknown_method()),
    }
}

fn too_many() -> Error {
    invalid(format!("more than {COMBINATIONS_MAX} combinations"))
}

fn pools_product(pools: Vec<Vec<Value>>) -> Result<Vec<Vec<Value>>, Error> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for pool in pools {
        if rows.len().saturating_mul(pool.len()) > COMBINATIONS_MAX {
            return Err(too_many());
        }
        rows = rows
            .iter()
            .flat_map(|row| {
                pool.iter().map(move |item| row.iter().cloned().chain([item.clone()]).collect())
            })
            .collect();
    }
    Ok(rows)
}

fn choose(
    method: &str,
    size: usize,
    length: usize,
    row: &mut Vec<usize>,
    rows: &mut Vec<Vec<usize>>,
) -> Result<(), Error> {
    if row.len() == length {
        if rows.len() >= COMBINATIONS_MAX {
            return Err(too_many());
        }
        rows.push(row.clone());
        return Ok(());
    }
    let first = match (method, row.last()) {
        ("combinations", Some(last)) => last + 1,
        ("combinations_with_replacement", Some(last)) => *last,
        _ => 0,
    };
    for index in first..size {
        if method == "permutations" && row.contains(&index) {
            continue;
        }
        row.push(index);
        choose(method, size, length, row, rows)?;
        row.pop();
    }
    Ok(())
}
