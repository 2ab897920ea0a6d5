//! The ports a server listens on.

use std::net::{IpAddr, SocketAddr};

use access::Access;
use server::ServerError;
use tokio::net::TcpListener;

use crate::arguments::{DEFAULT_PORT, DEFAULT_SQL_PORT, UpArguments};
use crate::console::Console;
use crate::failure::Failure;

/// Listeners that wait for somebody to serve them.
#[derive(Debug)]
pub(crate) struct Doors {
    /// Web UI and API.
    pub(crate) http: TcpListener,
    /// PostgreSQL's protocol.
    pub(crate) sql: TcpListener,
    address: SocketAddr,
    sql_address: SocketAddr,
}

impl Doors {
    /// Listens.
    ///
    /// # Errors
    /// When a port is taken, or a door would open beyond this machine without an administrator.
    pub(crate) async fn open(
        arguments: &UpArguments,
        access: &Access,
        console: &Console,
    ) -> Result<Self, Failure> {
        let host = address_of(&arguments.host)?;
        if !host.is_loopback() && !access.has_administrator().await? {
            let message = format!(
                "--host {} opens the doors beyond this machine, and there is no administrator yet",
                arguments.host
            );
            let help = "Run `fiveply user add <name> --role administer` first.";
            return Err(Failure::usage(message).help(help));
        }
        let http = listen(host, arguments.port, DEFAULT_PORT, console).await?;
        let address = http.local_addr()?;
        let sql = listen(host, arguments.sql_port, DEFAULT_SQL_PORT, console).await?;
        let sql_address = sql.local_addr()?;
        Ok(Self { http, sql, address, sql_address })
    }

    /// Where the web UI is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", shown(self.address))
    }

    /// Where the lake is asked over PostgreSQL's protocol.
    pub(crate) fn sql_url(&self, environment: &str) -> String {
        format!("postgresql://{}/{environment}", shown(self.sql_address))
    }
}

/// `localhost` and addresses; names of other machines are no place to listen on.
fn address_of(host: &str) -> Result<IpAddr, Failure> {
    if host == "localhost" {
        return Ok(IpAddr::from([127, 0, 0, 1]));
    }
    host.parse().map_err(|_| {
        Failure::usage(format!("--host \"{host}\" is no address"))
            .help("Use 127.0.0.1, or 0.0.0.0 for every network of this machine.")
    })
}

/// Listens on the port that was asked for; without one on the usual port, or on a free one when
/// that is taken.
async fn listen(
    host: IpAddr,
    asked: Option<u16>,
    usual: u16,
    console: &Console,
) -> Result<TcpListener, Failure> {
    let address = SocketAddr::new(host, asked.unwrap_or(usual));
    let refused =
        |source| Failure::from(ServerError::Listen { address: address.to_string(), source });
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if asked.is_none() && error.kind() == std::io::ErrorKind::AddrInUse => {
            console.say(&format!("port {usual} is taken; another one is used"));
            TcpListener::bind(SocketAddr::new(host, 0)).await.map_err(refused)
        }
        Err(error) => Err(refused(error)),
    }
}

/// An address that a browser on this machine can open.
fn shown(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return format!("localhost:{}", address.port());
    }
    address.to_string()
}
