//! `fiveply features`: training sets and online features.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use base::system::SystemFiles;
use base::{ErrorKind, Files, NodeId};
use compute::output::RowWriter;
use consumption::ConsumptionError;
use consumption::features::{
    self, EntityFrame, OnlineRequest, OnlineStore, RefreshReport, TrainingRequest,
};
use ledger::{NewRun, RunStatus};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::arguments::{
    Common, FeaturesCommand, GetFeaturesArguments, RefreshArguments, TrainingSetArguments,
};
use crate::console::{Console, Ink, columns, count, seconds, things};
use crate::failure::{Failure, NODE_FAILED};
use crate::signals::cancel_on_signal;
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    command: &FeaturesCommand,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    match command {
        FeaturesCommand::List => list(&place, console).await,
        FeaturesCommand::TrainingSet(arguments) => training_set(&place, arguments, console).await,
        FeaturesCommand::Refresh(arguments) => refresh(&place, arguments, console).await,
        FeaturesCommand::Get(arguments) => get(&place, arguments, console).await,
    }
}

async fn list(place: &Workplace, console: &Console) -> Result<ExitCode, Failure> {
    let known = &place.project.features;
    let served = place.ledger.online_views(&place.environment).await?;
    let head = ["feature view", "keys", "features", "ttl", "owner", "served", "refreshed"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut documents = Vec::new();
    for view in &known.views {
        let online = served.iter().find(|served| served.view == view.name);
        let node = place.project.graph.node(&view.node_id(&place.project.name));
        let owner = node.and_then(|node| node.owner.as_ref()).map(|owner| owner.name.clone());
        let dash = || "-".to_owned();
        rows.push(vec![
            view.name.clone(),
            view.join_keys.join(", "),
            view.features.len().to_string(),
            view.ttl.map_or_else(dash, |ttl| format!("{} h", ttl.as_secs() / 3_600)),
            owner.clone().unwrap_or_else(dash),
            online.map_or_else(dash, |online| count(online.rows)),
            online.map_or_else(dash, |one| one.business_time.format("%F %R").to_string()),
        ]);
        let features = view.features.iter();
        documents.push(json!({
            "name": view.name,
            "description": view.description,
            "owner": owner,
            "join_keys": view.join_keys,
            "ttl_seconds": view.ttl.map(|ttl| ttl.as_secs()),
            "features": features
                .map(|one| json!({"name": one.name, "type": one.kind.word()}))
                .collect::<Vec<_>>(),
            "online": online.map(|online| json!({
                "version": online.version, "rows": online.rows,
                "refreshed_at": online.business_time, "inputs": online.inputs,
            })),
        }));
    }
    if console.json {
        let services: Vec<Value> = known
            .services
            .iter()
            .map(|service| json!({"name": service.name, "features": service.features}))
            .collect();
        let document = json!({"feature_views": documents, "feature_services": services});
        console.print(&document.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if documents.is_empty() {
        console.say("the project has no feature views; docs/features.md shows how to write one");
        return Ok(ExitCode::SUCCESS);
    }
    console.print(&columns(&rows, &[2, 3, 5]).join("\n"))?;
    for service in &known.services {
        let features = things(service.features.len() as u64, "feature");
        console.print(&format!("service {}: {features}", service.name))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn training_set(
    place: &Workplace,
    arguments: &TrainingSetArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let cancel = cancel_on_signal(console);
    let context = place.consumption(cancel.stops.cancel.clone());
    let request = TrainingRequest {
        features: arguments.features.clone(),
        service: arguments.service.clone(),
        frame: frame(arguments)?,
        timestamp: arguments.timestamp.clone(),
        full_names: arguments.full_feature_names,
        from_created: arguments.as_known_then,
    };
    let path = &arguments.file;
    let mut target = Target::new(path)?;
    let summary = features::training_set(&context, &request, &mut |rows| target.write(rows)).await;
    let summary = match summary.and_then(|summary| target.finish().map(|()| summary)) {
        Ok(summary) => summary,
        Err(error) => {
            // Half a training set must not be mistaken for a whole one.
            let _ = std::fs::remove_file(partial(path));
            return Err(error.into());
        }
    };
    if console.json {
        let document = json!({
            "file": path.display().to_string(), "rows": summary.rows, "features": summary.features,
        });
        console.print(&document.to_string())?;
    } else {
        let (rows, columns) = (things(summary.rows, "row"), summary.features.len() as u64);
        let features = things(columns, "feature");
        console.say(&format!("{}: {rows}, {features}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn frame(arguments: &TrainingSetArguments) -> Result<EntityFrame, Failure> {
    if let Some(sql) = &arguments.sql {
        return Ok(EntityFrame::Sql(sql.clone()));
    }
    if let Some(model) = &arguments.model {
        return Ok(EntityFrame::Model(model.clone()));
    }
    let Some(path) = &arguments.entities else {
        return Err(Failure::usage("no entities were given").help("Add --entities FILE."));
    };
    let name = path.display().to_string();
    let content = SystemFiles.read(path).map_err(|error| {
        Failure::usage(format!("\"{name}\" cannot be read: {error}"))
            .help("Write the entities into a .csv or .parquet file.")
    })?;
    Ok(features::frame_from_file(&name, content)?)
}

/// The file that a training set is written to, under another name until it is whole.
struct Target<'p> {
    path: &'p Path,
    parquet: bool,
    writer: Option<RowWriter<std::fs::File>>,
}

fn partial(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

impl<'p> Target<'p> {
    fn new(path: &'p Path) -> Result<Self, Failure> {
        let extension = path.extension().map(|text| text.to_string_lossy().to_ascii_lowercase());
        let parquet = match extension.as_deref() {
            Some("parquet") => true,
            Some("csv") => false,
            Some(_) | None => {
                let message = format!("\"{}\" tells no format", path.display());
                return Err(Failure::usage(message).help("Name a .parquet or a .csv file."));
            }
        };
        Ok(Self { path, parquet, writer: None })
    }

    fn refused(&self, error: &std::io::Error) -> ConsumptionError {
        ConsumptionError::File {
            path: self.path.display().to_string(),
            what: format!("cannot be written: {error}"),
            kind: ErrorKind::Storage,
        }
    }

    fn write(&mut self, rows: &arrow::array::RecordBatch) -> Result<(), ConsumptionError> {
        if self.writer.is_none() {
            let file = std::fs::File::create(partial(self.path));
            let file = file.map_err(|error| self.refused(&error))?;
            let schema = rows.schema();
            self.writer = Some(if self.parquet {
                RowWriter::parquet(&schema, file)?
            } else {
                RowWriter::csv(&schema, file)?
            });
        }
        if let Some(writer) = &mut self.writer {
            writer.write(rows)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ConsumptionError> {
        if let Some(writer) = self.writer.take() {
            writer.finish()?;
        }
        std::fs::rename(partial(self.path), self.path).map_err(|error| self.refused(&error))
    }
}

async fn refresh(
    place: &Workplace,
    arguments: &RefreshArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let context = place.consumption(CancellationToken::new());
    let project = &place.project;
    let mut nodes = BTreeSet::new();
    for name in &arguments.views {
        nodes.insert(features::find_view(&context, name)?.node_id(&project.name));
    }
    if arguments.views.is_empty() {
        let online = project.features.views.iter().filter(|view| view.online);
        nodes.extend(online.map(|view| view.node_id(&project.name)));
    }
    if nodes.is_empty() {
        console.say("nothing to refresh: the project has no feature view that is served online");
        return Ok(ExitCode::SUCCESS);
    }
    carry_out(place, &nodes, console).await
}

/// Refreshes feature views one after the other, as one run.
///
/// # Errors
/// When the run cannot begin; what happens to views is printed.
pub(crate) async fn carry_out(
    place: &Workplace,
    nodes: &BTreeSet<NodeId>,
    console: &Console,
) -> Result<ExitCode, Failure> {
    place.ledger.interrupt_abandoned_runs().await?;
    let run = place
        .ledger
        .begin_run(&NewRun {
            environment: place.environment.clone(),
            command: "features".to_owned(),
            arguments: Vec::new(),
            selection: nodes.iter().cloned().collect(),
        })
        .await?;
    let cancel = cancel_on_signal(console);
    let context = place.consumption(cancel.stops.cancel.clone());
    let mut reports = Vec::new();
    for node in nodes {
        let report = features::refresh(&context, &run, node).await;
        tell(&report, console);
        reports.push(report);
    }
    let status = if cancel.stops.cancel.is_cancelled() {
        RunStatus::Cancelled
    } else if reports.iter().all(RefreshReport::is_good) {
        RunStatus::Succeeded
    } else {
        RunStatus::Failed
    };
    place.ledger.finish_run(&run, status).await?;
    if console.json {
        let one = |report: &RefreshReport| {
            json!({
                "node": report.node, "status": report.status, "message": report.message,
                "help": report.help, "rows": report.rows,
                "seconds": report.duration.as_secs_f64(),
            })
        };
        let views: Vec<Value> = reports.iter().map(one).collect();
        let document =
            json!({"command": "features", "run": run, "status": status, "feature_views": views});
        console.print(&document.to_string())?;
    }
    let good = status == RunStatus::Succeeded;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(NODE_FAILED) })
}

fn tell(report: &RefreshReport, console: &Console) {
    let name = ledger::sync_of_node(&report.node);
    let took = seconds(report.duration);
    if report.is_good() {
        let word = console.paint(Ink::Good, "serving");
        console.say(&format!("{word} {name}: {} entities ({took})", count(report.rows)));
        return;
    }
    let word = console.paint(Ink::Bad, "failed");
    let message = report.message.as_deref().unwrap_or_default();
    console.complain(&format!("{word} {name}: {message} ({took})"));
    if let Some(help) = &report.help {
        console.complain(&format!("  {} {help}", console.paint(Ink::Strong, "help:")));
    }
}

async fn get(
    place: &Workplace,
    arguments: &GetFeaturesArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let mut entities = Map::new();
    for text in &arguments.entity {
        let Some((key, values)) = text.split_once('=') else {
            return Err(Failure::usage(format!("--entity \"{text}\" has no \"=\""))
                .help("Write it as --entity user_id=1,2,3."));
        };
        let value = |text: &str| match text.trim().parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(text.trim()),
        };
        entities.insert(key.trim().to_owned(), values.split(',').map(value).collect());
    }
    let features = arguments.features.clone();
    let service = arguments.service.clone();
    let request = OnlineRequest::new(features, service, entities, arguments.full_feature_names);
    let store = OnlineStore::new(place.ledger.clone(), place.environment.clone());
    let project = &place.project;
    let answer = store.answer(&project.features, &project.name, &request).await;
    let answer = answer.map_err(|refusal| {
        let body: Value = serde_json::from_str(&refusal.body).unwrap_or_default();
        let inner = body.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let message = inner.as_ref().and_then(|inner| inner["message"].as_str());
        let message = message.or_else(|| body["detail"].as_str()).unwrap_or(&refusal.body);
        Failure::usage(message.to_owned())
            .help("`fiveply features list` shows what the project has.")
    })?;
    if console.json {
        console.print(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    console.print(&as_table(&answer))?;
    Ok(ExitCode::SUCCESS)
}

/// An answer with one line per entity; what is no value says why.
fn as_table(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let names = answer["metadata"]["feature_names"].as_array().cloned().unwrap_or_default();
    let results = answer["results"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut rows = vec![names.iter().map(text).collect::<Vec<String>>()];
    let entities = results.first().and_then(|first| first["values"].as_array()).map_or(0, Vec::len);
    for row in 0..entities {
        let cell = |result: &Value| match result["statuses"][row].as_str() {
            Some("PRESENT") => text(&result["values"][row]),
            Some(status) => status.to_lowercase(),
            None => String::new(),
        };
        rows.push(results.iter().map(cell).collect());
    }
    columns(&rows, &[]).join("\n")
}
