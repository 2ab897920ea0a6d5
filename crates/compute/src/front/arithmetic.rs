//! Operators whose meaning depends on the types of both sides.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, Result, internal_datafusion_err};
use datafusion::functions_nested::expr_fn::{array_element, map_extract};
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr,
};
use datafusion::logical_expr::{
    Expr, ExprSchemable, GetFieldAccess, Operator, binary_expr, cast, lit,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::dialect::Dialect;
use super::functions;

/// Plans operators as a dialect means them.
#[derive(Debug)]
pub(crate) struct Operators {
    pub(crate) dialect: Dialect,
}

fn kernel(name: &str, arguments: Vec<Expr>) -> Result<Expr> {
    let function = functions::kernel(name)
        .ok_or_else(|| internal_datafusion_err!("function \"{name}\" is not registered"))?;
    Ok(function.call(arguments))
}

fn is_date(given: &DataType) -> bool {
    matches!(given, DataType::Date32 | DataType::Date64)
}

fn is_text(given: &DataType) -> bool {
    matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_interval(given: &DataType) -> bool {
    matches!(given, DataType::Interval(_) | DataType::Duration(_))
}

fn is_time(given: &DataType) -> bool {
    matches!(given, DataType::Time32(_) | DataType::Time64(_))
}

fn is_moment(given: &DataType) -> bool {
    matches!(given, DataType::Timestamp(..))
}

fn midnight(expr: Expr) -> Expr {
    cast(expr, DataType::Timestamp(TimeUnit::Microsecond, None))
}

fn days(expr: Expr) -> Expr {
    cast(cast(expr, DataType::Date32), DataType::Int32)
}

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema))
        else {
            return Ok(PlannerResult::Original(expr));
        };
        match self.plan(&expr, &left, &right)? {
            Some(planned) => Ok(PlannerResult::Planned(planned)),
            None => Ok(PlannerResult::Original(expr)),
        }
    }

    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        if let Some(key_type) = key_type(&expr.expr.get_type(schema)?) {
            return map_value(expr, &key_type);
        }
        match self.letters(&expr, schema)? {
            Some(planned) => Ok(PlannerResult::Planned(planned)),
            None => Ok(PlannerResult::Original(expr)),
        }
    }
}

/// The type of a map's keys.
fn key_type(given: &DataType) -> Option<DataType> {
    let DataType::Map(entries, _) = given else { return None };
    let DataType::Struct(fields) = entries.data_type() else { return None };
    fields.first().map(|key| key.data_type().clone())
}

/// The value of a key. Keys are compared as they are stored, so the one asked for takes their
/// type: the keys of a table's map are `Utf8` where a literal is `Utf8View`.
fn map_value(
    expr: RawFieldAccessExpr,
    key_type: &DataType,
) -> Result<PlannerResult<RawFieldAccessExpr>> {
    let RawFieldAccessExpr { field_access, expr: map } = expr;
    Ok(match field_access {
        GetFieldAccess::NamedStructField { name } => {
            let field_access = GetFieldAccess::NamedStructField { name: name.cast_to(key_type)? };
            PlannerResult::Original(RawFieldAccessExpr { field_access, expr: map })
        }
        GetFieldAccess::ListIndex { key } => {
            let values = map_extract(map, cast(*key, key_type.clone()));
            PlannerResult::Planned(array_element(values, lit(1_i64)))
        }
        range @ GetFieldAccess::ListRange { .. } => {
            PlannerResult::Original(RawFieldAccessExpr { field_access: range, expr: map })
        }
    })
}

impl Operators {
    /// Letters of a text by their places, as if it were a list.
    fn letters(&self, expr: &RawFieldAccessExpr, schema: &DFSchema) -> Result<Option<Expr>> {
        if !is_text(&expr.expr.get_type(schema)?) {
            return Ok(None);
        }
        let text = expr.expr.clone();
        Ok(match &expr.field_access {
            GetFieldAccess::ListIndex { key } => Some(kernel(
                "fp_text_slice",
                vec![text, key.as_ref().clone(), key.as_ref().clone()],
            )?),
            GetFieldAccess::ListRange { start, stop, .. } => {
                let ends = vec![text, start.as_ref().clone(), stop.as_ref().clone()];
                Some(kernel("fp_text_slice", ends)?)
            }
            GetFieldAccess::NamedStructField { .. } => None,
        })
    }

