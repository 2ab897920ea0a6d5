//! Projects as strings: `//- path` starts a file.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use base::files::FileEntry;
use base::{Diagnostic, Files, NodeId};
use project::{Opened, Project, ProjectOptions, Selection, open};

/// A folder in memory.
#[derive(Debug, Default)]
pub(crate) struct Folder(BTreeMap<PathBuf, Vec<u8>>);

impl Folder {
    /// Cuts a text into files.
    pub(crate) fn new(text: &str) -> Self {
        let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        let mut path = None;
        for line in text.lines() {
            if let Some(next) = line.strip_prefix("//- ") {
                let next = Path::new("/p").join(next.trim());
                files.insert(next.clone(), Vec::new());
                path = Some(next);
            } else if let Some(content) = path.as_ref().and_then(|path| files.get_mut(path)) {
                content.extend_from_slice(line.as_bytes());
                content.push(b'\n');
            }
        }
        Self(files)
    }

    pub(crate) fn with(mut self, path: &str, content: &[u8]) -> Self {
        self.0.insert(Path::new("/p").join(path), content.to_vec());
        self
    }
}

impl Files for Folder {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write_new(&self, _path: &Path, _content: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn persist(&self, _temporary: &Path, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<FileEntry>> {
        let below = self.0.iter().filter(|(path, _)| path.starts_with(folder));
        let entry = |(path, content): (&PathBuf, &Vec<u8>)| FileEntry {
            path: path.clone(),
            size_bytes: content.len() as u64,
            modified_ms: 0,
        };
        Ok(below.map(entry).collect())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.keys().any(|known| known.starts_with(path))
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Opens a folder given as text.
pub(crate) fn opened(text: &str) -> Opened {
    opened_with(text, &ProjectOptions::default())
}

pub(crate) fn opened_with(text: &str, options: &ProjectOptions) -> Opened {
    open(Path::new("/p"), options, &Folder::new(text))
}

/// Opens a folder that must have nothing wrong.
pub(crate) fn clean(text: &str) -> Project {
    clean_with(text, &ProjectOptions::default())
}

pub(crate) fn clean_with(text: &str, options: &ProjectOptions) -> Project {
    let opened = opened_with(text, options);
    assert_eq!(drawn(&opened.diagnostics), "");
    opened.project.unwrap()
}

/// Diagnostics as text.
pub(crate) fn drawn(diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for problem in diagnostics {
        let severity = if problem.is_error() { "error" } else { "warning" };
        text.push_str(&format!("{severity}[{}]: {}\n", problem.code, problem.message));
        for label in problem.primary.iter().chain(&problem.secondary) {
            let written = &label.span.file.text[label.span.start..label.span.end];
            let written = written.lines().next().unwrap_or_default();
            text.push_str(&format!("  --> {} `{written}`", label.span.location()));
            if !label.text.is_empty() {
                text.push_str(&format!(": {}", label.text));
            }
            text.push('\n');
        }
        for note in &problem.notes {
            text.push_str(&format!("  note: {note}\n"));
        }
        for help in &problem.help {
            text.push_str(&format!("  help: {help}\n"));
        }
    }
    text
}

/// Ids of every node that takes part.
pub(crate) fn ids(project: &Project) -> Vec<String> {
    project.graph.nodes.keys().map(ToString::to_string).collect()
}

/// A node by its id.
pub(crate) fn node<'p>(project: &'p Project, id: &str) -> &'p project::Node {
    project.graph.node(&NodeId::from(id)).unwrap()
}

/// Names that a selection means.
pub(crate) fn selected(project: &Project, select: &[&str], exclude: &[&str]) -> Vec<String> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let selection =
        Selection { select: texts(select), exclude: texts(exclude), ..Selection::default() };
    let found = project.graph.select(&selection).unwrap();
    found.iter().map(|id| project.graph.node(id).unwrap().name.clone()).collect()
}
