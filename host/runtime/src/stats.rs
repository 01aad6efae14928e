//! Counters of one connector, for the server to turn into metrics. They start from nothing with each bind.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::call::CallError;

/// How calls end, in the order of [`Snapshot::faults`].
const FAULTS: [&str; 11] = [
    "failure",
    "trap",
    "timeout",
    "cpu",
    "memory",
    "limit",
    "busy",
    "not-exported",
    "host",
    "circuit",
    "broken",
];

/// Upper bounds of the buckets of a [`Histogram`], in microseconds; the last bucket has none.
pub const BUCKETS_US: [u64; 12] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 10_000_000,
];

/// Live counters.
#[derive(Debug, Default)]
pub struct Stats {
    calls: AtomicU64,
    dropped: AtomicU64,
    waiting: AtomicU64,
    circuit_openings: AtomicU64,
    faults: [AtomicU64; FAULTS.len()],
    instantiations: AtomicU64,
    recycled: AtomicU64,
    discarded: AtomicU64,
    memory_peak: AtomicU64,
    made: AtomicU64,
    misdeeds: AtomicU64,
    wall: LiveHistogram,
    cpu: LiveHistogram,
    wait: LiveHistogram,
}

#[derive(Debug, Default)]
struct LiveHistogram {
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Calls that ended, well or not.
    pub calls: u64,
    /// Calls whose caller went away before they ended.
    pub dropped: u64,
    /// Calls that wait for a slot now.
    pub waiting: u64,
    /// Times that the circuit has opened.
    pub circuit_openings: u64,
    /// Calls that ended with an error, by kind.
    pub faults: Vec<(&'static str, u64)>,
    /// Instances made.
    pub instantiations: u64,
    /// Warm instances retired for their calls, age or growth.
    pub recycled: u64,
    /// Instances thrown away because a call did not return cleanly.
    pub discarded: u64,
    /// The most linear memory one instance held, in bytes.
    pub memory_peak: u64,
    /// Calls that the connector itself spoiled; see [`Conduct`].
    pub misdeeds: u64,
    /// Time from slot to answer.
    pub wall: Histogram,
    /// Processor time.
    pub cpu: Histogram,
    /// Time until there was a slot.
    pub wait: Histogram,
}

/// How a connector has behaved so far: what a new revision is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conduct {
    /// Calls that were made: those that found no room, or an open circuit, say nothing of it.
    pub calls: u64,
    /// Those that the connector itself spoiled: it crashed, passed a limit, or answered what breaks the contract.
    pub misdeeds: u64,
}

/// A distribution of durations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// How many fell at or under each bound of [`BUCKETS_US`] and over the one before; then those over the last.
    pub buckets: Vec<u64>,
    /// Their sum in microseconds.
    pub sum_us: u64,
}

impl LiveHistogram {
    fn record(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    fn read(&self) -> Histogram {
        Histogram {
            buckets: self
                .buckets
                .iter()
                .map(|bucket| bucket.load(Relaxed))
                .collect(),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

impl Stats {
    /// A call begins to wait, until what this gives is dropped.
    pub(crate) fn waiting(&self) -> impl Drop + '_ {
        struct Waiting<'a>(&'a AtomicU64);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Relaxed);
            }
        }
        self.waiting.fetch_add(1, Relaxed);
        Waiting(&self.waiting)
    }

    pub(crate) fn circuit_opened(&self) {
        self.circuit_openings.fetch_add(1, Relaxed);
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.wait.record(time);
    }

    pub(crate) fn instantiated(&self) {
        self.instantiations.fetch_add(1, Relaxed);
    }

    pub(crate) fn recycled(&self) {
        self.recycled.fetch_add(1, Relaxed);
    }

    pub(crate) fn discarded(&self) {
        self.discarded.fetch_add(1, Relaxed);
    }

    pub(crate) fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    pub(crate) fn ran(&self, wall: Duration, cpu: Duration, memory: usize) {
        self.wall.record(wall);
        self.cpu.record(cpu);
        self.memory_peak.fetch_max(memory as u64, Relaxed);
    }

    pub(crate) fn ended(&self, error: Option<&CallError>) {
        self.calls.fetch_add(1, Relaxed);
        if error.is_none_or(CallError::was_made) {
            self.made.fetch_add(1, Relaxed);
        }
        let Some(error) = error else { return };
        if error.blames_connector() {
            self.misdeeds.fetch_add(1, Relaxed);
        }
        let kind = match error {
            CallError::Failure(_) => 0,
            CallError::Trapped { .. } => 1,
            CallError::TimedOut { .. } => 2,
            CallError::CpuExhausted { .. } => 3,
            CallError::MemoryExhausted { .. } => 4,
            CallError::LimitExceeded { .. } => 5,
            CallError::Busy { .. } => 6,
            CallError::NotExported { .. } => 7,
            CallError::Host(_) => 8,
            CallError::CircuitOpen { .. } => 9,
            CallError::Broken(_) => 10,
        };
        self.faults[kind].fetch_add(1, Relaxed);
    }

    /// How it has behaved until now.
    pub fn conduct(&self) -> Conduct {
        Conduct {
            calls: self.made.load(Relaxed),
            misdeeds: self.misdeeds.load(Relaxed),
        }
    }

    /// The counters now.
    pub fn read(&self) -> Snapshot {
        Snapshot {
            calls: self.calls.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            circuit_openings: self.circuit_openings.load(Relaxed),
            faults: FAULTS
                .iter()
                .zip(&self.faults)
                .map(|(kind, count)| (*kind, count.load(Relaxed)))
                .collect(),
            instantiations: self.instantiations.load(Relaxed),
            recycled: self.recycled.load(Relaxed),
            discarded: self.discarded.load(Relaxed),
            memory_peak: self.memory_peak.load(Relaxed),
            misdeeds: self.misdeeds.load(Relaxed),
            wall: self.wall.read(),
            cpu: self.cpu.read(),
            wait: self.wait.read(),
        }
    }
}
