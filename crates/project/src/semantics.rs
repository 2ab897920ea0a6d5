//! Semantic models, metrics, saved queries and time spines: dbt's latest YAML spec (annotations on
//! models and columns) and its legacy one (`semantic_models:`, measures, `type_params`), read into
//! one model. Read `consumption::metrics` next, which turns a question into SQL.

mod check;
mod filter;
mod grain;
mod input;
mod latest;
mod legacy;
mod link;
mod read;

use std::collections::BTreeMap;

use base::{NodeId, Span};
use serde_json::{Map, Value as Json};

pub use filter::{Filter, FilterItem, FilterPart, grouping_name};
pub use grain::{Grain, Window};
pub(crate) use input::filters;
pub(crate) use link::{Draft, Resource};
pub(crate) use read::{SemanticText, TextKind, draft};

/// The name every metric gives the time it is counted by.
pub const METRIC_TIME: &str = "metric_time";

/// Everything that metrics are made of.
#[derive(Clone, Debug, Default)]
pub struct Semantics {
    /// Tables with entities and dimensions.
    pub models: Vec<SemanticModel>,
    /// Metrics by name.
    pub metrics: BTreeMap<String, Metric>,
    /// Questions with a name, by name.
    pub saved_queries: BTreeMap<String, SavedQuery>,
    /// Tables that hold every day (hour, month) once, finest grain first.
    pub time_spines: Vec<TimeSpine>,
}

impl Semantics {
    /// A semantic model by its name.
    pub fn model(&self, name: &str) -> Option<&SemanticModel> {
        self.models.iter().find(|model| model.name == name)
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.models.is_empty()
    }
}

/// A table with entities and dimensions.
#[derive(Clone, Debug)]
pub struct SemanticModel {
    /// Its node.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// What it is, in the user's words.
    pub description: String,
    /// The node whose rows it describes; none when that does not take part.
    pub model: Option<NodeId>,
    /// The entity of its grain, when no column holds it.
    pub primary_entity: Option<String>,
    /// The time its metrics are counted by, unless they say otherwise.
    pub time_dimension: Option<String>,
    /// Keys.
    pub entities: Vec<Entity>,
    /// What rows can be grouped and filtered by.
    pub dimensions: Vec<Dimension>,
    /// Where it is written.
    pub span: Span,
}

impl SemanticModel {
    /// A dimension by its name.
    pub fn dimension(&self, name: &str) -> Option<&Dimension> {
        self.dimensions.iter().find(|dimension| dimension.name == name)
    }

    /// An entity by its name.
    pub fn entity(&self, name: &str) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.name == name)
    }

    /// Names of the entities that say whose dimensions these are.
    pub fn own_entities(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .entities
            .iter()
            .filter(|entity| entity.kind != EntityKind::Foreign)
            .map(|entity| entity.name.as_str())
            .collect();
        if let Some(primary) = self.primary_entity.as_deref()
            && !names.contains(&primary)
        {
            names.insert(0, primary);
        }
        names
    }
}

/// How often a key comes in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntityKind {
    /// Once per row, for every row.
    Primary,
    /// At most once, and may be missing.
    Unique,
    /// Any number of times.
    Foreign,
    /// Once at any moment: a table that keeps history.
    Natural,
}

impl EntityKind {
    /// As YAML spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Unique => "unique",
            Self::Foreign => "foreign",
            Self::Natural => "natural",
        }
    }
}

/// A key.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Its name, the same in every table that has it.
    pub name: String,
    /// How often it comes.
    pub kind: EntityKind,
    /// SQL of the column; the name unless given.
    pub expr: Option<String>,
    /// What it is, in the user's words.
    pub description: String,
    /// Where it is written.
    pub span: Span,
}

/// What a dimension holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DimensionKind {
    /// Values to group by as they are.
    Categorical,
    /// A time, of this grain or coarser.
    Time(Grain),
}

