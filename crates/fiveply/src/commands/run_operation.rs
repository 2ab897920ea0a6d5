//! `fiveply run-operation`: calls a macro of the project.

use std::process::ExitCode;

use base::RunId;
use transformation::{BuildOptions, Workshop};

use crate::arguments::{Common, RunOperationArguments};
use crate::console::Console;
use crate::failure::Failure;
use crate::invocation;
use crate::workplace::{self, Workplace, read_mapping};

pub(crate) async fn run(
    common: &Common,
    arguments: &RunOperationArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let given = read_mapping("--args", &arguments.args)?;
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let run = RunId::generate(place.clocks.machine.as_ref(), place.ledger.randomness().as_ref());
    let invocation = invocation::plain("run-operation", common, &place, console);
    let workshop = Workshop::new(place.tools(), run, BuildOptions::default()).called(invocation);
    workshop.run_operation(&arguments.name, &given).await?;
    Ok(ExitCode::SUCCESS)
}
