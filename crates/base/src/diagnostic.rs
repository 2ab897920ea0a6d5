//! What is said about a user's file: a message, where, why, and what to do next. Drawn by the
//! binary; collected, never thrown, so that one broken file does not hide the others.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

/// A file the user wrote, as read.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the project folder, with `/`.
    pub path: String,
    /// Content, with `\r\n` already turned into `\n`.
    pub text: String,
}

impl SourceFile {
    /// Wraps a file's path and text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into() })
    }

    /// Line and column, both from 1, of a byte offset; the column counts characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A stretch of bytes in a user's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub file: Arc<SourceFile>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Marks a byte range of a file.
    pub fn new(file: &Arc<SourceFile>, range: Range<usize>) -> Self {
        Self { file: Arc::clone(file), start: range.start, end: range.end.max(range.start) }
    }

    /// Line and column, both from 1, of the first byte.
    pub fn line_column(&self) -> (usize, usize) {
        self.file.line_column(self.start)
    }

    /// `path:line:column`.
    pub fn location(&self) -> String {
        let (line, column) = self.line_column();
        format!("{}:{line}:{column}", self.file.path)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The command goes on.
    Warning,
    /// The node, or the project, cannot be used.
    Error,
}

/// A marked place and what is said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is said about it; may be empty.
    pub text: String,
}

/// One thing to tell the user about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code with a page in the docs, such as `E0207`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Primary line: lowercase, no full stop.
    pub message: String,
    /// The place it is about; none when a file is missing altogether.
    pub primary: Option<Label>,
    /// Other places that matter.
    pub secondary: Vec<Label>,
    /// Sentences that explain.
    pub notes: Vec<String>,
    /// Sentences that say what to do next.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Marks the place it is about.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.primary = Some(Label { span, text: text.into() });
        self
    }

    /// Marks another place that matters.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a sentence that explains.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds a sentence that says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_offsets_inside_one_do_not_panic() {
        let file = SourceFile::new("models/a.sql", "select 'é',\n  x");
        assert_eq!(file.line_column(8), (1, 9));
        assert_eq!(file.line_column(9), (1, 9));
        assert_eq!(file.line_column(15), (2, 3));
        assert_eq!(file.line_column(9_999), (2, 4));
    }
}
