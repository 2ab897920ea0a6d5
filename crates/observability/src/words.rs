//! A diagnosis and a post-mortem as text for people.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use crate::diagnosis::{Diagnosis, Finding, Hop, Mend, Verdict};
use crate::model_hop::short;
use crate::verdict::figure;

/// Columns of a line before it is broken.
const WIDTH: usize = 96;

impl Diagnosis {
    /// The diagnosis as it is printed.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{}", self.headline);
        text.push('\n');
        push_hops(&mut text, &self.hops);
        for (place, finding) in self.findings.iter().enumerate() {
            text.push('\n');
            let share = self.shares.iter().find(|share| share.finding == Some(place));
            let percent = share.and_then(|share| share.percent);
            push_finding(&mut text, finding, percent);
        }
        let mut section = |title: &str, lines: &[String]| {
            if !lines.is_empty() {
                let _ = writeln!(text, "\n{title}");
                for line in lines {
                    push_wrapped(&mut text, "  - ", line);
                }
            }
        };
        let open = matches!(self.verdict, Verdict::Undetermined | Verdict::RealChange);
        let excluded: &[String] =
            if open || self.findings.is_empty() { &self.excluded } else { &[] };
        section("looked at and in order:", excluded);
        section("not looked at:", &self.limits);
        if let Some(promise) = self.proposed_promise.as_ref().filter(|_| !self.findings.is_empty())
        {
            let _ =
                writeln!(text, "\na promise that would have told (in jobs/*.yml):\n  {promise}");
        }
        text
    }

    /// A draft of the post-mortem, in Markdown.
    pub fn postmortem(&self) -> String {
        let mut text = String::new();
        let asked = &self.asked;
        let _ = writeln!(text, "# Post-mortem: {} on {}\n", asked.name, asked.day);
        let _ = writeln!(text, "Draft of {} UTC, from the ledger.\n", clock(self.made_at));
        let _ = writeln!(text, "## Summary\n\n{}.\n", sentence(&self.headline));
        for finding in &self.findings {
            let _ = writeln!(text, "## {}\n", sentence(&finding.what));
            let owner = finding.owner.as_deref().unwrap_or("nobody is named");
            let _ = writeln!(text, "- Where: `{}` ({})", finding.node, finding.layer);
            let _ = writeln!(text, "- Owner: {owner}");
            let _ = writeln!(text, "- Rows of the day: {}", figure(finding.rows as f64));
            if let Some(run) = &finding.run {
                let at = finding.at.map(clock).unwrap_or_default();
                let _ = writeln!(text, "- Run: `{run}` {at}");
            }
            if !finding.timeline.is_empty() {
                let _ = writeln!(text, "\n### Timeline (UTC)\n");
                for moment in &finding.timeline {
                    let run = moment.run.as_ref().map(|run| format!(" (run `{run}`)"));
                    let _ = writeln!(
                        text,
                        "- {} {}{}",
                        clock(moment.at),
                        moment.what,
                        run.unwrap_or_default()
                    );
                }
            }
            if !finding.evidence.is_empty() {
                let _ = writeln!(text, "\n### How it is known\n");
                for line in &finding.evidence {
                    let _ = writeln!(text, "- {line}");
                }
            }
            push_touched(&mut text, finding);
            let _ = writeln!(text, "\n### Mending\n");
            match (&finding.mended, &finding.mend) {
                (Some(mended), _) => {
                    let run = mended.run.as_ref().map(|run| format!(" by run `{run}`"));
                    let _ = writeln!(
                        text,
                        "Mended{} at {}: {} rows.",
                        run.unwrap_or_default(),
                        clock(mended.at),
                        mended.rows
                    );
                }
                (None, Some(mend)) => push_mend(&mut text, mend),
                (None, None) => {
                    let _ = writeln!(text, "No command mends it.");
                }
            }
            text.push('\n');
        }
        if let Some(promise) = &self.proposed_promise {
            let _ =
                writeln!(text, "## So that it is noticed next time\n\n```yaml\n{promise}\n```\n");
        }
        let _ = writeln!(text, "## To be written by hand\n\n- What readers decided by the number");
        let _ = writeln!(text, "- What is changed so that it cannot happen again");
        text
    }
}

