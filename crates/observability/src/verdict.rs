//! What was counted, put into words and shares.

use std::cmp::Reverse;

use project::NodeKind;

use crate::case::Case;
use crate::diagnosis::{
    Asked, DIAGNOSIS_VERSION, Diagnosis, Finding, FindingKind, Hop, Number, Share, ShareKind,
    Verdict,
};
use crate::model_hop::short;
use crate::question::Question;

/// Puts a diagnosis together.
pub(crate) fn pronounce(
    mut case: Case,
    question: &Question,
    measure: Option<String>,
    mut number: Option<Number>,
    hops: Vec<Hop>,
) -> Diagnosis {
    case.findings.sort_by_key(|finding| (finding.mended.is_some(), Reverse(finding.rows)));
    if let Some(number) = &mut number {
        number.complete += never_came(&case, question, number);
    }
    let shares = number.as_ref().map(|one| shares(one, &case.findings)).unwrap_or_default();
    let verdict = verdict(&case, number.as_ref());
    in_order(&mut case);
    let asked =
        Asked { name: question.name.clone(), node: question.node.clone(), measure, day: case.day };
    let headline = headline(&asked, verdict, number.as_ref(), &shares, &case.findings);
    Diagnosis {
        version: DIAGNOSIS_VERSION,
        proposed_promise: promise(&case, question),
        asked,
        verdict,
        headline,
        number,
        shares,
        hops,
        made_at: case.scene.now(),
        findings: case.findings,
        excluded: case.excluded,
        limits: case.scene.limits,
    }
}

/// What rows that never came to a stream would add to the number.
fn never_came(case: &Case, question: &Question, number: &Number) -> f64 {
    let mut sum = 0.0;
    for (stream, rows) in &case.never_came {
        let rows_there = case.actual.get(stream).map_or(0, |counts| counts.of(case.day)) as f64;
        let usual_there = case.actual.get(stream).and_then(|counts| counts.usual(case.day));
        let share = match (question.node == *stream, number.usual.zip(usual_there)) {
            (true, _) => 1.0,
            (false, Some((usual, there))) if there > 0.0 => usual / there,
            (false, _) if rows_there > 0.0 => number.complete / rows_there,
            (false, _) => 1.0,
        };
        // Of several streams under one number each gives its part only.
        sum += rows * share.min(1.0_f64.max(number.usual.unwrap_or(1.0)));
    }
    sum
}

/// The change, taken apart: what happened, and what each finding added or took.
fn shares(number: &Number, findings: &[Finding]) -> Vec<Share> {
    let usual = number.usual.filter(|usual| *usual != 0.0);
    let percent = |amount: f64| usual.map(|usual| amount / usual * 100.0);
    let mut shares = Vec::new();
    if let Some(usual) = number.usual {
        let amount = number.complete - usual;
        shares.push(Share {
            kind: ShareKind::Real,
            amount,
            percent: percent(amount),
            finding: None,
        });
    }
    let astray = number.actual - number.complete;
    if astray.abs() < 1e-9 {
        return shares;
    }
    let kind = if astray < 0.0 { ShareKind::Gap } else { ShareKind::Doubled };
    let open: Vec<(usize, &Finding)> = findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| finding.mended.is_none() && finding.rows > 0)
        .collect();
    let rows: u64 = open.iter().map(|(_, finding)| finding.rows).sum();
    if rows == 0 {
        let percent = percent(astray);
        let finding = findings.iter().position(|finding| finding.mended.is_none());
        shares.push(Share { kind, amount: astray, percent, finding });
    }
    for (place, finding) in open {
        let amount = astray * finding.rows as f64 / rows as f64;
        let percent = percent(amount);
        shares.push(Share { kind, amount, percent, finding: Some(place) });
    }
    shares
}

fn verdict(case: &Case, number: Option<&Number>) -> Verdict {
    let open = case.findings.iter().any(|finding| finding.mended.is_none());
    let unusual = number.is_some_and(|number| number.unusual);
    let astray = number.is_some_and(|number| (number.actual - number.complete).abs() >= 0.5);
    match (open, unusual || astray) {
        (true, _) => Verdict::Explained,
        (false, false) if !case.findings.is_empty() => Verdict::Mended,
        (false, false) => Verdict::NothingWrong,
        (false, true) if !case.findings.is_empty() && !astray => Verdict::Mended,
        (false, true) if astray || !sources_tell(case) => Verdict::Undetermined,
        (false, true) => Verdict::RealChange,
    }
}

/// Whether a source has the unusual day too, so that it happened outside.
fn sources_tell(case: &Case) -> bool {
    let streams = case
        .scene
        .nodes
        .iter()
        .filter(|id| case.scene.node(id).is_some_and(|node| node.kind == NodeKind::Stream));
    let mut counted = streams.filter_map(|id| case.actual.get(id));
    counted.any(|counts| {
        let days = counts.usual_days(case.day);
        let usual: Vec<f64> = days.iter().map(|day| counts.of(*day) as f64).collect();
        crate::count::unusual(counts.of(case.day) as f64, &usual)
    })
}

