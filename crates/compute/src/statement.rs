//! Statements that change something, taken apart. This crate changes no table: whoever does is
//! told what a statement means, mostly as a query that gives the table's rows afterwards.

mod name;

use datafusion::sql::sqlparser::ast::{
    AlterColumnOperation, AlterTableOperation, Assignment, AssignmentTarget, CreateTable,
    CreateView, Delete, Expr, FromTable, Insert, Merge, ObjectName, ObjectType, Query,
    RenameTableNameKind, SchemaName, SetExpr, Statement as Parsed, TableFactor, TableObject,
    TableWithJoins, Update, UpdateTableFromKind,
};

pub(crate) use self::name::last;
use self::name::named;
pub use self::name::{StatementName, quoted};
use crate::error::QueryError;
use crate::front;
use crate::merge::merge;
pub use crate::rewrite::Rewrite;

/// A change of a table's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnEdit {
    /// A new column, NULL in all rows.
    Add {
        /// Its name.
        name: String,
        /// Its type, as written.
        data_type: String,
        /// Whether one of that name may be there already.
        unless_exists: bool,
    },
    /// A column that goes.
    Drop {
        /// Its name.
        name: String,
        /// Whether it may be absent.
        if_exists: bool,
    },
    /// A column that gets another name.
    Rename {
        /// Its name until now.
        from: String,
        /// Its name from now on.
        to: String,
    },
    /// A column that gets another type.
    Retype {
        /// Its name.
        name: String,
        /// Its type, as written.
        data_type: String,
    },
}

/// What one statement does.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// It asks for rows.
    Query(String),
    /// It has no meaning over immutable files and an own catalog: transactions, grants, settings.
    Nothing,
    /// A namespace is wanted.
    CreateSchema(String),
    /// A namespace and all in it goes.
    DropSchema(String),
    /// A new table.
    CreateTable {
        /// Its name.
        name: StatementName,
        /// The query that gives its rows; none for an empty table.
        query: Option<String>,
        /// Columns as declared, with their types.
        columns: Vec<(String, String)>,
        /// Whether it takes the place of what has its name.
        replace: bool,
        /// Whether it is left alone when it is there.
        unless_exists: bool,
        /// Whether it goes with the session.
        temporary: bool,
    },
    /// A new view.
    CreateView {
        /// Its name.
        name: StatementName,
        /// Its query.
        query: String,
        /// Whether it takes the place of what has its name.
        replace: bool,
        /// Whether it is left alone when it is there.
        unless_exists: bool,
    },
    /// Tables or views go.
    Drop {
        /// Their names.
        names: Vec<StatementName>,
        /// Whether they may be absent.
        if_exists: bool,
    },
    /// A table or view gets another name.
    Rename {
        /// Its name until now.
        name: StatementName,
        /// Its name from now on.
        to: StatementName,
    },
    /// A table's columns change.
    Alter {
        /// The table.
        name: StatementName,
        /// The changes.
        edits: Vec<ColumnEdit>,
    },
    /// All rows go.
    Truncate(Vec<StatementName>),
    /// Rows are added.
    Insert {
        /// The table.
        name: StatementName,
        /// The columns that are given, in order; all of the table's when empty.
        columns: Vec<String>,
        /// Whether the query's columns are matched by name.
        by_name: bool,
        /// The query that gives them.
        query: String,
    },
    /// Rows change or go.
    Rewrite {
        /// The table.
        name: StatementName,
        /// How.
        how: Rewrite,
    },
}

/// First words of statements that have no meaning here.
const WITHOUT_MEANING: &[&str] = &[
    "analyze",
    "attach",
    "begin",
    "call",
    "checkpoint",
    "comment",
    "commit",
    "detach",
    "end",
    "force",
    "grant",
    "install",
    "load",
    "pragma",
    "reset",
    "revoke",
    "rollback",
    "set",
    "start",
    "use",
    "vacuum",
];

/// Takes a text of any number of statements apart.
///
/// # Errors
/// When a statement does not parse, or is of a kind that is not carried out.
pub fn statements(sql: &str) -> Result<Vec<Statement>, QueryError> {
    let mut found = Vec::new();
    for text in split(sql) {
        let word = first_word(&text);
        if word.is_empty() {
            continue;
        }
        if WITHOUT_MEANING.contains(&word.as_str()) || is_index(&text) {
            found.push(Statement::Nothing);
        } else if ["select", "with", "from", "values", "show", "describe", "explain", "("]
            .contains(&word.as_str())
        {
            found.push(Statement::Query(text));
        } else {
            for parsed in front::parse_statements(&text)? {
                found.push(understood(parsed)?);
            }
        }
    }
    Ok(found)
}

