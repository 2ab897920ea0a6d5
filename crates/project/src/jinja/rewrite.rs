//! Rebuilds a parsed template so that the engine behaves like Jinja2 where it does not by itself.
//!
//! The tree is rebuilt rather than changed because the engine hands it out for reading only.
//! What changes: list and map literals become mutable Python lists and dicts; `+`, `-` and `%`
//! go through functions of our own (lists, dates, string formatting); slices of lists are lists;
//! a `{% call %}` block becomes a template of its own that receives the names it uses, since the
//! engine's own block could not be run from another macro's state; calls that a diagnostic may
//! want to point at carry their place; and, for source maps, every piece of output is marked.

use minijinja::Value;
use minijinja::machinery::Span;
use minijinja::machinery::ast::{
    self, BinOpKind, CallArg, CompareOpKind, Expr, Spanned, Stmt, UnaryOpKind,
};

use crate::jinja::unit::{Origin, SharedUnit, UnitParts};

/// Functions whose calls carry their place.
const SITED: &[&str] = &["ref", "source", "config", "var", "env_var", "metric", "function"];

/// Hands out marks for pieces of output; see [`crate::jinja::marks`].
pub(crate) trait Marker {
    /// The mark of the raw text at `range` of the template.
    fn raw(&mut self, origin: &Origin, start: usize, end: usize) -> Option<&'static str>;
    /// The mark of the expression at `range` of the template.
    fn expression(&mut self, origin: &Origin, start: usize, end: usize) -> Option<&'static str>;
}

/// Rebuilds one template.
pub(crate) struct Rewriter<'o, 'm> {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    pub(crate) origin: &'o Origin,
    pub(crate) marker: Option<&'m mut dyn Marker>,
    /// Every name that is read, call blocks included.
    pub(crate) names: Vec<&'static str>,
}

type Tree = Expr<'static>;

fn spanned<T>(node: T, span: Span) -> Spanned<T> {
    Spanned::new(node, span)
}

fn call(name: &'static str, args: Vec<CallArg<'static>>, span: Span) -> Tree {
    let expr = Expr::Var(spanned(ast::Var { id: name }, span));
    Expr::Call(spanned(ast::Call { expr, args }, span))
}

