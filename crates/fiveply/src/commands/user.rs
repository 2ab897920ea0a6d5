//! `fiveply user`: who may log in.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use access::{Access, NewUser, Role};
use base::Secret;
use serde_json::json;

use crate::arguments::{Common, UserCommand};
use crate::console::{Console, Ink, columns};
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    command: &UserCommand,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let access = Access::new(place.ledger.clone());
    match command {
        UserCommand::Add { name, role, password_stdin } => {
            let roles = read_roles(role)?;
            let (password, made) = choose_password(*password_stdin)?;
            let new = NewUser { name: name.clone(), password: password.clone(), roles };
            access.add_user(new).await?;
            show_password(name, &password, made, "added", console)?;
        }
        UserCommand::List => list(&access, console).await?,
        UserCommand::Remove { name } => {
            access.remove_user(name).await?;
            say(console, name, "removed")?;
        }
        UserCommand::Password { name, password_stdin } => {
            let (password, made) = choose_password(*password_stdin)?;
            access.set_password(name, password.clone()).await?;
            show_password(name, &password, made, "has another password", console)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(access: &Access, console: &Console) -> Result<(), Failure> {
    let users = access.users().await?;
    if console.json {
        return Ok(console.print(&json!(users).to_string())?);
    }
    if users.is_empty() {
        console.say("nobody yet; `fiveply user add <name> --role administer` adds somebody");
    }
    let rows = users.iter().map(|user| {
        let roles: Vec<&str> = user.roles.iter().map(|role| role.as_str()).collect();
        vec![user.name.clone(), roles.join(", ")]
    });
    for line in columns(&rows.collect::<Vec<_>>(), &[]) {
        console.print(&line)?;
    }
    Ok(())
}

/// The words of `--role` as roles.
pub(crate) fn read_roles(words: &[String]) -> Result<Vec<Role>, Failure> {
    let roles: Result<Vec<Role>, _> = words.iter().map(|word| word.parse()).collect();
    Ok(roles?)
}

/// A password from standard input, or a made one; and whether it was made.
fn choose_password(from_input: bool) -> Result<(Secret<String>, bool), Failure> {
    if !from_input {
        return Ok((Access::new_password()?, true));
    }
    let mut input = std::io::stdin().lock();
    if std::io::stdin().is_terminal() {
        let mut prompt = std::io::stderr().lock();
        let _ = write!(prompt, "password: ").and_then(|()| prompt.flush());
    }
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok((Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()), false))
}

fn show_password(
    name: &str,
    password: &Secret<String>,
    made: bool,
    done: &str,
    console: &Console,
) -> Result<(), Failure> {
    if !made {
        return say(console, name, done);
    }
    if console.json {
        let document = json!({"user": name, "status": done, "password": password.reveal()});
        return Ok(console.print(&document.to_string())?);
    }
    console.print(&format!("{name} {done}"))?;
    let shown = console.paint(Ink::Strong, password.reveal());
    Ok(console.print(&format!("password: {shown}   (shown once; keep it now)"))?)
}

fn say(console: &Console, name: &str, done: &str) -> Result<(), Failure> {
    if console.json {
        return Ok(console.print(&json!({"user": name, "status": done}).to_string())?);
    }
    Ok(console.print(&format!("{name} {done}"))?)
}
