//! What the catalog asks of the connection it answers.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::error::QueryError;

/// A setting, as `pg_settings` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value now.
    pub value: String,
    /// What it is for.
    pub description: String,
}

/// A connection, as `pg_stat_activity` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Its number.
    pub process: i32,
    /// The environment it reads.
    pub database: String,
    /// Who.
    pub user: String,
    /// What the program calls itself.
    pub application: String,
    /// `active`, `idle`, `idle in transaction`, …
    pub state: String,
    /// The statement that runs or ran last.
    pub query: String,
    /// Since when it is open.
    pub opened: DateTime<Utc>,
    /// When that statement began.
    pub began: Option<DateTime<Utc>>,
}

/// One connection, as functions and relations about it see it.
pub trait Host: Send + Sync {
    /// Who asks.
    fn user(&self) -> String;
    /// The environment, which clients know as the database.
    fn database(&self) -> String;
    /// All environments.
    fn databases(&self) -> Vec<String>;
    /// Every user, and whether they administer.
    fn users(&self) -> Vec<(String, bool)>;
    /// Namespaces in which bare names are looked up, first to last.
    fn search_path(&self) -> Vec<String>;
    /// The number of the connection.
    fn process_id(&self) -> i32;
    /// The moment of the statement or its transaction, on the business clock.
    fn now(&self) -> DateTime<Utc>;
    /// When the server began.
    fn started(&self) -> DateTime<Utc>;
    /// The value of a setting; none for a name that is no setting.
    fn setting(&self, name: &str) -> Option<String>;
    /// All settings.
    fn settings(&self) -> Vec<Setting>;
    /// Changes a setting and gives its new value.
    ///
    /// # Errors
    /// When the name or the value is not accepted.
    fn set(&self, name: &str, value: &str, local: bool) -> Result<String, QueryError>;
    /// All connections.
    fn activity(&self) -> Vec<Activity>;
    /// Ends another connection's statement, or the connection; says whether there was one.
    ///
    /// # Errors
    /// When this user may not.
    fn stop(&self, process: i32, terminate: bool) -> Result<bool, QueryError>;
    /// The answer is wanted no sooner than after this time.
    fn sleep(&self, time: Duration);
    /// Whether the statement was cancelled.
    fn ended(&self) -> bool;
}
