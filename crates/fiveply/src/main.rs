//! The command line: arguments in, work wired together, words for people out.
//!
//! Exit codes: 0 all good, 1 a node failed, 2 the command or the project is wrong.

mod again;
mod arguments;
mod around;
mod artifacts;
mod changed;
mod commands;
mod console;
mod consumer;
mod draw;
mod events;
mod executor;
mod failure;
mod flags;
mod foresight;
mod invocation;
mod loader;
mod packages;
mod planned;
mod progress;
mod signals;
mod start;
mod state;
mod summary;
mod up;
mod windows;
mod work;
mod workplace;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command, DocsCommand, Output, SourceCommand};
use crate::console::Console;
use crate::failure::Failure;

/// Bytes of stack of the threads that plan steps and render templates.
const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    let prepared = match start::prepare() {
        Ok(prepared) => prepared,
        Err(failure) => return failure.show(&Console::new(Output::Text, false)),
    };
    let arguments = match Arguments::try_parse_from(prepared.words) {
        Ok(arguments) => arguments,
        Err(refused) => return refuse(&refused),
    };
    let console = start::console(&arguments);
    if let Err(failure) = start::begin_log(&arguments, &prepared.command, console.colours) {
        return failure.show(&console);
    }
    if !prepared.meaningless.is_empty() {
        console.say(&format!("without meaning here: {}", prepared.meaningless.join(", ")));
    }
    start_log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(THREAD_STACK_BYTES)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            console.complain(&format!("error: the threads could not be started: {error}"));
            return ExitCode::from(2);
        }
    };
    let outcome = runtime.block_on(dispatch(&arguments, &console));
    // Work that nobody waits for any more must not hold the process up.
    runtime.shutdown_background();
    let code = match outcome {
        Ok(code) => code,
        Err(failure) => failure.show(&console),
    };
    events::command_ended(code == ExitCode::SUCCESS);
    code
}

/// Help and version as asked for; what clap does not understand in the form that was asked for.
fn refuse(refused: &clap::Error) -> ExitCode {
    let _ = refused.print();
    if !refused.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let words: Vec<_> = std::env::args_os().collect();
    let json = words.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json")
        || words.iter().any(|word| word == "--output=json");
    if json {
        let text = refused.render().to_string();
        let message = text.lines().next().unwrap_or_default();
        let failure = Failure::usage(message.trim_start_matches("error: "))
            .help("`fiveply --help` shows how the command is written.");
        // The text is on standard error already.
        failure.print(&Console::new(Output::Json, true));
    }
    ExitCode::from(failure::USAGE)
}

/// Logs go to standard error, for those who ask: `RUST_LOG=fiveply=debug`.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    if let Ok(filter) = filter {
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        log.init();
    }
}

async fn dispatch(arguments: &Arguments, console: &Console) -> Result<ExitCode, Failure> {
    let common = &arguments.common;
    match &arguments.command {
        Command::Demo(demo) => commands::demo::run(common, demo, console).await,
        Command::Load(load) => commands::load::run(common, load, console).await,
        Command::Seed(run) => commands::run::run(common, commands::Verb::Seed, run, console).await,
        Command::Run(run) => commands::run::run(common, commands::Verb::Run, run, console).await,
        Command::RunOperation(operation) => {
            commands::run_operation::run(common, operation, console).await
        }
        Command::Source(SourceCommand::Freshness(freshness)) => {
            commands::freshness::run(common, freshness, console).await
        }
        Command::Clean(clean) => commands::clean::run(common, clean, console),
        Command::Clone(clone) => commands::clone::run(common, clone, console).await,
        Command::Docs(DocsCommand::Generate(docs)) => {
            commands::docs::run(common, docs, console).await
        }
        Command::Docs(DocsCommand::Serve(serve)) => {
            commands::docs_serve::run(common, serve, console).await
        }
        Command::Init(init) => commands::init::run(init, console),
        Command::Show(show) => commands::show::run(common, show, console).await,
        Command::Snapshot(run) => {
            commands::run::run(common, commands::Verb::Snapshot, run, console).await
        }
        Command::Test(run) => commands::run::run(common, commands::Verb::Test, run, console).await,
        Command::Build(run) => {
            commands::run::run(common, commands::Verb::Build, run, console).await
        }
        Command::Compile(compile) => commands::compile::run(common, compile, console).await,
        Command::Ls(list) => commands::list::run(common, list, console).await,
        Command::Lineage(lineage) => commands::lineage::run(common, lineage, console).await,
        Command::Diff(diff) => commands::diff::run(common, diff, console).await,
        Command::Intervals(intervals) => commands::intervals::run(common, intervals, console).await,
        Command::Plan(plan) => commands::plan::run(common, plan, console).await,
        Command::Promote(promote) => commands::promote::run(common, promote, console).await,
        Command::Environment(command) => commands::environment::run(common, command, console).await,
        Command::Parse => commands::parse::run(common, console),
        Command::Retry(retry) => commands::retry::run(common, retry, console).await,
        Command::Query(query) => commands::query::run(common, query, console).await,
        Command::Sync(sync) => commands::sync::run(common, sync, console).await,
        Command::Features(features) => commands::features::run(common, features, console).await,
        Command::Metric(command) => commands::metric::run(common, command, console).await,
        Command::Dashboard(command) => commands::dashboard::run(common, command, console).await,
        Command::Debug(debug) => commands::debug::run(common, debug, console).await,
        Command::Deps(deps) => commands::deps::run(common, deps, console).await,
        Command::Job { command } => commands::job::run(common, command, console).await,
        Command::Token { command } => commands::token::run(common, command, console).await,
        Command::User { command } => commands::user::run(common, command, console).await,
        Command::Up(arguments) => up::run(common, arguments, console).await,
        Command::Diagnose(diagnose) => commands::diagnose::run(common, diagnose, console).await,
        Command::Backfill(backfill) => commands::backfill::run(common, backfill, console).await,
        Command::Incident(command) => commands::incident::run(common, command, console).await,
        Command::Promise(command) => commands::incident::promise(common, command, console).await,
        Command::Completion { shell } => commands::completion::run(*shell, console),
    }
}
