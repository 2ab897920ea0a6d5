//! `coalesce` among text literals: an untyped literal takes the type of what it stands beside.

use arrow::array::{Array, ArrayRef};
use arrow::compute::interleave;
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::functions::core::coalesce;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

pub(crate) fn all() -> Vec<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    vec![ScalarUDF::from(Coalesce { signature })]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Coalesce {
    signature: Signature,
}

fn is_text(given: &DataType) -> bool {
    matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

impl ScalarUDFImpl for Coalesce {
    fn name(&self) -> &str {
        "fp_coalesce"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let others: Vec<DataType> = given.iter().filter(|kind| !is_text(kind)).cloned().collect();
        if others.is_empty() || others.iter().all(DataType::is_null) {
            return coalesce().inner().coerce_types(given);
        }
        let known: Vec<DataType> = others.into_iter().filter(|kind| !kind.is_null()).collect();
        let exact = |kind: &DataType| matches!(kind, DataType::Decimal128(..));
        if known.iter().any(DataType::is_floating) && known.iter().any(exact) {
            return Ok(vec![DataType::Float64; given.len()]);
        }
        match coalesce().inner().coerce_types(&known)?.first() {
            Some(kind) => Ok(vec![kind.clone(); given.len()]),
            None => plan_err!("\"coalesce\" takes at least one argument"),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Null))
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(coalesce().call(args)))
    }

    fn short_circuits(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args
            .args
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let picks: Vec<(usize, usize)> = (0..rows)
            .map(|row| {
                let first = columns.iter().position(|column| column.is_valid(row));
                (first.unwrap_or(0), row)
            })
            .collect();
        let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(interleave(&columns, &picks)?))
    }
}
