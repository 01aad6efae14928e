//! The circuit of one app: after so many failed calls in a row none is made for a while, then one alone tries.
//!
//! A connector that crashes on every call, or a target that lets every caller wait for its time-out, would hold
//! slots, processor and callers to no purpose. While the circuit is open, callers hear at once when to come back.
//! One call is the probe: it closes the circuit, or doubles the pause up to a limit.
//!
//! What a target says about one object (not found, invalid, already there) is an answer and proves that all works.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::app::Circuit as Settings;
use crate::call::CallError;
use crate::contract::Fault;

/// What a caller is told who comes while the probe is on its way.
const PROBING: Duration = Duration::from_secs(1);

/// The circuit of one connector's revision; a reload brings a new one.
pub(super) struct Circuit {
    settings: Settings,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    /// Counts openings and closings, so that a call which began before one has no say after it.
    epoch: u64,
}

enum State {
    Closed { faults: u32 },
    Open(Open),
}

struct Open {
    since: Instant,
    faults: u32,
    cause: String,
    pause: Duration,
    next: Instant,
    probing: bool,
}

/// What a circuit looks like at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// Calls are made.
    Closed,
    /// No call is made until the next probe.
    Open {
        /// How long it has been open.
        since: Duration,
        /// How the last call failed that was made.
        cause: String,
        /// The time until the next probe; none while one is on its way.
        next: Option<Duration>,
    },
}

/// What became of the circuit by a call's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Opened {
        faults: u32,
        cause: String,
        pause: Duration,
    },
    Closed {
        after: Duration,
    },
}

/// A call that may be made. Dropped without an outcome (its caller went away), it says nothing about the app.
pub(super) struct Pass<'a> {
    circuit: &'a Circuit,
    epoch: u64,
    probe: bool,
}

impl Circuit {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            inner: Mutex::new(Inner {
                state: State::Closed { faults: 0 },
                epoch: 0,
            }),
        }
    }

    /// May a call be made now?
    pub(super) fn admit(&self) -> Result<Pass<'_>, CallError> {
        let mut inner = self.inner.lock();
        let epoch = inner.epoch;
        let probe = match &mut inner.state {
            State::Closed { .. } => false,
            State::Open(open) => {
                let now = Instant::now();
                if open.probing || now < open.next {
                    let wait = open.next.saturating_duration_since(now);
                    return Err(CallError::CircuitOpen {
                        since: now - open.since,
                        faults: open.faults,
                        cause: open.cause.clone(),
                        retry_after: if open.probing { PROBING } else { wait },
                    });
                }
                open.probing = true;
                true
            }
        };
        Ok(Pass {
            circuit: self,
            epoch,
            probe,
        })
    }

    pub(super) fn state(&self) -> CircuitState {
        match &self.inner.lock().state {
            State::Closed { .. } => CircuitState::Closed,
            State::Open(open) => CircuitState::Open {
                since: open.since.elapsed(),
                cause: open.cause.clone(),
                next: (!open.probing).then(|| open.next.saturating_duration_since(Instant::now())),
            },
        }
    }
}

impl Pass<'_> {
    /// The call has ended; its error is free of secrets.
    pub(super) fn settle(mut self, error: Option<&CallError>) -> Option<Turn> {
        let probe = std::mem::take(&mut self.probe);
        let settings = &self.circuit.settings;
        let mut inner = self.circuit.inner.lock();
        if inner.epoch != self.epoch {
            return None;
        }
        let now = Instant::now();
        let turn = match (&mut inner.state, Verdict::of(error)) {
            (State::Open(open), Verdict::Nothing) => {
                open.probing &= !probe;
                return None;
            }
            (State::Closed { .. }, Verdict::Nothing) => return None,
            (State::Closed { faults }, Verdict::Works) => {
                *faults = 0;
                return None;
            }
            (State::Closed { faults }, Verdict::Fails(error)) => {
                *faults = faults.saturating_add(1);
                if settings.faults == 0 || *faults < settings.faults {
                    return None;
                }
                let (faults, cause, pause) = (*faults, error.to_string(), settings.pause);
                inner.state = State::Open(Open {
                    since: now,
                    faults,
                    cause: cause.clone(),
                    pause,
                    next: now + pause,
                    probing: false,
                });
                Turn::Opened {
                    faults,
                    cause,
                    pause,
                }
            }
            (State::Open(open), Verdict::Works) => {
                let after = now - open.since;
                inner.state = State::Closed { faults: 0 };
                Turn::Closed { after }
            }
            (State::Open(open), Verdict::Fails(error)) => {
                open.faults = open.faults.saturating_add(1);
                open.cause = error.to_string();
                open.pause = open.pause.saturating_mul(2).min(settings.max_pause);
                open.next = now + open.pause;
                open.probing = false;
                return None;
            }
        };
        inner.epoch += 1;
        Some(turn)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.probe {
            return;
        }
        let mut inner = self.circuit.inner.lock();
        if inner.epoch == self.epoch
            && let State::Open(open) = &mut inner.state
        {
            open.probing = false;
        }
    }
}

/// What an outcome says about the app.
enum Verdict<'a> {
    Works,
    Fails(&'a CallError),
    Nothing,
}

