//! Casts round and print as their homes do, whoever put them into the plan.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, internal_datafusion_err, not_impl_err};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

use super::dialect::Dialect;
use super::functions;

/// Rewrites casts after types are settled, so that implied casts are seen too.
#[derive(Debug)]
pub(crate) struct CastRule {
    pub(crate) dialect: Dialect,
}

impl AnalyzerRule for CastRule {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(|plan| self.node(plan))?.data)
    }

    fn name(&self) -> &str {
        "fiveply_casts"
    }
}

impl CastRule {
    fn node(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let inputs = plan.inputs();
        let schema = match inputs.is_empty() {
            true => plan.schema().as_ref().clone(),
            false => merge_schema(&inputs),
        };
        let names = NamePreserver::new(&plan);
        let rewritten = plan.map_expressions(|expr| {
            let saved = names.save(&expr);
            let done = expr.transform_up(|expr| self.expression(expr, &schema))?;
            Ok(done.update_data(|expr| saved.restore(expr)))
        })?;
        rewritten.map_data(LogicalPlan::recompute_schema)
    }

    fn expression(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let (inner, target, soft) = match &expr {
            Expr::Cast(cast) => (cast.expr.as_ref(), cast.field.data_type(), false),
            Expr::TryCast(cast) => (cast.expr.as_ref(), cast.field.data_type(), true),
            _ => return Ok(Transformed::no(expr)),
        };
        let Ok(source) = inner.get_type(schema) else { return Ok(Transformed::no(expr)) };
        let Some(prepared) = self.prepare(inner, &source, target)? else {
            return Ok(Transformed::no(expr));
        };
        let target = target.clone();
        Ok(Transformed::yes(match soft {
            false => Expr::Cast(Cast::new(Box::new(prepared), target)),
            true => Expr::TryCast(TryCast::new(Box::new(prepared), target)),
        }))
    }

    /// What to cast instead, where the plain cast would give other values.
    fn prepare(&self, inner: &Expr, source: &DataType, target: &DataType) -> Result<Option<Expr>> {
        let text = matches!(target, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        Ok(match source {
            source if source.is_floating() && target.is_integer() => {
                Some(kernel("fp_round_half_even", inner, DataType::Float64)?)
            }
            DataType::Decimal128(_, scale) if *scale > 0 && target.is_integer() => {
                // A cast to fewer digits rounds half away from zero; one to integers cuts.
                let whole = DataType::Decimal128(38, 0);
                Some(Expr::Cast(Cast::new(Box::new(inner.clone()), whole)))
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                self.of_text(inner, target)?
            }
            DataType::Timestamp(_, zone) if text => {
                Some(kernel("fp_moment_text", inner, micros(zone.clone()))?)
            }
            DataType::Timestamp(_, zone @ Some(_))
                if matches!(
                    target,
                    DataType::Timestamp(_, None)
                        | DataType::Date32
                        | DataType::Date64
                        | DataType::Time64(_)
                ) =>
            {
                Some(kernel("fp_local_moment", inner, micros(zone.clone()))?)
            }
            DataType::Float64 if text => Some(match self.dialect {
                Dialect::Postgres | Dialect::Snowflake => {
                    kernel("fp_double_text_postgres", inner, DataType::Float64)?
                }
                Dialect::Duckdb | Dialect::Bigquery => {
                    kernel("fp_double_text_duckdb", inner, DataType::Float64)?
                }
            }),
            DataType::Struct(_) | DataType::Map(_, _) if text && !self.duckdb_text() => {
                return not_impl_err!(
                    "a cast of {source} to varchar is not run; name its fields, or use to_json(…)"
                );
            }
            DataType::Float32
            | DataType::Float16
            | DataType::Interval(_)
            | DataType::Duration(_)
            | DataType::List(_)
            | DataType::Struct(_)
            | DataType::Map(_, _)
                if text =>
            {
                let name = if self.duckdb_text() { "fp_text_duckdb" } else { "fp_text_postgres" };
                Some(kernel(name, inner, source.clone())?)
            }
            _ => None,
        })
    }

    fn duckdb_text(&self) -> bool {
        match self.dialect {
            Dialect::Duckdb | Dialect::Bigquery => true,
            Dialect::Postgres | Dialect::Snowflake => false,
        }
    }

    /// Text as people write numbers and moments, before Arrow reads it.
    fn of_text(&self, inner: &Expr, target: &DataType) -> Result<Option<Expr>> {
        Ok(match target {
            DataType::Timestamp(_, Some(_)) => {
                Some(kernel("fp_moment_words", inner, DataType::Utf8)?)
            }
            DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 => {
                Some(kernel("fp_local_words", inner, DataType::Utf8)?)
            }
            DataType::List(_) if self.dialect == Dialect::Duckdb => {
                Some(kernel("fp_list_words", inner, DataType::Utf8)?)
            }
            DataType::List(_) | DataType::LargeList(_) | DataType::Struct(_) => {
                return not_impl_err!(
                    "a cast of text to {target} is not run; use string_to_array(…) or array[…]"
                );
            }
            DataType::Binary | DataType::BinaryView if self.dialect == Dialect::Duckdb => {
                Some(kernel("fp_blob_words", inner, DataType::Utf8)?)
            }
            target if target.is_integer() => Some(match self.dialect {
                Dialect::Duckdb => kernel("fp_whole_words", inner, DataType::Utf8)?,
                Dialect::Postgres | Dialect::Snowflake | Dialect::Bigquery => {
                    kernel("fp_number_words", inner, DataType::Utf8)?
                }
            }),
            target if target.is_numeric() => {
                Some(kernel("fp_number_words", inner, DataType::Utf8)?)
            }
            _ => None,
        })
    }
}

/// The function over its argument, which is brought to the type the function takes.
fn kernel(name: &str, inner: &Expr, takes: DataType) -> Result<Expr> {
    let function = functions::kernel(name)
        .ok_or_else(|| internal_datafusion_err!("function \"{name}\" is not registered"))?;
    let argument = Expr::Cast(Cast::new(Box::new(inner.clone()), takes));
    Ok(function.call(vec![argument]))
}

fn micros(zone: Option<Arc<str>>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone)
}

