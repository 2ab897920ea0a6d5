//! Metrics over tables in memory: a shop with orders, customers, countries and a balance.

mod answers;
mod reading;
mod refusals;
mod sql;
mod stars;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use base::TableName;
use base::system::SystemFiles;
use chrono::{DateTime, NaiveDate};
use compute::{Catalog, Dialect, Engine, EngineOptions, Session, SessionOptions, output};
use consumption::metrics::{MetricQuery, plan};
use project::{Opened, Project, ProjectOptions};

/// A column of a test table.
pub(crate) enum Column {
    Numbers(Vec<Option<i64>>),
    Floats(Vec<Option<f64>>),
    Texts(Vec<Option<&'static str>>),
    Booleans(Vec<Option<bool>>),
    Days(Vec<&'static str>),
    Moments(Vec<&'static str>),
}

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

impl Column {
    fn array(self) -> ArrayRef {
        match self {
            Self::Numbers(values) => Arc::new(Int64Array::from(values)),
            Self::Floats(values) => Arc::new(Float64Array::from(values)),
            Self::Texts(values) => Arc::new(StringArray::from(values)),
            Self::Booleans(values) => Arc::new(BooleanArray::from(values)),
            Self::Days(values) => {
                let days =
                    values.iter().map(|text| Date32Array::from(vec![days(day(text))]).value(0));
                Arc::new(Date32Array::from_iter_values(days))
            }
            Self::Moments(values) => {
                let micros = values.iter().map(|text| {
                    let time = DateTime::parse_from_rfc3339(&format!("{text}Z")).unwrap();
                    time.timestamp_micros()
                });
                Arc::new(TimestampMicrosecondArray::from_iter_values(micros))
            }
        }
    }
}

pub(crate) fn days(day: NaiveDate) -> i32 {
    i32::try_from((day - NaiveDate::default()).num_days()).unwrap()
}

pub(crate) fn table(columns: Vec<(&str, Column)>) -> RecordBatch {
    let arrays = columns.into_iter().map(|(name, column)| (name, column.array(), true));
    RecordBatch::try_from_iter_with_nullable(arrays).unwrap()
}

/// A project in a folder of its own, and tables in memory.
pub(crate) struct Shop {
    pub(crate) project: Project,
    pub(crate) session: Session,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

/// Opens a project of these files, a model per table.
pub(crate) fn open(dialect: &str, yaml: &str, tables: &[&str]) -> (Opened, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("dbt_project.yml", "name: shop\nversion: '1.0'\n");
    write("fiveply.yml", &format!("dialect: {dialect}\n"));
    write("models/semantics.yml", yaml);
    for table in tables {
        write(&format!("models/{table}.sql"), "select 1 as one");
    }
    let opened = project::open(folder.path(), &ProjectOptions::default(), &SystemFiles);
    (opened, folder)
}

impl Shop {
    pub(crate) fn new(dialect: &str, yaml: &str, tables: Vec<(&str, RecordBatch)>) -> Self {
        let names: Vec<&str> = tables.iter().map(|(name, _)| *name).collect();
        let (opened, folder) = open(dialect, yaml, &names);
        let errors: Vec<String> = opened
            .diagnostics
            .iter()
            .filter(|problem| problem.is_error())
            .map(|problem| format!("{} {:?}", problem.message, problem.help))
            .collect();
        assert_eq!(errors, Vec::<String>::new());
        let project = opened.project.unwrap();
        let mut catalog = Catalog::empty("dev".into());
        for (name, batch) in tables {
            let table = TableName::new(project.target.schema.clone(), name);
            catalog = catalog.with_batches(table, batch.schema(), vec![batch]);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = SessionOptions {
            dialect: dialect.parse::<Dialect>().unwrap(),
            business_now: "2026-05-25T12:00:00Z".parse().unwrap(),
            time_zone: "UTC".to_owned(),
            default_namespace: Some(project.target.schema.clone()),
        };
        let options_of_engine = EngineOptions { threads: 1, ..EngineOptions::default() };
        let session = Engine::new(options_of_engine).unwrap().session(catalog, options);
        Self { project, session, runtime, _folder: folder }
    }

    /// Rows of SQL as an aligned table.
    pub(crate) fn run(&self, sql: &str) -> String {
        self.runtime.block_on(async {
            let prepared = match self.session.prepare(sql).await {
                Ok(prepared) => prepared,
                Err(error) => panic!("{error} {:?}\n{sql}", error.detail),
            };
            match self.session.rows(sql).await {
                Ok(rows) => output::table(&prepared.schema(), &rows).unwrap(),
                Err(error) => panic!("{error} {:?}\n{sql}", error.detail),
            }
        })
    }

    pub(crate) fn rows(&self, sql: &str) -> Vec<RecordBatch> {
        match self.runtime.block_on(self.session.rows(sql)) {
            Ok(rows) => rows,
            Err(error) => panic!("{error} {:?}\n{sql}", error.detail),
        }
    }

    /// The answer to a question as an aligned table.
    pub(crate) fn ask(&self, query: &MetricQuery) -> String {
        match plan(&self.project, query) {
            Ok(plan) => self.run(&plan.sql),
            Err(error) => panic!("{error} {:?}", error.help()),
        }
    }

    /// Why a question is refused, and what to do.
    pub(crate) fn refused(&self, query: &MetricQuery) -> String {
        match plan(&self.project, query) {
            Ok(plan) => panic!("not refused:\n{}", plan.sql),
            Err(error) => format!("{error}\nhelp: {}", error.help().unwrap_or_default()),
        }
    }
}

/// `signups by metric_time__day,user where a = 1 and b = 2 from 2026-01-01 to 2026-01-02 order -x
/// limit 3`
pub(crate) fn question(text: &str) -> MetricQuery {
    let mut query = MetricQuery::default();
    let keywords = ["by", "where", "from", "to", "order", "limit"];
    let mut keyword = "metrics";
    let mut parts: Vec<(&str, Vec<&str>)> = vec![("metrics", Vec::new())];
    for word in text.split(' ') {
        match keywords.iter().find(|known| **known == word) {
            Some(known) => {
                keyword = known;
                parts.push((keyword, Vec::new()));
            }
            None => parts.last_mut().unwrap().1.push(word),
        }
    }
    let _ = keyword;
    for (keyword, words) in parts {
        let text = words.join(" ");
        let list = || text.split(',').map(|one| one.trim().to_owned()).collect();
        match keyword {
            "metrics" => query.metrics = list(),
            "by" => query.group_by = list(),
            "where" => query.conditions = vec![text],
            "from" => query.from = Some(day(&text)),
            "to" => query.to = Some(day(&text)),
            "order" => query.order_by = list(),
            _ => query.limit = Some(text.parse().unwrap()),
        }
    }
    query
}

/// Both specs, side by side: orders in the latest one, the rest in the legacy one.
pub(crate) const YAML: &str = include_str!("shop.yml");

pub(crate) fn shop(dialect: &str) -> Shop {
    use Column::{Booleans, Days, Floats, Moments, Numbers, Texts};
    let orders = table(vec![
        ("order_id", Numbers((1..=8).map(Some).collect())),
        (
            "customer_id",
            Numbers(vec![Some(1), Some(1), Some(2), Some(2), Some(3), None, Some(1), Some(2)]),
        ),
        (
            "ordered_at",
            Moments(vec![
                "2026-01-01T10:00:00",
                "2026-01-01T23:30:00",
                "2026-01-02T08:00:00",
                "2026-01-04T09:00:00",
                "2026-01-31T12:00:00",
                "2026-02-01T00:00:00",
                "2026-02-03T18:00:00",
                "2026-03-15T07:00:00",
            ]),
        ),
        (
            "amount",
            Floats(vec![
                Some(10.0),
                Some(20.0),
                Some(5.0),
                None,
                Some(40.0),
                Some(1.0),
                Some(7.0),
                Some(3.0),
            ]),
        ),
        (
            "status",
            Texts(vec![
                Some("paid"),
                Some("paid"),
                Some("open"),
                Some("paid"),
                Some("paid"),
                Some("open"),
                None,
                Some("paid"),
            ]),
        ),
        (
            "express",
            Booleans(vec![
                Some(true),
                Some(false),
                None,
                Some(true),
                Some(false),
                Some(true),
                Some(false),
                Some(true),
            ]),
        ),
    ]);
    let customers = table(vec![
        ("customer_id", Numbers(vec![Some(1), Some(2), Some(3), Some(4)])),
        ("country", Texts(vec![Some("DE"), Some("FR"), Some("DE"), None])),
        ("joined_on", Days(vec!["2025-12-30", "2026-01-01", "2026-01-15", "2026-03-01"])),
    ]);
    let countries = table(vec![
        ("country", Texts(vec![Some("DE"), Some("FR")])),
        ("region", Texts(vec![Some("Central"), Some("West")])),
    ]);
    let visits = table(vec![
        ("visit_id", Numbers((1..=5).map(Some).collect())),
        ("customer_id", Numbers(vec![Some(1), Some(1), Some(2), Some(3), Some(4)])),
        (
            "visited_on",
            Days(vec!["2026-01-01", "2026-01-30", "2026-01-01", "2026-01-20", "2026-01-04"]),
        ),
    ]);
    let balances = table(vec![
        ("account_id", Texts(vec![Some("a"), Some("a"), Some("b"), Some("b"), Some("b")])),
        ("day", Days(vec!["2026-01-01", "2026-01-31", "2026-01-01", "2026-01-02", "2026-02-01"])),
        ("balance", Numbers(vec![Some(10), Some(15), Some(100), Some(90), Some(50)])),
    ]);
    Shop::new(
        dialect,
        YAML,
        vec![
            ("orders", orders),
            ("customers", customers),
            ("countries", countries),
            ("visits", visits),
            ("balances", balances),
        ],
    )
}