impl<'a> Verdict<'a> {
    fn of(error: Option<&'a CallError>) -> Self {
        let Some(error) = error else {
            return Self::Works;
        };
        match error {
            CallError::Failure(failure) => match failure.fault {
                Fault::Unavailable | Fault::Timeout | Fault::Unauthenticated => Self::Fails(error),
                Fault::Busy => Self::Nothing,
                Fault::NotFound
                | Fault::AlreadyExists
                | Fault::Changed
                | Fault::Invalid
                | Fault::Unsupported
                | Fault::Forbidden
                | Fault::Other => Self::Works,
            },
            CallError::Trapped { .. }
            | CallError::TimedOut { .. }
            | CallError::CpuExhausted { .. }
            | CallError::MemoryExhausted { .. }
            | CallError::LimitExceeded { .. }
            | CallError::Broken(_)
            | CallError::Host(_) => Self::Fails(error),
            CallError::Busy { .. }
            | CallError::NotExported { .. }
            | CallError::CircuitOpen { .. } => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Failure;

    const SECOND: Duration = Duration::from_secs(1);

    fn circuit() -> Circuit {
        Circuit::new(Settings {
            faults: 3,
            pause: SECOND,
            max_pause: 4 * SECOND,
        })
    }

    fn trap() -> CallError {
        CallError::Trapped {
            detail: "unreachable".to_owned(),
        }
    }

    fn failure(fault: Fault) -> CallError {
        CallError::Failure(Failure {
            fault,
            message: "says why".to_owned(),
            attribute: None,
            target_code: None,
            retry_after_ms: None,
        })
    }

    fn fail(circuit: &Circuit) -> Option<Turn> {
        circuit.admit().ok().unwrap().settle(Some(&trap()))
    }

    fn refused(circuit: &Circuit) -> Duration {
        match circuit.admit().err().expect("no call may be made") {
            CallError::CircuitOpen { retry_after, .. } => retry_after,
            other => panic!("{other:?}"),
        }
    }

    fn open(circuit: &Circuit) {
        assert_eq!((fail(circuit), fail(circuit)), (None, None));
        assert!(matches!(
            fail(circuit),
            Some(Turn::Opened { faults: 3, .. })
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn faults_in_a_row_open_it_and_callers_hear_when_to_come_back() {
        let circuit = circuit();
        open(&circuit);
        assert_eq!(refused(&circuit), SECOND);
        tokio::time::advance(SECOND / 4).await;
        assert_eq!(refused(&circuit), SECOND * 3 / 4);
        let said = circuit.admit().err().unwrap().to_string();
        for words in ["3 calls in a row", "250ms ago", "750ms", "unreachable"] {
            assert!(said.contains(words), "no `{words}` in: {said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_between_faults_keeps_it_closed() {
        let circuit = circuit();
        for _ in 0..5 {
            assert_eq!((fail(&circuit), fail(&circuit)), (None, None));
            circuit.admit().ok().unwrap().settle(None);
        }
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_target_says_of_one_object_is_an_answer_and_its_absence_is_none() {
        for (fault, opens) in [
            (Fault::NotFound, false),
            (Fault::AlreadyExists, false),
            (Fault::Changed, false),
            (Fault::Invalid, false),
            (Fault::Unsupported, false),
            (Fault::Forbidden, false),
            (Fault::Busy, false),
            (Fault::Other, false),
            (Fault::Unauthenticated, true),
            (Fault::Unavailable, true),
            (Fault::Timeout, true),
        ] {
            let circuit = circuit();
            for _ in 0..3 {
                circuit.admit().ok().unwrap().settle(Some(&failure(fault)));
            }
            assert_eq!(circuit.admit().is_err(), opens, "{fault:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_app_says_nothing_about_its_connector() {
        let circuit = circuit();
        let busy = CallError::Busy {
            crowded: crate::call::Crowded::Slots,
            retry_after: SECOND,
        };
        fail(&circuit);
        fail(&circuit);
        for _ in 0..9 {
            circuit.admit().ok().unwrap().settle(Some(&busy));
        }
        assert!(matches!(fail(&circuit), Some(Turn::Opened { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_probes_and_its_success_closes() {
        let circuit = circuit();
        open(&circuit);
        tokio::time::advance(SECOND).await;
        let probe = circuit.admit().ok().unwrap();
        assert_eq!(refused(&circuit), PROBING, "a second probe");
        assert!(matches!(
            circuit.state(),
            CircuitState::Open { next: None, .. }
        ));
        assert_eq!(probe.settle(None), Some(Turn::Closed { after: SECOND }));
        // From nothing again: two faults do not open it.
        assert_eq!((fail(&circuit), fail(&circuit)), (None, None));
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn each_failed_probe_doubles_the_pause_up_to_the_limit() {
        let circuit = circuit();
        open(&circuit);
        for pause in [1, 2, 4, 4] {
            assert_eq!(refused(&circuit), SECOND * pause);
            tokio::time::advance(SECOND * pause).await;
            assert_eq!(fail(&circuit), None);
        }
        tokio::time::advance(SECOND * 4).await;
        circuit.admit().ok().unwrap().settle(None);
        open(&circuit);
        assert_eq!(refused(&circuit), SECOND, "the pause starts anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_whose_caller_goes_away_makes_room_for_the_next() {
        let circuit = circuit();
        open(&circuit);
        tokio::time::advance(SECOND).await;
        drop(circuit.admit().ok().unwrap());
        let next = circuit.admit().ok().unwrap();
        assert!(matches!(next.settle(None), Some(Turn::Closed { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_from_before_has_no_say_after_it() {
        let circuit = circuit();
        let (good, bad) = (circuit.admit().ok().unwrap(), circuit.admit().ok().unwrap());
        open(&circuit);
        assert_eq!(good.settle(None), None);
        assert_eq!(refused(&circuit), SECOND, "an old success does not close");
        tokio::time::advance(SECOND).await;
        circuit.admit().ok().unwrap().settle(None);
        bad.settle(Some(&trap()));
        assert_eq!((fail(&circuit), fail(&circuit)), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_number_of_faults_it_never_opens() {
        let circuit = Circuit::new(Settings {
            faults: 0,
            ..Settings::default()
        });
        for _ in 0..1000 {
            assert_eq!(fail(&circuit), None);
        }
    }
}
