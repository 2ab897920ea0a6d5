//! The planner: a selection of the graph → steps, what each waits for, and which tests gate it.

use std::collections::{BTreeMap, BTreeSet};

use base::NodeId;

use crate::OrchestrationError;

/// What the planner must know of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestView {
    /// Whether a failure holds back what it tests; a test of severity warn gates nothing.
    pub gates: bool,
}

/// The graph as the planner sees it.
#[derive(Clone, Debug, Default)]
pub struct GraphView {
    /// Every node and what it reads, tests included.
    pub parents: BTreeMap<NodeId, Vec<NodeId>>,
    /// The tests among them.
    pub tests: BTreeMap<NodeId, TestView>,
    /// Selected nodes that are carried out (not ephemeral models, not sources).
    pub selected: BTreeSet<NodeId>,
    /// Those of them that publish as they go, such as streams: a test cannot hold them back, so
    /// that it is a step of its own which whatever reads them waits for.
    pub publish_at_once: BTreeSet<NodeId>,
    /// Whether tests run on the staged version of what they test (`build`) or as steps of their
    /// own (`test`, `build --no-audit`).
    pub audit: bool,
}

/// One node to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The node.
    pub node: NodeId,
    /// Steps that must have succeeded before.
    pub after: BTreeSet<NodeId>,
    /// Tests that run on the staged version and hold it back when they fail.
    pub gates: Vec<NodeId>,
    /// Tests that run on the staged version and only warn.
    pub warnings: Vec<NodeId>,
}

/// Steps in an order in which they may be carried out one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

/// Makes the plan for a selection.
///
/// A gating test belongs to the last of its parents in graph order, so that every other parent is
/// already published when it runs. A test none of whose parents is carried out is a step of its
/// own, and whatever reads its parents waits for it.
///
/// # Errors
/// When nodes wait for each other.
pub fn plan(view: &GraphView) -> Result<Plan, OrchestrationError> {
    let order = graph_order(&view.parents)?;
    let rank: BTreeMap<&NodeId, usize> =
        order.iter().enumerate().map(|(rank, node)| (*node, rank)).collect();
    let ancestors = selected_ancestors(view, &order);
    let mut steps: BTreeMap<&NodeId, Step> = BTreeMap::new();
    let mut own_steps: Vec<&NodeId> = Vec::new();
    for node in order.iter().copied().filter(|node| view.selected.contains(*node)) {
        let after = ancestors.get(node).cloned().unwrap_or_default();
        let Some(test) = view.tests.get(node) else {
            steps.insert(node, new_step(node, after));
            continue;
        };
        let hosts = |parent: &&NodeId| {
            steps.contains_key(*parent) && !view.publish_at_once.contains(*parent)
        };
        let host = after.iter().filter(hosts);
        let host = host.max_by_key(|parent| rank.get(parent).copied().unwrap_or(0)).cloned();
        match host.filter(|_| view.audit).and_then(|host| steps.get_mut(&host)) {
            Some(step) => {
                if test.gates { &mut step.gates } else { &mut step.warnings }.push(node.clone());
                let host = step.node.clone();
                step.after.extend(after.into_iter().filter(|parent| *parent != host));
            }
            None => own_steps.push(node),
        }
    }
    let mut own: Vec<Step> = Vec::new();
    for test in own_steps {
        own.push(new_step(test, ancestors.get(test).cloned().unwrap_or_default()));
        if view.audit && view.tests.get(test).is_some_and(|test| test.gates) {
            hold_back_readers(view, &order, test, &mut steps);
        }
    }
    if !view.audit {
        wait_for_tests(view, &order, &own, &mut steps);
    }
    Ok(Plan { steps: in_order(steps.into_values().chain(own).collect()) })
}

fn new_step(node: &NodeId, after: BTreeSet<NodeId>) -> Step {
    Step { node: node.clone(), after, gates: Vec::new(), warnings: Vec::new() }
}

/// Every node after all of its parents; ties in the order of names, so that plans are repeatable.
fn graph_order(
    parents: &BTreeMap<NodeId, Vec<NodeId>>,
) -> Result<Vec<&NodeId>, OrchestrationError> {
    let mut waiting: BTreeMap<&NodeId, usize> = BTreeMap::new();
    let mut children: BTreeMap<&NodeId, Vec<&NodeId>> = BTreeMap::new();
    for (node, node_parents) in parents {
        let known: BTreeSet<&NodeId> =
            node_parents.iter().filter(|parent| parents.contains_key(*parent)).collect();
        waiting.insert(node, known.len());
        for parent in known {
            children.entry(parent).or_default().push(node);
        }
    }
    let mut ready: BTreeSet<&NodeId> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(node, _)| *node).collect();
    let mut order = Vec::with_capacity(parents.len());
    while let Some(node) = ready.pop_first() {
        order.push(node);
        for child in children.remove(node).unwrap_or_default() {
            if let Some(count) = waiting.get_mut(child) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(child);
                }
            }
        }
    }
    if order.len() < parents.len() {
        let done: BTreeSet<&NodeId> = order.into_iter().collect();
        let nodes = parents.keys().filter(|node| !done.contains(node)).cloned().collect();
        return Err(OrchestrationError::Cycle { nodes });
    }
    Ok(order)
}

