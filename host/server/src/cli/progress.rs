//! A bar on a terminal, nothing elsewhere; and who interrupts.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

/// How far a run of many steps is.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// So many steps there will be.
    pub(super) fn began(&self, steps: usize) {
        self.0.set_length(steps as u64);
    }

    /// What is being done.
    pub(super) fn at(&self, what: &'static str) {
        self.0.set_message(what);
    }

    /// One step is over.
    pub(super) fn done(&self) {
        self.0.inc(1);
    }

    /// Something to know before the end.
    pub(super) fn say(&self, line: String) {
        self.0.println(line);
    }

    pub(super) fn end(self) {
        self.0.finish_and_clear();
    }
}

/// Counts SIGINT and SIGTERM.
pub(super) fn interrupts() -> watch::Receiver<u32> {
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        // If no signal can be heard, the default action stays: the process ends.
        let _ = listen(&count).await;
    });
    counted
}

#[cfg(unix)]
async fn listen(count: &watch::Sender<u32>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        count.send_modify(|count| *count += 1);
    }
}

#[cfg(not(unix))]
async fn listen(count: &watch::Sender<u32>) -> std::io::Result<()> {
    loop {
        tokio::signal::ctrl_c().await?;
        count.send_modify(|count| *count += 1);
    }
}
