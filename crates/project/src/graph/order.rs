//! Build order and circles.

use std::collections::{BTreeMap, BTreeSet};

use base::NodeId;

use super::Graph;

/// Parents before children; among those that are free, by id. Nodes in a circle, and what stands
/// below one, come last: from the place that is returned beside the order.
pub(super) fn topological(graph: &Graph) -> (Vec<NodeId>, usize) {
    let mut waiting: BTreeMap<&NodeId, usize> = BTreeMap::new();
    let mut free: BTreeSet<&NodeId> = BTreeSet::new();
    for (id, node) in &graph.nodes {
        let parents =
            node.depends_on.iter().filter(|parent| graph.nodes.contains_key(*parent)).count();
        if parents == 0 {
            free.insert(id);
        } else {
            waiting.insert(id, parents);
        }
    }
    let mut order = Vec::with_capacity(graph.nodes.len());
    while let Some(id) = free.pop_first() {
        order.push(id.clone());
        for child in graph.children(id) {
            if let Some(count) = waiting.get_mut(child) {
                *count -= 1;
                if *count == 0 {
                    let (child, _) = waiting.remove_entry(child).unwrap_or((child, 0));
                    free.insert(child);
                }
            }
        }
    }
    let placed = order.len();
    order.extend(waiting.into_keys().cloned());
    (order, placed)
}

/// One circle for every knot of nodes that depend on each other, as a closed walk over parents.
pub(crate) fn cycles(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut found = Vec::new();
    let mut done: BTreeSet<NodeId> = BTreeSet::new();
    // What found its place in the order is in no circle.
    for id in &graph.order[graph.placed..] {
        if done.contains(id) {
            continue;
        }
        let Some(cycle) = shortest_cycle(graph, id) else { continue };
        // The rest of the same knot would tell the same story again.
        let above = graph.ancestors(id, None);
        let below = graph.descendants(id, None);
        done.extend(above.intersection(&below).cloned());
        done.extend(cycle.iter().cloned());
        found.push(cycle);
    }
    found
}

fn shortest_cycle(graph: &Graph, from: &NodeId) -> Option<Vec<NodeId>> {
    let mut came_from: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    let mut edge = vec![from.clone()];
    while !edge.is_empty() {
        let mut further = Vec::new();
        for id in edge {
            for parent in graph.parents(&id) {
                if parent == from {
                    let mut walk = vec![from.clone(), id.clone()];
                    let mut at = id;
                    while let Some(before) = came_from.get(&at) {
                        walk.push(before.clone());
                        at = before.clone();
                    }
                    if walk.last() != Some(from) {
                        walk.push(from.clone());
                    }
                    walk.reverse();
                    return Some(walk);
                }
                if !came_from.contains_key(parent) {
                    came_from.insert(parent.clone(), id.clone());
                    further.push(parent.clone());
                }
            }
        }
        edge = further;
    }
    None
}
