//! Ctrl-C and SIGTERM.

use std::time::Duration;

use orchestration::Stops;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::console::Console;

/// How long running steps may take to stop before the process no longer waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a first Ctrl-C or SIGTERM cancels; it stops listening when dropped.
#[derive(Debug)]
pub(crate) struct CancelOnSignal {
    pub(crate) stops: Stops,
    listener: tokio::task::JoinHandle<()>,
}

impl Drop for CancelOnSignal {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Listens for Ctrl-C and SIGTERM; running steps are asked to stop.
pub(crate) fn cancel_on_signal(console: &Console) -> CancelOnSignal {
    let stops = Stops::default();
    let (cancelled, console) = (stops.cancel.clone(), console.clone());
    let listener = tokio::spawn(async move {
        terminated().await;
        console.complain("stopping: running steps end, nothing half-done is published");
        cancelled.cancel();
        end_at_next_signal(&console, "`fiveply retry` goes on from here").await;
    });
    CancelOnSignal { stops, listener }
}

/// Waits for another Ctrl-C or SIGTERM, and ends the process.
pub(crate) async fn end_at_next_signal(console: &Console, afterwards: &str) {
    let said = async {
        tokio::time::sleep(PATIENCE).await;
        console.complain("still stopping; a second Ctrl-C ends at once and loses nothing either");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = terminated() => {}
        () = said => {}
    }
    console.complain(&format!("ended at once; {afterwards}"));
    // What is not pointed to is garbage: nothing needs to be undone.
    let own = rustix::process::getpid();
    let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn terminated() {
    Signals::listen().next().await;
}

/// Ctrl-C and SIGTERM from the moment on at which this was made: none is missed in between.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        Self {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
        }
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            () = received(&mut self.interrupt) => {}
            () = received(&mut self.terminate) => {}
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
