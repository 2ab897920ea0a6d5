//! The demo's end: the company's platform served, until Ctrl-C.

use std::process::ExitCode;

use access::{Access, AccessError, NewUser, Role};
use base::Secret;
use serde_json::{Value, json};

use super::tries::{self, Around, Thing, Trouble};
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
    let trouble = tries::trouble(&place).await?;
    let up = Up::open(place, common, vendors, arguments, console).await?;
    let around = Around {
        url: up.url(),
        sql_url: up.sql_url(),
        user: USER,
        password: password.as_ref().map(|password| password.reveal().as_str()),
        project: common.project_dir.as_deref(),
    };
    let things = tries::things(&around, trouble.as_ref());
    if console.json {
        let tries: Vec<Value> =
            things.iter().map(|one| json!({"what": one.what, "command": one.command})).collect();
        let document = json!({
            "status": "serving",
            "url": around.url,
            "sql": around.sql_url,
            "user": USER,
            "password": around.password,
            "trouble": trouble.as_ref().map(|trouble| &trouble.headline),
            "incident": trouble.as_ref().and_then(|trouble| trouble.page(&around.url)),
            "tries": tries,
            "process": std::process::id(),
        });
        console.print(&document.to_string())?;
        return up.serve().await;
    }
    show(&around, trouble.as_ref(), &things, console)?;
    up.serve().await
}

fn show(
    around: &Around<'_>,
    trouble: Option<&Trouble>,
    things: &[Thing],
    console: &Console,
) -> Result<(), Failure> {
    let shown = around.password.map_or_else(
        || format!("as shown the first time; another one: fiveply user password {USER}"),
        |password| console.paint(Ink::Strong, password),
    );
    let heading = |text: &str| console.paint(Ink::Strong, text);
    console.print("")?;
    console.print(&heading("Serving until Ctrl-C"))?;
    console.print(&format!("  web UI and API  {}", heading(&around.url)))?;
    console.print(&format!("  SQL             {}", around.sql_url))?;
    console.print(&format!("  user            {USER}"))?;
    console.print(&format!("  password        {shown}"))?;
    if let Some(trouble) = trouble {
        console.print("")?;
        console.print(&heading("Something went wrong in this company"))?;
        console.print(&format!("  {}", trouble.headline))?;
        if let Some(page) = trouble.page(&around.url) {
            console.print(&format!("  {page}"))?;
        }
    }
    console.print("")?;
    console.print(&heading("Three things to try, in another terminal"))?;
    for thing in things {
        console.print(&format!("  # {}", thing.what))?;
        console.print(&format!("  {}", thing.command))?;
    }
    Ok(())
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
