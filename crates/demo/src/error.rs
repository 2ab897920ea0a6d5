//! What may go wrong while the company is played.

use std::path::PathBuf;

use base::ErrorKind;
use chrono::{DateTime, Utc};

use crate::Incident;

/// What went wrong while the company was played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The scale is no size.
    #[error("the scale must be between 0.0001 and 100, \"{scale}\" is not")]
    Scale {
        /// What was asked.
        scale: f64,
    },
    /// The moment is not one of the play.
    #[error("the company is played from {first} to {last}, \"{until}\" lies outside")]
    Outside {
        /// What was asked.
        until: DateTime<Utc>,
        /// When the play begins.
        first: DateTime<Utc>,
        /// When the play ends.
        last: DateTime<Utc>,
    },
    /// The folder was played further already.
    #[error(
        "\"{dir}\" was played to {played} already, \"{until}\" is earlier; name a later moment \
         or another --dir"
    )]
    Played {
        /// The project folder.
        dir: PathBuf,
        /// Where the play stands.
        played: DateTime<Utc>,
        /// What was asked.
        until: DateTime<Utc>,
    },
    /// The folder holds a company of another seed or scale.
    #[error(
        "\"{dir}\" holds the company of seed {seed} at scale {scale}; ask for the same ones or \
         name another --dir"
    )]
    OtherCompany {
        /// The project folder.
        dir: PathBuf,
        /// Its seed.
        seed: u64,
        /// Its scale.
        scale: f64,
    },
    /// An incident was asked for after its moment.
    #[error(
        "incident {incident} begins at {begins}, \"{dir}\" was played to {played} without it; \
         name another --dir"
    )]
    TooLate {
        /// The incident.
        incident: Incident,
        /// When it begins.
        begins: DateTime<Utc>,
        /// The project folder.
        dir: PathBuf,
        /// Where the play stands.
        played: DateTime<Utc>,
    },
    /// A name that is no incident.
    #[error("\"{name}\" is no incident; there are w1, w5, w6, and none")]
    NoSuchIncident {
        /// What was asked.
        name: String,
    },
    /// A file of the play does not hold what it should.
    #[error("{path}: {message}; remove the folder and play the company again")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        message: String,
    },
    /// The disk refused.
    #[error("{path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A vendor's server could not listen.
    #[error("no free port on loopback for the vendor \"{vendor}\": {source}")]
    Port {
        /// The vendor.
        vendor: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

impl DemoError {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Scale { .. }
            | Self::Outside { .. }
            | Self::Played { .. }
            | Self::OtherCompany { .. }
            | Self::TooLate { .. }
            | Self::NoSuchIncident { .. } => ErrorKind::Project,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::File { .. } => ErrorKind::Storage,
            Self::Port { .. } => ErrorKind::Transient,
        }
    }

    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::File { path: path.to_path_buf(), source }
    }
}
