//! The one thread that writes.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::disk::Disk;
use super::view::{Images, View, read_error};
use crate::{Commit, CommitError, StoreError, Write};

/// A group ends here, so that the first of it need not wait for a flood.
const GROUP_COMMITS: usize = 512;
const GROUP_BYTES: usize = 4 << 20;

type Answer = Result<(), CommitError>;

struct Job {
    commit: Commit,
    answer: oneshot::Sender<Answer>,
}

/// The queue to the thread. Dropping it drains the queue and joins the thread.
pub(super) struct Committer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(super) fn start(view: Arc<View>, disk: Disk) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("store-commit".to_owned())
            .spawn(move || Writer::new(view, disk).run(&jobs))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    pub(super) async fn commit(&self, commit: Commit) -> Answer {
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
    disk: Disk,
    poison: Option<Arc<str>>,
}

impl Writer {
    fn new(view: Arc<View>, disk: Disk) -> Self {
        Self {
            view,
            disk,
            poison: None,
        }
    }

    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut bytes = size(&first.commit);
            let mut group = vec![first];
            while group.len() < GROUP_COMMITS && bytes < GROUP_BYTES {
                let Ok(job) = jobs.try_recv() else { break };
                bytes += size(&job.commit);
                group.push(job);
            }
            self.settle(group);
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
            .map(|job| self.stage(&job.commit, &mut staged))
            .collect();
        if let Err(failure) = self.write(staged) {
            return group.iter().map(|_| Err(failure.clone().into())).collect();
        }
        answers
    }

    /// Checks one commit against the tree and those staged before it.
    fn stage(&self, commit: &Commit, staged: &mut Images) -> Answer {
        for check in &commit.checks {
            let key = check.key();
            let holds = if let Some(value) = staged.get(key) {
                check.holds(value.as_deref())
            } else {
                let value = self.view.tree().get(key).map_err(read_error)?;
                check.holds(value.as_deref())
            };
            if !holds {
                return Err(CommitError::Conflict { key: key.to_vec() });
            }
        }
        for write in &commit.writes {
            match write {
                Write::Put(key, value) => staged.insert(key.clone(), Some(value.clone())),
                Write::Delete(key) => staged.insert(key.clone(), None),
            };
        }
        Ok(())
    }

    /// Writes what is staged, durably. Readers see it when it is.
    fn write(&mut self, staged: Images) -> Result<(), StoreError> {
        if staged.is_empty() {
            return Ok(());
        }
        let mut before = Images::new();
        for key in staged.keys() {
            let value = self.view.tree().get(key).map_err(read_error)?;
            before.insert(key.clone(), value.map(|bytes| bytes.to_vec()));
        }
        let mut batch = sled::Batch::default();
        for (key, value) in staged {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.view.mask(before);
        let written = self
            .view
            .tree()
            .apply_batch(batch)
            .map_err(io::Error::other)
            .and_then(|()| self.disk.flush());
        match written {
            Ok(()) => {
                self.view.unmask();
                Ok(())
            }
            Err(error) => {
                // The mask stays: readers keep seeing the last durable state.
                let cause: Arc<str> = error.to_string().into();
                tracing::error!(%cause, "the store failed to write and takes no more writes until it is opened again");
                self.poison = Some(cause.clone());
                Err(StoreError::Write { cause })
            }
        }
    }
}

fn size(commit: &Commit) -> usize {
    commit
        .writes
        .iter()
        .map(|write| match write {
            Write::Put(key, value) => key.len() + value.len(),
            Write::Delete(key) => key.len(),
        })
        .sum()
}
