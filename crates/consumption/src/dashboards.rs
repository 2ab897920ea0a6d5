//! Dashboards: each tile is asked by itself, so that a broken one never takes the others along,
//! and says how fresh it is and whether a test upstream failed.

mod health;
mod range;
mod tile;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use project::Project;
use project::dashboard::{Dashboard, DashboardFilterKind, TileSource};
use serde::Serialize;
use serde_json::Value;

use crate::ConsumptionError;
use crate::metrics::AnsweredColumn;

pub use range::days;
pub use tile::{render, render_tile};

/// What was chosen above the tiles: values by the filter's name. A time is one text, such as
/// `last 7 days`; a dimension any number of values.
pub type Chosen = BTreeMap<String, Vec<String>>;

/// A dashboard without its rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DashboardInfo {
    /// Its name.
    pub name: String,
    /// A title for people.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its node in the graph.
    pub node: String,
    /// The file it is declared in.
    pub path: String,
    /// What can be chosen above the tiles.
    pub filters: Vec<FilterInfo>,
    /// What is shown.
    pub tiles: Vec<TileInfo>,
}

/// What can be chosen above the tiles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FilterInfo {
    /// Its name, which is the parameter's name too.
    pub name: String,
    /// A title for people.
    pub label: String,
    /// `time` or `dimension`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The dimension's name.
    pub dimension: Option<String>,
    /// What is chosen at first.
    pub default: Vec<String>,
}

/// A tile without its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TileInfo {
    /// Its name.
    pub name: String,
    /// A title for people.
    pub title: String,
    /// What it says.
    pub description: String,
    /// `number`, `line`, `bar`, `area`, `table`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Metrics it shows; none for SQL.
    pub metrics: Vec<String>,
    /// First column of twelve, from 0.
    pub x: u32,
    /// First row, from 0.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `previous_period`, `previous_year`.
    pub compare: Option<&'static str>,
}

/// A tile with its rows, or with why it has none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TileData {
    /// The tile.
    #[serde(flatten)]
    pub tile: TileInfo,
    /// The dashboard's node, which the tile's lineage begins at.
    pub node: String,
    /// Nodes it stands on directly: metrics, models.
    pub parents: Vec<String>,
    /// Columns in order.
    pub columns: Vec<AnsweredColumn>,
    /// Rows, each with a value per column.
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more rows than these.
    pub truncated: bool,
    /// From when to when; none for everything.
    pub range: Option<RangeInfo>,
    /// The same before.
    pub comparison: Option<ComparisonData>,
    /// Filters of the dashboard that do not apply to this tile.
    pub not_filtered_by: Vec<String>,
    /// How fresh it is.
    pub freshness: Freshness,
    /// What is known about what it stands on.
    pub health: Health,
    /// The SQL that was run.
    pub sql: Option<String>,
    /// Whether the rows were kept from before, nothing having changed since.
    pub cached: bool,
    /// Why there are no rows.
    pub error: Option<TileError>,
}

/// From when to when, both days included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RangeInfo {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// In words: `last 28 days`.
    pub label: String,
}

/// The same before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparisonData {
    /// `previous_period`, `previous_year`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Rows with the columns of the tile.
    pub rows: Vec<Vec<Value>>,
    /// For a single number: by how much it grew, in percent; none when there was nothing before.
    pub change_percent: Option<f64>,
}

/// How fresh rows are, by the business clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// When the newest table version below was published.
    pub as_of: Option<DateTime<Utc>>,
    /// The time of the newest row that its metrics count.
    pub newest_row: Option<String>,
    /// Tables it reads.
    pub tables: Vec<TableFreshness>,
}

/// How fresh one table is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableFreshness {
    /// The table.
    pub table: String,
    /// The node that makes it.
    pub node: Option<String>,
    /// When its version was published, by the business clock.
    pub published_at: Option<DateTime<Utc>>,
    /// Its rows.
    pub rows: u64,
}

