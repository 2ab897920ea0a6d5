//! `fiveply intervals`: which periods of a microbatch model were ever computed, and which never.

use std::process::ExitCode;

use chrono::NaiveDateTime;
use ledger::Interval;
use serde_json::json;
use transformation::{BatchPlan, Stretch};

use crate::arguments::{Common, IntervalsArguments};
use crate::commands::lineage::find_node;
use crate::console::{Console, Ink, columns};
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

/// Letters of a code's digest that people see.
const CODE_SHOWN: usize = 8;

pub(crate) async fn run(
    common: &Common,
    arguments: &IntervalsArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let node = find_node(&place.project, &arguments.model).ok_or_else(|| {
        Failure::usage(format!("there is no model \"{}\"", arguments.model))
            .help("`fiveply ls --resource-type model` lists the models.")
    })?;
    let known = place.ledger.intervals(&place.environment, &node.id).await?;
    let computed: Vec<Stretch> = known.iter().map(|one| (one.start, one.end)).collect();
    let plan = BatchPlan::of(node, &computed, place.clocks.business.now())?;
    let loaded = latest(&known);
    // A model of which nothing is remembered is not known to lack anything.
    let gaps = if known.is_empty() { Vec::new() } else { touching(&plan.gaps) };
    if console.json {
        let text = |at: NaiveDateTime| at.format("%Y-%m-%dT%H:%M:%S").to_string();
        let stretch = |one: &Stretch| json!({"start": text(one.0), "end": text(one.1)});
        let computed = loaded.iter().map(|one| {
            let (start, end) = (text(one.start), text(one.end));
            json!({"start": start, "end": end, "code": one.code, "run": one.run})
        });
        let document = json!({
            "node": node.id,
            "environment": place.environment,
            "begin": plan.begin.map(text),
            "until": text(plan.until),
            "computed": computed.collect::<Vec<_>>(),
            "gaps": gaps.iter().map(stretch).collect::<Vec<_>>(),
        });
        console.print(&document.to_string())?;
    } else {
        let row = |words: &str, start: NaiveDateTime, end: NaiveDateTime, more: String| {
            vec![format!("  {words}"), start.to_string(), format!("to {end}"), more]
        };
        let code = |one: &Interval| {
            format!("code {}", one.code.chars().take(CODE_SHOWN).collect::<String>())
        };
        let mut rows: Vec<Vec<String>> =
            loaded.iter().map(|one| row("computed", one.start, one.end, code(one))).collect();
        rows.extend(gaps.iter().map(|gap| row("never", gap.0, gap.1, String::new())));
        rows.sort_by(|one, other| one.get(1).cmp(&other.get(1)));
        console.print(&format!("{} in {}", node.name, place.environment))?;
        for line in columns(&rows, &[]) {
            console.print(&line)?;
        }
        let last = match (known.is_empty(), gaps.is_empty()) {
            (true, _) => "nothing is remembered: build it once".to_owned(),
            (false, true) => console.paint(Ink::Good, "no gap"),
            (false, false) => "the next build computes what is missing".to_owned(),
        };
        console.print(&last)?;
    }
    let wrong = arguments.check && !gaps.is_empty();
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Stretches with the code that computed them last; those of one code that touch are joined.
fn latest(known: &[Interval]) -> Vec<Interval> {
    let mut found: Vec<Interval> = Vec::new();
    for new in known {
        let mut kept = Vec::new();
        for old in found {
            if old.end <= new.start || old.start >= new.end {
                kept.push(old);
                continue;
            }
            if old.start < new.start {
                kept.push(Interval { end: new.start, ..old.clone() });
            }
            if old.end > new.end {
                kept.push(Interval { start: new.end, ..old });
            }
        }
        kept.push(new.clone());
        found = kept;
    }
    found.sort_by_key(|one| one.start);
    let mut joined: Vec<Interval> = Vec::new();
    for one in found {
        match joined.last_mut() {
            Some(last) if last.end == one.start && last.code == one.code => last.end = one.end,
            Some(_) | None => joined.push(one),
        }
    }
    joined
}

fn touching(gaps: &[Stretch]) -> Vec<Stretch> {
    let mut joined: Vec<Stretch> = Vec::new();
    for gap in gaps {
        match joined.last_mut() {
            Some(last) if last.1 == gap.0 => last.1 = gap.1,
            Some(_) | None => joined.push(*gap),
        }
    }
    joined
}
