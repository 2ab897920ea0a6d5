//! Pieces of SQL in the project's dialect.

use chrono::NaiveDate;
use compute::Dialect;
use project::Relation;
use project::semantics::{Grain, Window};

/// Writes SQL for one dialect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    pub(super) dialect: Dialect,
}

impl Writer {
    /// A name of ours or of the user's, as the dialect quotes it.
    pub(super) fn name(self, name: &str) -> String {
        match self.dialect {
            Dialect::Bigquery => format!("`{}`", name.replace('`', "\\`")),
            Dialect::Snowflake if is_plain(name) => name.to_owned(),
            Dialect::Duckdb | Dialect::Postgres | Dialect::Snowflake => {
                format!("\"{}\"", name.replace('"', "\"\""))
            }
        }
    }

    /// A table.
    pub(super) fn table(self, relation: &Relation) -> String {
        format!("{}.{}", self.name(&relation.schema), self.name(&relation.identifier))
    }

    /// A time rounded down: a date from days on, a moment below.
    pub(super) fn truncated(self, grain: Grain, expression: &str) -> String {
        let rounded = format!("date_trunc('{}', {expression})", grain.word());
        if grain < Grain::Day { rounded } else { format!("cast({rounded} as date)") }
    }

    /// A time moved on.
    pub(super) fn later(self, expression: &str, window: Window) -> String {
        format!("({expression} + interval '{}')", window.interval())
    }

    /// A time moved back.
    pub(super) fn earlier(self, expression: &str, window: Window) -> String {
        format!("({expression} - interval '{}')", window.interval())
    }

    /// A number with a fraction.
    pub(super) fn double(self, expression: &str) -> String {
        format!("cast({expression} as double precision)")
    }
}

/// The start of a day, to compare any kind of time with.
pub(super) fn moment(day: NaiveDate) -> String {
    format!("cast('{day} 00:00:00' as timestamp)")
}

/// The first day after a day.
pub(super) fn day_after(day: NaiveDate) -> NaiveDate {
    day.succ_opt().unwrap_or(day)
}

/// Moves a block of SQL two spaces to the right.
pub(super) fn indented(text: &str) -> String {
    let mut moved = String::with_capacity(text.len() + 64);
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            moved.push('\n');
        }
        if !line.is_empty() {
            moved.push_str("  ");
        }
        moved.push_str(line);
    }
    moved
}

/// `select`, one item a line.
pub(super) fn select(items: &[String]) -> String {
    let lines: Vec<String> = items.iter().map(|item| format!("  {item}")).collect();
    format!("select\n{}", lines.join(",\n"))
}

/// `group by 1, 2`; nothing for no keys.
pub(super) fn group_by(items: &[String]) -> String {
    if items.is_empty() { String::new() } else { format!("\ngroup by {}", items.join(", ")) }
}

/// `where a and b`; nothing for no conditions.
pub(super) fn conditions(items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    format!("\nwhere {}", items.join("\n  and "))
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '_')
        && name.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
}
