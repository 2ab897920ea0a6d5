//! Where the nodes of a graph are drawn: ranks from left to right, few crossings, children near
//! the height of their parents. Deterministic, so that a link shows what its sender saw.

use std::collections::HashMap;

/// Sweeps over the ranks; more change little.
const SWEEPS: usize = 8;

/// Sizes of what is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) gap_x: f64,
    pub(crate) gap_y: f64,
}

/// Where a node is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Place {
    pub(crate) rank: usize,
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// Lays out `nodes` nodes; an edge leads from a parent to a child, and edges form no circle.
pub(crate) fn layout(nodes: usize, edges: &[(usize, usize)], sizes: Sizes) -> Vec<Place> {
    let ranks = ranks(nodes, edges);
    let graph = Layered::new(&ranks, edges);
    let order = graph.ordered();
    let ys = graph.heights(&order, sizes);
    ranks
        .iter()
        .enumerate()
        .map(|(node, rank)| Place {
            rank: *rank,
            #[allow(clippy::cast_precision_loss, reason = "a few hundred ranks")]
            x: *rank as f64 * (sizes.width + sizes.gap_x),
            y: ys[node],
        })
        .collect()
}

/// The longest way from a node without parents; then those without parents move next to their
/// nearest child.
fn ranks(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut ranks = vec![0_usize; nodes];
    // As many rounds as the longest way: each moves at least one more rank to its place.
    for _ in 0..nodes {
        let mut moved = false;
        for (parent, child) in edges {
            if ranks[*child] <= ranks[*parent] {
                ranks[*child] = ranks[*parent] + 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let has_parent: Vec<bool> =
        (0..nodes).map(|node| edges.iter().any(|(_, child)| *child == node)).collect();
    for node in (0..nodes).filter(|node| !has_parent[*node]) {
        let children = edges.iter().filter(|(parent, _)| *parent == node);
        if let Some(nearest) = children.map(|(_, child)| ranks[*child]).min() {
            ranks[node] = nearest.saturating_sub(1);
        }
    }
    ranks
}

/// The graph with a bend for each rank that an edge crosses, so that edges have a way of their
/// own between the nodes.
struct Layered {
    nodes: usize,
    layers: Vec<Vec<usize>>,
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
}

impl Layered {
    fn new(ranks: &[usize], edges: &[(usize, usize)]) -> Self {
        let nodes = ranks.len();
        let count = ranks.iter().max().map_or(0, |last| last + 1);
        let mut layers = vec![Vec::new(); count];
        for (node, rank) in ranks.iter().enumerate() {
            layers[*rank].push(node);
        }
        let mut graph =
            Self { nodes, layers, above: vec![Vec::new(); nodes], below: vec![Vec::new(); nodes] };
        let mut bends: HashMap<(usize, usize), usize> = HashMap::new();
        for (parent, child) in edges {
            let mut from = *parent;
            for rank in ranks[*parent] + 1..ranks[*child] {
                // Edges from one parent share their bends: they run together until they part.
                let bend = *bends.entry((*parent, rank)).or_insert_with(|| {
                    graph.above.push(Vec::new());
                    graph.below.push(Vec::new());
                    let bend = graph.above.len() - 1;
                    graph.layers[rank].push(bend);
                    bend
                });
                graph.connect(from, bend);
                from = bend;
            }
            graph.connect(from, *child);
        }
        graph
    }

    fn connect(&mut self, parent: usize, child: usize) {
        if !self.below[parent].contains(&child) {
            self.below[parent].push(child);
            self.above[child].push(parent);
        }
    }

    /// Each layer from top to bottom: every node near the mean of its neighbours.
    fn ordered(&self) -> Vec<Vec<usize>> {
        let mut order = self.layers.clone();
        let mut best = (self.crossings(&order), order.clone());
        for sweep in 0..SWEEPS {
            let downward = sweep % 2 == 0;
            let mut at = vec![0.0_f64; self.above.len()];
            for layer in &order {
                place_by_order(layer, &mut at);
            }
            let layers: Vec<usize> = if downward {
                (1..order.len()).collect()
            } else {
                (0..order.len().saturating_sub(1)).rev().collect()
            };
            for layer in layers {
                let beside = if downward { &self.above } else { &self.below };
                let mut keyed: Vec<(f64, usize)> = order[layer]
                    .iter()
                    .map(|node| (mean(&beside[*node], &at).unwrap_or(at[*node]), *node))
                    .collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
                order[layer] = keyed.into_iter().map(|(_, node)| node).collect();
                place_by_order(&order[layer], &mut at);
            }
            let crossings = self.crossings(&order);
            if crossings < best.0 {
                best = (crossings, order.clone());
            }
        }
        best.1
    }

    fn crossings(&self, order: &[Vec<usize>]) -> usize {
        let mut at = vec![0_usize; self.above.len()];
        for layer in order {
            for (place, node) in layer.iter().enumerate() {
                at[*node] = place;
            }
        }
        let mut crossings = 0;
        for layer in order {
            let mut seen: Vec<usize> = Vec::new();
            for node in layer {
                let mut ends: Vec<usize> = self.below[*node].iter().map(|n| at[*n]).collect();
                for end in &ends {
                    crossings += seen.iter().filter(|other| *other > end).count();
                }
                seen.append(&mut ends);
            }
        }
        crossings
    }

    /// The height of each node: the order is kept, gaps are kept, and neighbours pull.
    fn heights(&self, order: &[Vec<usize>], sizes: Sizes) -> Vec<f64> {
        let size = |node: usize| if node < self.nodes { sizes.height } else { 0.0 };
        let mut y = vec![0.0_f64; self.above.len()];
        for layer in order {
            let mut next = 0.0;
            for node in layer {
                y[*node] = next;
                next += size(*node) + sizes.gap_y;
            }
        }
        for sweep in 0..SWEEPS * 2 {
            let downward = sweep % 2 == 0;
            let layers: Vec<usize> = if downward {
                (0..order.len()).collect()
            } else {
                (0..order.len()).rev().collect()
            };
            for layer in layers {
                let wanted: Vec<f64> = order[layer]
                    .iter()
                    .map(|node| {
                        let middle = |other: &usize| y[*other] + size(*other) / 2.0;
                        let beside = if downward { &self.above } else { &self.below };
                        let pulls: Vec<f64> = beside[*node].iter().map(middle).collect();
                        median(pulls).map_or(y[*node], |pull| pull - size(*node) / 2.0)
                    })
                    .collect();
                let heights: Vec<f64> =
                    order[layer].iter().map(|node| size(*node) + sizes.gap_y).collect();
                for (node, height) in order[layer].iter().zip(settle(&wanted, &heights)) {
                    y[*node] = height;
                }
            }
        }
        let top = y.iter().take(self.nodes).copied().fold(f64::INFINITY, f64::min);
        y.iter().map(|height| (height - top).round()).collect()
    }
}

fn place_by_order(layer: &[usize], at: &mut [f64]) {
    #[allow(clippy::cast_precision_loss, reason = "a few hundred nodes")]
    let count = layer.len() as f64;
    for (place, node) in layer.iter().enumerate() {
        #[allow(clippy::cast_precision_loss, reason = "a few hundred nodes")]
        let place = place as f64;
        // Layers of different lengths are compared around their middle.
        at[*node] = place - count / 2.0;
    }
}

fn mean(nodes: &[usize], at: &[f64]) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "a few hundred nodes")]
    let count = nodes.len() as f64;
    (!nodes.is_empty()).then(|| nodes.iter().map(|node| at[*node]).sum::<f64>() / count)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Heights as near to those wanted as order and sizes allow: overlapping ones form a block that
/// stands where its members would together like it best.
fn settle(wanted: &[f64], sizes: &[f64]) -> Vec<f64> {
    struct Block {
        first: usize,
        size: f64,
        sum: f64,
        count: f64,
    }
    let top = |block: &Block| block.sum / block.count;
    let mut blocks: Vec<Block> = Vec::new();
    for (place, (want, size)) in wanted.iter().zip(sizes).enumerate() {
        blocks.push(Block { first: place, size: *size, sum: *want, count: 1.0 });
        while let [.., upper, lower] = blocks.as_slice() {
            if top(upper) + upper.size <= top(lower) {
                break;
            }
            // Each member of the lower block wants its own place minus what stands above it.
            let sum = upper.sum + lower.sum - lower.count * upper.size;
            let merged = Block {
                first: upper.first,
                size: upper.size + lower.size,
                sum,
                count: upper.count + lower.count,
            };
            blocks.truncate(blocks.len() - 2);
            blocks.push(merged);
        }
    }
    let mut heights = vec![0.0; wanted.len()];
    for (index, block) in blocks.iter().enumerate() {
        let end = blocks.get(index + 1).map_or(wanted.len(), |next| next.first);
        let mut next = top(block);
        for place in block.first..end {
            heights[place] = next;
            next += sizes[place];
        }
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { width: 200.0, height: 50.0, gap_x: 80.0, gap_y: 20.0 };

    #[test]
    fn children_stand_to_the_right_of_all_their_parents() {
        let edges = [(0, 1), (1, 2), (0, 2), (3, 2)];
        let places = layout(4, &edges, SIZES);
        for (parent, child) in edges {
            assert!(places[parent].x < places[child].x, "{parent} → {child}");
        }
        assert_eq!(places[3].rank, 1, "a node without parents stands next to its child");
    }

    #[test]
    fn no_two_nodes_overlap() {
        let edges: Vec<(usize, usize)> =
            (0..60).map(|at| (at, at + 1 + (at * 7) % 9)).filter(|(_, to)| *to < 64).collect();
        let places = layout(64, &edges, SIZES);
        for (at, a) in places.iter().enumerate() {
            for b in &places[at + 1..] {
                let apart = a.rank != b.rank || (a.y - b.y).abs() >= SIZES.height;
                assert!(apart, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn crossings_that_can_be_avoided_are_avoided() {
        // a→d, b→c: drawn in order of numbers they would cross.
        let places = layout(4, &[(0, 3), (1, 2)], SIZES);
        assert_eq!(places[0].y < places[1].y, places[3].y < places[2].y);
    }

    #[test]
    fn a_chain_is_a_straight_line() {
        let places = layout(4, &[(0, 1), (1, 2), (2, 3)], SIZES);
        assert!(places.iter().all(|place| place.y.abs() < 0.5), "{places:?}");
    }

    #[test]
    fn nothing_is_laid_out_for_no_nodes() {
        assert_eq!(layout(0, &[], SIZES), Vec::new());
    }
}
