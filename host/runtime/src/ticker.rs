//! The thread that ticks the epoch: what makes a running guest look at its clock.
//!
//! It sleeps while no call runs, so that an idle host does not wake the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// How often a running guest looks at its clock. A neighbour's request waits at most this long behind a guest
/// that only computes, and only once: from its second tick on such a guest keeps no executor thread.
const TICK: Duration = Duration::from_millis(2);

/// Ticks without a call before the thread sleeps: under a steady load it never does, and nobody pays for waking it.
const LINGER: u32 = 100;

/// How long it sleeps before it looks whether the engine is still there.
const NAP: Duration = Duration::from_secs(1);

/// Knows how many calls run. Clones are one ticker.
#[derive(Clone)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
}

impl Ticker {
    /// Starts the thread: a task of the executor would never run when all of its threads are busy in
    /// guests. It ends with the engine.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (weak, seen) = (engine.weak(), Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("epoch".to_owned())
            .spawn(move || tick(&weak, &seen))?;
        Ok(Self {
            shared,
            thread: thread.thread().clone(),
        })
    }

    /// The epoch ticks until the guard is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, SeqCst);
        if self.shared.asleep.load(SeqCst) {
            self.thread.unpark();
        }
        Running(&self.shared)
    }
}

/// A call in progress.
pub(crate) struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

fn tick(engine: &EngineWeak, shared: &Shared) {
    let mut idle = 0;
    while let Some(engine) = engine.upgrade() {
        if shared.running.load(SeqCst) > 0 {
            idle = 0;
        } else {
            idle += 1;
        }
        if idle > LINGER {
            drop(engine);
            shared.asleep.store(true, SeqCst);
            // A call that began in between saw nobody asleep, but is counted.
            if shared.running.load(SeqCst) == 0 {
                std::thread::park_timeout(NAP);
            }
            shared.asleep.store(false, SeqCst);
            continue;
        }
        std::thread::sleep(TICK);
        engine.increment_epoch();
    }
}
