//! `fiveply up`, started and ended by a test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{Fiveply, Http};

/// How long a server may take to open its doors, or to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running `fiveply up`; killed when dropped.
#[derive(Debug)]
pub struct Up {
    child: Child,
    /// What it said about its doors.
    pub doors: Value,
}

impl Fiveply {
    /// Starts `fiveply up` on free ports and waits until its doors are open.
    ///
    /// # Errors
    /// When it ends before; the message holds what it printed.
    pub fn up(&self, arguments: &[&str]) -> Result<Up> {
        let mut all = vec!["--output", "json", "up", "--port", "0"];
        all.extend(arguments);
        let mut command = self.command(&all);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("fiveply did not start")?;
        let stdout = child.stdout.take().context("standard output is piped")?;
        let mut stderr = child.stderr.take().context("standard error is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let Ok(doors) = serde_json::from_str(&line) else {
            let mut said = String::new();
            std::io::Read::read_to_string(&mut stderr, &mut said)?;
            bail!("`fiveply up` ended with {:?}: {line}{said}", child.wait()?);
        };
        // Nobody reads it, and a full pipe would stop the server.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Ok(Up { child, doors })
    }
}

impl Up {
    /// Where the web UI is.
    pub fn url(&self) -> &str {
        self.doors["url"].as_str().unwrap_or_default()
    }

    /// A caller of its API.
    pub fn http(&self) -> Http {
        Http::new(self.url())
    }

    /// The process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time, or not with 0.
    pub fn stop(mut self) -> Result<()> {
        let process = self.child.id().to_string();
        let asked = std::process::Command::new("kill").args(["-TERM", &process]).status()?;
        if !asked.success() {
            bail!("process {process} could not be asked to end");
        }
        let asked_at = Instant::now();
        while asked_at.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("`fiveply up` ended with {status}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("`fiveply up` did not end in {PATIENCE:?}")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
