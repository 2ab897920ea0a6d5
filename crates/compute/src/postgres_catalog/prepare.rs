//! Whose statement it is, and the statement made ready.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{Query as SqlQuery, Statement, TableFactor, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::bind::Binder;
use super::casts::cast;
use super::evaluate::shown;
use super::host::Host;
use super::kinds::{self, Oid};
use super::plan::{Column, Query};
use super::run::Run;
use super::state::CatalogState;
use super::value::{Row, Value};
use super::{PostgresCatalog, folded, names};
use crate::error::QueryError;

/// Brackets inside one another.
const NESTING_MAX: usize = 100;
/// Bytes of a statement that may be the catalog's: an `in` list of all tables is long.
const BYTES_MAX: usize = 1024 * 1024;

/// A statement that the catalog answers.
#[derive(Debug)]
pub struct CatalogQuery {
    query: Query,
    parameters: Vec<Oid>,
    catalog: Arc<PostgresCatalog>,
    reads_nothing: bool,
}

impl CatalogQuery {
    /// The columns of the answer.
    pub fn columns(&self) -> &[Column] {
        &self.query.columns
    }

    /// The types of `$1`, `$2`, ….
    pub fn parameters(&self) -> &[Oid] {
        &self.parameters
    }

    /// Whether it reads no relation at all, so that the engine would answer it alike.
    pub fn reads_nothing(&self) -> bool {
        self.reads_nothing
    }

    /// All rows, for parameters as text.
    ///
    /// # Errors
    /// When a value does not fit its type, or the answer grows beyond all bounds.
    pub fn rows(
        &self,
        host: &dyn Host,
        parameters: &[Option<String>],
    ) -> Result<Vec<Row>, QueryError> {
        let state = CatalogState::new(&self.catalog, host);
        let mut values = Vec::with_capacity(parameters.len());
        for (place, text) in parameters.iter().enumerate() {
            let kind = self.parameters.get(place).copied().unwrap_or(kinds::TEXT);
            values.push(match text {
                None => Value::Null,
                Some(text) => cast(&state, &Value::text(text.as_str()), kinds::UNKNOWN, kind)?,
            });
        }
        let run = Run::new(&state, &values);
        let rows = run.query(&self.query, None)?;
        let named: Vec<bool> =
            self.query.columns.iter().map(|column| is_named(column.kind)).collect();
        if !named.contains(&true) {
            return Ok(rows);
        }
        let show = |row: Row| {
            let cells = row.iter().zip(&self.query.columns);
            cells.map(|(value, column)| shown(&run, value.clone(), column.kind)).collect()
        };
        Ok(rows.into_iter().map(show).collect())
    }
}

fn is_named(kind: Oid) -> bool {
    kinds::names_something(kinds::element_of(kind).unwrap_or(kind))
}

impl PostgresCatalog {
    /// Makes a statement ready if it is the catalog's: one query that reads catalog relations
    /// only, or no relation at all and nothing but what is surely answered alike. None: the
    /// statement is the engine's.
    ///
    /// # Errors
    /// When it is the catalog's and names what does not exist, or is not offered here.
    pub fn prepare(
        self: &Arc<Self>,
        host: &dyn Host,
        sql: &str,
        parameters: &[Option<Oid>],
    ) -> Result<Option<CatalogQuery>, QueryError> {
        let Some(query) = parse(sql) else { return Ok(None) };
        let state = CatalogState::new(self, host);
        let used = Used::by(&query);
        let (catalog, other): (Vec<&Vec<String>>, Vec<&Vec<String>>) =
            used.tables.iter().partition(|parts| is_catalog(&state, parts));
        if !other.is_empty() {
            return Ok(None);
        }
        // A recursion that reads nothing counts or searches: work for the engine.
        if catalog.is_empty() && used.recursive {
            return Ok(None);
        }
        let mut binder = Binder::new(&state, parameters);
        binder.strict = catalog.is_empty();
        let bound = match binder.query(&query) {
            Ok(bound) => bound,
            Err(_) if binder.strict => return Ok(None),
            Err(error) => return Err(error),
        };
        let settle = |kind: &Option<Oid>| kind.unwrap_or(kinds::TEXT);
        let parameters = binder.parameters.iter().map(settle).collect();
        let reads_nothing = binder.strict;
        let catalog = Arc::clone(self);
        Ok(Some(CatalogQuery { query: bound, parameters, catalog, reads_nothing }))
    }

