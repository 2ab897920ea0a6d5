//! What a diagnosis says, in the shape in which it is printed as JSON, kept with an incident and
//! drawn by the web UI. Fields are added, never renamed.

use base::{LoadAccount, NodeId, RunId, TableName};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// The version of this shape.
pub const DIAGNOSIS_VERSION: u32 = 1;

/// Why a number is what it is on one day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The version of this shape.
    pub version: u32,
    /// What was asked.
    pub asked: Asked,
    /// The answer in one word.
    pub verdict: Verdict,
    /// The answer in one sentence.
    pub headline: String,
    /// The number and what it would be; none for a table without a time column.
    pub number: Option<Number>,
    /// What the change is made of, real change first; adds up to the whole change.
    pub shares: Vec<Share>,
    /// What is wrong, most important first.
    pub findings: Vec<Finding>,
    /// The way from the source to the number, source first.
    pub hops: Vec<Hop>,
    /// What was looked at and found in order.
    pub excluded: Vec<String>,
    /// What could not be looked at, and why.
    pub limits: Vec<String>,
    /// A promise that would have told earlier.
    pub proposed_promise: Option<String>,
    /// When it was made, by the business clock.
    pub made_at: DateTime<Utc>,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// As typed.
    pub name: String,
    /// The node whose number it is.
    pub node: NodeId,
    /// The column or metric that is added up; none: rows are counted.
    pub measure: Option<String>,
    /// The day.
    pub day: NaiveDate,
}

/// The answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The number is as usual, and every row is where it belongs.
    NothingWrong,
    /// The number is unusual, and every row is where it belongs.
    RealChange,
    /// Something is wrong, and it is known what.
    Explained,
    /// Something was wrong and is mended.
    Mended,
    /// Something is unusual, and what was looked at does not tell why.
    Undetermined,
}

/// The number and what it would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Number {
    /// What readers see.
    pub actual: f64,
    /// What they would see if nothing had gone wrong on the way; as far as the rows are here.
    pub complete: f64,
    /// The mean of the usual days.
    pub usual: Option<f64>,
    /// The same weekday of the four weeks before.
    pub usual_days: Vec<DayValue>,
    /// How far actual lies from usual, in percent of usual.
    pub change_percent: Option<f64>,
    /// Whether that is beyond what is usual.
    pub unusual: bool,
}

/// A number of a day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DayValue {
    /// The day.
    pub day: NaiveDate,
    /// The number.
    pub value: f64,
}

/// A part of the change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// What it is.
    pub kind: ShareKind,
    /// How much, in the number's own unit; negative when it takes away.
    pub amount: f64,
    /// In percent of usual; none when there is no usual level.
    pub percent: Option<f64>,
    /// The finding that explains it, by its place in the list.
    pub finding: Option<usize>,
}

/// What a part of the change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareKind {
    /// It happened.
    Real,
    /// Rows are missing on the way or at the source.
    Gap,
    /// Rows are there more often than they happened.
    Doubled,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// Where: the node at which it happened.
    pub node: NodeId,
    /// Its table.
    pub table: Option<TableName>,
    /// In which layer, in a word: `source`, `ingest`, `model`, `test`.
    pub layer: String,
    /// Rows of the day that it touched.
    pub rows: u64,
    /// What happened, in a sentence.
    pub what: String,
    /// The run in which it happened.
    pub run: Option<RunId>,
    /// The attempt of the step.
    pub attempt: Option<u32>,
    /// When, by the business clock.
    pub at: Option<DateTime<Utc>>,
    /// The hours of the day it touched, first to last.
    pub hours: Option<(u32, u32)>,
    /// Who is asked first.
    pub owner: Option<String>,
    /// Where to write to.
    pub owner_email: Option<String>,
    /// What makes it certain, one sentence each.
    pub evidence: Vec<String>,
    /// What happened when, oldest first.
    pub timeline: Vec<Moment>,
    /// Columns and nodes downstream that read what is broken.
    pub readers: Vec<Reader>,
    /// Nodes whose readers keep the last good version because of it.
    pub held_back: Vec<Held>,
    /// How to mend it.
    pub mend: Option<Mend>,
    /// That it is mended, and by which run.
    pub mended: Option<Mended>,
}

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An increment left rows out that arrived late.
    LateRowsDropped,
    /// An increment left rows out, for another reason.
    IncrementDropped,
    /// The table does not show what its code makes of its inputs.
    Stale,
    /// A test kept the new version from readers.
    HeldBack,
    /// The step failed.
    BuildFailed,
    /// The model's own filter, join or deduplication takes more rows away than usual.
    RowsLostInModel,
    /// The model's join makes more rows than usual.
    RowsDoubledInModel,
    /// The model moves rows to another day or hour than usual.
    TimeShifted,
    /// The source delivers rows again under a new key.
    DuplicatesDelivered,
    /// The load rejected rows.
    RowsRejected,
    /// A column has another name.
    ColumnRenamed,
    /// A column comes empty.
    ColumnEmpty,
    /// A load failed and its rows are not here yet.
    LoadFailed,
    /// Hours of the day are missing although loads went well.
    SourceSilent,
}

/// Something that happened at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When, by the business clock.
    pub at: DateTime<Utc>,
    /// What, in a sentence.
    pub what: String,
    /// In which run.
    pub run: Option<RunId>,
}

/// A column downstream that reads what is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// The node.
    pub node: NodeId,
    /// Its column; none when it reads the column without passing it on.
    pub column: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
}

/// A node that was not published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The node.
    pub node: NodeId,
    /// Whose it is.
    pub owner: Option<String>,
    /// Why.
    pub because: String,
    /// Since when readers see the last good version.
    pub good_since: Option<DateTime<Utc>>,
}

/// How to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mend {
    /// What it does, in a sentence.
    pub what: String,
    /// The change of a file that comes first.
    pub edit: Option<Edit>,
    /// The command; none when nothing can be run.
    pub command: Option<String>,
}

/// A change of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The file, relative to the project.
    pub file: String,
    /// Where in it.
    pub place: String,
    /// The line to add.
    pub line: String,
}

/// That something is mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mended {
    /// By which run.
    pub run: Option<RunId>,
    /// When, by the business clock.
    pub at: DateTime<Utc>,
    /// Rows of the day that came back, or went when there were too many.
    pub rows: u64,
}

/// One hop of the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// The node.
    pub node: NodeId,
    /// `stream`, `view`, `table`, `incremental`, `seed`.
    pub kind: String,
    /// Its table.
    pub table: Option<TableName>,
    /// Whose it is.
    pub owner: Option<String>,
    /// The column that tells the day of a row.
    pub time_column: Option<String>,
    /// Rows of the day.
    pub rows: Option<u64>,
    /// Rows its code makes of its present inputs, for the day.
    pub expected: Option<u64>,
    /// The mean of the usual days.
    pub usual: Option<f64>,
    /// Rows of each hour of the day; empty when the time column has days only.
    pub hours: Vec<u64>,
    /// What its code makes of its present inputs, by hour.
    pub expected_hours: Vec<u64>,
    /// What is usual, by hour.
    pub usual_hours: Vec<f64>,
    /// What became of the changes in the loads that brought the day's rows.
    pub account: Option<LoadAccount>,
    /// The run that made the version readers see.
    pub run: Option<RunId>,
    /// When that was, by the business clock.
    pub built_at: Option<DateTime<Utc>>,
    /// Whether something is wrong here.
    pub broken: bool,
    /// What is to be said about it.
    pub note: Option<String>,
}
