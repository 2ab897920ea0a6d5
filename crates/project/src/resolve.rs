//! From calls to edges: every `ref` and `source` finds its node or is reported.

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, NodeId, Span, TableName};

use crate::codes;
use crate::governance;
use crate::graph::{Graph, RefProblem, cycles};
use crate::jinja::{RefCall, SourceCall};
use crate::naming::Namer;
use crate::node::{Node, NodeKind};
use crate::package::Package;
use crate::suggest;

/// Names relations, resolves calls, and finds circles and clashes.
pub(crate) fn graph(
    packages: &[Package],
    mut nodes: Vec<Node>,
    namer: &Namer,
    diagnostics: &mut Vec<Diagnostic>,
) -> Graph {
    for node in &mut nodes {
        node.relation = namer.relation(node, diagnostics);
    }
    say_once_about_databases(&nodes, namer.environment(), diagnostics);
    let root_package = packages.first().map(Package::name).unwrap_or_default();
    let restricted = governance::restricted(packages);
    let mut graph = Graph::new(root_package, nodes);
    let mut edges: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    for (id, node) in &graph.nodes {
        edges.insert(id.clone(), parents(&graph, node, &restricted, diagnostics));
    }
    for (id, parents) in edges {
        if let Some(node) = graph.nodes.get_mut(&id) {
            node.depends_on = parents.into_iter().collect();
        }
    }
    graph.connect();
    for cycle in cycles(&graph) {
        diagnostics.extend(report_cycle(&graph, &cycle));
    }
    report_clashes(&graph, diagnostics);
    governance::check(&graph, diagnostics);
    graph
}

/// The database is always the environment; what a project says else is accepted and said once.
fn say_once_about_databases(nodes: &[Node], environment: &str, diagnostics: &mut Vec<Diagnostic>) {
    let elsewhere = |node: &&Node| {
        let database = node.config.database.as_deref();
        node.config.enabled && database.is_some_and(|database| database != environment)
    };
    let mut found = nodes.iter().filter(elsewhere);
    let Some(first) = found.next() else { return };
    let message = format!(
        "config \"database\" of {} nodes has no effect: tables live in the environment \
         \"{environment}\"",
        found.count() + 1
    );
    diagnostics.push(
        Diagnostic::warning(codes::UNSUPPORTED_CONFIG, message)
            .at(first.span.clone(), "one of them")
            .help("Use \"schema\" to keep tables apart."),
    );
}

