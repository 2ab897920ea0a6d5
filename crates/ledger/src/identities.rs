//! Users, tokens and sessions. Passwords and secrets never come here: a password arrives as its
//! SCRAM verifier, a token or a session as the digest of its secret.

use chrono::{DateTime, Utc};

use crate::records::Record;
use crate::transaction::sql;
use crate::words::moment;
use crate::{Ledger, LedgerError};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// The name by which the user logs in.
    pub name: String,
    /// The SCRAM verifier of the password, as PostgreSQL writes it.
    pub verifier: String,
    /// The words of the user's roles.
    pub roles: Vec<String>,
    /// When the user was added, by the machine clock.
    pub created_at: DateTime<Utc>,
}

/// A token of a user, for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Whose it is.
    pub user: String,
    /// Its name, one of a kind among the user's tokens.
    pub name: String,
    /// The words of its roles; it may never do more than its user.
    pub roles: Vec<String>,
    /// SHA-256 of the secret.
    pub digest: String,
    /// The SCRAM verifier of the secret, for protocols that never send it.
    pub verifier: String,
    /// When it was made, by the machine clock.
    pub created_at: DateTime<Utc>,
    /// When it ends, by the machine clock.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A browser that logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// SHA-256 of the cookie's value.
    pub digest: String,
    /// Who logged in.
    pub user: String,
    /// When, by the machine clock.
    pub created_at: DateTime<Utc>,
    /// When it ends, by the machine clock.
    pub expires_at: DateTime<Utc>,
}

fn list(words: &[String]) -> String {
    serde_json::Value::from(words.to_vec()).to_string()
}

fn read_user(record: &Record) -> Result<UserRecord, LedgerError> {
    Ok(UserRecord {
        name: record.text("name")?,
        verifier: record.text("verifier")?,
        roles: record.json("roles")?,
        created_at: record.time("created_at")?,
    })
}

fn read_token(record: &Record) -> Result<TokenRecord, LedgerError> {
    Ok(TokenRecord {
        user: record.text("user")?,
        name: record.text("name")?,
        roles: record.json("roles")?,
        digest: record.text("digest")?,
        verifier: record.text("verifier")?,
        created_at: record.time("created_at")?,
        expires_at: record.maybe_time("expires_at")?,
    })
}

fn read_session(record: &Record) -> Result<SessionRecord, LedgerError> {
    Ok(SessionRecord {
        digest: record.text("digest")?,
        user: record.text("user")?,
        created_at: record.time("created_at")?,
        expires_at: record.time("expires_at")?,
    })
}

