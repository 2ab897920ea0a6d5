//! `fiveply metric`: what can be asked, and the numbers.

use std::io::Write;
use std::process::ExitCode;

use compute::output;
use consumption::ConsumptionContext;
use consumption::metrics::{self, MetricInfo, MetricQuery};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::arguments::Common;
use crate::arguments::metric::{
    MetricCommand, MetricFormat, MetricListArguments, MetricQueryArguments,
};
use crate::commands::query;
use crate::console::{Console, things};
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    command: &MetricCommand,
    console: &Console,
) -> Result<ExitCode, Failure> {
    match command {
        MetricCommand::List(arguments) => list(common, arguments, console),
        MetricCommand::Query(arguments) => ask(common, arguments, console).await,
    }
}

/// What a question is asked of.
pub(crate) fn context(place: &Workplace) -> ConsumptionContext {
    place.consumption(CancellationToken::new())
}

fn list(
    common: &Common,
    arguments: &MetricListArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let all = metrics::metrics(&opened.project);
    for name in &arguments.metrics {
        if !all.iter().any(|metric| metric.name == *name) {
            let known = all.iter().map(|metric| metric.name.as_str());
            let help = project::suggest::did_you_mean(name, known)
                .unwrap_or_else(|| "`fiveply metric list` lists the metrics.".to_owned());
            return Err(Failure::usage(format!("there is no metric \"{name}\"")).help(help));
        }
    }
    let named = |metric: &&MetricInfo| {
        if arguments.metrics.is_empty() {
            !metric.hidden
        } else {
            arguments.metrics.contains(&metric.name)
        }
    };
    let shown: Vec<&MetricInfo> = all.iter().filter(named).collect();
    if console.json {
        let saved = metrics::saved_queries(&opened.project);
        console.print(&json!({"metrics": shown, "saved_queries": saved}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if shown.is_empty() {
        console.say("The project declares no metrics; docs/metrics.md says how.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    let width = shown.iter().map(|metric| metric.name.chars().count()).max().unwrap_or_default();
    for metric in shown {
        let about = if metric.description.is_empty() { &metric.label } else { &metric.description };
        let gap = " ".repeat(width - metric.name.chars().count());
        text.push_str(&format!("{}{gap}  {:<10}  {about}\n", metric.name, metric.kind));
        if !arguments.metrics.is_empty() {
            text.push_str(&details(metric));
        }
    }
    console.print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn details(metric: &MetricInfo) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("  {key:<10}{value}\n"));
        }
    };
    line("owner", metric.owner.as_deref().unwrap_or_default());
    line("unit", metric.unit.as_deref().unwrap_or_default());
    line("made of", &metric.inputs.join(", "));
    line("rows of", &metric.models.join(", "));
    line("group by", "");
    for dimension in &metric.dimensions {
        let grain = dimension.grain.map(|grain| format!(" by {grain} and coarser"));
        let kind = format!("{}{}", dimension.kind, grain.unwrap_or_default());
        text.push_str(&format!("    {:<32}{kind}\n", dimension.name));
    }
    text
}

async fn ask(
    common: &Common,
    arguments: &MetricQueryArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let mut question = match &arguments.saved_query {
        Some(name) => metrics::saved(&opened.project, name)?,
        None => MetricQuery {
            metrics: arguments.metrics.clone(),
            group_by: arguments.group_by.clone(),
            ..MetricQuery::default()
        },
    };
    question.conditions.extend(arguments.conditions.iter().cloned());
    if !arguments.order_by.is_empty() {
        question.order_by.clone_from(&arguments.order_by);
    }
    question.limit = arguments.limit.or(question.limit);
    (question.from, question.to) = (arguments.from, arguments.to);
    let plan = metrics::plan(&opened.project, &question)?;
    if arguments.explain {
        console.print(&plan.sql)?;
        return Ok(ExitCode::SUCCESS);
    }
    let place = Workplace::open(opened, None).await?;
    let session = query::session(&place).await?;
    let failed = |error| query::failure(error, &plan.sql);
    let schema = session.prepare(&plan.sql).await.map_err(failed)?.schema();
    let rows = session.rows(&plan.sql).await.map_err(failed)?;
    let format = arguments.format.unwrap_or(match console.json {
        true => MetricFormat::Json,
        false => MetricFormat::Table,
    });
    let mut bytes: Vec<u8> = Vec::new();
    match format {
        MetricFormat::Table => bytes = output::table(&schema, &rows)?.into_bytes(),
        MetricFormat::Csv => output::csv(&schema, &rows, &mut bytes)?,
        MetricFormat::Json => output::json_lines(&rows, &mut bytes)?,
    }
    // `fiveply metric query … | head` closes the pipe early, which is no failure.
    let mut out = std::io::stdout().lock();
    match out.write_all(&bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        Err(_) | Ok(()) => {}
    }
    if format == MetricFormat::Table {
        let count = rows.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>();
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        console.say(&format!("({})", things(count, "row")));
    }
    Ok(ExitCode::SUCCESS)
}