/// Which end of a row's validity a time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// The row holds from here on.
    Start,
    /// The row holds up to here.
    End,
}

/// What rows can be grouped and filtered by.
#[derive(Clone, Debug)]
pub struct Dimension {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: DimensionKind,
    /// SQL of the column; the name unless given.
    pub expr: Option<String>,
    /// Which end of a row's validity it is, in a table that keeps history.
    pub validity: Option<Validity>,
    /// A title for people.
    pub label: Option<String>,
    /// What it is, in the user's words.
    pub description: String,
    /// Where it is written.
    pub span: Span,
}

/// How rows become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AggregateFunction {
    /// Added up.
    Sum,
    /// Rows whose expression holds.
    SumBoolean,
    /// Values that are there.
    Count,
    /// Different values.
    CountDistinct,
    /// Mean.
    Average,
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// The value in the middle.
    Median,
    /// The value below which a share of the others lies.
    Percentile,
}

impl AggregateFunction {
    /// Words of YAML.
    pub const WORDS: &[(&str, Self)] = &[
        ("sum", Self::Sum),
        ("sum_boolean", Self::SumBoolean),
        ("count", Self::Count),
        ("count_distinct", Self::CountDistinct),
        ("average", Self::Average),
        ("avg", Self::Average),
        ("min", Self::Min),
        ("max", Self::Max),
        ("median", Self::Median),
        ("percentile", Self::Percentile),
    ];

    /// As YAML spells it.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }

    /// Whether parts may be added up to the whole.
    pub fn is_additive(self) -> bool {
        matches!(self, Self::Sum | Self::SumBoolean | Self::Count)
    }
}

/// The share a percentile is taken at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentile {
    /// From 0 to 1.
    pub at: f64,
    /// A value that is there, instead of one between two.
    pub discrete: bool,
}

/// A number that may not be added up over one of its dimensions, such as a balance over time.
#[derive(Clone, Debug, PartialEq)]
pub struct NonAdditive {
    /// The time dimension.
    pub dimension: String,
    /// Whether the latest row counts, instead of the earliest.
    pub latest: bool,
    /// Entities that each have a row of their own.
    pub group_by: Vec<String>,
}

/// Rows of one table that become one number.
#[derive(Clone, Debug)]
pub struct Aggregation {
    /// The measure's or metric's own name.
    pub name: String,
    /// The semantic model.
    pub model: String,
    /// How.
    pub function: AggregateFunction,
    /// SQL of what is aggregated.
    pub expr: String,
    /// Where a percentile is taken.
    pub percentile: Option<Percentile>,
    /// The time it is counted by.
    pub time_dimension: Option<String>,
    /// What it may not be added up over.
    pub non_additive: Option<NonAdditive>,
    /// Rows that count, beside the metric's own filters.
    pub filters: Vec<Filter>,
    /// Whether days without rows are shown.
    pub join_to_timespine: bool,
    /// What stands where nothing was counted.
    pub fill_nulls_with: Option<String>,
}

/// A metric that another one is made of.
#[derive(Clone, Debug)]
pub struct MetricInput {
    /// The metric.
    pub name: String,
    /// What the expression calls it.
    pub alias: Option<String>,
    /// Rows that count, beside the metric's own filters.
    pub filters: Vec<Filter>,
    /// How far back it is looked up.
    pub offset_window: Option<Window>,
    /// To the start of what it is looked up.
    pub offset_to_grain: Option<Grain>,
    /// Where it is written.
    pub span: Span,
}

/// Which value of a longer period stands for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeriodAggregation {
    /// That of its first day.
    #[default]
    First,
    /// That of its last day.
    Last,
    /// The mean of all its days.
    Average,
}

/// What a conversion metric gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calculation {
    /// How many converted.
    Conversions,
    /// Which share converted.
    #[default]
    ConversionRate,
}

