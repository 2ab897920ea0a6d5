//! One tile: its question, its rows, the same rows before, and what is known about them.

use std::sync::Arc;

use base::NodeId;
use chrono::NaiveDate;
use compute::Session;
use project::CompileContext;
use project::dashboard::{
    ColumnFormat, Dashboard, DashboardFilterKind, Tile, TileKind, TileSource, TimeRange,
};
use project::jinja::NoHost;
use serde_json::Value;

use super::health::Known;
use super::range::{before, days};
use super::{Chosen, ComparisonData, Freshness, RangeInfo, TileData, TileError};
use crate::metrics::{
    Answer, AnswerCache, AnsweredColumn, MetricQuery, answer_sql, can_be_filtered, falling,
    newest_row, plan,
};
use crate::{ConsumptionContext, ConsumptionError};

/// Every tile of a dashboard, each by itself.
///
/// # Errors
/// When the ledger cannot be read, or a filter was given something it does not understand.
pub async fn render(
    context: &ConsumptionContext,
    dashboard: &Dashboard,
    chosen: &Chosen,
    cache: &AnswerCache,
) -> Result<Vec<TileData>, ConsumptionError> {
    let board = Board::open(context, dashboard, chosen, cache).await?;
    let mut tiles = Vec::new();
    for tile in &dashboard.tiles {
        tiles.push(board.tile(tile).await);
    }
    Ok(tiles)
}

/// One tile of a dashboard.
///
/// # Errors
/// As [`render`], and when there is no such tile.
pub async fn render_tile(
    context: &ConsumptionContext,
    dashboard: &Dashboard,
    tile: &str,
    chosen: &Chosen,
    cache: &AnswerCache,
) -> Result<TileData, ConsumptionError> {
    let found = dashboard.tile(tile).ok_or_else(|| ConsumptionError::NotFound {
        message: format!("dashboard \"{}\" has no tile \"{tile}\"", dashboard.name),
        help: project::suggest::did_you_mean(
            tile,
            dashboard.tiles.iter().map(|one| one.name.as_str()),
        )
        .unwrap_or_else(|| "Its file lists its tiles.".to_owned()),
    })?;
    let board = Board::open(context, dashboard, chosen, cache).await?;
    Ok(board.tile(found).await)
}

/// A dashboard while its tiles are asked.
struct Board<'b> {
    context: &'b ConsumptionContext,
    dashboard: &'b Dashboard,
    cache: &'b AnswerCache,
    session: Session,
    known: Known,
    today: NaiveDate,
    range: Option<TimeRange>,
    /// Values chosen per filter of a dimension.
    values: Vec<(String, String, Vec<String>)>,
}

impl<'b> Board<'b> {
    async fn open(
        context: &'b ConsumptionContext,
        dashboard: &'b Dashboard,
        chosen: &Chosen,
        cache: &'b AnswerCache,
    ) -> Result<Self, ConsumptionError> {
        for name in chosen.keys() {
            if dashboard.filter(name).is_none() {
                let known = dashboard.filters.iter().map(|filter| filter.name.as_str());
                return Err(ConsumptionError::NotFound {
                    message: format!("dashboard \"{}\" has no filter \"{name}\"", dashboard.name),
                    help: project::suggest::did_you_mean(name, known)
                        .unwrap_or_else(|| "Its file lists its filters.".to_owned()),
                });
            }
        }
        let mut board = Self {
            context,
            dashboard,
            cache,
            session: context.session().await?,
            known: Known::read(context).await?,
            today: context.clocks.business.now().date_naive(),
            range: None,
            values: Vec::new(),
        };
        for filter in &dashboard.filters {
            let given = chosen.get(&filter.name);
            match &filter.kind {
                DashboardFilterKind::Time { default } => {
                    let text = given.and_then(|values| values.first());
                    board.range = Some(match text {
                        Some(text) => TimeRange::read(text).ok_or_else(|| unread(text))?,
                        None => *default,
                    });
                }
                DashboardFilterKind::Dimension { dimension, default } => {
                    let values = given.unwrap_or(default).clone();
                    if !values.is_empty() {
                        let (name, dimension) = (filter.name.clone(), dimension.clone());
                        board.values.push((name, dimension, values));
                    }
                }
            }
        }
        Ok(board)
    }

