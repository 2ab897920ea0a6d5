//! Unit tests: a model is compiled over rows that the test gives in the place of its parents, and
//! what comes out is held against what the test expects. No parent needs to be built.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Schema;
use base::{NodeId, TableName};
use compute::ViewText;
use compute::statement::quoted;
use ledger::TestStatus;
use project::jinja::Relation;
use project::{FixtureInput, FixtureRows, Node, NodeKind, UnitTest};
use serde_json::{Map, Value};

use crate::facts::column;
use crate::report::TestReport;
use crate::world::World;
use crate::{TransformationError, Workshop};

/// Where rows that a test gives are found.
const GIVEN: &str = "dbt_unit_test";
/// Differing rows that a message shows.
const SHOWN_MAX: usize = 5;

/// A column and its type in the project's dialect; no type leaves values as they are.
type Columns = Vec<(String, Option<String>)>;

impl Workshop {
    /// Runs a unit test.
    pub(crate) async fn run_unit_test(
        &self,
        node: &Node,
    ) -> Result<TestReport, TransformationError> {
        let test = self.project.unit_test(node).map_err(TransformationError::Project)?;
        let Some(model) = self.project.graph.node(&test.model) else {
            return Err(TransformationError::Internal(format!("no model \"{}\"", test.model)));
        };
        let world = self.world(self.session(self.catalog().await?)).await?;
        let stands_for = self.give(&test, model, &world).await?;
        let (mut context, facts) = self.context(&world, false);
        context.stands_for = stands_for;
        context.macros.clone_from(&test.macros);
        context.vars.clone_from(&test.vars);
        context.env_vars.clone_from(&test.env_vars);
        let compiled = self.compile_with(model, context, &facts).await?;
        let session = world.session();
        let own = |error| compiled.query_error(error);
        let schema = session.prepare(&compiled.sql).await.map_err(own)?.schema();
        let columns = self.typed(&schema);
        let expected_sql = self.fixture(&test.expect, &columns, false)?;
        let plain = |error| TransformationError::from_query(error, None);
        let shape = session.prepare(&expected_sql).await.map_err(plain)?.schema();
        let names = shape.fields().iter().map(|field| quoted(field.name()));
        let names = names.collect::<Vec<_>>().join(", ");
        let actual_sql = format!("select {names} from (\n{}\n) __actual", compiled.sql);
        let actual = session.rows(&actual_sql).await.map_err(own)?;
        let expected = session.rows(&expected_sql).await.map_err(plain)?;
        let actual = crate::audit::as_objects(&actual).map_err(own)?;
        let expected = crate::audit::as_objects(&expected).map_err(plain)?;
        let message = difference(actual, expected);
        let failures = u64::from(message.is_some());
        Ok(TestReport {
            node: node.id.clone(),
            status: if message.is_some() { TestStatus::Failed } else { TestStatus::Passed },
            failures: Some(failures),
            message,
            sample: Vec::new(),
            diagnostics: Vec::new(),
            duration: std::time::Duration::ZERO,
        })
    }

    /// Puts the given rows where the model will look for its parents.
    async fn give(
        &self,
        test: &UnitTest,
        model: &Node,
        world: &Arc<World>,
    ) -> Result<BTreeMap<NodeId, Relation>, TransformationError> {
        let mut stands_for = BTreeMap::new();
        let database = self.environment.as_str();
        for (at, (input, rows)) in test.given.iter().enumerate() {
            let node = match input {
                FixtureInput::This => Some(model),
                FixtureInput::Parent(id) => self.project.graph.node(id),
            };
            let Some(node) = node else { continue };
            let columns = self.columns_of(node, world).await;
            let sql = self.fixture(rows, &columns, true)?;
            let name = match (input, &node.relation) {
                (FixtureInput::This, Some(relation)) => relation.table(),
                (FixtureInput::This | FixtureInput::Parent(_), _) => {
                    TableName::new(GIVEN, format!("{}_{at}", node.name))
                }
            };
            if let FixtureInput::Parent(id) = input {
                let relation = Relation::new(database, &*name.namespace, &*name.name);
                stands_for.insert(id.clone(), relation);
            }
            let view = ViewText { sql, dialect: self.dialect, default_namespace: None };
            world.imagine(&name, view);
        }
        Ok(stands_for)
    }

    /// The columns that a node has, or would have; none when nobody can tell.
    async fn columns_of(&self, node: &Node, world: &Arc<World>) -> Columns {
        let session = world.session();
        if let Some(relation) = &node.relation
            && world.found(&relation.table()).is_some()
            && let Ok(prepared) = session.prepare(&format!("select * from {relation}")).await
        {
            return self.typed(&prepared.schema());
        }
        if node.kind == NodeKind::Model
            && let Ok(compiled) = Box::pin(self.compile_in(node, world, true)).await
            && let Ok(prepared) = session.prepare(&compiled.sql).await
        {
            return self.typed(&prepared.schema());
        }
        let declared = node.columns.iter();
        declared.map(|column| (column.name.clone(), column.data_type.clone())).collect()
    }

