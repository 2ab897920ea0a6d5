//! From parser events to a value tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Diagnostic, SourceFile, Span};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::{Data, Entry, Mapping, Value, YAML_DEPTH_MAX, YAML_VALUES_MAX, scalar};
use crate::codes;

/// Reads the one document of a file. An empty file gives `None` without a diagnostic; a file that
/// breaks the grammar gives `None` and one.
pub fn read(file: &Arc<SourceFile>, diagnostics: &mut Vec<Diagnostic>) -> Option<Value> {
    let mut reader = Reader::new(file, diagnostics);
    match reader.run() {
        Ok(value) => value,
        Err(problem) => {
            diagnostics.push(*problem);
            None
        }
    }
}

/// What is open while events arrive.
enum Open {
    List { start: usize, anchor: usize, items: Vec<Value> },
    Mapping { start: usize, anchor: usize, mapping: Mapping, key: Option<Value> },
}

struct Reader<'r> {
    file: &'r Arc<SourceFile>,
    diagnostics: &'r mut Vec<Diagnostic>,
    /// Byte offset of every character, empty when all are one byte long.
    offsets: Vec<usize>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Value>,
    root: Option<Value>,
    values: usize,
}

type Problem = Box<Diagnostic>;

impl<'r> Reader<'r> {
    fn new(file: &'r Arc<SourceFile>, diagnostics: &'r mut Vec<Diagnostic>) -> Self {
        let offsets = if file.text.is_ascii() {
            Vec::new()
        } else {
            file.text.char_indices().map(|(offset, _)| offset).collect()
        };
        Self {
            file,
            diagnostics,
            offsets,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            root: None,
            values: 0,
        }
    }

    fn offset(&self, marker: Marker) -> usize {
        let length = self.file.text.len();
        if self.offsets.is_empty() {
            return marker.index().min(length);
        }
        self.offsets.get(marker.index()).copied().unwrap_or(length)
    }

    fn span(&self, start: usize, end: usize) -> Span {
        // The parser ends a block at the next token; the blank lines between are not part of it.
        let slice = self.file.text.get(start..end).unwrap_or_default();
        Span::new(self.file, start..start + slice.trim_end().len())
    }

