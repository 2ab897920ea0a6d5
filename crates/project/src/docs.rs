//! `{{ doc('name') }}` in descriptions.

use std::collections::BTreeMap;

use base::{Diagnostic, Span};

use crate::codes;

/// Puts docs blocks in the place of `doc` calls: the node's own package first, then any.
pub(crate) fn fill(
    description: &str,
    package: &str,
    docs: &BTreeMap<(String, String), &str>,
    span: &Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> String {
    let mut filled = String::new();
    let mut rest = description;
    while let Some(start) = rest.find("{{") {
        let Some(length) = rest[start..].find("}}") else { break };
        let (before, after) = (&rest[..start], &rest[start + length + 2..]);
        filled.push_str(before);
        let inside = rest[start + 2..start + length].trim();
        match arguments(inside) {
            Some(names) => match find(&names, package, docs) {
                Some(text) => filled.push_str(text),
                None => {
                    let name = names.join(".");
                    let message = format!("docs block \"{name}\" does not exist");
                    diagnostics.push(
                        Diagnostic::warning(codes::DOCS_MISSING, message)
                            .at(span.clone(), "the description here names it")
                            .help("Add {% docs %} to a .md file, or write the text itself."),
                    );
                }
            },
            None => filled.push_str(&rest[start..start + length + 2]),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// The quoted arguments of `doc(...)`.
fn arguments(call: &str) -> Option<Vec<&str>> {
    let inside = call.strip_prefix("doc")?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
    Some(inside.split(',').map(|part| part.trim().trim_matches(['\'', '"'])).collect())
}

fn find<'d>(
    names: &[&str],
    package: &str,
    docs: &BTreeMap<(String, String), &'d str>,
) -> Option<&'d str> {
    let key = |package: &str, name: &str| (package.to_owned(), name.to_owned());
    match names {
        [name] => docs
            .get(&key(package, name))
            .copied()
            .or_else(|| docs.iter().find(|((_, known), _)| known == name).map(|(_, text)| *text)),
        [package, name] => docs.get(&key(package, name)).copied(),
        _ => None,
    }
}
