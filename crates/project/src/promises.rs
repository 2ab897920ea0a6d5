//! Promises: what a user writes under `promises:` in `jobs/*.yml`, or as `meta: {promise: …}` at
//! a node.
//!
//! ```yaml
//! promises:
//!   - {on: signups_daily, promise: fresh by 06:00 UTC on 99.5% of days}
//!   - {on: app.signups, promise: newest row at most 30 minutes old}
//!   - {on: fact_signups, promise: volume within 25% of usual on 99% of days}
//!   - {on: dim_accounts, promise: tests pass on 99% of days, owner: data team, window: 14}
//! ```

use std::sync::Arc;

use base::{Diagnostic, NodeId, SourceFile, Span};
use chrono::NaiveTime;
use serde_json::Value as Json;

use crate::codes;
use crate::graph::Graph;
use crate::node::NodeKind;
use crate::suggest;
use crate::yaml::{Fields, Value};

/// Days over which an error budget is kept, unless `window:` says otherwise.
const WINDOW_DAYS: u32 = 28;
/// Percent of periods that must be good when a promise says no number.
const OBJECTIVE_PERCENT: f64 = 99.0;

/// A promise as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    /// Its name: the node's and the kind, unless `name:` is given.
    pub name: String,
    /// What it is about, as written.
    pub on: String,
    /// What is promised, as written.
    pub text: String,
    /// What is promised.
    pub kind: PromiseKind,
    /// The part of periods that must be good, in percent.
    pub objective_percent: f64,
    /// Days over which the error budget is kept.
    pub window_days: u32,
    /// Who answers for it, when it is not the node's owner.
    pub owner: Option<String>,
    /// The file it stands in, relative to the project.
    pub file: String,
    /// Where it stands.
    pub span: Option<Span>,
}

/// What is promised.
#[derive(Clone, Debug, PartialEq)]
pub enum PromiseKind {
    /// Built or loaded anew each day, by a time of a zone.
    FreshBy {
        /// The time of day.
        time: NaiveTime,
        /// The zone, by its IANA name.
        zone: String,
    },
    /// The youngest row is never older than this.
    NewestRow {
        /// In minutes.
        minutes: i64,
    },
    /// A day has about as many rows as usual.
    Volume {
        /// How far it may lie off, in percent.
        percent: f64,
    },
    /// No test of the node fails.
    TestsPass,
}

impl PromiseKind {
    fn word(&self) -> &'static str {
        match self {
            Self::FreshBy { .. } => "fresh",
            Self::NewestRow { .. } => "newest row",
            Self::Volume { .. } => "volume",
            Self::TestsPass => "tests",
        }
    }
}

/// Reads `promises:` of a file of `jobs/`, its Jinja rendered.
pub(crate) fn read(
    file: &Arc<SourceFile>,
    value: &Value,
    promises: &mut Vec<Promise>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut unheard = Vec::new();
    let what = format!("\"{}\"", file.path);
    // What is wrong with the rest of the file is said by whoever reads the rest.
    let Some(mut fields) = Fields::open(value, what, &mut unheard) else { return };
    for item in fields.list("promises") {
        if let Some(promise) = promise(&file.path, item, diagnostics) {
            promises.push(promise);
        }
    }
}