/// Splits at semicolons outside of literals, names and comments.
fn split(sql: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    let bytes = sql.as_bytes();
    while at < bytes.len() {
        let rest = &sql[at..];
        let skipped = match bytes[at] {
            quote @ (b'\'' | b'"') => {
                rest[1..].find(char::from(quote)).map_or(rest.len(), |end| end + 2)
            }
            b'-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            b'$' if rest.starts_with("$$") => {
                rest[2..].find("$$").map_or(rest.len(), |end| end + 4)
            }
            b';' => {
                parts.push(sql[start..at].to_owned());
                start = at + 1;
                1
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += skipped;
    }
    parts.push(sql[start..].to_owned());
    parts
}

/// The first word, comments left out; `(` counts as one.
fn first_word(text: &str) -> String {
    let mut rest = text.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, rest)| rest).trim_start();
        } else {
            break;
        }
    }
    if rest.starts_with('(') {
        return "(".to_owned();
    }
    let word = rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next();
    word.unwrap_or_default().to_ascii_lowercase()
}

fn is_index(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().take(3).map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(
        words.as_slice(),
        ["create" | "drop", "index", ..]
            | ["create", "unique", "index"]
            | ["create" | "drop", "extension" | "secret" | "role" | "user", ..]
    )
}

fn understood(statement: Parsed) -> Result<Statement, QueryError> {
    Ok(match statement {
        Parsed::Query(query) => Statement::Query(query.to_string()),
        Parsed::CreateTable(create) => created(create)?,
        Parsed::CreateView(create) => viewed(create)?,
        Parsed::CreateSchema { schema_name, .. } => match schema_name {
            SchemaName::Simple(name) | SchemaName::NamedAuthorization(name, _) => {
                Statement::CreateSchema(last(&name))
            }
            SchemaName::UnnamedAuthorization(name) => Statement::CreateSchema(name.value),
        },
        Parsed::Drop { object_type: ObjectType::Schema, names, .. } => {
            Statement::DropSchema(names.first().map(last).unwrap_or_default())
        }
        Parsed::Drop {
            object_type: ObjectType::Table | ObjectType::View | ObjectType::MaterializedView,
            names,
            if_exists,
            ..
        } => {
            Statement::Drop { names: names.iter().map(named).collect::<Result<_, _>>()?, if_exists }
        }
        Parsed::Drop { .. } => Statement::Nothing,
        Parsed::Truncate(truncate) => {
            let names = truncate.table_names.iter().map(|target| named(&target.name));
            Statement::Truncate(names.collect::<Result<_, _>>()?)
        }
        Parsed::AlterTable(alter) => altered(&alter.name, &alter.operations)?,
        Parsed::Insert(insert) => inserted(insert)?,
        Parsed::Delete(delete) => deleted(delete)?,
        Parsed::Update(update) => updated(update)?,
        Parsed::Merge(merge_statement) => merged(merge_statement)?,
        other => {
            let text = other.to_string();
            // Only the verb is said again: the rest may hold a secret.
            let verb = text.split_whitespace().next().unwrap_or("statement").to_ascii_lowercase();
            return Err(QueryError::unsupported(format!("\"{verb}\" is no statement known here"))
                .help("Queries, create, drop, alter, insert, update, delete and merge are."));
        }
    })
}

fn created(create: CreateTable) -> Result<Statement, QueryError> {
    let columns = create.columns.iter();
    Ok(Statement::CreateTable {
        name: named(&create.name)?,
        query: create.query.map(|query| query.to_string()),
        columns: columns
            .map(|column| (column.name.value.clone(), column.data_type.to_string()))
            .collect(),
        replace: create.or_replace,
        unless_exists: create.if_not_exists,
        temporary: create.temporary,
    })
}

fn viewed(create: CreateView) -> Result<Statement, QueryError> {
    Ok(Statement::CreateView {
        name: named(&create.name)?,
        query: create.query.to_string(),
        replace: create.or_replace || create.or_alter,
        unless_exists: create.if_not_exists,
    })
}

fn altered(name: &ObjectName, operations: &[AlterTableOperation]) -> Result<Statement, QueryError> {
    let name = named(name)?;
    let mut edits = Vec::new();
    for operation in operations {
        match operation {
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::To(to) | RenameTableNameKind::As(to),
            } => return Ok(Statement::Rename { to: named(to)?, name }),
            AlterTableOperation::AddColumn { column_def, if_not_exists, .. } => {
                edits.push(ColumnEdit::Add {
                    name: column_def.name.value.clone(),
                    data_type: column_def.data_type.to_string(),
                    unless_exists: *if_not_exists,
                });
            }
            AlterTableOperation::DropColumn { column_names, if_exists, .. } => {
                edits.extend(column_names.iter().map(|column| ColumnEdit::Drop {
                    name: column.value.clone(),
                    if_exists: *if_exists,
                }));
            }
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                edits.push(ColumnEdit::Rename {
                    from: old_column_name.value.clone(),
                    to: new_column_name.value.clone(),
                });
            }
            AlterTableOperation::AlterColumn {
                column_name,
                op: AlterColumnOperation::SetDataType { data_type, .. },
            } => edits.push(ColumnEdit::Retype {
                name: column_name.value.clone(),
                data_type: data_type.to_string(),
            }),
            // Constraints, owners, comments and indexes say nothing about rows.
            _ => {}
        }
    }
    Ok(if edits.is_empty() { Statement::Nothing } else { Statement::Alter { name, edits } })
}

