//! The processor clock: time this thread spends inside `poll` of a call, looked at on every epoch tick.
//!
//! A trap-style epoch deadline would count the time a guest waits in a host call and kill connectors that
//! merely wait for their target; this clock stands still while the future is not being polled.
//!
//! A call that has computed for a while at a tick is *hungry*: from then on it is polled in the [`Lane`]. A call that may
//! wait for a disk is polled on a thread whose duties another one has taken over.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{StoreContextMut, UpdateDeadline};

use super::lane::{Lane, can_hand_over};
use crate::capability::files;
use crate::guest::Guest;

/// Processor time after which a call counts as hungry.
const HUNGRY: Duration = Duration::from_millis(4);

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
    hungry: AtomicBool,
}

impl CpuClock {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            spent: AtomicU64::new(0),
            poll_began: AtomicU64::new(thread_time()),
            hungry: AtomicBool::new(false),
        }
    }

    /// The next call starts from nothing.
    pub(crate) fn restart(&self) {
        self.spent.store(0, Relaxed);
        self.poll_began.store(thread_time(), Relaxed);
        self.hungry.store(false, Relaxed);
    }

    /// What the finished polls took.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Relaxed))
    }

    /// Times one poll, on the thread that does it.
    fn time<T>(&self, poll: impl FnOnce() -> T) -> T {
        let began = thread_time();
        self.poll_began.store(began, Relaxed);
        let polled = poll();
        self.spent
            .fetch_add(thread_time().saturating_sub(began), Relaxed);
        polled
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
    let running = clock.running();
    if running > clock.limit {
        return Err(OutOfTime { limit: clock.limit }.into());
    }
    // Moving aside costs more than what a quick call has left to do.
    if running > HUNGRY {
        clock.hungry.store(true, Relaxed);
    }
    Ok(UpdateDeadline::YieldCustom(
        1,
        Box::pin(tokio::task::yield_now()),
    ))
}

/// A future whose polls are timed, and moved aside once the call is hungry.
pub(crate) struct Metered<F> {
    clock: Arc<CpuClock>,
    lane: Lane,
    files: files::Place,
    place: Option<Place>,
    future: Pin<Box<F>>,
}

/// Waiting for a place in the lane.
type Place = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

impl<F> Metered<F> {
    pub(crate) fn new(clock: Arc<CpuClock>, lane: Lane, files: files::Place, future: F) -> Self {
        Self {
            clock,
            lane,
            files,
            place: None,
            future: Box::pin(future),
        }
    }
}

impl<F: Future + Send> Future for Metered<F>
where
    F::Output: Send,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let (clock, future) = (&this.clock, this.future.as_mut());
        let hungry = clock.hungry.load(Relaxed);
        if !can_hand_over() || !hungry && this.files == files::Place::Aside {
            return clock.time(|| future.poll(cx));
        }
        if !hungry {
            return tokio::task::block_in_place(|| clock.time(|| future.poll(cx)));
        }
        let place = this
            .place
            .get_or_insert_with(|| Box::pin(this.lane.place()));
        // Held while polled. The lane is never closed.
        let _place = ready!(place.as_mut().poll(cx));
        this.place = None;
        this.lane
            .poll(cx.waker(), |cx| clock.time(|| future.poll(cx)))
    }
}
