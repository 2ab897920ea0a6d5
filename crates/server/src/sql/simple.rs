//! Statements as they are carried out, and the simple protocol: one text, any number of statements.

use std::sync::Arc;

use compute::postgres_catalog::kinds;
use ledger::QueryRecord;
use pgwire::messages::PgWireBackendMessage as Back;
use pgwire::messages::copy::{CopyData, CopyDone, CopyOutResponse};
use pgwire::messages::data::{FieldDescription, RowDescription};
use pgwire::messages::response::{
    CommandComplete, EmptyQueryResponse, NoticeResponse, TransactionStatus,
};
use tokio::time::Instant;

use super::connection::{Connection, End, Stopped, Watch};
use super::encode::{self, Style};
use super::error::SqlError;
use super::questions::Answer;
use super::rows::{OutColumn, Source};
use super::session::{Portal, Prepared, Session};
use super::statement::{self, CopyOptions, CopySource, Rows, Statement};
use super::text::statements;

/// Rows taken from the engine before the client is looked after.
const ROWS_AT_ONCE: usize = 1_024;

/// What the client said about the form of the columns of an answer.
pub(super) fn format_of(formats: &[i16], column: usize) -> i16 {
    match formats {
        [] => 0,
        [one] => *one,
        several => several.get(column).copied().unwrap_or(0),
    }
}

/// Which rows of a cursor are asked for, and their form.
pub(super) struct Portion<'a> {
    pub(super) rows: Rows,
    pub(super) moving: bool,
    pub(super) formats: &'a [i16],
}

/// How much of a portal was sent.
pub(super) struct Sent {
    pub(super) rows: usize,
    pub(super) finished: bool,
}

impl Connection {
    /// Carries out every statement of a text, up to the first that fails.
    pub(super) async fn simple(&mut self, session: &mut Session, sql: &str) -> Result<(), End> {
        let all = statements(sql);
        if all.is_empty() {
            self.outgoing.push(&Back::EmptyQueryResponse(EmptyQueryResponse::new()));
        }
        for at in all {
            let offset = at.start;
            match self.statement(session, &sql[at]).await {
                Ok(()) => {}
                Err(Stopped::End(end)) => return Err(end),
                Err(Stopped::Failed(error)) => {
                    session.failed();
                    self.tell(&error, sql, offset);
                    break;
                }
            }
        }
        session.settle();
        Ok(())
    }

    async fn statement(&mut self, session: &mut Session, sql: &str) -> Result<(), Stopped> {
        let watch = begin(session, sql);
        let statement = statement::read(sql)?;
        check_status(session, &statement)?;
        match statement {
            Statement::Empty => Ok(()),
            Statement::Query => {
                let answer = self.question(session, &watch, sql, &[], &[]).await?;
                self.whole_answer(session, &watch, sql, answer, &[]).await
            }
            Statement::Execute { .. } => {
                let (prepared, values) = self.executed(session, &watch, sql, &statement).await?;
                if prepared.statement != Statement::Query {
                    return self
                        .command(session, &watch, &prepared.sql, prepared.statement, &[])
                        .await;
                }
                let declared: Vec<_> = prepared.declared.clone();
                let shape = self.guarded(&watch, session.shape(&prepared.sql, &declared)).await?;
                let sql = prepared.sql;
                let answer =
                    self.question(session, &watch, &sql, &shape.parameters, &values).await?;
                self.whole_answer(session, &watch, &sql, answer, &[]).await
            }
            Statement::Fetch { ref name, rows, moving } => {
                if let (false, Some(portal)) = (moving, session.portals.get(name)) {
                    let columns = portal.columns.clone().unwrap_or_default();
                    self.describe(&columns, &cursor_formats(portal));
                }
                let name = name.clone();
                self.fetch(session, &watch, &name, Portion { rows, moving, formats: &[] }).await
            }
            Statement::Show(ref name) => {
                let answer = shown(session, name.as_deref())?;
                self.describe(&answer.columns, &[]);
                self.command(session, &watch, sql, statement, &[]).await
            }
            other => self.command(session, &watch, sql, other, &[]).await,
        }
    }

