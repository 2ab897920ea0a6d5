//! A node's settings: everything written, and the part that is understood, typed.

use base::{Diagnostic, Span};
use serde_json::{Map, Value as Json};

use crate::{codes, suggest};

/// How a model becomes something one can query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Materialization {
    /// A stored query.
    #[default]
    View,
    /// A table, built anew each time.
    Table,
    /// A table that is added to.
    Incremental,
    /// A common table expression in whoever uses it.
    Ephemeral,
    /// A table that is kept up to date; built as a table.
    MaterializedView,
    /// A materialization macro of the project or a package.
    Custom(String),
}

impl Materialization {
    fn parse(word: &str) -> Self {
        match word {
            "view" => Self::View,
            "table" => Self::Table,
            "incremental" => Self::Incremental,
            "ephemeral" => Self::Ephemeral,
            "materialized_view" => Self::MaterializedView,
            custom => Self::Custom(custom.to_owned()),
        }
    }

    /// dbt's word for it.
    pub fn word(&self) -> &str {
        match self {
            Self::View => "view",
            Self::Table => "table",
            Self::Incremental => "incremental",
            Self::Ephemeral => "ephemeral",
            Self::MaterializedView => "materialized_view",
            Self::Custom(word) => word,
        }
    }
}

/// How new rows enter an incremental table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IncrementalStrategy {
    /// Added.
    Append,
    /// Rows with the same key are replaced.
    DeleteInsert,
    /// Rows with the same key are updated, others inserted.
    Merge,
    /// Whole partitions are replaced.
    InsertOverwrite,
    /// One period after the other.
    Microbatch,
    /// A strategy macro of the project or a package.
    Custom(String),
}

impl IncrementalStrategy {
    fn parse(word: &str) -> Self {
        match word {
            "append" => Self::Append,
            "delete+insert" => Self::DeleteInsert,
            "merge" => Self::Merge,
            "insert_overwrite" => Self::InsertOverwrite,
            "microbatch" => Self::Microbatch,
            custom => Self::Custom(custom.to_owned()),
        }
    }
}

/// What happens when an incremental model's columns differ from its table's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSchemaChange {
    /// New columns are left out.
    #[default]
    Ignore,
    /// The step fails.
    Fail,
    /// New columns are added.
    AppendNewColumns,
    /// New columns are added, others dropped.
    SyncAllColumns,
}

/// SQL that runs before or after a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The template.
    pub sql: String,
    /// Whether it runs inside the node's transaction.
    pub transaction: bool,
}

/// A node's settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeConfig {
    /// Whether the node takes part.
    pub enabled: bool,
    /// How a model is built.
    pub materialized: Materialization,
    /// The schema asked for, before `generate_schema_name`.
    pub schema: Option<String>,
    /// The database asked for, before `generate_database_name`.
    pub database: Option<String>,
    /// The table's name asked for, before `generate_alias_name`.
    pub alias: Option<String>,
    /// Columns that tell rows apart.
    pub unique_key: Vec<String>,
    /// How new rows enter an incremental table.
    pub incremental_strategy: Option<IncrementalStrategy>,
    /// Conditions that narrow what a merge looks at.
    pub incremental_predicates: Vec<String>,
    /// Columns a merge updates; all when empty.
    pub merge_update_columns: Vec<String>,
    /// Columns a merge leaves alone.
    pub merge_exclude_columns: Vec<String>,
    /// What happens when columns differ.
    pub on_schema_change: OnSchemaChange,
    /// Columns or transforms the table is partitioned by.
    pub partition_by: Vec<String>,
    /// Forces or forbids a full refresh.
    pub full_refresh: Option<bool>,
    /// The column that tells when a row happened.
    pub event_time: Option<String>,
    /// Whether the columns must be those the properties name.
    pub contract_enforced: bool,
    /// SQL before the node.
    pub pre_hooks: Vec<Hook>,
    /// SQL after the node.
    pub post_hooks: Vec<Hook>,
    /// Everything written, merged: what `config.get` sees.
    pub all: Map<String, Json>,
}

