//! `merge into … using … on …`, as a query for the rows that are there afterwards.

use datafusion::sql::sqlparser::ast::{
    Merge, MergeAction, MergeClause, MergeClauseKind, MergeInsertKind,
};

use crate::error::QueryError;
use crate::statement::{assigned, last, quoted};

/// What a merge does, in pieces of SQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeText {
    /// The name that expressions know the table by.
    pub alias: String,
    /// The other table, with its alias.
    pub source: String,
    /// Which rows belong together.
    pub on: String,
    /// What happens to rows that have a partner, first fit first.
    pub matched: Vec<Matched>,
    /// What happens to rows of the other table that have none.
    pub not_matched: Vec<NotMatched>,
    /// What happens to rows of the table that have none.
    pub not_matched_by_source: Vec<Matched>,
}

/// `when matched [and …] then update set … | delete`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// Its further condition.
    pub condition: Option<String>,
    /// Columns and their new values; none when the row goes.
    pub values: Option<Vec<(String, String)>>,
}

/// `when not matched [and …] then insert (…) values (…)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotMatched {
    /// Its further condition.
    pub condition: Option<String>,
    /// The columns that are given; all when empty.
    pub columns: Vec<String>,
    /// Their values.
    pub values: Vec<String>,
}

pub(crate) fn merge(alias: String, statement: &Merge) -> Result<MergeText, QueryError> {
    let mut text = MergeText {
        alias,
        source: statement.source.to_string(),
        on: statement.on.to_string(),
        ..MergeText::default()
    };
    for MergeClause { clause_kind, predicate, action, .. } in &statement.clauses {
        let condition = predicate.as_ref().map(ToString::to_string);
        match (clause_kind, action) {
            (MergeClauseKind::Matched, MergeAction::Update(update)) => {
                let values = Some(assigned(&update.assignments)?);
                text.matched.push(Matched { condition, values });
            }
            (MergeClauseKind::Matched, MergeAction::Delete { .. }) => {
                text.matched.push(Matched { condition, values: None });
            }
            (MergeClauseKind::NotMatchedBySource, MergeAction::Update(update)) => {
                let values = Some(assigned(&update.assignments)?);
                text.not_matched_by_source.push(Matched { condition, values });
            }
            (MergeClauseKind::NotMatchedBySource, MergeAction::Delete { .. }) => {
                text.not_matched_by_source.push(Matched { condition, values: None });
            }
            (
                MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget,
                MergeAction::Insert(insert),
            ) => {
                let MergeInsertKind::Values(values) = &insert.kind else {
                    return Err(refused("\"insert row\""));
                };
                let rows = &values.rows;
                let Some(row) = rows.first().filter(|_| rows.len() == 1) else {
                    return Err(refused("several rows of values"));
                };
                text.not_matched.push(NotMatched {
                    condition,
                    columns: insert.columns.iter().map(last).collect(),
                    values: row.iter().map(ToString::to_string).collect(),
                });
            }
            _ => return Err(refused("this combination of \"when\" and \"then\"")),
        }
    }
    Ok(text)
}

fn refused(what: &str) -> QueryError {
    QueryError::unsupported(format!("{what} in a merge is not carried out"))
        .help("Write update set …, delete, or insert (…) values (…).")
}

impl MergeText {
    /// The query that gives all rows of the table afterwards.
    pub fn query(&self, table: &str, columns: &[String]) -> String {
        let Self { alias, source, on, .. } = self;
        let plain = columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
        let mut parts = vec![format!(
            "with __rows as (select *, row_number() over () as __row from {table}), \
             __hits as (select {hit}, {alias}.__row as __row, {gone} as __gone, \
             row_number() over (partition by {alias}.__row) as __hit \
             from __rows as {alias} join {source} on {on}) \
             select {plain} from __hits where __hit = 1 and not __gone",
            hit = self.changed(columns, &self.matched),
            gone = gone(&self.matched),
        )];
        parts.push(format!(
            "select {plain} from (select {kept}, {gone} as __gone from __rows as {alias} \
             where __row not in (select __row from __hits)) as __kept where not __gone",
            kept = self.changed(columns, &self.not_matched_by_source),
            gone = gone(&self.not_matched_by_source),
        ));
        let mut before: Vec<String> = Vec::new();
        for clause in &self.not_matched {
            let condition = clause.condition.as_deref().unwrap_or("true");
            let earlier: String =
                before.iter().map(|one| format!(" and ({one}) is not true")).collect();
            parts.push(format!(
                "select {values} from {source} where not exists \
                 (select 1 from {table} as {alias} where {on}) and ({condition}){earlier}",
                values = clause.row(columns),
            ));
            before.push(condition.to_owned());
        }
        parts.join(" union all ")
    }

    /// The table's columns after the first clause that fits.
    fn changed(&self, columns: &[String], clauses: &[Matched]) -> String {
        let alias = &self.alias;
        let one = |column: &String| {
            let name = quoted(column);
            let old = format!("{alias}.{name}");
            let mut cases = String::new();
            let mut changes = false;
            for clause in clauses {
                let condition = clause.condition.as_deref().unwrap_or("true");
                let new = clause.values.as_ref().and_then(|values| {
                    values.iter().find(|(name, _)| name.eq_ignore_ascii_case(column))
                });
                changes |= new.is_some();
                let value = new.map_or(&old, |(_, value)| value);
                cases.push_str(&format!(" when ({condition}) then {value}"));
            }
            if changes {
                format!("case{cases} else {old} end as {name}")
            } else {
                format!("{old} as {name}")
            }
        };
        columns.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// Whether the first clause that fits takes the row away.
fn gone(clauses: &[Matched]) -> String {
    if clauses.iter().all(|clause| clause.values.is_some()) {
        return "false".to_owned();
    }
    let cases = clauses.iter().map(|clause| {
        let condition = clause.condition.as_deref().unwrap_or("true");
        format!(" when ({condition}) then {}", clause.values.is_none())
    });
    format!("case{} else false end", cases.collect::<String>())
}

impl NotMatched {
    fn row(&self, columns: &[String]) -> String {
        let given = if self.columns.is_empty() { columns } else { &self.columns };
        let one = |column: &String| {
            let at = given.iter().position(|name| name.eq_ignore_ascii_case(column));
            let value = at.and_then(|at| self.values.get(at)).map_or("null", String::as_str);
            format!("{value} as {}", quoted(column))
        };
        columns.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}