    /// Describes an answer and sends all of it.
    async fn whole_answer(
        &mut self,
        session: &mut Session,
        watch: &Watch,
        sql: &str,
        answer: Answer,
        formats: &[i16],
    ) -> Result<(), Stopped> {
        let started = Started::now(session, answer.engine);
        self.describe(&answer.columns, formats);
        let mut source = answer.source;
        let sent =
            self.rows(session, watch, &mut source, &answer.columns, formats, usize::MAX).await;
        started.log(session, sql, &sent);
        let sent = sent?;
        self.complete(&format!("SELECT {}", sent.rows));
        Ok(())
    }

    /// Asks a question, and does what its functions asked the connection for.
    pub(super) async fn question(
        &mut self,
        session: &mut Session,
        watch: &Watch,
        sql: &str,
        kinds: &[u32],
        values: &[Option<String>],
    ) -> Result<Answer, Stopped> {
        let started = Started::now(session, true);
        let answer = self.guarded(watch, session.answer(sql, kinds, values)).await;
        if let Err(Stopped::Failed(error)) = &answer {
            started.log_error(session, sql, error);
        }
        let asked = std::mem::take(&mut session.asked);
        let answer = answer?;
        for (name, value, local) in asked.settings {
            let told = session.set(&name, Some(&value), local)?;
            self.tell_settings(told.into_iter().collect());
        }
        if !asked.wait.is_zero() {
            let wait = async {
                tokio::time::sleep(asked.wait).await;
                Ok(())
            };
            self.guarded(watch, wait).await?;
        }
        Ok(answer)
    }

    /// Sends rows, at most so many.
    pub(super) async fn rows(
        &mut self,
        session: &Session,
        watch: &Watch,
        source: &mut Source,
        columns: &[OutColumn],
        formats: &[i16],
        most: usize,
    ) -> Result<Sent, Stopped> {
        let style = style(session);
        let mut rows = 0;
        while rows < most {
            let chunk = self.guarded(watch, source.next(ROWS_AT_ONCE.min(most - rows))).await?;
            let Some(chunk) = chunk else { return Ok(Sent { rows, finished: true }) };
            for row in 0..chunk.len() {
                self.outgoing.row(columns.len(), |out| {
                    for (place, (cell, column)) in chunk.cells(row).zip(columns).enumerate() {
                        let binary = format_of(formats, place) == 1;
                        encode::field(out, &cell, column.kind, binary, style)?;
                    }
                    Ok(())
                })?;
                if self.outgoing.full() {
                    self.send(watch).await?;
                }
            }
            rows += chunk.len();
        }
        Ok(Sent { rows, finished: false })
    }

    pub(super) fn describe(&mut self, columns: &[OutColumn], formats: &[i16]) {
        let field = |(place, column): (usize, &OutColumn)| {
            FieldDescription::new(
                column.name.clone(),
                0,
                0,
                column.kind,
                kinds::size(column.kind),
                column.modifier,
                format_of(formats, place),
            )
        };
        let fields = columns.iter().enumerate().map(field).collect();
        self.outgoing.push(&Back::RowDescription(RowDescription::new(fields)));
    }

    pub(super) fn complete(&mut self, tag: &str) {
        self.outgoing.push(&Back::CommandComplete(CommandComplete::new(tag.to_owned())));
    }

    fn warn(&mut self, state: &str, message: &str) {
        let fields = [(b'S', "WARNING"), (b'V', "WARNING"), (b'C', state), (b'M', message)];
        let fields = fields.into_iter().map(|(letter, text)| (letter, text.to_owned())).collect();
        self.outgoing.push(&Back::NoticeResponse(NoticeResponse::new(fields)));
    }

