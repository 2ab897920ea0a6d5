//! Statements that change rows of a table, as queries for the rows that are there afterwards.

use crate::merge::MergeText;
use crate::statement::quoted;

/// How rows of a table change.
#[derive(Clone, Debug, PartialEq)]
pub enum Rewrite {
    /// Some go.
    Delete {
        /// The name the condition knows the table by.
        alias: String,
        /// Other tables of the condition.
        using: Option<String>,
        /// Which rows; all when none.
        condition: Option<String>,
    },
    /// Some get other values.
    Update {
        /// The name that expressions know the table by.
        alias: String,
        /// Columns and their new values.
        values: Vec<(String, String)>,
        /// Other tables of the expressions.
        from: Option<String>,
        /// Which rows; all when none.
        condition: Option<String>,
    },
    /// Some get other values, some go, some are new.
    Merge(MergeText),
}

impl Rewrite {
    /// The query that gives all rows of the table afterwards. `table` is how the table is named
    /// in SQL, `columns` are its columns in order.
    pub fn query(&self, table: &str, columns: &[String]) -> String {
        match self {
            Self::Delete { alias, using, condition } => {
                let condition = condition.as_deref().unwrap_or("true");
                match using {
                    None => {
                        format!("select * from {table} as {alias} where ({condition}) is not true")
                    }
                    Some(using) => format!(
                        "select * from {table} as {alias} where not exists \
                         (select 1 from {using} where {condition})"
                    ),
                }
            }
            Self::Update { alias, values, from, condition } => {
                updated_rows(table, columns, alias, values, from.as_deref(), condition.as_deref())
            }
            Self::Merge(merge) => merge.query(table, columns),
        }
    }
}

fn updated_rows(
    table: &str,
    columns: &[String],
    alias: &str,
    values: &[(String, String)],
    from: Option<&str>,
    condition: Option<&str>,
) -> String {
    let condition = condition.unwrap_or("true");
    let value_of = |column: &String| {
        values.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)).map(|(_, value)| value)
    };
    let Some(from) = from else {
        let columns = columns.iter().map(|column| {
            let name = quoted(column);
            match value_of(column) {
                None => name,
                Some(value) => {
                    format!(
                        "case when ({condition}) then {value} else {alias}.{name} end as {name}"
                    )
                }
            }
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        return format!("select {columns} from {table} as {alias}");
    };
    let joined = columns.iter().map(|column| {
        let name = quoted(column);
        let value = value_of(column).map_or_else(|| format!("{alias}.{name}"), Clone::clone);
        format!("{value} as {name}")
    });
    let joined = joined.collect::<Vec<_>>().join(", ");
    let plain = columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
    format!(
        "with __rows as (select *, row_number() over () as __row from {table}), \
         __hits as (select {joined}, {alias}.__row as __row, \
         row_number() over (partition by {alias}.__row) as __hit \
         from __rows as {alias}, {from} where {condition}) \
         select {plain} from __hits where __hit = 1 \
         union all select {plain} from __rows \
         where __row not in (select __row from __hits)"
    )
}
