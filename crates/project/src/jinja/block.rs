//! Finds the blocks of a file: macros, tests, materializations, snapshots and docs.
//!
//! A byte scanner, as dbt's own: it knows strings inside tags, comments and `raw`, and nothing of
//! Jinja's grammar, so that a broken body does not hide the blocks after it.

use std::ops::Range;
use std::sync::Arc;

use base::{Diagnostic, SourceFile, Span};

use crate::codes;

/// What a block declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockKind {
    /// `{% macro %}`.
    Macro,
    /// `{% test %}` or `{% data_test %}`: a generic test.
    Test,
    /// `{% materialization %}`.
    Materialization,
    /// `{% snapshot %}`.
    Snapshot,
    /// `{% docs %}`.
    Docs,
}

impl BlockKind {
    fn of_keyword(keyword: &str) -> Option<Self> {
        Some(match keyword {
            "macro" => Self::Macro,
            "test" | "data_test" => Self::Test,
            "materialization" => Self::Materialization,
            "snapshot" => Self::Snapshot,
            "docs" => Self::Docs,
            _ => return None,
        })
    }
}

/// One parameter of a macro or test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type annotation, when it has one (`column: string`).
    pub annotation: Option<String>,
    /// The text of its default, when it has one.
    pub default: Option<String>,
}

/// One block of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it declares.
    pub kind: BlockKind,
    /// Its name as written.
    pub name: String,
    /// For a materialization: the adapter it is for; `default` when the header names none.
    pub adapter: Option<String>,
    /// Parameters of a macro or test.
    pub parameters: Vec<Parameter>,
    /// The whole block, tags included.
    pub span: Span,
    /// The name in the header.
    pub name_span: Span,
    /// Bytes between the tags.
    pub body: Range<usize>,
    /// Whether the start tag ends with `-%}`.
    pub trims_start: bool,
    /// Whether the end tag starts with `{%-`.
    pub trims_end: bool,
}

impl Block {
    /// The name the block has among macros: `test_<name>` for a test,
    /// `materialization_<name>_<adapter>` for a materialization.
    pub fn macro_name(&self) -> String {
        match self.kind {
            BlockKind::Test => format!("test_{}", self.name),
            BlockKind::Materialization => {
                let adapter = self.adapter.as_deref().unwrap_or("default");
                format!("materialization_{}_{adapter}", self.name)
            }
            BlockKind::Macro | BlockKind::Snapshot | BlockKind::Docs => self.name.clone(),
        }
    }

    /// The text between the tags.
    pub fn text(&self) -> &str {
        &self.span.file.text[self.body.clone()]
    }

    /// The whole block as written, tags included: dbt's `macro_sql`.
    pub fn source(&self) -> &str {
        &self.span.file.text[self.span.start..self.span.end]
    }
}

