//! Progress, step by step: a live line while a step runs, one line when it ended.

use std::sync::Arc;

use ledger::{StepStatus, TestStatus};
use orchestration::{Observer, Step, StepResult};
use transformation::StepReport;

use crate::console::{Console, Ink, count, seconds, things};
use crate::events;
use crate::executor::Reports;

/// Shows progress on the console.
#[derive(Debug)]
pub(crate) struct Progress {
    console: Console,
    reports: Arc<Reports>,
    every_step: bool,
}

impl Progress {
    pub(crate) fn new(console: &Console, reports: Arc<Reports>) -> Self {
        Self { console: console.clone(), reports, every_step: true }
    }

    /// Shows only what did not go well: many runs share the console of a server.
    pub(crate) fn of_trouble(console: &Console, reports: Arc<Reports>) -> Self {
        Self { every_step: false, ..Self::new(console, reports) }
    }

    fn line(&self, report: &StepReport, number: &str) -> String {
        let (ink, word) = word_of(report.status);
        let mut facts = Vec::new();
        if let Some(load) = report.load {
            facts.push(format!("{} read", count(load.read)));
            if load.rejected > 0 {
                facts.push(format!("{} rejected", count(load.rejected)));
            }
        }
        if let Some(rows) = report.rows {
            facts.push(things(rows, "row"));
        }
        let passed = report.tests.iter().filter(|test| test.status == TestStatus::Passed).count();
        if report.tests.len() > 1 || (report.tests.len() == 1 && report.table.is_some()) {
            facts.push(format!("{passed}/{} tests", report.tests.len()));
        }
        facts.push(seconds(report.duration));
        format!(
            "{number}  {}  {:<56}  {}",
            self.console.paint(ink, &format!("{word:<9}")),
            report.node.as_str(),
            self.console.paint(Ink::Faint, &facts.join(", ")),
        )
    }
}

/// Colour and word of a status.
pub(crate) fn word_of(status: StepStatus) -> (Ink, &'static str) {
    match status {
        StepStatus::Succeeded => (Ink::Good, "ok"),
        StepStatus::Warned => (Ink::Warning, "warned"),
        StepStatus::Failed => (Ink::Bad, "failed"),
        StepStatus::Skipped => (Ink::Faint, "skipped"),
        StepStatus::Cancelled => (Ink::Warning, "cancelled"),
        StepStatus::Interrupted => (Ink::Bad, "interrupted"),
        StepStatus::Pending => (Ink::Faint, "pending"),
        StepStatus::Running => (Ink::Faint, "running"),
    }
}

fn numbered(index: usize, total: usize) -> String {
    let width = total.to_string().len();
    format!("{index:>width$}/{total}")
}

impl Observer for Progress {
    fn started(&self, step: &Step, index: usize, total: usize) {
        if !self.every_step || events::speaks_dbt() {
            return;
        }
        let line = format!("{}  {}", numbered(index, total), step.node);
        self.console.start_live(step.node.as_str(), line);
    }

    fn ended(&self, step: &Step, _result: &StepResult, index: usize, total: usize) {
        self.console.end_live(step.node.as_str());
        if self.every_step && events::speaks_dbt() {
            return;
        }
        let Some(report) = self.reports.get(&step.node) else { return };
        let stopped = matches!(report.status, StepStatus::Skipped | StepStatus::Cancelled);
        if !self.every_step && (report.is_good() || stopped) {
            return;
        }
        self.console.say(&self.line(&report, &numbered(index, total)));
        let warned = report.status == StepStatus::Warned;
        let tested = report.tests.iter().all(|test| test.status == TestStatus::Passed);
        if warned || !report.is_good() || !tested {
            self.explain(&report);
        }
    }
}

impl Progress {
    fn explain(&self, report: &StepReport) {
        for diagnostic in &report.diagnostics {
            if self.reports.was_foreseen(diagnostic) {
                let line = format!("      {} (drawn above)", diagnostic.message);
                self.console.complain(&line);
                continue;
            }
            self.console.complain(&crate::draw::draw(diagnostic, self.console.colours));
        }
        let drawn = !report.diagnostics.is_empty();
        if let Some(message) = report.message.as_ref().filter(|_| !drawn) {
            self.console.complain(&format!("      {message}"));
        }
        for test in &report.tests {
            if test.status != TestStatus::Passed && report.table.is_some() {
                let message = test.message.as_deref().unwrap_or("no message");
                self.console.complain(&format!("      {} {}: {message}", test.status, test.node));
                for diagnostic in &test.diagnostics {
                    self.console.complain(&crate::draw::draw(diagnostic, self.console.colours));
                }
            }
        }
        let advice = report.help.clone().or_else(|| {
            let kind = report.error_kind.filter(|_| !drawn)?;
            Some(kind.advice().to_owned())
        });
        if let Some(advice) = advice.filter(|_| report.status != StepStatus::Skipped) {
            self.console
                .complain(&format!("      {} {advice}", self.console.paint(Ink::Strong, "help:")));
        }
    }
}
