//! `using`: which side a merged column comes from.
//!
//! DataFusion takes a bare `k` after `a … join b using (k)` from `a`, joins a third table on
//! `a.k`, and lets the alphabet decide which side `*` shows. All three are wrong once an outer join
//! is among them, so joins with `using` become joins with `on`, and a bare `k` what it means.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, GroupByExpr, Ident, Join, JoinConstraint,
    JoinOperator, ObjectName, ObjectNamePart, OrderBy, OrderByKind, Query, ReplaceSelectElement,
    ReplaceSelectItem, Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor,
    TableWithJoins, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::dialect::Dialect;
use super::natural;
use super::parse::range_of;
use super::probe::columns_of;
use super::tree::{binary, call, folded, last_part, parts};
use super::walk::Scene;
use crate::error::QueryError;

/// What a bare name stands for after the joins, in the order the names were merged.
#[derive(Default)]
struct Merged {
    order: Vec<String>,
    columns: BTreeMap<String, Merge>,
}

struct Merge {
    name: Ident,
    value: Expr,
    /// The relations that have the column; in `*` it keeps the place it has in the first.
    members: Vec<usize>,
}

/// Rewrites the joins of one select, and the names that they merged; `order_by` belongs to it.
pub(crate) fn rewrite(
    scene: &Scene<'_>,
    select: &mut Select,
    order_by: Option<&mut OrderBy>,
) -> Result<(), QueryError> {
    let (sql, dialect) = (scene.sql, scene.dialect);
    for table in &mut select.from {
        natural::spell_out(scene, table)?;
        for join in &mut table.joins {
            name_side(join);
        }
    }
    if !select.from.iter().any(needs_rewrite) {
        return Ok(());
    }
    if select.from.len() > 1 {
        return Err(QueryError::unsupported("an outer join with using beside a comma is not run")
            .help("Write \"cross join\" for the comma, or \"on\" for \"using\"."));
    }
    let Some(table) = select.from.first_mut() else { return Ok(()) };
    let mut relations = vec![relation_name(sql, &table.relation)?];
    let mut factors = vec![table.relation.clone()];
    let mut merged = Merged::default();
    for join in &mut table.joins {
        merge_join(scene, join, &mut relations, &factors, &mut merged)?;
        if side(&join.join_operator) != Side::LeftOnly {
            factors.push(join.relation.clone());
        }
    }
    expand_wildcards(sql, dialect, select, &relations, &merged)?;
    rename_items(select, &merged);
    let outputs: Vec<String> = select
        .projection
        .iter()
        .filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
            _ => None,
        })
        .collect();
    let mut names = Names { merged: &merged, depth: 0 };
    replace_in_select(select, &mut names);
    if let Some(OrderBy { kind: OrderByKind::Expressions(items), .. }) = order_by {
        for item in items {
            // `order by k` means the output column when there is one.
            let output = matches!(&item.expr, Expr::Identifier(name)
                if outputs.contains(&folded(name)));
            if !output {
                let _ = item.expr.visit(&mut names);
            }
        }
    }
    Ok(())
}

/// `semi join` and `anti join` keep the left side's rows.
fn name_side(join: &mut Join) {
    join.join_operator =
        match std::mem::replace(&mut join.join_operator, JoinOperator::Inner(JoinConstraint::None))
        {
            JoinOperator::Semi(constraint) => JoinOperator::LeftSemi(constraint),
            JoinOperator::Anti(constraint) => JoinOperator::LeftAnti(constraint),
            other => other,
        };
}

fn needs_rewrite(table: &TableWithJoins) -> bool {
    let outer = table.joins.iter().any(|join| side(&join.join_operator) != Side::Inner);
    let using = table
        .joins
        .iter()
        .any(|join| matches!(constraint(&join.join_operator), Some(JoinConstraint::Using(_))));
    outer && using
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Inner,
    Left,
    Right,
    Full,
    /// Only the left side's columns come out.
    LeftOnly,
    Other,
}

fn side(operator: &JoinOperator) -> Side {
    match operator {
        JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => Side::Inner,
        JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => Side::Left,
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => Side::Right,
        JoinOperator::FullOuter(_) => Side::Full,
        JoinOperator::Semi(_)
        | JoinOperator::LeftSemi(_)
        | JoinOperator::Anti(_)
        | JoinOperator::LeftAnti(_) => Side::LeftOnly,
        _ => Side::Other,
    }
}

pub(crate) fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}

pub(crate) fn constraint_mut(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}

/// How columns of a relation are qualified; none for one without a name.
type Relation = Option<Vec<Ident>>;

