//! `fiveply seed`, `run`, `test` and `build`.

use std::process::ExitCode;

use base::NodeId;

use crate::arguments::{Common, RunArguments};
use crate::commands::{Verb, selected};
use crate::console::Console;
use crate::failure::Failure;
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
    let nodes = selected(&place.project.graph, &arguments.selection)?;
    let summary = carry_out(&place, verb, arguments, nodes, console).await?;
    summary.show(console)
}

/// Carries out the nodes that the verb takes.
///
/// # Errors
/// When the run cannot begin; what happens to nodes is in the summary.
pub(crate) async fn carry_out(
    place: &Workplace,
    verb: Verb,
    arguments: &RunArguments,
    nodes: Vec<NodeId>,
    console: &Console,
) -> Result<Summary, Failure> {
    let order = Order::of_command(verb, nodes, arguments);
    let Some(begun) = work::begin(place, order, console).await? else {
        console.say("nothing to do: no node of the selection is carried out by this command");
        return Ok(Summary::nothing(verb.word(), place));
    };
    let cancel = cancel_on_signal(console);
    begun.carry_out(place, &cancel.stops, console).await
}
