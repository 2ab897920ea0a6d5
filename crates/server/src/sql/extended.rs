//! The extended protocol: parse, bind, describe, execute, close; rows in portions.

use std::sync::Arc;

use pgwire::messages::PgWireBackendMessage as Back;
use pgwire::messages::PgWireFrontendMessage as Front;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete,
    PortalSuspended,
};
use pgwire::messages::response::EmptyQueryResponse;

use super::commands::shown_columns;
use super::connection::{Connection, Stopped, Watch};
use super::cursors::cursor_formats;
use super::error::SqlError;
use super::log::Started;
use super::parameters;
use super::rows::OutColumn;
use super::session::{Portal, Prepared, Session, Shape};
use super::simple::{begin, check_status};
use super::statement::{self, Statement};
use super::text::statements;

/// `S` in a message that names a statement; else it names a portal.
const STATEMENT: u8 = b'S';

impl Connection {
    /// Carries out one message of the extended protocol.
    pub(super) async fn extended(
        &mut self,
        session: &mut Session,
        message: Front,
    ) -> Result<(), Stopped> {
        match message {
            Front::Parse(parse) => self.parse(session, parse),
            Front::Bind(bind) => self.bind(session, bind).await,
            Front::Describe(describe) => self.described(session, describe).await,
            Front::Execute(execute) => self.execute(session, execute).await,
            Front::Close(close) => {
                let name = close.name.clone().unwrap_or_default();
                closed(session, &close, &name);
                self.outgoing.push(&Back::CloseComplete(CloseComplete::new()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn parse(&mut self, session: &mut Session, parse: Parse) -> Result<(), Stopped> {
        let all = statements(&parse.query);
        if all.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(SqlError::new("42601", message).into());
        }
        // The whole text is kept, so that an error's place is a place in it.
        let sql: Arc<str> = if all.is_empty() { "".into() } else { parse.query.as_str().into() };
        session.text = Arc::clone(&sql);
        let statement = statement::read(&sql)?;
        check_status(session, &statement)?;
        let name = parse.name.unwrap_or_default();
        if name.is_empty() {
            session.statements.remove("");
        }
        let prepared = Prepared { sql, statement, declared: parse.type_oids, shape: None };
        session.remember(name, prepared)?;
        self.outgoing.push(&Back::ParseComplete(ParseComplete::new()));
        Ok(())
    }

    /// What a prepared statement takes and gives, found out once.
    async fn shape(
        &mut self,
        session: &mut Session,
        watch: &Watch,
        name: &str,
    ) -> Result<Shape, Stopped> {
        let prepared = session.prepared(name)?.clone();
        if let Some(shape) = prepared.shape {
            return Ok(shape);
        }
        let shape = match &prepared.statement {
            Statement::Query => {
                let found = session.shape(&prepared.sql, &prepared.declared);
                self.guarded(watch, found).await?
            }
            other => Shape { parameters: Vec::new(), columns: columns_of(session, other)? },
        };
        if let Some(held) = session.statements.get_mut(name) {
            held.shape = Some(shape.clone());
        }
        Ok(shape)
    }

    async fn bind(&mut self, session: &mut Session, bind: Bind) -> Result<(), Stopped> {
        let statement = bind.statement_name.unwrap_or_default();
        let prepared = session.prepared(&statement)?.clone();
        check_status(session, &prepared.statement)?;
        let watch = begin(session, &prepared.sql);
        // Types are needed to read values, and to tell how many there must be.
        let shape = self.shape(session, &watch, &statement).await?;
        if bind.parameters.len() != shape.parameters.len() {
            return Err(SqlError::new(
                "08P01",
                format!(
                    "bind message supplies {} parameters, but prepared statement \"{statement}\" \
                     requires {}",
                    bind.parameters.len(),
                    shape.parameters.len()
                ),
            )
            .into());
        }
        let formats = &bind.parameter_format_codes;
        let values = parameters::read(&bind.parameters, formats, &shape.parameters)?;
        let name = bind.portal_name.unwrap_or_default();
        if name.is_empty() {
            session.portals.remove("");
        }
        let portal = Portal {
            sql: prepared.sql,
            statement: prepared.statement,
            kinds: shape.parameters,
            values,
            formats: bind.result_column_format_codes,
            columns: shape.columns,
            source: None,
            finished: false,
            hold: false,
            cursor: false,
            token: watch.token,
        };
        session.open_portal(name, portal)?;
        self.outgoing.push(&Back::BindComplete(BindComplete::new()));
        Ok(())
    }

    async fn described(
        &mut self,
        session: &mut Session,
        describe: Describe,
    ) -> Result<(), Stopped> {
        let name = describe.name.unwrap_or_default();
        if describe.target_type == STATEMENT {
            let prepared = session.prepared(&name)?.clone();
            check_status(session, &prepared.statement)?;
            let watch = begin(session, &prepared.sql);
            let shape = self.shape(session, &watch, &name).await?;
            let kinds = ParameterDescription::new(shape.parameters);
            self.outgoing.push(&Back::ParameterDescription(kinds));
            self.describe_or_not(shape.columns.as_deref(), &[]);
            return Ok(());
        }
        let portal = session.portals.get(&name).ok_or_else(|| no_portal(&name))?;
        check_status(session, &portal.statement)?;
        let (columns, formats) = (portal.columns.clone(), cursor_formats(portal));
        self.describe_or_not(columns.as_deref(), &formats);
        Ok(())
    }

    fn describe_or_not(&mut self, columns: Option<&[OutColumn]>, formats: &[i16]) {
        match columns {
            Some(columns) => self.describe(columns, formats),
            None => self.outgoing.push(&Back::NoData(NoData::new())),
        }
    }

    async fn execute(&mut self, session: &mut Session, execute: Execute) -> Result<(), Stopped> {
        let name = execute.name.unwrap_or_default();
        let most = usize::try_from(execute.max_rows).ok().filter(|most| *most > 0);
        let portal = session.portals.get(&name).ok_or_else(|| no_portal(&name))?;
        check_status(session, &portal.statement)?;
        let (sql, statement) = (Arc::clone(&portal.sql), portal.statement.clone());
        let formats = cursor_formats(portal);
        let watch = begin(session, &sql);
        match statement {
            Statement::Empty => {
                self.outgoing.push(&Back::EmptyQueryResponse(EmptyQueryResponse::new()));
                Ok(())
            }
            Statement::Query => self.portal(session, &watch, name, most).await,
            Statement::Execute { .. } => {
                self.prepared_by_name(session, &watch, &sql, &statement).await
            }
            other => self.command(session, &watch, &sql, other, &formats).await,
        }
    }

    /// Rows of a question, at most as many as were asked for.
    async fn portal(
        &mut self,
        session: &mut Session,
        watch: &Watch,
        name: String,
        most: Option<usize>,
    ) -> Result<(), Stopped> {
        // Out of the map while it runs: a statement that fails takes its portal with it.
        let mut portal = session.portals.remove(&name).ok_or_else(|| no_portal(&name))?;
        let mut engine = false;
        if portal.source.is_none() && !portal.finished {
            let answer =
                self.question(session, watch, &portal.sql, &portal.kinds, &portal.values).await?;
            portal.token = session.token.clone();
            engine = answer.engine;
            portal.source = Some(answer.source);
            if portal.columns.is_none() {
                portal.columns = Some(answer.columns);
            }
        }
        let columns = portal.columns.clone().unwrap_or_default();
        let formats = cursor_formats(&portal);
        let started = Started::now(session, engine);
        let Some(source) = &mut portal.source else {
            self.complete("SELECT 0");
            session.portals.insert(name, portal);
            return Ok(());
        };
        let wanted = most.unwrap_or(usize::MAX);
        let sent = self.rows(session, watch, source, &columns, &formats, wanted).await;
        started.log(session, &portal.sql, &sent);
        let sent = sent?;
        if sent.finished {
            portal.source = None;
            portal.finished = true;
            self.complete(&format!("SELECT {}", sent.rows));
        } else {
            self.outgoing.push(&Back::PortalSuspended(PortalSuspended::new()));
        }
        session.portals.insert(name, portal);
        Ok(())
    }

    async fn prepared_by_name(
        &mut self,
        session: &mut Session,
        watch: &Watch,
        sql: &str,
        statement: &Statement,
    ) -> Result<(), Stopped> {
        let (prepared, values) = self.executed(session, watch, sql, statement).await?;
        if prepared.statement != Statement::Query {
            return self.command(session, watch, &prepared.sql, prepared.statement, &[]).await;
        }
        let shape = self.guarded(watch, session.shape(&prepared.sql, &prepared.declared)).await?;
        let answer =
            self.question(session, watch, &prepared.sql, &shape.parameters, &values).await?;
        let mut source = answer.source;
        let sent = self.rows(session, watch, &mut source, &answer.columns, &[], usize::MAX).await?;
        self.complete(&format!("SELECT {}", sent.rows));
        Ok(())
    }
}

fn closed(session: &mut Session, close: &Close, name: &str) {
    if close.target_type == STATEMENT {
        session.statements.remove(name);
    } else if let Some(portal) = session.portals.remove(name) {
        portal.token.cancel();
    }
}

fn no_portal(name: &str) -> SqlError {
    SqlError::new("34000", format!("portal \"{name}\" does not exist"))
}

/// The columns of a statement that is no question.
fn columns_of(
    session: &Session,
    statement: &Statement,
) -> Result<Option<Vec<OutColumn>>, SqlError> {
    Ok(match statement {
        Statement::Show(name) => Some(shown_columns(name.as_deref())),
        Statement::Fetch { name, moving: false, .. } => {
            let portal = session.portals.get(name);
            portal.ok_or_else(|| no_portal(name))?.columns.clone()
        }
        Statement::Execute { name, .. } => {
            session.prepared(name)?.shape.as_ref().and_then(|shape| shape.columns.clone())
        }
        _ => None,
    })
}
