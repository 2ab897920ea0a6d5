//! Who may do what: users, tokens, roles and the permissions that every door asks for.
//!
//! Identities are kept in the ledger; a password is never kept, only the SCRAM verifier that both
//! the PostgreSQL wire protocol and the web's log-in check against. A door asks
//! [`Access::password`], [`Access::token`] or [`Access::session`] who somebody is, and
//! [`Identity::may`] what that somebody may do. Read `server` next, which has the doors.

mod attempts;
mod error;
mod identity;
mod logins;
mod people;
mod secrets;
mod tokens;
mod verifier;

pub use error::AccessError;
pub use identity::{Identity, Permission, Role};
pub use logins::SESSION_HOURS;
pub use people::{NewUser, User};
pub use tokens::{NewToken, TOKEN_PREFIX, Token};
pub use verifier::Verifier;

use std::sync::Arc;

use ledger::Ledger;

use crate::attempts::Attempts;

/// Knows everybody. A clone is cheap and shares the count of failed attempts.
#[derive(Clone, Debug)]
pub struct Access {
    ledger: Ledger,
    attempts: Arc<Attempts>,
}

impl Access {
    /// Everybody a ledger knows.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, attempts: Arc::default() }
    }

    /// Whether somebody may administer. Without one, doors open on this machine alone.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn has_administrator(&self) -> Result<bool, AccessError> {
        let users = self.users().await?;
        Ok(users.iter().any(|user| user.roles.contains(&Role::Administer)))
    }
}
