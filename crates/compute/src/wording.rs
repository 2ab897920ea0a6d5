//! What DataFusion says of wrong SQL, in words for the person who wrote it.

use crate::error::QueryError;

/// Functions that are nothing without a window.
const WINDOW_FUNCTIONS: &[&str] = &[
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

/// An error in our words; none where DataFusion's own are good enough.
pub(crate) fn reworded(said: &str) -> Option<QueryError> {
    grouping(said)
        .or_else(|| arithmetic(said))
        .or_else(|| arguments(said))
        .or_else(|| unknown_function(said))
        .or_else(|| fixed(said))
}

/// The stretch between two texts.
fn between<'s>(said: &'s str, before: &str, after: &str) -> Option<&'s str> {
    let start = said.find(before)? + before.len();
    let length = said[start..].find(after)?;
    said.get(start..start + length)
}

fn grouping(said: &str) -> Option<QueryError> {
    let column = between(said, "column \"", "\" must appear in the GROUP BY clause")?;
    let column = column.rsplit('.').next().unwrap_or(column).trim_matches('"');
    let message = format!("column \"{column}\" is neither grouped by nor aggregated");
    let help = format!("Add \"{column}\" to group by, or take one value, such as max({column}).");
    Some(QueryError::project(message).help(help))
}

fn arithmetic(said: &str) -> Option<QueryError> {
    let sides = between(said, "arithmetic expression ", " to valid types").or_else(|| {
        said.split_once("common argument type for comparison operation ").map(|(_, sides)| sides)
    })?;
    let (left, operator, right) = [" + ", " - ", " * ", " / ", " % ", " = ", " != ", " < ", " > "]
        .into_iter()
        .chain([" <= ", " >= "])
        .find_map(|operator| {
            sides.split_once(operator).map(|(left, right)| (left, operator.trim(), right))
        })?;
    let (left, right) = (type_word(left), type_word(right.trim_end_matches('.')));
    let message = format!("\"{operator}\" is not known between {left} and {right}");
    Some(QueryError::project(message).help("Cast one side to the type of the other."))
}

/// The word of an Arrow type.
fn type_word(arrow: &str) -> String {
    let word = match arrow.trim() {
        "Utf8" | "Utf8View" | "LargeUtf8" => "text",
        "Int8" | "Int16" | "Int32" | "UInt8" | "UInt16" => "integer",
        "Int64" | "UInt32" | "UInt64" => "bigint",
        "Float16" | "Float32" => "float",
        "Float64" => "double",
        "Boolean" => "boolean",
        "Date32" | "Date64" => "date",
        other if other.starts_with("Timestamp") => "timestamp",
        other if other.starts_with("Interval") => "interval",
        other if other.starts_with("Decimal") => "decimal",
        other if other.starts_with("List") => "list",
        other if other.starts_with("Struct") => "struct",
        other => other,
    };
    word.to_owned()
}

fn arguments(said: &str) -> Option<QueryError> {
    let told = between(said, "coercion failed with: ", " No function matches")?;
    let told = told.strip_prefix("Error during planning: ").unwrap_or(told).trim_end_matches('.');
    let (told, help) = told.split_once("; ").unwrap_or((told, "cast the argument first"));
    let told = told.split(' ').map(type_word).collect::<Vec<_>>().join(" ");
    let mut letters = help.chars();
    let help: String =
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    Some(QueryError::project(told).help(format!("{help}.")))
}

fn unknown_function(said: &str) -> Option<QueryError> {
    let name = between(said, "nvalid function '", "'")?;
    if WINDOW_FUNCTIONS.contains(&name.to_lowercase().as_str()) {
        let message = format!("\"{name}\" works over a window, and has none");
        let help = format!("Write {name}() over (partition by … order by …).");
        return Some(QueryError::project(message).help(help));
    }
    Some(
        QueryError::project(format!("function \"{name}\" is not known"))
            .help("Check its spelling."),
    )
}

fn fixed(said: &str) -> Option<QueryError> {
    let known = [
        (
            "Aggregate functions are not allowed in the WHERE clause",
            "an aggregate stands in where, which is asked of each row by itself",
            "Put the condition into having, after group by.",
        ),
        (
            "The subquery should only return one column",
            "a subquery that stands for one value gives several columns",
            "Select one column in it.",
        ),
        (
            "UNION queries have different number of columns",
            "the queries of a union have different numbers of columns",
            "Give all of them the same columns, in the same order.",
        ),
    ];
    let (_, message, help) = known
        .into_iter()
        .find(|(words, _, _)| said.to_lowercase().contains(&words.to_lowercase()))?;
    Some(QueryError::project(message).help(help))
}

/// A place for an error that has none, or a wide one, where its words stand in the text once.
pub(crate) fn placed(mut error: QueryError, sql: &str) -> QueryError {
    if error.help.is_none() && error.message.starts_with("expected: ") {
        let help = "Look just before it: a comma, a bracket, a quote or a word may be missing.";
        error.help = Some(help.to_owned());
    }
    let unknown_type = between(&error.message, "type \"", "\" is not known");
    let call = error.message.strip_prefix('"').and_then(|rest| rest.split_once("\" takes "));
    let found = match (unknown_type, call) {
        (Some(word), _) => only(sql, word).map(|start| start..start + word.len()),
        (None, Some((name, _))) if error.span.is_none() => {
            only(sql, &format!("{name}(")).map(|start| start..start + name.len())
        }
        _ => None,
    };
    error.span = found.or(error.span);
    error
}

/// Where a word stands, if it stands there once.
fn only(sql: &str, word: &str) -> Option<usize> {
    let (text, word) = (sql.to_ascii_lowercase(), word.to_ascii_lowercase());
    let mut found = text.match_indices(&word).map(|(at, _)| at);
    found.next().filter(|_| found.next().is_none())
}

/// A column of a table, or of an alias, that the query does not name.
pub(crate) fn unknown_alias(alias: &str, known: &[String]) -> QueryError {
    let error = QueryError::project(format!("\"{alias}\" is no table or alias of this query"));
    let near = crate::spans::nearest(alias, known.iter().map(String::as_str));
    let help = match near {
        Some(near) => format!("Did you mean \"{near}\"?"),
        None => "Name one of those in from and join.".to_owned(),
    };
    error.detail(format!("There are: {}.", known.join(", "))).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_called_what_people_call_them() {
        let said = "Cannot coerce arithmetic expression Utf8 + Date32 to valid types";
        let told = reworded(said).unwrap();
        assert_eq!(told.message, "\"+\" is not known between text and date");
    }

    #[test]
    fn a_word_that_stands_there_once_is_marked() {
        let sql = "select cast(id as integr) as id";
        let error = QueryError::project("type \"integr\" is not known").at(0..sql.len());
        assert_eq!(placed(error, sql).span, Some(18..24));
    }
}
