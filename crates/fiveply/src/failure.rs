//! A command that did not do what it was asked, and what is said about it.

use std::process::ExitCode;

use base::{Diagnostic, ErrorKind};
use serde_json::json;

use crate::console::{Console, Ink};
use crate::draw;
use crate::events;

/// Exit code when a node failed.
pub(crate) const NODE_FAILED: u8 = 1;
/// Exit code when the command or the project is wrong.
pub(crate) const USAGE: u8 = 2;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    kind: ErrorKind,
    message: String,
    help: Option<String>,
    diagnostics: Vec<Diagnostic>,
}

impl Failure {
    /// The command or the project is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        let kind = ErrorKind::Project;
        Self { code: USAGE, kind, message: message.into(), help: None, diagnostics: Vec::new() }
    }

    /// Something failed while working.
    pub(crate) fn work(kind: ErrorKind, message: impl Into<String>) -> Self {
        let code = match kind {
            ErrorKind::Project | ErrorKind::NotFound | ErrorKind::Unsupported => USAGE,
            _ => NODE_FAILED,
        };
        let help = Some(kind.advice().to_owned());
        Self { code, kind, message: message.into(), help, diagnostics: Vec::new() }
    }

    /// The command is refused for a reason of this kind.
    pub(crate) fn of_kind(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, ..Self::usage(message) }
    }

    /// The project's files are wrong.
    pub(crate) fn project(diagnostics: Vec<Diagnostic>) -> Self {
        let errors = diagnostics.iter().filter(|one| one.is_error()).count();
        let things = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
        Self { diagnostics, ..Self::usage(format!("the project has {things}")) }
    }

    /// Says what to do.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what is to be drawn in the user's files.
    #[must_use]
    pub(crate) fn diagnostics(mut self, diagnostics: Vec<Diagnostic>) -> Self {
        self.diagnostics = diagnostics;
        self
    }

    /// What kind of thing went wrong.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What went wrong, in one line.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The same, told at a door.
    pub(crate) fn at_door(self) -> server::ServerError {
        let refused = server::ServerError::refused(self.kind, self.message);
        match self.help {
            Some(help) => refused.with_help(help),
            None => refused,
        }
    }

    /// One JSON document on standard output.
    pub(crate) fn print(&self, console: &Console) {
        let document = json!({
            "status": "error",
            "message": self.message,
            "help": self.help,
            "diagnostics":
                self.diagnostics.iter().map(draw::as_json).collect::<Vec<_>>(),
        });
        // Nobody is left to tell when standard output itself is closed.
        let _ = console.print(&document.to_string());
    }

    /// Tells the user, and gives the exit code.
    pub(crate) fn show(&self, console: &Console) -> ExitCode {
        let drawn = self.diagnostics.iter().map(|drawn| draw::draw(drawn, false));
        let told: Vec<String> = std::iter::once(self.message.clone()).chain(drawn).collect();
        events::failed(&told.join("\n"));
        if console.json {
            self.print(console);
        }
        if events::speaks_dbt() {
            return ExitCode::from(self.code);
        }
        for diagnostic in &self.diagnostics {
            console.complain(&draw::draw(diagnostic, console.colours));
            console.complain("");
        }
        // What is drawn, with its own help, is not said a second time.
        if self.diagnostics.iter().any(|drawn| drawn.message == self.message) {
            return ExitCode::from(self.code);
        }
        console.complain(&format!("{} {}", console.paint(Ink::Bad, "error:"), self.message));
        if let Some(help) = &self.help {
            console.complain(&format!("  {} {help}", console.paint(Ink::Strong, "help:")));
        }
        ExitCode::from(self.code)
    }
}

impl From<ledger::LedgerError> for Failure {
    fn from(error: ledger::LedgerError) -> Self {
        let failure = Self::work(error.kind(), error.to_string());
        match error.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<storage::StorageError> for Failure {
    fn from(error: storage::StorageError) -> Self {
        Self::work(error.kind(), error.to_string())
    }
}

impl From<compute::QueryError> for Failure {
    fn from(error: compute::QueryError) -> Self {
        let mut failure = Self::work(error.kind, error.message);
        failure.help = error.help.or(failure.help);
        if let Some(detail) = error.detail {
            failure.message = format!("{} ({detail})", failure.message);
        }
        failure
    }
}

impl From<transformation::TransformationError> for Failure {
    fn from(error: transformation::TransformationError) -> Self {
        let failure = Self::work(error.kind(), error.to_string());
        let failure = failure.diagnostics(error.diagnostics());
        match error.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<access::AccessError> for Failure {
    fn from(error: access::AccessError) -> Self {
        Self::work(error.kind(), error.to_string()).help(error.help())
    }
}

impl From<server::ServerError> for Failure {
    fn from(error: server::ServerError) -> Self {
        Self::work(error.kind(), error.to_string()).help(error.help())
    }
}

impl From<consumption::ConsumptionError> for Failure {
    fn from(error: consumption::ConsumptionError) -> Self {
        let failure = Self::work(error.kind(), error.to_string());
        match error.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<orchestration::OrchestrationError> for Failure {
    fn from(error: orchestration::OrchestrationError) -> Self {
        Self::work(error.kind(), error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::work(ErrorKind::Storage, error.to_string())
    }
}