    /// A statement that is no question; its rows, if it has some, are described already.
    pub(super) async fn command(
        &mut self,
        session: &mut Session,
        watch: &Watch,
        sql: &str,
        statement: Statement,
        formats: &[i16],
    ) -> Result<(), Stopped> {
        let tag = statement.tag();
        match statement {
            Statement::Begin => {
                if session.status == TransactionStatus::Idle {
                    session.begin();
                } else {
                    self.warn("25001", "there is already a transaction in progress");
                }
            }
            Statement::Commit { chain } | Statement::Rollback { chain } => {
                return self.end(session, tag == "COMMIT", chain);
            }
            Statement::Savepoint(name) => {
                in_transaction(session, "SAVEPOINT")?;
                let settings = session.settings.clone();
                session.transaction.savepoints.push((name, settings));
            }
            Statement::Release(name) => {
                in_transaction(session, "RELEASE SAVEPOINT")?;
                let at = savepoint(session, &name)?;
                session.transaction.savepoints.truncate(at);
            }
            Statement::RollbackTo(name) => {
                in_transaction(session, "ROLLBACK TO SAVEPOINT")?;
                let at = savepoint(session, &name)?;
                session.settings = session.transaction.savepoints[at].1.clone();
                session.transaction.savepoints.truncate(at + 1);
                session.status = TransactionStatus::Transaction;
            }
            Statement::Set { name, value, local } => {
                if local && session.status == TransactionStatus::Idle {
                    self.warn("25P01", "SET LOCAL can only be used in transaction blocks");
                }
                let told = session.set(&name, value.as_deref(), local)?;
                self.tell_settings(told.into_iter().collect());
            }
            Statement::Reset(Some(name)) => {
                let told = session.set(&name, None, false)?;
                self.tell_settings(told.into_iter().collect());
            }
            Statement::Reset(None) => {
                let told = session.settings.reset_all();
                self.tell_settings(told);
            }
            Statement::Discard(what) => return self.discard(session, &what),
            Statement::Deallocate(Some(name)) => {
                session.prepared(&name)?;
                session.statements.remove(&name);
            }
            Statement::Deallocate(None) => session.statements.clear(),
            Statement::Prepare { name, kinds, body } => prepare(session, sql, name, &kinds, body)?,
            Statement::Declare { name, binary, hold, body } => {
                let text: Arc<str> = sql[body].into();
                self.declare(session, watch, name, text, binary, hold).await?;
            }
            Statement::Close(Some(name)) => {
                if session.portals.remove(&name).is_none() {
                    return Err(no_cursor(&name).into());
                }
            }
            Statement::Close(None) => session.portals.clear(),
            Statement::Fetch { name, rows, moving } => {
                let portion = Portion { rows, moving, formats };
                return self.fetch(session, watch, &name, portion).await;
            }
            Statement::Show(name) => {
                let Answer { columns, mut source, .. } = shown(session, name.as_deref())?;
                self.rows(session, watch, &mut source, &columns, formats, usize::MAX).await?;
            }
            Statement::Copy { source, options } => {
                return self.copy(session, watch, sql, source, &options).await;
            }
            Statement::Accepted(_)
            | Statement::Empty
            | Statement::Query
            | Statement::Execute { .. } => {}
        }
        self.complete(tag);
        Ok(())
    }

    fn end(&mut self, session: &mut Session, commit: bool, chain: bool) -> Result<(), Stopped> {
        let status = session.status;
        if status == TransactionStatus::Idle {
            self.warn("25P01", "there is no transaction in progress");
        }
        // A failed transaction is rolled back, whatever it is told.
        let commit = commit && status != TransactionStatus::Error;
        let told = session.end(commit);
        self.tell_settings(told);
        if chain {
            session.begin();
        }
        let idle_commit = status == TransactionStatus::Idle && commit;
        self.complete(if commit || idle_commit { "COMMIT" } else { "ROLLBACK" });
        Ok(())
    }

    fn discard(&mut self, session: &mut Session, what: &str) -> Result<(), Stopped> {
        match what {
            "all" => {
                if session.status != TransactionStatus::Idle {
                    let message = "DISCARD ALL cannot run inside a transaction block";
                    return Err(SqlError::new("25001", message).into());
                }
                session.portals.clear();
                session.statements.clear();
                let told = session.settings.reset_all();
                self.tell_settings(told);
                self.complete("DISCARD ALL");
            }
            "plans" => self.complete("DISCARD PLANS"),
            "sequences" => self.complete("DISCARD SEQUENCES"),
            _ => self.complete("DISCARD TEMP"),
        }
        Ok(())
    }