/// Finds every block of a file, in order, and says which are broken.
pub fn scan(file: &Arc<SourceFile>) -> (Vec<Block>, Vec<Diagnostic>) {
    let mut blocks = Vec::new();
    let mut diagnostics = Vec::new();
    let mut tags = Tags::new(&file.text);
    while let Some(tag) = tags.next() {
        let Some(kind) = BlockKind::of_keyword(tag.keyword) else { continue };
        let end_keyword = format!("end{}", tag.keyword);
        let Some(end) = tags.find(|later| later.keyword == end_keyword) else {
            let message = format!("\"{}\" block has no \"{end_keyword}\"", tag.keyword);
            diagnostics.push(
                Diagnostic::error(codes::JINJA_BLOCK, message)
                    .at(Span::new(file, tag.range.clone()), "starts here")
                    .help(format!("Close the block with {{% {end_keyword} %}}.")),
            );
            // What follows may hold whole blocks of its own: go on right after the start tag.
            tags = Tags { text: &file.text, at: tag.range.end };
            continue;
        };
        match read_block(file, kind, &tag, &end) {
            Ok(block) => blocks.push(block),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    (blocks, diagnostics)
}

fn read_block(
    file: &Arc<SourceFile>,
    kind: BlockKind,
    start: &Tag<'_>,
    end: &Tag<'_>,
) -> Result<Block, Box<Diagnostic>> {
    let mut header = Header { text: &file.text, at: start.rest.start, end: start.rest.end };
    let name = header.name();
    if name.is_empty() {
        let message = format!("\"{}\" block has no name", start.keyword);
        return Err(Box::new(
            Diagnostic::error(codes::JINJA_BLOCK, message)
                .at(Span::new(file, start.range.clone()), "expected a name here")
                .help(format!("Write {{% {} my_name %}}.", start.keyword)),
        ));
    }
    let mut block = Block {
        kind,
        name: file.text[name.clone()].to_owned(),
        adapter: None,
        parameters: Vec::new(),
        span: Span::new(file, start.range.start..end.range.end),
        name_span: Span::new(file, name),
        body: start.range.end..end.range.start,
        trims_start: start.trims_end,
        trims_end: end.trims_start,
    };
    match kind {
        BlockKind::Macro | BlockKind::Test => {
            block.parameters = header.parameters().map_err(|at| {
                let at = at.min(start.range.end);
                Box::new(
                    Diagnostic::error(
                        codes::JINJA_BLOCK,
                        format!("parameters of \"{}\" have no end", block.name),
                    )
                    .at(Span::new(file, at..start.range.end), "expected a closing parenthesis"),
                )
            })?;
        }
        BlockKind::Materialization => block.adapter = Some(adapter_option(header.rest())),
        BlockKind::Snapshot | BlockKind::Docs => {}
    }
    Ok(block)
}

/// `default` or `adapter='name'` after the name of a materialization.
fn adapter_option(rest: &str) -> String {
    for option in rest.split(',').map(str::trim) {
        if option == "default" {
            break;
        }
        let Some((key, value)) = option.split_once('=') else { continue };
        if key.trim() == "adapter" {
            return value.trim().trim_matches(['\'', '"']).to_owned();
        }
    }
    "default".to_owned()
}

struct Header<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl Header<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..self.end]
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn name(&mut self) -> Range<usize> {
        self.skip_space();
        let start = self.at;
        let length = self
            .rest()
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(self.rest().len());
        self.at += length;
        start..self.at
    }

    /// `(a, b: string = 'x')`; the error is the offset at which the list began.
    fn parameters(&mut self) -> Result<Vec<Parameter>, usize> {
        self.skip_space();
        let opening = self.at;
        if !self.rest().starts_with('(') {
            return Ok(Vec::new());
        }
        self.at += 1;
        let mut parameters = Vec::new();
        let mut piece_start = self.at;
        let mut depth = 0_usize;
        let bytes = self.text.as_bytes();
        while self.at < self.end {
            match bytes[self.at] {
                b'\'' | b'"' => {
                    self.at = skip_string(bytes, self.at, self.end);
                    continue;
                }
                b'(' | b'[' | b'{' => depth += 1,
                b')' if depth == 0 => {
                    parameters.extend(parameter(&self.text[piece_start..self.at]));
                    self.at += 1;
                    return Ok(parameters);
                }
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                b',' if depth == 0 => {
                    parameters.extend(parameter(&self.text[piece_start..self.at]));
                    piece_start = self.at + 1;
                }
                _ => {}
            }
            self.at += 1;
        }
        Err(opening)
    }
}

fn parameter(piece: &str) -> Option<Parameter> {
    let piece = piece.trim();
    if piece.is_empty() {
        return None;
    }
    let name_end = piece.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(piece.len());
    let (name, rest) = piece.split_at(name_end);
    let rest = rest.trim_start();
    let (annotation, rest) = match rest.strip_prefix(':') {
        Some(rest) => {
            let end = rest.find('=').unwrap_or(rest.len());
            (Some(rest[..end].trim().to_owned()), &rest[end..])
        }
        None => (None, rest),
    };
    let default = rest.strip_prefix('=').map(|text| text.trim().to_owned());
    Some(Parameter { name: name.to_owned(), annotation, default })
}

/// The end of the string that starts at `at`, one past its closing quote.
fn skip_string(bytes: &[u8], at: usize, end: usize) -> usize {
    let quote = bytes[at];
    let mut at = at + 1;
    while at < end {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    end
}

/// A `{% ... %}` tag.
pub(crate) struct Tag<'a> {
    /// Its first word.
    pub(crate) keyword: &'a str,
    /// The whole tag.
    pub(crate) range: Range<usize>,
    /// What follows the first word.
    pub(crate) rest: Range<usize>,
    trims_start: bool,
    trims_end: bool,
}

