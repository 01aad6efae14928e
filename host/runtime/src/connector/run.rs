//! How one call runs: circuit, slot, instance, clocks, and what becomes of the instance.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::check::Budget;
use super::circuit::{Circuit, CircuitState, Turn};
use super::clock::Metered;
use super::instance::Instance;
use super::pool::Pool;
use super::slots::{Slot, Slots};
use super::{Cost, fault};
use crate::app::Reuse;
use crate::call::{Call, CallError, Crowded};
use crate::capability::Grants;
use crate::component::Component;
use crate::contract::Failure;
use crate::guest::Guest;
use crate::stats::Stats;

/// What a caller who found no slot is told.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// May the call change the target?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Reads,
    Writes,
}

/// What the clones of a connector share.
pub(super) struct Inner {
    pub(super) component: Arc<Component>,
    pub(super) grants: Arc<Grants>,
    pub(super) description: Value,
    pub(super) cost: Cost,
    pub(super) stats: Stats,
    slots: Slots,
    /// For a connector whose target has no atomic changes of its own.
    one_writer: Option<Semaphore>,
    pool: Arc<Pool>,
    circuit: Circuit,
}

impl Inner {
    pub(super) fn new(
        component: Arc<Component>,
        slots: Slots,
        grants: Arc<Grants>,
        serial: bool,
    ) -> Self {
        let pool = Arc::default();
        slots.register(&pool);
        Self {
            circuit: Circuit::new(grants.limits.circuit),
            component,
            grants,
            description: Value::Null,
            cost: Cost::default(),
            stats: Stats::default(),
            slots,
            one_writer: serial.then(|| Semaphore::new(1)),
            pool,
        }
    }

    pub(super) fn ready(&self, description: Value, cost: Cost) -> Self {
        let serial = self.one_writer.is_some();
        let fresh = Self::new(
            Arc::clone(&self.component),
            self.slots.clone(),
            Arc::clone(&self.grants),
            serial,
        );
        Self {
            description,
            cost,
            ..fresh
        }
    }

    /// Runs one call as the connector's reuse has it. `judge` has the last word on the answer before anybody
    /// believes it.
    pub(super) async fn run<T: Send, J, F, Fut>(
        &self,
        call: &Call,
        effect: Effect,
        judge: J,
        invoke: F,
    ) -> Result<T, CallError>
    where
        J: FnOnce(Result<T, CallError>) -> Result<T, CallError> + Send,
        F: FnOnce(Box<Instance>) -> Fut + Send,
        Fut: Future<Output = (Box<Instance>, wasmtime::Result<Result<T, Failure>>)> + Send,
    {
        self.run_as(self.cost.reuse, call, effect, judge, invoke)
            .await
            .0
    }

    /// Runs one call; answers it together with the processor time it took.
    pub(super) async fn run_as<T: Send, J, F, Fut>(
        &self,
        reuse: Reuse,
        call: &Call,
        effect: Effect,
        judge: J,
        invoke: F,
    ) -> (Result<T, CallError>, Duration)
    where
        J: FnOnce(Result<T, CallError>) -> Result<T, CallError> + Send,
        F: FnOnce(Box<Instance>) -> Fut + Send,
        Fut: Future<Output = (Box<Instance>, wasmtime::Result<Result<T, Failure>>)> + Send,
    {
        let guard = Unfinished(&self.stats);
        let (answer, cpu) = match self.circuit.admit() {
            Ok(pass) => {
                let (answer, cpu) = match self.slot(call, effect).await {
                    Ok(_slot) => self.in_slot(reuse, call, judge, invoke).await,
                    Err(error) => (Err(error), Duration::ZERO),
                };
                if let Some(turn) = pass.settle(answer.as_ref().err()) {
                    self.turned(&turn);
                }
                (answer, cpu)
            }
            Err(error) => (Err(error), Duration::ZERO),
        };
        std::mem::forget(guard);
        self.stats.ended(answer.as_ref().err());
        (answer, cpu)
    }