impl Ledger {
    /// Adds a user; false when the name is taken.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn insert_user(&self, user: &UserRecord) -> Result<bool, LedgerError> {
        let statement = sql(concat!(
            "INSERT INTO users (name, verifier, roles, created_at) VALUES (?, ?, ?, ?) ",
            "ON CONFLICT DO NOTHING"
        ));
        let statement = statement
            .bind(user.name.clone())
            .bind(user.verifier.clone())
            .bind(list(&user.roles))
            .bind(moment(user.created_at));
        Ok(self.execute(statement).await? == 1)
    }

    /// Gives a user another password and ends the user's sessions; false when there is no such
    /// user.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_user_verifier(&self, name: &str, verifier: &str) -> Result<bool, LedgerError> {
        let mut write = self.write().await?;
        let statement = sql("UPDATE users SET verifier = ? WHERE name = ?");
        let statement = statement.bind(verifier.to_owned()).bind(name.to_owned());
        let touched = write.execute(statement).await?;
        write.execute(sql("DELETE FROM sessions WHERE user = ?").bind(name.to_owned())).await?;
        write.commit().await?;
        Ok(touched == 1)
    }

    /// Gives a user other roles; false when there is no such user.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn set_user_roles(&self, name: &str, roles: &[String]) -> Result<bool, LedgerError> {
        let statement = sql("UPDATE users SET roles = ? WHERE name = ?");
        Ok(self.execute(statement.bind(list(roles)).bind(name.to_owned())).await? == 1)
    }

    /// Removes a user with all tokens and sessions; false when there is no such user.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn remove_user(&self, name: &str) -> Result<bool, LedgerError> {
        let mut write = self.write().await?;
        write.execute(sql("DELETE FROM sessions WHERE user = ?").bind(name.to_owned())).await?;
        write.execute(sql("DELETE FROM tokens WHERE user = ?").bind(name.to_owned())).await?;
        let statement = sql("DELETE FROM users WHERE name = ?").bind(name.to_owned());
        let touched = write.execute(statement).await?;
        write.commit().await?;
        Ok(touched == 1)
    }

    /// A user.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn user(&self, name: &str) -> Result<Option<UserRecord>, LedgerError> {
        let statement = sql("SELECT * FROM users WHERE name = ?").bind(name.to_owned());
        self.row(statement).await?.as_ref().map(read_user).transpose()
    }

    /// Every user, by name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn users(&self) -> Result<Vec<UserRecord>, LedgerError> {
        let rows = self.rows(sql("SELECT * FROM users ORDER BY name")).await?;
        rows.iter().map(read_user).collect()
    }

    /// Keeps a token; false when the user has one of that name.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn insert_token(&self, token: &TokenRecord) -> Result<bool, LedgerError> {
        let statement = sql(concat!(
            "INSERT INTO tokens (user, name, roles, digest, verifier, created_at, expires_at) ",
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        ));
        let statement = statement
            .bind(token.user.clone())
            .bind(token.name.clone())
            .bind(list(&token.roles))
            .bind(token.digest.clone())
            .bind(token.verifier.clone())
            .bind(moment(token.created_at))
            .bind(token.expires_at.map(moment));
        Ok(self.execute(statement).await? == 1)
    }

    /// Removes a token; false when there is no such token.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn remove_token(&self, user: &str, name: &str) -> Result<bool, LedgerError> {
        let statement = sql("DELETE FROM tokens WHERE user = ? AND name = ?");
        let statement = statement.bind(user.to_owned()).bind(name.to_owned());
        Ok(self.execute(statement).await? == 1)
    }

    /// The token whose secret has this digest.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn token_by_digest(&self, digest: &str) -> Result<Option<TokenRecord>, LedgerError> {
        let statement = sql("SELECT * FROM tokens WHERE digest = ?").bind(digest.to_owned());
        self.row(statement).await?.as_ref().map(read_token).transpose()
    }

    /// A user's token by its name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn token_named(
        &self,
        user: &str,
        name: &str,
    ) -> Result<Option<TokenRecord>, LedgerError> {
        let statement = sql("SELECT * FROM tokens WHERE user = ? AND name = ?");
        let statement = statement.bind(user.to_owned()).bind(name.to_owned());
        self.row(statement).await?.as_ref().map(read_token).transpose()
    }

    /// Every token, by user and name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>, LedgerError> {
        let rows = self.rows(sql("SELECT * FROM tokens ORDER BY user, name")).await?;
        rows.iter().map(read_token).collect()
    }

    /// Keeps a session and forgets those that ended.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn insert_session(&self, session: &SessionRecord) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        let ended = sql("DELETE FROM sessions WHERE expires_at <= ?");
        write.execute(ended.bind(moment(session.created_at))).await?;
        let statement =
            sql("INSERT INTO sessions (digest, user, created_at, expires_at) VALUES (?, ?, ?, ?)");
        let statement = statement
            .bind(session.digest.clone())
            .bind(session.user.clone())
            .bind(moment(session.created_at))
            .bind(moment(session.expires_at));
        write.execute(statement).await?;
        write.commit().await
    }

    /// The session whose cookie has this digest, ended or not.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn session(&self, digest: &str) -> Result<Option<SessionRecord>, LedgerError> {
        let statement = sql("SELECT * FROM sessions WHERE digest = ?").bind(digest.to_owned());
        self.row(statement).await?.as_ref().map(read_session).transpose()
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn remove_session(&self, digest: &str) -> Result<(), LedgerError> {
        let statement = sql("DELETE FROM sessions WHERE digest = ?").bind(digest.to_owned());
        self.execute(statement).await.map(drop)
    }
}
