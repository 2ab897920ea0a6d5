//! `copy … to stdout` in PostgreSQL's binary form, which ADBC, connectorx and DuckDB read with.

use bytes::{BufMut, BytesMut};
use pgwire::messages::PgWireBackendMessage as Back;
use pgwire::messages::copy::CopyData;

use super::answers::{ROWS_AT_ONCE, Sent, style};
use super::connection::{Connection, Stopped, Watch};
use super::encode;
use super::questions::Answer;
use super::session::Session;

/// The signature, no flags, and no further header.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Stands where another row would say how many fields it has.
const TRAILER: i16 = -1;

impl Connection {
    /// Sends the rows of an answer, a message each.
    pub(super) async fn copied_in_binary(
        &mut self,
        session: &Session,
        watch: &Watch,
        answer: &mut Answer,
    ) -> Result<Sent, Stopped> {
        let style = style(session);
        let width = i16::try_from(answer.columns.len()).unwrap_or(i16::MAX);
        // The header travels with the first row, as PostgreSQL sends it: clients count on that.
        let mut out = BytesMut::from(HEADER);
        let mut rows = 0;
        while let Some(chunk) = self.guarded(watch, answer.source.next(ROWS_AT_ONCE)).await? {
            for row in 0..chunk.len() {
                out.put_i16(width);
                for (cell, column) in chunk.cells(row).zip(&answer.columns) {
                    encode::field(&mut out, &cell, column.kind, true, style)?;
                }
                self.outgoing.push(&Back::CopyData(CopyData::new(out.split().freeze())));
                if self.outgoing.full() {
                    self.send(watch).await?;
                }
            }
            rows += chunk.len();
        }
        out.put_i16(TRAILER);
        self.outgoing.push(&Back::CopyData(CopyData::new(out.freeze())));
        Ok(Sent { rows, finished: true })
    }
}
