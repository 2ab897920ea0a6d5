//! From the engine's errors to diagnostics: the innermost place first, then the calls that led
//! there.

use std::error::Error as StdError;

use base::{Diagnostic, Span};
use minijinja::{Error, ErrorKind};

use crate::codes;
use crate::jinja::balance::{self, Imbalance};
use crate::jinja::context::Context;
use crate::jinja::functions::FUNCTIONS;
use crate::jinja::signal::{Raise, Raised};

/// Places of one chain of calls that are shown.
const LEVELS_MAX: usize = 12;

struct Level {
    span: Span,
}

fn level(context: &Context, error: &Error) -> Option<Level> {
    let origin = context.origin(error.name()?)?;
    let range = match error.range() {
        Some(range) => range,
        None => {
            let text = origin.file.text.get(origin.start..)?;
            line_range(text, error.line()?)
        }
    };
    let mut span = origin.span(range);
    // The engine marks a method call from its dot on: take the name before it in.
    if origin.stands_for.is_none() && span.file.text[span.start..].starts_with('.') {
        let before = &span.file.text[..span.start];
        let word = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'));
        span.start = before
            .rfind(word)
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    }
    Some(Level { span })
}

fn line_range(text: &str, line: usize) -> std::ops::Range<usize> {
    let mut start = 0;
    for (number, content) in text.split('\n').enumerate() {
        if number + 1 == line {
            let indent = content.len() - content.trim_start().len();
            return start + indent..start + content.trim_end().len().max(indent);
        }
        start += content.len() + 1;
    }
    0..text.len().min(1)
}

/// Turns an error of the engine into what the user is told.
pub(crate) fn diagnose(context: &Context, error: &Error) -> Box<Diagnostic> {
    let mut levels: Vec<Level> = Vec::new();
    let mut innermost: &Error = error;
    let mut raised: Option<&Raise> = None;
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(engine_error) = cause.downcast_ref::<Error>() {
            innermost = engine_error;
            levels.extend(level(context, engine_error));
        } else if let Some(own) = cause.downcast_ref::<Raise>() {
            raised = Some(own);
        }
        next = cause.source();
    }
    let mut levels = levels.into_iter().rev();
    let primary = levels.next().map_or_else(|| context.place(), |level| level.span);
    let mut diagnostic = match raised {
        Some(raise) => of_raise(context, raise),
        None => of_engine(context, innermost, &primary),
    };
    if raised.is_none()
        && innermost.kind() == ErrorKind::SyntaxError
        && let Some(better) = unbalanced(context, innermost)
    {
        return Box::new(better);
    }
    let label = match innermost.kind() {
        ErrorKind::SyntaxError => "here",
        _ => "",
    };
    let mut last = primary.clone();
    diagnostic = diagnostic.at(primary, label);
    for level in levels.take(LEVELS_MAX) {
        if level.span != last {
            last = level.span.clone();
            diagnostic = diagnostic.also(level.span, "called from here");
        }
    }
    diagnostic.message = context.scrubbed(&diagnostic.message);
    if diagnostic.help.is_empty() {
        diagnostic.help.extend(advice(innermost.kind(), raised).map(str::to_owned));
    }
    Box::new(diagnostic)
}

/// What to do where nothing better is known about the fault.
fn advice(kind: ErrorKind, raised: Option<&Raise>) -> Option<&'static str> {
    let advice = match (raised.map(|raise| raise.class), kind) {
        (Some(Raised::ByTemplate), _) => {
            "The template raises this itself: give it what it asks for."
        }
        (Some(Raised::Name), _)
        | (None, ErrorKind::UnknownFunction | ErrorKind::UndefinedError) => {
            "Check the spelling, or define it: a macro in macros/, a variable with `set`."
        }
        // These messages say what they would have.
        (Some(Raised::Limit | Raised::Other), _) => return None,
        (None, ErrorKind::SyntaxError) => {
            "Check braces, brackets and closing tags such as `{% endif %}` from here upward."
        }
        (None, ErrorKind::UnknownFilter | ErrorKind::UnknownTest) => {
            "Use a filter or test of Jinja; a macro is called as `name(value)`."
        }
        (None, _) => "Check the values that come in here.",
    };
    Some(advice)
}

fn of_raise(context: &Context, raise: &Raise) -> Diagnostic {
    let code = match raise.class {
        Raised::ByTemplate => codes::JINJA_RAISED,
        Raised::Name => codes::JINJA_NAME,
        Raised::Limit => codes::JINJA_LIMIT,
        Raised::Other => codes::JINJA_RENDER,
    };
    let mut diagnostic = Diagnostic::error(code, context.scrubbed(&raise.failure.message));
    diagnostic.notes.extend(raise.failure.notes.iter().cloned());
    diagnostic.help.extend(raise.failure.help.iter().cloned());
    diagnostic
}

