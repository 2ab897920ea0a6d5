//! Statements that are no question: transactions, settings, prepared statements.

use std::sync::Arc;

use compute::postgres_catalog::{Row, Value, kinds};
use pgwire::messages::PgWireBackendMessage as Back;
use pgwire::messages::response::{NoticeResponse, TransactionStatus};

use super::answers::style;
use super::connection::{Connection, Stopped, Watch};
use super::cursors::{Portion, no_cursor};
use super::encode;
use super::error::SqlError;
use super::questions::Answer;
use super::rows::{OutColumn, Source};
use super::session::{Prepared, Session};
use super::statement::{self, Statement};

impl Connection {
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

pub(super) fn shown(session: &Session, name: Option<&str>) -> Result<Answer, SqlError> {
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
