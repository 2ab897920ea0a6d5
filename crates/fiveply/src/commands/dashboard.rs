//! `fiveply dashboard`: what the web page shows, as text.

use std::process::ExitCode;

use consumption::dashboards::{self, Chosen, HealthStatus, TileData};
use consumption::metrics::{AnswerCache, AnsweredColumn};
use serde_json::{Value, json};

use crate::arguments::Common;
use crate::arguments::metric::{DashboardCommand, DashboardShowArguments};
use crate::commands::metric::context;
use crate::console::{Console, Ink};
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

/// Rows of a tile that are printed.
const ROWS_SHOWN: usize = 12;
/// Columns of text that a line is drawn in.
const LINE_WIDTH: usize = 60;
/// Heights of a line's points.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(crate) async fn run(
    common: &Common,
    command: &DashboardCommand,
    console: &Console,
) -> Result<ExitCode, Failure> {
    match command {
        DashboardCommand::List => list(common, console),
        DashboardCommand::Show(arguments) => show(common, arguments, console).await,
    }
}

fn list(common: &Common, console: &Console) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let all = dashboards::dashboards(&opened.project);
    if console.json {
        console.print(&json!(all).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        console.say("The project has no dashboards/ yet; docs/dashboards.md says how.");
    }
    for one in all {
        let tiles = one.tiles.len();
        let owner = one.owner.map(|owner| format!(", {owner}")).unwrap_or_default();
        console.print(&format!("{}  {} ({tiles} tiles{owner})", one.name, one.title))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(
    common: &Common,
    arguments: &DashboardShowArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let project = std::sync::Arc::clone(&opened.project);
    let dashboard = dashboards::find(&project, &arguments.name)?;
    let chosen = chosen(&arguments.filters)?;
    let place = Workplace::open(opened, None).await?;
    let (context, cache) = (context(&place), AnswerCache::default());
    let tiles = match &arguments.tile {
        None => dashboards::render(&context, dashboard, &chosen, &cache).await?,
        Some(tile) => {
            vec![dashboards::render_tile(&context, dashboard, tile, &chosen, &cache).await?]
        }
    };
    let broken = tiles.iter().any(|tile| tile.error.is_some());
    if console.json {
        let about = dashboards::describe(&project, dashboard);
        console.print(&json!({"dashboard": about, "tiles": tiles}).to_string())?;
    } else {
        let mut text = format!("{}\n", dashboard.title);
        for tile in &tiles {
            text.push('\n');
            text.push_str(&drawn(tile, console));
        }
        console.print(&text)?;
    }
    Ok(if broken { ExitCode::from(crate::failure::NODE_FAILED) } else { ExitCode::SUCCESS })
}

fn chosen(filters: &[String]) -> Result<Chosen, Failure> {
    let mut chosen = Chosen::new();
    for text in filters {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Failure::usage(format!("\"{text}\" is no filter with a value"))
                .help("Write it as --filter \"period=last 7 days\"."));
        };
        chosen.entry(name.trim().to_owned()).or_default().push(value.trim().to_owned());
    }
    Ok(chosen)
}

fn drawn(tile: &TileData, console: &Console) -> String {
    let mut text = format!("{}{}\n", console.paint(Ink::Strong, &tile.tile.title), range(tile));
    if let Some(error) = &tile.error {
        text.push_str(&format!(
            "  {} {}\n  {}\n",
            console.paint(Ink::Bad, "error:"),
            error.message,
            error.help
        ));
        return text;
    }
    match tile.tile.kind {
        "number" => text.push_str(&number(tile)),
        "line" | "area" => text.push_str(&line(tile)),
        _ => text.push_str(&rows(tile)),
    }
    text.push_str(&footer(tile, console));
    text
}

fn range(tile: &TileData) -> String {
    let range = tile.range.as_ref();
    range
        .map(|range| format!("  {} ({} to {})", range.label, range.from, range.to))
        .unwrap_or_default()
}

