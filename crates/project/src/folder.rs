//! The files of a project: found by folder, read once, as text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Diagnostic, Files, Severity, SourceFile};

use crate::jinja::Renderer;
use crate::yaml::{self, Value};
use crate::{codes, templates};

/// A folder with the project's files; paths are relative to the project's root, with `/`.
#[derive(Clone, Copy)]
pub(crate) struct Folder<'f> {
    pub(crate) root: &'f Path,
    pub(crate) files: &'f dyn Files,
}

/// A file found below a resource path.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Relative to the project's root.
    pub(crate) path: String,
    /// Relative to the resource path, such as `staging/stg_orders.sql`.
    pub(crate) below: String,
}

impl Found {
    /// Name without folders and extension.
    pub(crate) fn stem(&self) -> &str {
        let name = self.below.rsplit('/').next().unwrap_or(&self.below);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// Folders below the resource path.
    pub(crate) fn folders(&self) -> Vec<String> {
        let mut parts: Vec<String> = self.below.split('/').map(str::to_owned).collect();
        parts.pop();
        parts
    }

    /// Whether the name ends so.
    pub(crate) fn has_extension(&self, extensions: &[&str]) -> bool {
        let extension = self.below.rsplit_once('.').map_or("", |(_, extension)| extension);
        extensions.iter().any(|known| extension.eq_ignore_ascii_case(known))
    }
}

impl Folder<'_> {
    pub(crate) fn full(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.to_path_buf() } else { self.root.join(path) }
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.files.exists(&self.full(path))
    }

    /// Files below a resource path of a package, sorted.
    pub(crate) fn list(
        &self,
        package_folder: &str,
        resource_path: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Found> {
        let resource_path = resource_path.trim_start_matches("./").trim_end_matches('/');
        let folder = join(package_folder, resource_path);
        let full = self.full(&folder);
        let entries = match self.files.list(&full) {
            Ok(entries) => entries,
            Err(error) => {
                diagnostics.push(templates::unreadable(&folder, &error));
                return Vec::new();
            }
        };
        let mut found: Vec<Found> = entries
            .iter()
            .filter_map(|entry| {
                let below = entry.path.strip_prefix(&full).ok()?;
                let below = below.to_string_lossy().replace('\\', "/");
                let hidden = below.split('/').any(|part| part.starts_with('.'));
                let path = join(&folder, &below);
                (!hidden).then_some(Found { path, below })
            })
            .collect();
        found.sort_by(|left, right| left.path.cmp(&right.path));
        found
    }

    /// Reads a file as text: no byte order mark, `\n` at line ends.
    pub(crate) fn read(
        &self,
        path: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Arc<SourceFile>> {
        read_text(self.files, &self.full(path), path, diagnostics)
    }
}

/// Reads a file as text and shows it under a name.
pub(crate) fn read_text(
    files: &dyn Files,
    full: &Path,
    shown: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Arc<SourceFile>> {
    let bytes = match files.read(full) {
        Ok(bytes) => bytes,
        Err(error) => {
            diagnostics.push(templates::unreadable(shown, &error));
            return None;
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let text =
                if text.contains('\r') { text.replace("\r\n", "\n") } else { text.to_owned() };
            Some(SourceFile::new(shown, text))
        }
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            let message = format!("\"{shown}\" is not UTF-8 text (line {line})");
            diagnostics.push(
                Diagnostic::error(codes::FILE_NOT_TEXT, message).help("Save the file as UTF-8."),
            );
            None
        }
    }
}

/// The YAML files of one folder, read with their Jinja rendered.
#[derive(Clone, Copy)]
pub(crate) struct Documents<'d> {
    pub(crate) folder: Folder<'d>,
    pub(crate) renderer: &'d Renderer,
    pub(crate) package: &'d str,
}

impl Documents<'_> {
    /// Every document of a folder that may be absent, in the order of names.
    pub(crate) fn of(
        &self,
        name: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<(Arc<SourceFile>, Value)> {
        let mut documents = Vec::new();
        if !self.folder.exists(name) {
            return documents;
        }
        for found in self.folder.list("", name, diagnostics) {
            if !found.has_extension(&["yml", "yaml"]) {
                continue;
            }
            let Some(file) = self.folder.read(&found.path, diagnostics) else { continue };
            let Some(mut value) = yaml::read(&file, diagnostics) else { continue };
            // A missing variable matters to the command that uses the file, which meets it again.
            let warn = Severity::Warning;
            templates::render(&mut value, self.renderer, self.package, &[], warn, diagnostics);
            documents.push((file, value));
        }
        documents
    }
}

/// Joins two relative paths.
pub(crate) fn join(folder: &str, below: &str) -> String {
    match (folder.is_empty(), below.is_empty() || below == ".") {
        (true, true) => String::new(),
        (true, false) => below.to_owned(),
        (false, true) => folder.to_owned(),
        (false, false) => format!("{folder}/{below}"),
    }
}
