//! `fiveply init`: a new project that builds at once.

use std::path::Path;
use std::process::ExitCode;

use crate::arguments::InitArguments;
use crate::console::Console;
use crate::failure::Failure;

const FILES: &[(&str, &str)] = &[
    (
        "dbt_project.yml",
        "name: NAME\nversion: \"1.0\"\nprofile: NAME\n\nmodel-paths: [models]\n\
         seed-paths: [seeds]\ntest-paths: [tests]\nmacro-paths: [macros]\n\
         snapshot-paths: [snapshots]\n\nmodels:\n  NAME:\n    +materialized: view\n",
    ),
    (
        "profiles.yml",
        "NAME:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n      schema: main\n\
         \x20     threads: 4\n",
    ),
    ("seeds/days.csv", "day,visits\n2026-05-01,120\n2026-05-02,95\n2026-05-03,143\n"),
    ("models/busy_days.sql", "select day, visits\nfrom {{ ref('days') }}\nwhere visits > 100\n"),
    (
        "models/schema.yml",
        "models:\n  - name: busy_days\n    description: Days with more than a hundred visits.\n\
         \x20   columns:\n      - name: day\n        data_tests: [unique, not_null]\n",
    ),
    (".gitignore", "target/\ndbt_packages/\n.fiveply/\nlogs/\n"),
];

pub(crate) fn run(arguments: &InitArguments, console: &Console) -> Result<ExitCode, Failure> {
    let name = arguments.name.as_str();
    let fits = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && !name.is_empty();
    if !fits {
        return Err(Failure::usage(format!("\"{name}\" is no name for a project"))
            .help("Use letters, digits and `_`, such as web_shop."));
    }
    let root = Path::new(name);
    if root.exists() {
        return Err(Failure::usage(format!("\"{name}\" exists already"))
            .help("Choose another name, or go there and run `fiveply build`."));
    }
    for (path, text) in FILES {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text.replace("NAME", name))?;
    }
    for folder in ["macros", "snapshots", "tests"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    console.say(&format!("made project {name}; `cd {name} && fiveply build` builds it"));
    Ok(ExitCode::SUCCESS)
}
