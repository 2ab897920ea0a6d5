//! Tables and everything else in the graph: one list, one page each, previews, compiled SQL.

use access::{Identity, Permission};
use axum::Json;
use axum::extract::{Path, Query, State};
use base::{LoadAccount, NodeId, RunId};
use chrono::{DateTime, Utc};
use ledger::{PointerKind, SchemaChangeRecord, TableVersion, TestResult, TestStatus};
use project::{Node, Project, TestKind, TestSeverity};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use transformation::{BuildOptions, Tools, Workshop};

use super::home::{ClockAnswer, clock};
use super::lineage::consumers;
use super::query::{self, Asked, RowsAnswer};
use super::runs::{InputAnswer, input_answers};
use crate::overview::{self, NodeRow, Overview, is_shown};
use crate::rows::type_name;
use crate::{Answer, Caller, Platform, Routes, ServerError, SharedPlatform};

/// Versions of one answer, newest first.
const VERSIONS_MAX: usize = 200;
/// Rows of a preview when nobody says how many.
const PREVIEW_ROWS: usize = 100;
/// Tables whose columns the catalog lists.
const CATALOG_TABLES_MAX: usize = 2_000;

pub(super) fn routes() -> Routes {
    let (see, rows) = (Permission::See, Permission::Query);
    Routes::new()
        .get("/api/v1/tables", see, "every node and how it stands", tables)
        .get("/api/v1/tables/{node}", see, "one node: columns, versions, tests", table)
        .get("/api/v1/tables/{node}/preview", rows, "its first rows", preview)
        .get("/api/v1/tables/{node}/sql", rows, "its compiled SQL", compiled)
        .get("/api/v1/catalog", see, "published tables and their columns", catalog)
}

#[derive(Debug, Serialize)]
struct TablesAnswer {
    tables: Vec<NodeRow>,
    clock: ClockAnswer,
}

async fn tables(State(platform): State<SharedPlatform>) -> Answer<TablesAnswer> {
    let overview = overview::read(&platform).await?;
    let tables = overview.rows.into_values().collect();
    Ok(Json(TablesAnswer { tables, clock: clock(&platform) }))
}

#[derive(Debug, Serialize)]
struct TableAnswer {
    node: NodeRow,
    path: String,
    group: Option<String>,
    tags: Vec<String>,
    columns: Vec<ColumnAnswer>,
    versions: Vec<VersionAnswer>,
    test_results: Vec<TestAnswer>,
    raw_sql: Option<String>,
    parents: Vec<NodeRow>,
    children: Vec<NodeRow>,
    /// What people and programs use, at the end of the line.
    consumers: Vec<NodeRow>,
    history: Vec<HistoryPoint>,
    clock: ClockAnswer,
}

#[derive(Debug, Serialize)]
struct ColumnAnswer {
    name: String,
    data_type: Option<String>,
    nullable: Option<bool>,
    description: String,
    tests: Vec<ColumnTest>,
}

#[derive(Debug, Serialize)]
struct ColumnTest {
    name: String,
    status: Option<TestStatus>,
}

#[derive(Debug, Serialize)]
struct VersionAnswer {
    number: usize,
    at: DateTime<Utc>,
    rows: u64,
    inserted: u64,
    deleted: u64,
    removed: u64,
    run: Option<RunId>,
    code_changed: bool,
    tested: ledger::Tested,
    foreign: bool,
    current: bool,
    columns_changed: Vec<ColumnChange>,
    inputs: Vec<InputAnswer>,
    load: Option<LoadAccount>,
}

#[derive(Debug, Serialize)]
struct ColumnChange {
    kind: &'static str,
    column: String,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Debug, Serialize)]
struct HistoryPoint {
    at: DateTime<Utc>,
    rows: u64,
}

/// A test and how it ended.
#[derive(Debug, Serialize)]
pub(super) struct TestAnswer {
    node: NodeId,
    name: String,
    status: TestStatus,
    severity: &'static str,
    column: Option<String>,
    failures: Option<u64>,
    message: Option<String>,
    /// Some failing rows, for those who may read rows.
    sample: Option<Value>,
    duration_ms: Option<u64>,
    run: Option<RunId>,
    at: Option<DateTime<Utc>>,
}

pub(super) fn test_answer(
    project: &Project,
    node: &NodeId,
    result: Option<&TestResult>,
    identity: &Identity,
) -> TestAnswer {
    let known = project.graph.node(node);
    let test = known.and_then(|node| node.test.as_ref());
    let column = test.and_then(|test| match &test.kind {
        TestKind::Generic { column, .. } => column.clone(),
        TestKind::Singular => None,
    });
    let name = known.map_or_else(|| node.to_string(), test_name);
    let warns = test.is_some_and(|test| test.severity == TestSeverity::Warn);
    let record = result.map(|result| &result.test);
    TestAnswer {
        node: node.clone(),
        name,
        status: record.map_or(TestStatus::Skipped, |record| record.status),
        severity: if warns { "warn" } else { "error" },
        column,
        failures: record.and_then(|record| record.failures),
        message: record.and_then(|record| record.message.clone()),
        sample: record
            .and_then(|record| record.sample.clone())
            .filter(|_| identity.may(Permission::Query)),
        duration_ms: record.and_then(|record| record.duration_ms),
        run: record.and_then(|record| record.run.clone()),
        at: result.map(|result| result.business_time),
    }
}

