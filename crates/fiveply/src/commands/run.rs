//! `fiveply seed`, `run`, `test` and `build`.

use std::path::PathBuf;
use std::process::ExitCode;

use base::{NodeId, RunId};
use project::NodeKind;
use transformation::{BuildOptions, Invocation, Workshop};

use crate::arguments::{Common, RunArguments};
use crate::around;
use crate::changed;
use crate::commands::{Verb, nothing_to_do, selected};
use crate::console::{Console, Ink, things};
use crate::failure::Failure;
use crate::invocation;
use crate::signals::cancel_on_signal;
use crate::summary::Summary;
use crate::work::{self, Order};
use crate::workplace::{self, Workplace};

/// Rows of a seed that `--show` prints.
const SEED_ROWS_SHOWN: usize = 10;

/// Runs the command to its end.
pub(crate) async fn run(
    common: &Common,
    verb: Verb,
    arguments: &RunArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let nodes = selected(&place.project, &arguments.selection)?;
    let summary = carry_out(&place, common, verb, arguments, nodes, console).await?;
    summary.show(console)
}

/// Carries out the nodes that the verb takes.
///
/// # Errors
/// When the run cannot begin; what happens to nodes is in the summary.
pub(crate) async fn carry_out(
    place: &Workplace,
    common: &Common,
    verb: Verb,
    arguments: &RunArguments,
    nodes: Vec<NodeId>,
    console: &Console,
) -> Result<Summary, Failure> {
    let mut invocation = invocation::of_run(verb.word(), common, arguments, place, console)?;
    if let Some(other) = &arguments.defer_to {
        let chosen = work::takes(&place.project.graph, verb, arguments, &nodes);
        invocation.beneath = around::beneath(place, other, &chosen).await?;
    }
    let (nodes, reused) = match arguments.changed {
        true => without_reused(place, verb, arguments, &invocation, &nodes).await?,
        false => (nodes, Vec::new()),
    };
    let mut order = Order::of_command(verb, nodes, arguments);
    order.invocation = Some(invocation);
    let folder = common.target_path.clone().unwrap_or_else(|| PathBuf::from("target"));
    order.target = place.root.join(folder);
    let (target, invocation) = (order.target.clone(), order.invocation.clone());
    let Some(begun) = work::begin(place, order).await? else {
        match reused.len() as u64 {
            0 => nothing_to_do(console)?,
            count => {
                console.say(&format!("nothing to do: {} as published", things(count, "node")));
            }
        }
        let invocation = invocation.unwrap_or_default();
        around::artifacts(place, target, verb.word(), &invocation, String::new()).write(&[])?;
        return Ok(Summary::nothing(verb.word(), place).reusing(reused));
    };
    let cancel = cancel_on_signal(console);
    let summary = begun.carry_out(place, &cancel.stops, console).await?;
    if arguments.show {
        show_seeds(place, &summary, console).await?;
    }
    Ok(summary.reusing(reused))
}

/// The nodes that would come out other than they are published, and those that would not.
async fn without_reused(
    place: &Workplace,
    verb: Verb,
    arguments: &RunArguments,
    invocation: &Invocation,
    nodes: &[NodeId],
) -> Result<(Vec<NodeId>, Vec<NodeId>), Failure> {
    let chosen = work::takes(&place.project.graph, verb, arguments, nodes);
    let found = changed::find(place, invocation, &chosen).await?;
    let stale = nodes.iter().filter(|id| found.stale.contains_key(*id)).cloned().collect();
    Ok((stale, found.reused))
}

/// The first rows of each seed that was loaded.
async fn show_seeds(
    place: &Workplace,
    summary: &Summary,
    console: &Console,
) -> Result<(), Failure> {
    let run = RunId::generate(place.clocks.machine.as_ref(), place.ledger.randomness().as_ref());
    let workshop = Workshop::new(place.tools(), run, BuildOptions::default());
    for report in summary.reports.iter().filter(|report| report.is_good()) {
        let node = place.project.graph.node(&report.node);
        let Some(node) = node.filter(|node| node.kind == NodeKind::Seed) else { continue };
        let Some(relation) = &node.relation else { continue };
        let sql = format!("select * from {relation} limit {SEED_ROWS_SHOWN}");
        if let Some((schema, batches)) = workshop.statement(&sql).await? {
            console.say(&console.paint(Ink::Strong, &format!("Seed '{}':", node.name)));
            console.say(compute::output::table(&schema, &batches)?.trim_end());
        }
    }
    Ok(())
}