    fn run(&mut self) -> Result<Option<Value>, Problem> {
        // Taken from an owned reference so that the parser does not borrow `self`.
        let file = Arc::clone(self.file);
        let mut parser = Parser::new_from_str(&file.text);
        let mut documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            let (start, end) = (self.offset(span.start), self.offset(span.end));
            match event {
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(self.second_document(start));
                    }
                }
                Event::Alias(anchor) => self.alias(anchor, start, end)?,
                Event::Scalar(text, style, anchor, tag) => {
                    let data = resolve(&text, style, tag.as_deref());
                    let value = Value { data, span: self.span(start, end) };
                    self.finish(value, anchor)?;
                }
                Event::SequenceStart(anchor, _) => {
                    self.push(Open::List { start, anchor, items: Vec::new() })?;
                }
                Event::MappingStart(anchor, _) => {
                    let mapping = Mapping::default();
                    self.push(Open::Mapping { start, anchor, mapping, key: None })?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(end)?,
            }
        }
        Ok(self.root.take())
    }

    fn push(&mut self, open: Open) -> Result<(), Problem> {
        if self.open.len() >= YAML_DEPTH_MAX {
            let (Open::List { start, .. } | Open::Mapping { start, .. }) = open;
            let message = format!("values are nested deeper than {YAML_DEPTH_MAX} levels");
            return Err(Box::new(
                Diagnostic::error(codes::YAML_LIMIT, message)
                    .at(self.span(start, start), "")
                    .help("Make the file flatter."),
            ));
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Problem> {
        match self.open.pop() {
            None => Ok(()),
            Some(Open::List { start, anchor, items }) => {
                let span = self.span(start, end.max(start));
                self.finish(Value { data: Data::List(items), span }, anchor)
            }
            Some(Open::Mapping { start, anchor, mapping, .. }) => {
                let span = self.span(start, end.max(start));
                let data = Data::Mapping(merged(mapping));
                self.finish(Value { data, span }, anchor)
            }
        }
    }

    fn alias(&mut self, anchor: usize, start: usize, end: usize) -> Result<(), Problem> {
        // The value keeps the span of its definition, where it can be mended.
        let value = self.anchors.get(&anchor).cloned();
        let value =
            value.unwrap_or_else(|| Value { data: Data::Null, span: self.span(start, end) });
        self.values = self.values.saturating_add(count(&value));
        self.finish(value, 0)
    }

    fn finish(&mut self, value: Value, anchor: usize) -> Result<(), Problem> {
        self.values = self.values.saturating_add(1);
        if self.values > YAML_VALUES_MAX {
            let message = format!("the file holds more than {YAML_VALUES_MAX} values");
            return Err(Box::new(
                Diagnostic::error(codes::YAML_LIMIT, message)
                    .at(value.span, "")
                    .help("Split the file; aliases count each time they are used."),
            ));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::List { items, .. }) => items.push(value),
            Some(Open::Mapping { mapping, key, .. }) => match key.take() {
                None => *key = Some(value),
                Some(key) => {
                    let duplicate = insert(mapping, key, value);
                    self.diagnostics.extend(duplicate);
                }
            },
        }
        Ok(())
    }

    fn syntax(&self, error: &saphyr_parser::ScanError) -> Problem {
        let at = self.offset(*error.marker());
        let mut problem = Diagnostic::error(
            codes::YAML_SYNTAX,
            format!("\"{}\" is not YAML: {}", self.file.path, error.info()),
        )
        .at(Span::new(self.file, at..at), "");
        let line = self.line_around(at);
        if line.contains('\t') {
            problem = problem.help("YAML indents with spaces; replace the tab.");
        } else if line.contains(": {{") || line.contains("- {{") {
            problem = problem.help("Put quotes around a value that starts with \"{{\".");
        } else {
            problem = problem.help("Check the indentation and the quotes on this line and above.");
        }
        Box::new(problem)
    }

    fn line_around(&self, at: usize) -> &str {
        let text = self.file.text.as_str();
        let before = text.get(..at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        text.get(start..).unwrap_or_default().lines().next().unwrap_or_default()
    }

    fn second_document(&self, start: usize) -> Problem {
        let message = format!("\"{}\" holds more than one YAML document", self.file.path);
        Box::new(
            Diagnostic::error(codes::YAML_SYNTAX, message)
                .at(Span::new(self.file, start..start), "the second one starts here")
                .help("Remove the \"---\" line or move what follows into a file of its own."),
        )
    }
}

fn count(value: &Value) -> usize {
    match &value.data {
        Data::Null | Data::Bool(_) | Data::Integer(_) | Data::Float(_) | Data::Text(_) => 1,
        Data::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Data::Mapping(mapping) => {
            1 + mapping.entries.iter().map(|entry| count(&entry.value)).sum::<usize>()
        }
    }
}

fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Data {
    let text_tag = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    match style {
        ScalarStyle::Plain if !text_tag => scalar::plain(text),
        ScalarStyle::Plain
        | ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => Data::Text(text.to_owned()),
    }
}

/// The key as the user wrote it: `on: x` stays `on`, though YAML 1.1 reads a boolean.
fn key_text(key: &Value) -> String {
    if let Data::Text(text) = &key.data {
        return text.clone();
    }
    let written = key.span.file.text.get(key.span.start..key.span.end).unwrap_or_default();
    written.trim().to_owned()
}

fn insert(mapping: &mut Mapping, key: Value, value: Value) -> Option<Diagnostic> {
    let entry = Entry { key: key_text(&key), key_span: key.span, value };
    let known = mapping.entries.iter_mut().find(|known| known.key == entry.key);
    let Some(known) = known.filter(|known| known.key != "<<") else {
        mapping.entries.push(entry);
        return None;
    };
    let duplicate = Diagnostic::warning(
        codes::DUPLICATE_KEY,
        format!("key \"{}\" is given twice; the last one counts", entry.key),
    )
    .at(entry.key_span.clone(), "given again here")
    .also(known.key_span.clone(), "first given here")
    .help("Remove one of the two.");
    *known = entry;
    Some(duplicate)
}

/// Applies merge keys (`<<: *anchor`): keys of the mapping itself win over merged ones.
fn merged(mapping: Mapping) -> Mapping {
    if mapping.entry("<<").is_none() {
        return mapping;
    }
    let (merges, own): (Vec<Entry>, Vec<Entry>) =
        mapping.entries.into_iter().partition(|entry| entry.key == "<<");
    let mut result = Mapping { entries: own };
    for merge in merges {
        let sources = match merge.value.data {
            Data::List(items) => items,
            data => vec![Value { data, span: merge.value.span }],
        };
        for source in sources {
            let Data::Mapping(source) = source.data else { continue };
            for entry in source.entries {
                if result.entry(&entry.key).is_none() {
                    result.entries.push(entry);
                }
            }
        }
    }
    result
}