impl NodeConfig {
    /// Types what is understood. A value that is not understood is reported and left at its
    /// default.
    pub fn from_merged(
        all: Map<String, Json>,
        node: &str,
        span: &Span,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut reader = ConfigReader { all: &all, node, span, diagnostics };
        let config = Self {
            enabled: reader.boolean("enabled").unwrap_or(true),
            materialized: reader
                .text("materialized")
                .map_or_else(Materialization::default, |word| Materialization::parse(&word)),
            schema: reader.text("schema"),
            database: reader.text("database"),
            alias: reader.text("alias"),
            unique_key: reader.texts("unique_key"),
            incremental_strategy: reader
                .text("incremental_strategy")
                .map(|word| IncrementalStrategy::parse(&word)),
            incremental_predicates: reader.texts("incremental_predicates"),
            merge_update_columns: reader.texts("merge_update_columns"),
            merge_exclude_columns: reader.texts("merge_exclude_columns"),
            on_schema_change: reader.on_schema_change(),
            partition_by: reader.partition_by(),
            full_refresh: reader.boolean("full_refresh"),
            event_time: reader.text("event_time"),
            contract_enforced: reader.contract(),
            pre_hooks: reader.hooks("pre-hook"),
            post_hooks: reader.hooks("post-hook"),
            all: Map::new(),
        };
        Self { all, ..config }
    }
}

struct ConfigReader<'c, 'd> {
    all: &'c Map<String, Json>,
    node: &'c str,
    span: &'c Span,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl ConfigReader<'_, '_> {
    fn get(&self, key: &str) -> Option<&Json> {
        self.all.get(key).filter(|value| !value.is_null())
    }

    fn refuse(&mut self, key: &str, expected: &str) {
        let value = self.all.get(key).cloned().unwrap_or_default();
        let message = format!("config \"{key}\" of {} is {value}, not {expected}", self.node);
        self.diagnostics.push(
            Diagnostic::error(codes::CONFIG_VALUE, message)
                .at(self.span.clone(), "")
                .help(format!("Give \"{key}\" {expected}.")),
        );
    }

    fn boolean(&mut self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Json::Bool(value) => Some(*value),
            Json::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(true),
                "false" | "no" | "off" | "0" => Some(false),
                "" | "none" => None,
                _ => {
                    self.refuse(key, "true or false");
                    None
                }
            },
            Json::Number(number) => Some(number.as_f64() != Some(0.0)),
            Json::Null | Json::Array(_) | Json::Object(_) => {
                self.refuse(key, "true or false");
                None
            }
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.get(key)? {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => {
                self.refuse(key, "text");
                None
            }
        }
    }

    fn texts(&mut self, key: &str) -> Vec<String> {
        let found = match self.get(key) {
            None => Some(Vec::new()),
            Some(Json::String(text)) => Some(vec![text.clone()]),
            Some(Json::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
            }
            Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_)) => None,
        };
        found.unwrap_or_else(|| {
            self.refuse(key, "text or a list of texts");
            Vec::new()
        })
    }

    fn on_schema_change(&mut self) -> OnSchemaChange {
        let Some(word) = self.text("on_schema_change") else { return OnSchemaChange::default() };
        match word.as_str() {
            "ignore" => OnSchemaChange::Ignore,
            "fail" => OnSchemaChange::Fail,
            "append_new_columns" => OnSchemaChange::AppendNewColumns,
            "sync_all_columns" => OnSchemaChange::SyncAllColumns,
            other => {
                let words = ["ignore", "fail", "append_new_columns", "sync_all_columns"];
                let hint = suggest::did_you_mean(other, words)
                    .unwrap_or_else(|| format!("Use one of: {}.", words.join(", ")));
                let message =
                    format!("config \"on_schema_change\" of {} is \"{other}\"", self.node);
                self.diagnostics.push(
                    Diagnostic::error(codes::CONFIG_VALUE, message)
                        .at(self.span.clone(), "")
                        .help(hint),
                );
                OnSchemaChange::default()
            }
        }
    }

    /// Text, a list of texts, or BigQuery's mapping, of which field and granularity are taken.
    fn partition_by(&mut self) -> Vec<String> {
        let Some(Json::Object(mapping)) = self.get("partition_by") else {
            return self.texts("partition_by");
        };
        let Some(field) = mapping.get("field").and_then(Json::as_str) else {
            self.refuse("partition_by", "a column, a list of columns or a mapping with \"field\"");
            return Vec::new();
        };
        let granularity = mapping.get("granularity").and_then(Json::as_str);
        let data_type = mapping.get("data_type").and_then(Json::as_str);
        match granularity.or((data_type != Some("int64")).then_some("day")) {
            Some(granularity) => vec![format!("{granularity}({field})")],
            None => vec![field.to_owned()],
        }
    }

    /// Hooks; a mapping without SQL is refused.
    fn hooks(&mut self, key: &'static str) -> Vec<Hook> {
        let all = self.all;
        let written = all.get(key);
        let lacks = |item: &Json| item.as_object().is_some_and(|hook| hook_of(hook).is_none());
        let broken = match written {
            Some(Json::Array(items)) => items.iter().any(lacks),
            other => other.is_some_and(lacks),
        };
        if broken {
            self.refuse(key, "a text, or a mapping with \"sql\"");
        }
        hooks(written)
    }

    fn contract(&mut self) -> bool {
        match self.get("contract") {
            None => false,
            Some(Json::Bool(enforced)) => *enforced,
            Some(Json::Object(contract)) => {
                contract.get("enforced").and_then(Json::as_bool).unwrap_or(false)
            }
            Some(Json::Null | Json::Number(_) | Json::String(_) | Json::Array(_)) => {
                self.refuse("contract", "a mapping with \"enforced\"");
                false
            }
        }
    }
}

