//! One connection from its first byte to its last: which message is whose.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pgwire::messages::PgWireBackendMessage as Back;
use pgwire::messages::PgWireFrontendMessage as Front;
use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::ParameterStatus;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::endpoint::Endpoint;
use super::error::SqlError;
use super::registry::Entry;
use super::session::Session;
use super::startup;
use super::wire::{Gone, Incoming, Outgoing};

/// Seconds a client may take to say who it is.
const STARTUP_SECONDS_MAX: u64 = 60;

/// A connection.
pub(super) struct Connection {
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    pub(super) shutdown: CancellationToken,
}

/// Why a connection ends.
pub(super) enum End {
    /// The client said so, or is gone.
    Quiet,
    /// It is told why.
    Told(SqlError),
}

impl From<Gone> for End {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Closed => Self::Quiet,
            Gone::Malformed(what) => Self::Told(SqlError::fatal("08P01", what)),
        }
    }
}

/// What a statement waits for besides itself.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) token: CancellationToken,
    pub(super) terminate: CancellationToken,
    pub(super) shutdown: CancellationToken,
    pub(super) deadline: Option<Instant>,
}

/// A statement that did not come to its end.
pub(super) enum Stopped {
    /// The statement failed.
    Failed(SqlError),
    /// The connection ends with it.
    End(End),
}

impl From<SqlError> for Stopped {
    fn from(error: SqlError) -> Self {
        if error.fatal { Self::End(End::Told(error)) } else { Self::Failed(error) }
    }
}

impl From<Gone> for Stopped {
    fn from(gone: Gone) -> Self {
        Self::End(gone.into())
    }
}

/// Serves one client.
pub(super) async fn run(endpoint: Arc<Endpoint>, stream: TcpStream, peer: SocketAddr) {
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let shutdown = endpoint.shutdown.clone();
    let (incoming, outgoing) = (Incoming::new(read), Outgoing::new(write));
    let mut connection = Connection { incoming, outgoing, shutdown };
    let secret = endpoint.platform.lake.randomness().next_u64();
    #[expect(clippy::cast_possible_truncation, reason = "any 32 of the random bits will do")]
    let secret = (secret >> 16) as i32;
    let now = endpoint.platform.clocks.machine.now();
    let entry = endpoint.registry.open(secret, now, endpoint.options.connections_max);
    let ended = match &entry {
        Some(entry) => connection.serve(&endpoint, entry, peer).await,
        None => connection.turned_away(&endpoint).await,
    };
    if let Some(entry) = entry {
        endpoint.registry.close(entry.process);
    }
    if let End::Told(error) = ended {
        connection.outgoing.push(&Back::ErrorResponse(error.response("", 0)));
        let told = connection.outgoing.flush();
        let _ = tokio::time::timeout(Duration::from_secs(1), told).await;
    }
}

impl Connection {
    async fn serve(
        &mut self,
        endpoint: &Arc<Endpoint>,
        entry: &Arc<Entry>,
        peer: SocketAddr,
    ) -> End {
        let limit = Duration::from_secs(STARTUP_SECONDS_MAX);
        let greeting = startup::greet(self, endpoint, entry, peer);
        let started = tokio::select! {
            started = tokio::time::timeout(limit, greeting) => started,
            () = endpoint.shutdown.cancelled() => return End::Told(shutting_down()),
        };
        let mut session = match started {
            Ok(Ok(Some(session))) => session,
            Ok(Ok(None)) => return End::Quiet,
            Ok(Err(end)) => return end,
            Err(_) => return End::Told(SqlError::fatal("08P01", "nobody said who they are")),
        };
        match self.converse(&mut session).await {
            Err(end) => end,
            Ok(never) => match never {},
        }
    }

    /// Says that there are too many; a cancel request is still taken.
    async fn turned_away(&mut self, endpoint: &Arc<Endpoint>) -> End {
        let limit = Duration::from_secs(1);
        let first = startup::first_message(self, endpoint);
        match tokio::time::timeout(limit, first).await {
            Ok(Ok(Some(_))) => End::Told(
                SqlError::fatal("53300", "too many connections")
                    .hint("Close some, or let a pool share them."),
            ),
            _ => End::Quiet,
        }
    }