/// Hops at which nothing is wrong, said once.
fn in_order(case: &mut Case) {
    for id in &case.scene.nodes {
        let broken = case.findings.iter().any(|finding| finding.node == *id);
        let checked = case.expected.get(id).zip(case.actual.get(id));
        if let (false, Some((expected, actual))) = (broken, checked)
            && expected.of(case.day) == actual.of(case.day)
        {
            case.excluded
                .push(format!("{} holds every row of the day that its inputs give", short(id)));
        }
    }
}

fn headline(
    asked: &Asked,
    verdict: Verdict,
    number: Option<&Number>,
    shares: &[Share],
    findings: &[Finding],
) -> String {
    let what = match &asked.measure {
        Some(measure) if asked.name == short(&asked.node) => format!("{}.{measure}", asked.name),
        _ => asked.name.clone(),
    };
    let day = asked.day;
    let level = number.map(level).unwrap_or_default();
    match verdict {
        Verdict::NothingWrong => format!("nothing is wrong: {what} on {day}{level}"),
        Verdict::RealChange => {
            format!("{what} on {day}{level}, and it happened: every row is where it belongs")
        }
        Verdict::Undetermined => format!(
            "{what} on {day}{level}; why, is not known: see below what was looked at and excluded"
        ),
        Verdict::Mended => {
            let by = findings.iter().find_map(|finding| finding.mended.as_ref());
            let rows = by.map_or(0, |mended| mended.rows);
            let run = by.and_then(|mended| mended.run.as_ref());
            let run = run.map(|run| format!(" with run {run}")).unwrap_or_default();
            format!("{what} on {day} is mended: {rows} missing rows came back{run}")
        }
        Verdict::Explained => {
            let parts = parts(shares);
            let parts = if parts.is_empty() { String::new() } else { format!(": {parts}") };
            match number {
                Some(_) => format!("{what} on {day}{level}{parts}"),
                None => {
                    let first = findings.first().map(|one| one.what.clone()).unwrap_or_default();
                    format!("{what} on {day}: {first}")
                }
            }
        }
    }
}

/// ` is 965, 18% below the usual 1,180`.
fn level(number: &Number) -> String {
    let actual = figure(number.actual);
    match (number.usual, number.change_percent) {
        (Some(usual), Some(change)) => {
            let usual = figure(usual);
            let percent = change.round();
            match percent {
                p if p < 0.0 => format!(" is {actual}, {}% below the usual {usual}", -p),
                p if p > 0.0 => format!(" is {actual}, {p}% above the usual {usual}"),
                _ => format!(" is {actual}, as usual"),
            }
        }
        _ => format!(" is {actual}; there is no usual level yet"),
    }
}

/// `2% is real, 16% is a gap`.
fn parts(shares: &[Share]) -> String {
    let mut said: Vec<String> = Vec::new();
    for kind in [ShareKind::Real, ShareKind::Gap, ShareKind::Doubled] {
        let of_kind: Vec<&Share> = shares.iter().filter(|share| share.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let percent: Option<f64> = of_kind.iter().map(|share| share.percent).sum();
        let amount: f64 = of_kind.iter().map(|share| share.amount).sum();
        let how_much = match percent {
            Some(percent) => format!("{}%", percent.abs().round()),
            None => figure(amount.abs()),
        };
        let word = match (kind, amount < 0.0) {
            (ShareKind::Real, true) => "is real",
            (ShareKind::Real, false) => "more is real",
            (ShareKind::Gap, _) => "is a gap",
            (ShareKind::Doubled, _) => "is counted twice",
        };
        if how_much != "0%" || kind != ShareKind::Real {
            said.push(format!("{how_much} {word}"));
        }
    }
    said.join(", ")
}

/// A number for people: `1,180`, `0.25`.
pub fn figure(number: f64) -> String {
    if number.fract().abs() > 1e-9 && number.abs() < 1_000.0 {
        let text = format!("{number:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0.0 { format!("-{text}") } else { text }
}

/// A promise that would have told earlier.
fn promise(case: &Case, question: &Question) -> Option<String> {
    let finding = case.findings.first()?;
    let name = short(&question.node);
    Some(match finding.kind {
        FindingKind::LateRowsDropped
        | FindingKind::IncrementDropped
        | FindingKind::LoadFailed
        | FindingKind::SourceSilent => {
            let loaded = finding
                .timeline
                .iter()
                .find_map(|moment| moment.what.strip_prefix("load of ")?.split(' ').next());
            let on = loaded.unwrap_or_else(|| short(&finding.node));
            format!("- {{on: {on}, promise: newest row at most 30 minutes old}}")
        }
        FindingKind::DuplicatesDelivered
        | FindingKind::RowsLostInModel
        | FindingKind::RowsDoubledInModel
        | FindingKind::RowsRejected => {
            format!("- {{on: {name}, promise: volume within 25% of usual}}")
        }
        _ => format!("- {{on: {name}, promise: fresh by 06:00 UTC on 99% of days}}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(figure(1_180.0), "1,180");
        assert_eq!(figure(-191.0), "-191");
        assert_eq!(figure(2.5), "2.5");
        assert_eq!(figure(1_234_567.4), "1,234,567");
    }
}