    async fn tile(&self, tile: &Tile) -> TileData {
        let parents = self.parents(tile);
        let mut data = TileData {
            tile: super::tile_info(tile),
            node: self.dashboard.id.to_string(),
            parents: parents.iter().map(ToString::to_string).collect(),
            columns: Vec::new(),
            rows: Vec::new(),
            truncated: false,
            range: None,
            comparison: None,
            not_filtered_by: Vec::new(),
            freshness: Freshness::default(),
            health: self.known.health(self.context, &parents),
            sql: None,
            cached: false,
            error: None,
        };
        if let Err(error) = self.fill(tile, &mut data).await {
            data.error = Some(TileError::from(&error));
        }
        data
    }

    /// Metrics and models that a tile shows.
    fn parents(&self, tile: &Tile) -> Vec<NodeId> {
        let semantics = &self.context.project.semantics;
        match &tile.source {
            TileSource::Metrics { metrics, .. } => metrics
                .iter()
                .filter_map(|name| Some(semantics.metrics.get(name)?.id.clone()))
                .collect(),
            // What each tile's SQL refs is known for the dashboard as a whole.
            TileSource::Sql { text, .. } => {
                let graph = &self.context.project.graph;
                let all = graph.parents(&self.dashboard.id).iter();
                all.filter(|id| {
                    let node = graph.node(id);
                    node.is_some_and(|node| node.relation.is_some() && text.contains(&node.name))
                })
                .cloned()
                .collect()
            }
        }
    }

    async fn fill(&self, tile: &Tile, data: &mut TileData) -> Result<(), ConsumptionError> {
        let range = tile.range.or(self.range).unwrap_or_default();
        let span = days(range, self.today);
        data.range = span.map(|(from, to)| RangeInfo { from, to, label: range.to_string() });
        let answer = self.ask(tile, span, &mut data.not_filtered_by).await?;
        data.freshness = self.known.freshness(self.context, &answer.inputs).await?;
        if let TileSource::Metrics { metrics, .. } = &tile.source {
            let newest = newest_row(self.context, &self.session, metrics, self.cache).await;
            data.freshness.newest_row = newest.unwrap_or_default();
        }
        let earlier = tile.compare.and_then(|compare| Some((compare, before(span?, compare)?)));
        if let Some((compare, (from, to))) = earlier {
            let before = self.ask(tile, Some((from, to)), &mut Vec::new()).await?;
            let change_percent = match tile.kind {
                TileKind::Number => change(&answer, &before),
                TileKind::Line | TileKind::Bar | TileKind::Area | TileKind::Table => None,
            };
            let (kind, rows) = (compare.word(), before.rows);
            data.comparison = Some(ComparisonData { kind, from, to, rows, change_percent });
        }
        data.columns = formatted(answer.columns, tile);
        data.rows = answer.rows;
        data.truncated = answer.truncated;
        data.sql = Some(answer.sql);
        data.cached = answer.cached;
        Ok(())
    }

    async fn ask(
        &self,
        tile: &Tile,
        span: Option<(NaiveDate, NaiveDate)>,
        not_filtered: &mut Vec<String>,
    ) -> Result<Answer, ConsumptionError> {
        match &tile.source {
            TileSource::Metrics { metrics, group_by, filters } => {
                let mut conditions: Vec<String> =
                    filters.iter().map(|filter| filter.text.clone()).collect();
                for (name, dimension, values) in &self.values {
                    if can_be_filtered(&self.context.project, metrics, dimension) {
                        conditions.push(format!("{dimension} in ({})", texts(values)));
                    } else {
                        not_filtered.push(name.clone());
                    }
                }
                let query = MetricQuery {
                    metrics: metrics.clone(),
                    group_by: group_by.clone(),
                    conditions,
                    order_by: tile.order_by.clone(),
                    limit: tile.limit,
                    from: span.map(|(from, _)| from),
                    to: span.map(|(_, to)| to),
                };
                let plan = plan(&self.context.project, &query)?;
                let (session, cache) = (&self.session, self.cache);
                answer_sql(self.context, session, &plan.sql, &plan.columns, cache).await
            }
            TileSource::Sql { text, columns, .. } => {
                let sql = self.rendered(text)?;
                let mut wheres = Vec::new();
                for filter in &self.dashboard.filters {
                    let Some(column) = columns.get(&filter.name) else {
                        not_filtered.push(filter.name.clone());
                        continue;
                    };
                    match &filter.kind {
                        DashboardFilterKind::Time { .. } => {
                            if let Some((from, to)) = span {
                                let next = to.succ_opt().unwrap_or(to);
                                wheres.push(format!(
                                    "{column} >= cast('{from} 00:00:00' as timestamp) and \
                                     {column} < cast('{next} 00:00:00' as timestamp)"
                                ));
                            }
                        }
                        DashboardFilterKind::Dimension { .. } => {
                            let chosen = self.values.iter().find(|(name, ..)| *name == filter.name);
                            if let Some((_, _, values)) = chosen {
                                wheres.push(format!("{column} in ({})", texts(values)));
                            }
                        }
                    }
                }
                let sql = wrapped(&sql, &wheres, tile);
                answer_sql(self.context, &self.session, &sql, &[], self.cache).await
            }
        }
    }

