//! Where the columns of a query come from, and what its operators do to rows on the way.

use std::collections::BTreeSet;

use base::TableName;
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};
use datafusion::sql::TableReference;

use crate::session::Prepared;

/// How a column's value relates to what it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// The same value.
    Copied,
    /// The same value in another type, or cut to its hour or day.
    Cast,
    /// Computed from it.
    Computed,
    /// Computed from many rows.
    Aggregated,
}

/// One column that a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The table that was read.
    pub table: TableName,
    /// Its column.
    pub column: String,
    /// How.
    pub how: How,
}

/// What is known about one column of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnLineage {
    /// Its name.
    pub name: String,
    /// What it comes from, sorted.
    pub origins: Vec<Origin>,
    /// The aggregate function that made it, when nothing but casts came after: `count`, `sum`.
    pub aggregate: Option<String>,
}

/// Where an answer comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Its columns, in order.
    pub columns: Vec<ColumnLineage>,
    /// Columns that decide which rows there are: filters, join keys, groups.
    pub decides: Vec<Origin>,
    /// What its operators do to rows, outermost first: `filter status = 'paid'`.
    pub operators: Vec<String>,
}

impl Lineage {
    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&ColumnLineage> {
        let exact = self.columns.iter().find(|column| column.name == name);
        exact.or_else(|| self.columns.iter().find(|one| one.name.eq_ignore_ascii_case(name)))
    }
}

impl Prepared {
    /// Where the columns of the answer come from. Tables that were pinned as rows or versions are
    /// the ends; views are looked through.
    pub fn lineage(&self) -> Lineage {
        let mut walk = Walk::default();
        let traces = walk.columns(self.plan());
        let fields = self.plan().schema().fields().iter();
        let columns = fields.zip(traces).map(|(field, trace)| ColumnLineage {
            name: field.name().clone(),
            origins: trace.origins.into_iter().collect(),
            aggregate: trace.aggregate,
        });
        let columns = columns.collect();
        Lineage { columns, decides: walk.decides.into_iter().collect(), operators: walk.operators }
    }
}

#[derive(Clone, Debug, Default)]
struct Trace {
    origins: BTreeSet<Origin>,
    aggregate: Option<String>,
}

impl Trace {
    fn with(mut self, how: How) -> Self {
        let raised = |origin: Origin| Origin { how: origin.how.max(how), ..origin };
        self.origins = self.origins.into_iter().map(raised).collect();
        if how > How::Cast {
            self.aggregate = None;
        }
        self
    }

    fn merge(&mut self, other: Self) {
        self.origins.extend(other.origins);
        if self.aggregate != other.aggregate {
            self.aggregate = None;
        }
    }
}

#[derive(Default)]
struct Walk {
    decides: BTreeSet<Origin>,
    operators: Vec<String>,
}

