//! Questions: whose they are, what they take and give, and their rows.

use arrow::datatypes::Field;
use base::TableName;
use compute::postgres_catalog::kinds::{self, Oid};
use compute::{Dialect, QueryError, SessionOptions};

use super::endpoint::{Pin, query_log};
use super::error::SqlError;
use super::host::SessionHost;
use super::parameters::{self, Parameter};
use super::rows::{OutColumn, Source};
use super::session::{Session, Shape};
use super::text::{Edited, Kind, Token, tokens};

/// Functions about the connection whose value can stand in the engine's SQL.
const SESSION_FUNCTIONS: &[&str] = &[
    "current_catalog",
    "current_database",
    "current_role",
    "current_schema",
    "current_user",
    "pg_backend_pid",
    "session_user",
    "user",
    "version",
];

/// An answer, ready to be sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) columns: Vec<OutColumn>,
    pub(super) source: Source,
    /// Whether the engine worked for it: such statements are kept in the query log.
    pub(super) engine: bool,
}

impl Session {
    /// What a question takes and gives.
    pub(super) async fn shape(&mut self, sql: &str, declared: &[Oid]) -> Result<Shape, SqlError> {
        let pin = self.pin().await?;
        let known: Vec<Option<Oid>> = declared
            .iter()
            .map(|kind| (*kind != 0 && *kind != kinds::UNKNOWN).then_some(*kind))
            .collect();
        {
            let host = SessionHost::new(self, pin.now);
            if let Some(query) = pin.catalog.prepare(&host, sql, &known)? {
                let columns = query.columns().iter().map(|column| OutColumn {
                    name: column.name.clone(),
                    kind: column.kind,
                    modifier: -1,
                });
                let columns = Some(columns.collect());
                return Ok(Shape { parameters: query.parameters().to_vec(), columns });
            }
        }
        let rewritten = self.rewritten(sql).await?;
        let dialect = self.dialect(rewritten.is_some());
        let sql = rewritten.as_deref().unwrap_or(sql);
        let parameters = self.parameter_kinds(&pin, sql, known, dialect).await?;
        let edited = self.edited(sql, |number, limits| {
            let kind = parameters.get(number.checked_sub(1)?).copied().unwrap_or(kinds::TEXT);
            Some(if limits { "1".to_owned() } else { parameters::missing(kind) })
        });
        let session = self.engine_session(&pin, &edited.sql, dialect).await?;
        let prepared = session.prepare(&edited.sql).await;
        let prepared = prepared.map_err(|error| SqlError::of_edited(error, &edited))?;
        let columns = Some(columns_of(&prepared));
        Ok(Shape { parameters, columns })
    }

    /// Types of parameters: what the client said, else what the engine infers, else text.
    async fn parameter_kinds(
        &self,
        pin: &Pin,
        sql: &str,
        mut known: Vec<Option<Oid>>,
        dialect: Dialect,
    ) -> Result<Vec<Oid>, SqlError> {
        let numbers = tokens(sql).into_iter().filter_map(|token| match token.kind {
            Kind::Parameter(number) => Some(number),
            _ => None,
        });
        let count = numbers.max().unwrap_or(0);
        if count > usize::from(u16::MAX) {
            return Err(SqlError::new("54000", "more parameters than the protocol can count"));
        }
        known.resize(count.max(known.len()), None);
        for (number, kind) in cast_parameters(sql) {
            if let Some(known @ None) = known.get_mut(number - 1) {
                *known = Some(kind);
            }
        }
        if known.iter().take(count).any(Option::is_none) {
            // `x = any($1)` tells the type of the items when it is read as `x = $1`.
            let (single, lists) = single_items(sql, &known);
            let edited = self.edited(&single, |number, limits| {
                let kind = known.get(number.checked_sub(1)?).copied().flatten();
                match kind {
                    Some(kind) => Some(parameters::missing(kind)),
                    None => limits.then(|| "1".to_owned()),
                }
            });
            for (number, limits) in limit_parameters(sql) {
                if limits && let Some(kind @ None) = known.get_mut(number - 1) {
                    *kind = Some(kinds::INT8);
                }
            }
            let session = self.engine_session(pin, &edited.sql, dialect).await?;
            if let Ok(prepared) = session.prepare(&edited.sql).await {
                for (number, data_type) in prepared.parameters() {
                    if let Some(kind @ None) = known.get_mut(number.saturating_sub(1)) {
                        let field = Field::new("", data_type, true);
                        let found = kinds::of_field(&field).0;
                        let list = lists.contains(&number);
                        *kind = Some(if list { kinds::array_of(found) } else { found });
                    }
                }
            }
        }
        Ok(known.into_iter().map(|kind| kind.unwrap_or(kinds::TEXT)).collect())
    }

