//! Draws diagnostics: the user's own lines, the place marked, why, and what to do next.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use base::{Diagnostic, Label, Severity, Span};
use serde_json::{Value, json};

/// Draws one diagnostic; `colours` is false for pipes and files.
pub(crate) fn draw(diagnostic: &Diagnostic, colours: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group: Group<'_> =
        Group::with_title(level.primary_title(&diagnostic.message).id(diagnostic.code));
    let primary = diagnostic.primary.as_ref().map(|label| (label, AnnotationKind::Primary));
    let secondary = diagnostic.secondary.iter().map(|label| (label, AnnotationKind::Context));
    let labels: Vec<(&Label, AnnotationKind)> = primary.into_iter().chain(secondary).collect();
    let mut drawn: Vec<&str> = Vec::new();
    for (label, _) in &labels {
        let path = label.span.file.path.as_str();
        if drawn.contains(&path) {
            continue;
        }
        drawn.push(path);
        let mut snippet = Snippet::source(label.span.file.text.as_str()).path(path);
        for (other, kind) in labels.iter().filter(|(other, _)| other.span.file.path == path) {
            let annotation = kind.span(whole_characters(&other.span));
            let text = (!other.text.is_empty()).then_some(other.text.as_str());
            snippet = snippet.annotation(annotation.label(text));
        }
        group = group.element(snippet);
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).render(&[group])
}

/// The span's bytes, cut to the text and to whole characters, at least one wide where there is one.
fn whole_characters(span: &Span) -> std::ops::Range<usize> {
    let text = &span.file.text;
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    if end == start {
        end = text[start..].chars().next().map_or(start, |next| start + next.len_utf8());
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// The diagnostic for scripts.
pub(crate) fn as_json(diagnostic: &Diagnostic) -> Value {
    let place = diagnostic.primary.as_ref().map(|label| {
        let (line, column) = label.span.line_column();
        json!({"file": label.span.file.path, "line": line, "column": column, "label": label.text})
    });
    json!({
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "place": place,
        "notes": diagnostic.notes,
        "help": diagnostic.help,
    })
}

#[cfg(test)]
mod tests {
    use base::SourceFile;

    use super::*;

    #[test]
    fn a_span_past_the_end_or_inside_a_character_is_still_drawn() {
        let file = SourceFile::new("models/a.sql", "select é");
        for range in [8..8, 7..8, 9..9, 500..600] {
            let diagnostic = Diagnostic::error("E0001", "broken").at(Span::new(&file, range), "");
            assert!(draw(&diagnostic, false).contains("models/a.sql"));
        }
    }

    #[test]
    fn both_files_of_a_diagnostic_are_shown_with_note_and_help() {
        let model = SourceFile::new("models/a.sql", "select 1\nfrom {{ ref('b') }}\n");
        let other = SourceFile::new("models/b.yml", "models:\n  - name: bb\n");
        let diagnostic = Diagnostic::error("E0102", "model `b` does not exist")
            .at(Span::new(&model, 21..24), "no node of this name")
            .also(Span::new(&other, 18..20), "a similar name")
            .note("Names are compared as written.")
            .help("Did you mean `bb`?");
        insta::assert_snapshot!(draw(&diagnostic, false));
    }
}
