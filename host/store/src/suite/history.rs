//! Is there one order of all that was done to a key, in which everybody's answer is right?
//!
//! Tasks read, write and conditionally write a few keys at once and note when they asked and when they were answered. The
//! checker then looks for an order that respects those times: the search of Wing and Gong (1993) with Lowe's memory of
//! states that lead nowhere. A key is a register, so each key is judged by itself (Herlihy and Wing: linearizability is
//! local).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Commit, Key, Store};

const TASKS: u64 = 8;
const KEYS: u64 = 4;
const STEPS: u64 = 60;

/// One thing that was done to a register, and its answer. Values are unique to their writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Read(Option<u64>),
    Write(Option<u64>),
    /// From one value to another; done, or refused because another value was there.
    Swap(Option<u64>, Option<u64>, bool),
}

/// A step and its times. One that was never answered may have been done at any time after it was asked, or never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) asked: u64,
    pub(crate) answered: Option<u64>,
    pub(crate) step: Step,
}

/// The answer does not fit the value.
struct Wrong;

impl Step {
    /// The register's value afterwards, if the answer is right for this value.
    fn after(self, value: Option<u64>) -> Result<Option<u64>, Wrong> {
        let (right, then) = match self {
            Self::Read(seen) => (seen == value, value),
            Self::Write(new) => (true, new),
            Self::Swap(from, to, true) => (from == value, to),
            Self::Swap(from, _, false) => (from != value, value),
        };
        if right { Ok(then) } else { Err(Wrong) }
    }
}

/// Whether there is such an order.
pub(crate) fn is_linearizable(events: &[Event]) -> bool {
    let words = events.len().div_ceil(64);
    let mut seen: HashSet<(Vec<u64>, Option<u64>)> = HashSet::new();
    let mut open = vec![(vec![0_u64; words], None)];
    while let Some((done, value)) = open.pop() {
        let left = |n: &usize| done[n / 64] & (1 << (n % 64)) == 0;
        let waiting: Vec<usize> = (0..events.len()).filter(left).collect();
        let Some(first_answer) = waiting.iter().filter_map(|n| events[*n].answered).min() else {
            // All that is left was never answered: it need not have happened.
            return true;
        };
        for n in waiting {
            // Asked after another was answered: that one comes first.
            if events[n].asked > first_answer {
                continue;
            }
            if let Ok(next) = events[n].step.after(value) {
                let mut then = done.clone();
                then[n / 64] |= 1 << (n % 64);
                if seen.insert((then.clone(), next)) {
                    open.push((then, next));
                }
            }
        }
    }
    false
}

/// Several tasks over several handles of the same store; every key's history has an order.
pub async fn linearizable_under_concurrency(stores: &[Arc<dyn Store>]) {
    let clock = Arc::new(AtomicU64::new(1));
    let key = |n: u64| Key::of("history").number(n);
    let clean = (0..KEYS).fold(Commit::new(), |c, n| c.delete(key(n)));
    stores[0].commit(clean).await.expect("a clean beginning");
    let tasks: Vec<_> = (0..TASKS)
        .zip(stores.iter().cycle())
        .map(|(task, store)| tokio::spawn(play(Arc::clone(store), Arc::clone(&clock), task)))
        .collect();
    let mut histories: Vec<Vec<Event>> = vec![Vec::new(); usize::try_from(KEYS).unwrap_or(0)];
    for task in tasks {
        for (key, event) in task.await.expect("the task ends well") {
            histories[usize::try_from(key).unwrap_or(0)].push(event);
        }
    }
    for (key, history) in histories.iter().enumerate() {
        assert!(
            is_linearizable(history),
            "key {key}: no order explains what {TASKS} tasks were told: {history:?}"
        );
    }
}

async fn play(store: Arc<dyn Store>, clock: Arc<AtomicU64>, task: u64) -> Vec<(u64, Event)> {
    let mut dice = task.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut roll = move |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    let tick = || clock.fetch_add(1, Ordering::SeqCst);
    let mut known: Option<u64> = None;
    let mut events = Vec::new();
    for turn in 0..STEPS {
        let register = roll(KEYS);
        let key = Key::of("history").number(register);
        let new = (roll(5) != 0).then_some(task * STEPS + turn);
        let write = |commit: Commit| match new {
            Some(value) => commit.put(&key, value.to_be_bytes()),
            None => commit.delete(&key),
        };
        let asked = tick();
        let step = match roll(3) {
            0 => {
                let value = store.get(&key).await.expect("the read goes through");
                known =
                    value.map(|bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")));
                Step::Read(known)
            }
            1 => {
                store
                    .commit(write(Commit::new()))
                    .await
                    .expect("the commit goes through");
                Step::Write(new)
            }
            _ => {
                let condition = match known {
                    Some(value) => Commit::new().equals(&key, value.to_be_bytes()),
                    None => Commit::new().absent(&key),
                };
                let done = match store.commit(write(condition)).await {
                    Ok(()) => true,
                    Err(error) if error.is_conflict() => false,
                    Err(error) => panic!("{error}"),
                };
                Step::Swap(known, new, done)
            }
        };
        let answered = Some(tick());
        events.push((
            register,
            Event {
                asked,
                answered,
                step,
            },
        ));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(asked: u64, answered: u64, step: Step) -> Event {
        Event {
            asked,
            answered: Some(answered),
            step,
        }
    }

    #[test]
    fn a_read_may_see_a_write_that_is_under_way_but_not_forget_it() {
        let write = event(1, 10, Step::Write(Some(7)));
        let old = event(2, 3, Step::Read(None));
        let new = event(4, 5, Step::Read(Some(7)));
        assert!(is_linearizable(&[write, old, new]));
        let forgets = event(6, 7, Step::Read(None));
        assert!(!is_linearizable(&[write, new, forgets]));
    }

    #[test]
    fn a_stale_read_and_a_lost_update_have_no_order() {
        let write = event(1, 2, Step::Write(Some(7)));
        assert!(!is_linearizable(&[write, event(3, 4, Step::Read(None))]));
        let one = event(3, 6, Step::Swap(Some(7), Some(8), true));
        let two = event(4, 5, Step::Swap(Some(7), Some(9), true));
        assert!(!is_linearizable(&[write, one, two]));
        let refused = event(4, 5, Step::Swap(Some(7), Some(9), false));
        assert!(is_linearizable(&[write, one, refused]));
    }

    #[test]
    fn what_was_never_answered_may_have_been_done_or_not() {
        let lost = Event {
            asked: 1,
            answered: None,
            step: Step::Write(Some(7)),
        };
        assert!(is_linearizable(&[lost, event(2, 3, Step::Read(None))]));
        assert!(is_linearizable(&[lost, event(2, 3, Step::Read(Some(7)))]));
        let back = [
            lost,
            event(2, 3, Step::Read(Some(7))),
            event(4, 5, Step::Read(None)),
        ];
        assert!(!is_linearizable(&back));
    }
}
