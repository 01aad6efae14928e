//! The one thread that writes.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::checkpoint::Checkpointer;
use super::view::View;
use super::wal::{Failed, Wal};
use crate::commit::Images;
use crate::{Commit, CommitError, StoreError};

/// A group ends here, so that the first of it need not wait for a flood.
const GROUP_COMMITS: usize = 512;
const GROUP_BYTES: usize = 4 << 20;

type Answer = Result<(), CommitError>;

struct Job {
    /// None: only whether anything can be written is asked.
    commit: Option<Commit>,
    answer: oneshot::Sender<Answer>,
}

impl Job {
    fn bytes(&self) -> usize {
        self.commit.as_ref().map_or(0, Commit::bytes)
    }
}

/// The queue to the thread. Dropping it drains the queue and joins the thread.
pub(super) struct Committer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// Whether the last commit failed on account of the disk.
    troubled: Arc<AtomicBool>,
}

impl Committer {
    pub(super) fn start(view: Arc<View>, wal: Wal, checkpointer: Checkpointer) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let troubled = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            view,
            wal,
            checkpointer,
            poison: None,
            troubled: Arc::clone(&troubled),
        };
        let thread = std::thread::Builder::new()
            .name("store-commit".to_owned())
            .spawn(move || writer.run(&jobs))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            troubled,
        })
    }

    pub(super) async fn commit(&self, commit: Commit) -> Answer {
        self.ask(Some(commit)).await
    }

    /// Whether something could be written. The disk is tried only after it has failed: nobody may write any more then.
    pub(super) async fn ready(&self) -> Result<(), StoreError> {
        if !self.troubled.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.ask(None).await {
            Err(CommitError::Store(error)) => Err(error),
            _ => Ok(()),
        }
    }

    async fn ask(&self, commit: Option<Commit>) -> Answer {
        let (answer, outcome) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(Job { commit, answer }).map_err(|_| ended())?;
        // A committer that went without answering: the outcome is unknown.
        outcome.await.unwrap_or_else(|_| {
            Err(StoreError::Write {
                cause: ENDED.into(),
            }
            .into())
        })
    }
}

/// The thread never ends by itself while the queue is open: it panicked.
const ENDED: &str = "the committing thread ended unexpectedly";

fn ended() -> StoreError {
    StoreError::Poisoned {
        cause: ENDED.into(),
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's committing thread panicked");
        }
    }
}

struct Writer {
    view: Arc<View>,
    wal: Wal,
    checkpointer: Checkpointer,
    poison: Option<Arc<str>>,
    troubled: Arc<AtomicBool>,
}

impl Writer {
    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut bytes = first.bytes();
            let mut group = vec![first];
            while group.len() < GROUP_COMMITS && bytes < GROUP_BYTES {
                let Ok(job) = jobs.try_recv() else { break };
                bytes += job.bytes();
                group.push(job);
            }
            self.settle(group);
        }
        self.close();
    }

    /// A store that is closed in order has nothing in its log. One that was not reads it at the next opening.
    fn close(mut self) {
        if self.poison.is_some() {
            return;
        }
        if let Err(error) = self.checkpointer.finish().and_then(|()| self.wal.clear()) {
            tracing::warn!(%error, "the store could not be tidied up; the next start reads its log");
        }
    }

    fn settle(&mut self, group: Vec<Job>) {
        let answers = self.decide(&group);
        for (job, answer) in group.into_iter().zip(answers) {
            // Nobody waits any more: the commit stands all the same.
            let _ = job.answer.send(answer);
        }
    }

    fn decide(&mut self, group: &[Job]) -> Vec<Answer> {
        if let Some(cause) = &self.poison {
            let refused = StoreError::Poisoned {
                cause: cause.clone(),
            };
            return group.iter().map(|_| Err(refused.clone().into())).collect();
        }
        let mut staged = Images::new();
        let answers: Vec<Answer> = group
            .iter()
            .map(|job| match &job.commit {
                Some(commit) => self.stage(commit, &mut staged),
                None => Ok(()),
            })
            .collect();
        if let Err(failure) = self.write(staged) {
            return group.iter().map(|_| Err(failure.clone().into())).collect();
        }
        answers
    }

    /// Checks one commit against the tree and those staged before it.
    fn stage(&self, commit: &Commit, staged: &mut Images) -> Answer {
        commit.stage(staged, |check| {
            Ok(check.holds(self.view.get(check.key())?.as_deref()))
        })
    }

    /// Writes what is staged, durably. Readers see it when it is.
    fn write(&mut self, staged: Images) -> Result<(), StoreError> {
        let asked = staged.is_empty();
        let written = if asked && !self.troubled.load(Ordering::Relaxed) {
            return Ok(());
        } else if asked {
            self.wal.make_room(0).map_err(Failed::NoRoom)
        } else {
            self.wal.append(&staged).and_then(|()| {
                self.view
                    .put(staged)
                    .map_err(io::Error::other)
                    .and_then(|()| self.turn())
                    .map_err(Failed::Unknown)
            })
        };
        match written {
            Ok(()) => {
                if self.troubled.swap(false, Ordering::Relaxed) {
                    tracing::info!("the store has room again and goes on");
                }
                Ok(())
            }
            Err(Failed::NoRoom(error)) => {
                let cause: Arc<str> = error.to_string().into();
                if !self.troubled.swap(true, Ordering::Relaxed) {
                    tracing::error!(%cause, "the disk of the store is full; writes are refused until there is room");
                }
                Err(StoreError::Full { cause })
            }
            Err(Failed::Unknown(error)) => {
                // Readers keep seeing the last durable state.
                let cause: Arc<str> = error.to_string().into();
                tracing::error!(%cause, "the store failed to write and takes no more writes until it is opened again");
                self.troubled.store(true, Ordering::Relaxed);
                self.poison = Some(cause.clone());
                Err(StoreError::Write { cause })
            }
        }
    }

    /// When the log's generation is full and the one before it is in sled for good, the next one begins.
    fn turn(&mut self) -> io::Result<()> {
        if self.wal.is_full() && self.checkpointer.is_idle()? {
            self.wal.turn();
            self.checkpointer.begin()?;
        }
        Ok(())
    }
}