fn of_engine(context: &Context, error: &Error, place: &Span) -> Diagnostic {
    let detail = error.detail().unwrap_or_default();
    let at_place = place.file.text.get(place.start..place.end).unwrap_or_default();
    match error.kind() {
        ErrorKind::SyntaxError => {
            let message = if detail.is_empty() { "the template does not parse" } else { detail };
            Diagnostic::error(codes::JINJA_SYNTAX, first_lower(message))
        }
        ErrorKind::OutOfFuel => {
            let message = "the template runs longer than the limit of one template allows";
            Diagnostic::error(codes::JINJA_LIMIT, message)
                .help("Look for a loop over a very long list.")
        }
        ErrorKind::UnknownFunction | ErrorKind::UndefinedError => {
            unknown_name(context, detail, at_place)
        }
        ErrorKind::InvalidOperation if detail.contains("not callable") => {
            unknown_name(context, detail, at_place)
        }
        ErrorKind::UnknownFilter => {
            Diagnostic::error(codes::JINJA_NAME, format!("filter is not known: {detail}"))
        }
        ErrorKind::UnknownTest => {
            Diagnostic::error(codes::JINJA_NAME, format!("test is not known: {detail}"))
        }
        _ => {
            let message =
                if detail.is_empty() { error.kind().to_string() } else { detail.to_owned() };
            Diagnostic::error(codes::JINJA_RENDER, first_lower(&message))
        }
    }
}

/// What is out of balance in a template that ends too early or closes what is not open.
fn unbalanced(context: &Context, error: &Error) -> Option<Diagnostic> {
    let detail = error.detail().unwrap_or_default();
    let early = detail.contains("end of input") || detail.contains("end of comment");
    if !early && !detail.contains("unknown statement") && !detail.contains("expected end of") {
        return None;
    }
    let origin = context.origin(error.name()?)?;
    let whole = origin.stands_for.is_none();
    let text = origin.file.text.get(origin.start..).filter(|_| whole)?;
    let syntax = |message: String| Diagnostic::error(codes::JINJA_SYNTAX, message);
    let found = match balance::imbalance(text)? {
        Imbalance::Open { what, end, at } => syntax(format!("this {what} is never closed"))
            .at(origin.span(at), "opened here")
            .help(format!("Close it with \"{end}\".")),
        Imbalance::Unclosed { block, at } => {
            syntax(format!("\"{block}\" block has no \"end{block}\""))
                .at(origin.span(at), "opened here")
                .help(format!("Close it with {{% end{block} %}}."))
        }
        Imbalance::Mismatched { end, at, open: Some((block, opened)) } => {
            syntax(format!("\"{end}\" closes nothing, as a \"{block}\" block is open"))
                .at(origin.span(at), "")
                .also(origin.span(opened), "opened here")
                .help(format!("Write {{% end{block} %}} here, or close the inner block first."))
        }
        Imbalance::Mismatched { end, at, open: None } => {
            syntax(format!("\"{end}\" closes nothing"))
                .at(origin.span(at), "")
                .help("Remove it, or open its block above.")
        }
        Imbalance::Unknown { tag, at } => {
            let help = balance::near(&tag).unwrap_or_else(|| {
                "Call a macro as {{ name() }}; a tag is one of Jinja's own words.".to_owned()
            });
            syntax(format!("\"{tag}\" is no tag of Jinja")).at(origin.span(at), "").help(help)
        }
    };
    Some(found)
}

fn first_lower(message: &str) -> String {
    let mut characters = message.trim_end_matches('.').chars();
    match characters.next() {
        Some(first) if !message.starts_with(|c: char| c.is_uppercase() && message.len() < 2) => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => message.to_owned(),
    }
}

fn unknown_name(context: &Context, detail: &str, at_place: &str) -> Diagnostic {
    let name: String =
        at_place.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).collect();
    let name = if name.is_empty() {
        detail.split_whitespace().next().unwrap_or_default().to_owned()
    } else {
        name
    };
    let short = name.rsplit('.').next().unwrap_or(&name);
    let mut diagnostic = Diagnostic::error(codes::JINJA_NAME, format!("\"{name}\" is not defined"));
    let library = &context.library;
    let names = library.names(&context.node.package);
    let variables =
        ["this", "target", "model", "config", "var", "adapter", "api", "execute", "flags"];
    let known = names.into_iter().chain(FUNCTIONS.iter().copied()).chain(variables);
    if let Some(help) = crate::suggest::did_you_mean(short, known) {
        diagnostic = diagnostic.help(help);
    } else {
        let package = library.macros().find(|known| known.name == short && !name.contains('.'));
        if let Some(found) = package {
            diagnostic = diagnostic.help(format!("Did you mean \"{}.{short}\"?", found.package));
        }
    }
    if !detail.is_empty() {
        diagnostic = diagnostic.note(format!("The engine says: {detail}."));
    }
    diagnostic
}
