//! What a text of SQL means, apart from how it is written: comments, white space, the case of
//! keywords and functions, optional words and the order of common tables make no difference.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Query, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Word};

use crate::front;
use crate::front::FrontGrammar;

/// What makes the same SQL give other rows at another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moving {
    /// It differs each time: `random()`.
    Always,
    /// It shows the moment: `now()`.
    Moment,
    /// It shows the day: `current_date`.
    Day,
}

/// What a text of SQL means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// A text that two queries share only when they mean the same.
    pub text: String,
    /// Functions whose answer moves by itself, as written here in lower case.
    pub moving: Vec<String>,
}

const RANDOM: &[&str] =
    &["random", "rand", "uuid", "gen_random_uuid", "uuid_string", "generate_uuid", "uuidv4"];
const MOMENT: &[&str] = &[
    "now",
    "current_timestamp",
    "localtimestamp",
    "current_time",
    "localtime",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "get_current_timestamp",
    "current_localtimestamp",
    "current_datetime",
    "sysdate",
    "getdate",
    "run_started_at",
    "invocation_id",
];
const DAY: &[&str] = &["current_date", "today"];

impl Moving {
    /// How a function's answer moves; none for one that does not.
    pub fn of(function: &str) -> Option<Self> {
        let is = |names: &[&str]| names.contains(&function);
        match function {
            _ if is(RANDOM) => Some(Self::Always),
            _ if is(MOMENT) => Some(Self::Moment),
            _ if is(DAY) => Some(Self::Day),
            _ => None,
        }
    }
}

/// What a text of SQL means. A text that does not parse means what its words say.
pub fn meaning(sql: &str) -> Meaning {
    let plain = front::parse_statements(sql).map(|mut statements| {
        for statement in &mut statements {
            let _ = statement.visit(&mut Sorted);
        }
        statements.iter().map(ToString::to_string).collect::<Vec<_>>().join(";\n")
    });
    let plain = plain.unwrap_or_else(|_| sql.to_owned());
    let tokens = Tokenizer::new(&FrontGrammar::new(), &plain).tokenize();
    let Ok(tokens) = tokens else { return Meaning { text: plain, moving: Vec::new() } };
    let tokens: Vec<Token> =
        tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let mut found = Meaning::default();
    for (place, token) in tokens.iter().enumerate() {
        let next = tokens.get(place + 1);
        let before = place.checked_sub(1).and_then(|place| tokens.get(place));
        match token {
            Token::Word(word) if word.quote_style.is_none() => found.word(word, before, next),
            other => found.push(&other.to_string()),
        }
    }
    found.moving.sort();
    found.moving.dedup();
    found
}

impl Meaning {
    fn push(&mut self, piece: &str) {
        self.text.push_str(piece);
        self.text.push(' ');
    }

    fn word(&mut self, word: &Word, before: Option<&Token>, next: Option<&Token>) {
        let low = word.value.to_lowercase();
        let called = next == Some(&Token::LParen);
        let qualified = before == Some(&Token::Period);
        let bare = ["current_date", "current_timestamp", "localtimestamp", "current_time"];
        if !qualified && (called || bare.contains(&low.as_str())) && Moving::of(&low).is_some() {
            self.moving.push(low.clone());
        }
        let joins =
            matches!(next, Some(Token::Word(next)) if next.value.eq_ignore_ascii_case("join"));
        match low.as_str() {
            // Optional everywhere in SQL.
            "as" => {}
            "inner" | "outer" if joins => {}
            _ if called => self.push(&low),
            _ => self.push(&word.value),
        }
    }
}

/// Puts common tables into the order of their names, where the order says nothing.
struct Sorted;

impl VisitorMut for Sorted {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let Some(with) = query.with.as_mut().filter(|with| !with.recursive) else {
            return ControlFlow::Continue(());
        };
        let names: Vec<String> =
            with.cte_tables.iter().map(|table| table.alias.name.value.to_lowercase()).collect();
        // A common table sees those before it; a name that comes later means a table of the lake.
        // So the order says nothing where none of them speaks of another.
        let says_something = with.cte_tables.iter().enumerate().any(|(place, table)| {
            let body = table.query.to_string().to_lowercase();
            let mut words = body.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            words.any(|word| names.iter().any(|other| other == word))
                || names.iter().take(place).any(|earlier| *earlier == names[place])
        });
        if !says_something {
            with.cte_tables.sort_by(|one, other| one.alias.name.value.cmp(&other.alias.name.value));
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        meaning(one).text == meaning(other).text
    }

    #[test]
    fn the_way_a_query_is_written_means_nothing() {
        let plain = "with a as (select 1 as x), b as (select 2 as y) \
                     select a.x, sum(b.y) total from a inner join b on a.x <> b.y group by 1";
        let moved = "-- totals\nWITH b AS (SELECT 2 y),\n  a AS (SELECT 1 AS x /* one */)\n\
                     SELECT a.x, SUM(b.y) AS total\nFROM a JOIN b ON a.x != b.y GROUP BY 1;";
        assert!(same(plain, moved), "{}\n{}", meaning(plain).text, meaning(moved).text);
    }

    #[test]
    fn what_a_query_says_means_something() {
        let plain = "select x, 'A' as kind from t where x > 1";
        for other in [
            "select x, 'a' as kind from t where x > 1",
            "select x, 'A' as sort from t where x > 1",
            "select x, 'A' as kind from t where x >= 1",
            "select \"X\", 'A' as kind from t where x > 1",
            "select x, 'A' as kind from u where x > 1",
            "select x, 'A' as kind from t left join u on true where x > 1",
        ] {
            assert!(!same(plain, other), "{other}");
        }
    }

    #[test]
    fn common_tables_whose_order_decides_stay_where_they_are() {
        // The first `a` reads the lake's `b`; the second reads the common table.
        let lake = "with a as (select * from b), b as (select 1 as x) select * from a, b";
        let common = "with b as (select 1 as x), a as (select * from b) select * from a, b";
        assert!(!same(lake, common));
    }

    #[test]
    fn functions_that_move_are_named() {
        let sql = "select NOW(), current_date, t.now, random() from t where \"now\" = 'now()'";
        assert_eq!(meaning(sql).moving, ["current_date", "now", "random"]);
        assert_eq!(Moving::of("today"), Some(Moving::Day));
        assert_eq!(Moving::of("sum"), None);
    }

    #[test]
    fn a_text_that_does_not_parse_means_its_words() {
        assert!(same("selekt  x -- why", "selekt x"));
        assert!(!same("selekt x", "selekt y"));
    }
}
