//! `fiveply run-operation`: calls a macro of the project.

use std::process::ExitCode;

use base::RunId;
use transformation::{BuildOptions, Workshop};

use crate::arguments::{Common, RunOperationArguments};
use crate::console::Console;
use crate::events;
use crate::failure::Failure;
use crate::invocation;
use crate::workplace::{self, Workplace, read_mapping};

pub(crate) async fn run(
    common: &Common,
    arguments: &RunOperationArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let name = arguments.name.clone();
    let given = read_mapping("--args", &arguments.args)?;
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let run = events::take_run_id().unwrap_or_else(|| {
        RunId::generate(place.clocks.machine.as_ref(), place.ledger.randomness().as_ref())
    });
    let invocation = invocation::plain("run-operation", common, &place, console);
    let workshop = Workshop::new(place.tools(), run, BuildOptions::default()).called(invocation);
    match (&name, &arguments.sql) {
        (Some(name), _) => {
            workshop.run_operation(name, &given).await?;
        }
        (None, Some(sql)) => {
            let sql = workshop.compile_text(sql).await?;
            let rows = workshop.statement(&sql).await?;
            if let Some((schema, batches)) = rows.filter(|(schema, _)| !schema.fields().is_empty())
            {
                console.print(compute::output::table(&schema, &batches)?.trim_end())?;
            }
        }
        (None, None) => return Err(Failure::usage("run-operation names no macro and no --sql")),
    }
    Ok(ExitCode::SUCCESS)
}
