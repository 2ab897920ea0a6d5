//! Serving a project, its jobs, and the people and programs that come in.

use clap::{Args, Subcommand};

/// The usual port of web UI and API.
pub(crate) const DEFAULT_PORT: u16 = 7070;
/// The usual port of the SQL endpoint.
pub(crate) const DEFAULT_SQL_PORT: u16 = 5439;

/// Options of `up`.
#[derive(Clone, Debug, Args)]
pub(crate) struct UpArguments {
    /// Port of web UI and API; 0 takes a free one [default: 7070, or a free one]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Port of the SQL endpoint; 0 takes a free one [default: 5439, or a free one]
    #[arg(long, value_name = "PORT")]
    pub(crate) sql_port: Option<u16>,
    /// Address to listen on; beyond this machine only when there is an administrator
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) host: String,
    /// Look at no schedule; jobs run only when asked for
    #[arg(long)]
    pub(crate) no_schedule: bool,
}

/// What `job` does.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// List the jobs of jobs/, when they run next and how they ended
    List,
    /// Run a job now, whatever its schedule says
    #[command(after_help = "Example: fiveply job run morning")]
    Run {
        /// The job
        name: String,
    },
}

/// What `user` does.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user and print a password, or read one from standard input
    #[command(after_help = "Examples:
  fiveply user add ana --role administer
  fiveply user add bob --role query --role run
  echo \"$PASSWORD\" | fiveply user add eve --role see --password-stdin")]
    Add {
        /// Name to log in by
        name: String,
        /// What the user may do: see, query, edit, run, administer
        #[arg(long, required = true, value_name = "ROLE")]
        role: Vec<String>,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// List all users and their roles
    List,
    /// Remove a user with all tokens
    Remove {
        /// The user
        name: String,
    },
    /// Set another password, made or from standard input
    Password {
        /// The user
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
}

/// What `token` does.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token of a user and print it once
    #[command(after_help = "Examples:
  fiveply token create ana ci --role run --days 90
  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:7070/api/v1/project")]
    Create {
        /// Whose it is
        user: String,
        /// Its name
        name: String,
        /// What it may do at most [default: what its user may do]
        #[arg(long, value_name = "ROLE")]
        role: Vec<String>,
        /// Days after which it ends
        #[arg(long, value_name = "DAYS")]
        days: Option<u32>,
    },
    /// List all tokens
    List,
    /// Take a token back
    Revoke {
        /// Whose it is
        user: String,
        /// Its name
        name: String,
    },
}