    /// The rows of a question with its values.
    pub(super) async fn answer(
        &mut self,
        sql: &str,
        kinds: &[Oid],
        values: &[Parameter],
    ) -> Result<Answer, SqlError> {
        let pin = self.pin().await?;
        let known: Vec<Option<Oid>> = kinds.iter().map(|kind| Some(*kind)).collect();
        if let Some(answer) = self.catalog_answer(&pin, sql, &known, values)? {
            return Ok(answer);
        }
        let rewritten = self.rewritten(sql).await?;
        let dialect = self.dialect(rewritten.is_some());
        let sql = rewritten.as_deref().unwrap_or(sql);
        let mut literals = Vec::with_capacity(values.len());
        for (place, value) in values.iter().enumerate() {
            let kind = kinds.get(place).copied().unwrap_or(kinds::TEXT);
            literals.push(parameters::literal(value, kind)?);
        }
        let edited = self.edited(sql, |number, _| literals.get(number.checked_sub(1)?).cloned());
        if let Some(number) = unbound(&edited.sql) {
            return Err(SqlError::new("42P02", format!("there is no parameter ${number}")));
        }
        let session = self.engine_session(&pin, &edited.sql, dialect).await?;
        let prepared = session.prepare(&edited.sql).await;
        let prepared = prepared.map_err(|error| SqlError::of_edited(error, &edited))?;
        let columns = columns_of(&prepared);
        let stream = session.stream(&prepared, self.token.clone()).await;
        let stream = stream.map_err(|error| SqlError::of_edited(error, &edited))?;
        Ok(Answer { columns, source: Source::of_stream(stream), engine: true })
    }

