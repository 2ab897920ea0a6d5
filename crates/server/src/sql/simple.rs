//! The simple protocol: one text, any number of statements.

use pgwire::messages::PgWireBackendMessage as Back;
use pgwire::messages::response::{EmptyQueryResponse, TransactionStatus};
use tokio::time::Instant;

use super::commands::shown;
use super::connection::{Connection, End, Stopped, Watch};
use super::cursors::{Portion, cursor_formats};
use super::error::SqlError;
use super::session::Session;
use super::statement::{self, Statement};
use super::text::statements;

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
