//! Who may use which model, and until when: access, groups, restricted packages, deprecation.

use std::collections::BTreeSet;

use base::{Diagnostic, NodeId, Span};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::Value as Json;

use crate::assemble::{Reference, parse_reference};
use crate::codes;
use crate::config::{IncrementalStrategy, Materialization, OnSchemaChange};
use crate::graph::Graph;
use crate::node::{Access, Node, NodeKind};
use crate::package::Package;
use crate::properties::Patch;
use crate::suggest;
use crate::yaml::{Fields, Value};

/// The day from which on a model is not to be used any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deprecation {
    /// Midnight, unless a time is written.
    pub date: DateTime<Utc>,
    /// Where it is written.
    pub span: Span,
}

/// Reads `deprecation_date`: a day, or a moment.
pub(crate) fn deprecation(fields: &mut Fields<'_, '_>) -> Option<Deprecation> {
    let value = fields.value("deprecation_date")?;
    let text = value.scalar_text().unwrap_or_default();
    let Some(date) = moment(&text) else {
        let problem = wrong_date(value);
        fields.diagnostics().push(problem);
        return None;
    };
    Some(Deprecation { date, span: value.span.clone() })
}

fn wrong_date(value: &Value) -> Diagnostic {
    Diagnostic::error(codes::WRONG_VALUE, "\"deprecation_date\" is no date")
        .at(value.span.clone(), "")
        .help("Write a day, such as 2027-01-31, or a moment, such as 2027-01-31T12:00:00Z.")
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        return Some(moment.to_utc());
    }
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let local = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    local.or_else(day).map(|naive| naive.and_utc())
}

/// The packages whose models are only theirs unless they are public.
pub(crate) fn restricted(packages: &[Package]) -> BTreeSet<&str> {
    let closed = packages.iter().filter(|package| package.file.restrict_access);
    closed.map(Package::name).collect()
}

fn shown(node: &Node) -> String {
    format!("{} \"{}\"", node.kind.word().replace('_', " "), node.name)
}

/// The group whose private models a node may use: a generic test has that of what it tests.
fn group_of<'n>(graph: &'n Graph, node: &'n Node) -> Option<&'n str> {
    let attached = node.test.as_ref().and_then(|test| test.attached.as_ref());
    let asked = attached.and_then(|id| graph.node(id)).unwrap_or(node);
    asked.group.as_deref()
}

/// Refuses a ref that the model's access does not allow.
pub(crate) fn refuse_ref(
    graph: &Graph,
    node: &Node,
    target: &Node,
    span: &Span,
    restricted: &BTreeSet<&str>,
) -> Option<Diagnostic> {
    let is_ours = node.kind.is_activation() || node.kind == NodeKind::Dashboard;
    if target.kind != NodeKind::Model || node.kind == NodeKind::UnitTest || is_ours {
        return None;
    }
    let outside = node.package != target.package && restricted.contains(&*target.package);
    match target.access {
        Access::Public => None,
        Access::Protected if outside => {
            let message = format!(
                "{} refs \"{}\", which is protected to package \"{}\"",
                shown(node),
                target.name,
                target.package
            );
            let note = format!("Package \"{}\" says restrict-access: true.", target.package);
            let help = "Use a model that the package makes public, or ask its owner to set \
                        access: public.";
            let problem = Diagnostic::error(codes::PROTECTED_REF, message);
            Some(problem.at(span.clone(), "").note(note).help(help))
        }
        Access::Protected => None,
        Access::Private => {
            let own = group_of(graph, node);
            if own.is_some() && own == target.group.as_deref() && !outside {
                return None;
            }
            Some(private(node, own, target, span))
        }
    }
}

fn private(node: &Node, own: Option<&str>, target: &Node, span: &Span) -> Diagnostic {
    let message = match &target.group {
        Some(group) => format!(
            "{} refs \"{}\", which is private to group \"{group}\"",
            shown(node),
            target.name
        ),
        None => {
            format!("{} refs \"{}\", which is private and in no group", shown(node), target.name)
        }
    };
    let note = match own {
        Some(own) => format!("This {} is in group \"{own}\".", node.kind.word().replace('_', " ")),
        None => format!("This {} is in no group.", node.kind.word().replace('_', " ")),
    };
    let help = match &target.group {
        Some(group) if node.kind != NodeKind::Exposure => format!(
            "Put it into group \"{group}\" (config: {{group: {group}}}), or set access: protected \
             on \"{}\".",
            target.name
        ),
        Some(_) | None => format!("Set access: protected on \"{}\".", target.name),
    };
    let problem = Diagnostic::error(codes::PRIVATE_REF, message).at(span.clone(), "").note(note);
    problem.help(help)
}

