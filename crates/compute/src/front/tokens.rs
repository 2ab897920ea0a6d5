//! What the grammar lacks, mended before it reads: words are replaced where they stand, so that
//! every place in the text stays what it was.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::parse::range;
use crate::error::QueryError;

/// Mends the tokens, or refuses by name what would be read as something else.
pub(super) fn mend(
    sql: &str,
    mut tokens: Vec<TokenWithSpan>,
) -> Result<Vec<TokenWithSpan>, QueryError> {
    let solid: Vec<usize> = (0..tokens.len())
        .filter(|index| !matches!(tokens[*index].token, Token::Whitespace(_)))
        .collect();
    refuse(sql, &tokens, &solid)?;
    let mut inserts: Vec<(usize, Vec<Token>)> = Vec::new();
    let mut removed: Vec<usize> = Vec::new();
    for (at, &index) in solid.iter().enumerate() {
        let near = |steps: usize| solid.get(at + steps).map(|index| &tokens[*index].token);
        let before = at.checked_sub(1).and_then(|at| solid.get(at)).map(|i| &tokens[*i].token);
        // `x ** y`
        if tokens[index].token == Token::Mul && near(1) == Some(&Token::Mul) && value_end(before) {
            removed.push(solid[at + 1]);
            inserts.push((index, vec![Token::Caret]));
            removed.push(index);
        }
        let Some(word) = word(&tokens[index].token) else { continue };
        match word.as_str() {
            // `with x as [not] materialized (`
            "materialized" if near(1) == Some(&Token::LParen) => {
                let not = is(before, "not").then(|| solid[at - 1]);
                let first = at - usize::from(not.is_some());
                let after_as = first.checked_sub(1).and_then(|at| solid.get(at));
                if is(after_as.map(|i| &tokens[*i].token), "as") {
                    removed.push(index);
                    removed.extend(not);
                }
            }
            // `x in [1, 2]`
            "in" if near(1) == Some(&Token::LBracket) && !comprehension(&tokens, &solid, at) => {
                if let Some(end) = closing(&tokens, &solid, at + 1) {
                    let not = is(before, "not");
                    let (op, all) = if not { (Token::Neq, "ALL") } else { (Token::Eq, "ANY") };
                    removed.extend(not.then(|| solid[at - 1]));
                    removed.push(index);
                    let open = vec![op, Token::make_keyword(all), Token::LParen];
                    inserts.push((index, open));
                    inserts.push((end + 1, vec![Token::RParen]));
                }
            }
            // `x isnull`
            "isnull" if near(1) != Some(&Token::LParen) && value_end(before) => {
                removed.push(index);
                let null = Token::make_keyword("NULL");
                inserts.push((index, vec![Token::make_keyword("IS"), null]));
            }
            // `trim(both from x)`
            "both" if is(near(1), "from") && before == Some(&Token::LParen) => {
                removed.extend([index, solid[at + 1]]);
            }
            // A query that begins with `from` and selects nothing by name.
            "from" if begins_query(&tokens, &solid, at) && !selects(&tokens, &solid, at) => {
                inserts.push((index, vec![Token::make_keyword("SELECT"), Token::Mul]));
            }
            _ => {}
        }
    }
    // From the end, so that places before stay valid.
    let mut edits: Vec<(usize, Option<Vec<Token>>)> =
        inserts.into_iter().map(|(at, new)| (at, Some(new))).collect();
    edits.extend(removed.into_iter().map(|at| (at, None)));
    edits.sort_by_key(|(at, new)| (*at, new.is_some()));
    for (at, new) in edits.into_iter().rev() {
        let Some(span) = tokens.get(at).or(tokens.last()).map(|token| token.span) else { break };
        let at = at.min(tokens.len());
        match new {
            Some(new) => {
                let new = new.into_iter().map(|token| TokenWithSpan { token, span });
                tokens.splice(at..at, new);
            }
            None => {
                let place = tokens.iter().rposition(|token| token.span == span);
                if let Some(place) = place {
                    tokens.remove(place);
                }
            }
        }
    }
    Ok(tokens)
}

