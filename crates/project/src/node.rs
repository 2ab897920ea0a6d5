//! A node: anything in the graph, with its place, its settings and what it stands on.

use std::sync::Arc;

use base::{NodeId, SourceFile, Span, TableName};
use serde_json::{Map, Value as Json};

use crate::config::NodeConfig;
use crate::governance::Deprecation;
use crate::jinja;
use crate::test_node::Test;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// A stream declared in `ingest/`.
    Stream,
    /// A source table declared in a `sources:` block.
    Source,
    /// A CSV file.
    Seed,
    /// A SQL model.
    Model,
    /// A snapshot in dbt's sense.
    Snapshot,
    /// A test, generic or singular.
    Test,
    /// SQL that is compiled and never run.
    Analysis,
    /// A hook of `on-run-start` or `on-run-end`.
    Operation,
    /// Something downstream that is not built here: a dashboard, an application.
    Exposure,
    /// A metric.
    Metric,
    /// A semantic model.
    SemanticModel,
    /// A saved query.
    SavedQuery,
    /// A unit test.
    UnitTest,
    /// Rows that are sent to a tool outside.
    Sync,
    /// Features served to models.
    FeatureView,
    /// Tiles of metrics and SQL, declared in `dashboards/`.
    Dashboard,
}

impl NodeKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Stream,
        Self::Source,
        Self::Seed,
        Self::Model,
        Self::Snapshot,
        Self::Test,
        Self::Analysis,
        Self::Operation,
        Self::Exposure,
        Self::Metric,
        Self::SemanticModel,
        Self::SavedQuery,
        Self::UnitTest,
        Self::Sync,
        Self::FeatureView,
        Self::Dashboard,
    ];

    /// dbt's word, which begins the node's id and is what `resource_type:` selects.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Source => "source",
            Self::Seed => "seed",
            Self::Model => "model",
            Self::Snapshot => "snapshot",
            Self::Test => "test",
            Self::Analysis => "analysis",
            Self::Operation => "operation",
            Self::Exposure => "exposure",
            Self::Metric => "metric",
            Self::SemanticModel => "semantic_model",
            Self::SavedQuery => "saved_query",
            Self::UnitTest => "unit_test",
            Self::Sync => "sync",
            Self::FeatureView => "feature_view",
            Self::Dashboard => "dashboard",
        }
    }

    /// Whether `ref` can name it.
    pub fn is_referable(self) -> bool {
        matches!(self, Self::Model | Self::Seed | Self::Snapshot)
    }

    /// Whether it takes rows out of the platform: only jobs and commands of its own do so.
    pub fn is_activation(self) -> bool {
        matches!(self, Self::Sync | Self::FeatureView)
    }
}

/// Where a node's rows live.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Relation {
    /// The environment.
    pub database: String,
    /// The namespace.
    pub schema: String,
    /// The table's own name.
    pub identifier: String,
}

impl Relation {
    /// The table's name inside its environment.
    pub fn table(&self) -> TableName {
        TableName::new(self.schema.clone(), self.identifier.clone())
    }

    /// As templates see it.
    pub fn for_templates(&self) -> jinja::Relation {
        jinja::Relation::new(&*self.database, &*self.schema, &*self.identifier)
    }
}

impl std::fmt::Display for Relation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let quoted = |part: &str| part.replace('"', "\"\"");
        write!(
            f,
            "\"{}\".\"{}\".\"{}\"",
            quoted(&self.database),
            quoted(&self.schema),
            quoted(&self.identifier)
        )
    }
}

/// Who is asked about a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// A person or a team.
    pub name: String,
    /// Where to write to.
    pub email: Option<String>,
}

/// Who may `ref` a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Its own group.
    Private,
    /// Its own package.
    #[default]
    Protected,
    /// Everybody.
    Public,
}