fn relation_name(sql: &str, factor: &TableFactor) -> Result<Relation, QueryError> {
    Ok(match factor {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::Function { alias: Some(alias), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. } => Some(vec![alias.name.clone()]),
        TableFactor::Table { name, alias: None, .. } => parts(name),
        TableFactor::NestedJoin { .. } => {
            let mut refused =
                QueryError::unsupported("joins in brackets beside an outer join with using")
                    .help("Write \"on\" for \"using\".");
            refused.span = range_of(sql, factor);
            return Err(refused);
        }
        _ => None,
    })
}

fn qualified(sql: &str, relation: &Relation, name: &Ident) -> Result<Expr, QueryError> {
    let Some(relation) = relation else {
        let mut refused =
            QueryError::unsupported("using needs a name for each joined table or subquery")
                .help("Give the subquery an alias: \"(select …) as x\".");
        refused.span = range_of(sql, &Expr::Identifier(name.clone()));
        return Err(refused);
    };
    let mut parts = relation.clone();
    parts.push(name.clone());
    Ok(Expr::CompoundIdentifier(parts))
}

fn merge_join(
    scene: &Scene<'_>,
    join: &mut Join,
    relations: &mut Vec<Relation>,
    factors: &[TableFactor],
    merged: &mut Merged,
) -> Result<(), QueryError> {
    let sql = scene.sql;
    let right = relation_name(sql, &join.relation)?;
    let side = side(&join.join_operator);
    let index = relations.len();
    let mut names = Names { merged, depth: 0 };
    if let Some(JoinConstraint::On(condition)) = constraint_mut(&mut join.join_operator) {
        let _ = condition.visit(&mut names);
    }
    if let Some(JoinConstraint::Using(columns)) = constraint_mut(&mut join.join_operator) {
        let mut condition: Option<Expr> = None;
        let mut merges = Vec::new();
        for column in columns.iter() {
            let Some(name) = last_part(column).cloned() else { continue };
            let (left, mut members) = left_value(scene, &name, relations, factors, merged)?;
            let other = qualified(sql, &right, &name)?;
            let equal = binary(left.clone(), BinaryOperator::Eq, other.clone());
            condition = Some(match condition {
                Some(before) => binary(before, BinaryOperator::And, equal),
                None => equal,
            });
            let value = match side {
                Side::Inner | Side::Left | Side::LeftOnly => left,
                Side::Right => other,
                Side::Full => coalesce(left, other),
                Side::Other => return Err(refuse_operator(sql, join)),
            };
            if side != Side::LeftOnly {
                members.push(index);
            }
            merges.push((name, value, members));
        }
        if let (Some(condition), Some(place)) = (condition, constraint_mut(&mut join.join_operator))
        {
            *place = JoinConstraint::On(condition);
        }
        for (name, value, members) in merges {
            let key = folded(&name);
            if !merged.order.contains(&key) {
                merged.order.push(key.clone());
            }
            merged.columns.insert(key, Merge { name, value, members });
        }
    }
    if side == Side::Other {
        return Err(refuse_operator(sql, join));
    }
    if side != Side::LeftOnly {
        relations.push(right);
        debug_assert_eq!(relations.len(), index + 1);
    }
    Ok(())
}

fn refuse_operator(sql: &str, join: &Join) -> QueryError {
    let mut refused = QueryError::unsupported("this join beside an outer join with using")
        .help("Write \"on\" for \"using\".");
    refused.span = range_of(sql, join);
    refused
}

fn left_value(
    scene: &Scene<'_>,
    name: &Ident,
    relations: &[Relation],
    factors: &[TableFactor],
    merged: &Merged,
) -> Result<(Expr, Vec<usize>), QueryError> {
    let sql = scene.sql;
    if let Some(merge) = merged.columns.get(&folded(name)) {
        return Ok((merge.value.clone(), merge.members.clone()));
    }
    if let [only] = relations {
        return Ok((qualified(sql, only, name)?, vec![0]));
    }
    let mut holders = Vec::new();
    for (index, factor) in factors.iter().enumerate() {
        match columns_of(scene, factor)? {
            Some(columns) if columns.contains(&folded(name)) => holders.push(index),
            Some(_) => {}
            None => holders.extend([index, index]),
        }
    }
    if let [only] = holders.as_slice()
        && let Some(relation) = relations.get(*only)
    {
        return Ok((qualified(sql, relation, name)?, vec![*only]));
    }
    let mut refused = QueryError::unsupported(format!(
        "\"using ({name})\": which of the tables to the left holds \"{name}\" is not known here"
    ))
    .help("Write \"on\" with both tables' names.");
    refused.span = range_of(sql, &Expr::Identifier(name.clone()));
    Err(refused)
}

fn coalesce(left: Expr, right: Expr) -> Expr {
    if let Expr::Function(function) = &left
        && last_part(&function.name).is_some_and(|name| name.value == "coalesce")
        && let Some(arguments) = super::tree::plain_arguments(function)
    {
        let mut all: Vec<Expr> = arguments.into_iter().cloned().collect();
        all.push(right);
        return call("coalesce", all);
    }
    call("coalesce", vec![left, right])
}

