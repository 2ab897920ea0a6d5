//! Tells before a run what will fail in it: names and types that are wrong already show in the
//! plans of the models. Each of them still fails at its own turn, and nothing else is held up by
//! it.

use std::collections::BTreeSet;

use base::NodeId;
use transformation::{Foreseen, Workshop};

use crate::console::{Console, Ink, things};
use crate::draw;
use crate::executor::Reports;

/// Plans the models of a run and draws what is wrong with them.
pub(crate) async fn tell(
    workshop: &Workshop,
    nodes: &BTreeSet<NodeId>,
    reports: &Reports,
    console: &Console,
) {
    let found = match workshop.foresee(nodes).await {
        Ok(found) if !found.is_empty() => found,
        // Whatever stands in the way of looking ahead is told when the work itself meets it.
        Ok(_) | Err(_) => return,
    };
    let wrong = things(found.len() as u64, "node");
    let line = format!("{wrong} will fail, as the plans show; everything else is carried out:");
    console.say(&console.paint(Ink::Bad, &line));
    console.say("");
    show(&found, console);
    reports.foresee(found.into_iter().flat_map(|one| one.diagnostics).collect());
}

/// Draws what was found, node by node.
pub(crate) fn show(found: &[Foreseen], console: &Console) {
    for diagnostic in found.iter().flat_map(|one| &one.diagnostics) {
        console.complain(&draw::draw(diagnostic, console.colours));
        console.complain("");
    }
}
