//! Sums and averages that do not wrap and have the home's type.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
    Volatility,
};
use datafusion::prelude::SessionContext;

use super::super::dialect::Dialect;

pub(crate) fn register(context: &SessionContext, dialect: Dialect) {
    for (kind, inner) in [(Kind::Sum, sum_udaf()), (Kind::Average, avg_udaf())] {
        let signature = Signature::user_defined(Volatility::Immutable);
        context.register_udaf(AggregateUDF::from(Wide { kind, dialect, inner, signature }));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Sum,
    Average,
}

/// DataFusion's own aggregate over a wider type.
#[derive(Debug)]
struct Wide {
    kind: Kind,
    dialect: Dialect,
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl PartialEq for Wide {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, self.dialect) == (other.kind, other.dialect)
    }
}

impl Eq for Wide {}

impl Hash for Wide {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.kind, self.dialect).hash(state);
    }
}

impl Wide {
    /// The type to add up in.
    fn widen(&self, given: &DataType) -> Result<DataType> {
        let exact = |scale: i8| DataType::Decimal128(38, scale);
        let postgres = self.dialect == Dialect::Postgres;
        Ok(match (self.kind, given) {
            (Kind::Sum, DataType::Boolean) if self.dialect == Dialect::Duckdb => DataType::Int64,
            (Kind::Sum, DataType::Int8 | DataType::Int16 | DataType::Int32) if postgres => {
                DataType::Int64
            }
            (Kind::Sum, given) if given.is_integer() || given.is_null() => exact(0),
            (
                Kind::Sum,
                DataType::Decimal32(_, scale)
                | DataType::Decimal64(_, scale)
                | DataType::Decimal128(_, scale),
            ) => exact(*scale),
            (_, DataType::Float16 | DataType::Float32 | DataType::Float64) => DataType::Float64,
            // The home's mean of exact numbers has 16 digits that count; ours 16 after the point.
            (Kind::Average, given) if postgres && (given.is_integer() || given.is_null()) => {
                exact(12)
            }
            (
                Kind::Average,
                DataType::Decimal32(_, scale)
                | DataType::Decimal64(_, scale)
                | DataType::Decimal128(_, scale),
            ) if postgres => exact((*scale).max(12)),
            (Kind::Average, given) if given.is_numeric() || given.is_null() => DataType::Float64,
            (_, other) => {
                return plan_err!(
                    "\"{}\" takes numbers, not {other}; cast the argument first",
                    self.inner.name()
                );
            }
        })
    }
}

impl AggregateUDFImpl for Wide {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [only] => Ok(vec![self.widen(only)?]),
            _ => plan_err!("\"{}\" takes one argument", self.inner.name()),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}
