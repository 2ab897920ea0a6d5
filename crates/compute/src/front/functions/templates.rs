//! Functions that are other functions: `templates.txt` spells them out, `passthrough.txt` names
//! those that mean here what they mean at home.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, Ident, ObjectName, ObjectNamePart, Value, VisitMut,
    VisitorMut,
};

use super::super::dialect::Dialect;
use super::super::parse;
use super::super::tree::{binary, folded, last_part, plain_arguments};
use super::super::walk::{Scene, refused};
use crate::error::QueryError;

struct Template {
    parameters: Vec<String>,
    body: Expr,
}

type Key = (char, String, usize);

static TEMPLATES: LazyLock<BTreeMap<Key, Template>> =
    LazyLock::new(|| read(include_str!("templates.txt")));

/// `dialects: name(...) = other`: another name, whatever the arguments.
static RENAMES: LazyLock<BTreeMap<(char, &'static str), &'static str>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    for line in lines(include_str!("templates.txt")) {
        let Some((head, target)) = line.split_once("(...) = ") else { continue };
        let Some((dialects, name)) = head.split_once(':') else { continue };
        all.extend(dialects.trim().chars().map(|letter| ((letter, name.trim()), target.trim())));
    }
    all
});

static PASSTHROUGH: LazyLock<BTreeSet<(char, &'static str)>> = LazyLock::new(|| {
    let mut all = BTreeSet::new();
    for line in lines(include_str!("passthrough.txt")) {
        let Some((dialects, names)) = line.split_once(':') else { continue };
        for dialect in dialects.trim().chars() {
            all.extend(names.split_whitespace().map(|name| (dialect, name)));
        }
    }
    all
});

static REPLACEMENTS: LazyLock<BTreeMap<&'static str, &'static str>> = LazyLock::new(|| {
    lines(include_str!("replacements.txt"))
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(names, help)| names.split_whitespace().map(move |name| (name, help.trim())))
        .collect()
});

static HOMES: LazyLock<BTreeSet<&'static str>> =
    LazyLock::new(|| lines(include_str!("homes.txt")).flat_map(str::split_whitespace).collect());

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn letter(dialect: Dialect) -> char {
    match dialect {
        Dialect::Duckdb => 'd',
        Dialect::Postgres => 'p',
        Dialect::Snowflake => 's',
        Dialect::Bigquery => 'b',
    }
}

/// `dialects: name(parameters) = expression`, one a line.
fn read(text: &'static str) -> BTreeMap<Key, Template> {
    let mut all = BTreeMap::new();
    for line in lines(text) {
        let Some((head, body)) = line.split_once(" = ") else { continue };
        let Some((dialects, signature)) = head.split_once(':') else { continue };
        if signature.ends_with("(...)") {
            continue;
        }
        let Some((name, rest)) = signature.trim().split_once('(') else { continue };
        let parameters: Vec<String> = rest
            .trim_end_matches(')')
            .split(',')
            .map(|parameter| parameter.trim().to_owned())
            .filter(|parameter| !parameter.is_empty())
            .collect();
        let Ok(body) = parse::expression(body) else { continue };
        for dialect in dialects.trim().chars() {
            let key = (dialect, name.to_owned(), parameters.len());
            all.insert(key, Template { parameters: parameters.clone(), body: body.clone() });
        }
    }
    all
}

/// Whether DataFusion's function of this name was compared with the home's.
pub(crate) fn passes(dialect: Dialect, name: &str) -> bool {
    PASSTHROUGH.contains(&(letter(dialect), name))
}

/// What to write instead of a function that is not run.
pub(crate) fn replacement(name: &str) -> Option<String> {
    REPLACEMENTS.get(name).map(|help| (*help).to_owned())
}

/// Whether one of the homes has a function of this name.
pub(crate) fn known_at_home(name: &str) -> bool {
    HOMES.contains(name)
}

/// Spells a call out.
pub(crate) fn expand(
    scene: &Scene<'_>,
    node: &Expr,
    function: &Function,
    name: &str,
) -> Result<Option<Expr>, QueryError> {
    if let Some(target) = RENAMES.get(&(letter(scene.dialect), name)) {
        let mut renamed = function.clone();
        renamed.name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(*target))]);
        return Ok(Some(Expr::Function(renamed)));
    }
    let Some(arguments) = plain_arguments(function) else { return Ok(None) };
    let key = (letter(scene.dialect), name.to_owned(), arguments.len());
    let Some(template) = TEMPLATES.get(&key) else { return Ok(None) };
    let mut body = template.body.clone();
    decorate(scene, node, &mut body, function, name)?;
    let mut fill = Fill { template, arguments: &arguments };
    let _ = body.visit(&mut fill);
    order_by_argument(&mut body, &arguments);
    Ok(Some(body))
}