/// Walks the `{% ... %}` tags of a text, past comments, expressions and raw blocks.
pub(crate) struct Tags<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tags<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn skip_raw(&mut self) {
        let mut from = self.at;
        while let Some(found) = self.text[from..].find("{%") {
            let start = from + found;
            let inner = self.text[start + 2..].trim_start_matches(['-', '+']).trim_start();
            from = start + 2;
            if inner.starts_with("endraw") {
                let close =
                    self.text[from..].find("%}").map_or(self.text.len(), |at| from + at + 2);
                self.at = close;
                return;
            }
        }
        self.at = self.text.len();
    }

    /// One past the `close` that ends the construct whose content starts at `from`.
    fn end_of(&self, from: usize, close: &[u8; 2]) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = from;
        while at + 1 < bytes.len() {
            match bytes[at] {
                b'\'' | b'"' => at = skip_string(bytes, at, bytes.len()),
                byte if byte == close[0] && bytes[at + 1] == close[1] => return Some(at + 2),
                _ => at += 1,
            }
        }
        None
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        loop {
            let start = self.at + self.text.get(self.at..)?.find('{')?;
            let kind = *self.text.as_bytes().get(start + 1)?;
            match kind {
                b'#' => {
                    let length = self.text[start + 2..].find("#}")?;
                    self.at = start + 2 + length + 2;
                }
                // An expression without end is the engine's to report; go on behind its start.
                b'{' => self.at = self.end_of(start + 2, b"}}").unwrap_or(start + 2),
                b'%' => {
                    let Some(end) = self.end_of(start + 2, b"%}") else {
                        self.at = start + 2;
                        continue;
                    };
                    self.at = end;
                    let tag = tag(self.text, start..end);
                    if tag.keyword == "raw" {
                        self.skip_raw();
                        continue;
                    }
                    return Some(tag);
                }
                _ => self.at = start + 1,
            }
        }
    }
}

fn tag(text: &str, range: Range<usize>) -> Tag<'_> {
    let bytes = text.as_bytes();
    let mut start = range.start + 2;
    let mut end = range.end - 2;
    let trims_start = start < end && bytes[start] == b'-';
    if start < end && matches!(bytes[start], b'-' | b'+') {
        start += 1;
    }
    let trims_end = start < end && bytes[end - 1] == b'-';
    if start < end && matches!(bytes[end - 1], b'-' | b'+') {
        end -= 1;
    }
    let inner = &text[start..end];
    start += inner.len() - inner.trim_start().len();
    let inner = &text[start..end];
    let length = inner.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(inner.len());
    let rest = start + length..end;
    Tag { keyword: &text[start..start + length], range, rest, trims_start, trims_end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str) -> Vec<Block> {
        let (blocks, diagnostics) = scan(&SourceFile::new("macros/a.sql", text));
        assert_eq!(diagnostics, vec![]);
        blocks
    }

    #[test]
    fn blocks_are_found_past_comments_strings_and_raw() {
        let found = blocks(
            "{# {% macro no() %} #}{% raw %}{% macro no() %}{% endraw %}\n\
             {%- macro one(a, b='%}', c=[1, 2]) -%} {{ '%}' }} {%- endmacro %}\n\
             {% test positive(model, column_name) %}select 1{% endtest %}\
             {% data_test two(model) %}select 2{% enddata_test %}\
             {% materialization t, adapter='duckdb' %}x{% endmaterialization %}\
             {% materialization u, default %}x{% endmaterialization %}\
             {% snapshot s %}select{% endsnapshot %}{% docs d %}it's{% enddocs %}",
        );
        let names: Vec<String> = found.iter().map(Block::macro_name).collect();
        assert_eq!(
            names,
            [
                "one",
                "test_positive",
                "test_two",
                "materialization_t_duckdb",
                "materialization_u_default",
                "s",
                "d"
            ]
        );
        assert_eq!(found[0].parameters[1].default.as_deref(), Some("'%}'"));
        assert_eq!(found[0].parameters[2].default.as_deref(), Some("[1, 2]"));
        assert!(found[0].trims_start && found[0].trims_end);
        assert_eq!(found[6].text(), "it's");
    }

    #[test]
    fn parameters_may_carry_types() {
        let found = blocks("{% macro m(a: string, b: list[string] = ['x']) %}{% endmacro %}");
        assert_eq!(found[0].parameters[0].annotation.as_deref(), Some("string"));
        assert_eq!(found[0].parameters[1].annotation.as_deref(), Some("list[string]"));
        assert_eq!(found[0].parameters[1].default.as_deref(), Some("['x']"));
    }

    #[test]
    fn a_block_without_end_is_named_and_hides_nothing() {
        let file =
            SourceFile::new("macros/a.sql", "{% snapshot a %}\n{% macro b() %}x{% endmacro %}\n");
        let (found, diagnostics) = scan(&file);
        assert_eq!(found.len(), 1);
        assert_eq!(diagnostics[0].message, "\"snapshot\" block has no \"endsnapshot\"");
        let place = diagnostics[0].primary.as_ref().map(|label| label.span.location());
        assert_eq!(place.as_deref(), Some("macros/a.sql:1:1"));
    }
}
