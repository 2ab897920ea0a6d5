//! From the YAML of one file to a dashboard; what cannot be read is said and left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Diagnostic, NodeId, SourceFile};

use super::{
    ColumnFormat, Comparison, Dashboard, DashboardFilter, DashboardFilterKind, GRID_COLUMNS, Tile,
    TileKind, TilePlace, TileSource, TimeRange,
};
use crate::properties::facts;
use crate::semantics::filters;
use crate::yaml::{Fields, Value};
use crate::{codes, suggest};

/// Rows a tile is high, unless it says otherwise.
const NUMBER_HEIGHT: u32 = 2;
const CHART_HEIGHT: u32 = 4;
/// The greatest height and row.
const ROWS_MAX: u32 = 1_000;

/// Reads `dashboards/<name>.yml`.
pub(crate) fn read(
    package: &str,
    file: &Arc<SourceFile>,
    value: &Value,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Dashboard> {
    let stem = file.path.rsplit('/').next().unwrap_or(&file.path);
    let name = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem).to_owned();
    let mut fields = Fields::open(value, format!("dashboard \"{name}\""), diagnostics)?;
    let title = fields.text("title").unwrap_or_else(|| in_words(&name));
    let facts = facts(&mut fields);
    let mut filters: Vec<DashboardFilter> = Vec::new();
    for item in fields.list("filters") {
        let Some(found) = filter(item, fields.diagnostics()) else { continue };
        if filters.iter().any(|known| known.name == found.name) {
            let message = format!("filter \"{}\" comes twice", found.name);
            fields.diagnostics().push(wrong(message, &item.span, "Rename one of the two."));
            continue;
        }
        filters.push(found);
    }
    let mut tiles: Vec<Tile> = Vec::new();
    let mut flow = Flow::default();
    for item in fields.list("tiles") {
        let Some(found) = tile(item, &filters, &mut flow, fields.diagnostics()) else { continue };
        if tiles.iter().any(|known| known.name == found.name) {
            let message = format!("tile \"{}\" comes twice", found.name);
            fields.diagnostics().push(wrong(message, &item.span, "Rename one of the two."));
            continue;
        }
        tiles.push(found);
    }
    if tiles.is_empty() {
        fields.required("tiles");
    }
    fields.finish();
    Some(Dashboard {
        id: NodeId::new(format!("dashboard.{package}.{name}")),
        name,
        title,
        filters,
        tiles,
        facts,
        file: Arc::clone(file),
        span: value.span.clone(),
    })
}

fn wrong(message: String, span: &base::Span, help: &str) -> Diagnostic {
    Diagnostic::error(codes::DASHBOARD_FILE, message).at(span.clone(), "").help(help)
}