/// For every node, the nearest selected nodes above it, through those that are not selected.
/// Tests are nobody's ancestor.
fn selected_ancestors<'a>(
    view: &'a GraphView,
    order: &[&'a NodeId],
) -> BTreeMap<&'a NodeId, BTreeSet<NodeId>> {
    let mut nearest: BTreeMap<&NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    for node in order {
        let mut above = BTreeSet::new();
        for parent in view.parents.get(*node).into_iter().flatten() {
            if view.tests.contains_key(parent) {
                continue;
            }
            if view.selected.contains(parent) {
                above.insert(parent.clone());
            } else if let Some(further) = nearest.get(parent) {
                above.extend(further.iter().cloned());
            }
        }
        nearest.insert(node, above);
    }
    nearest
}

/// Makes every step that reads a parent of `test` wait for it, unless the test itself waits for
/// that step.
fn hold_back_readers(
    view: &GraphView,
    order: &[&NodeId],
    test: &NodeId,
    steps: &mut BTreeMap<&NodeId, Step>,
) {
    let tested: BTreeSet<&NodeId> = view.parents.get(test).into_iter().flatten().collect();
    let mut reads: BTreeSet<&NodeId> = BTreeSet::new();
    for node in order {
        let direct = view.parents.get(*node).into_iter().flatten();
        if direct.into_iter().any(|parent| tested.contains(parent) || reads.contains(parent)) {
            reads.insert(node);
        }
    }
    for node in reads.into_iter().filter(|node| !tested.contains(node)) {
        if let Some(step) = steps.get_mut(node) {
            step.after.insert(test.clone());
        }
    }
}

/// dbt's order: a step waits for the tests all of whose parents it reads. What a step above it
/// waits for already is not said again: that would be every test for nearly every step.
fn wait_for_tests(
    view: &GraphView,
    order: &[&NodeId],
    tests: &[Step],
    steps: &mut BTreeMap<&NodeId, Step>,
) {
    if tests.is_empty() || steps.is_empty() {
        return;
    }
    let parents_of = |node: &NodeId| view.parents.get(node).map_or(&[][..], Vec::as_slice);
    let mut of_one: BTreeMap<&NodeId, BTreeSet<&NodeId>> = BTreeMap::new();
    let mut of_many: Vec<(&NodeId, &[NodeId])> = Vec::new();
    for test in tests {
        match parents_of(&test.node) {
            [] => {}
            [only] => {
                of_one.entry(only).or_default().insert(&test.node);
            }
            several => of_many.push((&test.node, several)),
        }
    }
    let watched: BTreeSet<&NodeId> = of_many.iter().flat_map(|(_, parents)| *parents).collect();
    // Tests that whoever reads a node has to wait for, and the watched nodes above it.
    let mut pending: BTreeMap<&NodeId, BTreeSet<&NodeId>> = BTreeMap::new();
    let mut above: BTreeMap<&NodeId, BTreeSet<&NodeId>> = BTreeMap::new();
    for node in order {
        let (mut waits, mut reads) = (BTreeSet::new(), BTreeSet::new());
        for parent in parents_of(node) {
            waits.extend(pending.get(parent).into_iter().flatten().copied());
            reads.extend(above.get(parent).into_iter().flatten().copied());
            reads.extend(watched.get(parent).copied());
        }
        let mut left = of_one.remove(*node).unwrap_or_default();
        match steps.get_mut(*node) {
            Some(step) => {
                let met = of_many
                    .iter()
                    .filter(|(_, parents)| parents.iter().all(|parent| reads.contains(parent)));
                waits.extend(met.map(|(test, _)| *test));
                step.after.extend(waits.into_iter().cloned());
            }
            // A node that is no step holds nobody up: its readers wait in its place.
            None => left.extend(waits),
        }
        pending.insert(node, left);
        above.insert(node, reads);
    }
}

