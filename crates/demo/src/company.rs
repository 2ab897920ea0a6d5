//! A demo folder that is there already: what is played in it, and how far.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::world::World;
use crate::{DemoError, Incident, Moment, Truth, Vendors, calendar};

/// Name of the file that says which company a folder holds and where its play stands.
const STATE_FILE: &str = ".demo.json";

/// The company of a demo folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Company {
    /// The project folder.
    pub dir: PathBuf,
    /// Seed of the company.
    pub seed: u64,
    /// Scale of the company.
    pub scale: f64,
    /// The company's present: the business time the folder was played to.
    pub until: DateTime<Utc>,
    /// What was planted.
    pub incidents: Vec<Incident>,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    seed: u64,
    scale: f64,
    until: DateTime<Utc>,
    incidents: Vec<Incident>,
}

impl Company {
    /// The company of a project folder; none when the folder is an ordinary project.
    ///
    /// # Errors
    /// When the folder's state cannot be read.
    pub fn open(dir: &Path) -> Result<Option<Self>, DemoError> {
        let path = dir.join(STATE_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DemoError::file(&path)(error)),
        };
        let state: State = serde_json::from_slice(&text).map_err(|error| DemoError::Corrupt {
            path: path.clone(),
            message: error.to_string(),
        })?;
        Ok(Some(Self {
            dir: dir.to_path_buf(),
            seed: state.seed,
            scale: state.scale,
            until: state.until,
            incidents: state.incidents,
        }))
    }

    /// The moments at which the demo loads and builds to get from here to `until`, or to the end.
    pub fn schedule(&self, until: Option<DateTime<Utc>>) -> Vec<Moment> {
        crate::schedule(&self.incidents, Some(self.until), until.unwrap_or_else(calendar::end))
    }

    /// What really happened up to the company's present, without what is counted in files.
    pub fn truth(&self) -> Truth {
        let world = World::new(self.seed, self.scale);
        Truth::of(&world, self.until.timestamp(), &self.incidents)
    }

    /// Starts the vendors' servers, which show the company's present.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_vendors(&self) -> Result<Vendors, DemoError> {
        let world = World::new(self.seed, self.scale);
        Vendors::start(&world, self.until.timestamp(), &self.incidents, &self.dir).await
    }

    /// Remembers where the play stands. The file is replaced as a whole: a play that is cut off
    /// stands where it stood before, and makes the same files again.
    pub(crate) fn save(&self) -> Result<(), DemoError> {
        let state = State {
            seed: self.seed,
            scale: self.scale,
            until: self.until,
            incidents: self.incidents.clone(),
        };
        crate::play::replace_json(&self.dir.join(STATE_FILE), &state)
    }
}
