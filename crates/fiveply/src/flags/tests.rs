use clap::{CommandFactory, Parser};
use serde_json::json;

use super::*;
use crate::arguments::{Arguments, Command as Chosen};

/// Every flag of dbt-core 1.12, command by command, as its `--help` and its source have them.
const TABLE: &str = include_str!("dbt-1.12.txt");

fn prepared(
    words: &[&str],
    variables: &[(&str, &str)],
    project: Value,
) -> Result<Prepared, String> {
    let all = std::iter::once("fiveply").chain(words.iter().copied());
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let Value::Object(project) = project else { panic!("flags are a mapping") };
    let around = Around { variable: &variable, project: &project };
    prepare(all.map(OsString::from).collect(), Arguments::command(), &around)
}

fn line(words: &[&str]) -> String {
    let prepared = prepared(words, &[], json!({})).unwrap();
    let words: Vec<String> =
        prepared.words[1..].iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match prepared.meaningless.is_empty() {
        true => words.join(" "),
        false => format!("{} ({})", words.join(" "), prepared.meaningless.join(" ")),
    }
}

#[test]
fn flags_without_meaning_are_taken_out_with_their_values() {
    assert_eq!(
        line(&["--static-parser", "run", "--printer-width", "20", "-s", "a"]),
        "run -s a (--printer-width --static-parser)"
    );
    assert_eq!(line(&["parse", "--threads=4", "-x"]), "parse (--threads --fail-fast)");
    assert_eq!(line(&["run", "--no-send-anonymous-usage-stats", "--no-version-check"]), "run");
}

#[test]
fn flags_before_the_command_count_and_the_last_word_on_a_switch_wins() {
    assert_eq!(line(&["--fail-fast", "-t", "dev", "build"]), "build --fail-fast -t dev");
    assert_eq!(
        line(&["--defer", "run", "--no-defer", "--fail-fast", "--no-fail-fast"]),
        "run --no-defer"
    );
    assert_eq!(line(&["run", "--no-print", "--print"]), "run");
    assert_eq!(line(&["--log-format", "json", "ls"]), "ls --log-format json");
    assert_eq!(line(&["--single-threaded", "run"]), "run --threads=1");
}

#[test]
fn a_server_has_a_host_of_its_own_and_a_query_may_look_like_a_flag() {
    assert_eq!(line(&["up", "--host", "0.0.0.0"]), "up --host 0.0.0.0");
    assert_eq!(line(&["query", "--", "--debug"]), "query -- --debug");
}

#[test]
fn a_query_knows_no_flag_of_a_run() {
    let prepared = prepared(&["query", "--full-refresh", "select 1"], &[], json!({})).unwrap();
    assert!(Arguments::try_parse_from(prepared.words).is_err());
}

#[test]
fn variables_and_the_project_fill_in_what_the_command_line_leaves_open() {
    let words = |variables: &[(&str, &str)], project: Value, words: &[&str]| {
        let prepared = prepared(words, variables, project).unwrap();
        let words = prepared.words[1..].iter().map(|word| word.to_string_lossy().into_owned());
        (words.collect::<Vec<_>>().join(" "), prepared.meaningless)
    };
    let none = Vec::<String>::new;
    assert_eq!(
        words(&[("DBT_FULL_REFRESH", "1")], json!({}), &["run"]),
        ("run --full-refresh".to_owned(), none())
    );
    assert_eq!(
        words(&[("DBT_ENGINE_FAIL_FAST", "true"), ("DBT_FAIL_FAST", "0")], json!({}), &["run"]).0,
        "run --fail-fast"
    );
    assert_eq!(
        words(&[("DBT_WARN_ERROR", "true")], json!({"warn_error": false}), &["run"]).0,
        "run --warn-error"
    );
    assert_eq!(
        words(&[], json!({"warn_error_options": {"error": "all"}, "use_colors": false}), &["run"]),
        ("run --no-use-colors --warn-error-options={\"error\":\"all\"}".to_owned(), none())
    );
    assert_eq!(
        words(&[], json!({"warn_error_options": {"error": "all"}}), &["run", "--warn-error"]).0,
        "run --warn-error"
    );
    assert_eq!(
        words(&[("DBT_PRINTER_WIDTH", "9")], json!({}), &["run"]),
        ("run".to_owned(), vec!["DBT_PRINTER_WIDTH".to_owned()])
    );
    assert_eq!(words(&[("DBT_PRINTER_WIDTH", "9")], json!({}), &["query", "x"]).1, none());
    assert!(prepared(&["run"], &[("DBT_QUIET", "perhaps")], json!({})).is_err());
}