/// `signups_per_day` as `Signups per day`.
fn in_words(name: &str) -> String {
    let words = name.replace(['_', '-'], " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[derive(Clone, Copy)]
enum FilterWord {
    Time,
    Dimension,
}

fn filter(item: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<DashboardFilter> {
    let mut fields = Fields::open(item, "a filter", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("filter \"{name}\""));
    let words = [("time", FilterWord::Time), ("dimension", FilterWord::Dimension)];
    let word = match fields.value("type") {
        Some(_) => fields.choice("type", &words)?,
        None if fields.value("dimension").is_some() => FilterWord::Dimension,
        None => {
            fields.required("type");
            return None;
        }
    };
    let kind = match word {
        FilterWord::Time => {
            DashboardFilterKind::Time { default: range(&mut fields, "default").unwrap_or_default() }
        }
        FilterWord::Dimension => DashboardFilterKind::Dimension {
            dimension: fields.required_text("dimension")?,
            default: fields.texts("default"),
        },
    };
    let label = fields.text("label").unwrap_or_else(|| in_words(&name));
    fields.finish();
    Some(DashboardFilter { name, label, kind, span: item.span.clone() })
}

fn range(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<TimeRange> {
    let text = fields.text(key)?;
    let found = TimeRange::read(&text);
    if found.is_none() {
        let message = format!("\"{key}\" of {} is \"{text}\"", fields.what());
        let span = fields.value(key).map_or(fields.span(), |value| &value.span).clone();
        let help = "Write all, last 28 days, this month or 2026-05-01 to 2026-05-25.";
        fields.diagnostics().push(wrong(message, &span, help));
    }
    found
}

/// Where the next tile lies that does not say it.
#[derive(Default)]
struct Flow {
    x: u32,
    y: u32,
    row_height: u32,
}

impl Flow {
    fn place(&mut self, width: u32, height: u32, given: (Option<u32>, Option<u32>)) -> TilePlace {
        let width = width.clamp(1, GRID_COLUMNS);
        if let (Some(x), Some(y)) = given {
            let x = x.min(GRID_COLUMNS - width);
            return TilePlace { x, y, width, height };
        }
        if self.x + width > GRID_COLUMNS {
            self.x = 0;
            self.y += self.row_height;
            self.row_height = 0;
        }
        let place = TilePlace { x: self.x, y: self.y, width, height };
        self.x += width;
        self.row_height = self.row_height.max(height);
        place
    }
}

fn tile(
    item: &Value,
    filters: &[DashboardFilter],
    flow: &mut Flow,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Tile> {
    let mut fields = Fields::open(item, "a tile", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("tile \"{name}\""));
    fields.required("type")?;
    let kind = fields.choice("type", TileKind::WORDS)?;
    let source = source(filters, &mut fields)?;
    let place = place(kind, flow, &mut fields);
    let tile = Tile {
        title: fields.text("title").unwrap_or_else(|| in_words(&name)),
        description: fields.text("description").unwrap_or_default(),
        order_by: fields.texts("order_by"),
        limit: fields.integer("limit").and_then(|limit| u64::try_from(limit).ok()),
        range: range(&mut fields, "range"),
        compare: fields.choice("compare", Comparison::WORDS),
        formats: formats(&mut fields),
        span: item.span.clone(),
        name,
        kind,
        source,
        place,
    };
    fields.finish();
    Some(tile)
}

fn place(kind: TileKind, flow: &mut Flow, fields: &mut Fields<'_, '_>) -> TilePlace {
    let (width, height) = match kind {
        TileKind::Number => (GRID_COLUMNS / 4, NUMBER_HEIGHT),
        TileKind::Line | TileKind::Bar | TileKind::Area | TileKind::Table => {
            (GRID_COLUMNS / 2, CHART_HEIGHT)
        }
    };
    let mut number = |key: &'static str| {
        let found = fields.integer(key)?;
        u32::try_from(found).ok().filter(|found| *found <= ROWS_MAX)
    };
    let width = number("width").unwrap_or(width);
    let height = number("height").unwrap_or(height).max(1);
    let given = (number("x"), number("y"));
    flow.place(width, height, given)
}

fn source(filters_of_all: &[DashboardFilter], fields: &mut Fields<'_, '_>) -> Option<TileSource> {
    let sql = fields.entry("sql").map(|entry| &entry.value).filter(|value| !value.is_null());
    let metrics = fields.texts("metrics");
    match (sql, metrics.is_empty()) {
        (Some(_), true) => {
            let text = fields.text("sql")?;
            let span = fields.value("sql").map_or(fields.span(), |value| &value.span).clone();
            let columns = columns(filters_of_all, fields);
            Some(TileSource::Sql { text, span, columns })
        }
        (None, false) => Some(TileSource::Metrics {
            metrics,
            group_by: fields.texts("group_by"),
            filters: filters(fields, "where"),
        }),
        (Some(_), false) | (None, true) => {
            let message = format!("{} needs either \"metrics\" or \"sql\"", fields.what());
            let span = fields.span().clone();
            let help = "Name metrics, such as metrics: [signups], or write sql: select …";
            fields.diagnostics().push(wrong(message, &span, help));
            None
        }
    }
}

/// `filters: {period: signup_date}`.
fn columns(filters: &[DashboardFilter], fields: &mut Fields<'_, '_>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Some(mapping) = fields.mapping("filters") else { return found };
    for entry in &mapping.entries {
        let known = filters.iter().map(|filter| filter.name.as_str());
        if !known.clone().any(|name| name == entry.key) {
            let message = format!("the dashboard has no filter \"{}\"", entry.key);
            let hint = suggest::did_you_mean(&entry.key, known);
            let hint = hint.as_deref().unwrap_or("Declare it below \"filters:\" of the file.");
            fields.diagnostics().push(wrong(message, &entry.key_span, hint));
        } else if let Some(column) = entry.value.as_text() {
            found.insert(entry.key.clone(), column.to_owned());
        }
    }
    found
}

/// `columns: {revenue: {unit: USD, decimals: 2}}`.
fn formats(fields: &mut Fields<'_, '_>) -> BTreeMap<String, ColumnFormat> {
    let mut found = BTreeMap::new();
    let Some(mapping) = fields.mapping("columns") else { return found };
    for entry in &mapping.entries {
        let what = format!("column \"{}\"", entry.key);
        let Some(mut inner) = Fields::open(&entry.value, what, fields.diagnostics()) else {
            continue;
        };
        let format = ColumnFormat {
            label: inner.text("label"),
            unit: inner.text("unit"),
            format: inner.text("format"),
            decimals: inner.integer("decimals").and_then(|count| u8::try_from(count).ok()),
        };
        inner.finish();
        found.insert(entry.key.clone(), format);
    }
    found
}