    fn plan(&self, expr: &RawBinaryExpr, l: &DataType, r: &DataType) -> Result<Option<Expr>> {
        let (left, right) = (expr.left.clone(), expr.right.clone());
        // A double beside a decimal: both homes count in doubles, DataFusion in decimals.
        let decimal = |given: &DataType| matches!(given, DataType::Decimal128(..));
        if (l.is_floating() && decimal(r)) || (decimal(l) && r.is_floating()) {
            let double = DataType::Float64;
            let widened = RawBinaryExpr {
                op: expr.op.clone(),
                left: cast(left, double.clone()),
                right: cast(right, double.clone()),
            };
            return match self.plan(&widened, &double, &double)? {
                Some(planned) => Ok(Some(planned)),
                None => Ok(plain(&widened)),
            };
        }
        if self.dialect == Dialect::Duckdb
            && let Some(compared) = truth_beside_number(expr, l, r)
        {
            return Ok(Some(compared));
        }
        match &expr.op {
            BinaryOperator::Divide => self.divide(left, right, l, r),
            BinaryOperator::Plus => plus(left, right, l, r),
            BinaryOperator::Minus => minus(left, right, l, r),
            BinaryOperator::Multiply => times(left, right, l, r),
            BinaryOperator::DuckIntegerDivide if l.is_integer() && r.is_integer() => {
                Ok(Some(binary_expr(left, Operator::Divide, right)))
            }
            // Of other numbers it is the plain division.
            BinaryOperator::DuckIntegerDivide => self.divide(left, right, l, r),
            BinaryOperator::AtArrow if is_text(l) && is_text(r) => {
                kernel("fp_json_contains", vec![left, right]).map(Some)
            }
            BinaryOperator::ArrowAt if is_text(l) && is_text(r) => {
                kernel("fp_json_contains", vec![right, left]).map(Some)
            }
            BinaryOperator::BitwiseXor if self.dialect != Dialect::Bigquery => {
                power(left, right).map(Some)
            }
            BinaryOperator::PGExp => power(left, right).map(Some),
            BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch => self.regex(&expr.op, left, right).map(Some),
            BinaryOperator::Arrow => {
                let name = match self.dialect {
                    Dialect::Postgres => "fp_json_raw",
                    Dialect::Duckdb | Dialect::Snowflake | Dialect::Bigquery => "fp_json",
                };
                kernel(name, vec![left, json_key(right, r)]).map(Some)
            }
            BinaryOperator::LongArrow => {
                kernel("fp_json_text", vec![left, json_key(right, r)]).map(Some)
            }
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
                if is_interval(l) && is_interval(r) =>
            {
                let sides = (
                    kernel("fp_interval_micros", vec![left])?,
                    kernel("fp_interval_micros", vec![right])?,
                );
                Ok(Some(binary_expr(sides.0, comparison(&expr.op), sides.1)))
            }
            _ => Ok(None),
        }
        .and_then(|planned| match planned {
            None => whole_numbers(expr, l, r),
            planned => Ok(planned),
        })
    }

    fn divide(&self, left: Expr, right: Expr, l: &DataType, r: &DataType) -> Result<Option<Expr>> {
        if is_interval(l) && r.is_numeric() {
            let share = kernel("fp_double_divide", vec![lit(1.0), right])?;
            return kernel("fp_interval_times", vec![left, share]).map(Some);
        }
        let number = |given: &DataType| given.is_numeric() || given.is_null();
        if !number(l) || !number(r) {
            return Ok(None);
        }
        let floating = l.is_floating() || r.is_floating();
        let whole = (l.is_integer() || l.is_null()) && (r.is_integer() || r.is_null());
        Ok(match self.dialect {
            Dialect::Duckdb => Some(binary_expr(
                cast(left, DataType::Float64),
                Operator::Divide,
                cast(right, DataType::Float64),
            )),
            Dialect::Bigquery => Some(kernel("fp_double_divide", vec![left, right])?),
            Dialect::Postgres | Dialect::Snowflake if floating => {
                Some(kernel("fp_double_divide", vec![left, right])?)
            }
            Dialect::Postgres if whole && self.dialect.divides_integers_whole() => None,
            Dialect::Postgres | Dialect::Snowflake => {
                Some(kernel("fp_numeric_divide", vec![left, right])?)
            }
        })
    }

    /// A part of the text has to match, in DuckDB too since its version 2.
    fn regex(&self, op: &BinaryOperator, left: Expr, right: Expr) -> Result<Expr> {
        let any_case =
            matches!(op, BinaryOperator::PGRegexIMatch | BinaryOperator::PGRegexNotIMatch);
        let flags = match (self.dialect, any_case) {
            (Dialect::Duckdb, true) => "iA",
            (Dialect::Duckdb, false) => "A",
            (_, true) => "i",
            (_, false) => "",
        };
        let found = kernel("fp_regexp_matches", vec![left, right, lit(flags)])?;
        Ok(match op {
            BinaryOperator::PGRegexNotMatch | BinaryOperator::PGRegexNotIMatch => {
                Expr::Not(Box::new(found))
            }
            _ => found,
        })
    }
}

/// DuckDB compares a boolean with a number as the numbers 0 and 1.
fn truth_beside_number(expr: &RawBinaryExpr, l: &DataType, r: &DataType) -> Option<Expr> {
    let number = |side: &Expr| cast(side.clone(), DataType::Int64);
    let (left, right) = match (l, r) {
        (DataType::Boolean, r) if r.is_integer() => (number(&expr.left), expr.right.clone()),
        (l, DataType::Boolean) if l.is_integer() => (expr.left.clone(), number(&expr.right)),
        _ => return None,
    };
    let compares = matches!(
        expr.op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    );
    compares.then(|| binary_expr(left, comparison(&expr.op), right))
}

