//! The fault suite: ends the process at every commit step, first and later hits, then runs the
//! command again and has the result compared with an undisturbed run.

use anyhow::{Context, Result, ensure};
use base::fault::KillPoint;

use crate::{Fiveply, Folder};

/// How much was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultReport {
    /// Points × hits at which the process was ended.
    pub tried: u32,
    /// Of these, how many ended like an undisturbed run.
    pub passed: u32,
    /// Points that the command never passes.
    pub points_not_met: u32,
}

impl std::fmt::Display for FaultReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tried, passed, points_not_met } = self;
        write!(f, "kill points: {tried} point × hit tried, {passed} passed")?;
        write!(f, ", {points_not_met} points not met by this command")
    }
}

/// Ends `arguments` at each kill point and each of `hits`, runs them again until they succeed, and
/// compares what `state` says with an undisturbed run.
///
/// `start` makes a folder in the same state each time; `binary` makes the binary for a folder.
///
/// # Errors
/// When a disturbed run ends in another state; the message names point and hit.
pub fn every_kill_point(
    start: &dyn Fn() -> Result<Folder>,
    binary: &dyn Fn(&Folder) -> Fiveply,
    arguments: &[&str],
    hits: &[u32],
    state: &dyn Fn(&Fiveply) -> Result<String>,
) -> Result<FaultReport> {
    let undisturbed = start()?;
    let fiveply = binary(&undisturbed);
    fiveply.good(arguments)?;
    let expected = state(&fiveply)?;
    let mut report = FaultReport::default();
    for point in KillPoint::ALL {
        let mut met = false;
        for hit in hits {
            let folder = start()?;
            let fiveply = binary(&folder);
            if !fiveply.killed_at(*point, *hit, arguments)? {
                break;
            }
            met = true;
            report.tried += 1;
            let place = || format!("after a kill at {}, hit {hit}", point.name());
            fiveply.good(arguments).with_context(place)?;
            let found = state(&fiveply).with_context(place)?;
            ensure!(found == expected, "{}: expected\n{expected}\nfound\n{found}", place());
            report.passed += 1;
        }
        report.points_not_met += u32::from(!met);
    }
    Ok(report)
}
