//! A thread of its own for a connection whose library waits where it stands.
//!
//! The connection is made, used and closed there. Dropped, the worker ends when what it does is done.

use std::sync::mpsc::{Sender, channel};

use tokio::sync::oneshot;

use super::error::Error;

type Task<T> = Box<dyn FnOnce(&mut T) + Send>;

/// The thread that owns a `T`.
pub(super) struct Worker<T> {
    tasks: Sender<Task<T>>,
}

impl<T: 'static> Worker<T> {
    /// Starts the thread; `make` runs in it.
    pub(super) async fn start(
        make: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (tasks, queue) = channel::<Task<T>>();
        let (ready, outcome) = oneshot::channel();
        std::thread::Builder::new()
            .name("sql".to_owned())
            .spawn(move || match make() {
                Ok(mut owned) => {
                    // Whoever asked may have gone away meanwhile; then nothing follows.
                    let _ = ready.send(Ok(()));
                    for task in queue {
                        task(&mut owned);
                    }
                }
                Err(error) => drop(ready.send(Err(error))),
            })
            .map_err(|error| Error::Connect(format!("no thread for it: {error}")))?;
        outcome
            .await
            .unwrap_or_else(|_| Err(Error::Connect("its driver crashed".to_owned())))?;
        Ok(Self { tasks })
    }

    /// Does something in the thread.
    pub(super) async fn run<A: Send + 'static>(
        &self,
        task: impl FnOnce(&mut T) -> Result<A, Error> + Send + 'static,
    ) -> Result<A, Error> {
        let (done, outcome) = oneshot::channel();
        let task: Task<T> = Box::new(move |owned| drop(done.send(task(owned))));
        self.tasks.send(task).map_err(|_| Error::Unsent)?;
        outcome
            .await
            .unwrap_or(Err(Error::Lost { maybe_done: true }))
    }
}