/// Operators that DataFusion means as everybody does.
fn plain(expr: &RawBinaryExpr) -> Option<Expr> {
    let op = match expr.op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Modulo => Operator::Modulo,
        BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::Lt
        | BinaryOperator::LtEq
        | BinaryOperator::Gt
        | BinaryOperator::GtEq => comparison(&expr.op),
        BinaryOperator::Spaceship => Operator::IsNotDistinctFrom,
        _ => return None,
    };
    Some(binary_expr(expr.left.clone(), op, expr.right.clone()))
}

fn comparison(op: &BinaryOperator) -> Operator {
    match op {
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => Operator::Eq,
    }
}

/// Whole numbers wrap in DataFusion and end the query at home: small ones are widened, products
/// of large ones are checked.
fn whole_numbers(expr: &RawBinaryExpr, l: &DataType, r: &DataType) -> Result<Option<Expr>> {
    let op = match expr.op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        _ => return Ok(None),
    };
    if !l.is_signed_integer() || !r.is_signed_integer() {
        return Ok(None);
    }
    let wide = *l == DataType::Int64 || *r == DataType::Int64;
    let literal = |side: &Expr| matches!(side, Expr::Literal(..));
    let (left, right) = (expr.left.clone(), expr.right.clone());
    Ok(match wide {
        false => {
            let (left, right) = (cast(left, DataType::Int64), cast(right, DataType::Int64));
            Some(binary_expr(left, op, right))
        }
        true if op == Operator::Multiply && !literal(&left) && !literal(&right) => {
            Some(kernel("fp_product", vec![left, right])?)
        }
        true => None,
    })
}

fn json_key(key: Expr, given: &DataType) -> Expr {
    // A number means the element at that place, a text the member of that name.
    if given.is_integer() {
        return binary_expr(lit("#"), Operator::StringConcat, cast(key, DataType::Utf8));
    }
    key
}

fn power(left: Expr, right: Expr) -> Result<Expr> {
    Ok(datafusion::functions::math::power()
        .call(vec![cast(left, DataType::Float64), cast(right, DataType::Float64)]))
}

fn plus(left: Expr, right: Expr, l: &DataType, r: &DataType) -> Result<Option<Expr>> {
    Ok(if is_date(l) && r.is_integer() {
        let sum = binary_expr(days(left), Operator::Plus, cast(right, DataType::Int32));
        Some(cast(sum, DataType::Date32))
    } else if l.is_integer() && is_date(r) {
        return plus(right, left, r, l);
    } else if is_date(l) && is_interval(r) {
        Some(binary_expr(midnight(left), Operator::Plus, right))
    } else if is_date(l) && is_time(r) {
        return kernel("fp_date_time", vec![left, right]).map(Some);
    } else if is_time(l) && is_date(r) {
        return kernel("fp_date_time", vec![right, left]).map(Some);
    } else if is_time(l) && is_interval(r) {
        return kernel("fp_time_plus", vec![left, right]).map(Some);
    } else if is_interval(l) && (is_date(r) || is_moment(r)) {
        return match plus(right.clone(), left.clone(), r, l)? {
            Some(planned) => Ok(Some(planned)),
            None => Ok(Some(binary_expr(right, Operator::Plus, left))),
        };
    } else {
        None
    })
}

fn minus(left: Expr, right: Expr, l: &DataType, r: &DataType) -> Result<Option<Expr>> {
    Ok(if is_date(l) && is_date(r) {
        let wide = |expr| cast(days(expr), DataType::Int64);
        Some(binary_expr(wide(left), Operator::Minus, wide(right)))
    } else if is_date(l) && is_text(r) {
        return minus(left, cast(right, DataType::Date32), l, &DataType::Date32);
    } else if is_date(l) && r.is_integer() {
        let rest = binary_expr(days(left), Operator::Minus, cast(right, DataType::Int32));
        Some(cast(rest, DataType::Date32))
    } else if is_date(l) && is_interval(r) {
        Some(binary_expr(midnight(left), Operator::Minus, right))
    } else if is_time(l) && is_interval(r) {
        let turned = kernel("fp_interval_times", vec![right, lit(-1.0)])?;
        return kernel("fp_time_plus", vec![left, turned]).map(Some);
    } else if (is_moment(l) && (is_moment(r) || is_date(r))) || (is_date(l) && is_moment(r)) {
        Some(kernel("fp_moment_difference", vec![left, right])?)
    } else {
        None
    })
}

fn times(left: Expr, right: Expr, l: &DataType, r: &DataType) -> Result<Option<Expr>> {
    if is_interval(l) && r.is_numeric() {
        return kernel("fp_interval_times", vec![left, right]).map(Some);
    }
    if l.is_numeric() && is_interval(r) {
        return kernel("fp_interval_times", vec![right, left]).map(Some);
    }
    Ok(None)
}
