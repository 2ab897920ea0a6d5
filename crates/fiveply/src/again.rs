//! What a run left undone, to be done by another one.

use std::collections::BTreeSet;

use base::{NodeId, Retry};
use ledger::{RunCause, RunRecord, StepStatus};

use crate::commands::Verb;
use crate::failure::Failure;
use crate::work::{self, Order};
use crate::workplace::Workplace;

/// What a run left undone.
#[derive(Debug)]
pub(crate) struct Rest {
    /// What is to be done; none when nothing is left.
    pub(crate) order: Option<Order>,
    /// A node that failed and will fail again until somebody mends it.
    pub(crate) hopeless: Option<NodeId>,
}

/// Which failed nodes are taken up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// Each: somebody asked for it, or the run was cut off.
    All,
    /// Those whose fault may have passed by itself.
    MayHavePassed,
}

/// The steps of a run that did not succeed, with the tests that gate them.
///
/// # Errors
/// When the ledger cannot be read, or the run's command is not known here.
pub(crate) async fn rest_of(
    place: &Workplace,
    run: &RunRecord,
    failed: Failed,
    cause: RunCause,
) -> Result<Rest, Failure> {
    let Some(verb) = Verb::from_word(&run.command) else {
        return Err(Failure::usage(format!("a run of `{}` cannot be retried", run.command)));
    };
    let graph = &place.project.graph;
    let steps = place.ledger.steps(&run.id).await?;
    let hopeless: BTreeSet<&NodeId> = steps
        .iter()
        .filter(|step| failed == Failed::MayHavePassed && step.status == StepStatus::Failed)
        .filter(|step| !step.error_kind.is_some_and(|kind| may_pass(kind.retry())))
        .map(|step| &step.node)
        .collect();
    let mut left_out: BTreeSet<NodeId> = hopeless.iter().map(|node| (*node).clone()).collect();
    for id in graph.order() {
        let parents = graph.node(id).map(|node| node.depends_on.as_slice()).unwrap_or_default();
        if parents.iter().any(|parent| left_out.contains(parent)) {
            left_out.insert(id.clone());
        }
    }
    let again = steps.iter().filter(|step| step.status.wants_retry()).map(|step| &step.node);
    let again = again.filter(|node| !left_out.contains(*node)).cloned().collect();
    let options = work::arguments_of(&run.arguments);
    let selection: BTreeSet<NodeId> = run.selection.iter().cloned().collect();
    // Tests that ran on the version of what they gate are no steps of their own.
    let nodes = work::with_audits(graph, verb, options.no_audit, &selection, &again)?;
    let hopeless = hopeless.first().map(|node| (*node).clone());
    if nodes.is_empty() {
        return Ok(Rest { order: None, hopeless });
    }
    let mut order = Order::of_command(verb, nodes, &options);
    order.words.clone_from(&run.arguments);
    order.cause = cause;
    Ok(Rest { order: Some(order), hopeless })
}

/// Whether a fault may pass by itself.
pub(crate) fn may_pass(retry: Retry) -> bool {
    match retry {
        Retry::Now | Retry::Later => true,
        Retry::NeedsPerson | Retry::OurBug => false,
    }
}
