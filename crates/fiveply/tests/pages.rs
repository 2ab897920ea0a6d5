//! Pages of `docs/` as programs: their blocks are carried out as written.
//!
//! A block with `title="path"` is a file to write. A block of `sh` is run; `exit=1` says how it
//! must end. A block of `text` shows what the `sh` block before it printed: every line, cut at
//! each `…`, must be found in it in that order, spaces aside.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::Folder;

/// A page of the documentation.
pub(crate) struct Page {
    name: String,
    blocks: Vec<Block>,
}

struct Block {
    line: usize,
    language: String,
    title: Option<String>,
    exit: i32,
    text: String,
}

impl Page {
    /// Reads a page of `docs/`.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut blocks: Vec<Block> = Vec::new();
        let mut open = false;
        for (number, line) in text.lines().enumerate() {
            match line.strip_prefix("```") {
                Some(_) if open => open = false,
                Some(words) => {
                    blocks.push(Block::new(number + 1, words));
                    open = true;
                }
                None if open => {
                    let block = blocks.last_mut().unwrap();
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                None => {}
            }
        }
        assert!(!open, "{name}: a block is not closed");
        Self { name, blocks }
    }

    /// Carries out every block in `folder`.
    pub(crate) fn run(&self, folder: &Folder) {
        let mut printed = String::new();
        for block in &self.blocks {
            let place = format!("{}:{}", self.name, block.line);
            match (&block.title, block.language.as_str()) {
                (Some(title), _) => folder.write(title, block.text.as_bytes()).unwrap(),
                (None, "sh") => printed = block.run(folder.path(), &place),
                (None, "text") => block.compare(&printed, &place),
                (None, _) => {}
            }
        }
    }

    /// How many commands the page runs.
    pub(crate) fn commands(&self) -> usize {
        self.blocks.iter().filter(|block| block.title.is_none() && block.language == "sh").count()
    }
}

impl Block {
    fn new(line: usize, words: &str) -> Self {
        let word = |key: &str| {
            words.split_whitespace().find_map(|word| word.strip_prefix(key)).map(str::to_owned)
        };
        Self {
            line,
            language: words.split_whitespace().next().unwrap_or_default().to_owned(),
            title: word("title=").map(|title| title.trim_matches('"').to_owned()),
            exit: word("exit=").map_or(0, |code| code.parse().unwrap()),
            text: String::new(),
        }
    }

    fn run(&self, folder: &Path, place: &str) -> String {
        let output = Command::new("sh")
            .args(["-euc", &format!("exec 2>&1\n{}", self.text)])
            .current_dir(folder)
            .env("PATH", path_with(&programs(folder)))
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(self.exit), "{place}\n{}\n{printed}", self.text);
        printed
    }

    fn compare(&self, printed: &str, place: &str) {
        let printed = one_space(printed);
        for line in self.text.lines() {
            let mut rest = printed.as_str();
            for piece in line.split('…').map(one_space).filter(|piece| !piece.is_empty()) {
                let found = rest.find(&piece);
                assert!(found.is_some(), "{place}: \"{piece}\" is not in\n{printed}");
                rest = &rest[found.unwrap() + piece.len()..];
            }
        }
    }
}

fn one_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn path_with(first: &Path) -> std::ffi::OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&rest));
    std::env::join_paths(folders).unwrap()
}

/// The folder with `fiveply` and `python3` as a reader of the page has them.
fn programs(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let bin = folder.join(".bin");
    if bin.exists() {
        return bin;
    }
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fiveply"), bin.join("fiveply")).unwrap();
    // A link to a venv's interpreter would lose the venv's packages.
    let script = format!("#!/bin/sh\nexec \"{}\" \"$@\"\n", python().display());
    std::fs::write(bin.join("python3"), script).unwrap();
    let may_run = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bin.join("python3"), may_run).unwrap();
    bin
}

/// The interpreter that has the packages of `xtask/requirements.txt`.
pub(crate) fn python() -> PathBuf {
    match std::env::var_os("FIVEPLY_PYTHON") {
        Some(python) => PathBuf::from(python),
        None => panic!(
            "FIVEPLY_PYTHON is not set; run the tests with `cargo xtask test`, or set it to a \
             Python that has the packages of xtask/requirements.txt"
        ),
    }
}

/// The repository's folder.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