/// Where branches are doubles and decimals, all become doubles, as at home; DataFusion would take
/// a decimal of 15 digits and lose small values. Runs before types are settled.
pub(crate) fn doubles_beside_decimals(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let inputs = plan.inputs();
        let schema = match inputs.is_empty() {
            true => plan.schema().as_ref().clone(),
            false => merge_schema(&inputs),
        };
        let names = NamePreserver::new(&plan);
        let done = plan.map_expressions(|expr| {
            let saved = names.save(&expr);
            let done = expr.transform_up(|expr| widen_branches(expr, &schema))?;
            Ok(done.update_data(|expr| saved.restore(expr)))
        })?;
        if done.transformed { done.map_data(LogicalPlan::recompute_schema) } else { Ok(done) }
    })?;
    Ok(rewritten.data)
}

fn widen_branches(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let exact = |branch: &Expr| {
        matches!(branch.get_type(schema), Ok(DataType::Decimal128(..) | DataType::Decimal256(..)))
    };
    let mixed = |branches: &[&Expr]| {
        let double = |branch: &&Expr| branch.get_type(schema).is_ok_and(|kind| kind.is_floating());
        branches.iter().any(double) && branches.iter().any(|branch| exact(branch))
    };
    let widen = |branch: Expr| match exact(&branch) {
        true => Expr::Cast(Cast::new(Box::new(branch), DataType::Float64)),
        false => branch,
    };
    match expr {
        Expr::Case(mut case) => {
            let mut branches: Vec<&Expr> =
                case.when_then_expr.iter().map(|(_, then)| then.as_ref()).collect();
            branches.extend(case.else_expr.as_deref());
            if !mixed(&branches) {
                return Ok(Transformed::no(Expr::Case(case)));
            }
            for (_, then) in &mut case.when_then_expr {
                **then = widen(then.as_ref().clone());
            }
            if let Some(other) = &mut case.else_expr {
                **other = widen(other.as_ref().clone());
            }
            Ok(Transformed::yes(Expr::Case(case)))
        }
        Expr::ScalarFunction(mut call)
            if matches!(call.name(), "greatest" | "least" | "nullif" | "coalesce")
                && mixed(&call.args.iter().collect::<Vec<_>>()) =>
        {
            call.args = call.args.into_iter().map(widen).collect();
            Ok(Transformed::yes(Expr::ScalarFunction(call)))
        }
        other => Ok(Transformed::no(other)),
    }
}
