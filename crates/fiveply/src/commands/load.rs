//! `fiveply load`: streams of the sources in `ingest/` into tables.

use std::collections::BTreeSet;
use std::process::ExitCode;

use base::NodeId;
use project::ingest::{IngestSource, Stream};
use project::suggest;

use crate::arguments::{Common, LoadArguments, RunArguments};
use crate::commands::Verb;
use crate::console::Console;
use crate::failure::Failure;
use crate::signals::cancel_on_signal;
use crate::summary::Summary;
use crate::work::{self, Order};
use crate::workplace::{self, Workplace};

/// The vendors of a demo folder, which run as long as the command does.
#[derive(Debug, Default)]
pub(crate) struct Vendors {
    variables: Vec<(String, String)>,
    _running: Option<demo::Vendors>,
}

impl Vendors {
    /// Starts the vendors when the project is a demo's; none otherwise.
    ///
    /// # Errors
    /// When no port is free, or the demo's state cannot be read.
    pub(crate) async fn start(common: &Common) -> Result<Self, Failure> {
        let root = workplace::find_root(common.project_dir.as_deref())?;
        let company = demo::Company::open(&root).map_err(demo_failure)?;
        let Some(company) = company else { return Ok(Self::default()) };
        let running = company.start_vendors().await.map_err(demo_failure)?;
        Ok(Self { variables: running.environment(), _running: Some(running) })
    }

    /// The variables by which the ingest files find them.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }
}

pub(crate) fn demo_failure(error: demo::DemoError) -> Failure {
    Failure::usage(error.to_string())
}

pub(crate) async fn run(
    common: &Common,
    arguments: &LoadArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let vendors = Vendors::start(common).await?;
    let opened = workplace::open_project(common, vendors.variables(), console)?;
    let place = Workplace::open(opened, None).await?;
    carry_out(&place, arguments, None, console).await?.show(console)
}

/// Loads the streams that the arguments name, or those of `only`.
///
/// # Errors
/// When the run cannot begin; what happens to streams is in the summary.
pub(crate) async fn carry_out(
    place: &Workplace,
    arguments: &LoadArguments,
    only: Option<&BTreeSet<NodeId>>,
    console: &Console,
) -> Result<Summary, Failure> {
    let nodes = chosen(place, &arguments.streams, only)?;
    let options = RunArguments { threads: arguments.threads, ..RunArguments::default() };
    let mut order = Order::of_command(Verb::Load, nodes, &options);
    order.words.clone_from(&arguments.streams);
    let Some(begun) = work::begin(place, order).await? else {
        console.say("nothing to load: the project has no stream in ingest/");
        return Ok(Summary::nothing(Verb::Load.word(), place));
    };
    let cancel = cancel_on_signal(console);
    begun.carry_out(place, &cancel.stops, console).await
}

fn chosen(
    place: &Workplace,
    names: &[String],
    only: Option<&BTreeSet<NodeId>>,
) -> Result<Vec<NodeId>, Failure> {
    let all = place
        .project
        .sources
        .iter()
        .flat_map(|source| source.streams.iter().map(move |stream| (source, stream)));
    let all: Vec<(&IngestSource, &Stream)> = all.collect();
    for name in names {
        if !all.iter().any(|(source, stream)| is_named(source, stream, name)) {
            let known = all.iter().map(|(source, stream)| source.stream_name(stream).to_string());
            let known: Vec<String> = known.collect();
            let hint = suggest::did_you_mean(name, known.iter().map(String::as_str));
            return Err(Failure::usage(format!("there is no source or stream \"{name}\"")).help(
                hint.unwrap_or_else(|| {
                    "`fiveply ls --resource-type stream` lists them.".to_owned()
                }),
            ));
        }
    }
    let wanted = |source: &IngestSource, stream: &Stream| {
        let named = names.is_empty() || names.iter().any(|name| is_named(source, stream, name));
        named && only.is_none_or(|only| only.contains(&source.node_id(stream)))
    };
    let chosen = all.into_iter().filter(|(source, stream)| wanted(source, stream));
    Ok(chosen.map(|(source, stream)| source.node_id(stream)).collect())
}

fn is_named(source: &IngestSource, stream: &Stream, name: &str) -> bool {
    source.name == name || source.stream_name(stream).to_string() == name
}
