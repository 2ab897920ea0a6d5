//! `fiveply docs serve`: the page that `docs generate` wrote, in a browser.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::arguments::{Common, ServeDocsArguments};
use crate::console::Console;
use crate::failure::Failure;
use crate::signals::terminated;
use crate::workplace;

pub(crate) async fn run(
    common: &Common,
    arguments: &ServeDocsArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let root = workplace::find_root(common.project_dir.as_deref())?;
    let folder = root.join(common.target_path.clone().unwrap_or_else(|| PathBuf::from("target")));
    if !folder.join("index.html").is_file() {
        return Err(Failure::usage(format!("there is no page in \"{}\"", folder.display()))
            .help("Run `fiveply docs generate` first."));
    }
    let place = format!("{}:{}", arguments.host, arguments.port);
    let listener = TcpListener::bind(&place).await.map_err(|error| {
        Failure::usage(format!("\"{place}\" cannot be listened on: {error}"))
            .help("Choose another port with --port; 0 takes a free one.")
    })?;
    let address = format!("http://{}", listener.local_addr()?);
    console.say(&format!("the project's documentation is at {address}; Ctrl-C ends it"));
    if !arguments.no_browser {
        open(&address);
    }
    let shutdown = CancellationToken::new();
    let ends = shutdown.clone();
    let waiting = tokio::spawn(async move {
        terminated().await;
        ends.cancel();
    });
    let served = server::serve_folder(folder, listener, shutdown).await;
    waiting.abort();
    served?;
    Ok(ExitCode::SUCCESS)
}

/// Asks the desktop to show a page; where there is none, the address was said.
fn open(address: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(address).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    // The child is the desktop's: nobody here waits for it.
    let _ = command.spawn();
}