/// One event that leads to another.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// What is started with.
    pub base: Aggregation,
    /// What it leads to.
    pub conversion: Aggregation,
    /// Who does both.
    pub entity: String,
    /// What is asked for.
    pub calculation: Calculation,
    /// How long it may take; any time when absent.
    pub window: Option<Window>,
    /// Pairs of dimensions that must be the same: of the base, of the conversion.
    pub constants: Vec<(String, String)>,
}

/// How a metric comes about.
#[derive(Clone, Debug)]
pub enum MetricKind {
    /// Rows of one table.
    Simple(Box<Aggregation>),
    /// One metric over another.
    Ratio {
        /// Above the line.
        numerator: MetricInput,
        /// Below it.
        denominator: MetricInput,
    },
    /// An expression over others.
    Derived {
        /// SQL over the inputs' names.
        expr: String,
        /// What it is made of.
        inputs: Vec<MetricInput>,
    },
    /// Added up over time.
    Cumulative {
        /// What is added up.
        aggregation: Box<Aggregation>,
        /// How far back; from the beginning when neither is given.
        window: Option<Window>,
        /// From the start of this.
        grain_to_date: Option<Grain>,
        /// Which value stands for a longer period.
        period: PeriodAggregation,
    },
    /// One event that leads to another.
    Conversion(Box<Conversion>),
}

impl MetricKind {
    /// As YAML spells it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Simple(_) => "simple",
            Self::Ratio { .. } => "ratio",
            Self::Derived { .. } => "derived",
            Self::Cumulative { .. } => "cumulative",
            Self::Conversion(_) => "conversion",
        }
    }

    /// Metrics it is made of.
    pub fn inputs(&self) -> Vec<&MetricInput> {
        match self {
            Self::Simple(_) | Self::Cumulative { .. } | Self::Conversion(_) => Vec::new(),
            Self::Ratio { numerator, denominator } => vec![numerator, denominator],
            Self::Derived { inputs, .. } => inputs.iter().collect(),
        }
    }

    /// Tables it counts rows of itself.
    pub fn aggregations(&self) -> Vec<&Aggregation> {
        match self {
            Self::Simple(one) | Self::Cumulative { aggregation: one, .. } => vec![one],
            Self::Conversion(both) => vec![&both.base, &both.conversion],
            Self::Ratio { .. } | Self::Derived { .. } => Vec::new(),
        }
    }
}

/// A number people use.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Its node.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// A title for people.
    pub label: String,
    /// What it is, in the user's words.
    pub description: String,
    /// How it comes about.
    pub kind: MetricKind,
    /// Rows that count.
    pub filters: Vec<Filter>,
    /// The grain of `metric_time` when a question names none.
    pub time_grain: Option<Grain>,
    /// Whether it is a part of others and not shown by itself.
    pub hidden: bool,
    /// Free-form facts: `unit`, `format` and `decimals` are shown.
    pub meta: Map<String, Json>,
    /// Where it is written.
    pub span: Span,
}

/// A question with a name.
#[derive(Clone, Debug)]
pub struct SavedQuery {
    /// Its node.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// A title for people.
    pub label: Option<String>,
    /// What it is for.
    pub description: String,
    /// Metrics.
    pub metrics: Vec<String>,
    /// Dimensions, as `TimeDimension('metric_time', 'day')` or `metric_time__day`.
    pub group_by: Vec<String>,
    /// Conditions.
    pub filters: Vec<Filter>,
    /// The order of the rows, as written.
    pub order_by: Vec<String>,
    /// The most rows.
    pub limit: Option<u64>,
    /// Where it is written.
    pub span: Span,
}

/// A table that holds every day (hour, month) once.
#[derive(Clone, Debug)]
pub struct TimeSpine {
    /// The node that has the rows; none when it does not take part.
    pub model: Option<NodeId>,
    /// The model's name.
    pub name: String,
    /// The package whose model it is.
    pub package: String,
    /// The column.
    pub column: String,
    /// What it holds once.
    pub grain: Grain,
}
