//! Where hungry calls run: a few threads of low priority, one for each processor.
//!
//! The executor's threads are few and carry every app's requests. A call that has computed for a while is
//! polled here instead: its executor thread hands its duties to another one and waits, and the operating system
//! prefers whatever else has work to do. So a guest that only computes costs its neighbours next to nothing,
//! however many there are, and gets what the machine has left.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use rustix::process::{getpriority_process, setpriority_process};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use crate::ticker::Ticker;

/// Steps of niceness: a tenth of the share of a thread of ordinary priority when both want a processor, and
/// no claim to stay when the other wakes up.
const NICENESS: i32 = 10;

/// The engine's own threads. Clones share them.
#[derive(Clone)]
pub(crate) struct Threads {
    pub(crate) ticker: Ticker,
    pub(crate) lane: Lane,
}

/// The threads. Clones share them.
#[derive(Clone)]
pub(crate) struct Lane {
    threads: Arc<ThreadPool>,
    /// A thread each, so that no more executor threads wait than there are threads to wait for.
    places: Arc<Semaphore>,
}

impl Lane {
    pub(crate) fn new() -> Result<Self, ThreadPoolBuildError> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|n| format!("guest-{n}"))
            .start_handler(|_| {
                // Of the calling thread alone, on Linux.
                let lowered = getpriority_process(None)
                    .and_then(|now| setpriority_process(None, now + NICENESS));
                if let Err(error) = lowered {
                    warn!(%error, "guests that compute much run at ordinary priority");
                }
            })
            .build()?;
        Ok(Self {
            threads: Arc::new(threads),
            places: Arc::new(Semaphore::new(count)),
        })
    }

    /// Drops what may take long to free, such as an instance and its memory.
    pub(super) fn discard(&self, waste: impl Send + 'static) {
        let executor = Handle::current();
        self.threads.spawn(move || {
            let _entered = executor.enter();
            drop(waste);
        });
    }

    /// A place, first come, first served.
    pub(super) fn place(
        &self,
    ) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send + use<> {
        let places = Arc::clone(&self.places);
        async move { places.acquire_owned().await.ok() }
    }

    /// Polls on a thread of the lane while this one waits, its duties handed over.
    pub(super) fn poll<T: Send>(
        &self,
        waker: &Waker,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T> + Send,
    ) -> Poll<T> {
        let executor = Handle::current();
        tokio::task::block_in_place(|| {
            self.threads.install(|| {
                // Host functions want the executor's timers and sockets.
                let _entered = executor.enter();
                poll(&mut Context::from_waker(waker))
            })
        })
    }
}

/// Does the executor have other threads to hand duties to? A test's may not.
pub(super) fn can_hand_over() -> bool {
    Handle::try_current().is_ok_and(|on| on.runtime_flavor() == RuntimeFlavor::MultiThread)
}
