//! Builds and checks the house: `cargo xtask test`, `cargo xtask bench`, `cargo xtask tidy`.

mod bench;
mod licences;
mod node_packages;
mod run;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <task>

tasks:
  test [--full] [FILTER]  every test, on a bare machine: installs what is missing, checks
                          formatting, house rules and lints, then runs all tests;
                          --full adds the long soaks, FILTER runs only tests named so
  tidy                    the house rules alone
  bench [NAME…] [--scale X] [--runs N]
                          benchmarks side by side with what a user would pick instead
  tools                   only installs what tests and benchmarks need";

#[allow(clippy::print_stderr, reason = "a command line tool speaks on stderr")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test", rest @ ..] => test::run(rest),
        ["tidy"] => tidy::run(),
        ["bench", rest @ ..] => bench::run(rest),
        ["tools"] => tools::install().map(|_| ()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