    async fn declare(
        &mut self,
        session: &mut Session,
        watch: &Watch,
        name: String,
        sql: Arc<str>,
        binary: bool,
        hold: bool,
    ) -> Result<(), Stopped> {
        if session.status == TransactionStatus::Idle && !hold {
            let message = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(SqlError::new("25P01", message)
                .hint("Begin a transaction, or declare the cursor with hold.")
                .into());
        }
        if session.portals.contains_key(&name) {
            return Err(SqlError::new("42P03", format!("cursor \"{name}\" already exists")).into());
        }
        if statement::read(&sql)? != Statement::Query {
            return Err(SqlError::new("42601", "a cursor is declared for a query").into());
        }
        let token = watch.token.clone();
        let answer = self.question(session, watch, &sql, &[], &[]).await?;
        let portal = Portal {
            sql,
            statement: Statement::Query,
            kinds: Vec::new(),
            values: Vec::new(),
            formats: if binary { vec![1] } else { Vec::new() },
            columns: Some(answer.columns),
            source: Some(answer.source),
            finished: false,
            hold,
            cursor: true,
            token,
        };
        Ok(session.open_portal(name, portal)?)
    }

    /// Rows of a cursor, which are described already.
    pub(super) async fn fetch(
        &mut self,
        session: &mut Session,
        watch: &Watch,
        name: &str,
        portion: Portion<'_>,
    ) -> Result<(), Stopped> {
        let Portion { rows, moving, formats: wanted } = portion;
        let mut portal = session.portals.remove(name).ok_or_else(|| no_cursor(name))?;
        let most = match rows {
            Rows::All => usize::MAX,
            Rows::Count(count) => count,
        };
        let columns = portal.columns.clone().unwrap_or_default();
        let formats = match cursor_formats(&portal) {
            none if none.is_empty() => wanted.to_vec(),
            binary => binary,
        };
        let mut sent = Ok(Sent { rows: 0, finished: true });
        if let Some(source) = &mut portal.source {
            sent = match moving {
                false => self.rows(session, watch, source, &columns, &formats, most).await,
                true => self.moved(watch, source, most).await,
            };
        }
        // A statement that was cancelled ends its cursor as well.
        if sent.is_ok() {
            session.portals.insert(name.to_owned(), portal);
        } else {
            portal.token.cancel();
        }
        let word = if moving { "MOVE" } else { "FETCH" };
        self.complete(&format!("{word} {}", sent?.rows));
        Ok(())
    }

    async fn moved(
        &mut self,
        watch: &Watch,
        source: &mut Source,
        most: usize,
    ) -> Result<Sent, Stopped> {
        let mut rows = 0;
        while rows < most {
            let chunk = self.guarded(watch, source.next(ROWS_AT_ONCE.min(most - rows))).await?;
            let Some(chunk) = chunk else { return Ok(Sent { rows, finished: true }) };
            rows += chunk.len();
        }
        Ok(Sent { rows, finished: false })
    }

    async fn copy(
        &mut self,
        session: &mut Session,
        watch: &Watch,
        sql: &str,
        source: CopySource,
        options: &CopyOptions,
    ) -> Result<(), Stopped> {
        let question = match source {
            CopySource::Query(at) => sql[at].to_owned(),
            CopySource::Table { name, columns } => {
                let columns = columns.map_or("*", |at| &sql[at]);
                format!("select {columns} from {}", &sql[name])
            }
        };
        let started = Started::now(session, true);
        let mut answer = self.question(session, watch, &question, &[], &[]).await?;
        let width = answer.columns.len();
        let formats = vec![0; width];
        let columns = i16::try_from(width).unwrap_or(i16::MAX);
        self.outgoing.push(&Back::CopyOutResponse(CopyOutResponse::new(0, columns, formats)));
        let sent = self.copied(session, watch, &mut answer, options).await;
        started.log(session, sql, &sent);
        let sent = sent?;
        self.outgoing.push(&Back::CopyDone(CopyDone::new()));
        self.complete(&format!("COPY {}", sent.rows));
        Ok(())
    }

