//! The filter language: SQL with `{{ Dimension('user__country') }}` and its three kin in it.

use base::Span;

use super::Grain;

/// A condition, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// SQL and names, in order.
    pub parts: Vec<FilterPart>,
    /// As it was written.
    pub text: String,
    /// Where, when it stands in a file.
    pub span: Option<Span>,
}

/// A stretch of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterPart {
    /// SQL as it stands.
    Sql(String),
    /// What the metrics' names stand for.
    Item(FilterItem),
}

/// What is named in a condition or a grouping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterItem {
    /// A dimension or entity by its name, with its grain when it is a time.
    Name {
        /// `user__country`, `metric_time`.
        name: String,
        /// The grain, when it is given beside the name.
        grain: Option<Grain>,
    },
    /// A metric, per entity.
    Metric {
        /// The metric.
        name: String,
        /// What it is grouped by.
        group_by: Vec<String>,
    },
}

/// Functions of the filter language.
const FUNCTIONS: &[&str] = &["Dimension", "TimeDimension", "Entity", "Metric"];

impl Filter {
    /// Takes a condition apart.
    ///
    /// # Errors
    /// What is wrong, and what to do, as two sentences.
    pub fn read(text: &str, span: Option<Span>) -> Result<Self, (String, String)> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            let Some(length) = rest[start..].find("}}") else {
                return Err((
                    "a filter opens \"{{\" and never closes it".to_owned(),
                    "Write {{ Dimension('entity__name') }}.".to_owned(),
                ));
            };
            if start > 0 {
                parts.push(FilterPart::Sql(rest[..start].to_owned()));
            }
            let inside = &rest[start + 2..start + length];
            parts.push(FilterPart::Item(item(inside.trim_matches('-').trim())?));
            rest = &rest[start + length + 2..];
        }
        if rest.contains("{%") {
            return Err((
                "a filter holds a Jinja block".to_owned(),
                "Only Dimension, TimeDimension, Entity and Metric are known here.".to_owned(),
            ));
        }
        if !rest.is_empty() {
            parts.push(FilterPart::Sql(rest.to_owned()));
        }
        Ok(Self { parts, text: text.to_owned(), span })
    }

    /// The names in it.
    pub fn items(&self) -> impl Iterator<Item = &FilterItem> {
        self.parts.iter().filter_map(|part| match part {
            FilterPart::Item(item) => Some(item),
            FilterPart::Sql(_) => None,
        })
    }
}

/// One call: `TimeDimension('metric_time', 'month')`, `Dimension('a__b').grain('day')`; also a
/// plain name, as saved queries have it.
///
/// # Errors
/// What is wrong, and what to do.
fn item(text: &str) -> Result<FilterItem, (String, String)> {
    let Some((function, rest)) = text.split_once('(') else {
        return Err(unknown(text));
    };
    let function = function.trim();
    let close = closing(rest).ok_or_else(|| unknown(text))?;
    let (inside, after) = (&rest[..close], rest[close + 1..].trim());
    let (texts, lists) = arguments(inside);
    let Some(name) = texts.iter().find(|(key, _)| key.is_none() || is_name_key(key.as_deref()))
    else {
        return Err((
            format!("\"{}\" names nothing", text.trim()),
            format!("Write {function}('name')."),
        ));
    };
    let mut name = name.1.clone();
    if let Some((_, path)) = lists.iter().find(|(key, _)| key.as_deref() == Some("entity_path"))
        && !path.is_empty()
    {
        name = format!("{}__{name}", path.join("__"));
    }
    let second = texts.iter().filter(|(key, _)| key.is_none()).nth(1).map(|(_, text)| text);
    let keyed = |wanted: &str| {
        texts.iter().find(|(key, _)| key.as_deref() == Some(wanted)).map(|(_, text)| text)
    };
    match function {
        "Dimension" | "Entity" | "TimeDimension" => {
            let grain = match function {
                "TimeDimension" => second.or_else(|| keyed("time_granularity_name")),
                _ => None,
            };
            let chained = method(after, "grain");
            if method(after, "date_part").is_some() {
                return Err((
                    format!("\"date_part\" of \"{name}\" is not built"),
                    "Write extract(month from …) around the dimension.".to_owned(),
                ));
            }
            let grain = match grain.cloned().or(chained) {
                None => None,
                Some(word) => Some(Grain::from_word(&word).ok_or_else(|| bad_grain(&word))?),
            };
            Ok(FilterItem::Name { name, grain })
        }
        "Metric" => {
            let listed = lists
                .into_iter()
                .find(|(key, _)| key.is_none() || key.as_deref() == Some("group_by"));
            let group_by = listed.map(|(_, list)| list).unwrap_or_default();
            Ok(FilterItem::Metric { name, group_by })
        }
        _ => Err(unknown(function)),
    }
}

