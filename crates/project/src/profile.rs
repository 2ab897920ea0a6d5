//! `profiles.yml`: accepted as it is. Target name, schema, threads and dialect are taken; the
//! connection is not used, since the data lives here.

use std::path::PathBuf;

use base::{Diagnostic, Files, Severity};
use serde_json::{Map, Value as Json};

use crate::jinja::Renderer;
use crate::options::ProjectOptions;
use crate::yaml::{self, Fields, Value};
use crate::{codes, folder, suggest, templates};

/// Target when there is no profile and nobody names one.
pub(crate) const DEFAULT_TARGET: &str = "prod";
/// Schema when there is no profile.
pub(crate) const DEFAULT_SCHEMA: &str = "main";
/// Threads when there is no profile.
pub(crate) const DEFAULT_THREADS: u32 = 4;

/// dbt's target: who builds where.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its name, which is also the environment's unless that is given.
    pub name: String,
    /// The profile it comes from.
    pub profile: Option<String>,
    /// The adapter's name, such as `duckdb`.
    pub kind: String,
    /// The schema nodes go to by default.
    pub schema: String,
    /// Steps at a time.
    pub threads: u32,
    /// Every key of the output that is no secret: what templates see in `target`.
    pub values: Map<String, Json>,
}

/// Finds the profile and its target.
pub(crate) fn read(
    root: &std::path::Path,
    profile_name: Option<&str>,
    options: &ProjectOptions,
    renderer: &Renderer,
    files: &dyn Files,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Target> {
    let profile_name =
        options.profile.as_deref().or(options.variable("DBT_PROFILE")).or(profile_name);
    let (folder, shown, own) = place(root, options, files)?;
    let file = folder::read_text(files, &folder.join("profiles.yml"), &shown, diagnostics)?;
    let value = yaml::read(&file, diagnostics)?;
    let mapping =
        Fields::open(&value, "profiles.yml", diagnostics).map(|_| value.as_mapping())??;
    let profile_name = match profile_name {
        Some(name) => name,
        None => {
            mapping.entries.iter().map(|entry| entry.key.as_str()).find(|key| *key != "config")?
        }
    };
    let Some(profile) = mapping.get(profile_name) else {
        // A profiles.yml in the user's home belongs to other projects too.
        if own {
            let known = mapping.entries.iter().map(|entry| entry.key.as_str());
            let message = format!("\"{shown}\" has no profile \"{profile_name}\"");
            let mut problem = Diagnostic::error(codes::TARGET_MISSING, message);
            if let Some(entry) = mapping.entries.first() {
                problem = problem.at(entry.key_span.clone(), "profiles stand at this level");
            }
            problem = problem.help(
                suggest::did_you_mean(profile_name, known)
                    .unwrap_or_else(|| "Name it in \"profile:\" of dbt_project.yml.".to_owned()),
            );
            diagnostics.push(problem);
        }
        return None;
    };
    output(profile, profile_name, options, renderer, diagnostics)
}

/// The folder that holds profiles.yml, its name for people, and whether it is the project's own.
fn place(
    root: &std::path::Path,
    options: &ProjectOptions,
    files: &dyn Files,
) -> Option<(PathBuf, String, bool)> {
    let given = options
        .profiles_dir
        .clone()
        .or_else(|| options.variable("DBT_PROFILES_DIR").map(PathBuf::from));
    if let Some(folder) = given {
        let folder = if folder.is_absolute() { folder } else { root.join(folder) };
        let shown = folder.join("profiles.yml").to_string_lossy().into_owned();
        return files.exists(&folder.join("profiles.yml")).then_some((folder, shown, true));
    }
    if files.exists(&root.join("profiles.yml")) {
        return Some((root.to_path_buf(), "profiles.yml".to_owned(), true));
    }
    let home = PathBuf::from(options.variable("HOME")?).join(".dbt");
    files
        .exists(&home.join("profiles.yml"))
        .then(|| (home, "~/.dbt/profiles.yml".to_owned(), false))
}

fn output(
    profile: &Value,
    profile_name: &str,
    options: &ProjectOptions,
    renderer: &Renderer,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Target> {
    let mut profile = profile.clone();
    let late = ["outputs"];
    templates::render(&mut profile, renderer, "", &late, Severity::Error, diagnostics);
    let what = format!("profile \"{profile_name}\"");
    let mut fields = Fields::open(&profile, what, diagnostics)?;
    let default = fields.text("target").unwrap_or_else(|| "default".to_owned());
    let named = options.target.as_deref().or(options.variable("DBT_TARGET"));
    let target = named.unwrap_or(&default).to_owned();
    let span = fields.span().clone();
    fields.required("outputs")?;
    let outputs = fields.mapping("outputs")?;
    let Some(output) = outputs.get(&target) else {
        let names: Vec<&str> = outputs.entries.iter().map(|entry| entry.key.as_str()).collect();
        let message = format!("profile \"{profile_name}\" has no target \"{target}\"");
        let span = fields.value("outputs").map_or(span, |value| value.span.clone());
        let first = outputs.entries.first().map_or(span, |entry| entry.key_span.clone());
        let problem = Diagnostic::error(codes::TARGET_MISSING, message)
            .at(first, "targets stand at this level")
            .help(format!("Targets are: {}.", names.join(", ")));
        fields.diagnostics().push(problem);
        return None;
    };
    let mut output = output.clone();
    // A password whose variable is not set is of no interest here: the connection is not used.
    if let yaml::Data::Mapping(mapping) = &mut output.data {
        for entry in &mut mapping.entries {
            let mut own = Vec::new();
            templates::render(&mut entry.value, renderer, "", &[], Severity::Error, &mut own);
            if USED_KEYS.contains(&entry.key.as_str()) {
                fields.diagnostics().append(&mut own);
            }
        }
    }
    let what = format!("target \"{target}\" of profile \"{profile_name}\"");
    let mut fields = Fields::open(&output, what, diagnostics)?;
    let kind = fields.text("type").unwrap_or_else(|| "duckdb".to_owned());
    let schema = fields.text("schema").or_else(|| fields.text("dataset"));
    let threads = fields.integer("threads").and_then(|count| u32::try_from(count).ok());
    if options.announce_ignored_connection {
        let message = format!("the connection of target \"{target}\" ({kind}) is not used");
        let note = Diagnostic::warning(codes::CONNECTION_IGNORED, message)
            .at(output.span.clone(), "")
            .note("Target name, schema, threads and dialect are taken from here.");
        fields.diagnostics().push(note);
    }
    Some(Target {
        name: target,
        profile: Some(profile_name.to_owned()),
        schema: schema.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned()),
        threads: threads.filter(|count| *count > 0).unwrap_or(1),
        values: visible(&output),
        kind,
    })
}

/// Keys of an output that matter here.
const USED_KEYS: &[&str] = &["type", "schema", "dataset", "threads"];

const SECRET_WORDS: &[&str] = &["pass", "token", "secret", "private", "key", "credential"];

fn visible(output: &Value) -> Map<String, Json> {
    let secret = |key: &str| SECRET_WORDS.iter().any(|word| key.to_lowercase().contains(word));
    let entries = output.as_mapping().map(|mapping| mapping.entries.as_slice()).unwrap_or_default();
    entries
        .iter()
        .filter(|entry| !secret(&entry.key))
        .map(|entry| (entry.key.clone(), entry.value.to_json()))
        .collect()
}

impl Target {
    /// What holds without a profile.
    pub(crate) fn without_profile(options: &ProjectOptions, kind: &str) -> Self {
        let named = options.target.as_deref().or(options.variable("DBT_TARGET"));
        Self {
            name: named.unwrap_or(DEFAULT_TARGET).to_owned(),
            profile: None,
            kind: kind.to_owned(),
            schema: DEFAULT_SCHEMA.to_owned(),
            threads: DEFAULT_THREADS,
            values: Map::new(),
        }
    }

    /// The `target` variable of templates; its database is the environment.
    pub(crate) fn for_templates(&self, environment: &str) -> Json {
        let mut values = self.values.clone();
        values.insert("name".to_owned(), self.name.as_str().into());
        values.insert("target_name".to_owned(), self.name.as_str().into());
        values.insert("profile_name".to_owned(), self.profile.as_deref().into());
        values.insert("type".to_owned(), self.kind.as_str().into());
        values.insert("schema".to_owned(), self.schema.as_str().into());
        values.insert("dataset".to_owned(), self.schema.as_str().into());
        values.insert("database".to_owned(), environment.into());
        values.insert("dbname".to_owned(), environment.into());
        values.insert("project".to_owned(), environment.into());
        values.insert("threads".to_owned(), self.threads.into());
        Json::Object(values)
    }
}
