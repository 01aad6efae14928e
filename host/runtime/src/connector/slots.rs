//! Places for calls: an app's own, with a bounded queue before them, and the engine's, of which no app takes more
//! than its share.
//!
//! A call passes two doors. The first is the app's: so many calls run, so many wait, and whoever comes then is sent
//! away at once, because a caller who hears `Retry-After` now is better off than one who hears it after half a
//! minute. The second is the engine's: an instance in use or kept warm holds a place there. When the places run
//! out, the instance that has been idle longest goes, whichever app's it is.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};

use crate::app::Limits;
use crate::call::Crowded;

/// No app holds more than one in so many of the engine's places, so that one alone can never fill it.
const SHARE: usize = 4;

/// Instances that wait for a call and can be let go for somebody else's.
pub(super) trait Idle: Send + Sync {
    /// Since when the one longest idle is.
    fn idle_since(&self) -> Option<Instant>;
    /// Lets that one go.
    fn let_go(&self);
}

/// The places of the whole engine.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    total: usize,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Weak<dyn Idle>>>,
    /// Counts the openings and closings of circuits, for whoever tells of them.
    circuits: watch::Sender<u64>,
}

impl Places {
    /// One place for each instance that the engine can hold.
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(total)),
            total,
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
            circuits: watch::Sender::new(0),
        })
    }

    /// Ticks whenever a circuit opens or closes.
    pub(crate) fn circuits(&self) -> watch::Receiver<u64> {
        self.circuits.subscribe()
    }

    fn share(&self) -> usize {
        (self.total / SHARE).max(1)
    }

    /// Makes a pool's idle instances known.
    fn register(&self, pool: Weak<dyn Idle>) {
        let mut idle = self.idle.lock();
        idle.retain(|pool| pool.strong_count() > 0);
        idle.push(pool);
    }

    async fn take(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Crowded> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = Waiting::new(&self.waiting);
        self.reclaim();
        match timeout_at(deadline, Arc::clone(&self.free).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            // The semaphore is never closed, so this is the deadline.
            _ => Err(Crowded::Engine),
        }
    }

    /// Lets the instance go that has been idle longest.
    fn reclaim(&self) {
        let pools: Vec<_> = self.idle.lock().iter().filter_map(Weak::upgrade).collect();
        let longest = pools
            .iter()
            .filter_map(|pool| Some((pool.idle_since()?, pool)))
            .min_by_key(|(since, _)| *since);
        if let Some((_, pool)) = longest {
            pool.let_go();
        }
    }
}

/// One who waits for a place, counted until dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// One app's way to places.
#[derive(Clone)]
pub(crate) struct Slots {
    engine: Arc<Places>,
    app: Arc<Semaphore>,
    /// As many as run and wait together.
    door: Arc<Semaphore>,
    most: usize,
    queue: usize,
}

/// A call's place among its app's; the queue behind it moves up when this is dropped.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    _door: SemaphorePermit<'a>,
    _app: SemaphorePermit<'a>,
}

impl Slots {
    pub(crate) fn new(engine: Arc<Places>, limits: &Limits) -> Self {
        let most = limits.concurrency.clamp(1, engine.share());
        let queue = limits.queue.min(Semaphore::MAX_PERMITS - most);
        Self {
            engine,
            app: Arc::new(Semaphore::new(most)),
            door: Arc::new(Semaphore::new(most + queue)),
            most,
            queue,
        }
    }

