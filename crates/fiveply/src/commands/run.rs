//! `fiveply seed`, `run`, `test` and `build`.

use std::path::PathBuf;
use std::process::ExitCode;

use base::NodeId;

use crate::arguments::{Common, RunArguments};
use crate::around;
use crate::commands::{Verb, selected};
use crate::console::Console;
use crate::failure::Failure;
use crate::invocation;
use crate::signals::cancel_on_signal;
use crate::summary::Summary;
use crate::work::{self, Order};
use crate::workplace::{self, Workplace};

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
    let mut order = Order::of_command(verb, nodes, arguments);
    order.invocation = Some(invocation::of_run(verb.word(), common, arguments, place, console)?);
    let folder = common.target_path.clone().unwrap_or_else(|| PathBuf::from("target"));
    order.target = place.root.join(folder);
    let (target, invocation) = (order.target.clone(), order.invocation.clone());
    let Some(begun) = work::begin(place, order).await? else {
        console.say("nothing to do: no node of the selection is carried out by this command");
        let invocation = invocation.unwrap_or_default();
        around::artifacts(place, target, verb, &invocation, String::new()).write(&[])?;
        return Ok(Summary::nothing(verb.word(), place));
    };
    let cancel = cancel_on_signal(console);
    begun.carry_out(place, &cancel.stops, console).await
}
