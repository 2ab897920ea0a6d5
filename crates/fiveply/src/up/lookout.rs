//! Notices what is wrong while the process serves: after each run, and every minute.

use std::time::Duration;

use observability::Watcher;
use server::Loaded;
use tokio_util::sync::CancellationToken;
use transformation::Tools;

/// Pause between two looks at whether a run has ended.
const PAUSE: Duration = Duration::from_secs(3);
/// Pauses after which incidents are looked for in any case: a minute.
const PAUSES_MAX: u32 = 20;

/// Looks until the process is to end. What goes wrong with looking is logged and tried again.
pub(crate) async fn look_out(tools: Tools, loaded: Loaded, halt: CancellationToken) {
    let (ledger, environment) = (tools.ledger.clone(), tools.environment.clone());
    let mut watcher = Watcher::new(tools);
    let (mut last, mut pauses) = (None, PAUSES_MAX);
    loop {
        let run = ledger.latest_run(Some(&environment)).await.ok().flatten();
        let now = run.map(|run| (run.id, run.status));
        pauses += 1;
        if now != last || pauses > PAUSES_MAX {
            (last, pauses) = (now, 0);
            watcher.use_project(loaded.project());
            let looked = tokio::select! {
                looked = Box::pin(watcher.watch()) => looked,
                () = halt.cancelled() => return,
            };
            match looked {
                Ok(looked) if looked.opened.is_empty() && looked.closed.is_empty() => {}
                Ok(looked) => tracing::info!(
                    opened = looked.opened.len(),
                    closed = looked.closed.len(),
                    "incidents changed"
                ),
                Err(error) => tracing::warn!(%error, "incidents could not be looked for"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = halt.cancelled() => return,
        }
    }
}