/// `distinct … order by` asks for the argument itself, which a template may have cast.
fn order_by_argument(body: &mut Expr, arguments: &[&Expr]) {
    let Expr::Function(inner) = body else { return };
    let FunctionArguments::List(list) = &mut inner.args else { return };
    if list.duplicate_treatment != Some(DuplicateTreatment::Distinct) {
        return;
    }
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first() else {
        return;
    };
    let first = first.clone();
    for clause in &mut list.clauses {
        if let FunctionArgumentClause::OrderBy(items) = clause {
            for item in items.iter_mut().filter(|item| arguments.first() == Some(&&item.expr)) {
                item.expr = first.clone();
            }
        }
    }
}

/// Aggregates that templates are made of.
const AGGREGATES: [&str; 17] = [
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "first_value",
    "last_value",
    "max",
    "median",
    "min",
    "percentile_cont",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
];

/// Gives the aggregates of a rewritten call what stood beside the call: `distinct`, `order by`,
/// `filter`, `over`.
pub(super) fn decorate(
    scene: &Scene<'_>,
    node: &Expr,
    body: &mut Expr,
    function: &Function,
    name: &str,
) -> Result<(), QueryError> {
    let (distinct, clauses) = match &function.args {
        FunctionArguments::List(list) => (list.duplicate_treatment, list.clauses.clone()),
        FunctionArguments::None | FunctionArguments::Subquery(_) => (None, Vec::new()),
    };
    let decorated = distinct.is_some()
        || !clauses.is_empty()
        || function.over.is_some()
        || function.filter.is_some()
        || function.null_treatment.is_some();
    if !decorated {
        return Ok(());
    }
    let mut place = Decorate { function, distinct, clauses, found: 0, ordered: false };
    let _ = body.visit(&mut place);
    let message = match (place.found, place.ordered) {
        (0, _) => format!("\"{name}\" with distinct, order by, filter or over is not run"),
        (_, true) => format!("\"{name}\" in a window is not run"),
        _ => return Ok(()),
    };
    Err(refused(scene, node, message, "Compute it in a common table expression first."))
}

struct Decorate<'a> {
    function: &'a Function,
    distinct: Option<DuplicateTreatment>,
    clauses: Vec<FunctionArgumentClause>,
    found: usize,
    /// A window over an aggregate that has an order inside, which nobody would heed.
    ordered: bool,
}

impl VisitorMut for Decorate<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(inner) = expr else { return ControlFlow::Continue(()) };
        let aggregate = last_part(&inner.name).map(folded);
        if !aggregate.is_some_and(|name| AGGREGATES.contains(&name.as_str())) {
            return ControlFlow::Continue(());
        }
        self.found += 1;
        inner.over = self.function.over.clone();
        inner.null_treatment = self.function.null_treatment.or(inner.null_treatment);
        if let Some(condition) = self.function.filter.clone() {
            inner.filter = Some(match inner.filter.take() {
                Some(own) => Box::new(binary(*own, BinaryOperator::And, *condition)),
                None => condition,
            });
        }
        if let FunctionArguments::List(list) = &mut inner.args {
            if self.distinct.is_some() {
                list.duplicate_treatment = self.distinct;
            }
            if !self.clauses.is_empty() {
                list.clauses = self.clauses.clone();
            }
            let order = |clause: &FunctionArgumentClause| {
                matches!(clause, FunctionArgumentClause::OrderBy(_))
            };
            self.ordered |= inner.over.is_some() && list.clauses.iter().any(order);
        }
        ControlFlow::Continue(())
    }
}

struct Fill<'a> {
    template: &'a Template,
    arguments: &'a [&'a Expr],
}

impl VisitorMut for Fill<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Value(value) = &*expr else { return ControlFlow::Continue(()) };
        let Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        let name = name.trim_start_matches('$');
        let index = self.template.parameters.iter().position(|parameter| parameter == name);
        if let Some(argument) = index.and_then(|index| self.arguments.get(index)) {
            *expr = match argument {
                Expr::BinaryOp { .. } | Expr::UnaryOp { .. } | Expr::Case { .. } => {
                    Expr::Nested(Box::new((*argument).clone()))
                }
                other => (*other).clone(),
            };
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_parses() {
        let text = include_str!("templates.txt");
        for line in lines(text) {
            let body = line.split_once(" = ").map(|(_, body)| body);
            // A rename names a function alone, which is an expression too.
            assert!(body.is_some_and(|body| parse::expression(body).is_ok()), "{line}");
        }
        assert!(TEMPLATES.len() > 100, "{}", TEMPLATES.len());
    }
}
