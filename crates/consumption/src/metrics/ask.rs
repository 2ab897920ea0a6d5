//! What people write when they ask: conditions with plain names, and saved questions.

use std::collections::BTreeSet;

use project::Project;
use project::semantics::{Filter, FilterItem, FilterPart, METRIC_TIME, Semantics, grouping_name};

use super::lexer::{Token, tokens};
use super::plan::falling;
use super::{MetricQuery, plan};
use crate::ConsumptionError;

/// Reads conditions: `user__country = 'DE' and metric_time__day >= '2026-05-01'`, or the same in
/// dbt's Jinja. What stands between top-level `and`s are conditions of their own.
///
/// # Errors
/// When the Jinja in it cannot be read.
pub fn condition(project: &Project, text: &str) -> Result<Vec<Filter>, ConsumptionError> {
    let mut filters = Vec::new();
    for part in between_ands(text) {
        if part.contains("{{") || part.contains("{%") {
            let read = Filter::read(&part, None);
            filters.push(
                read.map_err(|(message, help)| ConsumptionError::Settings { message, help })?,
            );
        } else {
            filters.push(plain(&project.semantics, &part));
        }
    }
    Ok(filters)
}

/// A condition whose names stand for themselves.
fn plain(semantics: &Semantics, text: &str) -> Filter {
    let known = known_names(semantics);
    let all = tokens(text);
    let mut parts: Vec<FilterPart> = Vec::new();
    let mut sql = String::new();
    for (at, token) in all.iter().enumerate() {
        match name_at(&known, &all, at) {
            Some(name) => {
                if !sql.is_empty() {
                    parts.push(FilterPart::Sql(std::mem::take(&mut sql)));
                }
                parts.push(FilterPart::Item(FilterItem::Name { name, grain: None }));
            }
            None => sql.push_str(token.text()),
        }
    }
    if !sql.is_empty() {
        parts.push(FilterPart::Sql(sql));
    }
    Filter { parts, text: text.to_owned(), span: None }
}

/// Names of entities and dimensions.
pub(super) fn known_names(semantics: &Semantics) -> BTreeSet<&str> {
    let mut known = BTreeSet::from([METRIC_TIME]);
    for model in &semantics.models {
        known.extend(model.entities.iter().map(|entity| entity.name.as_str()));
        known.extend(model.dimensions.iter().map(|dimension| dimension.name.as_str()));
    }
    known
}

/// The name that a token stands for: not a function, not a type after `as`.
pub(super) fn name_at(known: &BTreeSet<&str>, all: &[Token<'_>], at: usize) -> Option<String> {
    let name = all[at].name()?;
    let solid = |token: &&Token<'_>| !matches!(token, Token::Space(_));
    let before = all[..at].iter().rev().find(solid);
    let after = all[at + 1..].iter().find(solid);
    if after.is_some_and(|token| token.is_sign("(") || token.is_sign("."))
        || before.is_some_and(|token| token.is("as") || token.is_sign("."))
    {
        return None;
    }
    let is_known = known.contains(name.as_str());
    (is_known || (name.contains("__") && !name.starts_with("__"))).then_some(name)
}

/// A text at its top-level `and`s; the one of `between … and …` stays.
fn between_ands(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut depth, mut between, mut current) = (0_i32, false, String::new());
    let all = tokens(text);
    let or = {
        let mut depth = 0_i32;
        all.iter().any(|token| {
            depth += nesting(*token);
            depth == 0 && token.is("or")
        })
    };
    for token in all {
        depth += nesting(token);
        if depth == 0 && token.is("between") {
            between = true;
        }
        if depth == 0 && !or && token.is("and") {
            if between {
                between = false;
            } else {
                parts.push(std::mem::take(&mut current));
                continue;
            }
        }
        current.push_str(token.text());
    }
    parts.push(current);
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// How a token changes the depth of brackets; braces of Jinja and `case … end` count too.
pub(super) fn nesting(token: Token<'_>) -> i32 {
    match token {
        Token::Sign("(" | "[" | "{") => 1,
        Token::Sign(")" | "]" | "}") => -1,
        Token::Word(word) if word.eq_ignore_ascii_case("case") => 1,
        Token::Word(word) if word.eq_ignore_ascii_case("end") => -1,
        Token::Word(_)
        | Token::Quoted(_)
        | Token::Text(_)
        | Token::Number(_)
        | Token::Sign(_)
        | Token::Space(_) => 0,
    }
}

/// The question behind a saved query.
///
/// # Errors
/// When there is none of that name, or its groupings cannot be read.
pub fn saved(project: &Project, name: &str) -> Result<MetricQuery, ConsumptionError> {
    let queries = &project.semantics.saved_queries;
    let query = queries.get(name).ok_or_else(|| ConsumptionError::NotFound {
        message: format!("there is no saved query \"{name}\""),
        help: project::suggest::did_you_mean(name, queries.keys().map(String::as_str))
            .unwrap_or_else(|| "Declare it below \"saved_queries:\".".to_owned()),
    })?;
    let named = |text: &String| {
        grouping_name(text).map_err(|(message, help)| ConsumptionError::Settings { message, help })
    };
    let mut order_by = Vec::new();
    for text in &query.order_by {
        let falls = text.to_ascii_lowercase().contains("descending(true)");
        let (plain, minus) = falling(text);
        let plain = if text.contains('(') { named(text)? } else { plain };
        order_by.push(if falls || minus { format!("-{plain}") } else { plain });
    }
    Ok(MetricQuery {
        metrics: query.metrics.clone(),
        group_by: query.group_by.iter().map(named).collect::<Result<_, _>>()?,
        conditions: query.filters.iter().map(|filter| filter.text.clone()).collect(),
        order_by,
        limit: query.limit,
        from: None,
        to: None,
    })
}

/// Whether metrics can be held against a dimension.
pub(crate) fn can_be_filtered(project: &Project, metrics: &[String], dimension: &str) -> bool {
    let query = MetricQuery {
        metrics: metrics.to_vec(),
        group_by: vec![dimension.to_owned()],
        ..MetricQuery::default()
    };
    plan(project, &query).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_part_at_top_level_ands() {
        let parts = between_ands("a = 1 and b between 2 and 3 AND (c or d and e)");
        assert_eq!(parts, ["a = 1", "b between 2 and 3", "(c or d and e)"]);
        assert_eq!(between_ands("a = 1 or b = 2 and c = 3").len(), 1);
        assert_eq!(
            between_ands("case when a and b then 1 end = 1 and c"),
            ["case when a and b then 1 end = 1", "c"]
        );
        assert_eq!(between_ands("x = 'a and b'"), ["x = 'a and b'"]);
    }
}
