//! Puts ephemeral models in front of a query as common table expressions, as dbt does.

use std::collections::BTreeMap;

use base::NodeId;

use crate::compile::Segment;

/// The SQL of a node with its common table expressions, and which stretch comes from which node.
pub(crate) fn assemble(
    id: &NodeId,
    texts: &BTreeMap<NodeId, String>,
    ctes: &[(NodeId, String)],
) -> (String, Vec<Segment>) {
    let own = texts.get(id).map(String::as_str).unwrap_or_default();
    let whole = |range, start| Segment { sql: range, node: id.clone(), text_start: start };
    if ctes.is_empty() {
        return (own.to_owned(), vec![whole(0..own.len(), 0)]);
    }
    let place = place(own);
    let mut sql = own[..place.at].to_owned();
    let mut segments = vec![whole(0..place.at, 0)];
    if !place.has_with {
        sql.push_str("with");
    }
    for (index, (cte, name)) in ctes.iter().enumerate() {
        let text = texts.get(cte).map(String::as_str).unwrap_or_default();
        sql.push_str(if index == 0 { " " } else { ",  " });
        sql.push_str(name);
        sql.push_str(" as (\n");
        let start = sql.len();
        sql.push_str(text);
        segments.push(Segment { sql: start..sql.len(), node: cte.clone(), text_start: 0 });
        sql.push_str("\n)");
    }
    sql.push_str(if place.has_with { "," } else { " " });
    let start = sql.len();
    sql.push_str(&own[place.at..]);
    segments.push(whole(start..sql.len(), place.at));
    (sql, segments)
}

struct Place {
    at: usize,
    has_with: bool,
}

/// Where expressions go: behind the query's own `with` (and `recursive`), else in front of it.
fn place(sql: &str) -> Place {
    let spaces = sql.len() - sql.trim_start().len();
    let start = skip_comments(sql, 0);
    let Some(with_end) = keyword(sql, start, "with") else {
        return Place { at: spaces, has_with: false };
    };
    let after = skip_comments(sql, with_end);
    let at = keyword(sql, after, "recursive").unwrap_or(with_end);
    Place { at, has_with: true }
}

fn keyword(sql: &str, at: usize, word: &str) -> Option<usize> {
    let end = at + word.len();
    let found = sql.get(at..end)?;
    let ends =
        sql[end..].chars().next().is_none_or(|next| !(next.is_alphanumeric() || next == '_'));
    (found.eq_ignore_ascii_case(word) && ends).then_some(end)
}

fn skip_comments(sql: &str, mut at: usize) -> usize {
    loop {
        let rest = &sql[at..];
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if trimmed.starts_with("--") {
            at += trimmed.find('\n').unwrap_or(trimmed.len());
        } else if trimmed.starts_with("/*") {
            at += trimmed.find("*/").map_or(trimmed.len(), |end| end + 2);
        } else {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assembled(own: &str, ctes: &[(&str, &str)]) -> String {
        let id = NodeId::from("model.p.own");
        let mut texts = BTreeMap::from([(id.clone(), own.to_owned())]);
        let mut names = Vec::new();
        for (name, text) in ctes {
            let cte = NodeId::new(format!("model.p.{name}"));
            texts.insert(cte.clone(), (*text).to_owned());
            names.push((cte, format!("__dbt__cte__{name}")));
        }
        let (sql, segments) = assemble(&id, &texts, &names);
        for segment in segments {
            let text = &texts[&segment.node];
            let length = segment.sql.len();
            assert_eq!(sql[segment.sql], text[segment.text_start..segment.text_start + length]);
        }
        sql
    }

    #[test]
    fn expressions_are_injected_as_dbt_does() {
        assert_eq!(
            assembled("select * from __dbt__cte__a", &[("a", "select 1")]),
            "with __dbt__cte__a as (\nselect 1\n) select * from __dbt__cte__a"
        );
        assert_eq!(
            assembled("-- note\nWITH x as (select 1) select 2", &[("a", "A"), ("b", "B")]),
            "-- note\nWITH __dbt__cte__a as (\nA\n),  __dbt__cte__b as (\nB\n), x as (select 1) \
             select 2"
        );
        assert_eq!(
            assembled("with recursive x as (select 1) select 2", &[("a", "A")]),
            "with recursive __dbt__cte__a as (\nA\n), x as (select 1) select 2"
        );
        assert_eq!(
            assembled("\nselect withdrawn from t", &[("a", "A")]),
            "\nwith __dbt__cte__a as (\nA\n) select withdrawn from t"
        );
    }
}
