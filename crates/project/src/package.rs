//! The root project and its packages: installed ones under `dbt_packages/`, local ones from where
//! `packages.yml` says they are.

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, Severity, Span};
use serde_json::{Map, Value as Json};

use crate::folder::{Folder, join};
use crate::jinja::Renderer;
use crate::project_file::{self, ProjectFile};
use crate::yaml::{self, Fields, Value};
use crate::{codes, templates};

/// A package with its folder, relative to the project's root; empty for the root itself.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) folder: String,
    pub(crate) file: ProjectFile,
}

impl Package {
    pub(crate) fn name(&self) -> &str {
        &self.file.name
    }
}

/// What `packages.yml` asks for.
struct Wanted {
    /// Name it is likely installed under.
    name: String,
    /// Folder of a local package, relative to the project's root.
    local: Option<String>,
    span: Span,
}

/// Loads every package the root project can use, the root first.
pub(crate) fn load_all(
    folder: Folder<'_>,
    root: Package,
    renderer: &Renderer,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Package> {
    let installed = installed(folder, &root.file.packages_folder, diagnostics);
    let mut packages = vec![root];
    let mut folders: BTreeSet<String> = BTreeSet::from([String::new()]);
    let mut at = 0;
    // dbt counts what is installed and asks no names; so a package that is declared and lies in
    // the folder under whatever name is there.
    let enough = installed.len() >= wanted(folder, "", &mut Vec::new()).len();
    // Local packages of local packages are found as the list grows.
    while let Some(package) = packages.get(at) {
        let is_root = at == 0;
        at += 1;
        for wanted in wanted(folder, &package.folder.clone(), diagnostics) {
            match wanted.local {
                Some(local) => {
                    if !folders.insert(local.clone()) {
                        continue;
                    }
                    if folder.exists(&join(&local, "dbt_project.yml")) {
                        let loaded = load(folder, &local, renderer, diagnostics);
                        add(&mut packages, loaded, Some(&wanted.span), diagnostics);
                    } else if !enough {
                        diagnostics.push(missing(&local, &wanted.span));
                    }
                }
                None if is_root => {
                    // A repository may carry a prefix that its package does not
                    // (dbt-audit-helper holds audit_helper).
                    let there = installed.iter().any(|folder| {
                        let folder = folder.rsplit('/').next().unwrap_or(folder);
                        wanted.name.ends_with(folder) || folder.ends_with(&wanted.name)
                    });
                    if !there && !enough {
                        diagnostics.push(missing(&wanted.name, &wanted.span));
                    }
                }
                None => {}
            }
        }
    }
    for installed in installed {
        if folders.insert(installed.clone()) {
            let loaded = load(folder, &installed, renderer, diagnostics);
            let known = loaded.as_ref().is_some_and(|loaded| {
                packages.iter().any(|package| package.name() == loaded.name())
            });
            // A local package is installed as a link to itself.
            if !known {
                add(&mut packages, loaded, None, diagnostics);
            }
        }
    }
    packages
}

fn add(
    packages: &mut Vec<Package>,
    loaded: Option<Package>,
    span: Option<&Span>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(loaded) = loaded else { return };
    if let Some(first) = packages.iter().find(|package| package.name() == loaded.name()) {
        let message = format!(
            "packages in \"{}\" and \"{}\" are both named \"{}\"",
            shown(&first.folder),
            shown(&loaded.folder),
            loaded.name()
        );
        let mut problem = Diagnostic::error(codes::PACKAGE_NAME_TAKEN, message)
            .help("Rename one of them in its dbt_project.yml.");
        if let Some(span) = span {
            problem = problem.at(span.clone(), "");
        }
        diagnostics.push(problem);
        return;
    }
    packages.push(loaded);
}

fn shown(folder: &str) -> &str {
    if folder.is_empty() { "." } else { folder }
}

fn missing(name: &str, span: &Span) -> Diagnostic {
    Diagnostic::error(codes::PACKAGE_MISSING, format!("package \"{name}\" is not installed"))
        .at(span.clone(), "declared here")
        .help("Install it into dbt_packages/, or name its folder with \"local:\".")
}

fn load(
    folder: Folder<'_>,
    package: &str,
    renderer: &Renderer,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Package> {
    let file = folder.read(&join(package, "dbt_project.yml"), diagnostics)?;
    let mut value = yaml::read(&file, diagnostics)?;
    let late = templates::LATE_IN_PROJECT;
    // Keys that only newer or older versions know are the package author's affair.
    let mut own = Vec::new();
    templates::render(&mut value, renderer, "", late, Severity::Warning, &mut own);
    let file = project_file::read(&value, &mut own);
    diagnostics.extend(own.into_iter().filter(Diagnostic::is_error));
    Some(Package { folder: package.to_owned(), file: file? })
}

fn installed(
    folder: Folder<'_>,
    packages_folder: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<String> {
    folder
        .list("", packages_folder, diagnostics)
        .into_iter()
        .filter_map(|found| {
            let (package, file) = found.below.split_once('/')?;
            (file == "dbt_project.yml").then(|| join(packages_folder, package))
        })
        .collect()
}

fn wanted(folder: Folder<'_>, package: &str, diagnostics: &mut Vec<Diagnostic>) -> Vec<Wanted> {
    let mut found = Vec::new();
    for name in ["packages.yml", "dependencies.yml"] {
        let path = join(package, name);
        if !folder.exists(&path) {
            continue;
        }
        let Some(value) =
            folder.read(&path, diagnostics).and_then(|file| yaml::read(&file, diagnostics))
        else {
            continue;
        };
        let Some(mut fields) = Fields::open(&value, format!("\"{path}\""), diagnostics) else {
            continue;
        };
        for item in fields.list("packages") {
            found.extend(one_wanted(package, item, fields.diagnostics()));
        }
        fields.entry("projects");
        fields.finish_leniently();
    }
    found
}

fn one_wanted(package: &str, item: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Wanted> {
    let mut fields = Fields::open(item, "a package", diagnostics)?;
    let span = item.span.clone();
    if let Some(local) = fields.text("local") {
        let name = local.trim_end_matches('/').rsplit('/').next().unwrap_or(&local).to_owned();
        let local = normal(&join(package, local.trim_end_matches('/')));
        return Some(Wanted { name, local: Some(local), span });
    }
    let address = ["package", "git", "tarball"].into_iter().find_map(|key| fields.text(key))?;
    let tail = address.trim_end_matches('/').rsplit('/').next().unwrap_or(&address);
    let tail = tail.strip_suffix(".git").unwrap_or(tail);
    let name = fields.text("name").unwrap_or_else(|| tail.replace('-', "_"));
    Some(Wanted { name, local: None, span })
}

/// Takes `.` and inner `..` out of a relative path.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if path.starts_with('/') { format!("/{joined}") } else { joined }
}

/// The project and its packages as dbt holds them: some packages read their own version there.
pub(crate) fn for_templates(
    packages: &[Package],
    command_line: &Map<String, Json>,
) -> Map<String, Json> {
    let one = |package: &Package| {
        let file = &package.file;
        let mut shape = Map::new();
        shape.insert("project_name".to_owned(), file.name.as_str().into());
        shape.insert("version".to_owned(), file.version.as_deref().into());
        shape.insert("vars".to_owned(), Json::Object(file.vars.clone()));
        shape.insert("model_paths".to_owned(), file.paths.models.clone().into());
        shape.insert("packages_install_path".to_owned(), file.packages_folder.as_str().into());
        shape
    };
    let Some(root) = packages.first() else { return Map::new() };
    let mut project = one(root);
    let all = packages.iter().map(|package| (package.name().to_owned(), one(package).into()));
    project.insert("dependencies".to_owned(), Json::Object(all.collect()));
    project.insert("cli_vars".to_owned(), Json::Object(command_line.clone()));
    project
}

/// Variables as each package sees them: its own, then the root's, then the command line's.
pub(crate) fn variables(
    packages: &[Package],
    command_line: &Map<String, Json>,
) -> BTreeMap<String, Map<String, Json>> {
    let mut found = BTreeMap::new();
    let Some(root) = packages.first() else { return found };
    for package in packages {
        let mut vars = Map::new();
        for file in [&package.file, &root.file] {
            vars.extend(file.vars.iter().map(|(key, value)| (key.clone(), value.clone())));
            if let Some(Json::Object(scoped)) = file.vars.get(package.name()) {
                vars.extend(scoped.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        vars.extend(command_line.iter().map(|(key, value)| (key.clone(), value.clone())));
        found.insert(package.name().to_owned(), vars);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn local_paths_are_made_plain() {
        assert_eq!(normal("../shared/./x"), "../shared/x");
        assert_eq!(normal("a/../b"), "b");
    }
}
