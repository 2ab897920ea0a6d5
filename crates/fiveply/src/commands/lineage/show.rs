//! Lineage as text: one tree upward, one downward, for each column.

use std::collections::BTreeSet;

use base::NodeId;
use project::{Graph, NodeKind};

use crate::commands::lineage::trace::{Edge, Place, Trace};

/// Deeper trees are cut; the JSON has every hop.
const DEPTH_MAX: usize = 64;

pub(crate) fn text(graph: &Graph, trace: &Trace) -> String {
    let mut lines = Vec::new();
    for start in &trace.starts {
        lines.push(name(graph, start));
        let mut tree = Tree { graph, trace, seen: BTreeSet::new(), lines: Vec::new() };
        tree.upward(start, 1);
        let up = std::mem::take(&mut tree.lines);
        tree.seen.clear();
        tree.downward(start, 1);
        let down = tree.lines;
        for (title, part) in [("comes from", up), ("goes to", down)] {
            if !part.is_empty() {
                lines.push(format!("  {title}"));
                lines.extend(part);
            }
        }
    }
    let nodes: BTreeSet<&NodeId> = trace.starts.iter().map(|start| &start.node).collect();
    let decides: BTreeSet<String> = trace
        .decisions
        .iter()
        .filter(|decision| nodes.contains(&decision.to))
        .map(|decision| name(graph, &decision.from))
        .collect();
    if !decides.is_empty() {
        lines.push("which rows there are is decided by".to_owned());
        lines.extend(decides.into_iter().map(|name| format!("    {name}")));
    }
    for (node, why) in &trace.unplanned {
        lines.push(format!("not planned: {node}: {why}"));
    }
    lines.join("\n")
}

/// `orders.amount`; what is no model says what it is.
fn name(graph: &Graph, place: &Place) -> String {
    format!("{}.{}", title(graph, &place.node), place.column)
}

fn title(graph: &Graph, id: &NodeId) -> String {
    let Some(node) = graph.node(id) else { return id.to_string() };
    match node.kind {
        NodeKind::Model => node.name.clone(),
        NodeKind::Source => {
            let source = node.source.as_ref().map(|facts| facts.source.as_str());
            format!("source {}.{}", source.unwrap_or_default(), node.name)
        }
        other => format!("{} {}", other.word().replace('_', " "), node.name),
    }
}

struct Tree<'a> {
    graph: &'a Graph,
    trace: &'a Trace,
    seen: BTreeSet<Place>,
    lines: Vec<String>,
}

impl Tree<'_> {
    fn line(&mut self, text: &str, how: &str, depth: usize) {
        let text = format!("{}{text}", "  ".repeat(depth + 1));
        self.lines.push(format!("{text:<48}  {how}").trim_end().to_owned());
    }

    fn upward(&mut self, place: &Place, depth: usize) {
        let trace = self.trace;
        let edges: Vec<&Edge> = trace.up.iter().filter(|edge| edge.to == *place).collect();
        for edge in edges {
            let again = !self.seen.insert(edge.from.clone()) || depth >= DEPTH_MAX;
            let known = trace.up.iter().any(|above| above.to == edge.from);
            let how =
                if again && known { format!("{} (above)", edge.how) } else { edge.how.into() };
            self.line(&name(self.graph, &edge.from), &how, depth);
            if !again {
                self.upward(&edge.from, depth + 1);
            }
        }
    }

    fn downward(&mut self, place: &Place, depth: usize) {
        let trace = self.trace;
        let edges: Vec<&Edge> = trace.down.iter().filter(|edge| edge.from == *place).collect();
        for edge in edges {
            let again = !self.seen.insert(edge.to.clone()) || depth >= DEPTH_MAX;
            let known = trace.down.iter().any(|below| below.from == edge.to);
            let how =
                if again && known { format!("{} (above)", edge.how) } else { edge.how.into() };
            self.line(&name(self.graph, &edge.to), &how, depth);
            if !again {
                self.downward(&edge.to, depth + 1);
            }
        }
        for end in trace.ends.iter().filter(|end| end.reads == *place) {
            self.line(&title(self.graph, &end.node), "", depth);
        }
    }
}