    async fn copied(
        &mut self,
        session: &Session,
        watch: &Watch,
        answer: &mut Answer,
        options: &CopyOptions,
    ) -> Result<Sent, Stopped> {
        let style = style(session);
        let mut line = Vec::new();
        if options.header {
            options.line(&mut line, answer.columns.iter().map(|column| Some(column.name.as_str())));
            let data = std::mem::take(&mut line).into();
            self.outgoing.push(&Back::CopyData(CopyData::new(data)));
        }
        let mut rows = 0;
        loop {
            let chunk = self.guarded(watch, answer.source.next(ROWS_AT_ONCE)).await?;
            let Some(chunk) = chunk else { return Ok(Sent { rows, finished: true }) };
            for row in 0..chunk.len() {
                let cells = chunk.cells(row).zip(&answer.columns);
                let texts: Vec<Option<String>> =
                    cells.map(|(cell, column)| encode::text(&cell, column.kind, style)).collect();
                options.line(&mut line, texts.iter().map(Option::as_deref));
                let data = std::mem::take(&mut line).into();
                self.outgoing.push(&Back::CopyData(CopyData::new(data)));
                if self.outgoing.full() {
                    self.send(watch).await?;
                }
            }
            rows += chunk.len();
        }
    }

    /// A statement that was prepared by name, and the values that `execute` gives it.
    pub(super) async fn executed(
        &mut self,
        session: &mut Session,
        watch: &Watch,
        sql: &str,
        statement: &Statement,
    ) -> Result<(Prepared, Vec<Option<String>>), Stopped> {
        let Statement::Execute { name, values } = statement else {
            return Err(SqlError::new("XX000", "no execute").into());
        };
        let prepared = session.prepared(name)?.clone();
        if values.is_empty() {
            return Ok((prepared, Vec::new()));
        }
        let values: Vec<&str> = values.iter().map(|at| &sql[at.clone()]).collect();
        let question = format!("select {}", values.join(", "));
        let mut answer = self.question(session, watch, &question, &[], &[]).await?;
        let chunk = self.guarded(watch, answer.source.next(1)).await?;
        let style = style(session);
        let texts = chunk.as_ref().map(|chunk| {
            let cells = chunk.cells(0).zip(&answer.columns);
            cells.map(|(cell, column)| encode::text(&cell, column.kind, style)).collect()
        });
        Ok((prepared, texts.unwrap_or_default()))
    }
}

/// A statement begins: others may cancel it from now on.
pub(super) fn begin(session: &mut Session, sql: &str) -> Watch {
    let now = session.endpoint.platform.clocks.machine.now();
    let token = session.entry.begin(sql, now);
    session.token = token.clone();
    session.text = sql.into();
    let limit = session.settings.duration("statement_timeout");
    session.deadline = limit.map(|limit| Instant::now() + limit);
    Watch {
        token,
        terminate: session.entry.terminate.clone(),
        shutdown: session.endpoint.shutdown.clone(),
        deadline: session.deadline,
    }
}

pub(super) fn check_status(session: &Session, statement: &Statement) -> Result<(), SqlError> {
    if session.status == TransactionStatus::Error
        && !statement.ends_transaction()
        && *statement != Statement::Empty
    {
        return Err(SqlError::new(
            "25P02",
            "current transaction is aborted, commands ignored until end of transaction block",
        ));
    }
    Ok(())
}

fn in_transaction(session: &Session, what: &str) -> Result<(), SqlError> {
    match session.status {
        TransactionStatus::Idle => {
            Err(SqlError::new("25P01", format!("{what} can only be used in transaction blocks")))
        }
        TransactionStatus::Transaction | TransactionStatus::Error => Ok(()),
    }
}

