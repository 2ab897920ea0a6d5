//! Cursors: a question whose rows are fetched a portion at a time.

use std::sync::Arc;

use pgwire::messages::response::TransactionStatus;

use super::answers::{ROWS_AT_ONCE, Sent};
use super::connection::{Connection, Stopped, Watch};
use super::error::SqlError;
use super::rows::Source;
use super::session::{Portal, Session};
use super::statement::{self, Rows, Statement};

/// Which rows of a cursor are asked for, and their form.
pub(super) struct Portion<'a> {
    pub(super) rows: Rows,
    pub(super) moving: bool,
    pub(super) formats: &'a [i16],
}

impl Connection {
    pub(super) async fn declare(
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
}

pub(super) fn no_cursor(name: &str) -> SqlError {
    SqlError::new("34000", format!("cursor \"{name}\" does not exist"))
}

pub(super) fn cursor_formats(portal: &Portal) -> Vec<i16> {
    portal.formats.clone()
}