fn parents(
    graph: &Graph,
    node: &Node,
    restricted: &BTreeSet<&str>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeSet<NodeId> {
    let known = node.depends_on.iter().filter(|id| graph.nodes.contains_key(*id));
    let mut found: BTreeSet<NodeId> = known.cloned().collect();
    let mut told: BTreeSet<String> = BTreeSet::new();
    for (call, span) in &node.refs {
        match graph.find_ref(call, &node.package) {
            Ok(target) => {
                if told.insert(call.to_string()) {
                    diagnostics
                        .extend(governance::refuse_ref(graph, node, target, span, restricted));
                }
                found.insert(target.id.clone());
            }
            Err(problem) => {
                if told.insert(call.to_string()) {
                    diagnostics.push(ref_problem(graph, node, call, span, &problem));
                }
            }
        }
    }
    for call in &node.sources {
        match graph.find_source(&call.source, &call.table, &node.package) {
            Ok(target) => {
                found.insert(target.id.clone());
            }
            Err(problem) => {
                if told.insert(format!("{}.{}", call.source, call.table)) {
                    diagnostics.push(source_problem(graph, node, call, &problem));
                }
            }
        }
    }
    found
}

fn shown(node: &Node) -> String {
    format!("{} \"{}\"", node.kind.word().replace('_', " "), node.name)
}

fn ref_problem(
    graph: &Graph,
    node: &Node,
    call: &RefCall,
    span: &Span,
    problem: &RefProblem,
) -> Diagnostic {
    let name = &call.name;
    if name.is_empty() {
        let message = format!("{} refs a name that has no value", shown(node));
        let help = "Put the name into quotes, as in ref('orders'), or set the variable.";
        return Diagnostic::error(codes::REF_MISSING, message).at(span.clone(), "").help(help);
    }
    let (code, message, help) = match problem {
        RefProblem::Missing => {
            let message = match &call.package {
                Some(package) => {
                    format!(
                        "{} refs \"{name}\" of package \"{package}\", which does not exist",
                        shown(node)
                    )
                }
                None => format!("{} refs \"{name}\", which does not exist", shown(node)),
            };
            let elsewhere = call.package.as_ref().and_then(|_| {
                let bare = RefCall { package: None, ..call.clone() };
                let found = graph.find_ref(&bare, &node.package).ok()?;
                Some(format!("Did you mean ref('{}', '{name}')?", found.package))
            });
            let near = elsewhere.or_else(|| suggest::did_you_mean(name, graph.referable_names()));
            let hint = near.unwrap_or_else(|| {
                let as_source = graph.source_names().find(|(_, table)| table == name);
                as_source.map_or_else(
                    || format!("Add {name}.sql to the models, or correct the name."),
                    |(source, table)| format!("Did you mean source('{source}', '{table}')?"),
                )
            });
            (codes::REF_MISSING, message, hint)
        }
        RefProblem::Disabled(id) => (
            codes::REF_DISABLED,
            format!("{} refs \"{name}\", which is disabled", shown(node)),
            format!("Enable {id}, or disable this node too."),
        ),
        RefProblem::Ambiguous(ids) => {
            let ids: Vec<&str> = ids.iter().map(NodeId::as_str).collect();
            (
                codes::REF_AMBIGUOUS,
                format!("{} refs \"{name}\", which several packages have", shown(node)),
                format!("Name the package, as in ref('package', '{name}'): {}.", ids.join(", ")),
            )
        }
        RefProblem::NoVersion(versions) => (
            codes::REF_MISSING,
            format!(
                "{} refs version {} of \"{name}\", which does not exist",
                shown(node),
                call.version.as_deref().unwrap_or("latest")
            ),
            match versions.is_empty() {
                true => format!("\"{name}\" has no versions: write ref('{name}')."),
                false => format!("Versions are: {}.", versions.join(", ")),
            },
        ),
    };
    Diagnostic::error(code, message).at(span.clone(), "").help(help)
}

fn source_problem(
    graph: &Graph,
    node: &Node,
    call: &SourceCall,
    problem: &RefProblem,
) -> Diagnostic {
    let shown_call = format!("source('{}', '{}')", call.source, call.table);
    let (message, help) = match problem {
        RefProblem::Disabled(id) => (
            format!("{} uses {shown_call}, which is disabled", shown(node)),
            format!("Enable {id}, or disable this node too."),
        ),
        RefProblem::Missing | RefProblem::Ambiguous(_) | RefProblem::NoVersion(_) => {
            let message = format!("{} uses {shown_call}, which is declared nowhere", shown(node));
            (message, source_hint(graph, call))
        }
    };
    Diagnostic::error(codes::SOURCE_MISSING, message).at(call.span.clone(), "").help(help)
}

fn source_hint(graph: &Graph, call: &SourceCall) -> String {
    let tables: Vec<&str> = graph
        .source_names()
        .filter(|(source, _)| *source == call.source)
        .map(|(_, table)| table.as_str())
        .collect();
    if !tables.is_empty() {
        let near = suggest::did_you_mean(&call.table, tables.iter().copied());
        return near.unwrap_or_else(|| {
            let (source, table) = (&call.source, &call.table);
            format!("Add the stream \"{table}\" to ingest/{source}.yml, or to a sources: block.")
        });
    }
    let sources = graph.source_names().map(|(source, _)| source.as_str());
    suggest::did_you_mean(&call.source, sources).unwrap_or_else(|| {
        format!("Declare it in ingest/{}.yml, or in a sources: block.", call.source)
    })
}

fn report_cycle(graph: &Graph, cycle: &[NodeId]) -> Option<Diagnostic> {
    let names: Vec<&str> =
        cycle.iter().filter_map(|id| graph.nodes.get(id)).map(|node| node.name.as_str()).collect();
    let first = graph.nodes.get(cycle.first()?)?;
    let message = format!("nodes depend on each other in a circle: {}", names.join(" -> "));
    let mut problem = Diagnostic::error(codes::CYCLE, message);
    // The walk goes from a node to what it refs: each label stands at the `ref` of its step.
    for pair in cycle.windows(2) {
        let (child, parent) = (graph.nodes.get(&pair[0])?, graph.nodes.get(&pair[1])?);
        let place = child
            .refs
            .iter()
            .find(|(call, _)| call.name == parent.name)
            .map_or_else(|| child.span.clone(), |(_, span)| span.clone());
        let text = format!("\"{}\" refs \"{}\"", child.name, parent.name);
        problem = if problem.primary.is_none() {
            problem.at(place, text)
        } else {
            problem.also(place, text)
        };
    }
    Some(problem.help(format!("Take one of these refs out, starting with \"{}\".", first.name)))
}

/// Two nodes that would be written to one table.
fn report_clashes(graph: &Graph, diagnostics: &mut Vec<Diagnostic>) {
    let mut owners: BTreeMap<TableName, &Node> = BTreeMap::new();
    for node in graph.nodes.values() {
        let writes = matches!(
            node.kind,
            NodeKind::Stream | NodeKind::Seed | NodeKind::Model | NodeKind::Snapshot
        );
        let Some(relation) = node.relation.as_ref().filter(|_| writes && !node.is_ephemeral())
        else {
            continue;
        };
        let Some(first) = owners.insert(relation.table(), node) else { continue };
        let message =
            format!("{} and {} are both written to {relation}", shown(first), shown(node));
        diagnostics.push(
            Diagnostic::error(codes::DUPLICATE_RELATION, message)
                .at(node.span.clone(), "")
                .also(first.span.clone(), "")
                .help("Give one of them another alias or schema."),
        );
    }
}
