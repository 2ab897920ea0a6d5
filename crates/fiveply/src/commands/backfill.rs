//! `fiveply backfill`: days of an incremental model, made anew from the rows its inputs hold, and
//! everything that reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use base::NodeId;
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use observability::{question, time_columns_below};
use project::{Materialization, NodeKind};
use transformation::BackfillWindow;

use crate::arguments::{BackfillArguments, Common, RunArguments};
use crate::commands::Verb;
use crate::console::Console;
use crate::failure::Failure;
use crate::signals::cancel_on_signal;
use crate::summary::Summary;
use crate::work::{self, Order};
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    arguments: &BackfillArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let (from, to) = (arguments.from, arguments.to.unwrap_or(arguments.from));
    if to < from {
        return Err(Failure::usage(format!("--from {from} is after --to {to}")));
    }
    let tools = place.tools();
    let node = question(&tools, &arguments.node)?.node;
    check(&place, &node)?;
    let graph = &place.project.graph;
    let mut below: BTreeSet<NodeId> = graph.descendants(&node, None);
    below.insert(node.clone());
    let columns = time_columns_below(&tools, &node, arguments.time_column.as_deref()).await?;
    let Some(own) = columns.get(&node) else {
        let name = &arguments.node;
        return Err(Failure::usage(format!("\"{name}\" has no column that tells a row's day"))
            .help("Name one with --time-column, or as `event_time` in the model's config."));
    };
    console.say(&format!("days {from} to {to} of {} are made anew, by \"{own}\"", arguments.node));
    let windows = windows(&place, &columns, from, to);
    let nodes: Vec<NodeId> =
        graph.order().iter().filter(|id| below.contains(*id)).cloned().collect();
    let options = RunArguments { threads: arguments.threads, ..RunArguments::default() };
    let order = Order { backfill: windows, ..Order::of_command(Verb::Build, nodes, &options) };
    let Some(begun) = work::begin(&place, order).await? else {
        return Summary::nothing("backfill", &place).show(console);
    };
    let cancel = cancel_on_signal(console);
    begun.carry_out(&place, &cancel.stops, console).await?.show(console)
}

fn check(place: &Workplace, id: &NodeId) -> Result<(), Failure> {
    let Some(node) = place.project.graph.node(id) else { return Ok(()) };
    let name = &node.name;
    if node.kind != NodeKind::Model {
        return Err(Failure::usage(format!("\"{name}\" is a {}, not a model", node.kind.word()))
            .help(format!("Load it again, and build what reads it: fiveply build -s {name}+")));
    }
    if node.config.materialized != Materialization::Incremental {
        let help = format!("It is built whole each time: fiveply build --select {name}+");
        return Err(Failure::usage(format!("\"{name}\" is not incremental")).help(help));
    }
    if node.config.unique_key.is_empty() {
        let help = format!("Build it from nothing: fiveply run --select {name}+ --full-refresh");
        return Err(
            Failure::usage(format!("\"{name}\" has no unique_key to find rows by")).help(help)
        );
    }
    Ok(())
}

/// The same days of every incremental model below that has them: its own increment would pass
/// them by as well.
fn windows(
    place: &Workplace,
    columns: &BTreeMap<NodeId, String>,
    from: NaiveDate,
    to: NaiveDate,
) -> BTreeMap<NodeId, BackfillWindow> {
    let keyed = columns.iter().filter(|(id, _)| {
        place.project.graph.node(id).is_some_and(|node| {
            node.config.materialized == Materialization::Incremental
                && !node.config.unique_key.is_empty()
        })
    });
    let window = |(id, column): (&NodeId, &String)| {
        let window = BackfillWindow {
            column: column.clone(),
            from: from.and_time(NaiveTime::MIN).and_utc(),
            to: to.and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(1),
        };
        (id.clone(), window)
    };
    keyed.map(window).collect()
}