    fn typed(&self, schema: &Schema) -> Columns {
        let one = |field: &Arc<arrow::datatypes::Field>| {
            let nested = field.data_type().is_nested();
            let known = column(field.name(), field.data_type(), self.dialect);
            let kind = match (known.numeric_precision, known.numeric_scale) {
                (Some(precision), Some(scale)) => {
                    format!("{}({precision}, {scale})", known.data_type)
                }
                _ => known.data_type,
            };
            (field.name().clone(), (!nested).then_some(kind))
        };
        schema.fields().iter().map(one).collect()
    }

    /// A query that gives the rows of a fixture. `whole` adds the columns that no row names.
    fn fixture(
        &self,
        rows: &FixtureRows,
        columns: &Columns,
        whole: bool,
    ) -> Result<String, TransformationError> {
        let values = match rows {
            FixtureRows::Sql(sql) => return Ok(sql.clone()),
            FixtureRows::Values(values) => values.clone(),
            FixtureRows::Csv(text) => csv_rows(text)?,
            FixtureRows::File(name) => {
                let text = self.fixture_file(name)?;
                if name.ends_with(".sql") {
                    return Ok(text);
                }
                csv_rows(&text)?
            }
        };
        let mut shape: Columns = Vec::new();
        let named = |name: &str| {
            values.iter().any(|row| row.keys().any(|key| key.eq_ignore_ascii_case(name)))
        };
        for (name, kind) in columns {
            if whole || named(name) || values.is_empty() {
                shape.push((name.clone(), kind.clone()));
            }
        }
        for key in values.iter().flat_map(Map::keys) {
            if !shape.iter().any(|(name, _)| name.eq_ignore_ascii_case(key)) {
                if !columns.is_empty() {
                    return Err(TransformationError::Columns {
                        message: format!("a row of the unit test has the unknown column \"{key}\""),
                        help: "Name columns that the input, or the model, has.".to_owned(),
                    });
                }
                shape.push((key.clone(), None));
            }
        }
        if shape.is_empty() {
            return Ok("select 1 as nothing where false".to_owned());
        }
        let row = |row: &Map<String, Value>| {
            let cells = shape.iter().map(|(name, kind)| {
                let given = row.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                let text = literal(given.map(|(_, value)| value));
                match kind {
                    Some(kind) => format!("cast({text} as {kind}) as {}", quoted(name)),
                    None => format!("{text} as {}", quoted(name)),
                }
            });
            format!("select {}", cells.collect::<Vec<_>>().join(", "))
        };
        if values.is_empty() {
            return Ok(format!("{} where false", row(&Map::new())));
        }
        Ok(values.iter().map(row).collect::<Vec<_>>().join("\nunion all\n"))
    }

    fn fixture_file(&self, name: &str) -> Result<String, TransformationError> {
        for folder in &self.project.test_paths {
            let path = self.project.root.join(folder).join("fixtures").join(name);
            if let Ok(content) = self.files.read(&path) {
                return Ok(String::from_utf8_lossy(&content).into_owned());
            }
        }
        Err(TransformationError::Columns {
            message: format!("fixture \"{name}\" does not exist"),
            help: "Put it into the folder fixtures/ of the project's tests.".to_owned(),
        })
    }
}

fn csv_rows(text: &str) -> Result<Vec<Map<String, Value>>, TransformationError> {
    let refuse = |error: csv::Error| TransformationError::Columns {
        message: format!("the rows of a unit test are no CSV: {error}"),
        help: "Write a header, then one line for each row.".to_owned(),
    };
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.trim().as_bytes());
    let header = reader.headers().map_err(refuse)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(refuse)?;
        let cell = |text: &str| match text {
            "" => Value::Null,
            text => Value::String(text.to_owned()),
        };
        rows.push(header.iter().map(str::to_owned).zip(record.iter().map(cell)).collect());
    }
    Ok(rows)
}

fn literal(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "null".to_owned(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => format!("'{}'", text.replace('\'', "''")),
        Some(Value::Array(items)) => {
            let items = items.iter().map(|item| literal(Some(item)));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        Some(object @ Value::Object(_)) => format!("'{}'", object.to_string().replace('\'', "''")),
    }
}

/// What differs between two bags of rows; none when they are equal.
fn difference(
    actual: Vec<Map<String, Value>>,
    expected: Vec<Map<String, Value>>,
) -> Option<String> {
    let text = |row: Map<String, Value>| Value::Object(row).to_string();
    let mut extra: Vec<String> = Vec::new();
    let mut missing: Vec<String> = expected.into_iter().map(text).collect();
    for row in actual.into_iter().map(text) {
        match missing.iter().position(|other| *other == row) {
            Some(at) => {
                missing.swap_remove(at);
            }
            None => extra.push(row),
        }
    }
    if extra.is_empty() && missing.is_empty() {
        return None;
    }
    let listed = |sign: &str, rows: &[String]| {
        let lines = rows.iter().take(SHOWN_MAX).map(|row| format!("{sign} {row}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let lines = [listed("-", &missing), listed("+", &extra)];
    let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|l| !l.is_empty()).collect();
    Some(format!("actual (+) differs from expected (-):\n{}", lines.join("\n")))
}