fn in_order(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort_by(|a, b| a.node.cmp(&b.node));
    let mut placed: BTreeSet<NodeId> = BTreeSet::new();
    let mut ordered = Vec::with_capacity(steps.len());
    while !steps.is_empty() {
        let (ready, waiting): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| step.after.is_subset(&placed));
        assert!(!ready.is_empty(), "edges follow the graph's order, so some step is always ready");
        placed.extend(ready.iter().map(|step| step.node.clone()));
        ordered.extend(ready);
        steps = waiting;
    }
    ordered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn view(parents: &[(&str, &[&str])], tests: &[(&str, bool)], selected: &[&str]) -> GraphView {
        let id = |name: &&str| NodeId::from(*name);
        GraphView {
            parents: parents
                .iter()
                .map(|(node, above)| (NodeId::from(*node), above.iter().map(id).collect()))
                .collect(),
            tests: tests
                .iter()
                .map(|(node, gates)| (NodeId::from(*node), TestView { gates: *gates }))
                .collect(),
            selected: selected.iter().map(id).collect(),
            audit: true,
            ..GraphView::default()
        }
    }

    fn step<'a>(plan: &'a Plan, node: &str) -> &'a Step {
        plan.steps.iter().find(|step| step.node.as_str() == node).expect("a step")
    }

    #[test]
    fn a_test_gates_the_last_of_its_parents_which_then_waits_for_the_others() {
        let graph = view(
            &[("a", &[]), ("b", &[]), ("c", &["b"]), ("t", &["a", "c"])],
            &[("t", true)],
            &["a", "b", "c", "t"],
        );
        let plan = plan(&graph).expect("a plan");
        assert_eq!(step(&plan, "c").gates, vec![NodeId::from("t")]);
        assert_eq!(step(&plan, "c").after, ["a".into(), "b".into()].into());
        assert_eq!(plan.steps.len(), 3);
    }

    #[test]
    fn a_test_of_a_source_holds_back_what_reads_the_source() {
        let graph = view(
            &[("s", &[]), ("m", &["s"]), ("n", &["m"]), ("t", &["s"])],
            &[("t", true)],
            &["m", "n", "t"],
        );
        let plan = plan(&graph).expect("a plan");
        assert!(step(&plan, "m").after.contains(&NodeId::from("t")));
        assert!(step(&plan, "n").after.contains(&NodeId::from("t")));
    }

    #[test]
    fn a_node_that_is_not_selected_still_orders_those_around_it() {
        let graph = view(&[("a", &[]), ("b", &["a"]), ("c", &["b"])], &[], &["a", "c"]);
        let plan = plan(&graph).expect("a plan");
        assert_eq!(step(&plan, "c").after, ["a".into()].into());
    }

    #[test]
    fn a_warning_gates_nothing_and_without_audit_tests_are_steps() {
        let mut graph = view(
            &[("a", &[]), ("b", &["a"]), ("t", &["a"]), ("w", &["a"])],
            &[("t", true), ("w", false)],
            &["a", "b", "t", "w"],
        );
        let audited = plan(&graph).expect("a plan");
        assert_eq!(step(&audited, "a").warnings, vec![NodeId::from("w")]);
        graph.audit = false;
        let plain = plan(&graph).expect("a plan");
        assert_eq!(plain.steps.len(), 4);
        assert!(step(&plain, "b").after.contains(&NodeId::from("t")), "as in dbt");
        assert!(!step(&plain, "a").after.contains(&NodeId::from("t")));
    }

    #[test]
    fn without_audit_a_test_is_waited_for_through_nodes_that_are_not_built() {
        let mut graph = view(
            &[
                ("a", &[]),
                ("e", &["a"]),
                ("b", &["e"]),
                ("c", &["b"]),
                ("t", &["a"]),
                ("u", &["a", "b"]),
            ],
            &[("t", true), ("u", true)],
            &["a", "b", "c", "t", "u"],
        );
        graph.audit = false;
        let plan = plan(&graph).expect("a plan");
        assert_eq!(step(&plan, "b").after, ["a".into(), "t".into()].into());
        // That `c` waits for `t` follows from its waiting for `b`.
        assert_eq!(step(&plan, "c").after, ["b".into(), "u".into()].into());
    }

    #[test]
    fn nodes_that_wait_for_each_other_are_named() {
        let graph = view(&[("a", &["b"]), ("b", &["a"]), ("c", &[])], &[], &["a", "b", "c"]);
        let error = plan(&graph).expect_err("a cycle");
        assert_eq!(error.to_string(), "the nodes `a`, `b` wait for each other");
    }

    proptest! {
        #[test]
        fn every_selected_node_is_planned_once_and_after_what_it_waits_for(
            edges in proptest::collection::vec((0_usize..12, 0_usize..12), 0..40),
            selected in proptest::collection::btree_set(0_usize..12, 0..12),
            tests in proptest::collection::btree_set(8_usize..12, 0..4),
        ) {
            let name = |index: usize| NodeId::new(format!("n{index:02}"));
            let mut graph = GraphView { audit: true, ..GraphView::default() };
            for index in 0..12 {
                graph.parents.insert(name(index), Vec::new());
            }
            for (a, b) in edges {
                let (low, high) = (a.min(b), a.max(b));
                if low != high && !tests.contains(&low) {
                    graph.parents.entry(name(high)).or_default().push(name(low));
                }
            }
            graph.tests = tests.iter().map(|one| (name(*one), TestView { gates: true })).collect();
            graph.selected = selected.iter().map(|one| name(*one)).collect();
            let plan = plan(&graph).expect("edges lead upward, so there is no cycle");
            let mut seen = BTreeSet::new();
            let mut planned: Vec<NodeId> = Vec::new();
            for step in &plan.steps {
                prop_assert!(step.after.is_subset(&seen), "{step:?}");
                seen.insert(step.node.clone());
                planned.push(step.node.clone());
                planned.extend(step.gates.iter().cloned());
            }
            planned.sort();
            prop_assert_eq!(planned, graph.selected.iter().cloned().collect::<Vec<_>>());
        }
    }
}