fn promise(path: &str, value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Promise> {
    let mut fields = Fields::open(value, "a promise", diagnostics)?;
    let on = fields.required_text("on");
    let text = fields.required_text("promise");
    let span = fields.value("promise").map_or(&value.span, |one| &one.span).clone();
    let name = fields.text("name");
    let owner = fields.text("owner");
    let window = fields.text("window").and_then(|days| days.parse().ok());
    fields.finish();
    let (on, text) = (on?, text?);
    match parse(&text) {
        Ok((kind, objective)) => Some(Promise {
            name: name.unwrap_or_else(|| format!("{on}: {}", kind.word())),
            kind,
            objective_percent: objective,
            window_days: window.unwrap_or(WINDOW_DAYS).max(1),
            owner,
            file: path.to_owned(),
            span: Some(span),
            on,
            text,
        }),
        Err(reason) => {
            let problem = Diagnostic::error(codes::WRONG_VALUE, format!("\"{text}\" {reason}"));
            diagnostics.push(problem.at(span, "").help(GRAMMAR));
            None
        }
    }
}

const GRAMMAR: &str = "Write \"fresh by 06:00 UTC on 99.5% of days\", \"newest row at most 30 \
                       minutes old\", \"volume within 25% of usual\" or \"tests pass\"; each may \
                       end with \"on 99% of days\".";

/// The promises at nodes, as `meta: {promise: …}`, a text or a list of them.
pub fn of_nodes(graph: &Graph) -> Vec<Promise> {
    let mut found = Vec::new();
    for node in graph.nodes.values() {
        let Some(written) = node.meta.get("promise").or_else(|| node.meta.get("promises")) else {
            continue;
        };
        let texts: Vec<&str> = match written {
            Json::String(text) => vec![text.as_str()],
            Json::Array(texts) => texts.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        };
        for text in texts {
            let Ok((kind, objective_percent)) = parse(text) else { continue };
            found.push(Promise {
                name: format!("{}: {}", node.name, kind.word()),
                on: node.id.to_string(),
                text: text.to_owned(),
                kind,
                objective_percent,
                window_days: WINDOW_DAYS,
                owner: None,
                file: node.patch_path.clone().unwrap_or_else(|| node.path.clone()),
                span: None,
            });
        }
    }
    found
}

impl Promise {
    /// The node it is about.
    pub fn node(&self, graph: &Graph) -> Option<NodeId> {
        let id = NodeId::new(self.on.clone());
        if graph.node(&id).is_some() {
            return Some(id);
        }
        let streams = NodeId::new(format!("stream.{}", self.on));
        if graph.node(&streams).is_some() {
            return Some(streams);
        }
        let named = graph.nodes.values().find(|node| {
            node.name == self.on
                && matches!(node.kind, NodeKind::Model | NodeKind::Seed | NodeKind::Snapshot)
        });
        named.map(|node| node.id.clone())
    }
}

/// Complains about promises on what is not there.
pub(crate) fn check(graph: &Graph, promises: &[Promise], diagnostics: &mut Vec<Diagnostic>) {
    for promise in promises {
        if promise.node(graph).is_some() {
            continue;
        }
        let message = format!("promise on \"{}\", which is no model, seed or stream", promise.on);
        let mut problem = Diagnostic::error(codes::WRONG_VALUE, message);
        if let Some(span) = &promise.span {
            problem = problem.at(span.clone(), "");
        }
        let names = graph.nodes.values().map(|node| node.name.as_str());
        if let Some(help) = suggest::did_you_mean(&promise.on, names) {
            problem = problem.help(help);
        }
        diagnostics.push(problem);
    }
}

/// What a promise says, and the percent of periods in which it must hold.
fn parse(text: &str) -> Result<(PromiseKind, f64), String> {
    let lower = text.trim().to_lowercase();
    let (body, objective) = match lower.split_once(" on ") {
        Some((body, rest)) => {
            let percent = rest.split_once('%').ok_or("names no percent after \"on\"")?.0;
            let percent: f64 =
                percent.trim().parse().map_err(|_| format!("has no number in \"{percent}%\""))?;
            if !(0.0..=100.0).contains(&percent) {
                return Err("promises more than 100% or less than nothing".to_owned());
            }
            (body.trim().to_owned(), percent)
        }
        None => (lower.clone(), OBJECTIVE_PERCENT),
    };
    let kind = if let Some(rest) = body.strip_prefix("fresh by ") {
        let (time, zone) = rest.trim().split_once(' ').unwrap_or((rest.trim(), "utc"));
        let time = NaiveTime::parse_from_str(time, "%H:%M")
            .map_err(|_| format!("has no time in \"{time}\""))?;
        PromiseKind::FreshBy { time, zone: zone_of(text, zone) }
    } else if let Some(rest) = body.strip_prefix("newest row at most ") {
        let mut words = rest.split_whitespace();
        let number: i64 = words
            .next()
            .and_then(|word| word.parse().ok())
            .ok_or("has no number after \"at most\"")?;
        let minutes = match words.next().unwrap_or_default() {
            "minute" | "minutes" => number,
            "hour" | "hours" => number * 60,
            "day" | "days" => number * 24 * 60,
            unit => return Err(format!("counts in \"{unit}\"")),
        };
        PromiseKind::NewestRow { minutes }
    } else if let Some(rest) = body.strip_prefix("volume within ") {
        let percent = rest.split_once('%').ok_or("names no percent after \"within\"")?.0;
        let percent =
            percent.trim().parse().map_err(|_| format!("has no number in \"{percent}%\""))?;
        PromiseKind::Volume { percent }
    } else if body == "tests pass" {
        PromiseKind::TestsPass
    } else {
        return Err("is no promise that can be measured".to_owned());
    };
    Ok((kind, objective))
}

/// The zone as it was written: names of zones have capitals.
fn zone_of(text: &str, lower: &str) -> String {
    let place = text.to_lowercase().find(lower).unwrap_or(0);
    let written = text.get(place..place + lower.len()).unwrap_or(lower).trim();
    if written.eq_ignore_ascii_case("utc") { "UTC".to_owned() } else { written.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_read_as_people_write_them() {
        let time = NaiveTime::from_hms_opt(6, 0, 0).expect("six in the morning");
        let fresh = |zone: &str| PromiseKind::FreshBy { time, zone: zone.to_owned() };
        assert_eq!(parse("fresh by 06:00 UTC on 99.5% of days"), Ok((fresh("UTC"), 99.5)));
        assert_eq!(parse("Fresh by 06:00 Europe/Berlin"), Ok((fresh("Europe/Berlin"), 99.0)));
        let newest = PromiseKind::NewestRow { minutes: 30 };
        assert_eq!(parse("newest row at most 30 minutes old"), Ok((newest, 99.0)));
        let volume = PromiseKind::Volume { percent: 25.0 };
        assert_eq!(parse("volume within 25% of usual on 95% of days"), Ok((volume, 95.0)));
        assert_eq!(parse("tests pass"), Ok((PromiseKind::TestsPass, 99.0)));
        assert!(parse("always right").is_err());
        assert!(parse("fresh by noon").is_err());
    }
}