/// Hooks are a text, a mapping with `sql`, JSON text of such a mapping, or a list of those.
pub(crate) fn hooks(value: Option<&Json>) -> Vec<Hook> {
    match value {
        None | Some(Json::Null | Json::Bool(_) | Json::Number(_)) => Vec::new(),
        Some(Json::Array(items)) => items.iter().flat_map(|item| hooks(Some(item))).collect(),
        Some(Json::Object(mapping)) => hook_of(mapping).into_iter().collect(),
        Some(Json::String(text)) => match serde_json::from_str::<Json>(text) {
            Ok(Json::Object(mapping)) => hook_of(&mapping).into_iter().collect(),
            Ok(_) | Err(_) if text.trim().is_empty() => Vec::new(),
            Ok(_) | Err(_) => vec![Hook { sql: text.clone(), transaction: true }],
        },
    }
}

fn hook_of(mapping: &Map<String, Json>) -> Option<Hook> {
    let sql = mapping.get("sql")?.as_str()?.to_owned();
    let transaction = mapping.get("transaction").and_then(Json::as_bool).unwrap_or(true);
    Some(Hook { sql, transaction })
}

/// Merges one level of settings onto those below it, as dbt does: tags and hooks are added, meta
/// and a few mappings are merged, everything else is replaced. Both spellings of a hook are one.
pub fn merge(onto: &mut Map<String, Json>, level: &Map<String, Json>) {
    for (key, value) in level {
        let key = match key.as_str() {
            "pre_hook" => "pre-hook",
            "post_hook" => "post-hook",
            "data_tests" => "tests",
            other => other,
        };
        match key {
            "tags" | "pre-hook" | "post-hook" | "packages" => append(onto, key, value),
            "meta" | "column_types" | "docs" | "quoting" | "persist_docs" => {
                update(onto, key, value);
            }
            _ => {
                onto.insert(key.to_owned(), value.clone());
            }
        }
    }
}

fn as_list(value: &Json) -> Vec<Json> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(items) => items.clone(),
        Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => vec![value.clone()],
    }
}

fn append(onto: &mut Map<String, Json>, key: &str, value: &Json) {
    let mut items = onto.get(key).map(as_list).unwrap_or_default();
    for item in as_list(value) {
        if key != "tags" || !items.contains(&item) {
            items.push(item);
        }
    }
    onto.insert(key.to_owned(), Json::Array(items));
}

fn update(onto: &mut Map<String, Json>, key: &str, value: &Json) {
    match (onto.get_mut(key), value) {
        (Some(Json::Object(below)), Json::Object(above)) => {
            below.extend(above.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        _ => {
            onto.insert(key.to_owned(), value.clone());
        }
    }
}

/// The `tags` of merged settings.
pub(crate) fn tags(settings: &Map<String, Json>) -> Vec<String> {
    let mut tags = Vec::new();
    for tag in settings.get("tags").map(as_list).unwrap_or_default() {
        let tag = match tag {
            Json::String(text) => text,
            other => other.to_string(),
        };
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// The `meta` of merged settings.
pub(crate) fn meta(settings: &Map<String, Json>) -> Map<String, Json> {
    settings.get("meta").and_then(Json::as_object).cloned().unwrap_or_default()
}
