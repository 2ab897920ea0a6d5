//! Every page of `docs/` does what it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use testkit::Folder;

use crate::pages::{Page, repository};

/// Pages with a test of their own: beside the tutorial's data, in `compute` and in `server`.
const TESTED_ELSEWHERE: &[&str] = &["tutorial.md", "sql.md", "sql-endpoint.md"];

#[test]
fn every_page_runs_as_written() {
    let mut tried = 0;
    for path in files_below(&repository().join("docs"), "md") {
        if TESTED_ELSEWHERE.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let page = Page::read(&path);
        assert!(page.commands() > 0, "{} has no example", path.display());
        page.run(&Folder::empty().unwrap());
        tried += 1;
    }
    assert!(tried >= 5, "only {tried} pages");
}

#[test]
fn every_code_has_a_line() {
    let page = std::fs::read_to_string(repository().join("docs/errors.md")).unwrap();
    let listed: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| E")?.split_once(" |"))
        .map(|(digits, _)| format!("E{digits}"))
        .collect();
    assert_eq!(listed, codes_in_sources(), "docs/errors.md and the sources differ");
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let root = repository();
    let mut pages = files_below(&root.join("docs"), "md");
    pages.extend(["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(|name| root.join(name)));
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap();
            let outside = target.is_empty() || target.contains("://");
            let found = outside || page.parent().unwrap().join(target).exists();
            assert!(found, "{}: {target} is not there", page.display());
        }
    }
}

/// Codes written in product code; what stands behind `#[cfg(test)]` invents some.
fn codes_in_sources() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for file in files_below(&repository().join("crates"), "rs") {
        let of_tests = file.components().any(|part| part.as_os_str() == "tests");
        let product = file.components().any(|part| part.as_os_str() == "src");
        if of_tests || !product || file.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
        codes.extend(text.split('"').filter(|word| is_code(word)).map(str::to_owned));
    }
    codes
}

fn is_code(word: &str) -> bool {
    word.len() == 5
        && word.starts_with('E')
        && word[1..].chars().all(|digit| digit.is_ascii_digit())
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|ending| ending == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}