/// How what a tile stands on is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// No test upstream was ever run.
    #[default]
    Unknown,
    /// Every test upstream passed when it was last run.
    Passed,
    /// One of severity warn found something.
    Warned,
    /// One failed, or could not be run.
    Failed,
}

/// What is known about what a tile stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The worst of it.
    pub status: HealthStatus,
    /// Tests upstream that were run.
    pub tests: usize,
    /// What is wrong, the worst first.
    pub problems: Vec<HealthProblem>,
}

/// A test upstream that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthProblem {
    /// The test.
    pub node: String,
    /// The table it judged.
    pub table: Option<String>,
    /// `warned`, `failed`, `errored`.
    pub status: &'static str,
    /// Failing rows.
    pub failures: Option<u64>,
    /// What is said about it.
    pub message: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// When, by the business clock.
    pub at: DateTime<Utc>,
}

/// Why a tile has no rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TileError {
    /// What kind of thing went wrong.
    pub kind: base::ErrorKind,
    /// What happened.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl From<&ConsumptionError> for TileError {
    fn from(error: &ConsumptionError) -> Self {
        let kind = error.kind();
        let help = error.help().unwrap_or_else(|| kind.advice().to_owned());
        Self { kind, message: error.to_string(), help }
    }
}

/// Every dashboard of a project, by name.
pub fn dashboards(project: &Project) -> Vec<DashboardInfo> {
    let taking_part = project.dashboards.iter().filter(|one| project.graph.node(&one.id).is_some());
    let mut all: Vec<DashboardInfo> = taking_part.map(|one| describe(project, one)).collect();
    all.sort_by(|left, right| left.name.cmp(&right.name));
    all
}

/// A dashboard by its name.
///
/// # Errors
/// When there is none.
pub fn find<'p>(project: &'p Project, name: &str) -> Result<&'p Dashboard, ConsumptionError> {
    let known = project.dashboards.iter().filter(|one| project.graph.node(&one.id).is_some());
    known.clone().find(|one| one.name == name).ok_or_else(|| {
        let names = known.map(|one| one.name.as_str());
        ConsumptionError::NotFound {
            message: format!("there is no dashboard \"{name}\""),
            help: project::suggest::did_you_mean(name, names)
                .unwrap_or_else(|| format!("Write dashboards/{name}.yml.")),
        }
    })
}

/// A dashboard without its rows.
pub fn describe(project: &Project, dashboard: &Dashboard) -> DashboardInfo {
    let node = project.graph.node(&dashboard.id);
    DashboardInfo {
        name: dashboard.name.clone(),
        title: dashboard.title.clone(),
        description: dashboard.description().to_owned(),
        owner: node.and_then(|node| node.owner.as_ref()).map(|owner| owner.name.clone()),
        node: dashboard.id.to_string(),
        path: dashboard.file.path.clone(),
        filters: dashboard.filters.iter().map(filter_info).collect(),
        tiles: dashboard.tiles.iter().map(tile_info).collect(),
    }
}

fn filter_info(filter: &project::dashboard::DashboardFilter) -> FilterInfo {
    let (kind, dimension, default) = match &filter.kind {
        DashboardFilterKind::Time { default } => ("time", None, vec![default.to_string()]),
        DashboardFilterKind::Dimension { dimension, default } => {
            ("dimension", Some(dimension.clone()), default.clone())
        }
    };
    let (name, label) = (filter.name.clone(), filter.label.clone());
    FilterInfo { name, label, kind, dimension, default }
}

fn tile_info(tile: &project::dashboard::Tile) -> TileInfo {
    TileInfo {
        name: tile.name.clone(),
        title: tile.title.clone(),
        description: tile.description.clone(),
        kind: tile.kind.word(),
        metrics: match &tile.source {
            TileSource::Metrics { metrics, .. } => metrics.clone(),
            TileSource::Sql { .. } => Vec::new(),
        },
        x: tile.place.x,
        y: tile.place.y,
        width: tile.place.width,
        height: tile.place.height,
        compare: tile.compare.map(project::dashboard::Comparison::word),
    }
}