    /// Tells of a circuit that has opened or closed, once.
    fn turned(&self, turn: &Turn) {
        let grants = &self.grants;
        match turn {
            Turn::Opened {
                faults,
                cause,
                pause,
            } => {
                self.stats.circuit_opened();
                warn!(app = %grants.app, connector = %grants.connector, faults, %cause, ?pause, "the app's circuit opens: its connector is not called for now");
            }
            Turn::Closed { after } => {
                info!(app = %grants.app, connector = %grants.connector, ?after, "the app's circuit closes: its connector works again");
            }
        }
        self.slots.circuit_changed();
    }

    /// The circuit as it is.
    pub(super) fn circuit(&self) -> CircuitState {
        self.circuit.state()
    }

    /// Waits for a slot, at most until the caller's deadline.
    async fn slot(&self, call: &Call, effect: Effect) -> Result<Places<'_>, CallError> {
        let began = Instant::now();
        let _waiting = self.stats.waiting();
        let one_writer = async {
            match &self.one_writer {
                // The semaphore is never closed.
                Some(one) if effect == Effect::Writes => one.acquire().await.ok(),
                _ => None,
            }
        };
        let found = self.slots.slot(call.deadline, one_writer).await;
        self.stats.waited(began.elapsed());
        match found {
            Ok((writer, slot)) => Ok(Places {
                _writer: writer,
                _slot: slot,
            }),
            Err(crowded) => Err(busy(crowded)),
        }
    }

    async fn in_slot<T: Send, J, F, Fut>(
        &self,
        reuse: Reuse,
        call: &Call,
        judge: J,
        invoke: F,
    ) -> (Result<T, CallError>, Duration)
    where
        J: FnOnce(Result<T, CallError>) -> Result<T, CallError> + Send,
        F: FnOnce(Box<Instance>) -> Fut + Send,
        Fut: Future<Output = (Box<Instance>, wasmtime::Result<Result<T, Failure>>)> + Send,
    {
        let _running = self.component.threads.ticker.running();
        let limits = &self.grants.limits;
        let began = Instant::now();
        let deadline = call.deadline.min(began + limits.wall);
        let request_id: Arc<str> = call.request_id.as_str().into();

        let idle = match reuse {
            Reuse::Warm => self.pool.take(|| self.stats.recycled()),
            Reuse::Fresh | Reuse::Auto => None,
        };
        let (start, clock) = match idle {
            Some(mut instance) => {
                instance.begin(request_id, deadline);
                let clock = Arc::clone(&instance.guest().clock);
                (Start::Warm(instance), clock)
            }
            None => match self.prepare(request_id, deadline).await {
                Ok((store, place, clock)) => (Start::Fresh(store, place), clock),
                Err(error) => return (Err(error), Duration::ZERO),
            },
        };
        let component = Arc::clone(&self.component);
        let work = async {
            let instance = match start {
                Start::Warm(instance) => instance,
                Start::Fresh(store, place) => {
                    self.stats.instantiated();
                    Instance::new(component, store, place).await?
                }
            };
            Ok::<_, wasmtime::Error>(invoke(instance).await)
        };
        // Dropping the future on time-out, or with the caller, drops the instance that it owns.
        let ran = timeout_at(
            deadline,
            Metered::new(
                Arc::clone(&clock),
                self.component.threads.lane.clone(),
                self.grants.quotas.place(),
                work,
            ),
        )
        .await;
        let cpu = clock.spent();
        let after = began.elapsed();
        let (instance, answer) = match ran {
            Err(_) => (None, Err(CallError::TimedOut { after })),
            Ok(Err(error)) => (None, Err(self.fault(call, &error))),
            Ok(Ok((instance, Err(error)))) => {
                self.component.threads.lane.discard(instance);
                (None, Err(self.fault(call, &error)))
            }
            Ok(Ok((instance, Ok(answer)))) => (
                Some(instance),
                answer.map_err(|failure| fault::failure(failure, &self.grants.redactor)),
            ),
        };
        let answer = judge(answer);
        // Whoever breaks the contract may be broken inside, however cleanly it returned.
        let instance = instance.filter(|_| matches!(answer, Ok(_) | Err(CallError::Failure(_))));
        let memory = match instance {
            Some(mut instance) => {
                let memory = instance.guest().limiter.memory();
                instance.guest().journal.end();
                instance.guest().call.record.close();
                instance.guest().call.transactions.end();
                instance.guest().call.connections.end();
                if reuse == Reuse::Warm {
                    // Nobody waits for a place that an idle instance holds.
                    let keep = if self.slots.contended() {
                        0
                    } else {
                        self.slots.most()
                    };
                    self.pool.put(instance, keep, || self.stats.recycled());
                }
                memory
            }
            None => {
                self.stats.discarded();
                0
            }
        };
        self.stats.ran(after, cpu, memory);
        (answer, cpu)
    }

    /// A place in the engine and a store with its limits.
    async fn prepare(
        &self,
        request_id: Arc<str>,
        deadline: Instant,
    ) -> Result<Prepared, CallError> {
        let place = self.slots.place(deadline).await.map_err(busy)?;
        let host = |error: wasmtime::Error| {
            warn!(app = %self.grants.app, error = %format!("{error:#}"), "an instance could not be prepared");
            CallError::Host(format!(
                "an instance of the connector could not be prepared: {error}"
            ))
        };
        let guest = Guest::new(Arc::clone(&self.grants), request_id, deadline).map_err(host)?;
        let clock = Arc::clone(&guest.clock);
        let store = Instance::store(&self.component, guest).map_err(host)?;
        Ok((store, place, clock))
    }

    /// What came back, if it is within the contract and the limits.
    pub(super) fn checked<T>(
        &self,
        call: &Call,
        answer: T,
        check: impl FnOnce(&T, Budget) -> Result<(), CallError>,
    ) -> Result<T, CallError> {
        match check(&answer, Budget::new(&self.grants.limits)) {
            Ok(()) => Ok(answer),
            Err(error) => {
                let grants = &self.grants;
                warn!(app = %grants.app, connector = %grants.connector, request = %call.request_id, %error, "the connector's answer was refused");
                Err(error)
            }
        }
    }

    /// The typed error; the whole story, with the guest's backtrace, goes to the log.
    fn fault(&self, call: &Call, error: &wasmtime::Error) -> CallError {
        let grants = &self.grants;
        let typed = fault::classify(error, grants);
        if !matches!(typed, CallError::NotExported { .. }) {
            // `:#`, not `:?`: the latter would also resolve the host's own backtrace where the environment asks for
            // one, 60 ms under a lock that every thread's panic wants.
            let detail = grants
                .redactor
                .text(&format!("{error:#}"), fault::DETAIL_BYTES);
            warn!(
                app = %grants.app, connector = %grants.connector, revision = %grants.revision, request = %call.request_id,
                %detail, "the connector's instance was thrown away: {typed}"
            );
        }
        typed
    }
}

type Prepared = (
    wasmtime::Store<Guest>,
    tokio::sync::OwnedSemaphorePermit,
    Arc<super::clock::CpuClock>,
);

enum Start {
    Warm(Box<Instance>),
    Fresh(wasmtime::Store<Guest>, tokio::sync::OwnedSemaphorePermit),
}

struct Places<'a> {
    _writer: Option<SemaphorePermit<'a>>,
    _slot: Slot<'a>,
}

fn busy(crowded: Crowded) -> CallError {
    CallError::Busy {
        crowded,
        retry_after: RETRY_AFTER,
    }
}

/// Counts a call whose caller went away; forgotten when the call ends.
struct Unfinished<'a>(&'a Stats);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.dropped();
    }
}
