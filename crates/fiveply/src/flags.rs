//! dbt's flags wherever dbt takes them: before or after the command, turned round with `--no-`, in
//! `DBT_…` variables, under `flags:` of dbt_project.yml. What has no meaning here is taken out and
//! said once, so that a command written for dbt runs as it is.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use clap::{Arg, Command};
use serde_json::{Map, Value};

use table::{COMMANDS, FLAGS, Flag, HAPPENS_ANYWAY, NO_VARIABLE, OLD_VARIABLES, Takes};

/// Short forms that dbt takes before its commands too.
const SHORT: &[(&str, &str)] = &[
    ("-d", "--debug"),
    ("-f", "--full-refresh"),
    ("-q", "--quiet"),
    ("-r", "--record-timing-info"),
    ("-v", "--version"),
    ("-x", "--fail-fast"),
];

/// A command line that clap understands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Prepared {
    /// The words.
    pub(crate) words: Vec<OsString>,
    /// What has no meaning here.
    pub(crate) meaningless: Vec<String>,
    /// The command, `docs generate` for one in two words.
    pub(crate) command: String,
}

/// Where else flags may stand.
pub(crate) struct Around<'a> {
    /// Reads an environment variable.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// `flags:` of dbt_project.yml.
    pub(crate) project: &'a Map<String, Value>,
}

/// Brings flags to where clap looks for them, and takes out those without a meaning.
///
/// # Errors
/// When a variable or a flag of the project has no value that it can have.
pub(crate) fn prepare(
    words: Vec<OsString>,
    mut root: Command,
    around: &Around<'_>,
) -> Result<Prepared, String> {
    root.build();
    let (program, spoken) = match words.split_first() {
        Some((program, rest)) => (program.clone(), rest),
        None => return Ok(Prepared::default()),
    };
    let found = find_command(spoken, &root);
    let mut sorter = Sorter::new(found.leaf, found.name.clone());
    sorter.take_words(&found.others);
    sorter.take_variables(around.variable)?;
    sorter.take_project(around.project)?;
    let mut words = vec![program];
    words.extend(found.command);
    sorter.finish(&mut words);
    Ok(Prepared { words, meaningless: sorter.meaningless, command: found.name })
}

struct Found<'a> {
    leaf: &'a Command,
    /// The words of the command itself.
    command: Vec<OsString>,
    /// As dbt calls it.
    name: String,
    /// Everything else, in order.
    others: Vec<OsString>,
}

/// Tells the words of the command from its flags and their values.
fn find_command<'a>(words: &[OsString], root: &'a Command) -> Found<'a> {
    let mut leaf = root;
    let (mut command, mut names, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let text = word.to_string_lossy();
        if text == "--" {
            others.push(word.clone());
            break;
        }
        if !leaf.has_subcommands() || text.starts_with('-') {
            others.push(word.clone());
            if leaf.has_subcommands() && takes_next(&text, leaf) {
                others.extend(rest.next().cloned());
            }
            continue;
        }
        let Some(below) = leaf.find_subcommand(text.as_ref()) else {
            others.push(word.clone());
            break;
        };
        names.push(below.get_name().to_owned());
        command.push(word.clone());
        leaf = below;
    }
    others.extend(rest.cloned());
    Found { leaf, command, name: names.join(" "), others }
}

/// Whether the value of a flag is the next word.
fn takes_next(word: &str, command: &Command) -> bool {
    if word.contains('=') {
        return false;
    }
    let Some(name) = word.strip_prefix("--") else {
        let letter = word.chars().nth(1);
        let known = command.get_arguments().find(|arg| arg.get_short() == letter);
        return word == "-r" || known.is_some_and(|arg| arg.get_action().takes_values());
    };
    match FLAGS.iter().find(|flag| flag.name == name) {
        Some(flag) => flag.takes == Takes::Value,
        None => known(command, name).is_some_and(|arg| arg.get_action().takes_values()),
    }
}

fn known<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| {
        arg.get_long() == Some(name)
            || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    })
}

struct Sorter<'a> {
    leaf: &'a Command,
    name: String,
    kept: Vec<OsString>,
    /// What variables and the project fill in.
    filled: Vec<OsString>,
    switches: BTreeMap<&'static str, bool>,
    given: BTreeSet<String>,
    meaningless: Vec<String>,
}

impl<'a> Sorter<'a> {
    fn new(leaf: &'a Command, name: String) -> Self {
        Self {
            leaf,
            name,
            kept: Vec::new(),
            filled: Vec::new(),
            switches: BTreeMap::new(),
            given: BTreeSet::new(),
            meaningless: Vec::new(),
        }
    }

    fn knows(&self, name: &str) -> bool {
        known(self.leaf, name).is_some()
    }

    fn is_of_dbt(&self) -> bool {
        is_of_dbt(&self.name)
    }

