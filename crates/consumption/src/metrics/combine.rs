//! Branches put together by what they are grouped by.

use project::semantics::Metric;

use super::plan::Planner;
use super::sql::{group_by, indented, select};
use super::tree::{Branches, mark};

/// The column of a branch that holds what it counted.
pub(super) const VALUE: &str = "counted";

impl Planner<'_> {
    /// Every branch is a query of its own; several are stacked, and each group is read off the
    /// stack: a full join on the groupings in which nothing can meet its like twice, and in which
    /// missing groupings find each other too.
    pub(super) fn combine(&self, branches: &Branches, metrics: &[(&Metric, String)]) -> String {
        let keys: Vec<String> = (1..=self.keys.len()).map(|number| format!("k{number}")).collect();
        let one = branches.sql.len() == 1;
        let mut items: Vec<String> = keys
            .iter()
            .zip(&self.keys)
            .map(|(key, named)| format!("{key} as {}", self.writer.name(&named.name)))
            .collect();
        for (metric, expression) in metrics {
            let mut expression = expression.clone();
            for branch in 0..branches.sql.len() {
                let column = if one { VALUE.to_owned() } else { format!("c{}", branch + 1) };
                expression = expression.replace(&mark(branch), &column);
            }
            items.push(format!("{expression} as {}", self.writer.name(&metric.name)));
        }
        let from = if one { branches.sql[0].clone() } else { stacked(&keys, branches) };
        format!("{}\nfrom (\n{}\n) as counted_rows", select(&items), indented(&from))
    }
}

fn stacked(keys: &[String], branches: &Branches) -> String {
    let count = branches.sql.len();
    let mut parts = Vec::new();
    for (number, sql) in branches.sql.iter().enumerate() {
        let mut items: Vec<String> = keys.to_vec();
        for column in 0..count {
            let value = if column == number { VALUE } else { "null" };
            items.push(format!("{value} as c{}", column + 1));
        }
        parts.push(format!("{}\nfrom (\n{}\n) as b{}", select(&items), indented(sql), number + 1));
    }
    let mut items: Vec<String> = keys.to_vec();
    items.extend((1..=count).map(|number| format!("max(c{number}) as c{number}")));
    format!(
        "{}\nfrom (\n{}\n) as stacked{}",
        select(&items),
        indented(&parts.join("\nunion all\n")),
        group_by(keys)
    )
}