/// A column as properties describe it.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub description: String,
    /// Its type, when the properties say so.
    pub data_type: Option<String>,
    /// Whether its name is quoted in SQL.
    pub quote: Option<bool>,
    /// Tags, which its tests inherit.
    pub tags: Vec<String>,
    /// Free-form facts.
    pub meta: Map<String, Json>,
    /// Constraints as written.
    pub constraints: Vec<Json>,
    /// Where it is described.
    pub span: Option<Span>,
}

/// How fresh a source must be, as dbt writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Warn after so many minutes.
    pub warn_after_minutes: Option<i64>,
    /// Fail after so many minutes.
    pub error_after_minutes: Option<i64>,
    /// The two as written: a count and a period.
    pub written: [Option<(i64, &'static str)>; 2],
    /// Rows that count.
    pub filter: Option<String>,
}

/// What a source table has beyond what every node has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceFacts {
    /// The source's name.
    pub source: String,
    /// What the source is.
    pub source_description: String,
    /// Who loads it.
    pub loader: String,
    /// The column that tells when a row arrived.
    pub loaded_at_field: Option<String>,
    /// A query that tells when the last row arrived.
    pub loaded_at_query: Option<String>,
    /// How fresh it must be.
    pub freshness: Option<Freshness>,
}

/// Anything in the graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its id, in dbt's form: `model.shop.orders`.
    pub id: NodeId,
    /// What it is.
    pub kind: NodeKind,
    /// Its name.
    pub name: String,
    /// The package it belongs to.
    pub package: String,
    /// Package, folders, name: what config paths and selectors go by.
    pub fqn: Vec<String>,
    /// File, relative to the project's root.
    pub path: String,
    /// The same file as dbt names it: relative to its package.
    pub original_path: String,
    /// The same file below the resource path of its package, such as `staging/stg_orders.sql`.
    pub path_below: String,
    /// The properties file that describes it, relative to the root.
    pub patch_path: Option<String>,
    /// Version of a versioned model.
    pub version: Option<String>,
    /// Whether it is the version that a `ref` without one means.
    pub latest_version: Option<String>,
    /// What it is for.
    pub description: String,
    /// Columns as described.
    pub columns: Vec<Column>,
    /// Settings, all sources merged.
    pub config: NodeConfig,
    /// Tags, all sources merged.
    pub tags: Vec<String>,
    /// Free-form facts, all sources merged.
    pub meta: Map<String, Json>,
    /// Group it belongs to.
    pub group: Option<String>,
    /// Who may `ref` it.
    pub access: Access,
    /// From when on it is not to be used any more.
    pub deprecation: Option<Deprecation>,
    /// Who is asked about it.
    pub owner: Option<Owner>,
    /// Where its rows live; none for what has no table.
    pub relation: Option<Relation>,
    /// SQL as written; empty for what has none.
    pub raw_sql: String,
    /// The file `raw_sql` stands in and its offset there.
    pub file: Arc<SourceFile>,
    /// Offset of `raw_sql` in the file.
    pub sql_offset: usize,
    /// Where the node is declared, to point at.
    pub span: Span,
    /// The `ref` calls found.
    pub refs: Vec<(jinja::RefCall, Span)>,
    /// The `source` calls found.
    pub sources: Vec<jinja::SourceCall>,
    /// Ids of the macros that its own template calls, in order of their first call.
    pub macros: Vec<String>,
    /// What it stands on: direct parents, sorted.
    pub depends_on: Vec<NodeId>,
    /// What only a test has.
    pub test: Option<Test>,
    /// What only a source table has.
    pub source: Option<SourceFacts>,
    /// What is kept as written, for kinds that are not understood further.
    pub declaration: Option<Json>,
}

impl Node {
    /// Whether it is a model written in Python, which cannot run here.
    pub fn is_python(&self) -> bool {
        let language = self.declaration.as_ref().and_then(|written| written.get("language"));
        self.kind == NodeKind::Model && language.and_then(Json::as_str) == Some("python")
    }

    /// Whether its rows are a common table expression of whoever uses it.
    pub fn is_ephemeral(&self) -> bool {
        self.kind == NodeKind::Model
            && self.config.materialized == crate::config::Materialization::Ephemeral
    }
}