fn savepoint(session: &Session, name: &str) -> Result<usize, SqlError> {
    let found = session.transaction.savepoints.iter().rposition(|(held, _)| held == name);
    found.ok_or_else(|| SqlError::new("3B001", format!("savepoint \"{name}\" does not exist")))
}

fn no_cursor(name: &str) -> SqlError {
    SqlError::new("34000", format!("cursor \"{name}\" does not exist"))
}

fn prepare(
    session: &mut Session,
    sql: &str,
    name: String,
    written: &[String],
    body: std::ops::Range<usize>,
) -> Result<(), SqlError> {
    let sql: Arc<str> = sql[body].into();
    let statement = statement::read(&sql)?;
    let declared = written.iter().map(|kind| kinds::by_name(kind).unwrap_or(0)).collect();
    session.remember(name, Prepared { sql, statement, declared, shape: None })
}

pub(super) fn cursor_formats(portal: &Portal) -> Vec<i16> {
    portal.formats.clone()
}

fn text_column(name: &str) -> OutColumn {
    OutColumn { name: name.to_owned(), kind: kinds::TEXT, modifier: -1 }
}

/// The columns of `show`.
pub(super) fn shown_columns(name: Option<&str>) -> Vec<OutColumn> {
    match name {
        Some(name) => vec![text_column(name)],
        None => ["name", "setting", "description"].into_iter().map(text_column).collect(),
    }
}

fn shown(session: &Session, name: Option<&str>) -> Result<Answer, SqlError> {
    use compute::postgres_catalog::{Row, Value};
    let rows: Vec<Row> = match name {
        Some(name) => {
            let value = session.settings.get(name);
            let value = value.ok_or_else(|| super::settings::unknown(name))?;
            vec![[Value::text(value)].into_iter().collect()]
        }
        None => session
            .settings
            .all()
            .into_iter()
            .map(|held| {
                let texts = [held.name, held.value, held.description];
                texts.into_iter().map(Value::text).collect()
            })
            .collect(),
    };
    let columns = shown_columns(name);
    Ok(Answer { columns, source: Source::Rows(rows.into()), engine: false })
}

pub(super) fn style(session: &Session) -> Style {
    Style { zone: session.settings.time_zone().parse().unwrap_or(chrono_tz::UTC) }
}

/// A statement's beginning, for the query log.
pub(super) struct Started {
    at: Instant,
    record: Option<QueryRecord>,
}

impl Started {
    pub(super) fn now(session: &Session, kept: bool) -> Self {
        let clocks = &session.endpoint.platform.clocks;
        let record = kept.then(|| QueryRecord {
            environment: session.environment.clone(),
            user: session.identity.name.clone(),
            door: "sql".to_owned(),
            application: session.settings.get("application_name").unwrap_or_default().to_owned(),
            sql: String::new(),
            started_at: clocks.machine.now(),
            business_time: clocks.business.now(),
            duration_ms: 0,
            rows: 0,
            error: None,
            error_state: None,
        });
        Self { at: Instant::now(), record }
    }

    pub(super) fn log(self, session: &Session, sql: &str, sent: &Result<Sent, Stopped>) {
        match sent {
            Ok(sent) => self.add(session, sql, sent.rows, None),
            Err(Stopped::Failed(error)) => self.add(session, sql, 0, Some(error)),
            Err(Stopped::End(_)) => {
                let gone = SqlError::new("08006", "the connection ended before the statement");
                self.add(session, sql, 0, Some(&gone));
            }
        }
    }

    pub(super) fn log_error(self, session: &Session, sql: &str, error: &SqlError) {
        self.add(session, sql, 0, Some(error));
    }

    fn add(self, session: &Session, sql: &str, rows: usize, error: Option<&SqlError>) {
        let Some(record) = self.record else { return };
        session.endpoint.log.add(QueryRecord {
            sql: sql.to_owned(),
            duration_ms: u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            rows: rows as u64,
            error: error.map(|error| error.message.clone()),
            error_state: error.map(|error| error.state.to_owned()),
            ..record
        });
    }
}
