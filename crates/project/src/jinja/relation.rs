//! A relation: the name of a table or view, as templates see it.

use chrono::NaiveDateTime;

/// What stands behind a relation's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// A table.
    Table,
    /// A view.
    View,
    /// A common table expression: an ephemeral model.
    Cte,
    /// A materialized view.
    MaterializedView,
    /// A table outside the lake.
    External,
}

impl RelationKind {
    /// dbt's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Cte => "cte",
            Self::MaterializedView => "materialized_view",
            Self::External => "external",
        }
    }

    /// Reads dbt's word.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "table" => Self::Table,
            "view" => Self::View,
            "cte" => Self::Cte,
            "materialized_view" => Self::MaterializedView,
            "external" => Self::External,
            _ => return None,
        })
    }
}

/// One yes or no for each part of a relation's name: is it quoted, is it shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Parts {
    /// The database: our environment.
    pub database: bool,
    /// The schema: our namespace.
    pub schema: bool,
    /// The table's own name.
    pub identifier: bool,
}

impl Parts {
    /// Yes for every part.
    pub const ALL: Self = Self { database: true, schema: true, identifier: true };
}

/// The name of a table or view with the rules of how it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Relation {
    /// The database: our environment.
    pub database: Option<String>,
    /// The schema: our namespace.
    pub schema: Option<String>,
    /// The table's own name.
    pub identifier: Option<String>,
    /// What stands behind the name, when that is known.
    pub kind: Option<RelationKind>,
    /// Which parts are quoted.
    pub quote: Parts,
    /// Which parts are written.
    pub include: Parts,
    /// Which of its rows are read; all when none.
    pub filter: Option<RowFilter>,
}

/// Which rows of a parent are read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RowFilter {
    /// None: the columns alone are of interest.
    Nothing,
    /// Those whose event time lies between two moments, the second left out.
    Between {
        /// The column that says when a row happened; parents without one are read whole.
        column: Option<String>,
        /// From here.
        start: Option<String>,
        /// Up to here.
        end: Option<String>,
    },
}

impl RowFilter {
    /// Rows between two moments.
    pub fn between(start: NaiveDateTime, end: NaiveDateTime) -> Self {
        let text = |at: NaiveDateTime| at.format("%Y-%m-%d %H:%M:%S+00:00").to_string();
        Self::Between { column: None, start: Some(text(start)), end: Some(text(end)) }
    }

    /// The filter for a parent with this event time; none when it is read whole.
    pub(crate) fn on(&self, event_time: Option<&str>) -> Option<Self> {
        match self {
            Self::Nothing => Some(Self::Nothing),
            Self::Between { start, end, .. } => Some(Self::Between {
                column: Some(event_time?.to_owned()),
                start: start.clone(),
                end: end.clone(),
            }),
        }
    }

    fn around(&self, table: &str, name: &str) -> String {
        match self {
            Self::Nothing => {
                format!("(select * from {table} where false limit 0) _dbt_limit_subq_{name}")
            }
            Self::Between { column, start, end } => {
                let column = column.as_deref().unwrap_or_default();
                let from = start.iter().map(|at| format!("{column} >= '{at}'"));
                let to = end.iter().map(|at| format!("{column} < '{at}'"));
                let condition = from.chain(to).collect::<Vec<_>>().join(" and ");
                format!("(select * from {table} where {condition}) _dbt_et_filter_subq_{name}")
            }
        }
    }
}

impl Relation {
    /// `"database"."schema"."identifier"`, kind not known.
    pub fn new(
        database: impl Into<String>,
        schema: impl Into<String>,
        identifier: impl Into<String>,
    ) -> Self {
        Self {
            database: Some(database.into()),
            schema: Some(schema.into()),
            identifier: Some(identifier.into()),
            kind: None,
            quote: Parts::ALL,
            include: Parts::ALL,
            filter: None,
        }
    }

    /// The common table expression that an ephemeral model becomes: `__dbt__cte__<name>`.
    pub fn ephemeral(name: &str) -> Self {
        Self {
            database: None,
            schema: None,
            identifier: Some(format!("__dbt__cte__{name}")),
            kind: Some(RelationKind::Cte),
            quote: Parts { identifier: false, ..Parts::ALL },
            include: Parts::ALL,
            filter: None,
        }
    }

    /// The same relation with its kind known.
    #[must_use]
    pub fn of_kind(mut self, kind: RelationKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// As it is written in SQL.
    pub fn render(&self) -> String {
        let parts = [
            (&self.database, self.include.database, self.quote.database),
            (&self.schema, self.include.schema, self.quote.schema),
            (&self.identifier, self.include.identifier, self.quote.identifier),
        ];
        let mut text = String::new();
        for (part, include, quote) in parts {
            let Some(part) = part.as_ref().filter(|_| include) else { continue };
            if !text.is_empty() {
                text.push('.');
            }
            if quote {
                text.push('"');
                text.push_str(part);
                text.push('"');
            } else {
                text.push_str(part);
            }
        }
        match &self.filter {
            Some(filter) => filter.around(&text, self.identifier.as_deref().unwrap_or_default()),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_quoted_and_left_out_by_policy() {
        let mut relation = Relation::new("dev", "main", "orders");
        assert_eq!(relation.render(), r#""dev"."main"."orders""#);
        relation.include.database = false;
        relation.quote.schema = false;
        assert_eq!(relation.render(), r#"main."orders""#);
        assert_eq!(Relation::ephemeral("base").render(), "__dbt__cte__base");
    }
}
