//! Questions as they are asked, and their rows on the way to the client.

use compute::postgres_catalog::kinds;
use pgwire::messages::PgWireBackendMessage as Back;
use pgwire::messages::copy::{CopyData, CopyDone, CopyOutResponse};
use pgwire::messages::data::{FieldDescription, RowDescription};
use pgwire::messages::response::CommandComplete;

use super::connection::{Connection, Stopped, Watch};
use super::encode::{self, Style};
use super::log::Started;
use super::questions::Answer;
use super::rows::{OutColumn, Source};
use super::session::Session;
use super::statement::{CopyFormat, CopyOptions, CopySource};

/// Rows taken from the engine before the client is looked after.
pub(super) const ROWS_AT_ONCE: usize = 1_024;

/// What the client said about the form of the columns of an answer.
pub(super) fn format_of(formats: &[i16], column: usize) -> i16 {
    match formats {
        [] => 0,
        [one] => *one,
        several => several.get(column).copied().unwrap_or(0),
    }
}

/// How much of a portal was sent.
pub(super) struct Sent {
    pub(super) rows: usize,
    pub(super) finished: bool,
}

impl Connection {
    /// Describes an answer and sends all of it.
    pub(super) async fn whole_answer(
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

    /// Sends an answer in the form that `copy … to stdout` asks for.
    pub(super) async fn copy(
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
        let binary = options.format == CopyFormat::Binary;
        let formats = vec![i16::from(binary); width];
        let columns = i16::try_from(width).unwrap_or(i16::MAX);
        let begun = CopyOutResponse::new(i8::from(binary), columns, formats);
        self.outgoing.push(&Back::CopyOutResponse(begun));
        let sent = if binary {
            self.copied_in_binary(session, watch, &mut answer).await
        } else {
            self.copied(session, watch, &mut answer, options).await
        };
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
}

pub(super) fn style(session: &Session) -> Style {
    Style { zone: session.settings.time_zone().parse().unwrap_or(chrono_tz::UTC) }
}
