//! dbt's flags that have no meaning here are accepted and said once, so that a command written for
//! dbt runs as it is.

use std::ffi::OsString;

/// Switches, without their leading dashes; each may have `no-` in front.
const SWITCHES: &[&str] = &[
    "cache-selected-only",
    "clean-project-files-only",
    "compile",
    "debug",
    "export-saved-queries",
    "inject-ephemeral-ctes",
    "introspect",
    "log-cache-events",
    "macro-debugging",
    "partial-parse",
    "partial-parse-file-diff",
    "populate-cache",
    "print",
    "send-anonymous-usage-stats",
    "show-all-deprecations",
    "single-threaded",
    "static",
    "static-parser",
    "upgrade",
    "upload-to-artifacts-ingest-api",
    "use-colors",
    "use-colors-file",
    "use-experimental-parser",
    "use-fast-test-edges",
    "validate-macro-args",
    "version-check",
    "write-json",
];

/// Flags with a value, without their leading dashes.
const VALUED: &[&str] = &[
    "host",
    "log-file-max-bytes",
    "log-format-file",
    "log-level",
    "log-level-file",
    "log-path",
    "partial-parse-file-path",
    "printer-width",
    "record-timing-info",
];

/// Short forms and whether they take a value.
const SHORT: &[(&str, bool)] = &[("-d", false), ("-r", true)];

/// A command line without the flags that mean nothing here, and those flags.
pub(crate) fn without_meaningless(
    words: impl IntoIterator<Item = OsString>,
) -> (Vec<OsString>, Vec<String>) {
    let (mut kept, mut left_out) = (Vec::<OsString>::new(), Vec::new());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        if text == "--" {
            kept.push(word);
            kept.extend(words);
            break;
        }
        // `up` and `demo` have a `--host` of their own.
        let serves = kept.iter().any(|word| word == "up" || word == "demo");
        match kind_of(&text).filter(|_| !(serves && text.starts_with("--host"))) {
            None => kept.push(word),
            Some(takes_next) => {
                if takes_next {
                    words.next();
                }
                left_out.push(text);
            }
        }
    }
    (kept, left_out)
}

/// Whether a word is such a flag, and whether its value is the next word.
fn kind_of(word: &str) -> Option<bool> {
    if let Some((_, takes)) = SHORT.iter().find(|(short, _)| *short == word) {
        return Some(*takes);
    }
    let name = word.strip_prefix("--")?;
    if let Some((name, _)) = name.split_once('=') {
        return VALUED.contains(&name).then_some(false);
    }
    if VALUED.contains(&name) {
        return Some(true);
    }
    let name = name.strip_prefix("no-").unwrap_or(name);
    SWITCHES.contains(&name).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_without_meaning_are_taken_out_with_their_values() {
        let words = ["fiveply", "--no-partial-parse", "run", "--log-level", "warn", "-s", "a"];
        let (kept, left_out) = without_meaningless(words.map(OsString::from));
        assert_eq!(kept, ["fiveply", "run", "-s", "a"].map(OsString::from));
        assert_eq!(left_out, ["--no-partial-parse", "--log-level"]);
    }

    #[test]
    fn a_server_has_a_host_of_its_own() {
        let words = ["fiveply", "up", "--host", "0.0.0.0"].map(OsString::from);
        assert_eq!(without_meaningless(words.clone()), (words.to_vec(), Vec::new()));
    }

    #[test]
    fn a_query_may_hold_words_that_look_like_flags() {
        let words = ["fiveply", "query", "--", "--debug"];
        let (kept, _) = without_meaningless(words.map(OsString::from));
        assert_eq!(kept.len(), 4);
    }
}
