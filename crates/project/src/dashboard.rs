//! What a user writes in `dashboards/*.yml`: tiles of metrics or SQL on a grid, typed.
//!
//! The file's name is the dashboard; its node is `dashboard.<project>.<name>`, which stands on the
//! metrics and the `ref`s of its tiles, so that a failing test upstream is known to concern it.
//! ```yaml
//! # dashboards/company.yml
//! title: Company
//! description: What the company looks like this morning
//! owner: growth team
//! filters:
//!   - {name: period, type: time, default: last 28 days}
//!   - {name: country, type: dimension, dimension: signup__country}
//! tiles:
//!   - name: signups
//!     title: Sign-ups
//!     type: number                     # number | line | bar | area | table
//!     metrics: [signups]
//!     compare: previous_period         # or previous_year
//!     width: 3                         # of 12 columns; height in rows
//!   - name: signups_per_day
//!     type: line
//!     metrics: [signups]
//!     group_by: [metric_time__day]
//!   - name: newest
//!     type: table
//!     sql: select signup_date, signups from {{ ref('signups_daily') }}
//!     filters: {period: signup_date}   # which column each filter of the dashboard applies to
//!     order_by: [-signup_date]
//!     limit: 10
//! ```

mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{NodeId, SourceFile, Span};
use chrono::NaiveDate;

use crate::properties::Facts;
use crate::semantics::{Filter, Grain, Window};

pub(crate) use read::read;

/// Columns of the grid that tiles lie on.
pub const GRID_COLUMNS: u32 = 12;

/// Tiles of metrics or SQL on a grid.
#[derive(Clone, Debug)]
pub struct Dashboard {
    /// Its node.
    pub id: NodeId,
    /// The file's name without `.yml`.
    pub name: String,
    /// A title for people.
    pub title: String,
    /// What can be chosen above the tiles.
    pub filters: Vec<DashboardFilter>,
    /// What is shown.
    pub tiles: Vec<Tile>,
    /// Description, owner, tags.
    pub(crate) facts: Facts,
    /// The file it was read from.
    pub file: Arc<SourceFile>,
    /// Where it is written.
    pub span: Span,
}

impl Dashboard {
    /// What it is for, in the user's words.
    pub fn description(&self) -> &str {
        &self.facts.description
    }

    /// A tile by its name.
    pub fn tile(&self, name: &str) -> Option<&Tile> {
        self.tiles.iter().find(|tile| tile.name == name)
    }

    /// A filter by its name.
    pub fn filter(&self, name: &str) -> Option<&DashboardFilter> {
        self.filters.iter().find(|filter| filter.name == name)
    }
}

/// What can be chosen above the tiles.
#[derive(Clone, Debug)]
pub struct DashboardFilter {
    /// Its name.
    pub name: String,
    /// A title for people.
    pub label: String,
    /// What is chosen.
    pub kind: DashboardFilterKind,
    /// Where it is written.
    pub span: Span,
}

/// What a filter chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DashboardFilterKind {
    /// From when to when.
    Time {
        /// What is chosen at first.
        default: TimeRange,
    },
    /// Values of a dimension.
    Dimension {
        /// Its name: `signup__country`.
        dimension: String,
        /// What is chosen at first; nothing is everything.
        default: Vec<String>,
    },
}

/// From when to when, both days included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeRange {
    /// Everything.
    #[default]
    All,
    /// The days up to today, today included: `last 28 days`.
    Last(Window),
    /// From the start of the present one: `this month`.
    This(Grain),
    /// Two days.
    Between(NaiveDate, NaiveDate),
}

impl TimeRange {
    /// Reads `all`, `last 28 days`, `this month`, `2026-05-01 to 2026-05-25`.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text == "all" {
            return Some(Self::All);
        }
        if let Some(window) = text.strip_prefix("last ") {
            let window = window.trim();
            let counted = window.starts_with(|letter: char| letter.is_ascii_digit());
            let window = if counted { window.to_owned() } else { format!("1 {window}") };
            return Window::read(&window).filter(|one| one.grain >= Grain::Day).map(Self::Last);
        }
        if let Some(grain) = text.strip_prefix("this ") {
            let grain = Grain::from_word(grain.trim()).filter(|grain| *grain >= Grain::Day);
            return grain.map(Self::This);
        }
        let (from, to) = text
            .split_once(" to ")
            .or_else(|| text.split_once(".."))
            .map_or_else(|| (text.as_str(), text.as_str()), |(from, to)| (from.trim(), to.trim()));
        let (from, to): (NaiveDate, NaiveDate) = (from.parse().ok()?, to.parse().ok()?);
        (from <= to).then_some(Self::Between(from, to))
    }
}

