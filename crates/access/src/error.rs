//! What can go wrong with identities.

use base::ErrorKind;
use ledger::LedgerError;

/// Why somebody is not let in, or not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The name or the secret is wrong; which of the two is not told.
    #[error("the user name or the password is wrong")]
    WrongPassword,
    /// A token that was never made, was revoked or has ended.
    #[error("the token does not hold: it was never made, was revoked or has ended")]
    WrongToken,
    /// A session that was never opened or has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// Too many wrong passwords one after the other.
    #[error("too many wrong passwords for \"{user}\"; the next try counts in {seconds} s")]
    TooManyAttempts {
        /// Whose.
        user: String,
        /// Seconds to wait.
        seconds: u64,
    },
    /// The user does not exist.
    #[error("there is no user \"{name}\"")]
    NoUser {
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("there is a user \"{name}\" already")]
    UserExists {
        /// The name.
        name: String,
    },
    /// The last administrator would be gone.
    #[error("\"{name}\" is the last administrator")]
    LastAdministrator {
        /// The name.
        name: String,
    },
    /// The token does not exist.
    #[error("\"{user}\" has no token \"{name}\"")]
    NoToken {
        /// Whose.
        user: String,
        /// The token's name.
        name: String,
    },
    /// The token's name is taken.
    #[error("\"{user}\" has a token \"{name}\" already")]
    TokenExists {
        /// Whose.
        user: String,
        /// The token's name.
        name: String,
    },
    /// A name that cannot be used.
    #[error("\"{}\" cannot be the name of a {what}", .name.escape_debug())]
    Name {
        /// `user` or `token`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A password that cannot be used.
    #[error("the password {reason}")]
    Password {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no such role.
    #[error("there is no role \"{role}\"")]
    UnknownRole {
        /// The word.
        role: String,
    },
    /// The operating system gave no secure random numbers.
    #[error("the operating system gave no random numbers")]
    Randomness,
    /// The ledger holds a verifier that cannot be read.
    #[error("the verifier of \"{user}\" in the ledger cannot be read")]
    Verifier {
        /// Whose.
        user: String,
    },
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl AccessError {
    /// The kind, from which retry policy and advice follow.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::WrongPassword | Self::WrongToken | Self::SessionEnded => ErrorKind::Denied,
            Self::TooManyAttempts { .. } => ErrorKind::RateLimited,
            Self::NoUser { .. } | Self::NoToken { .. } => ErrorKind::NotFound,
            Self::UserExists { .. }
            | Self::TokenExists { .. }
            | Self::LastAdministrator { .. }
            | Self::Name { .. }
            | Self::Password { .. }
            | Self::UnknownRole { .. } => ErrorKind::Project,
            Self::Randomness => ErrorKind::Internal,
            Self::Verifier { .. } => ErrorKind::Corrupt,
            Self::Ledger(error) => error.kind(),
        }
    }

    /// A sentence that says what to do.
    pub fn help(&self) -> String {
        match self {
            Self::WrongPassword => {
                "Try again; `fiveply user password <name>` sets another password.".to_owned()
            }
            Self::WrongToken => "Make another one with `fiveply token create`.".to_owned(),
            Self::SessionEnded => "Log in again.".to_owned(),
            Self::TooManyAttempts { seconds, .. } => format!("Wait {seconds} s and try again."),
            Self::NoUser { .. } => "`fiveply user list` lists everybody.".to_owned(),
            Self::UserExists { name } => {
                format!("`fiveply user password {name}` sets another password.")
            }
            Self::LastAdministrator { .. } => {
                "Add another one first: `fiveply user add <name> --role administer`.".to_owned()
            }
            Self::NoToken { .. } => "`fiveply token list` lists all tokens.".to_owned(),
            Self::TokenExists { user, name } => {
                format!("Take another name, or first `fiveply token revoke {user} {name}`.")
            }
            Self::Name { .. } => "Use up to 64 letters, digits, `_`, `-`, `.` and `@`.".to_owned(),
            Self::Password { .. } => {
                "Use 8 to 256 letters, digits and signs of an English keyboard.".to_owned()
            }
            Self::UnknownRole { .. } => "Roles are: see, query, edit, run, administer.".to_owned(),
            Self::Randomness => ErrorKind::Internal.advice().to_owned(),
            Self::Verifier { user } => {
                format!("Set another password: `fiveply user password {user}`.")
            }
            Self::Ledger(error) => error.help().unwrap_or_else(|| error.kind().advice().to_owned()),
        }
    }
}