impl Walk {
    /// What each column of a plan comes from, by its place.
    fn columns(&mut self, plan: &LogicalPlan) -> Vec<Trace> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let table = table_of(&scan.table_name);
                let fields = scan.projected_schema.fields().iter();
                let origin = |column: &String| Origin {
                    table: table.clone(),
                    column: column.clone(),
                    how: How::Copied,
                };
                let trace = |column: &String| Trace {
                    origins: BTreeSet::from([origin(column)]),
                    aggregate: None,
                };
                fields.map(|field| trace(field.name())).collect()
            }
            LogicalPlan::Projection(projection) => {
                let input = self.columns(&projection.input);
                let schema = projection.input.schema();
                projection.expr.iter().map(|expr| trace(expr, schema, &input)).collect()
            }
            LogicalPlan::Filter(filter) => {
                self.operators.push(format!("filter {}", filter.predicate));
                let input = self.columns(&filter.input);
                self.decide(&filter.predicate, filter.input.schema(), &input);
                input
            }
            LogicalPlan::Aggregate(aggregate) => {
                let keys: Vec<String> =
                    aggregate.group_expr.iter().map(ToString::to_string).collect();
                self.operators.push(format!("group by {}", keys.join(", ")));
                let input = self.columns(&aggregate.input);
                let schema = aggregate.input.schema();
                for key in &aggregate.group_expr {
                    self.decide(key, schema, &input);
                }
                let keys = aggregate.group_expr.iter().map(|expr| trace(expr, schema, &input));
                let values = aggregate.aggr_expr.iter().map(|expr| trace(expr, schema, &input));
                let mut traces: Vec<Trace> = keys.chain(values).collect();
                traces.resize(plan.schema().fields().len(), Trace::default());
                traces
            }
            LogicalPlan::Window(window) => {
                let mut traces = self.columns(&window.input);
                let schema = window.input.schema();
                let input = traces.clone();
                let added = window.window_expr.iter();
                traces.extend(added.map(|expr| trace(expr, schema, &input).with(How::Computed)));
                traces
            }
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => {
                let mut inputs = union.inputs.iter().map(|input| self.columns(input));
                let mut traces = inputs.next().unwrap_or_default();
                for input in inputs {
                    for (trace, other) in traces.iter_mut().zip(input) {
                        trace.merge(other);
                    }
                }
                traces
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                self.operators.push("distinct".to_owned());
                self.columns(input)
            }
            LogicalPlan::Distinct(Distinct::On(on)) => {
                self.operators.push("distinct on".to_owned());
                let input = self.columns(&on.input);
                let schema = on.input.schema();
                on.select_expr.iter().map(|expr| trace(expr, schema, &input)).collect()
            }
            LogicalPlan::Limit(limit) => {
                self.operators.push("limit".to_owned());
                self.columns(&limit.input)
            }
            LogicalPlan::RecursiveQuery(query) => self.columns(&query.static_term),
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Repartition(_) => {
                let inputs = plan.inputs();
                inputs.first().map(|input| self.columns(input)).unwrap_or_default()
            }
            // Anything else: every column may come from every column below.
            other => {
                let mut all = Trace::default();
                for input in other.inputs() {
                    for trace in self.columns(input) {
                        all.merge(trace);
                    }
                }
                vec![all.with(How::Computed); other.schema().fields().len()]
            }
        }
    }

    fn join(&mut self, join: &datafusion::logical_expr::Join) -> Vec<Trace> {
        let on: Vec<String> =
            join.on.iter().map(|(left, right)| format!("{left} = {right}")).collect();
        self.operators.push(format!("{} {}", join_words(join.join_type), on.join(" and ")));
        let (left, right) = (self.columns(&join.left), self.columns(&join.right));
        for (one, other) in &join.on {
            self.decide(one, join.left.schema(), &left);
            self.decide(other, join.right.schema(), &right);
        }
        match join.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                left.into_iter().chain(right).collect()
            }
            JoinType::LeftSemi | JoinType::LeftAnti => left,
            JoinType::RightSemi | JoinType::RightAnti => right,
            JoinType::LeftMark => left.into_iter().chain([Trace::default()]).collect(),
            JoinType::RightMark => right.into_iter().chain([Trace::default()]).collect(),
        }
    }

    fn decide(&mut self, expr: &Expr, schema: &DFSchema, input: &[Trace]) {
        self.decides.extend(trace(expr, schema, input).origins);
    }
}

pub(crate) fn join_words(kind: JoinType) -> &'static str {
    match kind {
        JoinType::Inner => "inner join",
        JoinType::Left => "left join",
        JoinType::Right => "right join",
        JoinType::Full => "full join",
        JoinType::LeftSemi | JoinType::RightSemi => "semi join",
        JoinType::LeftAnti | JoinType::RightAnti => "anti join",
        JoinType::LeftMark | JoinType::RightMark => "mark join",
    }
}

/// Functions that give the same moment in another type or cut off its end.
const SAME_MOMENT: &[&str] = &["date_trunc", "to_timestamp", "to_date", "date", "date_bin"];

fn trace(expr: &Expr, schema: &DFSchema, input: &[Trace]) -> Trace {
    match expr {
        Expr::Alias(alias) => trace(&alias.expr, schema, input),
        Expr::Column(column) => of_column(column, schema, input),
        Expr::Cast(cast) => trace(&cast.expr, schema, input).with(How::Cast),
        Expr::TryCast(cast) => trace(&cast.expr, schema, input).with(How::Cast),
        Expr::AggregateFunction(aggregate) => {
            let mut found = referred(expr, schema, input, How::Aggregated);
            let distinct = if aggregate.params.distinct { " distinct" } else { "" };
            found.aggregate = Some(format!("{}{distinct}", aggregate.func.name()));
            found
        }
        Expr::ScalarFunction(function) => {
            let name = function.name().to_ascii_lowercase();
            if SAME_MOMENT.iter().any(|same| name.starts_with(same)) {
                return referred(expr, schema, input, How::Cast);
            }
            let mut found = referred(expr, schema, input, How::Computed);
            if name == "coalesce" {
                let first = function.args.first().map(|first| trace(first, schema, input));
                found.aggregate = first.and_then(|first| first.aggregate);
            }
            found
        }
        other => referred(other, schema, input, How::Computed),
    }
}

fn referred(expr: &Expr, schema: &DFSchema, input: &[Trace], how: How) -> Trace {
    let mut found = Trace::default();
    for column in expr.column_refs() {
        found.origins.extend(of_column(column, schema, input).origins);
    }
    found.with(how)
}

fn of_column(column: &Column, schema: &DFSchema, input: &[Trace]) -> Trace {
    let place = schema.maybe_index_of_column(column);
    place.and_then(|place| input.get(place)).cloned().unwrap_or_default()
}

fn table_of(reference: &TableReference) -> TableName {
    TableName::new(reference.schema().unwrap_or_default(), reference.table())
}
