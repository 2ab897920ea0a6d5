//! The two halves of a connection: messages that come, messages that go.

use bytes::{BufMut, BytesMut};
use pgwire::messages::{DecodeContext, PgWireBackendMessage, PgWireFrontendMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::error::SqlError;

/// Bytes that a client may send ahead while a statement runs.
const AHEAD_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one message: a statement is bounded by the engine, parameters by this.
const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes that gather before they are sent.
const SEND_BYTES: usize = 64 * 1024;

/// The client is gone, or speaks no PostgreSQL.
#[derive(Debug)]
pub(super) enum Gone {
    /// The connection was closed.
    Closed,
    /// A message could not be read.
    Malformed(String),
}

impl From<std::io::Error> for Gone {
    fn from(_: std::io::Error) -> Self {
        Self::Closed
    }
}

/// What the client sends.
pub(super) struct Incoming {
    half: OwnedReadHalf,
    pub(super) buffer: BytesMut,
    pub(super) context: DecodeContext,
}

impl Incoming {
    pub(super) fn new(half: OwnedReadHalf) -> Self {
        Self { half, buffer: BytesMut::with_capacity(8 * 1024), context: DecodeContext::default() }
    }

    /// The next message. May be dropped and asked again: nothing is lost.
    pub(super) async fn next(&mut self) -> Result<PgWireFrontendMessage, Gone> {
        loop {
            if let Some(message) = self.decoded()? {
                return Ok(message);
            }
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return Err(Gone::Closed);
            }
        }
    }

    /// A message that came already.
    pub(super) fn decoded(&mut self) -> Result<Option<PgWireFrontendMessage>, Gone> {
        if self.length().is_some_and(|length| length > MESSAGE_BYTES_MAX) {
            return Err(Gone::Malformed(format!(
                "a message is longer than {MESSAGE_BYTES_MAX} bytes"
            )));
        }
        PgWireFrontendMessage::decode(&mut self.buffer, &self.context)
            .map_err(|error| Gone::Malformed(error.to_string()))
    }

    /// The length that the next message says it has.
    fn length(&self) -> Option<usize> {
        let at = usize::from(!self.context.awaiting_frontend_startup);
        let bytes: [u8; 4] = self.buffer.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    }

    /// Ends when the client is gone; meanwhile takes in what it sends ahead.
    pub(super) async fn closed(&mut self) {
        loop {
            if self.buffer.len() >= AHEAD_BYTES_MAX {
                std::future::pending::<()>().await;
            }
            match self.half.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

/// What the client is sent.
pub(super) struct Outgoing {
    half: OwnedWriteHalf,
    pub(super) buffer: BytesMut,
}

impl Outgoing {
    pub(super) fn new(half: OwnedWriteHalf) -> Self {
        Self { half, buffer: BytesMut::with_capacity(SEND_BYTES) }
    }

    pub(super) fn push(&mut self, message: &PgWireBackendMessage) {
        let before = self.buffer.len();
        if message.encode(&mut self.buffer).is_err() {
            self.buffer.truncate(before);
        }
    }

    /// One row: `fields` writes each value with its length.
    pub(super) fn row(
        &mut self,
        columns: usize,
        fields: impl FnOnce(&mut BytesMut) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let start = self.buffer.len();
        self.buffer.put_u8(b'D');
        self.buffer.put_i32(0);
        let columns = i16::try_from(columns)
            .map_err(|_| SqlError::new("54011", "more columns than the protocol can count"))?;
        self.buffer.put_i16(columns);
        if let Err(error) = fields(&mut self.buffer) {
            self.buffer.truncate(start);
            return Err(error);
        }
        let length = i32::try_from(self.buffer.len() - start - 1);
        match length {
            Ok(length) => {
                self.buffer[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
                Ok(())
            }
            Err(_) => {
                self.buffer.truncate(start);
                Err(SqlError::new("54000", "a row of more than 2 GiB cannot be sent"))
            }
        }
    }

    /// Whether enough has gathered.
    pub(super) fn full(&self) -> bool {
        self.buffer.len() >= SEND_BYTES
    }

    /// Sends what gathered. May be dropped in between: what was sent is not sent again.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        while !self.buffer.is_empty() {
            if self.half.write_buf(&mut self.buffer).await? == 0 {
                return Err(Gone::Closed);
            }
        }
        Ok(())
    }
}