impl std::fmt::Display for TimeRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Last(window) => write!(f, "last {window}"),
            Self::This(grain) => write!(f, "this {}", grain.word()),
            Self::Between(from, to) => write!(f, "{from} to {to}"),
        }
    }
}

/// How a tile is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileKind {
    /// One number.
    Number,
    /// Lines over time.
    Line,
    /// Bars.
    Bar,
    /// Areas over time.
    Area,
    /// Rows.
    Table,
}

impl TileKind {
    /// Words of YAML.
    pub const WORDS: &[(&str, Self)] = &[
        ("number", Self::Number),
        ("line", Self::Line),
        ("bar", Self::Bar),
        ("area", Self::Area),
        ("table", Self::Table),
    ];

    /// As YAML spells it.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// What a tile's numbers are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same number of days before.
    PreviousPeriod,
    /// The same days a year before.
    PreviousYear,
}

impl Comparison {
    /// Words of YAML.
    pub const WORDS: &[(&str, Self)] =
        &[("previous_period", Self::PreviousPeriod), ("previous_year", Self::PreviousYear)];

    /// As YAML spells it.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }
}

/// Where a tile lies on the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TilePlace {
    /// First column, from 0.
    pub x: u32,
    /// First row, from 0.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// How a column's values are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnFormat {
    /// A title for people.
    pub label: Option<String>,
    /// What is counted: `USD`, `%`.
    pub unit: Option<String>,
    /// `number`, `percent`, `currency`, `date`.
    pub format: Option<String>,
    /// Digits after the point.
    pub decimals: Option<u8>,
}

/// Where a tile's rows come from.
#[derive(Clone, Debug)]
pub enum TileSource {
    /// Metrics.
    Metrics {
        /// Their names.
        metrics: Vec<String>,
        /// What they are grouped by.
        group_by: Vec<String>,
        /// Conditions.
        filters: Vec<Filter>,
    },
    /// SQL with Jinja.
    Sql {
        /// As written.
        text: String,
        /// Where.
        span: Span,
        /// The column that each filter of the dashboard applies to.
        columns: BTreeMap<String, String>,
    },
}

/// One thing shown.
#[derive(Clone, Debug)]
pub struct Tile {
    /// Its name.
    pub name: String,
    /// A title for people.
    pub title: String,
    /// What it says, in the user's words.
    pub description: String,
    /// How it is drawn.
    pub kind: TileKind,
    /// Where its rows come from.
    pub source: TileSource,
    /// The order of its rows: names, with `-` before those that fall.
    pub order_by: Vec<String>,
    /// The most rows.
    pub limit: Option<u64>,
    /// A time range of its own, whatever the dashboard's filter says.
    pub range: Option<TimeRange>,
    /// What it is held against.
    pub compare: Option<Comparison>,
    /// How columns are shown.
    pub formats: BTreeMap<String, ColumnFormat>,
    /// Where it lies.
    pub place: TilePlace,
    /// Where it is written.
    pub span: Span,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_ranges_are_read_in_words() {
        let last = |count, grain| Some(TimeRange::Last(Window { count, grain }));
        assert_eq!(TimeRange::read("last 28 days"), last(28, Grain::Day));
        assert_eq!(TimeRange::read("Last month"), last(1, Grain::Month));
        assert_eq!(TimeRange::read("this year"), Some(TimeRange::This(Grain::Year)));
        assert_eq!(TimeRange::read("last 3 hours"), None);
        assert_eq!(TimeRange::read("2026-05-02 to 2026-05-01"), None);
        let two = TimeRange::read("2026-05-01 to 2026-05-25");
        assert_eq!(two.map(|range| range.to_string()).as_deref(), Some("2026-05-01 to 2026-05-25"));
    }
}
