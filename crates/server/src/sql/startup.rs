//! How a connection begins: encryption is declined, a cancel request is carried out, everybody else
//! says who they are and which environment they want.

use std::net::SocketAddr;
use std::sync::Arc;

use access::{Identity, Permission};
use bytes::Bytes;
use pgwire::messages::PgWireBackendMessage as Back;
use pgwire::messages::PgWireFrontendMessage as Front;
use pgwire::messages::ProtocolVersion;
use pgwire::messages::SslNegotiationMetaMessage as Negotiation;
use pgwire::messages::response::{GssEncResponse, SslResponse, TransactionStatus};
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, SecretKey, Startup,
};

use super::connection::{Connection, End};
use super::endpoint::Endpoint;
use super::error::SqlError;
use super::registry::Entry;
use super::scram::{Exchange, MECHANISM};
use super::session::{Asked, Session, Transaction};
use super::settings::Settings;

/// Messages before the one that says who it is.
const NEGOTIATIONS_MAX: usize = 4;

fn violation(what: &str) -> End {
    End::Told(SqlError::fatal("08P01", what))
}

/// The startup message; none after a cancel request, which is all its connection is for.
pub(super) async fn first_message(
    connection: &mut Connection,
    endpoint: &Endpoint,
) -> Result<Option<Startup>, End> {
    for _ in 0..NEGOTIATIONS_MAX {
        match connection.incoming.next().await? {
            Front::SslNegotiation(Negotiation::PostgresSsl(_)) => {
                connection.outgoing.push(&Back::SslResponse(SslResponse::Refuse));
                connection.outgoing.flush().await?;
            }
            Front::SslNegotiation(Negotiation::PostgresGss(_)) => {
                connection.outgoing.push(&Back::GssEncResponse(GssEncResponse::Refuse));
                connection.outgoing.flush().await?;
            }
            Front::SslNegotiation(Negotiation::None) => {
                connection.incoming.context.awaiting_frontend_ssl = false;
                // Keys are four bytes here, whichever version a cancel request comes from.
                connection.incoming.context.protocol_version = ProtocolVersion::PROTOCOL3_0;
            }
            Front::CancelRequest(request) => {
                let entry = endpoint.registry.find(request.pid);
                let knows = |entry: &Arc<Entry>| request.secret_key.as_i32() == Some(entry.secret);
                if let Some(entry) = entry.filter(knows) {
                    entry.cancel();
                }
                return Ok(None);
            }
            Front::Startup(startup) => {
                connection.incoming.context.awaiting_frontend_startup = false;
                return Ok(Some(startup));
            }
            _ => return Err(violation("expected a startup message")),
        }
    }
    Err(violation("expected a startup message"))
}

/// Everything up to the first question.
pub(super) async fn greet(
    connection: &mut Connection,
    endpoint: &Arc<Endpoint>,
    entry: &Arc<Entry>,
    peer: SocketAddr,
) -> Result<Option<Session>, End> {
    let Some(startup) = first_message(connection, endpoint).await? else { return Ok(None) };
    negotiate(connection, &startup);
    let parameter = |name: &str| startup.parameters.get(name).map(String::as_str);
    let user = parameter("user").filter(|user| !user.is_empty());
    let user = user.ok_or_else(|| violation("no user name was given"))?;
    if parameter("replication").is_some_and(|word| !matches!(word, "" | "false" | "off" | "0")) {
        return Err(End::Told(SqlError::fatal("0A000", "replication is not offered")));
    }
    let identity = authenticate(connection, endpoint, user, peer).await?;
    if !identity.may(Permission::Query) {
        return Err(End::Told(
            SqlError::fatal("42501", format!("permission denied: \"{user}\" may not query"))
                .hint("Ask an administrator for the role \"query\"."),
        ));
    }
    let database = parameter("database").filter(|name| !name.is_empty()).unwrap_or("fiveply");
    let environment = endpoint.environment(database).await.map_err(End::Told)?;
    let session =
        open(endpoint, entry, identity, environment, &startup).await.map_err(End::Told)?;
    session.describe_to_others();
    connection.outgoing.push(&Back::Authentication(Authentication::Ok));
    connection.tell_settings(session.settings.told());
    let key = BackendKeyData::new(entry.process, SecretKey::I32(entry.secret));
    connection.outgoing.push(&Back::BackendKeyData(key));
    Ok(Some(session))
}

/// A client that asks for a newer protocol, or for options of it, is told what is spoken here.
fn negotiate(connection: &mut Connection, startup: &Startup) {
    let options: Vec<String> =
        startup.parameters.keys().filter(|name| name.starts_with("_pq_.")).cloned().collect();
    if startup.protocol_number_minor > 0 || !options.is_empty() {
        let told = NegotiateProtocolVersion::new(0, options);
        connection.outgoing.push(&Back::NegotiateProtocolVersion(told));
    }
}

