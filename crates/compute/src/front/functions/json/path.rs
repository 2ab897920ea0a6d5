//! Paths into JSON: `name`, `#2`, `$.a[0]."b c"`, `$.l[*]`, `/a/0`, `{a,0}`.

use datafusion::common::{Result, exec_err};

use super::scan::{elements, members, unescaped};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A member of an object.
    Name(String),
    /// An element of an array; from its end when negative.
    Place(i64),
    /// A member or an element, whichever the value has: PostgreSQL's and JSON pointer's steps.
    Either(String),
    /// Every element.
    Elements,
    /// Every member.
    Members,
}

/// A way to values inside a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

/// Whether a path leads to any number of values.
pub(crate) fn has_wildcard(path: &str) -> bool {
    path.starts_with('$') && (path.contains("[*]") || path.contains(".*"))
}

impl Path {
    pub(super) fn read(text: &str) -> Result<Self> {
        if let Some(index) = text.strip_prefix('#').and_then(|index| index.parse().ok()) {
            return Ok(Self(vec![Step::Place(index)]));
        }
        if let Some(rest) = text.strip_prefix('/') {
            let step = |name: &str| Step::Either(name.replace("~1", "/").replace("~0", "~"));
            return Ok(Self(rest.split('/').map(step).collect()));
        }
        if let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let step = |name: &str| Step::Either(name.trim().trim_matches('"').to_owned());
            let names = inner.split(',').filter(|name| !name.trim().is_empty());
            return Ok(Self(names.map(step).collect()));
        }
        match text.strip_prefix('$') {
            Some(rest) => Self::steps(text, rest),
            None => Ok(Self(vec![Step::Name(text.to_owned())])),
        }
    }

    fn steps(text: &str, mut rest: &str) -> Result<Self> {
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let (step, after) = match after.strip_prefix('"') {
                    Some(quoted) => {
                        let (name, after) = quoted.split_once('"').unwrap_or((quoted, ""));
                        (Step::Name(name.to_owned()), after)
                    }
                    None => {
                        let end = after.find(['.', '[']).unwrap_or(after.len());
                        let (name, after) = after.split_at(end);
                        let all = name == "*";
                        (if all { Step::Members } else { Step::Name(name.to_owned()) }, after)
                    }
                };
                steps.push(step);
                rest = after;
            } else if let Some((inside, after)) =
                rest.strip_prefix('[').and_then(|inside| inside.split_once(']'))
            {
                steps.push(Self::bracket(text, inside)?);
                rest = after;
            } else {
                return exec_err!("json path \"{text}\" is not run");
            }
        }
        Ok(Self(steps))
    }

    fn bracket(text: &str, inside: &str) -> Result<Step> {
        let inside = inside.trim();
        if inside == "*" {
            return Ok(Step::Elements);
        }
        if let Some(name) = inside.strip_prefix(['"', '\'']) {
            return Ok(Step::Name(name.trim_end_matches(['"', '\'']).to_owned()));
        }
        match inside.strip_prefix('#').unwrap_or(inside).parse() {
            Ok(index) => Ok(Step::Place(index)),
            Err(_) => exec_err!("json path \"{text}\" is not run"),
        }
    }

    /// The first value there.
    pub(super) fn first<'a>(&self, json: &'a str) -> Option<&'a str> {
        self.all(json).into_iter().next()
    }

    /// All values there.
    pub(super) fn all<'a>(&self, json: &'a str) -> Vec<&'a str> {
        self.0.iter().fold(vec![json.trim()], |found, step| {
            found.into_iter().flat_map(|raw| step.from(raw)).collect()
        })
    }
}

impl Step {
    fn from<'a>(&self, raw: &'a str) -> Vec<&'a str> {
        let member = |name: &str| {
            let found = members(raw).filter(|(key, _)| unescaped(key) == name).last();
            found.map(|(_, raw)| raw).into_iter().collect()
        };
        let place = |index: i64| {
            let all: Vec<&str> = elements(raw).collect();
            let length = i64::try_from(all.len()).unwrap_or(i64::MAX);
            let index = if index < 0 { length + index } else { index };
            let found = usize::try_from(index).ok().and_then(|index| all.get(index).copied());
            found.into_iter().collect()
        };
        match self {
            Self::Name(name) => member(name),
            Self::Place(index) => place(*index),
            Self::Either(name) => match (raw.starts_with('['), name.parse()) {
                (true, Ok(index)) => place(index),
                _ => member(name),
            },
            Self::Elements => elements(raw).collect(),
            Self::Members => members(raw).map(|(_, raw)| raw).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_of_every_home_lead_to_values() {
        let json = r#"{"a": [10, {"b c": "x"}, 30], "d": {"e": null}}"#;
        for (path, found) in [
            ("$.a[0]", vec!["10"]),
            ("$.a[#-1]", vec!["30"]),
            ("$.a[-1]", vec!["30"]),
            ("$.a[1].\"b c\"", vec!["\"x\""]),
            ("$.d.e", vec!["null"]),
            ("$.d.*", vec!["null"]),
            ("$.a[*]", vec!["10", r#"{"b c": "x"}"#, "30"]),
            ("/a/0", vec!["10"]),
            ("{a,2}", vec!["30"]),
            ("d", vec![r#"{"e": null}"#]),
            ("$.nothing.there", vec![]),
        ] {
            assert_eq!(Path::read(path).unwrap().all(json), found, "{path}");
        }
        assert!(Path::read("$x").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_is_refused(
            path in "\\PC{0,20}",
            json in "[\\[\\]{}\",:a0-9 ]{0,20}"
        ) {
            if let Ok(path) = Path::read(&path) {
                let _ = path.all(&json);
            }
        }
    }
}
