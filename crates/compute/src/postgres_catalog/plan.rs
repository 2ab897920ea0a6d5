//! A catalog query whose names are settled: every column is a slot of a row, every function known.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::functions::Function;
use super::kinds::Oid;
use super::sets::SetFunction;
use super::value::{Key, Row, Value};

/// Rows with an index per column, made when somebody looks one up.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    indexes: Vec<OnceLock<HashMap<Key, Vec<u32>>>>,
}

impl Rows {
    pub(crate) fn new(rows: Vec<Row>, width: usize) -> Self {
        Self { rows, indexes: (0..width).map(|_| OnceLock::new()).collect() }
    }

    /// The rows whose column has this value.
    pub(crate) fn with(&self, column: usize, value: &Value) -> &[u32] {
        let Some(index) = self.indexes.get(column) else { return &[] };
        let index = index.get_or_init(|| {
            let mut index: HashMap<Key, Vec<u32>> = HashMap::new();
            for (place, row) in self.rows.iter().enumerate() {
                if let (Some(value), Ok(place)) = (row.get(column), u32::try_from(place))
                    && !value.is_null()
                {
                    index.entry(Key(value.clone())).or_default().push(place);
                }
            }
            index
        });
        index.get(&Key(value.clone())).map_or(&[], Vec::as_slice)
    }
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Oid,
}

/// A relation of the catalog.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Arc<Rows>,
}

#[derive(Debug)]
pub(crate) struct Query {
    /// Under which its rows are remembered.
    pub(crate) id: usize,
    pub(crate) body: Body,
    pub(crate) columns: Vec<Column>,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<Expr>,
    pub(crate) offset: Option<Expr>,
    /// For each query around it, nearest first: the slots of that one's row that it reads.
    pub(crate) reach: Vec<usize>,
    /// Whether it must be run for every row of the query around it.
    pub(crate) correlated: bool,
}

#[derive(Debug)]
pub(crate) enum Body {
    Select(Box<Select>),
    Set { operator: SetOperator, all: bool, left: Box<Query>, right: Box<Query> },
    Values(Vec<Vec<Expr>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetOperator {
    Union,
    Except,
    Intersect,
}

/// A column of the answer to sort by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) column: usize,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Select {
    pub(crate) from: From,
    /// Conditions when there is nothing to select from.
    pub(crate) filter: Vec<Expr>,
    /// Columns of the answer, then those that are only sorted by.
    pub(crate) projection: Vec<Expr>,
    pub(crate) visible: usize,
    pub(crate) grouped: bool,
    pub(crate) group: Vec<Expr>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) having: Option<Expr>,
    pub(crate) windows: Vec<Window>,
    pub(crate) sets: Vec<SetCall>,
    pub(crate) distinct: bool,
    pub(crate) distinct_on: Vec<usize>,
}

/// What is joined, in order; each item fills its slots of one wide row.
#[derive(Debug, Default)]
pub(crate) struct From {
    pub(crate) items: Vec<Item>,
    pub(crate) width: usize,
}

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) source: Source,
    pub(crate) offset: usize,
    pub(crate) width: usize,
    /// Rows that find no partner are kept.
    pub(crate) left: bool,
    /// Conditions of the join itself.
    pub(crate) on: Vec<Expr>,
    /// Conditions on the row so far.
    pub(crate) filter: Vec<Expr>,
    /// A column of this item that must equal something known before.
    pub(crate) lookup: Option<(usize, Expr)>,
}

#[derive(Debug)]
pub(crate) enum Source {
    Relation(Arc<Relation>),
    Query(Arc<Query>),
    Set {
        call: SetCall,
        ordinality: bool,
    },
    Group {
        id: usize,
        from: From,
    },
    Recursive(Arc<Recursive>),
    /// The rows that the last round of a recursive query gave.
    Working(usize),
}

