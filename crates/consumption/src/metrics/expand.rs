//! Metrics in SQL: `select measure(signups), metric_time__day from metrics where … group by …`.
//!
//! Every select over `metrics` with a `measure(…)` in it is taken out of the statement, asked as a
//! question about metrics, and its SQL put in its place; all else stays as it was written, so such
//! a select may stand in a subquery, a common table expression, or whatever a tool wraps it in.
//! Conditions hold before anything is counted; `having` and `order by` may use measures.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use project::Project;

use super::MetricQuery;
use super::ask::{known_names, name_at, nesting};
use super::keys::split;
use super::lexer::{Token, tokens};
use super::plan::plan_inside;
use super::sql::{Writer, indented};
use crate::ConsumptionError;

/// The table whose columns are metrics and dimensions.
pub const METRICS_TABLE: &str = "metrics";

/// The statement with every select over `metrics` replaced, in the project's dialect; none when it
/// holds no such select.
///
/// # Errors
/// When a metric or dimension is not known, or the select has a form that is not understood.
pub fn expand_sql(project: &Project, sql: &str) -> Result<Option<String>, ConsumptionError> {
    let mentions = |word: &str| {
        sql.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    };
    if !mentions("measure") || !mentions(METRICS_TABLE) {
        return Ok(None);
    }
    let all = tokens(sql);
    let blocks = blocks(&all);
    if blocks.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    let mut at = 0;
    for block in blocks {
        text.extend(all[at..block.whole.start].iter().map(|token| token.text()));
        text.push_str(&expand(project, &all, &block)?);
        let space = all[block.whole.start..block.whole.end].last();
        if let Some(Token::Space(space)) = space {
            text.push_str(space);
        }
        at = block.whole.end;
    }
    text.extend(all[at..].iter().map(|token| token.text()));
    Ok(Some(text))
}

/// One select over `metrics`, as ranges of tokens.
#[derive(Debug)]
struct Block {
    whole: Range<usize>,
    items: Range<usize>,
    /// What the table is called in it.
    alias: Option<String>,
    tail: Range<usize>,
}

/// Words that end a select at its own depth.
const ENDS: &[&str] = &["union", "except", "intersect"];
/// Words that begin the parts after the table.
const PARTS: &[&str] = &["where", "group", "having", "order", "limit", "offset", "fetch"];

fn blocks(all: &[Token<'_>]) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    for (at, token) in all.iter().enumerate() {
        if !token.is("from") || found.last().is_some_and(|last| last.whole.contains(&at)) {
            continue;
        }
        found.extend(block(all, at));
    }
    found
}

