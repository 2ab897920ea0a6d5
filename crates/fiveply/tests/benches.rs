//! The benchmark of a dbt project at a size that measures nothing: its script must not rot.

use std::path::Path;
use std::process::Command;

use crate::pages::python;

/// Models; each tenth is incremental, and some layers are views.
const MODELS: &str = "24";

#[test]
fn the_benchmark_of_a_dbt_project_runs_at_a_small_size() {
    let scratch = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_fiveply"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/dbt.py");
    let ran = Command::new(python())
        .arg(script)
        .args(["--models", MODELS, "--layers", "4", "--runs", "1", "--without-dbt"])
        .env("CARGO_TARGET_DIR", scratch.path())
        .env("FIVEPLY_RELEASE", binary.parent().unwrap())
        .output()
        .unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{complained}");
    for step in ["parse, one model changed", "compile", "build, nothing changed"] {
        assert!(said.contains(step), "{step} is missing:\n{said}");
    }
}