/// Each version once, and the latest among them.
pub(crate) fn check_versions(
    patch: &Patch,
    latest: Option<&Value>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut seen = BTreeSet::new();
    for version in &patch.versions {
        if !seen.insert(version.version.as_str()) {
            let message =
                format!("version {} of model \"{}\" is there twice", version.version, patch.name);
            diagnostics.push(
                Diagnostic::error(codes::DUPLICATE_NODE, message)
                    .at(version.span.clone(), "")
                    .help("Give one of them another number."),
            );
        }
    }
    let (Some(value), Some(wanted)) = (latest, &patch.latest_version) else { return };
    if seen.contains(wanted.as_str()) {
        return;
    }
    let message = format!("latest_version {wanted} is no version of model \"{}\"", patch.name);
    let known: Vec<&str> = seen.into_iter().collect();
    let help = match known.is_empty() {
        true => "Declare its versions under \"versions:\".".to_owned(),
        false => format!("Versions are: {}.", known.join(", ")),
    };
    let problem = Diagnostic::error(codes::WRONG_VALUE, message);
    diagnostics.push(problem.at(value.span.clone(), "").help(help));
}

/// What no model may be: public and ephemeral; under contract and open to any change of columns.
pub(crate) fn check(graph: &Graph, diagnostics: &mut Vec<Diagnostic>) {
    check_snapshots(graph, diagnostics);
    check_inputs(graph, diagnostics);
    for node in graph.nodes.values().filter(|node| node.kind == NodeKind::Model) {
        if node.access == Access::Public && node.is_ephemeral() {
            let message = format!("{} is public and ephemeral", shown(node));
            diagnostics.push(
                Diagnostic::error(codes::CONFIG_VALUE, message)
                    .at(node.span.clone(), "")
                    .note("Others cannot read what is never written to a table.")
                    .help("Materialize it as a view, or take access: public away."),
            );
        }
        let config = &node.config;
        let tolerant = !matches!(
            config.on_schema_change,
            OnSchemaChange::AppendNewColumns | OnSchemaChange::Fail
        );
        let incremental = config.materialized == Materialization::Incremental;
        if config.contract_enforced && incremental && tolerant {
            let message = format!(
                "{} is incremental, has a contract and lets its columns drift",
                shown(node)
            );
            diagnostics.push(
                Diagnostic::error(codes::CONFIG_VALUE, message)
                    .at(node.span.clone(), "")
                    .help("Set on_schema_change to append_new_columns or fail."),
            );
        }
        check_batches(node, diagnostics);
    }
}

/// A model in batches needs to know which time they are batches of.
fn check_batches(node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    let config = &node.config;
    let batches = config.materialized == Materialization::Incremental
        && config.incremental_strategy == Some(IncrementalStrategy::Microbatch);
    if !batches {
        return;
    }
    let has = |key: &str| config.all.get(key).is_some_and(|value| !value.is_null());
    for (key, example) in [
        ("event_time", "event_time: created_at"),
        ("begin", "begin: 2026-01-01"),
        ("batch_size", "batch_size: day"),
    ] {
        if !has(key) {
            let message = format!("{} is of strategy microbatch and has no \"{key}\"", shown(node));
            diagnostics.push(
                Diagnostic::error(codes::MISSING_KEY, message)
                    .at(node.span.clone(), "")
                    .help(format!("Add it to the model's config, such as {example}.")),
            );
        }
    }
}

/// What a unit test gives must be there, though it is no parent of the test.
fn check_inputs(graph: &Graph, diagnostics: &mut Vec<Diagnostic>) {
    for node in graph.nodes.values().filter(|node| node.kind == NodeKind::UnitTest) {
        let given = node.declaration.as_ref().and_then(|written| written.get("given"));
        for item in given.and_then(Json::as_array).into_iter().flatten() {
            let input = item.get("input").and_then(Json::as_str).unwrap_or_default().trim();
            let found = match parse_reference(input) {
                Some(Reference::Ref(call)) => graph.find_ref(&call, &node.package).is_ok(),
                Some(Reference::Source(source, table)) => {
                    graph.find_source(&source, &table, &node.package).is_ok()
                }
                None => input == "this",
            };
            if !found {
                diagnostics.push(unknown_input(graph, node, input));
            }
        }
    }
}

