//! Logging in: with a password, with a SCRAM exchange, and staying logged in with a session.

use base::Secret;
use chrono::TimeDelta;
use ledger::SessionRecord;

use crate::people::roles;
use crate::secrets;
use crate::tokens::TOKEN_PREFIX;
use crate::verifier::Verifier;
use crate::{Access, AccessError, Identity};

/// Hours a browser stays logged in.
pub const SESSION_HOURS: i64 = 24;
/// Between a user's name and a token's name, where a protocol never sends the password itself.
const TOKEN_MARK: char = '+';
/// Letters of a password or token that is looked at; a longer one is wrong.
const SHOWN_LETTERS_MAX: usize = 1_024;

impl Access {
    /// Who knows this password. A token of the user counts as well.
    ///
    /// # Errors
    /// [`AccessError::WrongPassword`], which does not tell what is wrong;
    /// [`AccessError::TooManyAttempts`] after several wrong ones.
    pub async fn password(&self, user: &str, password: &str) -> Result<Identity, AccessError> {
        self.check_attempts(user)?;
        let shown = self.shown(user, password).await;
        match &shown {
            Ok(_) => self.attempts.succeeded(user),
            Err(AccessError::WrongPassword) => self.attempt_failed(user),
            Err(_) => {}
        }
        shown
    }

    async fn shown(&self, user: &str, password: &str) -> Result<Identity, AccessError> {
        if password.len() > SHOWN_LETTERS_MAX {
            return Err(AccessError::WrongPassword);
        }
        if password.starts_with(TOKEN_PREFIX) {
            let identity = self.token(password).await.map_err(|error| match error {
                AccessError::WrongToken => AccessError::WrongPassword,
                other => other,
            })?;
            let (name, _) = split(user);
            return if identity.name == name {
                Ok(identity)
            } else {
                Err(AccessError::WrongPassword)
            };
        }
        let record = self.ledger.user(user).await?;
        let verifier = match &record {
            Some(record) => read(user, &record.verifier)?,
            None => Verifier::of_nobody(user),
        };
        let password = Secret::new(password.to_owned());
        let fits = tokio::task::spawn_blocking(move || verifier.fits(password.reveal())).await;
        match record.filter(|_| fits.unwrap_or(false)) {
            Some(record) => Ok(Identity::new(record.name, &roles(&record.roles))),
            None => Err(AccessError::WrongPassword),
        }
    }

    /// What a SCRAM exchange checks against. `ana` stands for the password of the user, and
    /// `ana+laptop` for the user's token named `laptop`. Somebody unknown gets a verifier that
    /// nothing fits, so that the exchange does not tell who exists.
    ///
    /// # Errors
    /// [`AccessError::TooManyAttempts`] after several wrong passwords.
    pub async fn verifier(&self, user: &str) -> Result<Verifier, AccessError> {
        self.check_attempts(user)?;
        let (name, token) = split(user);
        let text = match token {
            Some(token) => self.ledger.token_named(name, token).await?.map(|one| one.verifier),
            None => self.ledger.user(name).await?.map(|one| one.verifier),
        };
        text.map_or_else(|| Ok(Verifier::of_nobody(user)), |text| read(user, &text))
    }

    /// Who it is, after a SCRAM exchange with [`Access::verifier`] succeeded.
    ///
    /// # Errors
    /// When the user or the token is gone meanwhile.
    pub async fn authenticated(&self, user: &str) -> Result<Identity, AccessError> {
        let (name, token) = split(user);
        let identity = match token {
            Some(token) => {
                let token = self.ledger.token_named(name, token).await?;
                self.bearer(token.ok_or(AccessError::WrongToken)?).await?
            }
            None => {
                let record = self.ledger.user(name).await?.ok_or(AccessError::WrongPassword)?;
                Identity::new(record.name, &roles(&record.roles))
            }
        };
        self.attempts.succeeded(user);
        Ok(identity)
    }

    /// Refuses a log-in that comes too early after several wrong passwords.
    ///
    /// # Errors
    /// [`AccessError::TooManyAttempts`].
    pub fn check_attempts(&self, user: &str) -> Result<(), AccessError> {
        self.attempts.check(user, self.now())
    }

    /// Counts a wrong password that a door found out by itself.
    pub fn attempt_failed(&self, user: &str) {
        self.attempts.failed(user, self.now());
    }

    /// Opens a session for somebody who logged in, and gives the value of its cookie.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn open_session(&self, identity: &Identity) -> Result<Secret<String>, AccessError> {
        let secret = secrets::secret("")?;
        let now = self.now();
        let session = SessionRecord {
            digest: secrets::digest_of(secret.reveal()),
            user: identity.name.clone(),
            created_at: now,
            expires_at: now + TimeDelta::hours(SESSION_HOURS),
        };
        self.ledger.insert_session(&session).await?;
        Ok(secret)
    }

    /// Whose session it is.
    ///
    /// # Errors
    /// [`AccessError::SessionEnded`].
    pub async fn session(&self, secret: &str) -> Result<Identity, AccessError> {
        let session = self.ledger.session(&secrets::digest_of(secret)).await?;
        let now = self.now();
        let session = session.filter(|session| now < session.expires_at);
        let session = session.ok_or(AccessError::SessionEnded)?;
        let user = self.ledger.user(&session.user).await?.ok_or(AccessError::SessionEnded)?;
        Ok(Identity::new(user.name, &roles(&user.roles)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn close_session(&self, secret: &str) -> Result<(), AccessError> {
        Ok(self.ledger.remove_session(&secrets::digest_of(secret)).await?)
    }
}

fn split(user: &str) -> (&str, Option<&str>) {
    user.split_once(TOKEN_MARK).map_or((user, None), |(name, token)| (name, Some(token)))
}

fn read(user: &str, text: &str) -> Result<Verifier, AccessError> {
    Verifier::from_text(text).ok_or_else(|| AccessError::Verifier { user: user.to_owned() })
}
