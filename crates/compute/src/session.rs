//! One session: pinned tables, one dialect, one moment of the business clock; it plans and runs
//! queries and changes nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use base::{InputVersion, TableName};
use chrono::{DateTime, Utc};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::admission;
use crate::catalog::{Catalog, Entry};
use crate::distinct;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::fence::{self, Fence};
use crate::front::{self, Dialect, FrontOptions, Known, Probe, Rewritten};
use crate::names::{NamedFacts, Names};
use crate::postgres_catalog::{TableFacts, columns_of, table_number};
use crate::provider::{relabelled, without_metadata};
use crate::stream::{BATCHES_AHEAD, Row, RowStream, over_time};
use crate::translate::query_error;
use crate::wording;

/// The namespace of bare names when a session has none: it holds no table.
const NO_NAMESPACE: &str = "";

/// One part in so many of a partition's memory is set aside for merging sorted runs.
const SORT_MERGE_SHARE: usize = 8;

/// How a session reads SQL.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The dialect of its queries.
    pub dialect: Dialect,
    /// What `now()` and `current_date` say.
    pub business_now: DateTime<Utc>,
    /// IANA name of the zone in which `current_date` and text to time conversions happen.
    pub time_zone: String,
    /// Where bare table names are looked up.
    pub default_namespace: Option<String>,
}

/// Plans and runs queries over pinned tables; a cheap clone.
#[derive(Clone, Debug)]
pub struct Session {
    scope: Arc<Scope>,
}

/// What planning needs, shared with views inside views.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) engine: Engine,
    pub(crate) catalog: Catalog,
    options: SessionOptions,
    /// One DataFusion state for each dialect that the session or a view of it speaks.
    states: Mutex<HashMap<Dialect, SessionState>>,
}

/// A planned query.
#[derive(Clone, Debug)]
pub struct Prepared {
    plan: LogicalPlan,
    state: SessionState,
    schema: SchemaRef,
    inputs: Vec<InputVersion>,
    sql: Arc<str>,
}

impl Prepared {
    /// The columns of the answer.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The table versions that the query reads, views looked through, sorted by name.
    pub fn inputs(&self) -> Vec<InputVersion> {
        self.inputs.clone()
    }

    pub(crate) fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// Another plan over the same tables.
    pub(crate) fn with_plan(&self, plan: LogicalPlan) -> Self {
        let schema = without_metadata(plan.schema().as_arrow());
        Self { plan, schema, ..self.clone() }
    }

    /// The types of `$1`, `$2`, … where the query tells them.
    pub fn parameters(&self) -> Vec<(usize, DataType)> {
        let found = self.plan.get_parameter_types().unwrap_or_default();
        let typed = found.into_iter().filter_map(|(name, data_type)| {
            Some((name.strip_prefix('$')?.parse().ok()?, data_type?))
        });
        typed.collect()
    }

    /// The plan, for people who read plans.
    pub fn plan_text(&self) -> String {
        self.plan.display_indent().to_string()
    }
}

impl Session {
    pub(crate) fn new(engine: Engine, catalog: Catalog, options: SessionOptions) -> Self {
        let states = Mutex::default();
        Self { scope: Arc::new(Scope { engine, catalog, options, states }) }
    }

    /// Parses and plans one query against the pinned tables.
    ///
    /// # Errors
    /// When it is not one query of the session's dialect, or names what does not exist.
    pub async fn prepare(&self, sql: &str) -> Result<Prepared, QueryError> {
        let scope = Arc::clone(&self.scope);
        let sql: Arc<str> = sql.into();
        // Boxed, so that whoever awaits a plan does not carry the planner's state on its stack.
        self.within_limits(Box::pin(async move {
            let names = Names::new(Arc::clone(&scope));
            let dialect = scope.options.dialect;
            let namespace = scope.options.default_namespace.as_deref();
            let planned = scope.plan(&sql, dialect, namespace, &names).await;
            let (plan, state) = planned.map_err(|error| wording::placed(error, &sql))?;
            let schema = without_metadata(plan.schema().as_arrow());
            let inputs = names.reads();
            Ok(Prepared { plan, state, schema, inputs, sql })
        }))
        .await
    }

    /// Runs a planned query; its rows come as they are asked for.
    ///
    /// # Errors
    /// When no physical plan can be made.
    pub async fn stream(
        &self,
        prepared: &Prepared,
        cancel: CancellationToken,
    ) -> Result<RowStream, QueryError> {
        let fence = Arc::new(Fence::default());
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let engine = self.scope.engine.clone();
        let (query, posts) = (prepared.clone(), Arc::clone(&fence));
        let work = engine.spawn(run(engine.clone(), query, posts, sender));
        Ok(RowStream::new(
            prepared.schema(),
            receiver,
            fence,
            engine.options().time_limit,
            cancel,
            work,
        ))
    }

