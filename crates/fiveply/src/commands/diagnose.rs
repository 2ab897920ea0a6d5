//! `fiveply diagnose`: why a number is what it is on one day.

use std::process::ExitCode;

use chrono::{Days, NaiveDate};
use observability::diagnosis::{Diagnosis, Verdict};
use observability::{ObservabilityError, diagnose, questions};

use crate::arguments::{Common, DiagnoseArguments};
use crate::console::Console;
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

/// Days that one command looks at.
const DAYS_MAX: usize = 92;

pub(crate) async fn run(
    common: &Common,
    arguments: &DiagnoseArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let days = days(&place, arguments)?;
    let tools = place.tools();
    // A metric that is made of several numbers: each has its own way to its sources.
    let mut asked = questions(&tools, &arguments.name)?;
    let mut diagnoses = Vec::new();
    for question in &mut asked {
        if arguments.time_column.is_some() {
            question.time_column.clone_from(&arguments.time_column);
        }
        for day in &days {
            diagnoses.push(Box::pin(diagnose(&tools, question, *day)).await?);
        }
    }
    show(&diagnoses, arguments, console)?;
    let wrong = diagnoses
        .iter()
        .any(|one| matches!(one.verdict, Verdict::Explained | Verdict::Undetermined));
    Ok(if wrong && arguments.check { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(
    diagnoses: &[Diagnosis],
    arguments: &DiagnoseArguments,
    console: &Console,
) -> Result<(), Failure> {
    if console.json {
        let document = match diagnoses {
            [one] => serde_json::to_value(one),
            many => serde_json::to_value(many),
        };
        let document = document.map_err(|error| Failure::usage(error.to_string()))?;
        console.print(&document.to_string())?;
        return Ok(());
    }
    if arguments.postmortem {
        for diagnosis in diagnoses {
            console.print(diagnosis.postmortem().trim_end())?;
        }
        return Ok(());
    }
    if let [one] = diagnoses {
        console.print(one.text().trim_end())?;
        return Ok(());
    }
    for diagnosis in diagnoses {
        console.print(&diagnosis.headline)?;
    }
    if let Some(worst) = diagnoses.iter().find(|one| one.verdict == Verdict::Explained) {
        let day = worst.asked.day;
        console.print(&format!("more: fiveply diagnose {} --on {day}", worst.asked.name))?;
    }
    Ok(())
}

/// The day, or the days from one to another; the last complete day when none is named.
fn days(place: &Workplace, arguments: &DiagnoseArguments) -> Result<Vec<NaiveDate>, Failure> {
    let now = place.clocks.business.now();
    // The last minute of a day counts as its end.
    let last = (now + chrono::TimeDelta::minutes(1)).date_naive() - Days::new(1);
    let (from, to) = match (arguments.on, arguments.from, arguments.to) {
        (Some(on), _, _) => (on, on),
        (None, Some(from), to) => (from, to.unwrap_or(last)),
        (None, None, Some(to)) => (to, to),
        (None, None, None) => (last, last),
    };
    let days: Vec<NaiveDate> =
        from.iter_days().take_while(|day| *day <= to).take(DAYS_MAX + 1).collect();
    if days.is_empty() {
        return Err(Failure::usage(format!("--from {from} is after --to {to}")));
    }
    if days.len() > DAYS_MAX {
        return Err(Failure::usage(format!("more than {DAYS_MAX} days")).help(
            "Look at fewer days at a time; each is compared with the four weeks before it.",
        ));
    }
    Ok(days)
}

impl From<ObservabilityError> for Failure {
    fn from(error: ObservabilityError) -> Self {
        let failure = Self::work(error.kind(), error.to_string());
        match error.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}
