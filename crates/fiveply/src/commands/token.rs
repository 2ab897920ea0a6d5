//! `fiveply token`: what programs show instead of a password.

use std::process::ExitCode;

use access::{Access, NewToken};
use chrono::TimeDelta;
use serde_json::json;

use crate::arguments::{Common, TokenCommand};
use crate::commands::user::read_roles;
use crate::console::{Console, Ink, columns};
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    command: &TokenCommand,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let access = Access::new(place.ledger.clone());
    match command {
        TokenCommand::Create { user, name, role, days } => {
            let ends = days.map(|days| place.clocks.machine.now() + TimeDelta::days(days.into()));
            let new = NewToken {
                user: user.clone(),
                name: name.clone(),
                roles: read_roles(role)?,
                expires_at: ends,
            };
            let secret = access.create_token(&new).await?;
            if console.json {
                let document = json!({"user": user, "name": name, "token": secret.reveal()});
                console.print(&document.to_string())?;
            } else {
                let shown = console.paint(Ink::Strong, secret.reveal());
                console.print(&format!("{shown}   (shown once; keep it now)"))?;
            }
        }
        TokenCommand::List => list(&access, console).await?,
        TokenCommand::Revoke { user, name } => {
            access.revoke_token(user, name).await?;
            if console.json {
                let document = json!({"user": user, "name": name, "status": "revoked"});
                console.print(&document.to_string())?;
            } else {
                console.print(&format!("token {name} of {user} revoked"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(access: &Access, console: &Console) -> Result<(), Failure> {
    let tokens = access.tokens().await?;
    if console.json {
        return Ok(console.print(&json!(tokens).to_string())?);
    }
    if tokens.is_empty() {
        console.say("no token yet; `fiveply token create <user> <name>` makes one");
    }
    let rows = tokens.iter().map(|token| {
        let roles: Vec<&str> = token.roles.iter().map(|role| role.as_str()).collect();
        let may = if roles.is_empty() { "as its user".to_owned() } else { roles.join(", ") };
        let ends = token.expires_at.map_or_else(
            || "never ends".to_owned(),
            |ends| format!("ends {}", ends.format("%Y-%m-%d %H:%M UTC")),
        );
        vec![token.user.clone(), token.name.clone(), may, ends]
    });
    for line in columns(&rows.collect::<Vec<_>>(), &[]) {
        console.print(&line)?;
    }
    Ok(())
}