fn unknown_input(graph: &Graph, node: &Node, input: &str) -> Diagnostic {
    let (file, from) = (&node.span.file, node.span.start);
    let below = file.text.get(from..).and_then(|text| text.find(input));
    let place = below.filter(|_| !input.is_empty()).map_or_else(
        || node.span.clone(),
        |at| Span::new(file, from + at..from + at + input.len()),
    );
    let name = match parse_reference(input) {
        Some(Reference::Ref(call)) => call.name,
        Some(Reference::Source(..)) | None => String::new(),
    };
    let help = suggest::did_you_mean(&name, graph.referable_names()).unwrap_or_else(|| {
        "Write ref('model'), source('source', 'table') or this, of what the model reads.".to_owned()
    });
    let message = format!("{} gives \"{input}\", which does not exist", shown(node));
    Diagnostic::error(codes::REF_MISSING, message).at(place, "").help(help)
}

/// A snapshot says how rows are told apart, and how changes show.
fn check_snapshots(graph: &Graph, diagnostics: &mut Vec<Diagnostic>) {
    for node in graph.nodes.values().filter(|node| node.kind == NodeKind::Snapshot) {
        let all = &node.config.all;
        let text = |key: &str| all.get(key).and_then(Json::as_str);
        let mut lacks = |code, what: &str, help: &str| {
            let message = format!("{} {what}", shown(node));
            diagnostics.push(Diagnostic::error(code, message).at(node.span.clone(), "").help(help));
        };
        let key_help = "Name the columns that tell rows apart, such as unique_key: id.";
        if node.config.unique_key.is_empty() {
            lacks(codes::MISSING_KEY, "has no unique_key", key_help);
        }
        match text("strategy") {
            Some("timestamp") if text("updated_at").is_none() => lacks(
                codes::MISSING_KEY,
                "of strategy timestamp has no updated_at",
                "Name the column that says when a row changed.",
            ),
            Some("check") if all.get("check_cols").is_none_or(Json::is_null) => lacks(
                codes::MISSING_KEY,
                "of strategy check has no check_cols",
                "Name the columns to compare, or write check_cols: all.",
            ),
            None => lacks(
                codes::MISSING_KEY,
                "has no strategy",
                "Use timestamp, with updated_at, or check, with check_cols.",
            ),
            Some(_) => {}
        }
        let known = ["ignore", "invalidate", "new_record"];
        if let Some(word) = text("hard_deletes").filter(|word| !known.contains(word)) {
            lacks(
                codes::CONFIG_VALUE,
                &format!("has hard_deletes \"{word}\""),
                "Use ignore, invalidate or new_record.",
            );
        }
    }
}

impl Graph {
    /// What is used, or still there, past its deprecation date, and what soon will be.
    pub fn deprecations(&self, now: DateTime<Utc>) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (id, node) in &self.nodes {
            let Some(deprecation) = &node.deprecation else { continue };
            let (day, past) = (deprecation.date.format("%Y-%m-%d"), deprecation.date < now);
            if past {
                let message = format!("{} is past its deprecation date, {day}", versioned(node));
                found.push(
                    Diagnostic::warning(codes::DEPRECATED, message)
                        .at(deprecation.span.clone(), "")
                        .help("Disable or remove it."),
                );
            }
            for child in self.children(id) {
                found.extend(self.deprecated_ref(child, node, past, &day.to_string()));
            }
        }
        found
    }

    fn deprecated_ref(
        &self,
        child: &NodeId,
        node: &Node,
        past: bool,
        day: &str,
    ) -> Option<Diagnostic> {
        let child = self.node(child).filter(|child| child.kind == NodeKind::Model)?;
        let call = child.refs.iter().find(|(call, _)| {
            self.find_ref(call, &child.package).is_ok_and(|target| target.id == node.id)
        });
        let span = call.map_or_else(|| child.span.clone(), |(_, span)| span.clone());
        let when = if past { "was deprecated on" } else { "will be deprecated on" };
        let message = format!("{} refs {}, which {when} {day}", shown(child), versioned(node));
        let newer = node.latest_version.as_ref().filter(|_| node.version != node.latest_version);
        let help = match newer {
            Some(latest) => format!(
                "Use the latest version: {{{{ ref('{}', '{}', v='{latest}') }}}}.",
                node.package, node.name
            ),
            None => "Ask its owner what takes its place.".to_owned(),
        };
        Some(Diagnostic::warning(codes::DEPRECATED_REF, message).at(span, "").help(help))
    }
}

fn versioned(node: &Node) -> String {
    match &node.version {
        Some(version) => format!("{} (version {version})", shown(node)),
        None => shown(node),
    }
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_deprecation_date_is_a_day_or_a_moment() {
        for text in
            ["2027-01-31", "2027-01-31T00:00:00", "2027-01-31 00:00:00", "2027-01-31T00:00:00Z"]
        {
            assert_eq!(moment(text).unwrap().to_rfc3339(), "2027-01-31T00:00:00+00:00", "{text}");
        }
        assert!(moment("soon").is_none());
    }
}