    /// Plans and runs a query and keeps all its rows.
    ///
    /// # Errors
    /// As [`Session::prepare`] and [`Session::stream`], and whatever ends the rows early.
    pub async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
        let prepared = self.prepare(sql).await?;
        self.stream(&prepared, CancellationToken::new()).await?.try_collect().await
    }

    pub(crate) fn engine_options(&self) -> &crate::EngineOptions {
        self.scope.engine.options()
    }

    /// Whether a name stands for a view.
    pub(crate) fn is_view(&self, name: &TableName) -> bool {
        matches!(self.scope.catalog.entry(name), Some(Entry::View(_) | Entry::StoredView(_)))
    }

    /// What PostgreSQL's catalog knows of a table or view. A view that cannot be planned any more
    /// has no columns: it is still listed, so that somebody can see and mend it.
    pub(crate) async fn facts(&self, name: &TableName) -> Result<TableFacts, QueryError> {
        let names = Names::new(Arc::clone(&self.scope));
        let name = name.clone();
        let database = self.scope.catalog.environment().to_string();
        let is_view = self.is_view(&name);
        self.within_limits(async move {
            let facts = names.facts(&name).await;
            let mut facts = match facts {
                Err(_) if is_view => NamedFacts::default(),
                other => other?,
            };
            if is_view && facts.view.is_none() {
                facts.view = Some(String::new());
            }
            let columns = columns_of(&facts.schema);
            let place = |key: &String| columns.iter().position(|column| column.name == *key);
            let key: Option<Vec<usize>> = facts.key.iter().map(place).collect();
            Ok(TableFacts {
                oid: table_number(&name),
                name,
                database,
                view: facts.view,
                key: key.unwrap_or_default(),
                columns,
                description: None,
                rows: facts.rows,
                bytes: facts.bytes,
            })
        })
        .await
    }

    /// The columns of a table or view.
    ///
    /// # Errors
    /// When its metadata cannot be read, or a view cannot be planned any more.
    pub async fn columns_of(&self, name: &TableName) -> Result<SchemaRef, QueryError> {
        let names = Names::new(Arc::clone(&self.scope));
        let name = name.clone();
        self.within_limits(async move { Ok(names.facts(&name).await?.schema) }).await
    }

    /// What the session sees.
    pub fn catalog(&self) -> &Catalog {
        &self.scope.catalog
    }

    async fn within_limits<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        let engine = &self.scope.engine;
        let work: AbortOnDropHandle<_> = engine.spawn(work);
        let done = match engine.options().time_limit {
            Some(limit) => tokio::time::timeout(limit, work).await.map_err(|_| over_time(limit))?,
            None => work.await,
        };
        done.unwrap_or_else(|error| {
            Err(QueryError::internal(format!("planning broke off: {error}")))
        })
    }
}

/// Runs a query on the engine's threads and hands its batches over.
async fn run(engine: Engine, query: Prepared, fence: Arc<Fence>, rows: mpsc::Sender<Row>) {
    let broken = |error| query_error(error, None, engine.options());
    let started = async {
        let plan = query.state.create_physical_plan(&query.plan).await?;
        execute_stream(fence::install(plan, &fence)?, query.state.task_ctx())
    };
    let mut batches = match started.await {
        Ok(batches) => batches,
        Err(error) => {
            let error = query_error(error, Some(&query.sql), engine.options());
            let _ = rows.send(Err(error)).await;
            return;
        }
    };
    while let Some(batch) = batches.next().await {
        let row = batch.map_err(&broken).and_then(|batch| relabelled(&batch, &query.schema));
        let last = row.is_err();
        if rows.send(row).await.is_err() || last {
            return;
        }
    }
}

/// The columns' types are what they will be: branches of `case` and `union` agree on them only
/// here.
fn settle_types(plan: LogicalPlan, state: &SessionState) -> datafusion::error::Result<LogicalPlan> {
    if matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_)) {
        return Ok(plan);
    }
    front::refuse_plan(&plan)?;
    let plan = front::doubles_beside_decimals(plan)?;
    state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})
}

/// One query's text and where its names are looked up.
struct Asked<'a> {
    sql: &'a str,
    dialect: Dialect,
    default_namespace: Option<&'a str>,
    names: &'a Names,
}

impl Scope {
    /// Turns SQL into a logical plan and the state that can run it.
    pub(crate) async fn plan(
        &self,
        sql: &str,
        dialect: Dialect,
        default_namespace: Option<&str>,
        names: &Names,
    ) -> Result<(LogicalPlan, SessionState), QueryError> {
        admission::check_text(sql)?;
        let mut known = Known::default();
        loop {
            let asked = Asked { sql, dialect, default_namespace, names };
            let statement = self.rewritten(&asked, None, &mut known).await?;
            let tables = admission::check_statement(sql, &statement)?;
            names.check(sql, &tables, default_namespace)?;
            let state = self.state_for(&asked)?;
            let planned = state.statement_to_plan(statement).await;
            match planned.and_then(|plan| settle_types(plan, &state)) {
                Ok(plan) => return Ok((plan, state)),
                // What the names of columns tell may turn the error into a plan.
                Err(error) if known.learn(&error, dialect) => {}
                Err(error) => return Err(query_error(error, Some(sql), self.engine.options())),
            }
        }
    }

