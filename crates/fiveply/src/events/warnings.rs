//! Warnings by dbt's names, and which of them are errors: `--warn-error`, `--warn-error-options`.

use base::{Diagnostic, ErrorKind};
use project::codes;
use serde_json::{Value, json};

use super::{Event, fire, policy};
use crate::arguments::{LogArguments, LogLevel};
use crate::failure::Failure;
use crate::workplace::read_mapping;

/// dbt's word for every deprecation together.
const DEPRECATIONS: &str = "Deprecations";

/// Names of the warnings that a project's files give; ours have the name of their code's meaning.
const NAMES: &[(&str, &str)] = &[
    (codes::CONFIG_PATH_UNUSED, "UnusedResourceConfigPath"),
    (codes::CONNECTION_IGNORED, "ConnectionIgnored"),
    (codes::DOCS_MISSING, "DocsBlockMissing"),
    (codes::DUPLICATE_KEY, "DuplicateYAMLKeysDeprecation"),
    (codes::INGEST_FILE, "IngestFileIgnored"),
    (codes::JINJA_RAISED, "JinjaLogWarning"),
    (codes::PATCH_WITHOUT_NODE, "NoNodeForYamlKey"),
    (codes::REF_DISABLED, "NodeNotFoundOrDisabled"),
    (codes::REF_MISSING, "NodeNotFoundOrDisabled"),
    (codes::SELECTOR_EMPTY, "NoNodesForSelectionCriteria"),
    (codes::SOURCE_MISSING, "NodeNotFoundOrDisabled"),
    (codes::UNKNOWN_KEY, "CustomKeyInObjectDeprecation"),
    (codes::UNSUPPORTED_CONFIG, "ConfigWithoutEffect"),
    (codes::UNSUPPORTED_RESOURCE, "ResourceWithoutEffect"),
    (codes::WRONG_VALUE, "ValueWithoutEffect"),
];

/// dbt's codes of those names that it has too.
const CODES: &[(&str, &str)] = &[
    ("CustomKeyInObjectDeprecation", "D025"),
    ("DuplicateYAMLKeysDeprecation", "D022"),
    ("JinjaLogWarning", "I061"),
    ("NoNodeForYamlKey", "I059"),
    ("NoNodesForSelectionCriteria", "M030"),
    ("NodeNotFoundOrDisabled", "I060"),
    ("NothingToDo", "Q035"),
    ("UnusedResourceConfigPath", "I045"),
];

/// What becomes of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It is an error.
    Error,
    /// It is said.
    Warn,
    /// Nothing is said.
    Silence,
}

/// Which warnings are errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    all: bool,
    error: Vec<String>,
    warn: Vec<String>,
    silence: Vec<String>,
}

impl Policy {
    /// What the command line asks for.
    ///
    /// # Errors
    /// When it asks for both at once, or its words mean nothing.
    pub(crate) fn of(options: &LogArguments) -> Result<Self, Failure> {
        match (&options.warn_error_options, options.warn_error) {
            (None, all) => Ok(Self { all, ..Self::default() }),
            (Some(_), true) => {
                Err(Failure::usage("--warn-error and --warn-error-options stand together")
                    .help("Give one of them; `{error: all}` means what --warn-error means."))
            }
            (Some(text), false) => Self::read(text),
        }
    }

    fn read(text: &str) -> Result<Self, Failure> {
        let fields = read_mapping("--warn-error-options", text)?;
        for key in fields.keys() {
            if !["error", "include", "warn", "exclude", "silence"].contains(&key.as_str()) {
                return Err(Failure::usage(format!("--warn-error-options has no \"{key}\""))
                    .help("Its keys are error (or include), warn (or exclude) and silence."));
            }
        }
        let either = |new: &str, old: &str| fields.get(new).or_else(|| fields.get(old)).cloned();
        let error = either("error", "include").unwrap_or_default();
        let all = error.as_str().is_some_and(|word| word == "all" || word == "*");
        if let Some(word) = error.as_str().filter(|_| !all) {
            return Err(Failure::usage(format!(
                "\"{word}\" in --warn-error-options names nothing"
            ))
            .help("Write error: all, or a list of names."));
        }
        let policy = Self {
            all,
            error: names("error", &error)?,
            warn: names("warn", &either("warn", "exclude").unwrap_or_default())?,
            silence: names("silence", &either("silence", "silence").unwrap_or_default())?,
        };
        let about = [&policy.error, &policy.silence];
        let of_all = policy.all || about.iter().any(|list| has(list, DEPRECATIONS));
        if !policy.warn.is_empty() && !of_all {
            return Err(Failure::usage("`warn` in --warn-error-options has nothing to leave out")
                .help("It goes with error: all, or with Deprecations in error or silence."));
        }
        Ok(policy)
    }

    /// What becomes of a warning: its own name counts more than `Deprecations`, which counts more
    /// than `all`; silence more than warn, and warn more than error.
    pub(crate) fn treats(&self, name: &str) -> Treatment {
        for word in [Some(name), name.ends_with("Deprecation").then_some(DEPRECATIONS)] {
            let Some(word) = word else { continue };
            if has(&self.silence, word) {
                return Treatment::Silence;
            }
            if has(&self.warn, word) {
                return Treatment::Warn;
            }
            if has(&self.error, word) {
                return Treatment::Error;
            }
        }
        if self.all { Treatment::Error } else { Treatment::Warn }
    }
}