/// A value as its column is shown.
fn shown(column: &AnsweredColumn, value: &Value) -> String {
    let text = match value {
        Value::Null => return "∅".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let plain = number.as_f64().unwrap_or_default();
            let percent = column.format.as_deref() == Some("percent");
            let scaled = if percent { plain * 100.0 } else { plain };
            match column.decimals {
                Some(decimals) => format!("{scaled:.*}", usize::from(decimals)),
                None if percent => format!("{scaled:.1}"),
                None if number.is_f64() => format!("{plain:.2}"),
                None => number.to_string(),
            }
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    match (column.unit.as_deref(), column.format.as_deref()) {
        (Some(unit), _) => format!("{text} {unit}"),
        (None, Some("percent")) => format!("{text}%"),
        (None, _) => text,
    }
}

fn number(tile: &TileData) -> String {
    let mut text = String::new();
    for (place, column) in tile.columns.iter().enumerate() {
        let value = tile.rows.first().and_then(|row| row.get(place)).unwrap_or(&Value::Null);
        let change = tile.comparison.as_ref().and_then(|before| before.change_percent);
        let change = change.map(|change| format!("  ({change:+.1}% to before)"));
        text.push_str(&format!("  {}{}\n", shown(column, value), change.unwrap_or_default()));
    }
    text
}

/// Points as bars of eight heights, and their ends.
fn line(tile: &TileData) -> String {
    let mut text = String::new();
    for (place, column) in tile.columns.iter().enumerate() {
        if column.role != Some("metric") && column.kind != "number" {
            continue;
        }
        let points: Vec<f64> = tile
            .rows
            .iter()
            .filter_map(|row| match row.get(place)? {
                Value::Number(number) => number.as_f64(),
                Value::String(text) => text.parse().ok(),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
            })
            .collect();
        let skip = points.len().saturating_sub(LINE_WIDTH);
        let points = &points[skip..];
        let least = points.iter().copied().fold(f64::INFINITY, f64::min);
        let most = points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let bars: String = points.iter().map(|point| bar(*point, least, most)).collect();
        let last = tile.rows.last().and_then(|row| row.get(place)).unwrap_or(&Value::Null);
        text.push_str(&format!("  {bars}  {} {}\n", column.label, shown(column, last)));
    }
    text
}

fn bar(point: f64, least: f64, most: f64) -> char {
    let share = if most > least { (point - least) / (most - least) } else { 0.5 };
    let steps = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
    BARS[steps.iter().filter(|step| share > **step).count()]
}

fn rows(tile: &TileData) -> String {
    let mut lines: Vec<Vec<String>> =
        vec![tile.columns.iter().map(|column| column.label.clone()).collect()];
    for row in tile.rows.iter().take(ROWS_SHOWN) {
        lines.push(tile.columns.iter().zip(row).map(|(one, value)| shown(one, value)).collect());
    }
    let widths: Vec<usize> = (0..tile.columns.len())
        .map(|place| lines.iter().map(|line| line[place].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .zip(&tile.columns)
            .map(|((cell, width), column)| {
                let gap = " ".repeat(width - cell.chars().count());
                if column.kind == "number" {
                    format!("{gap}{cell}")
                } else {
                    format!("{cell}{gap}")
                }
            })
            .collect();
        text.push_str(&format!("  {}\n", cells.join("  ").trim_end()));
    }
    let more = tile.rows.len().saturating_sub(ROWS_SHOWN);
    if more > 0 {
        text.push_str(&format!("  … and {more} more\n"));
    }
    text
}

fn footer(tile: &TileData, console: &Console) -> String {
    let mut text = String::new();
    if let Some(as_of) = tile.freshness.as_of {
        let newest = tile.freshness.newest_row.as_ref();
        let newest = newest.map(|time| format!(", newest row {time}")).unwrap_or_default();
        let line = format!("  as of {}{newest}\n", as_of.format("%Y-%m-%d %H:%M UTC"));
        text.push_str(&console.paint(Ink::Faint, &line));
    }
    for problem in &tile.health.problems {
        let ink = match tile.health.status {
            HealthStatus::Failed => Ink::Bad,
            HealthStatus::Warned | HealthStatus::Passed | HealthStatus::Unknown => Ink::Warning,
        };
        let name = problem.node.rsplit('.').next().unwrap_or(&problem.node);
        let owner = problem.owner.as_ref().map(|owner| format!(" ({owner})")).unwrap_or_default();
        let line = format!("  test {} upstream: {name}{owner}\n", problem.status);
        text.push_str(&console.paint(ink, &line));
    }
    if !tile.not_filtered_by.is_empty() {
        let line = format!("  not filtered by {}\n", tile.not_filtered_by.join(", "));
        text.push_str(&console.paint(Ink::Faint, &line));
    }
    text
}
