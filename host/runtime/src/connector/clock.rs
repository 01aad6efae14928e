//! The processor clock: time this thread spends inside `poll` of a call, looked at on every epoch tick.
//!
//! A trap-style epoch deadline would count the time a guest waits in a host call and kill connectors that
//! merely wait for their target; this clock stands still while the future is not being polled.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{StoreContextMut, UpdateDeadline};

use crate::guest::Guest;

/// The call has used its processor time.
#[derive(Debug, thiserror::Error)]
#[error("more than {limit:?} of processor time")]
pub(crate) struct OutOfTime {
    pub(crate) limit: Duration,
}

/// Processor time of this thread; other processes on the machine do not count.
fn thread_time() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Nanoseconds, written by the one thread that polls the call at a time.
pub(crate) struct CpuClock {
    limit: Duration,
    spent: AtomicU64,
    poll_began: AtomicU64,
}

impl CpuClock {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            spent: AtomicU64::new(0),
            poll_began: AtomicU64::new(thread_time()),
        }
    }

    /// The next call starts from nothing.
    pub(crate) fn restart(&self) {
        self.spent.store(0, Relaxed);
        self.poll_began.store(thread_time(), Relaxed);
    }

    /// What the finished polls took.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Relaxed))
    }

    fn running(&self) -> Duration {
        self.spent()
            + Duration::from_nanos(thread_time().saturating_sub(self.poll_began.load(Relaxed)))
    }
}

/// What a running guest does on each tick: ends when its time is used up, else lets other tasks run.
///
/// `yield_now`, not wasmtime's own yield: tokio looks at its I/O and timers before it resumes the task, so a
/// spinning guest on every worker still lets sockets and time-outs through.
#[allow(clippy::needless_pass_by_value)] // the signature that wasmtime calls
pub(crate) fn on_tick(store: StoreContextMut<'_, Guest>) -> wasmtime::Result<UpdateDeadline> {
    let clock = &store.data().clock;
    if clock.running() > clock.limit {
        return Err(OutOfTime { limit: clock.limit }.into());
    }
    Ok(UpdateDeadline::YieldCustom(
        1,
        Box::pin(tokio::task::yield_now()),
    ))
}

/// A future whose polls are timed.
pub(crate) struct Metered<F> {
    clock: Arc<CpuClock>,
    future: Pin<Box<F>>,
}

impl<F> Metered<F> {
    pub(crate) fn new(clock: Arc<CpuClock>, future: F) -> Self {
        Self {
            clock,
            future: Box::pin(future),
        }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let began = thread_time();
        self.clock.poll_began.store(began, Relaxed);
        let polled = self.future.as_mut().poll(cx);
        self.clock
            .spent
            .fetch_add(thread_time().saturating_sub(began), Relaxed);
        polled
    }
}
