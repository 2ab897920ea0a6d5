//! Everything a package's files hold, read once: SQL, CSV names, blocks, properties, docs.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Diagnostic, Severity, SourceFile};

use crate::folder::{Folder, Found};
use crate::jinja::{self, Block, BlockKind, Renderer};
use crate::package::Package;
use crate::properties::{self, Place, Properties};
use crate::{templates, yaml};

/// A SQL file below a resource path.
#[derive(Clone, Debug)]
pub(crate) struct SqlFile {
    pub(crate) file: Arc<SourceFile>,
    pub(crate) found: Found,
}

/// Everything a package's files hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) models: Vec<SqlFile>,
    pub(crate) python_models: Vec<Found>,
    pub(crate) seeds: Vec<Found>,
    pub(crate) singular_tests: Vec<SqlFile>,
    pub(crate) analyses: Vec<SqlFile>,
    pub(crate) snapshots: Vec<(Found, Block)>,
    pub(crate) macros: Vec<Block>,
    pub(crate) docs: BTreeMap<String, String>,
    properties: Vec<(Found, Arc<SourceFile>)>,
}

/// Reads a package's files.
pub(crate) fn read(
    folder: Folder<'_>,
    package: &Package,
    diagnostics: &mut Vec<Diagnostic>,
) -> Content {
    let mut content = Content::default();
    let mut reader = Reader { folder, package, diagnostics, content: &mut content };
    let paths = &package.file.paths;
    for path in &paths.models {
        reader.models(path);
    }
    for path in &paths.seeds {
        reader.seeds(path);
    }
    for path in &paths.tests {
        reader.tests(path);
    }
    for path in &paths.analyses {
        reader.analyses(path);
    }
    for path in &paths.snapshots {
        reader.snapshots(path);
    }
    for path in &paths.macros {
        reader.macros(path);
    }
    for path in &paths.docs {
        reader.beside(path);
    }
    // One file can lie below two resource paths (`models` and `models/x`).
    content.properties.sort_by(|left, right| left.0.path.cmp(&right.0.path));
    content.properties.dedup_by(|left, right| left.0.path == right.0.path);
    content
}

struct Reader<'r, 'f> {
    folder: Folder<'f>,
    package: &'r Package,
    diagnostics: &'r mut Vec<Diagnostic>,
    content: &'r mut Content,
}

impl Reader<'_, '_> {
    /// Lists a resource path, takes properties and docs, and gives the other files.
    fn beside(&mut self, path: &str) -> Vec<Found> {
        let mut others = Vec::new();
        for found in self.folder.list(&self.package.folder, path, self.diagnostics) {
            if found.has_extension(&["yml", "yaml"]) {
                if let Some(file) = self.folder.read(&found.path, self.diagnostics) {
                    self.content.properties.push((found, file));
                }
            } else if found.has_extension(&["md"]) {
                self.docs(&found);
            } else {
                others.push(found);
            }
        }
        others
    }

    fn docs(&mut self, found: &Found) {
        let Some(file) = self.folder.read(&found.path, self.diagnostics) else { return };
        if !file.text.contains("{%") {
            return;
        }
        let (blocks, problems) = jinja::scan(&file);
        self.diagnostics.extend(problems);
        for block in blocks {
            if block.kind == BlockKind::Docs {
                self.content.docs.insert(block.name.clone(), block.text().trim().to_owned());
            }
        }
    }

    fn sql(&mut self, found: Found) -> Option<SqlFile> {
        let file = self.folder.read(&found.path, self.diagnostics)?;
        Some(SqlFile { file, found })
    }

    fn models(&mut self, path: &str) {
        for found in self.beside(path) {
            if found.has_extension(&["sql"]) {
                let file = self.sql(found);
                self.content.models.extend(file);
            } else if found.has_extension(&["py"]) {
                self.content.python_models.push(found);
            }
        }
    }

    fn seeds(&mut self, path: &str) {
        let found = self.beside(path);
        self.content.seeds.extend(found.into_iter().filter(|found| found.has_extension(&["csv"])));
    }

    fn tests(&mut self, path: &str) {
        for found in self.beside(path) {
            if !found.has_extension(&["sql"]) || found.below.starts_with("fixtures/") {
                continue;
            }
            let generic = found.below.starts_with("generic/");
            let Some(file) = self.sql(found) else { continue };
            if generic {
                self.blocks(&file.file);
            } else {
                self.content.singular_tests.push(file);
            }
        }
    }

    fn analyses(&mut self, path: &str) {
        for found in self.beside(path) {
            if found.has_extension(&["sql"]) {
                let file = self.sql(found);
                self.content.analyses.extend(file);
            }
        }
    }

    fn snapshots(&mut self, path: &str) {
        for found in self.beside(path) {
            if !found.has_extension(&["sql"]) {
                continue;
            }
            let Some(file) = self.folder.read(&found.path, self.diagnostics) else { continue };
            let (blocks, problems) = jinja::scan(&file);
            self.diagnostics.extend(problems);
            for block in blocks {
                if block.kind == BlockKind::Snapshot {
                    self.content.snapshots.push((found.clone(), block));
                }
            }
        }
    }

    fn macros(&mut self, path: &str) {
        for found in self.beside(path) {
            if found.has_extension(&["sql"])
                && let Some(file) = self.folder.read(&found.path, self.diagnostics)
            {
                self.blocks(&file);
            }
        }
    }

    fn blocks(&mut self, file: &Arc<SourceFile>) {
        let (blocks, problems) = jinja::scan(file);
        self.diagnostics.extend(problems);
        for block in blocks {
            if block.kind == BlockKind::Docs {
                self.content.docs.insert(block.name.clone(), block.text().trim().to_owned());
            } else {
                self.content.macros.push(block);
            }
        }
    }
}

impl Content {
    /// Reads the properties files, once macros and variables are known.
    pub(crate) fn properties(
        &self,
        package: &Package,
        renderer: &Renderer,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Properties {
        let mut all = Properties::default();
        for (found, file) in &self.properties {
            let Some(mut value) = yaml::read(file, diagnostics) else { continue };
            let late = templates::LATE_IN_PROPERTIES;
            let name = package.name();
            templates::render(&mut value, renderer, name, late, Severity::Error, diagnostics);
            let place = Place {
                package: name.to_owned(),
                file: Arc::clone(file),
                folders: found.folders(),
            };
            let one = properties::read(&place, &value, diagnostics);
            all.patches.extend(one.patches);
            all.sources.extend(one.sources);
            all.groups.extend(one.groups);
            all.declared.extend(one.declared);
            all.semantic.extend(one.semantic);
        }
        all
    }
}