    fn catalog_answer(
        &mut self,
        pin: &Pin,
        sql: &str,
        known: &[Option<Oid>],
        values: &[Parameter],
    ) -> Result<Option<Answer>, SqlError> {
        let host = SessionHost::new(self, pin.now);
        let Some(query) = pin.catalog.prepare(&host, sql, known)? else { return Ok(None) };
        let rows = match query.rows(&host, values) {
            Ok(rows) => rows,
            // More than the catalog's evaluator holds, and nothing of the catalog in it.
            Err(error) if error.kind == base::ErrorKind::Limit && query.reads_nothing() => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let asked = host.asked();
        self.asked.wait = self.asked.wait.saturating_add(asked.wait);
        self.asked.settings.extend(asked.settings);
        let columns = query.columns().iter().map(|column| OutColumn {
            name: column.name.clone(),
            kind: column.kind,
            modifier: -1,
        });
        let columns = columns.collect();
        Ok(Some(Answer { columns, source: Source::Rows(rows.into()), engine: false }))
    }

    async fn rewritten(&self, sql: &str) -> Result<Option<String>, SqlError> {
        match &self.endpoint.options.rewriter {
            Some(rewriter) => Ok(rewriter.rewrite(sql).await?),
            None => {
                let project = self.endpoint.platform.project();
                consumption::metrics::expand_sql(&project, sql).map_err(|error| {
                    let told = QueryError::new(error.kind(), error.to_string());
                    SqlError::from(QueryError { help: error.help(), ..told })
                })
            }
        }
    }

    /// What a question of metrics became is written in the project's dialect.
    fn dialect(&self, rewritten: bool) -> Dialect {
        if rewritten { self.endpoint.platform.dialect } else { Dialect::Postgres }
    }

    /// The text with its parameters and functions about the connection replaced.
    fn edited(
        &self,
        sql: &str,
        mut parameter: impl FnMut(usize, bool) -> Option<String>,
    ) -> Edited {
        Edited::of(sql, |tokens, at| match &tokens[at].kind {
            Kind::Parameter(number) => {
                let text = parameter(*number, follows_limit(tokens, at))?;
                Some((1, text))
            }
            Kind::Word(word) if at == 0 && word == "table" => Some((1, "select * from".to_owned())),
            Kind::Word(word) => self.function(word, tokens, at),
            _ => None,
        })
    }

    /// A call of a function about the connection: how many tokens it takes, and its value.
    fn function(&self, word: &str, tokens: &[Token], at: usize) -> Option<(usize, String)> {
        let sign =
            |at: usize, sign| tokens.get(at).is_some_and(|token: &Token| token.is_sign(sign));
        let dotted = at > 0 && sign(at - 1, '.');
        let (name, at_name, before) = match word {
            "pg_catalog" if sign(at + 1, '.') => (tokens.get(at + 2)?.word()?, at + 2, 2),
            other if !dotted => (other, at, 0),
            _ => return None,
        };
        if !SESSION_FUNCTIONS.contains(&name) {
            return None;
        }
        let called = sign(at_name + 1, '(') && sign(at_name + 2, ')');
        let bare = matches!(
            name,
            "current_user" | "session_user" | "current_role" | "current_catalog" | "current_schema"
        );
        let named = tokens.get(at_name.wrapping_sub(1)).is_some_and(|token| token.is("as"));
        if !called && (!bare || sign(at_name + 1, '.') || named) {
            return None;
        }
        let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let value = match name {
            "version" => text(compute::postgres_catalog::version()),
            "current_database" | "current_catalog" => text(self.environment.as_str()),
            "current_schema" => {
                text(&self.settings.search_path().into_iter().next().unwrap_or_default())
            }
            "pg_backend_pid" => self.entry.process.to_string(),
            _ => text(&self.identity.name),
        };
        Some((before + 1 + if called { 2 } else { 0 }, value))
    }

    /// The engine over what is pinned, the query log's rows and catalog relations put in where a
    /// statement reads them beside tables.
    async fn engine_session(
        &self,
        pin: &Pin,
        sql: &str,
        dialect: Dialect,
    ) -> Result<compute::Session, SqlError> {
        let mut tables = pin.tables.clone();
        let lower = sql.to_lowercase();
        if lower.contains("query_log") {
            let rows = self.endpoint.logged(&self.environment).await?;
            let log = query_log();
            let own = tables.names().any(|name| *name == log);
            if own {
                tables = tables.with_batches(log, rows.schema(), vec![rows]);
            }
        }
        if lower.contains("pg_") || lower.contains("information_schema") {
            let host = SessionHost::new(self, pin.now);
            for (schema, name, rows) in pin.catalog.rows_beside(&host, sql) {
                let table = TableName::new(schema, name);
                tables = tables.with_batches(table, rows.schema(), vec![rows]);
            }
        }
        let path = self.settings.search_path();
        let held = |name: &&String| tables.names().any(|table| table.namespace == **name);
        let namespace = path.iter().find(held).or(path.first()).cloned();
        let options = SessionOptions {
            dialect,
            business_now: pin.now,
            time_zone: self.settings.time_zone().to_owned(),
            default_namespace: namespace,
        };
        Ok(self.endpoint.platform.engine.session(tables, options))
    }
}

fn columns_of(prepared: &compute::Prepared) -> Vec<OutColumn> {
    let schema = prepared.schema();
    let column = |field: &std::sync::Arc<Field>| {
        let (kind, modifier) = kinds::of_field(field);
        OutColumn { name: field.name().clone(), kind, modifier }
    };
    schema.fields().iter().map(column).collect()
}

/// Parameters that are cast where they stand, and to what.
fn cast_parameters(sql: &str) -> Vec<(usize, Oid)> {
    let tokens = tokens(sql);
    let found = tokens.iter().enumerate().filter_map(|(at, token)| {
        let Kind::Parameter(number @ 1..) = token.kind else { return None };
        let sign = |at: usize, sign| tokens.get(at).is_some_and(|token| token.is_sign(sign));
        let start = match () {
            () if sign(at + 1, ':') && sign(at + 2, ':') => at + 3,
            () if tokens.get(at + 1).is_some_and(|token| token.is("as")) => at + 2,
            () => return None,
        };
        Some((number, written_kind(&tokens[start.min(tokens.len())..])?))
    });
    found.collect()
}

/// The type whose name these words begin with: the longest that is one.
fn written_kind(tokens: &[Token]) -> Option<Oid> {
    let prefixed = tokens.first()?.is("pg_catalog") && tokens.get(1)?.is_sign('.');
    let tokens = if prefixed { &tokens[2..] } else { tokens };
    let words: Vec<&str> = tokens.iter().map_while(Token::name).take(4).collect();
    let (length, kind) = (1..=words.len())
        .rev()
        .find_map(|length| Some((length, kinds::by_name(&words[..length].join(" "))?)))?;
    let rest = &tokens[length..];
    let list = rest.first().is_some_and(|token| token.is_sign('['));
    Some(if list { kinds::array_of(kind) } else { kind })
}

/// The text with `any($1)` of parameters without a type turned into `$1`, and their numbers.
fn single_items(sql: &str, known: &[Option<Oid>]) -> (String, Vec<usize>) {
    let mut lists = Vec::new();
    let edited = Edited::of(sql, |tokens, at| {
        let quantifier = matches!(tokens[at].word()?, "any" | "all" | "some");
        let [open, inside, close] = tokens.get(at + 1..at + 4)? else { return None };
        let Kind::Parameter(number) = inside.kind else { return None };
        let open_kind = known.get(number.checked_sub(1)?).copied().flatten().is_none();
        if !(quantifier && open.is_sign('(') && close.is_sign(')') && open_kind) {
            return None;
        }
        lists.push(number);
        Some((4, format!("${number}")))
    });
    (edited.sql, lists)
}

fn follows_limit(tokens: &[Token], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    before.is_some_and(|token| token.is("limit") || token.is("offset"))
}

fn limit_parameters(sql: &str) -> Vec<(usize, bool)> {
    let tokens = tokens(sql);
    let found = tokens.iter().enumerate().filter_map(|(at, token)| match token.kind {
        Kind::Parameter(number) if number > 0 => Some((number, follows_limit(&tokens, at))),
        _ => None,
    });
    found.collect()
}

/// A parameter that nothing was bound to.
fn unbound(sql: &str) -> Option<usize> {
    tokens(sql).into_iter().find_map(|token| match token.kind {
        Kind::Parameter(number) => Some(number),
        _ => None,
    })
}