fn inserted(insert: Insert) -> Result<Statement, QueryError> {
    let TableObject::TableName(table) = &insert.table else {
        return Err(QueryError::unsupported("insert names no table"));
    };
    let Some(query) = insert.source else {
        return Err(QueryError::unsupported("insert without a query is not carried out"));
    };
    Ok(Statement::Insert {
        name: named(table)?,
        columns: insert.columns.iter().map(last).collect(),
        by_name: false,
        query: with_subqueries_selected(&query),
    })
}

/// Values that hold queries are selected row by row: the engine cannot run a query inside a list
/// of values.
fn with_subqueries_selected(query: &Query) -> String {
    let text = query.to_string();
    let SetExpr::Values(values) = query.body.as_ref() else { return text };
    if !text.to_ascii_lowercase().contains("select") {
        return text;
    }
    let rows = values.rows.iter().map(|row| {
        let cells = row.iter().enumerate().map(|(at, cell)| format!("{cell} as c{at}"));
        format!("select {}", cells.collect::<Vec<_>>().join(", "))
    });
    rows.collect::<Vec<_>>().join(" union all ")
}

fn deleted(delete: Delete) -> Result<Statement, QueryError> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let (name, alias) = target(from.first())?;
    let condition = delete.selection.as_ref().map(Expr::to_string);
    let using = delete.using.as_deref().map(listed);
    Ok(Statement::Rewrite { name, how: Rewrite::Delete { alias, using, condition } })
}

fn updated(update: Update) -> Result<Statement, QueryError> {
    let (name, alias) = target(Some(&update.table))?;
    let values = assigned(&update.assignments)?;
    let from = update.from.as_ref().map(|from| {
        let (UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) = from;
        listed(tables)
    });
    let condition = update.selection.as_ref().map(Expr::to_string);
    Ok(Statement::Rewrite { name, how: Rewrite::Update { alias, values, from, condition } })
}

fn merged(statement: Merge) -> Result<Statement, QueryError> {
    let (name, alias) = factor(&statement.table)?;
    Ok(Statement::Rewrite { name, how: Rewrite::Merge(merge(alias, &statement)?) })
}

/// Columns and their new values.
pub(crate) fn assigned(assignments: &[Assignment]) -> Result<Vec<(String, String)>, QueryError> {
    let one = |assignment: &Assignment| match &assignment.target {
        AssignmentTarget::ColumnName(name) => Ok((last(name), assignment.value.to_string())),
        AssignmentTarget::Tuple(_) => {
            Err(QueryError::unsupported("columns that are set together are not carried out")
                .help("Set one column at a time."))
        }
    };
    assignments.iter().map(one).collect()
}

fn target(table: Option<&TableWithJoins>) -> Result<(StatementName, String), QueryError> {
    let table = table.ok_or_else(|| QueryError::project("the statement names no table"))?;
    factor(&table.relation)
}

fn factor(relation: &TableFactor) -> Result<(StatementName, String), QueryError> {
    let TableFactor::Table { name, alias, .. } = relation else {
        return Err(QueryError::project("the statement changes something that is no table"));
    };
    let name = named(name)?;
    let alias = alias.as_ref().map_or_else(|| quoted(&name.name), |alias| alias.name.to_string());
    Ok((name, alias))
}

fn listed(tables: &[TableWithJoins]) -> String {
    tables.iter().map(TableWithJoins::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn statements_are_split_outside_of_literals_and_comments() {
        let sql = "-- a; b\ninsert into t select ';' as \"a;b\"; begin; drop table if exists x;";
        let found = statements(sql).unwrap();
        assert!(matches!(&found[0], Statement::Insert { name, .. } if name.name == "t"));
        assert_eq!(found[1], Statement::Nothing);
        assert!(matches!(&found[2], Statement::Drop { if_exists: true, .. }));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_delete_is_a_query_for_the_rows_that_stay() {
        let found = statements("delete from s.t where id in (1, 2)").unwrap();
        let Statement::Rewrite { name, how } = &found[0] else { panic!("{found:?}") };
        assert_eq!(name.namespace.as_deref(), Some("s"));
        let query = how.query("s.t", &["id".to_owned()]);
        assert_eq!(query, "select * from s.t as \"t\" where (id IN (1, 2)) is not true");
    }

    #[test]
    fn an_update_keeps_the_columns_it_does_not_set() {
        let found = statements("update t set b = b + 1 where a > 2").unwrap();
        let Statement::Rewrite { how, .. } = &found[0] else { panic!("{found:?}") };
        let query = how.query("t", &["a".to_owned(), "b".to_owned()]);
        assert_eq!(
            query,
            "select \"a\", case when (a > 2) then b + 1 else \"t\".\"b\" end as \"b\" \
             from t as \"t\""
        );
    }

    #[test]
    fn what_has_no_meaning_here_is_nothing() {
        for sql in ["grant select on a to b", "create unique index i on t (a)", "analyze t"] {
            assert_eq!(statements(sql).unwrap(), [Statement::Nothing], "{sql}");
        }
    }
}
