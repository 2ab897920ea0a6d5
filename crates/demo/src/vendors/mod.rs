//! The vendors' HTTP servers on loopback. Each shows the company's records as they stood at one
//! moment, in its own way of paging, naming changes and asking for patience.

mod accounts;
mod billing;
mod crm;
mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::world::World;
use crate::{DemoError, Incident};

/// The key all three vendors accept. It opens nothing but this machine's synthetic company.
const KEY: &str = "demo-key";

/// The running servers; they stop when this is dropped.
#[derive(Debug)]
pub struct Vendors {
    /// Port of the billing vendor (Stripe's ways).
    pub billing_port: u16,
    /// Port of the CRM (Salesforce's ways).
    pub crm_port: u16,
    /// Port of the support vendor (Zendesk's ways).
    pub support_port: u16,
    // Aborts the servers when dropped.
    _servers: JoinSet<()>,
}

impl Vendors {
    pub(crate) async fn start(
        world: &World,
        now: i64,
        incidents: &[Incident],
        dir: &Path,
    ) -> Result<Self, DemoError> {
        let mut servers = JoinSet::new();
        let renamed = incidents.contains(&Incident::W5) && now >= Incident::W5.begins_at();
        let twice_from = incidents.contains(&Incident::W6).then(|| Incident::W6.begins_at());
        let billing = Arc::new(billing::Billing::new(world, now));
        let crm = Arc::new(crm::Crm::new(world, now, renamed));
        let accounts = Arc::new(accounts::Accounts::of(dir));
        let crm = crm::routes(crm).merge(accounts::routes(accounts));
        let support = Arc::new(support::Support::new(world, now, twice_from));
        Ok(Self {
            billing_port: serve(&mut servers, "billing", billing::routes(billing)).await?,
            crm_port: serve(&mut servers, "crm", crm).await?,
            support_port: serve(&mut servers, "support", support::routes(support)).await?,
            _servers: servers,
        })
    }

    /// The variables by which the project's ingest files find the vendors.
    pub fn environment(&self) -> Vec<(String, String)> {
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        vec![
            ("FIVEPLY_DEMO_BILLING_URL".to_owned(), url(self.billing_port)),
            ("FIVEPLY_DEMO_CRM_URL".to_owned(), url(self.crm_port)),
            ("FIVEPLY_DEMO_SUPPORT_URL".to_owned(), url(self.support_port)),
            ("FIVEPLY_DEMO_KEY".to_owned(), KEY.to_owned()),
        ]
    }
}

async fn serve(
    servers: &mut JoinSet<()>,
    vendor: &'static str,
    routes: Router,
) -> Result<u16, DemoError> {
    let port = |source| DemoError::Port { vendor, source };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(address).await.map_err(port)?;
    let bound = listener.local_addr().map_err(port)?.port();
    servers.spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::warn!(vendor, %error, "vendor's server ended");
        }
    });
    Ok(bound)
}

/// Whether the request carries the key as a bearer token.
fn carries_key(headers: &HeaderMap) -> bool {
    let sent = headers.get("authorization").and_then(|value| value.to_str().ok());
    sent.and_then(|text| text.strip_prefix("Bearer ")).is_some_and(|token| token == KEY)
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, axum::Json(body)).into_response()
}

fn good(body: &Value) -> Response {
    answer(StatusCode::OK, body)
}

/// Adds an `id`-like text of a prefix and a number.
fn id(prefix: &str, number: u64, digits: usize) -> String {
    let mut text = prefix.to_owned();
    crate::line::push_padded(&mut text, number, digits);
    text
}

fn refused() -> Response {
    answer(StatusCode::UNAUTHORIZED, &json!({"error": {"message": "no valid key was sent"}}))
}