/// A test as people say it: `unique signup_id`.
fn test_name(node: &Node) -> String {
    let Some(test) = &node.test else { return node.name.clone() };
    match &test.kind {
        TestKind::Generic { name, column: Some(column), .. } => format!("{name} {column}"),
        TestKind::Generic { .. } | TestKind::Singular => node.name.clone(),
    }
}

fn unknown(node: &str) -> ServerError {
    let message = format!("there is no node \"{}\"", node.escape_debug());
    ServerError::not_found(message).with_help("/api/v1/tables lists them.")
}

async fn table(
    State(platform): State<SharedPlatform>,
    Caller(identity): Caller,
    Path(id): Path<String>,
) -> Answer<TableAnswer> {
    let overview = overview::read(&platform).await?;
    let id = NodeId::new(id);
    let project = std::sync::Arc::clone(&overview.project);
    let (Some(node), Some(row)) = (project.graph.node(&id), overview.rows.get(&id)) else {
        return Err(unknown(id.as_str()));
    };
    let tests: Vec<TestAnswer> = overview::tests_by_node(&project)
        .get(&id)
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|test| {
            let result = overview.test_results.get(&test.id);
            test_answer(&project, &test.id, result, &identity)
        })
        .collect();
    let versions = versions(&platform, &project, node).await?;
    let points = versions.iter().rev().filter(|version| version.rows > 0 || version.number > 1);
    let history = points.map(|version| HistoryPoint { at: version.at, rows: version.rows });
    let rows = |ids: &[NodeId]| -> Vec<NodeRow> {
        ids.iter().filter_map(|id| overview.rows.get(id)).cloned().collect()
    };
    let consumers: Vec<NodeId> = consumers(&project.graph, &id).into_iter().collect();
    Ok(Json(TableAnswer {
        node: row.clone(),
        path: node.path.clone(),
        group: node.group.clone(),
        tags: node.tags.clone(),
        columns: columns(&platform, &overview, node, &tests).await?,
        history: history.collect(),
        versions,
        test_results: tests,
        raw_sql: Some(node.raw_sql.clone()).filter(|sql| !sql.trim().is_empty()),
        parents: rows(&node.depends_on),
        children: rows(project.graph.children(&id)),
        consumers: rows(&consumers),
        clock: clock(&platform),
    }))
}

/// The columns of the published version, beside what the project says of them.
async fn columns(
    platform: &Platform,
    overview: &Overview,
    node: &Node,
    tests: &[TestAnswer],
) -> Result<Vec<ColumnAnswer>, ServerError> {
    let tests_of = |name: &str| -> Vec<ColumnTest> {
        let own = tests.iter().filter(|test| test.column.as_deref() == Some(name));
        own.map(|test| ColumnTest {
            name: test.name.split(' ').next().unwrap_or_default().to_owned(),
            status: Some(test.status),
        })
        .collect()
    };
    let described = |name: &str| {
        let own = node.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        own.map(|column| column.description.clone()).unwrap_or_default()
    };
    let table = node.relation.as_ref().map(project::Relation::table);
    let published = table.filter(|table| overview.tables.contains_key(table));
    let Some(table) = published else {
        let declared = node.columns.iter().map(|column| ColumnAnswer {
            name: column.name.clone(),
            data_type: column.data_type.clone(),
            nullable: None,
            description: column.description.clone(),
            tests: tests_of(&column.name),
        });
        return Ok(declared.collect());
    };
    let Some(pointer) = platform.ledger.pointer(&platform.environment, &table).await? else {
        return Ok(Vec::new());
    };
    let schema = schema(platform, &pointer).await?;
    let answer = |field: &arrow::datatypes::FieldRef| ColumnAnswer {
        name: field.name().clone(),
        data_type: Some(type_name(field.data_type())),
        nullable: Some(field.is_nullable()),
        description: described(field.name()),
        tests: tests_of(field.name()),
    };
    Ok(schema.fields().iter().map(answer).collect())
}

async fn schema(
    platform: &Platform,
    pointer: &ledger::Pointer,
) -> Result<arrow::datatypes::SchemaRef, ServerError> {
    Ok(match pointer.kind {
        PointerKind::Table => {
            let table = platform.lake.read(&pointer.metadata_location).await?;
            std::sync::Arc::clone(table.arrow_schema())
        }
        PointerKind::View => platform.lake.read_view(&pointer.metadata_location).await?.schema,
    })
}

