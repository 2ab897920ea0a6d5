//! What must hold of jobs beyond their grammar, said with its place in the user's file.

use base::Diagnostic;
use project::jobs::Job;
use project::{Project, Selection, codes};

use crate::calendar::{Calendar, CalendarProblem};

/// Looks at the schedules and selections of all jobs.
pub fn check_jobs(project: &Project) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for job in &project.jobs {
        found.extend(check_schedule(job));
        found.extend(check_selection(project, job));
    }
    found
}

fn check_schedule(job: &Job) -> Option<Diagnostic> {
    let schedule = job.schedule.as_ref()?;
    let problem = Calendar::new(schedule).err()?;
    let (message, span, help) = match &problem {
        CalendarProblem::Cron { reason } => (
            format!(
                "schedule \"{}\" of job \"{}\" means no time: {reason}",
                schedule.cron, job.name
            ),
            &schedule.cron_span,
            "Write minute, hour, day of month, month and day of week, such as \"0 5 * * 1-5\", or \
             @hourly, @daily, @weekly, @monthly.",
        ),
        CalendarProblem::TimeZone => (
            format!("time zone \"{}\" of job \"{}\" does not exist", schedule.time_zone, job.name),
            &schedule.time_zone_span,
            "Use a name of the IANA list, such as Europe/Berlin or UTC.",
        ),
    };
    Some(Diagnostic::error(codes::JOB_SCHEDULE, message).at(span.clone(), "").help(help))
}

fn check_selection(project: &Project, job: &Job) -> Option<Diagnostic> {
    let refused = project.graph.select(&selection(job)).err()?;
    let message = format!("selection of job \"{}\": {}", job.name, refused.message);
    let problem = Diagnostic::error(codes::JOB_SELECTION, message).at(job.span.clone(), "");
    let problem = refused.help.iter().fold(problem, |problem, help| problem.help(help.clone()));
    Some(problem.help("`fiveply ls --select …` shows what a selection takes."))
}

/// The job's selection, as the graph takes it.
pub fn selection(job: &Job) -> Selection {
    Selection { select: job.select.clone(), exclude: job.exclude.clone(), ..Selection::default() }
}
