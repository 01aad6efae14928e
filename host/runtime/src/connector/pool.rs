//! Warm instances: last in, first out, so that what a burst left over ages away.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::instance::Instance;
use super::slots::Idle;

/// An instance is retired after so many calls: handles a guest forgets to drop add up.
const CALLS: u64 = 10_000;
/// ... after so long,
const AGE: Duration = Duration::from_secs(15 * 60);
/// ... after so long without a call,
const IDLE: Duration = Duration::from_secs(5 * 60);
/// ... or when its memory has doubled since its first call, and grown by more than this.
const GROWTH: usize = 8 << 20;

/// The idle instances of one connector.
#[derive(Default)]
#[allow(clippy::vec_box)] // an instance is large, and travels through every call's future
pub(super) struct Pool {
    idle: Mutex<Vec<Box<Instance>>>,
}

impl Pool {
    /// The instance used last, if it is still young.
    pub(super) fn take(&self, mut retired: impl FnMut()) -> Option<Box<Instance>> {
        loop {
            let instance = self.idle.lock().pop()?;
            if worn(&instance) {
                retired();
                continue;
            }
            return Some(instance);
        }
    }

    /// Keeps an instance that returned cleanly, unless its time is over; drops those that nobody needed for long.
    pub(super) fn put(&self, mut instance: Box<Instance>, keep: usize, mut retired: impl FnMut()) {
        let now = Instant::now();
        instance.calls += 1;
        instance.last_used = now;
        let memory = instance.guest().limiter.memory();
        if instance.calls == 1 {
            instance.memory_at_first = memory;
        }
        let grown = memory > instance.memory_at_first.saturating_mul(2)
            && memory > instance.memory_at_first.saturating_add(GROWTH);
        let mut dropped = Vec::new();
        {
            let mut idle = self.idle.lock();
            let stale = idle
                .iter()
                .take_while(|instance| now - instance.last_used > IDLE)
                .count();
            dropped.extend(idle.drain(..stale));
            if grown || worn(&instance) || idle.len() >= keep {
                dropped.push(instance);
            } else {
                idle.push(instance);
            }
        }
        // Freeing an instance takes time that nobody should wait for under the lock.
        for _ in dropped {
            retired();
        }
    }
}

impl Idle for Pool {
    fn idle_since(&self) -> Option<Instant> {
        self.idle.lock().first().map(|instance| instance.last_used)
    }

    fn let_go(&self) {
        let mut idle = self.idle.lock();
        let oldest = (!idle.is_empty()).then(|| idle.remove(0));
        drop(idle);
        drop(oldest);
    }
}

fn worn(instance: &Instance) -> bool {
    instance.calls >= CALLS || instance.born.elapsed() > AGE
}
