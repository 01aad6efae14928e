//! Is there one order of all that was done to a key, in which everybody's answer is right?
//!
//! Tasks read, write and conditionally write a few keys at once and note when they asked and when they were answered; a key
//! is a register, and `tombolo-history` judges it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tombolo_history::{Event, Step, is_linearizable};

use crate::{Commit, Key, Store};

const TASKS: u64 = 8;
const KEYS: u64 = 4;
const STEPS: u64 = 60;

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
