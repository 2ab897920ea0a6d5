//! From the SQL a person wrote, in one of four dialects, to a statement DataFusion can plan.
//!
//! A statement is parsed with one grammar (`parse`), its tree is rewritten (`walk` drives `joins`,
//! `names`, `time`, `functions`, `refuse`), and what depends on types is settled while DataFusion
//! plans (`arithmetic`, `casts`) by what [`register`] put into the session. The rule of the house:
//! a construct gives the rows its dialect's home gives, or is refused by name.

mod aliases;
mod arithmetic;
mod casts;
mod dialect;
mod functions;
mod grammar;
mod joins;
mod laterals;
mod names;
mod natural;
mod operators;
mod parse;
mod pivot;
mod probe;
mod refuse;
mod sources;
mod spelling;
mod star;
mod time;
mod tokens;
mod tree;
mod type_names;
mod walk;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{ExplainStatement, Statement};
use datafusion::sql::sqlparser::ast;

pub(crate) use casts::doubles_beside_decimals;
pub use dialect::Dialect;
pub(crate) use grammar::FrontGrammar;
pub use parse::range;
pub(crate) use parse::statements as parse_statements;
pub(crate) use probe::{Known, PROBES_MAX, Probe};
pub(crate) use refuse::plan as refuse_plan;

use crate::error::QueryError;

/// What a rewrite needs to know of the session.
#[derive(Clone, Debug)]
pub struct FrontOptions {
    /// The business clock's moment: what `now()` and `current_date` say.
    pub now: DateTime<Utc>,
    /// IANA name of the session's time zone.
    pub time_zone: String,
}

/// What comes of one try to rewrite.
pub(crate) enum Rewritten {
    /// A statement that DataFusion plans.
    Statement(Statement),
    /// The columns of a relation are needed before the next try.
    Wants(Probe),
}

/// Parses one query and rewrites what the dialect means otherwise than DataFusion.
///
/// # Errors
/// When the text is not one query, or holds a construct that would not give its dialect's rows.
pub(crate) fn rewrite(
    sql: &str,
    dialect: Dialect,
    options: &FrontOptions,
    known: &Known,
) -> Result<Rewritten, QueryError> {
    let parse::Parsed { mut query, explain } = parse::query(sql)?;
    if let Some(probe) = walk::rewrite(sql, dialect, options, known, &mut query)? {
        return Ok(Rewritten::Wants(probe));
    }
    let statement = Statement::Statement(Box::new(ast::Statement::Query(query)));
    Ok(Rewritten::Statement(match explain {
        None => statement,
        Some(parse::Explain { analyze, verbose, format }) => {
            let statement = Box::new(statement);
            Statement::Explain(ExplainStatement { analyze, verbose, format, statement })
        }
    }))
}

/// Rewrites a query that a probe asks with, whose words stand in `sql`.
///
/// # Errors
/// As [`rewrite`].
pub(crate) fn rewrite_probe(
    sql: &str,
    dialect: Dialect,
    options: &FrontOptions,
    known: &Known,
    mut query: Box<ast::Query>,
) -> Result<Rewritten, QueryError> {
    Ok(match walk::rewrite(sql, dialect, options, known, &mut query)? {
        Some(probe) => Rewritten::Wants(probe),
        None => {
            let statement = ast::Statement::Query(query);
            Rewritten::Statement(Statement::Statement(Box::new(statement)))
        }
    })
}

/// What operators mean in a dialect; it has to be asked before DataFusion's own planners.
pub(crate) fn planner(dialect: Dialect) -> Arc<dyn ExprPlanner> {
    Arc::new(arithmetic::Operators { dialect })
}

/// Registers the functions, rules and settings of a dialect.
///
/// # Errors
/// When DataFusion refuses one of them, which is our bug.
pub fn register(
    context: &SessionContext,
    dialect: Dialect,
    options: &FrontOptions,
) -> Result<(), QueryError> {
    {
        let state = context.state_ref();
        let mut state = state.write();
        let settings = state.config_mut().options_mut();
        settings.sql_parser.parse_float_as_decimal = true;
        settings.sql_parser.collect_spans = true;
        settings.execution.time_zone = Some(options.time_zone.clone());
    }
    functions::register(context, dialect, options);
    context.add_analyzer_rule(Arc::new(casts::CastRule { dialect }));
    Ok(())
}