fn block(all: &[Token<'_>], from: usize) -> Option<Block> {
    let start = select_before(all, from)?;
    let mut at = next(all, from + 1)?;
    let mut table = all[at].name()?;
    while let Some(dot) = next(all, at + 1).filter(|dot| all[*dot].is_sign(".")) {
        at = next(all, dot + 1)?;
        table = all[at].name()?;
    }
    let end = end_of(all, from);
    let measured = (start + 1..end).any(|at| is_measure(all, at));
    if table != METRICS_TABLE || !measured {
        return None;
    }
    let mut tail = at + 1;
    let mut alias = None;
    if let Some(mut after) = next(all, at + 1).filter(|after| *after < end) {
        if all[after].is("as") {
            after = next(all, after + 1)?;
        }
        let part = PARTS.iter().any(|word| all[after].is(word));
        if let Some(name) = all[after].name().filter(|_| !part) {
            alias = Some(name);
            tail = after + 1;
        }
    }
    Some(Block { whole: start..end, items: start + 1..from, alias, tail: tail..end })
}

/// The `select` that a `from` belongs to.
fn select_before(all: &[Token<'_>], from: usize) -> Option<usize> {
    let mut depth = 0;
    for at in (0..from).rev() {
        depth -= nesting(all[at]);
        if depth < 0 {
            return None;
        }
        if depth == 0 && all[at].is("select") {
            return Some(at);
        }
    }
    None
}

fn end_of(all: &[Token<'_>], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in all.iter().enumerate().skip(from) {
        depth += nesting(*token);
        let over = depth < 0
            || (depth == 0 && (token.is_sign(";") || ENDS.iter().any(|word| token.is(word))));
        if over {
            return at;
        }
    }
    all.len()
}

fn next(all: &[Token<'_>], from: usize) -> Option<usize> {
    (from..all.len()).find(|at| !matches!(all[*at], Token::Space(_)))
}

/// Whether `measure(` begins here.
fn is_measure(all: &[Token<'_>], at: usize) -> bool {
    let opens = next(all, at + 1).is_some_and(|after| all[after].is_sign("("));
    opens && (all[at].is("measure") || all[at].is("agg"))
}

/// The metric in `measure(signups)`, and the token after it.
fn measure(all: &[Token<'_>], at: usize) -> Option<(String, usize)> {
    let open = next(all, at + 1)?;
    let mut here = next(all, open + 1)?;
    let mut name = all[here].name()?;
    let mut after = next(all, here + 1)?;
    while all[after].is_sign(".") {
        here = next(all, after + 1)?;
        name = all[here].name()?;
        after = next(all, here + 1)?;
    }
    all[after].is_sign(")").then_some((name, after + 1))
}

/// What a select asks for, while it is read.
struct Reading<'b> {
    all: &'b [Token<'b>],
    known: BTreeSet<&'b str>,
    alias: Option<&'b str>,
    query: MetricQuery,
    /// Names that the select gives its columns.
    columns: Vec<String>,
}

/// A stretch of SQL whose names are those of the question.
enum Piece {
    Sql(String),
    Metric(String),
    Grouping(String),
}

fn wrong(message: impl Into<String>, help: &str) -> ConsumptionError {
    ConsumptionError::Settings { message: message.into(), help: help.to_owned() }
}

fn expand(project: &Project, all: &[Token<'_>], block: &Block) -> Result<String, ConsumptionError> {
    let mut reading = Reading {
        all,
        known: known_names(&project.semantics),
        alias: block.alias.as_deref(),
        query: MetricQuery::default(),
        columns: Vec::new(),
    };
    let mut items = Vec::new();
    for item in parted(all, block.items.clone(), ",") {
        items.push(reading.item(item)?);
    }
    let parts = reading.parts(block.tail.clone())?;
    if let Some(range) = parts.get("where") {
        let text = reading.condition(range.clone())?;
        reading.query.conditions.push(text);
    }
    if let Some(range) = parts.get("group") {
        reading.group(range.clone())?;
    }
    let having = parts.get("having").map(|range| reading.pieces(range.clone())).transpose()?;
    let order = parts.get("order").map(|range| reading.order(range.clone())).transpose()?;
    let (plan, names) = plan_inside(project, &reading.query)?;
    let writer = Writer { dialect: project.dialect.parse()? };
    let write = |pieces: &[Piece]| -> String {
        let part = |piece: &Piece| match piece {
            Piece::Sql(sql) => sql.clone(),
            Piece::Metric(name) => writer.name(name),
            Piece::Grouping(name) => writer.name(names.get(name).unwrap_or(name)),
        };
        pieces.iter().map(part).collect()
    };
    let columns: Vec<String> = items
        .iter()
        .zip(&reading.columns)
        .map(|(pieces, name)| format!("{} as {}", write(pieces).trim(), writer.name(name)))
        .collect();
    let mut sql = format!(
        "select {} from (\n{}\n) as {METRICS_TABLE}",
        columns.join(", "),
        indented(&plan.sql)
    );
    if let Some(pieces) = having {
        sql.push_str(&format!("\nwhere {}", write(&pieces).trim()));
    }
    if let Some(pieces) = order {
        sql.push_str(&format!("\norder by {}", write(&pieces).trim()));
    }
    if let Some(range) = parts.get("limit") {
        let rest: String = all[range.clone()].iter().map(|token| token.text()).collect();
        sql.push_str(&format!("\n{}", rest.trim()));
    }
    Ok(sql)
}

/// Ranges between a sign at the top level.
fn parted(all: &[Token<'_>], range: Range<usize>, sign: &str) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut depth) = (Vec::new(), range.start, 0);
    for at in range.clone() {
        depth += nesting(all[at]);
        if depth == 0 && all[at].is_sign(sign) {
            parts.push(start..at);
            start = at + 1;
        }
    }
    parts.push(start..range.end);
    parts
}

impl Reading<'_> {
    /// An item of the select list: its SQL, its name kept aside.
    fn item(&mut self, range: Range<usize>) -> Result<Vec<Piece>, ConsumptionError> {
        let all = self.all;
        let solid: Vec<usize> =
            range.clone().filter(|at| !matches!(all[*at], Token::Space(_))).collect();
        let solid: Vec<usize> = match solid.first() {
            Some(first) if all[*first].is("distinct") => solid[1..].to_vec(),
            Some(_) | None => solid,
        };
        let (Some(first), Some(last)) = (solid.first().copied(), solid.last().copied()) else {
            return Err(wrong("the select list has an empty item", "Take the comma out."));
        };
        if solid.len() == 1 && all[first].is_sign("*") {
            return Err(wrong(
                "\"*\" does not say which metrics are meant",
                "Name them: select measure(signups), metric_time__day from metrics.",
            ));
        }
        let before = solid.len().checked_sub(2).map(|place| all[solid[place]]);
        let named = match (all[last].name(), before) {
            (Some(name), Some(before)) if before.is("as") => Some((name, solid[solid.len() - 2])),
            (Some(name), Some(before))
                if before.is_sign(")")
                    || matches!(before, Token::Word(_) | Token::Quoted(_) | Token::Number(_))
                        && !is_operator(before) =>
            {
                Some((name, last))
            }
            _ => None,
        };
        let end = named.as_ref().map_or(range.end, |(_, end)| *end);
        let pieces = self.pieces(first..end)?;
        let name = match (named, pieces.as_slice()) {
            (Some((name, _)), _) => name,
            (None, [Piece::Metric(name) | Piece::Grouping(name)]) => name.clone(),
            (None, _) => {
                let mut inside = pieces.iter().filter_map(|piece| match piece {
                    Piece::Metric(name) | Piece::Grouping(name) => Some(name.clone()),
                    Piece::Sql(_) => None,
                });
                inside.next().unwrap_or_else(|| "column".to_owned())
            }
        };
        self.columns.push(name);
        Ok(pieces)
    }

    /// SQL with metrics and groupings found in it; both become part of the question.
    fn pieces(&mut self, range: Range<usize>) -> Result<Vec<Piece>, ConsumptionError> {
        let all = self.all;
        let mut pieces: Vec<Piece> = Vec::new();
        let mut at = range.start;
        while at < range.end {
            if is_measure(all, at) {
                let (name, after) = measure(all, at).ok_or_else(|| {
                    wrong("\"measure\" takes the name of one metric", "Write measure(signups).")
                })?;
                if !self.query.metrics.contains(&name) {
                    self.query.metrics.push(name.clone());
                }
                pieces.push(Piece::Metric(name));
                at = after;
                continue;
            }
            if let Some((name, after)) = self.grouping(at) {
                if !self.query.group_by.contains(&name) {
                    self.query.group_by.push(name.clone());
                }
                pieces.push(Piece::Grouping(name));
                at = after;
                continue;
            }
            match pieces.last_mut() {
                Some(Piece::Sql(sql)) => sql.push_str(all[at].text()),
                Some(Piece::Metric(_) | Piece::Grouping(_)) | None => {
                    pieces.push(Piece::Sql(all[at].text().to_owned()));
                }
            }
            at += 1;
        }
        let blank = |piece: &Piece| matches!(piece, Piece::Sql(sql) if sql.trim().is_empty());
        while pieces.last().is_some_and(blank) {
            pieces.pop();
        }
        Ok(pieces)
    }

    /// A name, plain or behind the table's, or `date_trunc('week', metric_time)`.
    fn grouping(&self, at: usize) -> Option<(String, usize)> {
        let all = self.all;
        if all[at].is("date_trunc") {
            let open = next(all, at + 1).filter(|open| all[*open].is_sign("("))?;
            let text = next(all, open + 1)?;
            let Token::Text(grain) = all[text] else { return None };
            let comma = next(all, text + 1).filter(|comma| all[*comma].is_sign(","))?;
            let (name, after) = self.grouping(next(all, comma + 1)?)?;
            let close = next(all, after).filter(|close| all[*close].is_sign(")"))?;
            let (parts, given) = split(&name);
            let grain = grain.trim_matches('\'').to_ascii_lowercase();
            let known = project::semantics::Grain::from_word(&grain).is_some();
            return (known && given.is_none())
                .then(|| (format!("{}__{grain}", parts.join("__")), close + 1));
        }
        let mut here = at;
        let first = all[here].name()?;
        let dotted = next(all, here + 1).filter(|dot| all[*dot].is_sign("."));
        if let Some(dot) = dotted {
            if first != METRICS_TABLE && Some(first.as_str()) != self.alias {
                return None;
            }
            here = next(all, dot + 1)?;
            let name = all[here].name()?;
            return Some((name, here + 1));
        }
        name_at(&self.known, all, here).map(|name| (name, here + 1))
    }

    /// Where the parts after the table stand; `limit` goes on to the end.
    fn parts(
        &self,
        range: Range<usize>,
    ) -> Result<BTreeMap<&'static str, Range<usize>>, ConsumptionError> {
        let all = self.all;
        let mut begins: Vec<(usize, &'static str)> = Vec::new();
        let mut depth = 0;
        for at in range.clone() {
            depth += nesting(all[at]);
            let word = PARTS.iter().find(|word| depth == 0 && all[at].is(word));
            begins.extend(word.map(|word| (at, *word)));
        }
        let first = next(all, range.start).filter(|first| *first < range.end);
        if let Some(first) = first
            && begins.first().map(|(at, _)| *at) != Some(first)
        {
            let message = format!("\"{}\" cannot follow \"from metrics\"", all[first].text());
            let help = "Ask metrics in a subquery, and join or combine its rows outside.";
            return Err(wrong(message, help));
        }
        let mut parts = BTreeMap::new();
        for (place, (at, word)) in begins.iter().enumerate() {
            let end = begins.get(place + 1).map_or(range.end, |(at, _)| *at);
            match *word {
                "limit" | "offset" | "fetch" => {
                    parts.entry("limit").or_insert(*at..range.end);
                }
                "group" | "order" => {
                    let by = next(all, at + 1).filter(|by| all[*by].is("by"));
                    parts.insert(*word, by.unwrap_or(*at) + 1..end);
                }
                other => {
                    parts.insert(other, at + 1..end);
                }
            }
        }
        Ok(parts)
    }

    /// Conditions as text, the table's name left out.
    fn condition(&self, range: Range<usize>) -> Result<String, ConsumptionError> {
        let all = self.all;
        let mut text = String::new();
        let mut at = range.start;
        while at < range.end {
            if is_measure(all, at) {
                return Err(wrong(
                    "\"where\" holds before anything is counted and knows no measure",
                    "Write the condition on measure(…) after \"having\".",
                ));
            }
            match self.grouping(at).filter(|_| !all[at].is("date_trunc")) {
                Some((name, after)) => {
                    text.push_str(&name);
                    at = after;
                }
                None => {
                    text.push_str(all[at].text());
                    at += 1;
                }
            }
        }
        Ok(text.trim().to_owned())
    }

    /// Groupings that the select list does not show count too.
    fn group(&mut self, range: Range<usize>) -> Result<(), ConsumptionError> {
        for item in parted(self.all, range, ",") {
            let solid: Vec<usize> =
                item.clone().filter(|at| !matches!(self.all[*at], Token::Space(_))).collect();
            let number = solid.len() == 1 && matches!(self.all[solid[0]], Token::Number(_));
            let alias = match solid.as_slice() {
                [one] => self.all[*one].name().is_some_and(|name| self.columns.contains(&name)),
                _ => false,
            };
            if number || alias || solid.first().is_some_and(|one| self.all[*one].is("all")) {
                continue;
            }
            self.pieces(item)?;
        }
        Ok(())
    }

    /// Columns of the select list may be meant by their own names.
    fn order(&mut self, range: Range<usize>) -> Result<Vec<Piece>, ConsumptionError> {
        let mut pieces = Vec::new();
        for item in parted(self.all, range, ",") {
            if !pieces.is_empty() {
                pieces.push(Piece::Sql(", ".to_owned()));
            }
            let first = next(self.all, item.start).filter(|first| *first < item.end);
            let name = first.and_then(|first| self.all[first].name());
            let column = name.is_some_and(|name| self.columns.contains(&name));
            if column {
                let text = self.all[item].iter().map(|token| token.text());
                pieces.push(Piece::Sql(text.collect::<String>().trim().to_owned()));
            } else {
                pieces.extend(self.pieces(item)?);
            }
        }
        Ok(pieces)
    }
}

/// Words after which a name is no alias.
fn is_operator(token: Token<'_>) -> bool {
    ["and", "or", "not", "is", "in", "like", "between", "then", "else", "when", "case", "from"]
        .iter()
        .any(|word| token.is(word))
}
