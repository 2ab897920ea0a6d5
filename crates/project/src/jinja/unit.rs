//! A compiled template: one model, one macro, or one `{% call %}` block.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use base::{SourceFile, Span};
use minijinja::machinery::{self, CodeGenerator, Instructions, ast};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, ErrorKind, Value};

use crate::jinja::block::Tags;
use crate::jinja::rewrite::{Marker, Rewriter, late_default};
use crate::jinja::{Block, Macro};

/// Texts that live as long as the process: the engine asks for them. Each distinct text is kept
/// once, so rendering or reloading an unchanged project again costs nothing.
pub(crate) fn interned(text: &str) -> &'static str {
    static TEXTS: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.get(text) {
        return known;
    }
    let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
    texts.insert(kept);
    kept
}

/// Where a template's text is in the user's files.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The file.
    pub(crate) file: Arc<SourceFile>,
    /// The byte of the file at which the template's text starts.
    pub(crate) start: usize,
    /// For made-up templates: the place that stands for the whole of it.
    pub(crate) stands_for: Option<Range<usize>>,
}

impl Origin {
    /// The place in the user's file of a range of the template.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        match &self.stands_for {
            Some(place) => Span::new(&self.file, place.clone()),
            None => {
                let limit = self.file.text.len();
                let start = (self.start + range.start).min(limit);
                Span::new(&self.file, start..(self.start + range.end).min(limit))
            }
        }
    }
}

/// A compiled template.
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    pub(crate) instructions: Instructions<'static>,
    pub(crate) blocks: BTreeMap<&'static str, Instructions<'static>>,
    pub(crate) origin: Origin,
    /// For a macro: the name under which its template declares it.
    pub(crate) macro_name: Option<&'static str>,
    /// For a macro: its own parameters, in order.
    pub(crate) parameters: Vec<&'static str>,
    pub(crate) takes_varargs: bool,
    pub(crate) takes_kwargs: bool,
    pub(crate) takes_caller: bool,
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<template {}>", self.name)
    }
}

/// A macro about to be compiled.
pub(crate) struct UnitParts {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    pub(crate) origin: Origin,
    pub(crate) macro_name: &'static str,
    pub(crate) declaration: ast::Macro<'static>,
    pub(crate) span: machinery::Span,
    /// Every name its body reads.
    pub(crate) names: Vec<&'static str>,
}

impl UnitParts {
    /// Compiles the macro. The surplus of a call goes to `varargs` and `kwargs`, which the engine
    /// does not know: they become parameters when the body reads them.
    pub(crate) fn compile(mut self) -> Unit {
        let parameters: Vec<&'static str> = self
            .declaration
            .args
            .iter()
            .filter_map(|argument| match argument {
                ast::Expr::Var(name) => Some(name.id),
                _ => None,
            })
            .collect();
        let reads = |name: &str| self.names.contains(&name) && !parameters.contains(&name);
        let (takes_varargs, takes_kwargs) = (reads("varargs"), reads("kwargs"));
        let takes_caller = reads("caller");
        let surplus = [(takes_varargs, "varargs"), (takes_kwargs, "kwargs")];
        for (_, name) in surplus.into_iter().filter(|(taken, _)| *taken) {
            let variable = ast::Spanned::new(ast::Var { id: name }, self.span);
            self.declaration.args.push(ast::Expr::Var(variable));
            if !self.declaration.defaults.is_empty() {
                // Defaults belong to the last parameters: keep them where they were.
                let value = Value::UNDEFINED;
                let none = ast::Spanned::new(ast::Const { value }, self.span);
                self.declaration.defaults.push(ast::Expr::Const(none));
            }
        }
        self.declaration.name = self.macro_name;
        let statement = ast::Stmt::Macro(ast::Spanned::new(self.declaration, self.span));
        let root = template(vec![statement], self.span);
        let mut generator = CodeGenerator::new(self.name, self.source);
        generator.compile_stmt(&root);
        let (instructions, blocks) = generator.finish();
        Unit {
            name: self.name,
            instructions,
            blocks,
            origin: self.origin,
            macro_name: Some(self.macro_name),
            parameters,
            takes_varargs,
            takes_kwargs,
            takes_caller,
        }
    }
}

fn template(children: Vec<ast::Stmt<'static>>, span: machinery::Span) -> ast::Stmt<'static> {
    ast::Stmt::Template(ast::Spanned::new(ast::Template { children }, span))
}

fn parsed(name: &'static str, source: &'static str) -> Result<ast::Stmt<'static>, Error> {
    let mut builder = SyntaxConfig::builder();
    builder.keep_trailing_newline(true);
    let syntax = builder.build()?;
    // Offsets are 32 bit in the engine.
    if u32::try_from(source.len()).is_err() {
        return Err(Error::new(ErrorKind::SyntaxError, "the template is larger than 4 GiB"));
    }
    machinery::parse(source, name, syntax)
}

