//! `fiveply retry`: what did not succeed in the last run, again.

use std::collections::BTreeSet;
use std::process::ExitCode;

use base::NodeId;

use crate::arguments::{Common, LoadArguments, RetryArguments};
use crate::commands::{Verb, features, load, run, sync};
use crate::console::Console;
use crate::failure::Failure;
use crate::signals::cancel_on_signal;
use crate::summary::Summary;
use crate::windows;
use crate::work::{self, Order};
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    arguments: &RetryArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let demo = load::Vendors::start(common).await?;
    let opened = workplace::open_project(common, demo.variables(), console)?;
    let place = Workplace::open(opened, None).await?;
    place.ledger.interrupt_abandoned_runs().await?;
    let Some(last) = place.ledger.latest_run(Some(&place.environment)).await? else {
        return Err(Failure::usage("there is no run to retry").help("Run `fiveply build` first."));
    };
    let again: BTreeSet<NodeId> =
        place.ledger.steps_to_retry(&last.id).await?.into_iter().collect();
    let nothing = || {
        console.say(&format!("nothing to retry: run {} ({}) succeeded", last.id, last.command));
        Summary::nothing("retry", &place).show(console)
    };
    if again.is_empty() {
        return nothing();
    }
    if last.command == "load" {
        let load = LoadArguments { threads: arguments.threads, ..LoadArguments::default() };
        let summary = load::carry_out(&place, &load, Some(&again), console).await?;
        return summary.show(console);
    }
    if last.command == "sync" {
        let options = sync::options_of(&last.arguments);
        return sync::carry_out(&place, &again, options, console).await;
    }
    if last.command == "features" {
        return features::carry_out(&place, &again, console).await;
    }
    let windows = windows::of_words(&last.arguments);
    let verb = match last.command.as_str() {
        "backfill" if !windows.is_empty() => Some(Verb::Build),
        word => Verb::from_word(word),
    };
    let Some(verb) = verb else {
        return Err(Failure::usage(format!("a run of `{}` cannot be retried", last.command))
            .help("The ledger does not hold what it was asked to do; give the command again."));
    };
    let mut options = work::arguments_of(&last.arguments);
    options.threads = arguments.threads;
    options.full_refresh |= arguments.full_refresh;
    let graph = &place.project.graph;
    let selection: BTreeSet<NodeId> = last.selection.iter().cloned().collect();
    let nodes = work::with_audits(graph, verb, options.no_audit, &selection, &again)?;
    if nodes.is_empty() {
        // Tests that ran on the version of what they gate are no steps of their own.
        return nothing();
    }
    if !windows.is_empty() {
        let order = Order { backfill: windows, ..Order::of_command(verb, nodes, &options) };
        let Some(begun) = work::begin(&place, order).await? else { return nothing() };
        let cancel = cancel_on_signal(console);
        return begun.carry_out(&place, &cancel.stops, console).await?.show(console);
    }
    let summary = run::carry_out(&place, common, verb, &options, nodes, console).await?;
    summary.show(console)
}