/// Whether this `in` belongs to `[… for x in …]`.
fn comprehension(tokens: &[TokenWithSpan], solid: &[usize], at: usize) -> bool {
    let before = at.checked_sub(2).and_then(|at| solid.get(at));
    is(before.map(|index| &tokens[*index].token), "for")
}

/// The token that closes the bracket at a place.
fn closing(tokens: &[TokenWithSpan], solid: &[usize], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for &index in solid.get(open..)? {
        match &tokens[index].token {
            Token::LBracket => depth += 1,
            Token::RBracket => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

fn word(token: &Token) -> Option<String> {
    match token {
        Token::Word(Word { value, quote_style: None, .. }) => Some(value.to_ascii_lowercase()),
        _ => None,
    }
}

fn is(token: Option<&Token>, wanted: &str) -> bool {
    token.and_then(word).is_some_and(|found| found == wanted)
}

/// Whether a value may end with this token.
fn value_end(token: Option<&Token>) -> bool {
    match token {
        Some(Token::Word(word)) => word.keyword == Keyword::NoKeyword || word.quote_style.is_some(),
        Some(Token::Number(..) | Token::RParen | Token::RBracket) => true,
        Some(Token::SingleQuotedString(_)) => true,
        _ => false,
    }
}

fn begins_query(tokens: &[TokenWithSpan], solid: &[usize], at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else { return true };
    match &tokens[solid[before]].token {
        // `extract(year from x)` has a word before it, `trim(from x)` a function's name.
        Token::LParen => {
            let called = before.checked_sub(1).map(|at| &tokens[solid[at]].token);
            !matches!(called, Some(Token::Word(word))
                if word.keyword == Keyword::NoKeyword || word.keyword == Keyword::TRIM)
        }
        Token::RParen => opens_with_query(tokens, solid, before),
        _ => false,
    }
}

/// Whether the bracket that closes here is the last common table of a `with`.
fn opens_with_query(tokens: &[TokenWithSpan], solid: &[usize], close: usize) -> bool {
    let mut depth = 0usize;
    for at in (0..=close).rev() {
        match &tokens[solid[at]].token {
            Token::RParen => depth += 1,
            Token::LParen => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    let before = at.checked_sub(1).map(|at| &tokens[solid[at]].token);
                    let inner = solid.get(at + 1).map(|index| &tokens[*index].token);
                    let query = ["select", "with", "from", "values"].iter().any(|w| is(inner, w));
                    return query && (is(before, "as") || is(before, "materialized"));
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether `select` follows in the same query.
fn selects(tokens: &[TokenWithSpan], solid: &[usize], at: usize) -> bool {
    let mut depth = 0usize;
    for index in solid.iter().skip(at + 1) {
        match &tokens[*index].token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return false,
            Token::RParen => depth -= 1,
            token if depth == 0 => match word(token).as_deref() {
                Some("select") => return true,
                Some("union" | "intersect" | "except") => return false,
                _ => {}
            },
            _ => {}
        }
    }
    false
}

/// Words in a row that have a meaning nobody here knows, and what to write instead.
const REFUSED: [(&[&str], &str, &str); 8] = [
    (
        &["positional", "join"],
        "\"positional join\" is not run",
        "Number both sides with row_number() over () and join on the numbers.",
    ),
    (
        &["using", "sample"],
        "\"using sample\" is not run",
        "Filter on a key: where id % 100 = 0, or limit an ordered query.",
    ),
    (
        &["except", "all"],
        "\"except all\" is not run",
        "Number equal rows with row_number() over (partition by …) and use except.",
    ),
    (
        &["intersect", "all"],
        "\"intersect all\" is not run",
        "Number equal rows with row_number() over (partition by …) and use intersect.",
    ),
    (
        &["exclude", "current"],
        "a window frame with \"exclude\" is not run",
        "Subtract the row: sum(x) over (…) - x.",
    ),
    (
        &["exclude", "ties"],
        "a window frame with \"exclude\" is not run",
        "Leave the rows out in a common table expression first.",
    ),
    (&["global", "join"], "\"global join\" is not run", "Leave \"global\" out."),
    (&["match_recognize"], "\"match_recognize\" is not run", "Use window functions."),
];

fn refuse(sql: &str, tokens: &[TokenWithSpan], solid: &[usize]) -> Result<(), QueryError> {
    for (at, &index) in solid.iter().enumerate() {
        let found = REFUSED.iter().find(|(words, _, _)| {
            words.iter().enumerate().all(|(step, wanted)| {
                is(solid.get(at + step).map(|index| &tokens[*index].token), wanted)
            })
        });
        if let Some((_, message, help)) = found {
            let mut refused = QueryError::unsupported(*message).help(*help);
            refused.span = range(sql, tokens[index].span);
            return Err(refused);
        }
    }
    Ok(())
}

/// What a text that could not be read most likely meant, by the words in it.
pub(super) fn meant(sql: &str) -> Option<(&'static str, &'static str)> {
    const WORDS: [(&str, &str, &str); 8] = [
        (
            "pivot",
            "the \"pivot\" statement is not run",
            "Write: select * from … pivot (sum(x) for key in ('a', 'b')).",
        ),
        (
            "unpivot",
            "the \"unpivot\" statement is not run",
            "Write: select * from … unpivot (value for name in (a, b)).",
        ),
        (
            "asof",
            "\"asof join\" is not run",
            "Join on the inequality and keep the newest with qualify row_number() over (…) = 1.",
        ),
        ("tablesample", "\"tablesample\" is not run", "Filter on a key: where id % 100 = 0."),
        ("glob", "\"glob\" is not run", "Use like, or a regular expression with ~."),
        ("lambda", "this form of \"lambda\" is not run", "Write: lambda x: x + 1."),
        ("->", "a lambda with \"->\" is not run", "Write: lambda x: x + 1."),
        ("filter", "\"filter\" without \"where\" is not run", "Write: filter (where …)."),
    ];
    let lower = sql.to_ascii_lowercase();
    let there = |word: &str| match word {
        "->" => lower.contains("->"),
        word => lower.split(|ch: char| !ch.is_alphanumeric() && ch != '_').any(|w| w == word),
    };
    WORDS.iter().find(|(word, _, _)| there(word)).map(|(_, message, help)| (*message, *help))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;
    use proptest::prelude::*;

    use super::*;

    fn mended(sql: &str) -> String {
        let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().unwrap();
        let tokens = mend(sql, tokens).unwrap();
        let words = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
        words.map(|token| token.token.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_the_grammar_lacks_are_spelled_out() {
        for (written, read) in [
            ("with t as materialized (select 1) select 2", "with t as ( select 1 ) select 2"),
            (
                "with t as not materialized (select 1) from t",
                "with t as ( select 1 ) SELECT * from t",
            ),
            ("select a isnull", "select a IS NULL"),
            ("select isnull(a)", "select isnull ( a )"),
            ("select a in [1, 2]", "select a = ANY ( [ 1 , 2 ] )"),
            ("select a not in [b[1]] and c", "select a <> ALL ( [ b [ 1 ] ] ) and c"),
            ("select [x for x in [1]]", "select [ x for x in [ 1 ] ]"),
            ("select 2 ** 3", "select 2 ^ 3"),
            ("select count(*) * 2", "select count ( * ) * 2"),
            ("from t where x", "SELECT * from t where x"),
            ("from t select x", "from t select x"),
            ("select * from (from t limit 1)", "select * from ( SELECT * from t limit 1 )"),
            ("select extract(year from d)", "select extract ( year from d )"),
            ("select trim(both from x)", "select trim ( x )"),
        ] {
            assert_eq!(mended(written), read, "{written}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_mended_or_refused(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "select", "from", "(", ")", "*", "x", "as", "not", "materialized", "isnull",
                    "both", "trim", "union", "all", "except", "'a'", "1", ",", "with",
                ]),
                0..20,
            )
        ) {
            let sql = words.join(" ");
            let tokens = Tokenizer::new(&GenericDialect {}, &sql).tokenize_with_location();
            if let Ok(tokens) = tokens {
                let _ = mend(&sql, tokens);
            }
        }
    }
}