fn push_hops(text: &mut String, hops: &[Hop]) {
    let counted: Vec<&Hop> = hops.iter().filter(|hop| hop.rows.is_some()).collect();
    if counted.is_empty() {
        return;
    }
    let width = counted.iter().map(|hop| short(&hop.node).chars().count()).max().unwrap_or(0);
    let width = width.clamp(4, 44);
    let _ = writeln!(
        text,
        "  {:width$}  {:11}  {:>9}  {:>9}  {:>9}  owner",
        "hop", "kind", "rows", "should be", "usual"
    );
    for hop in counted {
        let rows = hop.rows.map(|rows| figure(rows as f64)).unwrap_or_default();
        let expected = hop.expected.map(|rows| figure(rows as f64)).unwrap_or_default();
        let usual = hop.usual.map(|usual| figure(usual.round())).unwrap_or_default();
        let mark = if hop.broken { "! " } else { "  " };
        let owner = hop.owner.as_deref().unwrap_or("-");
        let name = short(&hop.node);
        let line = format!(
            "{mark}{name:width$}  {:11}  {rows:>9}  {expected:>9}  {usual:>9}  {owner}",
            hop.kind
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn push_finding(text: &mut String, finding: &Finding, percent: Option<f64>) {
    let share = percent.map(|percent| format!("{}%: ", percent.abs().round()));
    let mended = if finding.mended.is_some() { "mended: " } else { "" };
    let share = share.filter(|_| finding.mended.is_none()).unwrap_or_default();
    push_wrapped(text, "", &format!("{mended}{share}{}", finding.what));
    let owner = match (&finding.owner, &finding.owner_email) {
        (Some(name), Some(email)) => format!("{name} <{email}>"),
        (Some(name), None) => name.clone(),
        (None, _) => "nobody is named; write an owner or a group".to_owned(),
    };
    let mut line = |title: &str, value: &str| {
        push_wrapped(text, &format!("  {title:9} "), value);
    };
    line("where", &format!("{} ({})", finding.node, finding.layer));
    if let Some(run) = &finding.run {
        let at = finding.at.map(|at| format!(", {} UTC", clock(at))).unwrap_or_default();
        let attempt = finding.attempt.map(|number| format!(", attempt {number}"));
        line("run", &format!("{run}{}{at}", attempt.unwrap_or_default()));
    }
    if let Some((first, last)) = finding.hours {
        line("hours", &format!("{first:02}:00 to {:02}:00", last + 1));
    }
    line("owner", &owner);
    for evidence in &finding.evidence {
        line("because", evidence);
    }
    for moment in &finding.timeline {
        line("", &format!("{}  {}", clock(moment.at), moment.what));
    }
    for reader in &finding.readers {
        let column = reader.column.as_ref().map(|column| format!(".{column}"));
        let owner = reader.owner.as_deref().unwrap_or("no owner");
        let column = column.unwrap_or_default();
        line("read by", &format!("{}{column} ({owner})", short(&reader.node)));
    }
    for held in &finding.held_back {
        let since = held.good_since.map(|at| format!(", readers see {} UTC", clock(at)));
        let owner = held.owner.as_deref().unwrap_or("no owner");
        let since = since.unwrap_or_default();
        line("held back", &format!("{} ({owner}){since}", short(&held.node)));
    }
    if let Some(mended) = &finding.mended {
        let run = mended.run.as_ref().map(|run| format!("run {run}, ")).unwrap_or_default();
        line("mended", &format!("{run}{} UTC, {} rows", clock(mended.at), mended.rows));
    }
    if let Some(mend) = &finding.mend {
        if let Some(edit) = &mend.edit {
            line("write", &format!("{}  ({}, {})", edit.line, edit.file, edit.place));
        }
        if let Some(command) = &mend.command {
            // A command is copied: it stays on one line.
            let _ = writeln!(text, "  {:9} {command}", "mend");
        }
        push_wrapped(text, &format!("  {:9} ", ""), &mend.what);
    }
}

fn push_touched(text: &mut String, finding: &Finding) {
    if finding.readers.is_empty() && finding.held_back.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n### Who was touched\n");
    for reader in &finding.readers {
        let column = reader.column.as_ref().map(|column| format!(".{column}"));
        let owner = reader.owner.as_deref().unwrap_or("no owner");
        let column = column.unwrap_or_default();
        let _ = writeln!(text, "- `{}{column}` reads it ({owner})", reader.node);
    }
    for held in &finding.held_back {
        let owner = held.owner.as_deref().unwrap_or("no owner");
        let _ = writeln!(text, "- `{}` was held back ({owner})", held.node);
    }
}

fn push_mend(text: &mut String, mend: &Mend) {
    if let Some(edit) = &mend.edit {
        let _ = writeln!(text, "In `{}` ({}):\n\n```\n{}\n```\n", edit.file, edit.place, edit.line);
    }
    if let Some(command) = &mend.command {
        let _ = writeln!(text, "```sh\n{command}\n```\n");
    }
    let _ = writeln!(text, "{}", sentence(&mend.what));
}

fn clock(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// With a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A line, broken between words; what follows stands below its beginning.
fn push_wrapped(text: &mut String, lead: &str, line: &str) {
    let indent = lead.chars().count();
    let mut length = indent;
    text.push_str(lead);
    let mut first = true;
    for word in line.split_whitespace() {
        let letters = word.chars().count();
        if !first && length + 1 + letters > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            length = indent;
            first = true;
        }
        if !first {
            text.push(' ');
            length += 1;
        }
        text.push_str(word);
        length += letters;
        first = false;
    }
    text.push('\n');
}
