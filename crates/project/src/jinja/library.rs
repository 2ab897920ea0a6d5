//! The macros of all packages, and the rules by which a name finds one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use base::Diagnostic;

use crate::codes;
use crate::jinja::builtin;
use crate::jinja::unit::Unit;
use crate::jinja::{Block, BlockKind};

/// The package of dbt's own macros; ours are found under the same name.
pub const GLOBAL_PACKAGE: &str = "dbt";

/// One macro of one package.
#[derive(Debug)]
pub struct Macro {
    /// `macro.<package>.<name>`.
    pub id: String,
    /// The package it belongs to.
    pub package: String,
    /// Its name among macros; see [`Block::macro_name`].
    pub name: String,
    /// Where it is written.
    pub block: Block,
    /// Its compiled template, made when it is first called.
    pub(crate) unit: OnceLock<Arc<Unit>>,
}

/// Every macro a project can call, the built-in ones included.
#[derive(Debug)]
pub struct MacroLibrary {
    root: String,
    prefixes: Vec<String>,
    dispatch: BTreeMap<String, Vec<String>>,
    packages: BTreeMap<String, HashMap<String, Arc<Macro>>>,
}

impl MacroLibrary {
    /// Collects the macros of `packages` (name and blocks; blocks that are no macros are passed
    /// over) for a root package, a dialect and the `dispatch:` search orders of the root project.
    pub fn new(
        root: &str,
        dialect: &str,
        dispatch: BTreeMap<String, Vec<String>>,
        packages: Vec<(String, Vec<Block>)>,
    ) -> (Self, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let mut library = Self {
            root: root.to_owned(),
            prefixes: prefixes(dialect),
            dispatch,
            packages: BTreeMap::new(),
        };
        let own = (GLOBAL_PACKAGE.to_owned(), builtin::blocks());
        for (package, blocks) in [own].into_iter().chain(packages) {
            for block in blocks {
                if let Some(diagnostic) = library.add(&package, block) {
                    diagnostics.push(diagnostic);
                }
            }
        }
        (library, diagnostics)
    }

    fn add(&mut self, package: &str, block: Block) -> Option<Diagnostic> {
        match block.kind {
            BlockKind::Macro | BlockKind::Test | BlockKind::Materialization => {}
            BlockKind::Snapshot | BlockKind::Docs => return None,
        }
        let name = block.macro_name();
        let macros = self.packages.entry(package.to_owned()).or_default();
        if let Some(first) = macros.get(&name) {
            let message = format!("macro \"{name}\" is declared twice in package \"{package}\"");
            return Some(
                Diagnostic::error(codes::MACRO_TWICE, message)
                    .at(block.name_span.clone(), "declared again here")
                    .also(first.block.name_span.clone(), "declared first here")
                    .help("Rename one of the two, or delete it."),
            );
        }
        let id = format!("macro.{package}.{name}");
        let declared = Macro {
            id,
            package: package.to_owned(),
            name: name.clone(),
            block,
            unit: OnceLock::new(),
        };
        macros.insert(name, Arc::new(declared));
        None
    }

    /// The root package.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Every macro, by package and name.
    pub fn macros(&self) -> impl Iterator<Item = &Arc<Macro>> {
        let sorted = |macros: &HashMap<String, Arc<Macro>>| -> BTreeSet<String> {
            macros.keys().cloned().collect()
        };
        self.packages
            .values()
            .flat_map(move |macros| sorted(macros).into_iter().filter_map(|name| macros.get(&name)))
    }

    /// Whether a package has any macro.
    pub fn has_package(&self, package: &str) -> bool {
        self.packages.contains_key(package)
    }

    /// A macro of one package.
    pub fn in_package(&self, package: &str, name: &str) -> Option<&Arc<Macro>> {
        self.packages.get(package)?.get(name)
    }

    /// What an unqualified name means to a node of `package`: its own package first, then the
    /// root project, then the built-in macros.
    pub fn find(&self, package: &str, name: &str) -> Option<&Arc<Macro>> {
        self.in_package(package, name)
            .or_else(|| self.in_package(&self.root, name))
            .or_else(|| self.in_package(GLOBAL_PACKAGE, name))
    }

    /// A generic test: in the package that the YAML names, or else as [`Self::find`].
    pub fn find_test(
        &self,
        named_package: Option<&str>,
        package: &str,
        test: &str,
    ) -> Option<&Arc<Macro>> {
        let name = format!("test_{test}");
        match named_package {
            Some(named) => self.in_package(named, &name),
            None => self.find(package, &name),
        }
    }

    /// A project's own materialization, for the dialect or for every adapter: the root project's
    /// first, then any package's.
    pub fn find_materialization(&self, materialization: &str) -> Option<&Arc<Macro>> {
        let mut packages: Vec<&String> = self.packages.keys().collect();
        packages.sort_by_key(|package| **package != self.root);
        for package in packages {
            for prefix in &self.prefixes {
                let name = format!("materialization_{materialization}_{prefix}");
                if let Some(found) = self.in_package(package, &name) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// `generate_schema_name`, `generate_alias_name` or `generate_database_name` for a node of
    /// `package`: the root project's first, then the package's own, then the built-in one.
    pub fn find_name_generator(&self, name: &str, package: &str) -> Option<&Arc<Macro>> {
        self.in_package(&self.root, name)
            .or_else(|| self.in_package(package, name))
            .or_else(|| self.in_package(GLOBAL_PACKAGE, name))
    }

    /// What `adapter.dispatch(name, namespace)` means; the error lists the names that were tried.
    ///
    /// # Errors
    /// When no implementation exists.
    pub fn dispatch(
        &self,
        package: &str,
        name: &str,
        namespace: Option<&str>,
    ) -> Result<&Arc<Macro>, Vec<String>> {
        let mut tried = Vec::new();
        let order: Vec<Option<&str>> = match namespace {
            None => vec![None],
            Some(namespace) => match self.dispatch.get(namespace) {
                Some(order) => order.iter().map(|package| Some(package.as_str())).collect(),
                None if self.has_package(namespace) => {
                    vec![Some(self.root.as_str()), Some(namespace)]
                }
                // dbt takes a namespace that is no package for none at all.
                None => vec![None],
            },
        };
        for place in order {
            for prefix in &self.prefixes {
                let wanted = format!("{prefix}__{name}");
                let found = match place {
                    None => self.find(package, &wanted),
                    Some(place) => self.in_package(place, &wanted),
                };
                if let Some(found) = found {
                    return Ok(found);
                }
                tried.push(match place {
                    None => wanted,
                    Some(place) => format!("{place}.{wanted}"),
                });
            }
        }
        Err(tried)
    }

    /// Names an unqualified call from `package` could mean, for "did you mean".
    pub fn names(&self, package: &str) -> BTreeSet<&str> {
        [package, self.root.as_str(), GLOBAL_PACKAGE]
            .into_iter()
            .filter_map(|package| self.packages.get(package))
            .flat_map(|macros| macros.keys().map(String::as_str))
            .chain(self.packages.keys().map(String::as_str))
            .collect()
    }
}

/// The chain of prefixes that `adapter.dispatch` tries.
fn prefixes(dialect: &str) -> Vec<String> {
    let mut chain = vec!["fiveply".to_owned(), dialect.to_owned()];
    if dialect == "redshift" {
        chain.push("postgres".to_owned());
    }
    chain.push("default".to_owned());
    chain
}