    /// How many calls may run at once.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Makes this app's idle instances known to the engine.
    pub(super) fn register<P: Idle + 'static>(&self, pool: &Arc<P>) {
        let weak: Weak<P> = Arc::downgrade(pool);
        self.engine.register(weak);
    }

    /// Does somebody wait for an instance to go?
    pub(super) fn contended(&self) -> bool {
        self.engine.waiting.load(Relaxed) > 0
    }

    /// A circuit has opened or closed.
    pub(super) fn circuit_changed(&self) {
        self.engine.circuits.send_modify(|changes| *changes += 1);
    }

    /// A slot of the app, waited for until `deadline`. `first` is waited for before it: a narrower door of the
    /// caller's, because whoever waits there must not keep a slot from others.
    pub(super) async fn slot<F: Future>(
        &self,
        deadline: Instant,
        first: F,
    ) -> Result<(F::Output, Slot<'_>), Crowded> {
        let Ok(door) = self.door.try_acquire() else {
            return Err(Crowded::Queue { limit: self.queue });
        };
        let waited = timeout_at(deadline, async { (first.await, self.app.acquire().await) }).await;
        match waited {
            Ok((first, Ok(app))) => Ok((
                first,
                Slot {
                    _door: door,
                    _app: app,
                },
            )),
            // The semaphore is never closed, so this is the deadline.
            _ => Err(Crowded::Slots),
        }
    }

    /// A place in the engine for one more instance.
    pub(super) async fn place(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Crowded> {
        self.engine.take(deadline).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits(concurrency: usize, queue: usize) -> Limits {
        Limits {
            concurrency,
            queue,
            ..Limits::default()
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_sends_away_at_once_and_a_free_place_in_it_waits() {
        let slots = Slots::new(Places::new(100), &limits(1, 1));
        let running = slots.slot(soon(), async {}).await.unwrap();
        let waiting = slots.slot(soon(), async {});
        tokio::pin!(waiting);
        let began = Instant::now();
        assert!(
            tokio::time::timeout(Duration::from_millis(1), &mut waiting)
                .await
                .is_err()
        );
        assert_eq!(
            slots.slot(soon(), async {}).await.unwrap_err(),
            Crowded::Queue { limit: 1 }
        );
        assert!(began.elapsed() < Duration::from_millis(5), "it waited");
        drop(running);
        waiting.await.unwrap();
        slots.slot(soon(), async {}).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_is_told_at_the_deadline_and_leaves_the_queue() {
        let slots = Slots::new(Places::new(100), &limits(1, 1));
        let running = slots.slot(soon(), async {}).await.unwrap();
        assert_eq!(
            slots.slot(soon(), async {}).await.unwrap_err(),
            Crowded::Slots
        );
        let narrow = slots.slot(soon(), std::future::pending::<()>());
        drop(running);
        assert_eq!(narrow.await.unwrap_err(), Crowded::Slots);
        slots.slot(soon(), async {}).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn no_app_takes_more_than_its_share_of_the_engine() {
        let engine = Places::new(8);
        let greedy = Slots::new(Arc::clone(&engine), &limits(4096, 0));
        assert_eq!(greedy.most(), 2);
        let neighbour = Slots::new(engine, &limits(1, 0));
        let mut held = Vec::new();
        while let Ok(((), slot)) = greedy.slot(soon(), async {}).await {
            held.push((slot, greedy.place(soon()).await));
        }
        assert_eq!(held.len(), 2);
        drop(neighbour.place(soon()).await.unwrap());
    }

    /// Warm instances, each with its place and the time since when nobody used it.
    #[derive(Default)]
    struct Kept(Mutex<Vec<(Instant, OwnedSemaphorePermit)>>);

    impl Idle for Kept {
        fn idle_since(&self) -> Option<Instant> {
            self.0.lock().first().map(|(since, _)| *since)
        }

        fn let_go(&self) {
            drop(self.0.lock().remove(0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_places_run_out_the_longest_idle_instance_goes_whoever_s_it_is() {
        let engine = Places::new(2);
        let slots = Slots::new(Arc::clone(&engine), &limits(8, 0));
        let (old, young) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
        for kept in [&old, &young] {
            slots.register(kept);
            let place = slots.place(soon()).await.unwrap();
            kept.0.lock().push((Instant::now(), place));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let place = slots.place(soon()).await.unwrap();
        assert_eq!((old.0.lock().len(), young.0.lock().len()), (0, 1));
        drop(slots.place(soon()).await.unwrap());
        assert_eq!(young.0.lock().len(), 0);
        drop(place);
        assert!(!slots.contended());
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_without_places_says_so_at_the_deadline() {
        let slots = Slots::new(Places::new(1), &limits(8, 8));
        let _held = slots.place(soon()).await.unwrap();
        let waits = slots.place(soon());
        tokio::pin!(waits);
        assert!(
            tokio::time::timeout(Duration::from_millis(1), &mut waits)
                .await
                .is_err()
        );
        assert!(slots.contended());
        assert_eq!(waits.await.unwrap_err(), Crowded::Engine);
        assert!(!slots.contended());
    }
}
