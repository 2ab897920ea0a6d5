//! The graph around a node, laid out: never more of it than a person can look at.

use std::collections::{BTreeSet, HashMap, VecDeque};

use access::Permission;
use axum::Json;
use axum::extract::{Path, Query, State};
use base::NodeId;
use project::{Graph, NodeKind};
use serde::{Deserialize, Serialize};

use crate::layout::{self, Sizes};
use crate::overview::{self, NodeRow, Overview, is_shown};
use crate::{Answer, Routes, ServerError, SharedPlatform};

/// Nodes of one answer.
const NODES_MAX: usize = 300;
/// Steps up and down when nobody says how many.
const DEPTH_USUAL: usize = 3;
const SIZES: Sizes = Sizes { width: 224.0, height: 54.0, gap_x: 88.0, gap_y: 22.0 };

pub(super) fn routes() -> Routes {
    let see = Permission::See;
    Routes::new().get("/api/v1/lineage", see, "the whole graph, as far as it fits", whole).get(
        "/api/v1/lineage/{node}",
        see,
        "the graph around a node",
        around,
    )
}

#[derive(Debug, Serialize)]
struct LineageAnswer {
    focus: NodeId,
    up: usize,
    down: usize,
    /// Whether there is more than fits.
    cut: bool,
    node_width: f64,
    node_height: f64,
    nodes: Vec<LineageNode>,
    edges: Vec<EdgeAnswer>,
}

#[derive(Debug, Serialize)]
struct LineageNode {
    #[serde(flatten)]
    row: NodeRow,
    x: f64,
    y: f64,
    rank: usize,
    focus: bool,
    /// Parents that are not shown.
    hidden_up: usize,
    /// Children that are not shown.
    hidden_down: usize,
}

#[derive(Debug, Serialize)]
struct EdgeAnswer {
    from: NodeId,
    to: NodeId,
}

#[derive(Deserialize)]
struct Depth {
    up: Option<usize>,
    down: Option<usize>,
}

async fn around(
    State(platform): State<SharedPlatform>,
    Path(node): Path<String>,
    Query(depth): Query<Depth>,
) -> Answer<LineageAnswer> {
    let overview = overview::read(&platform).await?;
    let focus = NodeId::new(node.as_str());
    if !overview.rows.contains_key(&focus) {
        let message = format!("there is no node \"{}\"", node.escape_debug());
        return Err(ServerError::not_found(message).with_help("/api/v1/tables lists them."));
    }
    let (up, down) = (depth.up.unwrap_or(DEPTH_USUAL), depth.down.unwrap_or(DEPTH_USUAL));
    let (shown, cut) = neighbourhood(&overview.project.graph, &focus, up, down);
    Ok(Json(drawn(&overview, focus, (up, down), &shown, cut)))
}

async fn whole(State(platform): State<SharedPlatform>) -> Answer<LineageAnswer> {
    let overview = overview::read(&platform).await?;
    let worst = overview.rows.values().max_by_key(|row| row.state);
    let Some(worst) = worst.map(|row| row.id.clone()) else {
        let nobody = NodeId::new("");
        return Ok(Json(drawn(&overview, nobody, (0, 0), &BTreeSet::new(), false)));
    };
    let all: BTreeSet<NodeId> = overview.rows.keys().cloned().collect();
    let every = overview.project.graph.nodes.len();
    if all.len() <= NODES_MAX {
        return Ok(Json(drawn(&overview, worst, (every, every), &all, false)));
    }
    let (shown, _) = neighbourhood(&overview.project.graph, &worst, DEPTH_USUAL, DEPTH_USUAL);
    Ok(Json(drawn(&overview, worst, (DEPTH_USUAL, DEPTH_USUAL), &shown, true)))
}

/// The nodes around one, nearest first, and whether some had to be left out.
fn neighbourhood(
    graph: &Graph,
    focus: &NodeId,
    up: usize,
    down: usize,
) -> (BTreeSet<NodeId>, bool) {
    let mut shown: BTreeSet<NodeId> = [focus.clone()].into();
    let mut cut = false;
    let mut seen = [BTreeSet::from([focus.clone()]), BTreeSet::from([focus.clone()])];
    let mut edge: VecDeque<(NodeId, bool, usize)> =
        [(focus.clone(), true, 0), (focus.clone(), false, 0)].into();
    while let Some((id, upward, distance)) = edge.pop_front() {
        if distance >= if upward { up } else { down } {
            continue;
        }
        let beside = if upward { graph.parents(&id) } else { graph.children(&id) };
        for other in beside {
            let known = graph.node(other).is_some_and(is_shown);
            if !known || !seen[usize::from(upward)].insert(other.clone()) {
                continue;
            }
            if shown.len() >= NODES_MAX && !shown.contains(other) {
                cut = true;
                continue;
            }
            shown.insert(other.clone());
            edge.push_back((other.clone(), upward, distance + 1));
        }
    }
    (shown, cut)
}

fn drawn(
    overview: &Overview,
    focus: NodeId,
    (up, down): (usize, usize),
    shown: &BTreeSet<NodeId>,
    cut: bool,
) -> LineageAnswer {
    let graph = &overview.project.graph;
    let places: HashMap<&NodeId, usize> =
        shown.iter().enumerate().map(|(at, id)| (id, at)).collect();
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for (child, at) in &places {
        let parents = graph.parents(child).iter().filter_map(|parent| places.get(parent));
        edges.extend(parents.map(|parent| (*parent, *at)));
    }
    edges.sort_unstable();
    let laid_out = layout::layout(shown.len(), &edges, SIZES);
    let ids: Vec<&NodeId> = shown.iter().collect();
    let hidden = |others: &[NodeId]| {
        let others = others.iter().filter_map(|id| graph.node(id));
        others.filter(|node| is_shown(node) && !places.contains_key(&node.id)).count()
    };
    let nodes = ids.iter().zip(laid_out).filter_map(|(id, place)| {
        let row = overview.rows.get(*id)?.clone();
        Some(LineageNode {
            x: place.x,
            y: place.y,
            rank: place.rank,
            focus: **id == focus,
            hidden_up: hidden(graph.parents(id)),
            hidden_down: hidden(graph.children(id)),
            row,
        })
    });
    let edge =
        |(from, to): &(usize, usize)| EdgeAnswer { from: ids[*from].clone(), to: ids[*to].clone() };
    LineageAnswer {
        up,
        down,
        cut,
        node_width: SIZES.width,
        node_height: SIZES.height,
        nodes: nodes.collect(),
        edges: edges.iter().map(edge).collect(),
        focus,
    }
}

/// Nodes at the end of the line that read a node, directly or through others.
pub(super) fn consumers(graph: &Graph, node: &NodeId) -> BTreeSet<NodeId> {
    let mut found = graph.descendants(node, None);
    found.retain(|id| {
        let known = graph.node(id);
        known.is_some_and(|node| {
            overview::is_product(node)
                || (node.kind == NodeKind::Model && !leads_to_a_model(graph, id))
        })
    });
    found
}

fn leads_to_a_model(graph: &Graph, node: &NodeId) -> bool {
    let mut children = graph.children(node).iter().filter_map(|child| graph.node(child));
    children.any(|child| child.kind == NodeKind::Model)
}
