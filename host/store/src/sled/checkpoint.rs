//! Making what is in the tree's memory last, so that the write-ahead log can let go of it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use super::view::View;

/// The names in a directory survive the loss of power when this returns.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A thread that flushes the tree while commits go on. Dropping it waits for the flush under way.
pub(super) struct Checkpointer {
    orders: Option<mpsc::Sender<()>>,
    outcomes: mpsc::Receiver<io::Result<()>>,
    thread: Option<JoinHandle<()>>,
    under_way: bool,
}

impl Checkpointer {
    pub(super) fn start(view: Arc<View>) -> io::Result<Self> {
        let (orders, ordered) = mpsc::channel();
        let (done, outcomes) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                while let Ok(()) = ordered.recv() {
                    if done.send(view.flush()).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            orders: Some(orders),
            outcomes,
            thread: Some(thread),
            under_way: false,
        })
    }

    /// Asks for a flush. None must be under way.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.under_way = true;
        self.orders
            .as_ref()
            .and_then(|orders| orders.send(()).ok())
            .ok_or_else(ended)
    }

    /// Whether none is under way (any more). How the last one failed, if it did.
    pub(super) fn is_idle(&mut self) -> io::Result<bool> {
        if !self.under_way {
            return Ok(true);
        }
        match self.outcomes.try_recv() {
            Ok(outcome) => self.ended(outcome),
            Err(mpsc::TryRecvError::Empty) => Ok(false),
            Err(mpsc::TryRecvError::Disconnected) => Err(ended()),
        }
    }

    /// Waits for the one under way, then flushes once more.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.under_way {
            let outcome = self.outcomes.recv().map_err(|_| ended())?;
            self.ended(outcome)?;
        }
        self.begin()?;
        let outcome = self.outcomes.recv().map_err(|_| ended())?;
        self.ended(outcome).map(|_| ())
    }

    fn ended(&mut self, outcome: io::Result<()>) -> io::Result<bool> {
        self.under_way = false;
        outcome.map(|()| true)
    }
}

fn ended() -> io::Error {
    io::Error::other("the store's checkpointing thread ended unexpectedly")
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's checkpointing thread panicked");
        }
    }
}
