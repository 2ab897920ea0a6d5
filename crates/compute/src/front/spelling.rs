//! Names that differ from the column's own in nothing but case.
//!
//! In DuckDB and BigQuery a name means its column in whatever case, in quotes too. The engine
//! tells names apart by case, so a name that it does not find is spelt as the column is; that is
//! known only after a try, and costs nothing where names are spelt alike.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::common::Column;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, VisitMut, VisitorMut};

use super::dialect::Dialect;

/// Spellings learnt for one statement, from the query's to the column's.
#[derive(Debug, Default)]
pub(crate) struct Spelling {
    /// By the place of the name: line and column where it begins.
    places: BTreeMap<(u64, u64), Column>,
    /// Where the engine does not say the place, a name means the same column everywhere.
    columns: BTreeMap<String, String>,
    /// Names of tables before the dot.
    qualifiers: BTreeMap<String, String>,
}

impl Spelling {
    /// Learns from a name that was not found; false when nothing is to be learnt from it.
    pub(crate) fn learn(&mut self, wanted: &Column, there: &[Column], dialect: Dialect) -> bool {
        if !matches!(dialect, Dialect::Duckdb | Dialect::Bigquery) {
            return false;
        }
        let table = |column: &Column| column.relation.as_ref().map(|name| name.table().to_owned());
        let of = table(wanted);
        let mut meant = there.iter().filter(|column| {
            let same_table = of
                .as_ref()
                .is_none_or(|of| table(column).is_some_and(|table| table.eq_ignore_ascii_case(of)));
            same_table && column.name.eq_ignore_ascii_case(&wanted.name)
        });
        let Some(first) = meant.next() else { return false };
        if meant.next().is_some() {
            return false;
        }
        if let Some(place) = wanted.spans().first().map(|span| (span.start.line, span.start.column))
            && place != (0, 0)
        {
            return *first != *wanted && self.places.insert(place, first.clone()).is_none();
        }
        let column = keep(&mut self.columns, &wanted.name, &first.name);
        let qualifier = match (of, table(first)) {
            (Some(from), Some(to)) => keep(&mut self.qualifiers, &from, &to),
            _ => false,
        };
        column || qualifier
    }

    /// Spells the names of a query as their columns are.
    pub(crate) fn apply(&self, query: &mut Query) {
        let known = !self.places.is_empty() || !self.columns.is_empty();
        if known || !self.qualifiers.is_empty() {
            let _ = query.visit(&mut Respell(self));
        }
    }
}

impl Spelling {
    fn at(&self, name: &Ident) -> Option<&Column> {
        self.places.get(&(name.span.start.line, name.span.start.column))
    }
}

/// Whether the spelling is new; two names that only differ in case cannot both be meant.
fn keep(known: &mut BTreeMap<String, String>, from: &str, to: &str) -> bool {
    if from == to || known.contains_key(from) || known.contains_key(to) {
        return false;
    }
    known.insert(from.to_owned(), to.to_owned());
    true
}

struct Respell<'s>(&'s Spelling);

impl VisitorMut for Respell<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => match self.0.at(name) {
                Some(column) => put(name, &column.name),
                None => respell(&self.0.columns, name),
            },
            Expr::CompoundIdentifier(parts) => {
                let meant = parts.first().and_then(|first| self.0.at(first));
                if let [qualifiers @ .., name] = parts.as_mut_slice() {
                    if let Some(column) = meant {
                        put(name, &column.name);
                        if let (Some(own), Some(table)) =
                            (qualifiers.last_mut(), column.relation.as_ref())
                        {
                            put(own, table.table());
                        }
                        return ControlFlow::Continue(());
                    }
                    respell(&self.0.columns, name);
                    if let Some(qualifier) = qualifiers.last_mut() {
                        respell(&self.0.qualifiers, qualifier);
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn respell(known: &BTreeMap<String, String>, name: &mut Ident) {
    let looked_up = match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    };
    if let Some(to) = known.get(&looked_up) {
        put(name, to);
    }
}

fn put(name: &mut Ident, meant: &str) {
    meant.clone_into(&mut name.value);
    name.quote_style = Some('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::parse;

    fn learnt(wanted: Column, there: &[Column]) -> Option<Spelling> {
        let mut spelling = Spelling::default();
        spelling.learn(&wanted, there, Dialect::Duckdb).then_some(spelling)
    }

    #[test]
    fn a_name_is_spelt_as_the_only_column_that_differs_in_case_alone() {
        let there = [Column::new(Some("a"), "Id"), Column::new(Some("b"), "x")];
        let table = datafusion::common::TableReference::bare("A");
        let spelling = learnt(Column::new(Some(table), "ID"), &there).unwrap();
        let mut query = parse::query("select \"A\".\"ID\", \"ID\" as y from t as a").unwrap().query;
        spelling.apply(&mut query);
        assert_eq!(query.to_string(), "SELECT \"a\".\"Id\", \"Id\" AS y FROM t AS a");
    }

    #[test]
    fn nothing_is_guessed_between_two_columns() {
        let there = [Column::new(Some("a"), "Id"), Column::new(Some("a"), "iD")];
        assert!(learnt(Column::new_unqualified("ID"), &there).is_none());
        let mut spelling = Spelling::default();
        let one = [Column::new_unqualified("Id")];
        assert!(!spelling.learn(&Column::new_unqualified("ID"), &one, Dialect::Postgres));
    }
}