    /// A tile's SQL with its Jinja filled in.
    fn rendered(&self, text: &str) -> Result<String, ConsumptionError> {
        let now = self.context.clocks.business.now();
        let compile = CompileContext::new(Arc::new(NoHost), now, "dashboard");
        let rendered = self.context.project.render_text(&self.dashboard.id, text, &compile);
        rendered.map_err(|problems| {
            let first = problems.into_iter().next();
            ConsumptionError::Settings {
                message: first.as_ref().map_or_else(
                    || "the SQL was not rendered".to_owned(),
                    |one| one.message.clone(),
                ),
                help: first
                    .and_then(|one| one.help.into_iter().next())
                    .unwrap_or_else(|| format!("Mend {}.", self.dashboard.file.path)),
            }
        })
    }
}

fn unread(text: &str) -> ConsumptionError {
    ConsumptionError::Settings {
        message: format!("\"{text}\" is no time range"),
        help: "Write all, last 28 days, this month or 2026-05-01 to 2026-05-25.".to_owned(),
    }
}

/// Values as texts of SQL.
fn texts(values: &[String]) -> String {
    let quoted: Vec<String> =
        values.iter().map(|value| format!("'{}'", value.replace('\'', "''"))).collect();
    quoted.join(", ")
}

fn wrapped(sql: &str, wheres: &[String], tile: &Tile) -> String {
    if wheres.is_empty() && tile.order_by.is_empty() && tile.limit.is_none() {
        return sql.to_owned();
    }
    let mut text = format!("select *\nfrom (\n{}\n) as tile", sql.trim().trim_end_matches(';'));
    if !wheres.is_empty() {
        text.push_str(&format!("\nwhere {}", wheres.join("\n  and ")));
    }
    let order: Vec<String> = tile
        .order_by
        .iter()
        .map(|one| {
            let (name, falls) = falling(one);
            if falls { format!("{name} desc") } else { name }
        })
        .collect();
    if !order.is_empty() {
        text.push_str(&format!("\norder by {}", order.join(", ")));
    }
    if let Some(limit) = tile.limit {
        text.push_str(&format!("\nlimit {limit}"));
    }
    text
}

/// By how much a single number grew, in percent.
fn change(now: &Answer, before: &Answer) -> Option<f64> {
    let number = |answer: &Answer| {
        let place = answer.columns.iter().position(|column| column.role == Some("metric"))?;
        match answer.rows.first()?.get(place)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    };
    let (now, before) = (number(now)?, number(before)?);
    (before != 0.0).then(|| (now - before) / before.abs() * 100.0)
}

/// Columns as the tile wants them shown.
fn formatted(columns: Vec<AnsweredColumn>, tile: &Tile) -> Vec<AnsweredColumn> {
    let one = |column: AnsweredColumn| {
        let Some(ColumnFormat { label, unit, format, decimals }) = tile.formats.get(&column.name)
        else {
            return column;
        };
        AnsweredColumn {
            label: label.clone().unwrap_or(column.label),
            unit: unit.clone().or(column.unit),
            format: format.clone().or(column.format),
            decimals: decimals.or(column.decimals),
            ..column
        }
    };
    columns.into_iter().map(one).collect()
}
