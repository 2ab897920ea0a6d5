//! `deps`: folders, repositories, packed folders, the lock file and the hub.

use std::path::Path;
use std::process::Command;

use crate::behaviour::Desk;

const PACKAGES: &str = r#"
-- dbt_project.yml --
name: shop
-- models/a.sql --
select {{ near.one() }} as a, {{ far.one() }} as b, {{ packed.one() }} as c
-- shared/near/dbt_project.yml --
name: near
-- shared/near/macros/one.sql --
{% macro one() %}1{% endmacro %}
-- shared/far/dbt_project.yml --
name: repository
-- shared/far/sub/dbt_project.yml --
name: far
-- shared/far/sub/macros/one.sql --
{% macro one() %}2{% endmacro %}
-- shared/packed/dbt_project.yml --
name: packed
-- shared/packed/macros/one.sql --
{% macro one() %}3{% endmacro %}
"#;

fn run(folder: &Path, program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The project with its packages made ready, and the commit of the repository's tag.
fn desk() -> (Desk, String) {
    let desk = Desk::new("duckdb", PACKAGES);
    let far = desk.folder.path().join("shared/far");
    run(&far, "git", &["init", "-q", "-b", "main", "."]);
    run(&far, "git", &["add", "-A"]);
    let who = ["-c", "user.name=ana", "-c", "user.email=ana@example.org"];
    run(&far, "git", &[&who[..], &["commit", "-q", "-m", "first"]].concat());
    run(&far, "git", &["tag", "v1.0"]);
    let commit = run(&far, "git", &["rev-parse", "HEAD"]);
    let shared = desk.folder.path().join("shared");
    run(&shared, "tar", &["-czf", "packed.tar.gz", "packed"]);
    let place = shared.canonicalize().unwrap();
    let file = format!(
        "packages:\n  - local: shared/near\n  - git: {0}/far\n    revision: v1.0\n    \
         subdirectory: sub\n  - tarball: file://{0}/packed.tar.gz\n    name: packed\n",
        place.display()
    );
    desk.folder.write("packages.yml", file.as_bytes()).unwrap();
    (desk, commit)
}

#[test]
fn folders_repositories_and_packed_folders_are_installed_and_pinned() {
    let (desk, commit) = desk();
    desk.fiveply.good(&["deps"]).unwrap();
    desk.good(&["run"]);
    assert_eq!(desk.rows("select a, b, c from a"), ["1 2 3"]);
    let lock = desk.folder.path().join("package-lock.yml");
    let text = std::fs::read_to_string(&lock).unwrap();
    assert!(
        text.starts_with("packages:\n  - local: shared/near\n    name: near\n  - git: "),
        "{text}"
    );
    assert!(
        text.contains(&format!("    name: far\n    revision: {commit}\n    subdirectory: sub"))
    );
    let hash = text.lines().last().unwrap().strip_prefix("sha1_hash: ").unwrap();
    assert_eq!(hash.len(), 40);

    // The lock holds while packages.yml says the same, and is made anew when it is asked for.
    let far = desk.folder.path().join("shared/far");
    desk.add("-- shared/far/sub/macros/one.sql --\n{% macro one() %}20{% endmacro %}\n");
    let who = ["-c", "user.name=ana", "-c", "user.email=ana@example.org"];
    run(&far, "git", &[&who[..], &["commit", "-q", "-a", "-m", "second"]].concat());
    run(&far, "git", &["tag", "-f", "v1.0"]);
    desk.fiveply.good(&["deps"]).unwrap();
    desk.good(&["run"]);
    assert_eq!(desk.rows("select b from a"), ["2"], "the pinned commit");
    desk.fiveply.good(&["deps", "--lock", "--upgrade"]).unwrap();
    desk.good(&["run"]);
    assert_eq!(desk.rows("select b from a"), ["2"], "pinned anew and not installed");
    desk.fiveply.good(&["deps"]).unwrap();
    desk.good(&["run"]);
    assert_eq!(desk.rows("select b from a"), ["20"]);
}

#[test]
fn a_package_can_be_added_by_a_command() {
    let (desk, _) = desk();
    desk.folder.write("packages.yml", b"# ours\npackages: []\n").unwrap();
    desk.fiveply.good(&["deps", "--add-package", "shared/near", "--source", "local"]).unwrap();
    let text = std::fs::read_to_string(desk.folder.path().join("packages.yml")).unwrap();
    assert_eq!(text, "# ours\npackages:\n  - local: shared/near\n");
    assert!(desk.folder.path().join("dbt_packages/near/dbt_project.yml").exists());
    let unversioned = desk.refused(&["deps", "--add-package", "dbt-labs/dbt_utils"]);
    assert!(unversioned.contains("dbt-labs/dbt_utils@1.1.1"), "{unversioned}");
}

#[test]
fn what_cannot_be_had_is_said_with_a_way_out() {
    let (desk, _) = desk();
    let with = |text: &str| {
        desk.folder.write("packages.yml", format!("packages:\n  - {text}\n").as_bytes()).unwrap();
    };
    with("package: dbt-labs/dbt_utils\n    version: 1.1.1");
    // Nobody listens at port 1 of this machine.
    let fiveply = desk.fiveply.clone().with_variable("DBT_PACKAGE_HUB_URL", "http://127.0.0.1:1/");
    let hub = fiveply.run(&["deps"]).unwrap();
    assert_eq!(hub.code, Some(2), "{hub:#?}");
    assert!(hub.stderr.contains("local: ../dbt_utils"), "{hub:#?}");
    with("git: ./nowhere\n    revision: v1");
    assert!(desk.refused(&["deps"]).contains("git could not clone"));
    with("git: --upload-pack=touch\n    revision: v1");
    assert!(desk.refused(&["deps"]).contains("begins with a dash"));
    with("local: ../nowhere");
    assert!(desk.refused(&["deps"]).contains("there is no folder"));
    with("tarball: file:///nowhere.tar.gz\n    name: x");
    assert!(desk.refused(&["deps"]).contains("could not be unpacked"));
    with("nothing: here");
    assert!(desk.refused(&["deps"]).contains("names no package"));
    assert!(!desk.folder.path().join("package-lock.yml").exists(), "nothing was pinned");
}
