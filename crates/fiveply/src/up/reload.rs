//! Watches the project's files: what changes is read again, and what is broken is not used.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::files::FileEntry;
use base::system::SystemFiles;
use base::{Clocks, Diagnostic, Files};
use project::{Project, Settings};
use server::Loaded;
use tokio_util::sync::CancellationToken;

use crate::arguments::Common;
use crate::console::{Console, Ink};
use crate::draw;
use crate::workplace::{self, Workplace};

/// Pause between two looks at the files.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Files of a project beside its folders.
const FILES: &[&str] =
    &["dbt_project.yml", "fiveply.yml", "profiles.yml", "packages.yml", "dependencies.yml"];
/// Folders that a project may get later.
const FOLDERS: &[&str] = &[
    "analyses",
    "dashboards",
    "features",
    "ingest",
    "jobs",
    "macros",
    "models",
    "seeds",
    "semantic_models",
    "snapshots",
    "syncs",
    "tests",
];

/// Looks for changes.
#[derive(Debug)]
pub(crate) struct Watcher {
    root: PathBuf,
    common: Common,
    variables: Vec<(String, String)>,
    console: Console,
    clocks: Clocks,
    settings: Settings,
}

impl Watcher {
    /// A watcher of a project that was just read.
    pub(crate) fn new(
        place: &Workplace,
        common: &Common,
        variables: &[(String, String)],
        console: &Console,
    ) -> Self {
        Self {
            root: place.root.clone(),
            common: Common { project_dir: Some(place.root.clone()), ..common.clone() },
            variables: variables.to_vec(),
            console: console.clone(),
            clocks: place.clocks.clone(),
            settings: place.project.settings.clone(),
        }
    }

    /// Watches until `stop`.
    pub(crate) async fn run(self, loaded: Loaded, stop: CancellationToken) {
        let this = Arc::new(self);
        let mut seen = this.look(&loaded.project()).await;
        let mut changing = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_PAUSE) => {}
                () = stop.cancelled() => return,
            }
            let now = this.look(&loaded.project()).await;
            if now != seen {
                // An editor or a checkout may still be writing: wait for a quiet moment.
                seen = now;
                changing = true;
            } else if changing {
                changing = false;
                this.read_again(&loaded).await;
            }
        }
    }

    async fn look(self: &Arc<Self>, project: &Arc<Project>) -> Vec<FileEntry> {
        let (this, project) = (Arc::clone(self), Arc::clone(project));
        let looked = tokio::task::spawn_blocking(move || this.entries(&project)).await;
        looked.unwrap_or_default()
    }

    fn entries(&self, project: &Project) -> Vec<FileEntry> {
        let mut folders: BTreeSet<&str> = FOLDERS.iter().copied().collect();
        for node in project.graph.nodes.values() {
            folders.extend(node.path.split_once('/').map(|(folder, _)| folder));
        }
        let files =
            FILES.iter().filter_map(|name| SystemFiles.entry(&self.root.join(name)).ok()?);
        let mut entries: Vec<FileEntry> = files.collect();
        for folder in folders {
            entries.extend(SystemFiles.list(&self.root.join(folder)).unwrap_or_default());
        }
        entries
    }

    async fn read_again(self: &Arc<Self>, loaded: &Loaded) {
        let this = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            workplace::read_project(&this.common, &this.variables).ok()
        });
        let Ok(Some((opened, _))) = read.await else { return };
        let errors: Vec<Diagnostic> =
            opened.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
        match opened.project.filter(|_| errors.is_empty()) {
            Some(project) => {
                self.say_what_waits(&project.settings);
                let nodes = project.graph.nodes.len();
                loaded.replace(Arc::new(project), self.clocks.machine.now());
                self.console.say(&format!("project read again: {nodes} nodes"));
            }
            None => {
                for error in &errors {
                    self.console.complain(&draw::draw(error, self.console.colours));
                }
                let line = "the project's files are broken; the last good reading stays in use";
                self.console.complain(&self.console.paint(Ink::Bad, line));
                loaded.keep(errors);
            }
        }
    }

    /// Settings that a running server cannot change.
    fn say_what_waits(&self, new: &Settings) {
        let old = &self.settings;
        let changed = [
            ("ledger", old.ledger != new.ledger),
            ("warehouse", old.warehouse != new.warehouse),
            ("environment", old.environment != new.environment),
            ("dialect", old.dialect != new.dialect),
            ("clock", old.clock != new.clock),
            ("limits", old.limits != new.limits),
        ];
        for (key, _) in changed.iter().filter(|(_, changed)| *changed) {
            self.console.complain(&format!("\"{key}\" of fiveply.yml changes at the next start"));
        }
    }
}
