//! From the SQL a person wrote, in one of four dialects, to a statement DataFusion can plan.
//!
//! A statement is parsed with one grammar (`parse`), its tree is rewritten (`walk` drives `joins`,
//! `names`, `time`, `functions`, `refuse`), and what depends on types is settled while DataFusion
//! plans (`arithmetic`, `casts`) by what [`register`] put into the session. The rule of the house:
//! a construct gives the rows its dialect's home gives, or is refused by name.

mod arithmetic;
mod casts;
mod dialect;
mod functions;
mod grammar;
mod joins;
mod names;
mod operators;
mod parse;
mod refuse;
mod sources;
mod time;
mod tokens;
mod tree;
mod type_names;
mod walk;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::execution::FunctionRegistry;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{ExplainStatement, Statement};
use datafusion::sql::sqlparser::ast;

pub(crate) use casts::doubles_beside_decimals;
pub use dialect::Dialect;
pub use parse::range;
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

/// Parses one query and rewrites what the dialect means otherwise than DataFusion.
///
/// # Errors
/// When the text is not one query, or holds a construct that would not give its dialect's rows.
pub fn rewrite(
    sql: &str,
    dialect: Dialect,
    options: &FrontOptions,
) -> Result<Statement, QueryError> {
    let parse::Parsed { mut query, explain } = parse::query(sql)?;
    walk::rewrite(sql, dialect, options, &mut query)?;
    let statement = Statement::Statement(Box::new(ast::Statement::Query(query)));
    Ok(match explain {
        None => statement,
        Some(parse::Explain { analyze, verbose, format }) => {
            let statement = Box::new(statement);
            Statement::Explain(ExplainStatement { analyze, verbose, format, statement })
        }
    })
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
        state
            .register_expr_planner(Arc::new(arithmetic::Operators { dialect }))
            .map_err(|error| QueryError::internal(error.strip_backtrace()))?;
    }
    functions::register(context, dialect, options);
    context.add_analyzer_rule(Arc::new(casts::CastRule { dialect }));
    Ok(())
}
