//! What went wrong in the demo's company, and three commands to copy.

use std::path::Path;

use chrono::NaiveDate;
use ledger::{IncidentKind, IncidentStatus};
use observability::diagnosis::Verdict;
use observability::{Watcher, diagnose, question};

use crate::failure::Failure;
use crate::workplace::Workplace;

/// The number that the planted incident makes fall, and the day on which it does.
const NUMBER: &str = "signups_daily";
const DAY: Option<NaiveDate> = NaiveDate::from_ymd_opt(2026, 5, 22);

/// Open incidents among which the day's own is looked for.
const INCIDENTS_MAX: u32 = 100;

/// What readers ask of the number through the metrics.
const QUESTION: &str = "select metric_time__day as day, measure(signups) as signups from metrics \
                        where metric_time__day >= '2026-05-18' group by 1 order by 1";

/// Letters that no shell reads anything into.
const PLAIN: &str = "/._-+:=@%,";

/// What went wrong, as the diagnosis says it.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The diagnosis in a sentence.
    pub(super) headline: String,
    /// The command that mends it, without the program.
    mend: Option<String>,
    /// The id of the incident that was opened by itself.
    incident: Option<String>,
}

impl Trouble {
    /// Where the web UI shows it.
    pub(super) fn page(&self, url: &str) -> Option<String> {
        self.incident.as_ref().map(|id| format!("{url}/#/incidents/{id}"))
    }
}

/// Where everything is, and who may look at it.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) url: String,
    pub(super) sql_url: String,
    pub(super) user: &'a str,
    /// Known the first time only.
    pub(super) password: Option<&'a str>,
    pub(super) project: Option<&'a Path>,
}

/// A thing to try.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Thing {
    pub(super) what: String,
    pub(super) command: String,
}

/// Asks why the number is what it is, and lets the incidents open that the server would open in
/// its first minute, so that there is a page to go to.
///
/// # Errors
/// When the ledger or a table cannot be read.
pub(super) async fn trouble(place: &Workplace) -> Result<Option<Trouble>, Failure> {
    let tools = place.tools();
    let Some(day) = DAY.filter(|day| *day < place.clocks.business.now().date_naive()) else {
        return Ok(None);
    };
    let asked = question(&tools, NUMBER);
    let Ok(asked) = asked else { return Ok(None) };
    let Ok(diagnosis) = Box::pin(diagnose(&tools, &asked, day)).await else { return Ok(None) };
    if diagnosis.verdict != Verdict::Explained {
        return Ok(None);
    }
    Box::pin(Watcher::new(tools).watch()).await?;
    let open = Some(IncidentStatus::Open);
    let open = place.ledger.incidents(&place.environment, open, INCIDENTS_MAX).await?;
    let own = open
        .iter()
        .find(|one| one.day == Some(day) && matches!(one.kind, IncidentKind::RowsAstray));
    let mend = diagnosis.findings.first().and_then(|finding| finding.mend.as_ref());
    Ok(Some(Trouble {
        headline: diagnosis.headline.clone(),
        mend: mend.and_then(|mend| mend.command.clone()),
        incident: own.map(|one| one.id.clone()),
    }))
}

/// Three things to try, ready to be pasted into a terminal.
pub(super) fn things(around: &Around<'_>, trouble: Option<&Trouble>) -> Vec<Thing> {
    let program = program(std::env::args_os().next().as_deref().map(Path::new));
    let here = match around.project {
        Some(folder) => format!("{program} --project-dir {}", quoted(&folder.to_string_lossy())),
        None => program,
    };
    let day = DAY.map(|day| day.to_string()).unwrap_or_default();
    let thing = |what: &str, command: String| Thing { what: what.to_owned(), command };
    let mut things = vec![thing(
        "why is Friday's number what it is, and whose is it?",
        format!("{here} diagnose {NUMBER} --on {day}"),
    )];
    things.push(match trouble.and_then(|trouble| trouble.mend.as_deref()) {
        Some(mend) => {
            let words = mend.strip_prefix("fiveply ").unwrap_or(mend);
            thing("mend it; then look at the dashboard again", format!("{here} {words}"))
        }
        None => thing(
            "load, build and test everything again, and send it on",
            format!("{here} job run hourly"),
        ),
    });
    let address = match around.sql_url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}@{rest}", around.user),
        None => around.sql_url.clone(),
    };
    let password = around.password.map(|password| format!("PGPASSWORD={} ", quoted(password)));
    things.push(thing(
        "the same number over SQL, from any tool that speaks to PostgreSQL",
        format!("{}psql {} -c \"{QUESTION}\"", password.unwrap_or_default(), quoted(&address)),
    ));
    things
}

/// The program as it was called: by its bare name, or by its path.
fn program(called: Option<&Path>) -> String {
    let called = called.unwrap_or(Path::new("fiveply"));
    quoted(&called.to_string_lossy())
}

/// A word that a shell reads as it stands.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || PLAIN.contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted_whatever_is_in_names_and_passwords() {
        let around = Around {
            url: "http://127.0.0.1:7070".to_owned(),
            sql_url: "postgresql://127.0.0.1:5433/prod".to_owned(),
            user: "admin",
            password: Some("it's"),
            project: Some(Path::new("my company")),
        };
        let trouble = Trouble {
            headline: String::new(),
            mend: Some("fiveply backfill x --from 2026-05-22".to_owned()),
            incident: Some("inc-1".to_owned()),
        };
        let commands: Vec<String> =
            things(&around, Some(&trouble)).into_iter().map(|one| one.command).collect();
        assert!(
            commands[0].ends_with(
                " --project-dir 'my company' diagnose signups_daily --on \
                                   2026-05-22"
            ),
            "{}",
            commands[0]
        );
        assert!(commands[1].ends_with("'my company' backfill x --from 2026-05-22"));
        let psql = r"PGPASSWORD='it'\''s' psql postgresql://admin@127.0.0.1:5433/prod -c ";
        assert!(commands[2].starts_with(psql), "{}", commands[2]);
        let page = trouble.page(&around.url).unwrap();
        assert_eq!(page, "http://127.0.0.1:7070/#/incidents/inc-1");
    }
}