fn has(list: &[String], word: &str) -> bool {
    list.iter().any(|one| one == word)
}

fn names(key: &str, value: &Value) -> Result<Vec<String>, Failure> {
    let refuse = || {
        Failure::usage(format!("`{key}` in --warn-error-options is no list of names"))
            .help("Write it as '{error: [NoNodesForSelectionCriteria]}'.")
    };
    match value {
        Value::Null | Value::String(_) => Ok(Vec::new()),
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(refuse)).collect()
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(refuse()),
    }
}

/// What becomes of a warning of this name in this command.
pub(crate) fn treatment(name: &str) -> Treatment {
    policy().map_or(Treatment::Warn, |policy| policy.treats(name))
}

/// Whether a test that warns fails.
pub(crate) fn tests_fail() -> bool {
    treatment("LogTestResult") == Treatment::Error
}

/// Writes a warning down, unless it is an error here or is not to be heard of. Whether it is to be
/// shown.
///
/// # Errors
/// When warnings of this name are errors.
pub(crate) fn warn(name: &'static str, message: &str, data: Value) -> Result<bool, Failure> {
    match treatment(name) {
        Treatment::Silence => return Ok(false),
        Treatment::Error => {
            let help = format!("{name} is an error here, by --warn-error or its options.");
            return Err(Failure::usage(message).help(help));
        }
        Treatment::Warn => {}
    }
    let code = CODES.iter().find(|(known, _)| *known == name).map_or("W000", |(_, code)| code);
    let text = format!("[WARNING]: {message}");
    fire(Event::new(name, code, text).at(LogLevel::Warn).with(data));
    Ok(true)
}

/// The name of a diagnostic that warns.
pub(crate) fn name_of(diagnostic: &Diagnostic) -> &'static str {
    let known = NAMES.iter().find(|(code, _)| *code == diagnostic.code);
    known.map_or(diagnostic.code, |(_, name)| name)
}

/// The warnings about a project's files that are to be shown.
///
/// # Errors
/// With those that are errors here.
pub(crate) fn of_project(warnings: Vec<Diagnostic>) -> Result<Vec<Diagnostic>, Failure> {
    let (mut shown, mut errors) = (Vec::new(), Vec::new());
    for warning in warnings {
        let name = name_of(&warning);
        // Every profile of dbt has a connection: a note about it fails nothing unless it is named.
        let named = policy().is_some_and(|policy| has(&policy.error, name));
        let note = warning.code == codes::CONNECTION_IGNORED && !named;
        match treatment(name) {
            Treatment::Error if !note => errors.push(warning),
            Treatment::Silence => {}
            Treatment::Error | Treatment::Warn => {
                let place = warning.primary.as_ref().map(|label| label.span.file.path.clone());
                let code = CODES.iter().find(|(known, _)| *known == name);
                let text = match &place {
                    Some(path) => format!("[WARNING]: {} ({path})", warning.message),
                    None => format!("[WARNING]: {}", warning.message),
                };
                let data = json!({"msg": warning.message, "file": place, "code": warning.code});
                let code = code.map_or(warning.code, |(_, code)| code);
                fire(Event::new(name, code, text).at(LogLevel::Warn).with(data));
                shown.push(warning);
            }
        }
    }
    match errors.first() {
        None => Ok(shown),
        Some(first) => {
            let name = name_of(first);
            let count = errors.len();
            let message = match count {
                1 => format!("a warning about the project is an error here ({name})"),
                _ => format!("{count} warnings about the project are errors here ({name}, …)"),
            };
            let help = "Mend them, or leave out --warn-error, or name them under `warn`.";
            Err(Failure::of_kind(ErrorKind::Project, message).help(help).diagnostics(errors))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::read(text).unwrap()
    }

    #[test]
    fn the_nearest_name_decides_and_silence_wins_over_warn_and_error() {
        let all_but = policy("{error: all, warn: [NothingToDo], silence: [JinjaLogWarning]}");
        assert_eq!(all_but.treats("NothingToDo"), Treatment::Warn);
        assert_eq!(all_but.treats("JinjaLogWarning"), Treatment::Silence);
        assert_eq!(all_but.treats("LogTestResult"), Treatment::Error);
        let old_words = policy("{include: '*', exclude: [NothingToDo]}");
        assert_eq!(old_words.treats("NothingToDo"), Treatment::Warn);
        assert_eq!(old_words.treats("Other"), Treatment::Error);
        let old = policy("{error: [Deprecations], warn: [DuplicateYAMLKeysDeprecation]}");
        assert_eq!(old.treats("DuplicateYAMLKeysDeprecation"), Treatment::Warn);
        assert_eq!(old.treats("CustomKeyInObjectDeprecation"), Treatment::Error);
        assert_eq!(old.treats("NothingToDo"), Treatment::Warn);
    }

    #[test]
    fn words_that_mean_nothing_are_refused() {
        for text in ["{error: some}", "{errors: all}", "{warn: [A]}", "{error: {a: 1}}", "7"] {
            assert!(Policy::read(text).is_err(), "{text}");
        }
    }
}