impl Unit {
    /// Compiles a template that is rendered as a whole.
    pub(crate) fn template(
        name: &str,
        text: &str,
        origin: Origin,
        marker: Option<&mut dyn Marker>,
    ) -> Result<Self, Error> {
        let name = interned(name);
        let source = interned(&without_colons(text.strip_suffix('\n').unwrap_or(text)));
        let tree = parsed(name, source)?;
        let ast::Stmt::Template(tree) = tree else {
            return Err(Error::new(ErrorKind::SyntaxError, "not a template"));
        };
        let mut rewriter = Rewriter { name, source, origin: &origin, marker, names: Vec::new() };
        let children = rewriter.body(&tree.children);
        let root = template(children, tree.span());
        let mut generator = CodeGenerator::new(name, source);
        generator.compile_stmt(&root);
        let (instructions, blocks) = generator.finish();
        Ok(Self {
            name,
            instructions,
            blocks,
            origin,
            macro_name: None,
            parameters: Vec::new(),
            takes_varargs: false,
            takes_kwargs: false,
            takes_caller: false,
        })
    }

    /// Where a macro's body is.
    pub(crate) fn macro_origin(declared: &Macro) -> Origin {
        let (_, start) = body_text(&declared.block);
        Origin { file: Arc::clone(&declared.block.span.file), start, stands_for: None }
    }

    /// Compiles a macro, a test or a materialization.
    pub(crate) fn of_macro(
        declared: &Macro,
        marker: Option<&mut dyn Marker>,
    ) -> Result<Self, Error> {
        let block = &declared.block;
        let name = interned(&declared.id);
        let (text, _) = body_text(block);
        let origin = Self::macro_origin(declared);
        let source = interned(&without_colons(text));
        let tree = parsed(name, source)?;
        let ast::Stmt::Template(tree) = tree else {
            return Err(Error::new(ErrorKind::SyntaxError, "not a macro"));
        };
        let span = tree.span();
        let mut rewriter = Rewriter { name, source, origin: &origin, marker, names: Vec::new() };
        let written = rewriter.body(&tree.children);
        let mut body = Vec::new();
        let mut args = Vec::new();
        let mut defaults = Vec::new();
        for parameter in &block.parameters {
            let id = interned(&parameter.name);
            args.push(ast::Expr::Var(ast::Spanned::new(ast::Var { id }, span)));
            match &parameter.default {
                Some(default) => {
                    let parsed = machinery::parse_expr(interned(default))?;
                    let default = rewriter.default(&parsed, span);
                    let (default, first) = late_default(id, default, span);
                    defaults.push(default);
                    body.extend(first);
                }
                None if defaults.is_empty() => {}
                None => {
                    return Err(Error::new(
                        ErrorKind::SyntaxError,
                        format!("parameter {id:?} without default follows one with a default"),
                    ));
                }
            }
        }
        body.extend(written);
        let names = std::mem::take(&mut rewriter.names);
        let macro_name = interned(&format!("dbt_macro__{}", declared.name));
        let declaration = ast::Macro { name: macro_name, args, defaults, body };
        Ok(UnitParts { name, source, origin, macro_name, declaration, span, names }.compile())
    }
}

/// The text between the tags, as the tags' own trimming leaves it, and where it starts.
fn body_text(block: &Block) -> (&str, usize) {
    let mut text = block.text();
    let mut start = block.body.start;
    if block.trims_start {
        start += text.len() - text.trim_start().len();
        text = text.trim_start();
    }
    if block.trims_end {
        text = text.trim_end();
    }
    (text, start)
}

/// Jinja2 allows `{% if x: %}`, the engine does not: the colon becomes a space, so that no offset
/// moves.
fn without_colons(text: &str) -> String {
    let mut changed = text.to_owned();
    for tag in Tags::new(text) {
        let inner = text[tag.rest.clone()].trim_end();
        if inner.ends_with(':') {
            let colon = tag.rest.start + inner.len() - 1;
            changed.replace_range(colon..=colon, " ");
        }
    }
    changed
}

/// A compiled template carried as a value.
#[derive(Debug)]
pub(crate) struct SharedUnit(pub(crate) Arc<Unit>);

impl SharedUnit {
    pub(crate) fn value(unit: Unit) -> Value {
        Value::from_object(Self(Arc::new(unit)))
    }
}

impl Object for SharedUnit {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}
