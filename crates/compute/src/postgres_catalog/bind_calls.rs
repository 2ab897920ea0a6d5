//! Calls: aggregates, windows, functions that give rows, and plain functions.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, OrderByExpr, WindowType,
};

use super::bind::{Binder, Typed, unsupported};
use super::bind_expressions::{single_kind, typed};
use super::functions::{self, Returns};
use super::kinds::{self, Oid};
use super::names;
use super::plan::{Aggregate, AggregateCall, Expr, Operator, SetCall, Window, WindowCall};
use super::sets::{self, SetFunction};
use crate::error::QueryError;

impl Binder<'_> {
    pub(crate) fn function_call(&mut self, function: &ast::Function) -> Result<Typed, QueryError> {
        let word = names::parts(&function.name).pop().unwrap_or_default();
        let list = match &function.args {
            FunctionArguments::Subquery(query) if word == "array" => {
                let query = self.query(query)?;
                let kind = kinds::array_of(single_kind(&query)?);
                return Ok(typed(Expr::ArrayOf(Arc::new(query)), kind));
            }
            FunctionArguments::Subquery(_) => return Err(unsupported("a query as an argument")),
            FunctionArguments::None => return self.call(&word, Vec::new()),
            FunctionArguments::List(list) => list,
        };
        if let Some(over) = &function.over {
            return self.window(&word, &list.args, over);
        }
        if let Some(call) = aggregate_call(&word, &list.args) {
            return self.aggregate(call, &word, function, list);
        }
        let arguments = self.arguments(&list.args)?;
        if let Some(set) = sets::find(&word) {
            let (call, kind) = self.set_call(set, arguments)?;
            let sets = &mut self.scopes.top()?.sets;
            sets.push(call);
            let place = sets.len() - 1;
            let kind = if set.columns.is_empty() { kind } else { kinds::RECORD };
            return Ok(typed(Expr::Set(place), kind));
        }
        self.call(&word, arguments)
    }

    fn aggregate(
        &mut self,
        call: AggregateCall,
        word: &str,
        function: &ast::Function,
        list: &ast::FunctionArgumentList,
    ) -> Result<Typed, QueryError> {
        if self.scopes.top()?.inside_aggregate {
            return Err(QueryError::project("aggregate function calls cannot be nested"));
        }
        self.scopes.top()?.inside_aggregate = true;
        let bound = self.aggregate_parts(call, function, list);
        self.scopes.top()?.inside_aggregate = false;
        let (aggregate, first) = bound?;
        let kind =
            match call {
                AggregateCall::CountRows | AggregateCall::Count => kinds::INT8,
                AggregateCall::Min | AggregateCall::Max => first,
                AggregateCall::Sum if kinds::is_integer(first) => kinds::INT8,
                AggregateCall::Sum => kinds::FLOAT8,
                AggregateCall::BoolAnd | AggregateCall::BoolOr => kinds::BOOL,
                AggregateCall::ArrayAgg => kinds::array_of(first),
                AggregateCall::StringAgg => kinds::TEXT,
                AggregateCall::JsonAgg | AggregateCall::JsonObjectAgg => {
                    if word.starts_with("jsonb") { kinds::JSONB } else { kinds::JSON }
                }
            };
        let aggregates = &mut self.scopes.top()?.aggregates;
        aggregates.push(aggregate);
        Ok(typed(Expr::Aggregate(aggregates.len() - 1), kind))
    }

    fn aggregate_parts(
        &mut self,
        call: AggregateCall,
        function: &ast::Function,
        list: &ast::FunctionArgumentList,
    ) -> Result<(Aggregate, Oid), QueryError> {
        let arguments = match call {
            AggregateCall::CountRows => Vec::new(),
            _ => self.arguments(&list.args)?,
        };
        let arguments: Vec<Typed> =
            arguments.into_iter().map(|argument| self.finished(argument)).collect();
        let kind = arguments.first().map_or(kinds::TEXT, |argument| argument.kind);
        let filter = match &function.filter {
            Some(filter) => Some(self.condition(filter)?),
            None => None,
        };
        let mut order = Vec::new();
        for clause in &list.clauses {
            if let FunctionArgumentClause::OrderBy(keys) = clause {
                order = self.keys(keys)?;
            }
        }
        let aggregate = Aggregate {
            call,
            arguments: arguments.into_iter().map(|argument| argument.expr).collect(),
            distinct: matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct)),
            filter,
            order,
        };
        Ok((aggregate, kind))
    }

    fn keys(&mut self, keys: &[OrderByExpr]) -> Result<Vec<(Expr, bool)>, QueryError> {
        keys.iter()
            .map(|key| Ok((self.expr(&key.expr)?.expr, key.options.asc == Some(false))))
            .collect()
    }

    fn window(
        &mut self,
        word: &str,
        arguments: &[FunctionArg],
        over: &WindowType,
    ) -> Result<Typed, QueryError> {
        let WindowType::WindowSpec(over) = over else {
            return Err(unsupported("a named window"));
        };
        let call = match (word, arguments) {
            ("row_number", []) => WindowCall::RowNumber,
            ("rank", []) => WindowCall::Rank,
            ("dense_rank", []) => WindowCall::DenseRank,
            ("count", [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
                if over.order_by.is_empty() =>
            {
                WindowCall::Count
            }
            _ => return Err(unsupported(&format!("\"{word}\" over a window"))),
        };
        let partition = over.partition_by.iter().map(|key| self.expr(key).map(|key| key.expr));
        let partition = partition.collect::<Result<_, _>>()?;
        let order = self.keys(&over.order_by)?;
        let windows = &mut self.scopes.top()?.windows;
        windows.push(Window { call, partition, order });
        Ok(typed(Expr::Window(windows.len() - 1), kinds::INT8))
    }

    pub(crate) fn set_call(
        &mut self,
        function: &'static SetFunction,
        arguments: Vec<Typed>,
    ) -> Result<(SetCall, Oid), QueryError> {
        let first = arguments.first().map_or(kinds::TEXT, |argument| argument.kind);
        let kind = match function.kind {
            Some(kind) => kind,
            None => kinds::element_of(first).unwrap_or(match first {
                kinds::UNKNOWN => kinds::TEXT,
                kind => kind,
            }),
        };
        let from_zero = matches!(first, kinds::INT2VECTOR | kinds::OIDVECTOR);
        let arguments = arguments
            .into_iter()
            .enumerate()
            .map(|(place, argument)| {
                let wanted = match (place, function.takes) {
                    (0, Some(kind)) => kind,
                    (0, None) => kinds::array_of(kinds::TEXT),
                    _ => kinds::INT4,
                };
                self.settle(argument, wanted)
            })
            .collect::<Result<_, _>>()?;
        Ok((SetCall { function, arguments, from_zero }, kind))
    }

    /// A plain function, or one of the few that do not compute all their arguments.
    pub(crate) fn call(&mut self, word: &str, arguments: Vec<Typed>) -> Result<Typed, QueryError> {
        match word {
            "coalesce" => {
                let (arguments, kind) = self.together(arguments)?;
                return Ok(typed(Expr::Coalesce(arguments), kind));
            }
            "nullif" => {
                let (mut sides, kind) = self.together(arguments)?;
                sides.truncate(2);
                let value = sides.first().cloned();
                let (Some(value), 2) = (value, sides.len()) else {
                    return Err(QueryError::project("nullif takes two arguments"));
                };
                let same = Expr::Operator(Operator::Equal, sides);
                let nothing = Expr::Constant(super::value::Value::Null);
                let branches = vec![(same, nothing)];
                let otherwise = Some(Box::new(value));
                return Ok(typed(Expr::Case { branches, otherwise }, kind));
            }
            "row" => {
                let parts = arguments.into_iter().map(|part| part.expr).collect();
                return Ok(typed(Expr::Record(parts), kinds::RECORD));
            }
            "pg_typeof" => {
                let [argument] = arguments.as_slice() else {
                    return Err(QueryError::project("pg_typeof takes one argument"));
                };
                let kind = super::value::Value::Int(i64::from(argument.kind));
                return Ok(typed(Expr::Constant(kind), kinds::REGTYPE));
            }
            _ => {}
        }
        let Some(function) = functions::find(word, arguments.len()) else {
            return Err(unknown_function(word, &arguments));
        };
        if self.strict && !function.plain {
            return Err(unknown_function(word, &arguments));
        }
        let first = arguments.first().map_or(kinds::TEXT, |argument| argument.kind);
        let kind = match function.returns {
            Returns::Is(kind) => kind,
            Returns::First => match first {
                kinds::UNKNOWN => kinds::TEXT,
                kind => kind,
            },
        };
        let arguments = arguments.into_iter().enumerate().map(|(place, argument)| {
            let from = argument.kind;
            let wanted = function.takes.get(place).copied().unwrap_or(kinds::UNKNOWN);
            if wanted == kinds::UNKNOWN {
                return Ok(self.finished(argument).expr);
            }
            let value = self.settle(argument, wanted)?;
            Ok(if wanted == kinds::TEXT && !kinds::is_text(from) {
                Expr::Cast { value: Box::new(value), from, to: kinds::TEXT }
            } else {
                value
            })
        });
        let arguments = arguments.collect::<Result<_, QueryError>>()?;
        Ok(typed(Expr::Call(function, arguments), kind))
    }
}

fn unknown_function(word: &str, arguments: &[Typed]) -> QueryError {
    let kinds: Vec<String> =
        arguments.iter().map(|argument| kinds::format(argument.kind, None)).collect();
    QueryError::new(
        base::ErrorKind::NotFound,
        format!("function {word}({}) does not exist", kinds.join(", ")),
    )
    .help("Queries over catalog relations know PostgreSQL's catalog functions and plain ones.")
}

fn aggregate_call(word: &str, arguments: &[FunctionArg]) -> Option<AggregateCall> {
    Some(match word {
        "count" => match arguments {
            [] | [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] => AggregateCall::CountRows,
            _ => AggregateCall::Count,
        },
        "min" => AggregateCall::Min,
        "max" => AggregateCall::Max,
        "sum" => AggregateCall::Sum,
        "bool_and" | "every" => AggregateCall::BoolAnd,
        "bool_or" => AggregateCall::BoolOr,
        "array_agg" => AggregateCall::ArrayAgg,
        "string_agg" => AggregateCall::StringAgg,
        "json_agg" | "jsonb_agg" => AggregateCall::JsonAgg,
        "json_object_agg" | "jsonb_object_agg" => AggregateCall::JsonObjectAgg,
        _ => return None,
    })
}