    /// The catalog relations that a statement of the engine reads beside tables of the lake, with
    /// their rows.
    pub fn rows_beside(&self, host: &dyn Host, sql: &str) -> Vec<(String, String, RecordBatch)> {
        let Some(query) = parse(sql) else { return Vec::new() };
        let state = CatalogState::new(self, host);
        let mut found = Vec::new();
        for parts in &Used::by(&query).tables {
            if !is_catalog(&state, parts) {
                continue;
            }
            let (schema, name) = match parts.as_slice() {
                [name] => ("pg_catalog", name),
                [.., schema, name] => (schema.as_str(), name),
                [] => continue,
            };
            if let Some(batch) = state.relation(parts).and_then(|held| batch(&held)) {
                found.push((schema.to_owned(), name.clone(), batch));
            }
        }
        found
    }
}

fn parse(sql: &str) -> Option<Box<SqlQuery>> {
    if sql.len() > BYTES_MAX {
        return None;
    }
    let dialect = PostgreSqlDialect {};
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(NESTING_MAX).try_with_sql(sql).ok()?;
    let mut statements = parser.parse_statements().ok()?;
    match (statements.pop(), statements.is_empty()) {
        (Some(Statement::Query(query)), true) => Some(query),
        _ => None,
    }
}

fn is_catalog(state: &CatalogState<'_>, parts: &[String]) -> bool {
    match parts {
        [name] => state.relation(std::slice::from_ref(name)).is_some(),
        [schema, _] | [_, schema, _] => {
            matches!(schema.as_str(), "pg_catalog" | "information_schema")
        }
        _ => false,
    }
}

/// Tables that a query names, those of its `with` left out.
#[derive(Default)]
struct Used {
    tables: Vec<Vec<String>>,
    common: HashSet<String>,
    recursive: bool,
}

impl Used {
    fn by(query: &SqlQuery) -> Self {
        let mut used = Self::default();
        let _: ControlFlow<()> = query.visit(&mut used);
        let common = std::mem::take(&mut used.common);
        used.tables.retain(|parts| match parts.as_slice() {
            [bare] => !common.contains(bare),
            _ => true,
        });
        used
    }
}

impl Visitor for Used {
    type Break = ();

    fn pre_visit_query(&mut self, query: &SqlQuery) -> ControlFlow<()> {
        self.recursive |= query.with.as_ref().is_some_and(|with| with.recursive);
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.common.insert(folded(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: None, .. } = factor {
            self.tables.push(names::parts(name));
        }
        ControlFlow::Continue(())
    }
}

/// A relation as the engine reads it.
fn batch(relation: &super::plan::Relation) -> Option<RecordBatch> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (place, column) in relation.columns.iter().enumerate() {
        let values = || relation.rows.rows.iter().map(|row| row.get(place));
        let (kind, array): (DataType, ArrayRef) = match column.kind {
            kinds::BOOL => {
                let truths = values().map(|value| match value {
                    Some(Value::Bool(truth)) => Some(*truth),
                    _ => None,
                });
                (DataType::Boolean, Arc::new(truths.collect::<BooleanArray>()))
            }
            kinds::FLOAT4 | kinds::FLOAT8 => {
                let numbers = values().map(|value| value.and_then(super::value::number));
                (DataType::Float64, Arc::new(numbers.collect::<Float64Array>()))
            }
            kind if kinds::is_integer(kind) => {
                let numbers = values().map(|value| value.and_then(Value::as_int));
                (DataType::Int64, Arc::new(numbers.collect::<Int64Array>()))
            }
            _ => {
                let texts = values().map(|value| value.and_then(Value::written));
                (DataType::Utf8, Arc::new(texts.collect::<StringArray>()))
            }
        };
        fields.push(Field::new(&column.name, kind, true));
        arrays.push(array);
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    RecordBatch::try_new(schema, arrays).ok()
}
