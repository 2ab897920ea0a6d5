//! The operating system's side of the traits: the only place that reads the clock, draws random
//! numbers and touches files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rand::RngCore;

use crate::clock::{Clock, Clocks};
use crate::fault::{KILL_VARIABLE, KillPoint};
use crate::files::{FileEntry, Files};
use crate::random::Randomness;

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

impl Clocks {
    /// Both clocks real.
    pub fn system() -> Self {
        Self { business: Arc::new(SystemClock), machine: Arc::new(SystemClock) }
    }

    /// The machine clock real, the business clock as given.
    pub fn with_business(business: Arc<dyn Clock>) -> Self {
        Self { business, machine: Arc::new(SystemClock) }
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn next_u64(&self) -> u64 {
        rand::rng().next_u64()
    }
}

/// Files on local disks, synced.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemFiles;

fn name_path(path: &Path) -> impl FnOnce(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Syncs a folder, so that the names in it survive a crash.
///
/// # Errors
/// As the operating system reports them, with the path.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder).and_then(|handle| handle.sync_all()).map_err(name_path(folder))
}

/// Makes a folder and its parents, each name synced into its parent.
///
/// # Errors
/// As the operating system reports them, with the path.
pub fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or_else(|| Path::new(""));
    make_folders(parent)?;
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(name_path(folder)(error)),
    }
    if parent.as_os_str().is_empty() { Ok(()) } else { sync_folder(parent) }
}

impl Files for SystemFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path).map_err(name_path(path))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path).map_err(name_path(path))
    }

    fn entry(&self, path: &Path) -> io::Result<Option<FileEntry>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(FileEntry {
                path: path.to_path_buf(),
                size_bytes: metadata.len(),
                modified_ms: modified_ms(&metadata),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(name_path(path)(error)),
        }
    }

    fn write_new(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        make_folders(folder)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(format!(".{name}.{}.tmp", SystemRandomness.token()));
        let mut file = File::create_new(&temporary).map_err(name_path(&temporary))?;
        file.write_all(content).map_err(name_path(&temporary))?;
        drop(file);
        self.persist(&temporary, path)
    }

    fn persist(&self, temporary: &Path, path: &Path) -> io::Result<()> {
        File::open(temporary).and_then(|file| file.sync_all()).map_err(name_path(temporary))?;
        if path.exists() {
            return Err(name_path(path)(io::ErrorKind::AlreadyExists.into()));
        }
        fs::rename(temporary, path).map_err(name_path(path))?;
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
            _ => Ok(()),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<FileEntry>> {
        let mut found = Vec::new();
        let mut open: Vec<PathBuf> = vec![folder.to_path_buf()];
        while let Some(folder) = open.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(name_path(&folder)(error)),
            };
            for entry in entries {
                let path = entry.map_err(name_path(&folder))?.path();
                let metadata = match fs::metadata(&path) {
                    Ok(metadata) => metadata,
                    // A file that went away between the two looks was not stable.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(name_path(&path)(error)),
                };
                if metadata.is_dir() {
                    open.push(path);
                } else {
                    found.push(FileEntry {
                        path,
                        size_bytes: metadata.len(),
                        modified_ms: modified_ms(&metadata),
                    });
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(name_path(path)),
        }
    }
}

fn modified_ms(metadata: &fs::Metadata) -> i64 {
    metadata.modified().map_or(0, |time| DateTime::<Utc>::from(time).timestamp_millis())
}

/// Ends the process at once, without unwinding, when the fault suite asked for this point.
/// Costs nothing in builds without debug assertions.
pub fn kill_point(point: KillPoint) {
    if cfg!(debug_assertions) {
        fault_suite::pass(point);
    }
}

mod fault_suite {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{KILL_VARIABLE, KillPoint};

    struct Target {
        point: String,
        hits_left: AtomicU32,
    }

    static TARGET: OnceLock<Option<Target>> = OnceLock::new();

    pub(super) fn pass(point: KillPoint) {
        let target = TARGET.get_or_init(|| {
            let asked = std::env::var(KILL_VARIABLE).ok()?;
            let (point, hit) = asked.split_once(':').unwrap_or((&asked, "1"));
            let hits_left = AtomicU32::new(hit.parse().ok()?);
            Some(Target { point: point.to_owned(), hits_left })
        });
        let Some(target) = target.as_ref().filter(|target| target.point == point.name()) else {
            return;
        };
        if target.hits_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            kill_own_process();
        }
    }

    fn kill_own_process() {
        let own = rustix::process::getpid();
        // SIGKILL cannot be caught: nothing is flushed, nothing is unwound, as in a power cut.
        let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// A process on this machine, told apart from a later one that got the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// The machine: host name and boot id.
    pub machine: String,
    /// The process number.
    pub process: u32,
    /// When the process started, in the system's own ticks; empty where the system does not say.
    pub started: String,
}

impl ProcessIdentity {
    /// This process.
    pub fn own() -> Self {
        let process = std::process::id();
        Self { machine: machine_identity(), process, started: process_started(process) }
    }

    /// Whether the process runs on this machine and still lives. `None` when it runs elsewhere,
    /// where nobody can look.
    pub fn lives(&self) -> Option<bool> {
        if self.machine != machine_identity() {
            return None;
        }
        let started = process_started(self.process);
        if started.is_empty() && !self.started.is_empty() {
            return Some(false);
        }
        let number = i32::try_from(self.process).ok().and_then(rustix::process::Pid::from_raw);
        let answers = number.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
        Some(answers && started == self.started)
    }
}

fn machine_identity() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{host}/{}", boot.trim())
}

/// Field 22 of `/proc/<process>/stat`; a zombie counts as gone.
fn process_started(process: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let Some((_, after_name)) = stat.rsplit_once(')') else { return String::new() };
    let mut fields = after_name.split_whitespace();
    match fields.next() {
        Some("Z" | "X") | None => String::new(),
        Some(_) => fields.nth(18).unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_name_is_never_written_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a/b/file.bin");
        SystemFiles.write_new(&path, b"first").expect("the first write");
        let second = SystemFiles.write_new(&path, b"second").expect_err("the name is taken");
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(SystemFiles.read(&path).expect("the file"), b"first");
    }

    #[test]
    fn a_process_that_ended_does_not_live() {
        assert_eq!(ProcessIdentity::own().lives(), Some(true));
        let later = ProcessIdentity { started: "1".to_owned(), ..ProcessIdentity::own() };
        assert_eq!(later.lives(), Some(false));
        let elsewhere = ProcessIdentity { machine: "other/0".to_owned(), ..later };
        assert_eq!(elsewhere.lives(), None);
    }
}