#[derive(Debug)]
pub(crate) struct Recursive {
    pub(crate) id: usize,
    pub(crate) first: Query,
    pub(crate) next: Query,
    pub(crate) all: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct SetCall {
    pub(crate) function: &'static SetFunction,
    pub(crate) arguments: Vec<Expr>,
    /// The first argument counts from zero, as `int2vector` does.
    pub(crate) from_zero: bool,
}

#[derive(Debug)]
pub(crate) struct Aggregate {
    pub(crate) call: AggregateCall,
    pub(crate) arguments: Vec<Expr>,
    pub(crate) distinct: bool,
    pub(crate) filter: Option<Expr>,
    pub(crate) order: Vec<(Expr, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateCall {
    CountRows,
    Count,
    Min,
    Max,
    Sum,
    BoolAnd,
    BoolOr,
    ArrayAgg,
    StringAgg,
    JsonAgg,
    JsonObjectAgg,
}

#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) call: WindowCall,
    pub(crate) partition: Vec<Expr>,
    pub(crate) order: Vec<(Expr, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowCall {
    RowNumber,
    Rank,
    DenseRank,
    Count,
}

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Constant(Value),
    Parameter(usize),
    /// A slot of the row of the query `depth` levels outside.
    Column {
        depth: usize,
        slot: usize,
    },
    Aggregate(usize),
    Window(usize),
    Set(usize),
    Call(&'static Function, Vec<Expr>),
    Operator(Operator, Vec<Expr>),
    Cast {
        value: Box<Expr>,
        from: Oid,
        to: Oid,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Coalesce(Vec<Expr>),
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    InList {
        value: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    /// `x = any(array)`, `x <> all(array)`.
    Quantified {
        operator: Operator,
        value: Box<Expr>,
        array: Box<Expr>,
        all: bool,
    },
    Array(Vec<Expr>),
    Record(Vec<Expr>),
    Subscript {
        value: Box<Expr>,
        index: Box<Expr>,
        from_zero: bool,
    },
    Slice {
        value: Box<Expr>,
        lower: Option<Box<Expr>>,
        upper: Option<Box<Expr>>,
    },
    Field(Box<Expr>, usize),
    Exists(Arc<Query>),
    Scalar(Arc<Query>),
    ArrayOf(Arc<Query>),
    /// `x = any(query)`, `x in (query)`.
    QuantifiedQuery {
        operator: Operator,
        value: Box<Expr>,
        query: Arc<Query>,
        all: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Distinct,
    NotDistinct,
    Not,
    IsNull,
    IsNotNull,
    IsTrue,
    IsNotTrue,
    IsFalse,
    IsNotFalse,
    Concat,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    BitAnd,
    BitOr,
    Negate,
    Like { negated: bool, any_case: bool },
    Matches { negated: bool, any_case: bool },
    Contains,
    ContainedBy,
    Overlaps,
}

impl Expr {
    /// Slots of the row `depth` levels outside that this reads: the highest and one, or nothing.
    pub(crate) fn reach(&self, depth: usize) -> usize {
        // One level deeper, this row is one level further outside.
        let query = |query: &Query| query.reach.get(depth + 1).copied().unwrap_or(0);
        let all = |parts: &[Expr]| parts.iter().map(|part| part.reach(depth)).max().unwrap_or(0);
        match self {
            Self::Column { depth: at, slot } if *at == depth => slot + 1,
            Self::Constant(_)
            | Self::Parameter(_)
            | Self::Column { .. }
            | Self::Aggregate(_)
            | Self::Window(_)
            | Self::Set(_) => 0,
            Self::Call(_, parts)
            | Self::Operator(_, parts)
            | Self::And(parts)
            | Self::Or(parts)
            | Self::Coalesce(parts)
            | Self::Array(parts)
            | Self::Record(parts) => all(parts),
            Self::Cast { value, .. } | Self::Field(value, _) => value.reach(depth),
            Self::Case { branches, otherwise } => {
                let pairs = branches.iter().flat_map(|(when, then)| [when, then]);
                let parts = pairs.chain(otherwise.as_deref());
                parts.map(|part| part.reach(depth)).max().unwrap_or(0)
            }
            Self::InList { value, list, .. } => value.reach(depth).max(all(list)),
            Self::Quantified { value, array, .. } => value.reach(depth).max(array.reach(depth)),
            Self::Subscript { value, index, .. } => value.reach(depth).max(index.reach(depth)),
            Self::Slice { value, lower, upper } => {
                let bounds = [lower.as_deref(), upper.as_deref()];
                let bounds = bounds.into_iter().flatten().map(|bound| bound.reach(depth));
                bounds.max().unwrap_or(0).max(value.reach(depth))
            }
            Self::Exists(inner) | Self::Scalar(inner) | Self::ArrayOf(inner) => query(inner),
            Self::QuantifiedQuery { value, query: inner, .. } => {
                value.reach(depth).max(query(inner))
            }
        }
    }
}