    async fn converse(&mut self, session: &mut Session) -> Result<std::convert::Infallible, End> {
        self.ready(session).await?;
        // After an error in the extended protocol everything up to the next sync is passed over.
        let mut skipping = false;
        loop {
            let message = self.message(session).await?;
            match message {
                Front::Query(query) => {
                    skipping = false;
                    self.simple(session, &query.query).await?;
                    self.ready(session).await?;
                }
                Front::Sync(_) => {
                    skipping = false;
                    session.settle();
                    self.ready(session).await?;
                }
                Front::Terminate(_) => return Err(End::Quiet),
                Front::Flush(_) => self.outgoing.flush().await?,
                _ if skipping => {}
                Front::CopyData(_) | Front::CopyDone(_) | Front::CopyFail(_) => {}
                other if other.is_extended_query() => {
                    if let Err(stopped) = self.extended(session, other).await {
                        match stopped {
                            Stopped::End(end) => return Err(end),
                            Stopped::Failed(error) => {
                                skipping = true;
                                session.failed();
                                let text = Arc::clone(&session.text);
                                self.tell(&error, &text, 0);
                            }
                        }
                    }
                    if self.outgoing.full() {
                        self.outgoing.flush().await?;
                    }
                }
                _ => {
                    return Err(End::Told(SqlError::fatal("08P01", "unexpected message")));
                }
            }
        }
    }

    pub(super) fn tell(&mut self, error: &SqlError, sent: &str, offset: usize) {
        self.outgoing.push(&Back::ErrorResponse(error.response(sent, offset)));
    }

    pub(super) fn tell_settings(&mut self, settings: Vec<(String, String)>) {
        for (name, value) in settings {
            self.outgoing.push(&Back::ParameterStatus(ParameterStatus::new(name, value)));
        }
    }

    async fn ready(&mut self, session: &Session) -> Result<(), End> {
        self.outgoing.push(&Back::ReadyForQuery(ReadyForQuery::new(session.status)));
        session.entry.end(session.waiting());
        Ok(self.outgoing.flush().await?)
    }

    /// The next message, unless the connection must end before it comes.
    async fn message(&mut self, session: &Session) -> Result<Front, End> {
        if let Some(message) = self.incoming.decoded()? {
            return Ok(message);
        }
        self.outgoing.flush().await?;
        let in_transaction = session.status != TransactionStatus::Idle;
        let setting = match in_transaction {
            true => "idle_in_transaction_session_timeout",
            false => "idle_session_timeout",
        };
        let idle = session.settings.duration(setting);
        let too_long = async {
            match idle {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = self.incoming.next() => Ok(message?),
            () = session.entry.terminate.cancelled() => Err(End::Told(terminated())),
            () = self.shutdown.cancelled() => Err(End::Told(shutting_down())),
            () = too_long => Err(End::Told(match in_transaction {
                true => SqlError::fatal("25P03", "the transaction waited longer than it may"),
                false => SqlError::fatal("57P05", "the connection waited longer than it may"),
            })),
        }
    }

    /// Carries something out unless the statement, or the connection, must end before.
    pub(super) async fn guarded<T>(
        &mut self,
        watch: &Watch,
        work: impl Future<Output = Result<T, SqlError>>,
    ) -> Result<T, Stopped> {
        tokio::select! {
            biased;
            stopped = stopped(&mut self.incoming, watch) => Err(stopped),
            done = work => done.map_err(|error| told(error, watch)),
        }
    }

    /// Sends what gathered, unless the statement must end before: a client that does not read must
    /// not keep it for ever.
    pub(super) async fn send(&mut self, watch: &Watch) -> Result<(), Stopped> {
        tokio::select! {
            biased;
            sent = self.outgoing.flush() => Ok(sent?),
            stopped = stopped(&mut self.incoming, watch) => Err(stopped),
        }
    }
}

/// A statement's own error, unless it is the echo of its end.
fn told(error: SqlError, watch: &Watch) -> Stopped {
    let over = watch.deadline.is_some_and(|deadline| Instant::now() >= deadline);
    match error.state {
        "57014" if over => timed_out().into(),
        "57014" if watch.token.is_cancelled() => cancelled().into(),
        _ => error.into(),
    }
}

async fn stopped(incoming: &mut Incoming, watch: &Watch) -> Stopped {
    let over = async {
        match watch.deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    let stopped = tokio::select! {
        () = watch.token.cancelled() => Stopped::Failed(cancelled()),
        () = watch.terminate.cancelled() => Stopped::End(End::Told(terminated())),
        () = watch.shutdown.cancelled() => Stopped::End(End::Told(shutting_down())),
        () = over => Stopped::Failed(timed_out()),
        () = incoming.closed() => Stopped::End(End::Quiet),
    };
    // The engine hears of it through the same token.
    watch.token.cancel();
    stopped
}

fn cancelled() -> SqlError {
    SqlError::new("57014", "canceling statement due to user request")
}

fn timed_out() -> SqlError {
    SqlError::new("57014", "canceling statement due to statement timeout")
        .hint("Raise it with: set statement_timeout = '60s'.")
}

fn terminated() -> SqlError {
    SqlError::fatal("57P01", "terminating connection due to administrator command")
}

fn shutting_down() -> SqlError {
    SqlError::fatal("57P01", "terminating connection: the server is shutting down")
}