async fn versions(
    platform: &Platform,
    project: &Project,
    node: &Node,
) -> Result<Vec<VersionAnswer>, ServerError> {
    let Some(table) = node.relation.as_ref().map(project::Relation::table) else {
        return Ok(Vec::new());
    };
    let (ledger, environment) = (&platform.ledger, &platform.environment);
    let (versions, changes, pointer) = futures::try_join!(
        ledger.table_versions(environment, &table),
        ledger.schema_changes(environment, &table),
        ledger.pointer(environment, &table),
    )?;
    let current = pointer.map(|pointer| pointer.metadata_location);
    let mut answers: Vec<VersionAnswer> = Vec::with_capacity(versions.len());
    for (index, version) in versions.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &versions[before]);
        let mut answer = version_answer(project, version, &changes);
        answer.number = index + 1;
        answer.current = current.as_ref() == Some(&version.metadata_location);
        answer.code_changed = before.is_some_and(|before| {
            before.code_fingerprint.is_some() && before.code_fingerprint != version.code_fingerprint
        });
        answers.push(answer);
    }
    answers.reverse();
    answers.truncate(VERSIONS_MAX);
    Ok(answers)
}

fn version_answer(
    project: &Project,
    version: &TableVersion,
    changes: &[SchemaChangeRecord],
) -> VersionAnswer {
    let own = changes.iter().filter(|change| change.commit_id == version.commit_id);
    let columns_changed = own.map(|record| ColumnChange {
        kind: record.change.kind.as_str(),
        column: record.change.column.clone(),
        from: record.change.from.clone(),
        to: record.change.to.clone(),
    });
    VersionAnswer {
        number: 0,
        at: version.business_time,
        rows: version.account.after,
        inserted: version.account.inserted,
        deleted: version.account.deleted,
        removed: version.account.removed,
        run: version.run.clone(),
        code_changed: false,
        tested: version.tested,
        foreign: version.foreign,
        current: false,
        columns_changed: columns_changed.collect(),
        inputs: input_answers(project, &version.inputs),
        load: version.load,
    }
}

#[derive(Deserialize)]
struct PreviewQuery {
    limit: Option<usize>,
}

async fn preview(
    State(platform): State<SharedPlatform>,
    Path(id): Path<String>,
    Query(PreviewQuery { limit }): Query<PreviewQuery>,
) -> Answer<RowsAnswer> {
    let project = platform.project();
    let node = project.graph.node(&NodeId::new(id.as_str())).ok_or_else(|| unknown(&id))?;
    let Some(relation) = &node.relation else {
        let message = format!("{} has no table", node.name);
        return Err(ServerError::not_found(message));
    };
    let quoted = |name: &str| name.replace('"', "\"\"");
    let (schema, name) = (quoted(&relation.schema), quoted(&relation.identifier));
    let sql = format!("select * from \"{schema}\".\"{name}\"");
    let limit = limit.unwrap_or(PREVIEW_ROWS);
    Ok(Json(query::answer(&platform, &Asked { sql, limit, cancel: None }).await?))
}

async fn compiled(State(platform): State<SharedPlatform>, Path(id): Path<String>) -> Answer<Value> {
    let project = platform.project();
    let node = project.graph.node(&NodeId::new(id.as_str())).ok_or_else(|| unknown(&id))?;
    if node.raw_sql.trim().is_empty() || node.is_python() || !is_shown(node) {
        return Err(ServerError::not_found(format!("{} has no SQL", node.name)));
    }
    let tools = Tools {
        project: std::sync::Arc::clone(&project),
        ledger: platform.ledger.clone(),
        lake: platform.lake.clone(),
        engine: platform.engine.clone(),
        files: std::sync::Arc::clone(&platform.files),
        environment: platform.environment.clone(),
        dialect: platform.dialect,
    };
    let randomness = platform.ledger.randomness();
    let run = RunId::generate(platform.clocks.machine.as_ref(), randomness.as_ref());
    let workshop = Workshop::new(tools, run, BuildOptions::default());
    let sql = workshop.compile_node(&node.id, false).await?;
    Ok(Json(json!({"sql": sql})))
}

#[derive(Debug, Serialize)]
struct CatalogEntry {
    table: String,
    node: Option<NodeId>,
    columns: Vec<String>,
}

/// What the editor completes; a table whose files cannot be read is listed without columns.
async fn catalog(State(platform): State<SharedPlatform>) -> Answer<Value> {
    let project = platform.project();
    let pointers = platform.ledger.pointers(&platform.environment).await?;
    let mut entries: Vec<CatalogEntry> = Vec::with_capacity(pointers.len());
    for (index, pointer) in pointers.iter().enumerate() {
        let columns = match index < CATALOG_TABLES_MAX {
            true => schema(&platform, pointer).await.ok(),
            false => None,
        };
        let names = columns.map(|schema| {
            schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
        });
        entries.push(CatalogEntry {
            table: pointer.table.to_string(),
            node: project.graph.node_of_table(&pointer.table).map(|node| node.id.clone()),
            columns: names.unwrap_or_default(),
        });
    }
    Ok(Json(json!({"tables": entries})))
}