impl Rewriter<'_, '_> {
    pub(crate) fn body(&mut self, body: &[Stmt<'static>]) -> Vec<Stmt<'static>> {
        let mut rebuilt = Vec::with_capacity(body.len());
        for statement in body {
            self.mark(statement, &mut rebuilt);
            rebuilt.push(self.statement(statement));
        }
        rebuilt
    }

    fn mark(&mut self, statement: &Stmt<'static>, rebuilt: &mut Vec<Stmt<'static>>) {
        let Some(marker) = self.marker.as_deref_mut() else { return };
        let (span, mark) = match statement {
            Stmt::EmitRaw(raw) => {
                // The engine trims raw text without moving its span: ask the text itself.
                let start =
                    offset_in(self.source, raw.raw).unwrap_or(raw.span().start_offset as usize);
                (raw.span(), marker.raw(self.origin, start, start + raw.raw.len()))
            }
            Stmt::EmitExpr(emit) => {
                let span = emit.expr.span();
                let (start, end) = (span.start_offset as usize, span.end_offset as usize);
                (span, marker.expression(self.origin, start, end))
            }
            Stmt::CallBlock(block) => {
                let span = block.call_expr_span;
                let (start, end) = (span.start_offset as usize, span.end_offset as usize);
                (span, marker.expression(self.origin, start, end))
            }
            _ => return,
        };
        if let Some(mark) = mark {
            rebuilt.push(Stmt::EmitRaw(spanned(ast::EmitRaw { raw: mark }, span)));
        }
    }

    fn statement(&mut self, statement: &Stmt<'static>) -> Stmt<'static> {
        match statement {
            Stmt::Template(node) => {
                let children = self.body(&node.children);
                Stmt::Template(spanned(ast::Template { children }, node.span()))
            }
            Stmt::EmitExpr(node) => {
                let expr = self.expr(&node.expr);
                Stmt::EmitExpr(spanned(ast::EmitExpr { expr }, node.span()))
            }
            Stmt::EmitRaw(node) => {
                Stmt::EmitRaw(spanned(ast::EmitRaw { raw: node.raw }, node.span()))
            }
            Stmt::ForLoop(node) => Stmt::ForLoop(spanned(self.for_loop(node), node.span())),
            Stmt::IfCond(node) => {
                let rebuilt = ast::IfCond {
                    expr: self.expr(&node.expr),
                    true_body: self.body(&node.true_body),
                    false_body: self.body(&node.false_body),
                };
                Stmt::IfCond(spanned(rebuilt, node.span()))
            }
            Stmt::WithBlock(node) => Stmt::WithBlock(spanned(self.with_block(node), node.span())),
            Stmt::Set(node) => {
                let rebuilt =
                    ast::Set { target: self.target(&node.target), expr: self.expr(&node.expr) };
                Stmt::Set(spanned(rebuilt, node.span()))
            }
            Stmt::SetBlock(node) => {
                let rebuilt = ast::SetBlock {
                    target: self.target(&node.target),
                    filter: node.filter.as_ref().map(|filter| self.expr(filter)),
                    body: self.body(&node.body),
                };
                Stmt::SetBlock(spanned(rebuilt, node.span()))
            }
            Stmt::Macro(node) => {
                let rebuilt = self.macro_declaration(node);
                Stmt::Macro(spanned(rebuilt, node.span()))
            }
            Stmt::CallBlock(node) => self.call_block(node),
            Stmt::Do(node) => {
                let call = self.call(&node.call);
                Stmt::Do(spanned(ast::Do { call }, node.span()))
            }
            Stmt::Continue(node) => Stmt::Continue(spanned(ast::Continue, node.span())),
            Stmt::Break(node) => Stmt::Break(spanned(ast::Break, node.span())),
            other => self.rare_statement(other),
        }
    }

    fn rare_statement(&mut self, statement: &Stmt<'static>) -> Stmt<'static> {
        match statement {
            Stmt::AutoEscape(node) => {
                let rebuilt = ast::AutoEscape {
                    enabled: self.expr(&node.enabled),
                    body: self.body(&node.body),
                };
                Stmt::AutoEscape(spanned(rebuilt, node.span()))
            }
            Stmt::FilterBlock(node) => {
                let rebuilt = ast::FilterBlock {
                    filter: self.expr(&node.filter),
                    filter_span: node.filter_span,
                    body: self.body(&node.body),
                };
                Stmt::FilterBlock(spanned(rebuilt, node.span()))
            }
            Stmt::Block(node) => {
                let rebuilt = ast::Block {
                    name: node.name,
                    required: node.required,
                    body: self.body(&node.body),
                };
                Stmt::Block(spanned(rebuilt, node.span()))
            }
            Stmt::Import(node) => {
                let rebuilt =
                    ast::Import { expr: self.expr(&node.expr), name: self.target(&node.name) };
                Stmt::Import(spanned(rebuilt, node.span()))
            }
            Stmt::FromImport(node) => {
                let names = node
                    .names
                    .iter()
                    .map(|(name, alias)| {
                        (self.target(name), alias.as_ref().map(|alias| self.target(alias)))
                    })
                    .collect();
                let rebuilt = ast::FromImport { expr: self.expr(&node.expr), names };
                Stmt::FromImport(spanned(rebuilt, node.span()))
            }
            Stmt::Extends(node) => {
                let rebuilt = ast::Extends { name: self.expr(&node.name) };
                Stmt::Extends(spanned(rebuilt, node.span()))
            }
            Stmt::Include(node) => {
                let rebuilt = ast::Include {
                    name: self.expr(&node.name),
                    ignore_missing: node.ignore_missing,
                };
                Stmt::Include(spanned(rebuilt, node.span()))
            }
            _ => unreachable!("the common statements are matched by the caller"),
        }
    }

    fn for_loop(&mut self, node: &ast::ForLoop<'static>) -> ast::ForLoop<'static> {
        ast::ForLoop {
            target: self.target(&node.target),
            iter: self.expr(&node.iter),
            filter_expr: node.filter_expr.as_ref().map(|filter| self.expr(filter)),
            recursive: node.recursive,
            body: self.body(&node.body),
            else_body: self.body(&node.else_body),
        }
    }

    fn with_block(&mut self, node: &ast::WithBlock<'static>) -> ast::WithBlock<'static> {
        let assignments = node
            .assignments
            .iter()
            .map(|(target, value)| (self.target(target), self.expr(value)))
            .collect();
        ast::WithBlock { assignments, body: self.body(&node.body) }
    }

    fn macro_declaration(&mut self, node: &ast::Macro<'static>) -> ast::Macro<'static> {
        let args: Vec<Expr<'static>> = node.args.iter().map(|arg| self.target(arg)).collect();
        let mut defaults: Vec<Expr<'static>> = Vec::new();
        let mut body = Vec::new();
        let first = args.len().saturating_sub(node.defaults.len());
        for (default, arg) in node.defaults.iter().zip(args.get(first..).unwrap_or_default()) {
            let default = self.expr(default);
            let Expr::Var(name) = arg else {
                defaults.push(default);
                continue;
            };
            let (default, first) = late_default(name.id, default, name.span());
            defaults.push(default);
            body.extend(first);
        }
        body.extend(self.body(&node.body));
        ast::Macro { name: node.name, args, defaults, body }
    }

    /// `{% call(a) f(x) %}body{% endcall %}` becomes `{{ f(x, caller=<body>(names it uses)) }}`.
    fn call_block(&mut self, node: &Spanned<ast::CallBlock<'static>>) -> Stmt<'static> {
        let span = node.call_expr_span;
        let mut inner = Rewriter {
            name: self.name,
            source: self.source,
            origin: self.origin,
            marker: None,
            names: Vec::new(),
        };
        // The marker serves one rewriter at a time.
        inner.marker = self.marker.take();
        let declaration = inner.macro_declaration(&node.macro_decl);
        self.marker = inner.marker.take();
        let mut names = inner.names;
        names.sort_unstable();
        names.dedup();
        let unit = UnitParts {
            name: self.name,
            source: self.source,
            origin: self.origin.clone(),
            macro_name: "dbt_macro__caller",
            declaration,
            span: node.macro_decl.span(),
            names: names.clone(),
        }
        .compile();
        let body = Expr::Const(spanned(ast::Const { value: SharedUnit::value(unit) }, span));
        let mut arguments = vec![CallArg::Pos(body)];
        for name in names {
            self.names.push(name);
            let value = Expr::Var(spanned(ast::Var { id: name }, span));
            arguments.push(CallArg::Kwarg(name, value));
        }
        let caller = call("__caller", arguments, span);
        let mut rebuilt = self.call_parts(&node.call);
        rebuilt.args.push(CallArg::Kwarg("caller", caller));
        let expr = Expr::Call(spanned(rebuilt, node.call.span()));
        Stmt::EmitExpr(spanned(ast::EmitExpr { expr }, span))
    }

    /// The default of a parameter: its own offsets mean nothing in the template, so everything in
    /// it stands where the template starts.
    pub(crate) fn default(&mut self, expr: &Tree, _place: Span) -> Tree {
        self.expr(expr)
    }

    /// A place to assign to: copied as it is.
    fn target(&mut self, target: &Tree) -> Tree {
        match target {
            Expr::Var(node) => Expr::Var(spanned(ast::Var { id: node.id }, node.span())),
            Expr::Tuple(node) => {
                let items = node.items.iter().map(|item| self.target(item)).collect();
                Expr::Tuple(spanned(ast::Tuple { items }, node.span()))
            }
            Expr::List(node) => {
                let items = node.items.iter().map(|item| self.target(item)).collect();
                Expr::List(spanned(ast::List { items }, node.span()))
            }
            other => self.expr(other),
        }
    }

    fn expr(&mut self, expr: &Tree) -> Tree {
        match expr {
            Expr::Var(node) => {
                self.names.push(node.id);
                Expr::Var(spanned(ast::Var { id: node.id }, node.span()))
            }
            Expr::Const(node) => {
                Expr::Const(spanned(ast::Const { value: node.value.clone() }, node.span()))
            }
            Expr::Slice(node) => self.slice(node),
            Expr::UnaryOp(node) => {
                // The engine's kind can neither be copied nor moved out of the tree.
                let negates = matches!(node.op, UnaryOpKind::Neg);
                let op = if negates { UnaryOpKind::Neg } else { UnaryOpKind::Not };
                let rebuilt = ast::UnaryOp { op, expr: self.expr(&node.expr) };
                Expr::UnaryOp(spanned(rebuilt, node.span()))
            }
            Expr::BinOp(node) => self.binary(node),
            Expr::Compare(node) => {
                let expr = self.expr(&node.expr);
                let ops = node
                    .ops
                    .iter()
                    .map(|op| ast::CompareOp { op: copied(op.op), expr: self.expr(&op.expr) })
                    .collect();
                Expr::Compare(spanned(ast::Compare { expr, ops }, node.span()))
            }
            Expr::IfExpr(node) => {
                let rebuilt = ast::IfExpr {
                    test_expr: self.expr(&node.test_expr),
                    true_expr: self.expr(&node.true_expr),
                    false_expr: node.false_expr.as_ref().map(|expr| self.expr(expr)),
                };
                Expr::IfExpr(spanned(rebuilt, node.span()))
            }
            Expr::Filter(node) => {
                let rebuilt = ast::Filter {
                    name: node.name,
                    expr: node.expr.as_ref().map(|expr| self.expr(expr)),
                    args: self.arguments(&node.args),
                };
                Expr::Filter(spanned(rebuilt, node.span()))
            }
            Expr::Test(node) => {
                let rebuilt = ast::Test {
                    name: node.name,
                    expr: self.expr(&node.expr),
                    args: self.arguments(&node.args),
                };
                Expr::Test(spanned(rebuilt, node.span()))
            }
            Expr::GetAttr(node) => {
                let rebuilt = ast::GetAttr { expr: self.expr(&node.expr), name: node.name };
                Expr::GetAttr(spanned(rebuilt, node.span()))
            }
            Expr::GetItem(node) => {
                let rebuilt = ast::GetItem {
                    expr: self.expr(&node.expr),
                    subscript_expr: self.expr(&node.subscript_expr),
                };
                Expr::GetItem(spanned(rebuilt, node.span()))
            }
            Expr::Call(node) => Expr::Call(self.call(node)),
            Expr::List(node) => {
                let items = node.items.iter().map(|item| CallArg::Pos(self.expr(item))).collect();
                call("__list", items, node.span())
            }
            Expr::Tuple(node) => {
                let items = node.items.iter().map(|item| self.expr(item)).collect();
                Expr::Tuple(spanned(ast::Tuple { items }, node.span()))
            }
            Expr::Map(node) => {
                let pairs = node.keys.iter().zip(&node.values).flat_map(|(key, value)| {
                    [CallArg::Pos(self.expr(key)), CallArg::Pos(self.expr(value))]
                });
                let pairs = pairs.collect();
                call("__dict", pairs, node.span())
            }
        }
    }

    fn slice(&mut self, node: &Spanned<ast::Slice<'static>>) -> Tree {
        let rebuilt = ast::Slice {
            expr: self.expr(&node.expr),
            start: node.start.as_ref().map(|expr| self.expr(expr)),
            stop: node.stop.as_ref().map(|expr| self.expr(expr)),
            step: node.step.as_ref().map(|expr| self.expr(expr)),
        };
        let slice = Expr::Slice(spanned(rebuilt, node.span()));
        call("__thaw", vec![CallArg::Pos(slice)], node.span())
    }

    fn binary(&mut self, node: &Spanned<ast::BinOp<'static>>) -> Tree {
        let name = match node.op {
            BinOpKind::Add => Some("__add"),
            BinOpKind::Sub => Some("__sub"),
            BinOpKind::Rem => Some("__rem"),
            _ => None,
        };
        let (left, right) = (self.expr(&node.left), self.expr(&node.right));
        match name {
            Some(name) => call(name, vec![CallArg::Pos(left), CallArg::Pos(right)], node.span()),
            None => Expr::BinOp(spanned(ast::BinOp { op: node.op, left, right }, node.span())),
        }
    }

    fn call(&mut self, node: &Spanned<ast::Call<'static>>) -> Spanned<ast::Call<'static>> {
        let rebuilt = self.call_parts(node);
        spanned(rebuilt, node.span())
    }

    fn call_parts(&mut self, node: &Spanned<ast::Call<'static>>) -> ast::Call<'static> {
        let expr = self.expr(&node.expr);
        let mut args = self.arguments(&node.args);
        if let Expr::Var(name) = &node.expr
            && SITED.contains(&name.id)
        {
            let span = node.span();
            let site = self.origin.span(span.start_offset as usize..span.end_offset as usize);
            let value = Value::from_object(Site(site));
            args.push(CallArg::Kwarg("__site", Expr::Const(spanned(ast::Const { value }, span))));
        }
        ast::Call { expr, args }
    }

    fn arguments(&mut self, arguments: &[CallArg<'static>]) -> Vec<CallArg<'static>> {
        arguments
            .iter()
            .map(|argument| match argument {
                CallArg::Pos(expr) => CallArg::Pos(self.expr(expr)),
                CallArg::Kwarg(name, expr) => CallArg::Kwarg(name, self.expr(expr)),
                CallArg::PosSplat(expr) => CallArg::PosSplat(self.expr(expr)),
                CallArg::KwargSplat(expr) => CallArg::KwargSplat(self.expr(expr)),
            })
            .collect()
    }
}

/// `macro m(a, b=a)`: the engine looks at defaults last to first and would not know `a` yet, so
/// the body begins with those that are no constants. Gives the default for the engine, and that
/// beginning.
pub(crate) fn late_default(
    name: &'static str,
    default: Tree,
    span: Span,
) -> (Tree, Option<Stmt<'static>>) {
    if matches!(default, Expr::Const(_)) {
        return (default, None);
    }
    let variable = || Expr::Var(spanned(ast::Var { id: name }, span));
    let test = ast::Test { name: "undefined", expr: variable(), args: Vec::new() };
    let set = ast::Set { target: variable(), expr: default };
    let condition = ast::IfCond {
        expr: Expr::Test(spanned(test, span)),
        true_body: vec![Stmt::Set(spanned(set, span))],
        false_body: Vec::new(),
    };
    let unknown = Expr::Var(spanned(ast::Var { id: "__absent" }, span));
    (unknown, Some(Stmt::IfCond(spanned(condition, span))))
}

fn copied(op: CompareOpKind) -> CompareOpKind {
    op
}

/// The offset of `part` in `whole`, when it is a slice of it.
fn offset_in(whole: &str, part: &str) -> Option<usize> {
    let (start, inner) = (whole.as_ptr() as usize, part.as_ptr() as usize);
    let offset = inner.checked_sub(start)?;
    (offset + part.len() <= whole.len()).then_some(offset)
}

/// The place of a call, carried along as a hidden argument.
#[derive(Debug)]
pub(crate) struct Site(pub(crate) base::Span);

impl minijinja::value::Object for Site {
    fn repr(self: &std::sync::Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }
}
