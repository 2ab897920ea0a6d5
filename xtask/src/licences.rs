//! Every dependency's licence must be on the list in `deny.toml`.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run::root;

/// Packages whose licence expression the list in `deny.toml` does not satisfy.
///
/// # Errors
/// When `deny.toml` cannot be read.
pub(crate) fn broken(metadata: &Value) -> Result<Vec<String>> {
    let path = root().join("deny.toml");
    let text = std::fs::read_to_string(&path).context("deny.toml cannot be read")?;
    let allowed: Vec<&str> = allow_list(&text);
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let refused = packages.iter().filter_map(|package| {
        let licence = package["license"].as_str().unwrap_or("");
        let named = !licence.is_empty() || package["license_file"].is_string();
        let fine = named && (licence.is_empty() || satisfied(licence, &allowed));
        (!fine).then(|| format!("licence of {}: `{licence}` is not in deny.toml", package["name"]))
    });
    Ok(refused.collect())
}

fn allow_list(deny: &str) -> Vec<&str> {
    let list = deny.split_once("allow = [").map_or("", |(_, rest)| rest);
    let list = list.split_once(']').map_or("", |(list, _)| list);
    list.lines()
        .filter_map(|line| line.trim().trim_end_matches(',').strip_prefix('"'))
        .filter_map(|word| word.strip_suffix('"'))
        .collect()
}

/// Any `OR` (or the old `/`) alternative all of whose `AND` parts are allowed.
fn satisfied(expression: &str, allowed: &[&str]) -> bool {
    let flat = expression.replace(['(', ')'], " ").replace('/', " OR ");
    // Without parentheses `A AND (B OR C)` reads as `(A AND B) OR C`; requiring every `AND`
    // group to have an allowed alternative is right for both shapes met in the field.
    flat.split(" AND ").all(|group| group.split(" OR ").any(|one| allowed.contains(&one.trim())))
}

#[cfg(test)]
mod tests {
    use super::satisfied;

    #[test]
    fn one_allowed_alternative_is_enough_but_each_part_needs_one() {
        let allowed = ["MIT", "Unicode-3.0"];
        assert!(satisfied("MIT OR Apache-2.0", &allowed));
        assert!(satisfied("Apache-2.0/MIT", &allowed));
        assert!(satisfied("(MIT OR Apache-2.0) AND Unicode-3.0", &allowed));
        assert!(!satisfied("(MIT OR Apache-2.0) AND GPL-3.0", &allowed));
        assert!(!satisfied("GPL-3.0", &allowed));
    }
}