fn wildcard_of(relation: Vec<Ident>, options: WildcardAdditionalOptions) -> SelectItem {
    let name = ObjectName(relation.into_iter().map(ObjectNamePart::Identifier).collect());
    SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
}

pub(crate) fn excluded_names(options: &WildcardAdditionalOptions) -> Vec<String> {
    let mut names = Vec::new();
    match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => names.extend(last_part(name).map(folded)),
        Some(ExcludeSelectItem::Multiple(all)) => {
            names.extend(all.iter().filter_map(last_part).map(folded));
        }
        None => {}
    }
    if let Some(except) = &options.opt_except {
        names.push(folded(&except.first_element));
        names.extend(except.additional_elements.iter().map(folded));
    }
    names
}

fn expand_wildcards(
    sql: &str,
    dialect: Dialect,
    select: &mut Select,
    relations: &[Relation],
    merged: &Merged,
) -> Result<(), QueryError> {
    let mut projection = Vec::with_capacity(select.projection.len());
    for item in std::mem::take(&mut select.projection) {
        let SelectItem::Wildcard(options) = &item else {
            projection.push(item);
            continue;
        };
        let excluded = excluded_names(options);
        let foreign = excluded.iter().any(|name| !merged.columns.contains_key(name));
        if foreign || options.opt_replace.is_some() || options.opt_rename.is_some() {
            let mut refused = QueryError::unsupported(
                "\"*\" with exclude, replace or rename after an outer join with using",
            )
            .help("Name the columns, or put the join into a common table expression first.");
            refused.span = range_of(sql, &item);
            return Err(refused);
        }
        expand_one(dialect, relations, merged, &excluded, &mut projection)?;
    }
    select.projection = projection;
    Ok(())
}

fn expand_one(
    dialect: Dialect,
    relations: &[Relation],
    merged: &Merged,
    excluded: &[String],
    projection: &mut Vec<SelectItem>,
) -> Result<(), QueryError> {
    let shown = || merged.order.iter().filter(|name| !excluded.contains(name));
    let first = dialect != Dialect::Duckdb;
    if first {
        for merge in shown().filter_map(|name| merged.columns.get(name)) {
            projection.push(SelectItem::ExprWithAlias {
                expr: merge.value.clone(),
                alias: merge.name.clone(),
            });
        }
    }
    for (index, relation) in relations.iter().enumerate() {
        let Some(parts) = relation else {
            return Err(QueryError::unsupported("\"*\" over a subquery without a name")
                .help("Give the subquery an alias: \"(select …) as x\"."));
        };
        let mut hidden = Vec::new();
        let mut replaced = Vec::new();
        for (name, merge) in &merged.columns {
            if !merge.members.contains(&index) {
                continue;
            }
            if !first && merge.members.first() == Some(&index) && !excluded.contains(name) {
                replaced.push(Box::new(ReplaceSelectElement {
                    expr: merge.value.clone(),
                    column_name: merge.name.clone(),
                    as_keyword: true,
                }));
            } else {
                hidden.push(ObjectName(vec![ObjectNamePart::Identifier(merge.name.clone())]));
            }
        }
        let mut options = WildcardAdditionalOptions::default();
        if !hidden.is_empty() {
            options.opt_exclude = Some(ExcludeSelectItem::Multiple(hidden));
        }
        if !replaced.is_empty() {
            options.opt_replace = Some(ReplaceSelectItem { items: replaced });
        }
        projection.push(wildcard_of(parts.clone(), options));
    }
    Ok(())
}

/// A selected bare `k` keeps its name although it becomes an expression.
fn rename_items(select: &mut Select, merged: &Merged) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(Expr::Identifier(name)) = item
            && merged.columns.contains_key(&folded(name))
        {
            let (expr, alias) = (Expr::Identifier(name.clone()), name.clone());
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
    }
}

fn replace_in_select(select: &mut Select, names: &mut Names<'_>) {
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                let _ = expr.visit(names);
            }
            _ => {}
        }
    }
    let clauses = [&mut select.selection, &mut select.having, &mut select.qualify];
    for expr in clauses.into_iter().flatten() {
        let _ = expr.visit(names);
    }
    if let GroupByExpr::Expressions(expressions, _) = &mut select.group_by {
        for expr in expressions {
            let _ = expr.visit(names);
        }
    }
    let _ = select.named_window.visit(names);
}

/// Replaces bare names in expressions, not inside subqueries, whose own tables come first.
struct Names<'a> {
    merged: &'a Merged,
    depth: usize,
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(name) = expr
            && let Some(merge) = self.merged.columns.get(&folded(name))
        {
            *expr = merge.value.clone();
        }
        ControlFlow::Continue(())
    }
}
