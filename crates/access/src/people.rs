//! Users: added, listed, given another password, removed.

use base::Secret;
use chrono::{DateTime, Utc};
use ledger::UserRecord;
use serde::Serialize;

use crate::secrets;
use crate::verifier::Verifier;
use crate::{Access, AccessError, Identity, Role};

/// Letters of a name.
const NAME_LETTERS_MAX: usize = 64;
/// Letters of a password.
const PASSWORD_LETTERS: std::ops::RangeInclusive<usize> = 8..=256;

/// A user to add.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name by which the user logs in.
    pub name: String,
    /// The password.
    pub password: Secret<String>,
    /// What the user may do.
    pub roles: Vec<Role>,
}

/// A user as listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// The name by which the user logs in.
    pub name: String,
    /// What the user may do.
    pub roles: Vec<Role>,
    /// When the user was added.
    pub created_at: DateTime<Utc>,
}

impl Access {
    /// Adds a user.
    ///
    /// # Errors
    /// When the name is taken, or name or password cannot be used.
    pub async fn add_user(&self, new: NewUser) -> Result<(), AccessError> {
        check_name("user", &new.name)?;
        if new.name == Identity::LOCAL {
            return Err(AccessError::Name { what: "user", name: new.name });
        }
        let record = UserRecord {
            verifier: verifier_of(new.password).await?,
            roles: words(&new.roles),
            created_at: self.now(),
            name: new.name,
        };
        if self.ledger.insert_user(&record).await? {
            Ok(())
        } else {
            Err(AccessError::UserExists { name: record.name })
        }
    }

    /// Everybody, by name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn users(&self) -> Result<Vec<User>, AccessError> {
        let users = self.ledger.users().await?.into_iter();
        Ok(users
            .map(|user| User {
                roles: roles(&user.roles),
                name: user.name,
                created_at: user.created_at,
            })
            .collect())
    }

    /// Gives a user another password; whoever is logged in as that user is logged out.
    ///
    /// # Errors
    /// When there is no such user, or the password cannot be used.
    pub async fn set_password(
        &self,
        name: &str,
        password: Secret<String>,
    ) -> Result<(), AccessError> {
        let verifier = verifier_of(password).await?;
        if self.ledger.set_user_verifier(name, &verifier).await? {
            self.attempts.succeeded(name);
            Ok(())
        } else {
            Err(AccessError::NoUser { name: name.to_owned() })
        }
    }

    /// Gives a user other roles.
    ///
    /// # Errors
    /// When there is no such user, or nobody could administer any more.
    pub async fn set_roles(&self, name: &str, roles: &[Role]) -> Result<(), AccessError> {
        if !roles.contains(&Role::Administer) {
            self.keep_an_administrator(name).await?;
        }
        if self.ledger.set_user_roles(name, &words(roles)).await? {
            Ok(())
        } else {
            Err(AccessError::NoUser { name: name.to_owned() })
        }
    }

    /// Removes a user with all tokens and sessions.
    ///
    /// # Errors
    /// When there is no such user, or other users would be left without an administrator.
    pub async fn remove_user(&self, name: &str) -> Result<(), AccessError> {
        self.keep_an_administrator(name).await?;
        if self.ledger.remove_user(name).await? {
            Ok(())
        } else {
            Err(AccessError::NoUser { name: name.to_owned() })
        }
    }

    /// The last administrator may only go as the last user: without one, everybody on this
    /// machine may do everything.
    async fn keep_an_administrator(&self, name: &str) -> Result<(), AccessError> {
        let users = self.users().await?;
        let administers = |user: &User| user.roles.contains(&Role::Administer);
        let is_one = users.iter().any(|user| user.name == name && administers(user));
        let another = users.iter().any(|user| user.name != name && administers(user));
        if is_one && !another && users.len() > 1 {
            return Err(AccessError::LastAdministrator { name: name.to_owned() });
        }
        Ok(())
    }

    /// A password for somebody who has none yet: hard to guess, easy to read aloud.
    ///
    /// # Errors
    /// When the operating system gives no random numbers.
    pub fn new_password() -> Result<Secret<String>, AccessError> {
        secrets::password()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.ledger.clocks().machine.now()
    }
}

/// Letters that neither a shell, a connection string nor a header could misread.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), AccessError> {
    let usable = |letter: char| letter.is_ascii_alphanumeric() || "_-.@".contains(letter);
    let first = name.chars().next().is_some_and(|letter| letter.is_ascii_alphanumeric());
    if first && name.len() <= NAME_LETTERS_MAX && name.chars().all(usable) {
        Ok(())
    } else {
        Err(AccessError::Name { what, name: name.to_owned() })
    }
}

/// Other letters than those of ASCII are spelled in more than one way by browsers and database
/// clients, so that a right password would sometimes be wrong.
fn check_password(password: &str) -> Result<(), AccessError> {
    let reason = if !PASSWORD_LETTERS.contains(&password.chars().count()) {
        "is too short or too long"
    } else if !password.chars().all(|letter| letter == ' ' || letter.is_ascii_graphic()) {
        "has letters that clients spell in more than one way"
    } else {
        return Ok(());
    };
    Err(AccessError::Password { reason })
}

/// Computed on a thread of its own: it takes longer than async code may.
pub(crate) async fn verifier_of(password: Secret<String>) -> Result<String, AccessError> {
    check_password(password.reveal())?;
    let computed = tokio::task::spawn_blocking(move || Verifier::of(password.reveal())).await;
    let verifier = computed.map_err(|_| AccessError::Randomness)??;
    Ok(verifier.to_text())
}

pub(crate) fn words(roles: &[Role]) -> Vec<String> {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    roles.into_iter().map(|role| role.as_str().to_owned()).collect()
}

/// Roles of the ledger; a word of a newer program permits nothing here.
pub(crate) fn roles(words: &[String]) -> Vec<Role> {
    words.iter().filter_map(|word| word.parse().ok()).collect()
}