    /// Rewrites until nothing more is asked for; `probe` is a query of the rewrite's own.
    async fn rewritten(
        &self,
        asked: &Asked<'_>,
        probe: Option<&ast::Query>,
        known: &mut Known,
    ) -> Result<Statement, QueryError> {
        let options = self.front_options();
        for _ in 0..front::PROBES_MAX {
            let tried = match probe {
                None => front::rewrite(asked.sql, asked.dialect, &options, known)?,
                Some(query) => {
                    let query = Box::new(query.clone());
                    front::rewrite_probe(asked.sql, asked.dialect, &options, known, query)?
                }
            };
            match tried {
                Rewritten::Statement(statement) => return Ok(statement),
                Rewritten::Wants(probe) => {
                    let columns = Box::pin(self.columns(asked, &probe, known)).await;
                    known.tell(probe, columns);
                }
            }
        }
        let limit = front::PROBES_MAX;
        Err(QueryError::project(format!(
            "the columns of more than {limit} relations are asked for (limit probes_max)"
        ))
        .help("Name the columns instead of natural joins and columns(…)."))
    }

    /// The columns that a probe gives; none when it cannot be planned.
    async fn columns(
        &self,
        asked: &Asked<'_>,
        probe: &Probe,
        known: &mut Known,
    ) -> Option<Vec<String>> {
        let statement = self.rewritten(asked, Some(&probe.query), known).await.ok()?;
        let tables = admission::check_statement(asked.sql, &statement).ok()?;
        asked.names.check(asked.sql, &tables, asked.default_namespace).ok()?;
        let plan = self.state_for(asked).ok()?.statement_to_plan(statement).await.ok()?;
        Some(plan.schema().fields().iter().map(|field| field.name().clone()).collect())
    }

    /// The session's state, looking names up as this query does.
    fn state_for(&self, asked: &Asked<'_>) -> Result<SessionState, QueryError> {
        let mut state = self.state(asked.dialect)?;
        state.register_catalog_list(Arc::new(asked.names.clone()));
        let catalog = &mut state.config_mut().options_mut().catalog;
        catalog.default_schema = asked.default_namespace.unwrap_or(NO_NAMESPACE).to_owned();
        Ok(state)
    }

    fn front_options(&self) -> FrontOptions {
        FrontOptions { now: self.options.business_now, time_zone: self.options.time_zone.clone() }
    }

    fn state(&self, dialect: Dialect) -> Result<SessionState, QueryError> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get(&dialect) {
            return Ok(state.clone());
        }
        let time_zone = &self.options.time_zone;
        let mut state = self.engine.planner(dialect, time_zone, || self.planner(dialect))?;
        let catalog = &mut state.config_mut().options_mut().catalog;
        self.catalog.environment().as_str().clone_into(&mut catalog.default_catalog);
        // `now()` and `current_date` are the moment a plan starts: the business clock's.
        state.execution_props_mut().query_execution_start_time = Some(self.options.business_now);
        states.insert(dialect, state.clone());
        Ok(state)
    }

    /// A planner with all functions of a dialect: a thousand entries, and made once.
    fn planner(&self, dialect: Dialect) -> Result<SessionState, QueryError> {
        let mut builder = SessionStateBuilder::new_with_default_features()
            .with_config(self.config())
            .with_runtime_env(Arc::clone(self.engine.environment()));
        builder.expr_planners().get_or_insert_default().insert(0, front::planner(dialect));
        let context = SessionContext::new_with_state(builder.build());
        front::register(&context, dialect, &self.front_options())?;
        distinct::register(&context);
        Ok(context.state())
    }

    fn config(&self) -> SessionConfig {
        let limits = self.engine.options().clone();
        let mut config = SessionConfig::new()
            .with_target_partitions(limits.threads)
            .with_batch_size(limits.batch_rows)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(true)
            .with_default_catalog_and_schema(
                self.catalog.environment().as_str(),
                self.options.default_namespace.as_deref().unwrap_or(NO_NAMESPACE),
            );
        let options = config.options_mut();
        options.execution.time_zone = Some(self.options.time_zone.clone());
        // Each partition of a sort sets this much aside for its merge; under a small memory limit
        // the default would be all there is, and nothing could spill.
        options.execution.sort_spill_reservation_bytes = options
            .execution
            .sort_spill_reservation_bytes
            .min(limits.memory_bytes / limits.threads / SORT_MERGE_SHARE);
        options.execution.parquet.pushdown_filters = limits.filter_while_decoding;
        options.execution.parquet.reorder_filters = limits.filter_while_decoding;
        options.sql_parser.collect_spans = true;
        // `coalesce(a = b, false)` is known not to be NULL in the plan and not in what carries it
        // out; the engine would stop at that difference, which concerns no row.
        options.execution.skip_physical_aggregate_schema_check = true;
        config
    }
}
