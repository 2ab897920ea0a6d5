//! dbt's flags, as far as they can be written on a command line, in an environment variable or
//! under `flags:` of dbt_project.yml.

/// What stands after a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing; `--no-` in front says the opposite.
    Switch,
    /// Nothing, and there is no opposite.
    Alone,
    /// A value.
    Value,
}

/// A flag of dbt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// Its name without dashes.
    pub(crate) name: &'static str,
    /// What stands after it.
    pub(crate) takes: Takes,
    /// The commands that have it; none means every command.
    pub(crate) commands: &'static [&'static str],
    /// Whether `flags:` of dbt_project.yml may set it.
    pub(crate) in_project: bool,
}

const fn everywhere(name: &'static str, takes: Takes) -> Flag {
    Flag { name, takes, commands: &[], in_project: false }
}

const fn anywhere(name: &'static str, takes: Takes) -> Flag {
    Flag { name, takes, commands: &[], in_project: true }
}

const fn of(name: &'static str, takes: Takes, commands: &'static [&'static str]) -> Flag {
    Flag { name, takes, commands, in_project: false }
}

const RUNS: &[&str] = &["build", "clone", "run", "seed", "snapshot", "test"];
const PLANNED: &[&str] = &[
    "build",
    "compile",
    "docs generate",
    "run",
    "seed",
    "show",
    "snapshot",
    "source freshness",
    "test",
];

/// dbt's commands.
pub(crate) const COMMANDS: &[&str] = &[
    "build",
    "clean",
    "clone",
    "compile",
    "debug",
    "deps",
    "docs generate",
    "docs serve",
    "init",
    "ls",
    "parse",
    "retry",
    "run",
    "run-operation",
    "seed",
    "show",
    "snapshot",
    "source freshness",
    "test",
];

/// Every flag of dbt-core 1.12 that may have to be taken out, turned round or filled in.
pub(crate) const FLAGS: &[Flag] = &[
    anywhere("cache-selected-only", Takes::Switch),
    anywhere("debug", Takes::Switch),
    everywhere("defer", Takes::Switch),
    everywhere("defer-state", Takes::Value),
    everywhere("deprecated-defer", Takes::Value),
    everywhere("deprecated-favor-state", Takes::Value),
    everywhere("deprecated-no-print", Takes::Alone),
    everywhere("deprecated-print", Takes::Alone),
    everywhere("deprecated-state", Takes::Value),
    anywhere("fail-fast", Takes::Switch),
    everywhere("favor-state", Takes::Switch),
    anywhere("hints-enabled", Takes::Switch),
    anywhere("indirect-selection", Takes::Value),
    everywhere("log-cache-events", Takes::Switch),
    everywhere("log-file-max-bytes", Takes::Value),
    anywhere("log-format", Takes::Value),
    anywhere("log-format-file", Takes::Value),
    anywhere("log-level", Takes::Value),
    anywhere("log-level-file", Takes::Value),
    everywhere("log-path", Takes::Value),
    everywhere("macro-debugging", Takes::Switch),
    anywhere("maximum-seed-size-mib", Takes::Value),
    anywhere("partial-parse", Takes::Switch),
    everywhere("partial-parse-file-diff", Takes::Switch),
    everywhere("partial-parse-file-path", Takes::Value),
    anywhere("populate-cache", Takes::Switch),
    everywhere("print", Takes::Switch),
    anywhere("printer-width", Takes::Value),
    everywhere("profile", Takes::Value),
    everywhere("profiles-dir", Takes::Value),
    everywhere("project-dir", Takes::Value),
    everywhere("quiet", Takes::Switch),
    everywhere("record-timing-info", Takes::Value),
    anywhere("send-anonymous-usage-stats", Takes::Switch),
    everywhere("show-all-deprecations", Takes::Switch),
    everywhere("show-resource-report", Takes::Switch),
    everywhere("single-threaded", Takes::Switch),
    anywhere("snowflake-projects-otel", Takes::Switch),
    everywhere("state", Takes::Value),
    anywhere("static-parser", Takes::Switch),
    everywhere("target", Takes::Value),
    everywhere("target-path", Takes::Value),
    everywhere("upload-to-artifacts-ingest-api", Takes::Switch),
    anywhere("use-colors", Takes::Switch),
    anywhere("use-colors-file", Takes::Switch),
    anywhere("use-experimental-parser", Takes::Switch),
    everywhere("use-fast-test-edges", Takes::Switch),
    anywhere("use-v2-parser", Takes::Switch),
    anywhere("v2-parser", Takes::Value),
    everywhere("vars", Takes::Value),
    anywhere("version-check", Takes::Switch),
    anywhere("warn-error", Takes::Alone),
    anywhere("warn-error-options", Takes::Value),
    anywhere("write-json", Takes::Switch),
    of("clean-project-files-only", Takes::Switch, &["clean"]),
    of("compile", Takes::Switch, &["docs generate"]),
    of("browser", Takes::Switch, &["docs serve"]),
    of("host", Takes::Value, &["docs serve"]),
    of("empty", Takes::Switch, &["build", "compile", "run", "seed", "snapshot"]),
    of("event-time-end", Takes::Value, &["build", "run"]),
    of("event-time-start", Takes::Value, &["build", "run"]),
    of("exclude-resource-types", Takes::Value, &["build", "clone", "ls", "test"]),
    of("export-saved-queries", Takes::Switch, &["build"]),
    of(
        "full-refresh",
        Takes::Alone,
        &["build", "clone", "compile", "retry", "run", "seed", "show"],
    ),
    of("include-saved-query", Takes::Switch, &["build"]),
    of("inject-ephemeral-ctes", Takes::Switch, &["compile"]),
    of("introspect", Takes::Switch, &["compile", "show"]),
    of("resource-types", Takes::Value, &["build", "clone", "ls", "test"]),
    of("sample", Takes::Value, &["build", "run"]),
    of("show", Takes::Alone, &["build", "seed"]),
    of("skip-debug", Takes::Alone, &["init"]),
    of("sqlparse", Takes::Value, PLANNED),
    of("store-failures", Takes::Alone, &["build", "test"]),
    of("threads", Takes::Value, &["docs generate", "parse", "run-operation"]),
    of("threads", Takes::Value, &["compile", "retry", "show", "source freshness"]),
    of("threads", Takes::Value, RUNS),
];

/// Environment variables that dbt reads under another name than the flag's.
pub(crate) const OLD_VARIABLES: &[(&str, &str)] = &[
    ("defer", "DBT_DEFER_TO_STATE"),
    ("favor-state", "DBT_FAVOR_STATE_MODE"),
    ("state", "DBT_ARTIFACT_STATE_PATH"),
];

/// Flags that no environment variable sets.
pub(crate) const NO_VARIABLE: &[&str] = &[
    "browser",
    "compile",
    "deprecated-defer",
    "deprecated-favor-state",
    "deprecated-no-print",
    "deprecated-print",
    "deprecated-state",
    "inject-ephemeral-ctes",
    "record-timing-info",
    "show",
    "show-all-deprecations",
    "skip-debug",
    "threads",
    "vars",
];

/// What is asked for happens anyway, so nothing is said.
pub(crate) const HAPPENS_ANYWAY: &[(&str, bool)] = &[
    ("cache-selected-only", false),
    ("deprecated-print", true),
    ("export-saved-queries", false),
    ("hints-enabled", false),
    ("include-saved-query", false),
    ("inject-ephemeral-ctes", true),
    ("introspect", true),
    ("log-cache-events", false),
    ("macro-debugging", false),
    ("send-anonymous-usage-stats", false),
    ("show-all-deprecations", true),
    ("show-resource-report", false),
    ("snowflake-projects-otel", false),
    ("upload-to-artifacts-ingest-api", false),
    ("use-experimental-parser", false),
    ("use-v2-parser", false),
    ("version-check", false),
];