async fn open(
    endpoint: &Arc<Endpoint>,
    entry: &Arc<Entry>,
    identity: Identity,
    environment: base::EnvironmentName,
    startup: &Startup,
) -> Result<Session, SqlError> {
    let platform = &endpoint.platform;
    let project = platform.project();
    let environments = endpoint.environments().await?;
    let users = platform.access.users().await.unwrap_or_default();
    let administers = |user: &access::User| user.roles.contains(&access::Role::Administer);
    let namespace = Some(project.target.schema.as_str());
    let admin = identity.may(Permission::Administer);
    let mut settings = Settings::new(namespace, &identity.name, admin);
    if let Some(limit) = endpoint.options.statement_timeout {
        settings.start("statement_timeout", &limit.as_millis().to_string())?;
    }
    for (name, value) in &startup.parameters {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => {
                for (name, value) in options(value) {
                    settings.start(&name, &value).map_err(fatal)?;
                }
            }
            name if name.starts_with("_pq_.") => {}
            name => settings.start(name, value).map_err(fatal)?,
        }
    }
    Ok(Session {
        endpoint: Arc::clone(endpoint),
        entry: Arc::clone(entry),
        identity,
        environment,
        environments: environments.iter().map(ToString::to_string).collect(),
        users: users.iter().map(|user| (user.name.clone(), administers(user))).collect(),
        settings,
        status: TransactionStatus::Idle,
        transaction: Transaction::default(),
        statements: std::collections::HashMap::new(),
        portals: std::collections::HashMap::new(),
        text: "".into(),
        token: tokio_util::sync::CancellationToken::new(),
        deadline: None,
        asked: Asked::default(),
    })
}

fn fatal(error: SqlError) -> SqlError {
    SqlError { fatal: true, ..error }
}

/// `-c name=value` and `--name=value`, as in `PGOPTIONS`.
fn options(text: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let after_c = at > 0 && words[at - 1] == "-c";
        let setting = word
            .strip_prefix("--")
            .or_else(|| word.strip_prefix("-c").filter(|rest| !rest.is_empty()))
            .or(after_c.then_some(*word));
        if let Some((name, value)) = setting.and_then(|setting| setting.split_once('=')) {
            found.push((name.replace('-', "_"), value.replace("\\ ", " ")));
        }
    }
    found
}

/// Who it is. On this machine, and while there is no administrator, everybody is taken at their
/// word; else a SCRAM exchange proves the password, or the secret of the token in `user+token`.
async fn authenticate(
    connection: &mut Connection,
    endpoint: &Endpoint,
    user: &str,
    peer: SocketAddr,
) -> Result<Identity, End> {
    let access = &endpoint.platform.access;
    let told = |error: access::AccessError| End::Told(SqlError::from(error));
    let guarded = access.has_administrator().await.map_err(told)?;
    if !guarded {
        return match peer.ip().is_loopback() {
            true => Ok(Identity { name: user.to_owned(), ..Identity::local() }),
            false => Err(End::Told(
                SqlError::fatal("28000", "there is no administrator yet")
                    .hint("Add one on the server's machine with `fiveply user add`."),
            )),
        };
    }
    let verifier = access.verifier(user).await.map_err(told)?;
    let methods = Authentication::SASL(vec![MECHANISM.to_owned()]);
    connection.outgoing.push(&Back::Authentication(methods));
    connection.outgoing.flush().await?;
    let Front::PasswordMessageFamily(first) = connection.incoming.next().await? else {
        return Err(violation("expected a SASL message"));
    };
    let malformed = |_| violation("malformed SASL message");
    let first = first.into_sasl_initial_response().map_err(malformed)?;
    if first.auth_method != MECHANISM {
        return Err(End::Told(SqlError::fatal("28000", format!("use {MECHANISM}"))));
    }
    let nonce = endpoint.platform.lake.randomness();
    let nonce = format!("{}{}", nonce.token(), nonce.token());
    let (exchange, answer) =
        Exchange::begin(&first.data.unwrap_or_default(), verifier, &nonce).map_err(End::Told)?;
    let challenge = Authentication::SASLContinue(Bytes::from(answer));
    connection.outgoing.push(&Back::Authentication(challenge));
    connection.outgoing.flush().await?;
    let Front::PasswordMessageFamily(proof) = connection.incoming.next().await? else {
        return Err(violation("expected a SASL message"));
    };
    let proof = proof.into_sasl_response().map_err(malformed)?;
    match exchange.finish(&proof.data).map_err(End::Told)? {
        Some(own) => {
            let identity = access.authenticated(user).await.map_err(told)?;
            let last = Authentication::SASLFinal(Bytes::from(own));
            connection.outgoing.push(&Back::Authentication(last));
            Ok(identity)
        }
        None => {
            access.attempt_failed(user);
            let message = format!("password authentication failed for user \"{user}\"");
            Err(End::Told(SqlError::fatal("28P01", message)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_command_line_are_settings() {
        let found = options("-c statement_timeout=5s --search-path=shop -cjit=off");
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["statement_timeout", "search_path", "jit"]);
    }
}
