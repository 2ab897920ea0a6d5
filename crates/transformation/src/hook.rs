//! Hooks: SQL of the project around a node or a run. None is run yet, so one that would change
//! something is never left out silently.

use project::Node;

use crate::TransformationError;

/// Statements that have no meaning over immutable files and an own catalog, where nobody logs in
/// and a namespace exists as soon as a table is in it.
const WITHOUT_MEANING: &[&str] = &[
    "grant",
    "revoke",
    "analyze",
    "vacuum",
    "checkpoint",
    "comment",
    "create index",
    "create unique index",
    "create schema",
];

/// Whether leaving a hook out changes what readers see. `sql` may hold several statements.
pub fn hook_has_meaning(sql: &str) -> bool {
    let lines = sql.lines().map(str::trim).filter(|line| !line.starts_with("--"));
    let text = lines.collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    // A semicolon inside a literal only makes more to be refused.
    let mut statements =
        text.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "));
    statements.any(|statement| {
        !statement.is_empty() && !WITHOUT_MEANING.iter().any(|word| starts(&statement, word))
    })
}

fn starts(statement: &str, word: &str) -> bool {
    let rest = statement.strip_prefix(word);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Refuses a node one of whose hooks has a meaning; `rendered` are its hooks as SQL.
pub(crate) fn refuse(node: &Node, rendered: &[String]) -> Result<(), TransformationError> {
    match rendered.iter().find(|sql| hook_has_meaning(sql)) {
        None => Ok(()),
        Some(sql) => Err(TransformationError::Unsupported {
            message: format!("hook of \"{}\" is not run yet: {}", node.name, sql.trim()),
            help: "Take the hook out, or move what it does into a model.".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::hook_has_meaning;

    #[test]
    fn what_only_tunes_or_permits_has_no_meaning_here() {
        for sql in ["", "  ", ";", "-- nothing", "GRANT select on a to b", "analyze"] {
            assert!(!hook_has_meaning(sql), "{sql}");
        }
        assert!(!hook_has_meaning("create  schema if not exists x; vacuum a;\n-- done"));
    }

    #[test]
    fn what_changes_rows_has() {
        for sql in ["delete from a", "analyze a; drop table b", "granted()", "select f()"] {
            assert!(hook_has_meaning(sql), "{sql}");
        }
    }
}
