//! Builds the web UI (`ui/`) into the binary. Where npm is missing or fails, the binary builds all
//! the same, with a warning, and serves a page that tells how to get the UI; with
//! `FIVEPLY_UI=required` that is an error.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the page is made from.
const SOURCES: &[&str] = &[
    "src",
    "scripts",
    "index.html",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
    ".npmrc",
];
/// Node versions from this one on build the page.
const NODE: &str = "Node 20.19 or newer with npm";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let dist = out.join("ui");
    std::fs::create_dir_all(&dist)?;
    if std::env::var_os("CARGO_FEATURE_UI").is_none() {
        clear(&dist)?;
        return embed(&dist, &out);
    }
    let ui = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../ui");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", ui.join(source).display());
    }
    // Neither FIVEPLY_UI nor FIVEPLY_NODE is watched: a page that is built stays as good under
    // other settings, and all that depends on it would be built again.
    let built = build(&ui, &out, &dist);
    match built {
        Ok(()) => {}
        Err(error) if is_required() => return Err(error),
        Err(error) => {
            // A file that never exists: the next build tries again.
            println!("cargo::rerun-if-changed={}", out.join("ui-built").display());
            println!("cargo::warning=the web UI is not built in: {error}");
            println!("cargo::warning=install {NODE}, then build again");
            clear(&dist)?;
        }
    }
    embed(&dist, &out)
}

/// Writes the table of files that `src/ui.rs` takes in.
fn embed(dist: &Path, out: &Path) -> Outcome<()> {
    let mut table = String::from("&[\n");
    for file in files(dist)? {
        let name = file.strip_prefix(dist)?.display().to_string();
        if name.ends_with(".gz") {
            continue;
        }
        let packed = dist.join(format!("{name}.gz"));
        let packed = match packed.exists() {
            true => format!("Some(include_bytes!({:?}))", packed.display().to_string()),
            false => "None".to_owned(),
        };
        let bytes = format!("include_bytes!({:?})", file.display().to_string());
        table.push_str(&format!(
            "    File {{ name: {name:?}, bytes: {bytes}, packed: {packed} }},\n"
        ));
    }
    table.push(']');
    std::fs::write(out.join("ui_files.rs"), table)?;
    Ok(())
}

/// Whether a build without the page is an error; then its types are checked too.
fn is_required() -> bool {
    std::env::var("FIVEPLY_UI").is_ok_and(|value| value == "required")
}

/// Builds the page, unless what it is made from is what the last build was made from.
fn build(ui: &Path, out: &Path, dist: &Path) -> Outcome<()> {
    let wanted = content_hash(ui)?;
    let stamp = out.join("ui.hash");
    let known = std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted);
    if known && dist.join("index.html").exists() {
        return Ok(());
    }
    // A copy, so that two builds at once never share a folder and nothing is left in the sources.
    let work = out.join("ui-work");
    std::fs::create_dir_all(&work)?;
    for source in SOURCES {
        let to = work.join(source);
        if to.is_dir() {
            std::fs::remove_dir_all(&to)?;
        }
        copy(&ui.join(source), &to)?;
    }
    install(&work, out)?;
    if is_required() {
        npm(&work, &["run", "check", "--silent"])?;
    }
    npm(&work, &["run", "build", "--silent"])?;
    clear(dist)?;
    copy(&work.join("dist"), dist)?;
    let _ = std::fs::remove_dir_all(dist.join(".vite"));
    std::fs::write(&stamp, wanted)?;
    Ok(())
}

/// Installs what the lock file names, when it names something else than last time.
fn install(work: &Path, out: &Path) -> Outcome<()> {
    let lock = std::fs::read_to_string(work.join("package-lock.json"))?;
    let stamp = out.join("ui-lock.json");
    let known = std::fs::read_to_string(&stamp).is_ok_and(|found| found == lock);
    if known && work.join("node_modules").exists() {
        return Ok(());
    }
    npm(work, &["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])?;
    std::fs::write(&stamp, lock)?;
    Ok(())
}

fn npm(folder: &Path, arguments: &[&str]) -> Outcome<()> {
    let node = std::env::var_os("FIVEPLY_NODE").map(PathBuf::from);
    let beside = node.as_deref().and_then(Path::parent);
    let program = beside.map_or_else(|| PathBuf::from("npm"), |folder| folder.join("npm"));
    let mut command = Command::new(&program);
    if let Some(folder) = beside {
        // npm starts `node` by name.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders)?);
    }
    command.current_dir(folder).args(arguments).env("NO_COLOR", "1");
    let what = format!("`npm {}`", arguments.join(" "));
    let output = command
        .output()
        .map_err(|error| format!("{what} did not start ({error}): {NODE} is needed"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(12)..].join(" · ");
    Err(format!("{what} failed ({}): {last}", output.status).into())
}

fn content_hash(ui: &Path) -> Outcome<String> {
    let mut hash = DefaultHasher::new();
    for source in SOURCES {
        for file in files(&ui.join(source))? {
            file.strip_prefix(ui)?.hash(&mut hash);
            std::fs::read(&file)?.hash(&mut hash);
        }
    }
    Ok(format!("{:016x}", hash.finish()))
}

fn files(path: &Path) -> Outcome<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    let entries = std::fs::read_dir(path)
        .map_err(|error| format!("{} is not there: {error}", path.display()))?;
    for entry in entries {
        found.extend(files(&entry?.path())?);
    }
    found.sort();
    Ok(found)
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    if from.is_file() {
        std::fs::copy(from, to)?;
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn clear(folder: &Path) -> Outcome<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    Ok(())
}
