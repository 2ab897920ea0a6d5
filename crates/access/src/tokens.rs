//! Tokens: what a program shows instead of a password.

use base::Secret;
use chrono::{DateTime, Utc};
use ledger::TokenRecord;
use serde::Serialize;

use crate::people::{check_name, roles, verifier_of, words};
use crate::secrets;
use crate::{Access, AccessError, Identity, Role};

/// How a token begins, so that people and secret scanners know one when they see it.
pub const TOKEN_PREFIX: &str = "fiveply_";

/// A token to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Whose it is.
    pub user: String,
    /// Its name among the user's tokens.
    pub name: String,
    /// What it may do; none of its own: what its user may do.
    pub roles: Vec<Role>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token as listed; its secret is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Whose it is.
    pub user: String,
    /// Its name among the user's tokens.
    pub name: String,
    /// What it may do; none of its own: what its user may do.
    pub roles: Vec<Role>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Access {
    /// Makes a token and gives its secret, which nobody can show again.
    ///
    /// # Errors
    /// When there is no such user, or the name is taken or cannot be used.
    pub async fn create_token(&self, new: &NewToken) -> Result<Secret<String>, AccessError> {
        check_name("token", &new.name)?;
        if self.ledger.user(&new.user).await?.is_none() {
            return Err(AccessError::NoUser { name: new.user.clone() });
        }
        let secret = secrets::secret(TOKEN_PREFIX)?;
        let record = TokenRecord {
            user: new.user.clone(),
            name: new.name.clone(),
            roles: words(&new.roles),
            digest: secrets::digest_of(secret.reveal()),
            verifier: verifier_of(secret.clone()).await?,
            created_at: self.now(),
            expires_at: new.expires_at,
        };
        if self.ledger.insert_token(&record).await? {
            Ok(secret)
        } else {
            Err(AccessError::TokenExists { user: record.user, name: record.name })
        }
    }

    /// Every token, by user and name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn tokens(&self) -> Result<Vec<Token>, AccessError> {
        let tokens = self.ledger.tokens().await?.into_iter();
        Ok(tokens
            .map(|token| Token {
                roles: roles(&token.roles),
                user: token.user,
                name: token.name,
                created_at: token.created_at,
                expires_at: token.expires_at,
            })
            .collect())
    }

    /// Takes a token back.
    ///
    /// # Errors
    /// When there is no such token.
    pub async fn revoke_token(&self, user: &str, name: &str) -> Result<(), AccessError> {
        if self.ledger.remove_token(user, name).await? {
            Ok(())
        } else {
            Err(AccessError::NoToken { user: user.to_owned(), name: name.to_owned() })
        }
    }

    /// Who shows a token.
    ///
    /// # Errors
    /// [`AccessError::WrongToken`] for one that does not hold.
    pub async fn token(&self, secret: &str) -> Result<Identity, AccessError> {
        let digest = secrets::digest_of(secret);
        let token = self.ledger.token_by_digest(&digest).await?;
        self.bearer(token.ok_or(AccessError::WrongToken)?).await
    }

    /// Who a token stands for: it may do what both it and its user may do.
    pub(crate) async fn bearer(&self, token: TokenRecord) -> Result<Identity, AccessError> {
        if token.expires_at.is_some_and(|ends| ends <= self.now()) {
            return Err(AccessError::WrongToken);
        }
        let user = self.ledger.user(&token.user).await?.ok_or(AccessError::WrongToken)?;
        let mut identity = Identity::new(user.name, &roles(&user.roles));
        if !token.roles.is_empty() {
            let own = Identity::new("", &roles(&token.roles)).permissions;
            identity.permissions.retain(|permission| own.contains(permission));
        }
        identity.token = Some(token.name);
        Ok(identity)
    }
}