    /// dbt's flag of a name, if this command may have it.
    fn flag(&self, name: &str) -> Option<&'static Flag> {
        FLAGS.iter().find(|flag| {
            let here = flag.commands.is_empty() || flag.commands.contains(&self.name.as_str());
            flag.name == name && here
        })
    }

    fn take_words(&mut self, words: &[OsString]) {
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let mut text = word.to_string_lossy().into_owned();
            if text == "--" {
                self.kept.push(word.clone());
                self.kept.extend(rest.cloned());
                return;
            }
            if let Some((_, long)) = SHORT.iter().find(|(short, _)| *short == text) {
                (*long).clone_into(&mut text);
            }
            let Some(name) = text.strip_prefix("--") else {
                self.kept.push(word.clone());
                continue;
            };
            let (name, inline) = match name.split_once('=') {
                Some((name, _)) => (name, true),
                None => (name, false),
            };
            self.given.insert(name.to_owned());
            if name == "output" && self.name == "source freshness" && !inline {
                // dbt's option names a file; ours says how results are printed.
                let file = rest.clone().next().map(|word| word.to_string_lossy().into_owned());
                let format = file.is_some_and(|file| file == "json" || file == "text");
                self.kept.push(OsString::from(if format { "--output" } else { "--to" }));
                continue;
            }
            let positive = name.strip_prefix("no-").filter(|_| !inline);
            let turned = positive.and_then(|name| self.flag(name));
            if let Some(flag) = turned.filter(|flag| flag.takes == Takes::Switch) {
                self.switches.insert(flag.name, false);
                self.given.insert(flag.name.to_owned());
                continue;
            }
            match self.flag(name) {
                Some(flag) if flag.takes != Takes::Value && !inline => {
                    self.switches.insert(flag.name, true);
                }
                Some(flag) if flag.takes == Takes::Value && !self.knows(name) => {
                    if !inline {
                        rest.next();
                    }
                    self.meaningless.push(format!("--{name}"));
                }
                Some(_) | None => self.kept.push(OsString::from(text)),
            }
        }
    }

    fn take_variables(&mut self, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
        if let Some(text) = variable("DBT_NO_PRINT").filter(|_| !self.given.contains("print")) {
            self.switch("print", !truth("DBT_NO_PRINT", &text)?);
        }
        for flag in FLAGS.iter().filter(|flag| !NO_VARIABLE.contains(&flag.name)) {
            if self.given.contains(flag.name) || self.flag(flag.name).is_none() {
                continue;
            }
            let upper = flag.name.replace('-', "_").to_uppercase();
            let old = OLD_VARIABLES.iter().find(|(name, _)| *name == flag.name);
            let names = [format!("DBT_ENGINE_{upper}"), format!("DBT_{upper}")];
            let names = names.into_iter().chain(old.map(|(_, name)| (*name).to_owned()));
            let mut set = names.filter_map(|name| Some((variable(&name)?, name)));
            let Some((value, name)) = set.find(|(value, _)| !value.is_empty()) else {
                continue;
            };
            self.given.insert(flag.name.to_owned());
            match flag.takes {
                Takes::Switch | Takes::Alone => self.switch(flag.name, truth(&name, &value)?),
                Takes::Value => self.value(flag.name, &value, &name),
            }
        }
        Ok(())
    }

    fn take_project(&mut self, project: &Map<String, Value>) -> Result<(), String> {
        for flag in FLAGS.iter().filter(|flag| flag.in_project) {
            let key = flag.name.replace('-', "_");
            let Some(value) = project.get(&key).filter(|value| !value.is_null()) else { continue };
            let both = flag.name.starts_with("warn-error")
                && ["warn-error", "warn-error-options"].iter().any(|one| self.given.contains(*one));
            if both || self.given.contains(flag.name) {
                continue;
            }
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match flag.takes {
                Takes::Switch | Takes::Alone => {
                    let on = truth(&format!("flags.{key}"), &text)?;
                    // What a project asks for once and for all is not told at each command.
                    if self.knows(flag.name) || self.knows(&format!("no-{}", flag.name)) {
                        self.switch(flag.name, on);
                    }
                }
                Takes::Value if self.knows(flag.name) => self.value(flag.name, &text, ""),
                Takes::Value => {}
            }
        }
        Ok(())
    }

    fn switch(&mut self, name: &'static str, on: bool) {
        // `DBT_WARN_ERROR=false` says what happens anyway.
        let alone = FLAGS.iter().any(|flag| flag.name == name && flag.takes == Takes::Alone);
        if on || !alone {
            self.switches.insert(name, on);
        }
    }

    fn value(&mut self, name: &str, value: &str, variable: &str) {
        match known(self.leaf, name) {
            // clap reads it by itself.
            Some(arg) if arg.get_env().is_some_and(|env| env == variable) => {}
            Some(arg) if arg.get_num_args().is_some_and(|count| count.max_values() > 1) => {
                let each = value.split([' ', ',']).filter(|one| !one.is_empty());
                self.filled.extend(each.map(|one| OsString::from(format!("--{name}={one}"))));
            }
            Some(_) => self.filled.push(OsString::from(format!("--{name}={value}"))),
            None if self.is_of_dbt() => self.meaningless.push(variable.to_owned()),
            None => {}
        }
    }

    /// Writes the last word on each switch.
    fn finish(&mut self, words: &mut Vec<OsString>) {
        for (name, on) in std::mem::take(&mut self.switches) {
            let (positive, negative) = (name.to_owned(), format!("no-{name}"));
            let wanted = if on { &positive } else { &negative };
            if self.knows(wanted) {
                words.push(OsString::from(format!("--{wanted}")));
            } else if name == "single-threaded" && on && self.knows("threads") {
                words.push(OsString::from("--threads=1"));
            } else if !self.knows(&positive)
                && !self.knows(&negative)
                && !HAPPENS_ANYWAY.contains(&(name, on))
            {
                self.meaningless.push(format!("--{wanted}"));
            }
        }
        words.append(&mut self.filled);
        words.append(&mut self.kept);
    }
}

/// Whether a command is one of dbt's.
pub(crate) fn is_of_dbt(command: &str) -> bool {
    COMMANDS.contains(&command)
}

/// A truth as dbt reads it.
fn truth(name: &str, text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Ok(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Ok(false),
        _ => Err(format!("{name} is \"{text}\", which is neither true nor false")),
    }
}

#[cfg(test)]
mod tests;
