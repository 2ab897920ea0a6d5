//! The fault suite: ends the process at every commit step, first and later hits, or at any moment,
//! then has the work done again and compares the result with an undisturbed run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use base::fault::KillPoint;
use base::random::{Randomness, SeededRandomness};

use crate::state::compare;
use crate::{Depth, Fiveply, Folder, state};

/// How much was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultReport {
    /// Points × hits at which the process was ended.
    pub tried: u32,
    /// Of these, how many ended like an undisturbed run.
    pub passed: u32,
    /// How often each point was met.
    pub met: BTreeMap<&'static str, u32>,
}

impl FaultReport {
    /// Adds what another command met.
    pub fn add(&mut self, other: &Self) {
        self.tried += other.tried;
        self.passed += other.passed;
        for (point, count) in &other.met {
            *self.met.entry(point).or_default() += count;
        }
    }

    /// The points that no command met.
    pub fn never_met(&self) -> Vec<&'static str> {
        let all = KillPoint::ALL.iter().map(|point| point.name());
        all.filter(|point| !self.met.contains_key(point)).collect()
    }
}

impl std::fmt::Display for FaultReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tried, passed, met } = self;
        let points = KillPoint::ALL.len();
        write!(f, "{tried} point × hit tried, {passed} passed, {} of {points} points", met.len())
    }
}

/// One command to be disturbed, in a folder whose present state is where it starts from.
#[derive(Debug)]
pub struct KillSuite<'a> {
    /// Where the command runs.
    pub folder: &'a Folder,
    /// The binary.
    pub fiveply: &'a Fiveply,
    /// The command.
    pub arguments: &'a [&'a str],
    /// What is run after a kill.
    pub again: &'a [&'a str],
    /// The environment that is compared.
    pub environment: &'a str,
    /// How far row accounts are compared.
    pub depth: Depth,
}

impl KillSuite<'_> {
    /// Ends the command at each kill point and each of `hits`, runs `again`, and compares. Leaves
    /// the folder as it is after an undisturbed run.
    ///
    /// # Errors
    /// When a disturbed run ends in another state; the message names point and hit.
    pub fn every_point(&self, hits: &[u32]) -> Result<FaultReport> {
        let before = self.folder.copy()?;
        self.fiveply.good(self.arguments)?;
        let expected = self.state()?;
        let after = self.folder.copy()?;
        let mut report = FaultReport::default();
        for point in KillPoint::ALL {
            for hit in hits {
                self.folder.become_like(&before)?;
                if !self.fiveply.killed_at(*point, *hit, self.arguments)? {
                    break;
                }
                report.tried += 1;
                *report.met.entry(point.name()).or_default() += 1;
                let (command, again) = (self.arguments.join(" "), self.again.join(" "));
                let place =
                    || format!("`{command}` killed at {}:{hit}, then `{again}`", point.name());
                self.fiveply.good(self.again).with_context(place)?;
                compare(&expected, &self.state().with_context(place)?, place)?;
                report.passed += 1;
            }
        }
        self.folder.become_like(&after)?;
        Ok(report)
    }

    fn state(&self) -> Result<String> {
        state(self.folder.path(), self.environment, self.depth)
    }
}

/// Kills `commands` `times` times after random pauses, never longer than they take undisturbed;
/// each kill meets what the one before left. Then runs all commands to their end and compares with
/// one undisturbed round of them. Returns how many kills found the command running.
///
/// # Errors
/// When the end differs from an undisturbed round.
pub fn random_kills(
    folder: &Folder,
    fiveply: &Fiveply,
    commands: &[&[&str]],
    (times, seed): (u32, u64),
    environment: &str,
) -> Result<u32> {
    let before = folder.copy()?;
    let mut longest = Vec::new();
    for command in commands {
        let started = Instant::now();
        fiveply.good(command)?;
        longest.push(u64::try_from(started.elapsed().as_millis())?.max(1));
    }
    let expected = state(folder.path(), environment, Depth::Net)?;
    folder.become_like(&before)?;
    let randomness = SeededRandomness::new(seed);
    let (mut running, mut turns) = (0, commands.iter().zip(longest).cycle());
    for _kill in 0..times {
        let Some((command, longest)) = turns.next() else { break };
        let pause = Duration::from_millis(randomness.next_u64() % longest);
        running += u32::from(fiveply.killed_after(pause, command)?);
    }
    for command in commands {
        fiveply.good(command)?;
    }
    let place = || format!("after {times} random kills, seed {seed}");
    let found = state(folder.path(), environment, Depth::Net).with_context(place)?;
    compare(&expected, &found, place)?;
    Ok(running)
}
