//! Bad input is shown, not assumed: broken projects, broken files and the mistakes people make by
//! hand each end in a clear error or in counted rejects, and what is good beside them stays.

mod by_hand;
mod files;
mod memory;
mod projects;

use std::path::Path;

use serde_json::Value;
use testkit::{Finished, Fiveply, Folder};

/// A project with two good models, a test on one of them, and nothing else.
const GOOD: &str = "\
-- models/fine.sql --
select 1 as id
-- models/good.sql --
select * from {{ ref('fine') }}
-- models/good.yml --
models: [{name: good, columns: [{name: id, tests: [not_null]}]}]
";

const PROJECT: &str = "-- dbt_project.yml --\nname: shop\n";

fn fiveply(folder: &Path) -> Fiveply {
    Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder)
}

/// A folder with a project file, the given files and the good models.
fn project(files: &str) -> (Folder, Fiveply) {
    let folder = Folder::with(&format!("{PROJECT}{GOOD}{files}")).unwrap();
    let fiveply = fiveply(folder.path());
    (folder, fiveply)
}

/// Nothing that a user can write may make the program panic.
fn assert_no_panic(finished: &Finished) {
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(finished.code.is_some(), "a signal ended it: {}", finished.stderr);
}

/// Standard output as the one JSON document it must be.
fn document(finished: &Finished) -> Value {
    assert_no_panic(finished);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
}

/// Text without what differs from run to run: the folder, ids and durations.
pub(crate) fn settled(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "<folder>");
    let text = text.replace("/private<folder>", "<folder>");
    text.lines().map(without_duration).collect::<Vec<_>>().join("\n")
}

/// Cuts `  0.4 s` at the end of a line, with the gap before it.
fn without_duration(line: &str) -> String {
    let Some(rest) = line.strip_suffix(" s") else { return line.to_owned() };
    let kept = rest.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    if kept.len() == rest.len() {
        return line.to_owned();
    }
    format!("{}<time>", kept.trim_end().trim_end_matches([',', ';']).trim_end().to_owned() + " ")
}
