//! Marks: private-use characters written before each piece of output, from which a second render
//! learns where every byte of the SQL came from.

use std::ops::Range;

use base::Span;

use crate::jinja::render::{Piece, SourceMap};
use crate::jinja::rewrite::Marker;
use crate::jinja::unit::{Origin, interned};

/// The first mark; plane 15 is private use and does not occur in SQL.
const FIRST: u32 = 0xF_0000;
/// Pieces of output that can be told apart.
const MARKS_MAX: usize = 0xFFF0;

struct Place {
    span: Span,
    verbatim: bool,
    in_node: bool,
}

/// The table behind the marks of one render.
pub(crate) struct Marks {
    places: Vec<Place>,
    /// Whether macros are marked too, or the node's own template alone.
    pub(crate) in_macros: bool,
    /// The name of the node's own file and its range there.
    node: (String, Range<usize>),
}

impl Marks {
    pub(crate) fn new(in_macros: bool, node_file: &str, node_range: Range<usize>) -> Self {
        Self { places: Vec::new(), in_macros, node: (node_file.to_owned(), node_range) }
    }

    fn add(&mut self, span: Span, verbatim: bool) -> Option<&'static str> {
        if self.places.len() >= MARKS_MAX {
            return None;
        }
        let mark = char::from_u32(FIRST + u32::try_from(self.places.len()).ok()?)?;
        let (file, range) = &self.node;
        let in_node = span.file.path == *file && range.start <= span.start && span.end <= range.end;
        self.places.push(Place { span, verbatim, in_node });
        Some(interned(mark.encode_utf8(&mut [0; 4])))
    }

    /// Reads the marks off a render; `None` when its text is not the one that is to be explained.
    pub(crate) fn read(&self, marked: &str, text: &str) -> Option<SourceMap> {
        let mut plain = String::with_capacity(text.len());
        let mut pieces: Vec<Piece> = Vec::new();
        let mut current: Option<&Place> = None;
        let mut through: Option<Span> = None;
        let mut start = 0;
        for c in marked.chars() {
            let Some(index) = mark_index(c) else {
                plain.push(c);
                continue;
            };
            push(&mut pieces, start, plain.len(), current, through.as_ref());
            start = plain.len();
            current = self.places.get(index);
            if let Some(place) = current.filter(|place| place.in_node) {
                through = Some(place.span.clone());
            }
        }
        push(&mut pieces, start, plain.len(), current, through.as_ref());
        (plain == text).then_some(SourceMap { pieces })
    }
}

fn push(
    pieces: &mut Vec<Piece>,
    start: usize,
    end: usize,
    place: Option<&Place>,
    through: Option<&Span>,
) {
    let Some(place) = place.filter(|_| end > start) else { return };
    let length = place.span.end - place.span.start;
    let through = through.filter(|_| !place.in_node).cloned();
    // What follows a piece of text without a mark of its own came from the expression behind it.
    let own = if place.verbatim { (end - start).min(length) } else { end - start };
    if own > 0 {
        pieces.push(Piece {
            start,
            end: start + own,
            origin: place.span.clone(),
            through: through.clone(),
            verbatim: place.verbatim,
        });
    }
    if own < end - start {
        let mut origin = place.span.clone();
        origin.start = origin.end;
        pieces.push(Piece { start: start + own, end, origin, through, verbatim: false });
    }
}

fn mark_index(c: char) -> Option<usize> {
    let index = u32::from(c).checked_sub(FIRST)? as usize;
    (index < MARKS_MAX).then_some(index)
}

/// The text without marks.
pub(crate) fn stripped(text: &str) -> String {
    text.chars().filter(|c| mark_index(*c).is_none()).collect()
}

impl Marker for Marks {
    fn raw(&mut self, origin: &Origin, start: usize, end: usize) -> Option<&'static str> {
        let verbatim = origin.stands_for.is_none();
        self.add(origin.span(start..end), verbatim)
    }

    fn expression(&mut self, origin: &Origin, start: usize, end: usize) -> Option<&'static str> {
        self.add(origin.span(start..end), false)
    }
}