#[test]
fn the_results_of_freshness_may_be_sent_to_a_file_in_dbts_words() {
    assert_eq!(
        line(&["source", "freshness", "--output", "out.json"]),
        "source freshness --to out.json"
    );
    assert_eq!(
        line(&["source", "freshness", "--output", "json"]),
        "source freshness --output json"
    );
}

/// The words of one line of the table: the flag as it is written, with a value where it has one.
fn written(line: &str) -> Vec<Vec<String>> {
    let mut forms = Vec::new();
    let (names, value) = match line.split_once('=') {
        Some((names, value)) => (names, Some(value.trim())),
        None => (line, None),
    };
    for name in names.split_whitespace() {
        let mut words = vec![name.to_owned()];
        words.extend(value.map(str::to_owned));
        forms.push(words);
    }
    forms
}

/// What must stand beside the flags for a command to be whole.
fn beside(command: &str, flag: &str) -> &'static [&'static str] {
    match (command, flag) {
        ("run-operation", "--sql") => &[],
        ("run-operation", _) => &["macro"],
        ("init", _) => &["shop"],
        _ => &[],
    }
}

#[test]
fn every_flag_of_every_command_of_dbt_is_accepted() {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[') {
            Some(head) => sections.push((head.trim_end_matches(']'), Vec::new())),
            None => sections.last_mut().unwrap().1.push(line),
        }
    }
    let everywhere: Vec<Vec<Vec<String>>> =
        sections.remove(0).1.iter().map(|line| written(line)).collect();
    let mut tried = 0;
    for (command, own) in &sections {
        let command_words: Vec<&str> = command.split(' ').collect();
        // All at once, in each way of writing them, behind the command and before it.
        for way in 0..3 {
            let forms = everywhere.iter().filter_map(|forms| forms.get(way)).flatten();
            let flags: Vec<&str> = forms.map(String::as_str).collect();
            let rest = beside(command, "");
            accepts(&[&command_words[..], &flags, rest].concat());
            accepts(&[&flags[..], &command_words, rest].concat());
            tried += flags.len();
        }
        for flag in own.iter().flat_map(|line| written(line)) {
            let flag: Vec<&str> = flag.iter().map(String::as_str).collect();
            accepts(&[&command_words[..], &flag, beside(command, flag[0])].concat());
            tried += 1;
        }
    }
    assert!(tried > 1_000, "only {tried} flags were tried");
    assert_eq!(sections.len(), COMMANDS.len());
}

fn accepts(words: &[&str]) {
    let prepared = prepared(words, &[], json!({})).unwrap();
    let read = Arguments::try_parse_from(&prepared.words);
    assert!(read.is_ok(), "{words:?}: {prepared:?}\n{}", read.unwrap_err());
}

#[test]
fn one_command_takes_all_that_dbt_offers_it_at_once() {
    let words = "--no-partial-parse --warn-error --log-format json run --select a b --exclude c \
                 --full-refresh --threads 3 --vars {} --empty --no-introspect --store-failures";
    let words: Vec<&str> =
        words.split_whitespace().filter(|word| *word != "--no-introspect").collect();
    let prepared = prepared(&words, &[], json!({})).unwrap();
    let arguments = Arguments::try_parse_from(&prepared.words).unwrap();
    let Chosen::Run(run) = arguments.command else { panic!("another command") };
    assert_eq!(run.selection.select, ["a", "b"]);
    assert!(run.full_refresh && run.empty && arguments.common.log.warn_error);
    assert_eq!(prepared.meaningless, ["--no-partial-parse"]);
}