/// A grouping as a plain name: `TimeDimension('metric_time', 'day')` is `metric_time__day`.
///
/// # Errors
/// What is wrong, and what to do.
pub fn grouping_name(text: &str) -> Result<String, (String, String)> {
    if !text.contains('(') {
        return Ok(text.trim().to_owned());
    }
    match item(text.trim())? {
        FilterItem::Name { name, grain: Some(grain) } => Ok(format!("{name}__{}", grain.word())),
        FilterItem::Name { name, grain: None } | FilterItem::Metric { name, .. } => Ok(name),
    }
}

fn is_name_key(key: Option<&str>) -> bool {
    matches!(
        key,
        Some("name" | "dimension_name" | "time_dimension_name" | "entity_name" | "metric_name")
    )
}

/// What a grain that does not exist is answered with.
pub(crate) fn bad_grain(word: &str) -> (String, String) {
    let words: Vec<&str> = Grain::WORDS.iter().map(|(word, _)| *word).collect();
    (format!("\"{word}\" is no grain of time"), format!("Use one of: {}.", words.join(", ")))
}

fn unknown(text: &str) -> (String, String) {
    let hint = crate::suggest::did_you_mean(text, FUNCTIONS.iter().copied());
    (
        format!("\"{text}\" is not known in a filter"),
        hint.unwrap_or_else(|| {
            "Use Dimension('a__b'), TimeDimension('metric_time', 'day'), Entity('a') or \
             Metric('m', group_by=['a'])."
                .to_owned()
        }),
    )
}

/// The bracket that closes the one before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            (None, _) => {}
        }
    }
    None
}

type Keyed<T> = Vec<(Option<String>, T)>;

/// Texts and lists of texts among the arguments, each with its key if it has one.
fn arguments(inside: &str) -> (Keyed<String>, Keyed<Vec<String>>) {
    let (mut texts, mut lists) = (Vec::new(), Vec::new());
    for part in split(inside) {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) if !key.contains(['\'', '"', '[']) => {
                (Some(key.trim().to_owned()), value.trim())
            }
            Some(_) | None => (None, part.trim()),
        };
        if let Some(list) = value.strip_prefix('[').and_then(|list| list.strip_suffix(']')) {
            lists.push((key, split(list).iter().map(|item| unquoted(item)).collect()));
        } else if value.starts_with(['\'', '"']) {
            texts.push((key, unquoted(value)));
        }
    }
    (texts, lists)
}

/// Parts between commas, those in brackets and quotes kept together.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0_i32, None);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['\'', '"']).to_owned()
}

/// The text in `.name('text')`.
fn method(after: &str, name: &str) -> Option<String> {
    let start = after.find(&format!(".{name}("))? + name.len() + 2;
    let length = after[start..].find(')')?;
    Some(unquoted(&after[start..start + length]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn named(name: &str, grain: Option<Grain>) -> FilterPart {
        FilterPart::Item(FilterItem::Name { name: name.to_owned(), grain })
    }

    #[test]
    fn a_condition_is_taken_apart() {
        let text = "{{ Dimension('user__country') }} = 'DE' and \
                    {{ TimeDimension('metric_time', 'month') }} >= '2026-01-01'";
        let filter = Filter::read(text, None).unwrap();
        assert_eq!(filter.parts[0], named("user__country", None));
        assert_eq!(filter.parts[1], FilterPart::Sql(" = 'DE' and ".to_owned()));
        assert_eq!(filter.parts[2], named("metric_time", Some(Grain::Month)));
    }

    #[test]
    fn paths_grains_and_metrics_are_read() {
        let read = |text: &str| Filter::read(text, None).unwrap().parts.remove(0);
        assert_eq!(
            read("{{ Dimension('country', entity_path=['user', 'account']) }}"),
            named("user__account__country", None)
        );
        assert_eq!(
            read("{{ Dimension('metric_time').grain('week') }}"),
            named("metric_time", Some(Grain::Week))
        );
        assert_eq!(
            read("{{ Metric('orders', group_by=['user', 'a__b']) }}"),
            FilterPart::Item(FilterItem::Metric {
                name: "orders".to_owned(),
                group_by: vec!["user".to_owned(), "a__b".to_owned()],
            })
        );
    }

    #[test]
    fn what_is_not_known_is_refused_with_a_hint() {
        let refused = |text: &str| Filter::read(text, None).unwrap_err();
        assert_eq!(refused("{{ Dimenson('a') }}").1, "Did you mean \"Dimension\"?");
        assert!(refused("{{ TimeDimension('a', 'fortnight') }}").0.contains("no grain"));
        assert!(refused("{{ Dimension('a')").0.contains("never closes"));
        assert!(refused("{{ Dimension() }}").0.contains("names nothing"));
    }
}
