//! The demo's end: the company's platform served, until Ctrl-C.

use std::process::ExitCode;

use access::{Access, AccessError, NewUser, Role};
use base::Secret;
use serde_json::json;

use crate::arguments::{Common, UpArguments};
use crate::commands::load::Vendors;
use crate::console::{Console, Ink};
use crate::failure::Failure;
use crate::up::Up;
use crate::workplace::{self, Workplace};

/// The demo's administrator.
const USER: &str = "admin";

/// Serves the demo's project and says how to look at it.
///
/// # Errors
/// When a port is taken, or a door breaks.
pub(super) async fn serve(
    common: &Common,
    arguments: &UpArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let vendors = Vendors::start(common).await?;
    let opened = workplace::open_project(common, vendors.variables(), console)?;
    let place = Workplace::open(opened, None).await?;
    let password = administrator(&Access::new(place.ledger.clone())).await?;
    let root = place.root.clone();
    let up = Up::open(place, common, vendors, arguments, console).await?;
    if console.json {
        let document = json!({
            "status": "serving",
            "url": up.url(),
            "user": USER,
            "password": password.as_ref().map(Secret::reveal),
            "process": std::process::id(),
        });
        console.print(&document.to_string())?;
        return up.serve().await;
    }
    let shown = password.as_ref().map_or_else(
        || format!("as shown the first time; another one: fiveply user password {USER}"),
        |password| console.paint(Ink::Strong, password.reveal()),
    );
    let heading = |text: &str| console.paint(Ink::Strong, text);
    console.print("")?;
    console.print(&heading("Serving until Ctrl-C"))?;
    console.print(&format!("  web UI and API  {}", heading(&up.url())))?;
    console.print(&format!("  user            {USER}"))?;
    console.print(&format!("  password        {shown}"))?;
    console.print("")?;
    console.print(&heading("Three things to try"))?;
    for line in things_to_try(&up.url(), &root.display().to_string()) {
        console.print(&line)?;
    }
    up.serve().await
}

/// The demo's administrator and, the first time, the password.
async fn administrator(access: &Access) -> Result<Option<Secret<String>>, Failure> {
    let password = Access::new_password()?;
    let new = NewUser {
        name: USER.to_owned(),
        password: password.clone(),
        roles: vec![Role::Administer],
    };
    match access.add_user(new).await {
        Ok(()) => Ok(Some(password)),
        Err(AccessError::UserExists { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn things_to_try(url: &str, root: &str) -> Vec<String> {
    let here = |command: &str| format!("  cd {root} && fiveply {command}");
    vec![
        format!("  {url}/   what is fresh, late or broken, and whose"),
        here("diagnose signups_daily --on 2026-05-22   why is the number what it is?"),
        here("job run hourly   load, build and test everything again"),
    ]
}
