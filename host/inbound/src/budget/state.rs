//! Which calls still count, and whether one more may be made: pure, the time is passed in.
//!
//! A call reaches the service somewhere between its beginning and its end. It counts in the short window from its
//! beginning until a window after its *end*: then no 5 seconds at the service can hold more than we counted, however slow
//! the network was. A call whose end nobody reported (the process died) ends when its request would have timed out.
//!
//! The long window is counted in slots of five minutes, and a slot counts until its last call is out of the window: a
//! little too careful, and small.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::limits::{Limits, Priority};

/// Of the long window.
const SLOT: i64 = 5 * 60 * 1000;
/// The longest that a service's wish to be left alone is obeyed: it may be mistaken.
pub(super) const LONGEST_HOLD: i64 = 60 * 60 * 1000;

/// What is persisted. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The number of the next call.
    #[serde(rename = "n")]
    next: u64,
    /// The calls that the short window counts.
    #[serde(rename = "r")]
    recent: Vec<Call>,
    /// How many calls began in each slot.
    #[serde(rename = "s")]
    slots: BTreeMap<i64, u32>,
    /// Until when the service wants to be left alone.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    held: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Call {
    #[serde(rename = "n")]
    number: u64,
    #[serde(rename = "b")]
    began: i64,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    ended: Option<i64>,
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Now; it is counted, and this is its number.
    Go(u64),
    /// Not before then.
    Wait(Timestamp, Why),
}

/// What is in the way of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The calls of the last seconds.
    Burst,
    /// The calls of the last day.
    Day,
    /// The service said `Retry-After`.
    Held,
}

impl State {
    /// Counts one more call if the limits have room for it.
    pub fn take(&mut self, now: Timestamp, priority: Priority, limits: &Limits) -> Decision {
        let now = now.as_millisecond();
        self.tidy(now, limits);
        let wait = |at: i64, why| {
            Decision::Wait(
                Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX),
                why,
            )
        };
        if let Some(held) = self.held {
            return wait(held, Why::Held);
        }
        if let Some(at) = self.day_frees(limits.day_for(priority), limits) {
            return wait(at, Why::Day);
        }
        if let Some(at) = self.burst_frees(limits.burst_for(priority), limits) {
            return wait(at, Why::Burst);
        }
        let number = self.next;
        self.next += 1;
        self.recent.push(Call {
            number,
            began: now,
            ended: None,
        });
        *self.slots.entry(now.div_euclid(SLOT)).or_default() += 1;
        Decision::Go(number)
    }

    /// A call has ended, and the service has seen it.
    pub fn end(&mut self, number: u64, now: Timestamp) {
        let now = now.as_millisecond();
        if let Some(call) = self.recent.iter_mut().find(|call| call.number == number) {
            call.ended = Some(now.max(call.began));
        }
    }

    /// Nobody calls before then.
    pub fn hold(&mut self, now: Timestamp, until: Timestamp) {
        let longest = now.as_millisecond() + LONGEST_HOLD;
        let until = until.as_millisecond().min(longest);
        self.held = Some(self.held.unwrap_or(until).max(until));
    }

    /// How many calls of the long window are left to this priority.
    pub fn left(&self, now: Timestamp, priority: Priority, limits: &Limits) -> u32 {
        let mut tidied = self.clone();
        tidied.tidy(now.as_millisecond(), limits);
        limits.day_for(priority).saturating_sub(tidied.today())
    }

    fn today(&self) -> u32 {
        self.slots.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Forgets what no window counts. What a clock that ran ahead has written is counted as if it had happened now, so
    /// that it counts for a whole window, and not for as long as the clock was wrong.
    fn tidy(&mut self, now: i64, limits: &Limits) {
        for call in &mut self.recent {
            call.began = call.began.min(now);
            call.ended = call.ended.map(|ended| ended.min(now));
        }
        self.recent.retain(|call| free_at(call, limits) > now);
        let slot = now.div_euclid(SLOT);
        let ahead: u32 = self.slots.split_off(&(slot + 1)).into_values().sum();
        if ahead > 0 {
            *self.slots.entry(slot).or_default() += ahead;
        }
        self.slots
            .retain(|slot, _| slot_free_at(*slot, limits) > now);
        self.held = self
            .held
            .map(|held| held.min(now + LONGEST_HOLD))
            .filter(|held| *held > now);
    }

    /// When the short window has room for one more; nothing if it has.
    fn burst_frees(&self, limit: u32, limits: &Limits) -> Option<i64> {
        let over = self.recent.len().checked_sub(limit as usize)?;
        let mut free: Vec<i64> = self.recent.iter().map(|c| free_at(c, limits)).collect();
        free.sort_unstable();
        // With a limit of nothing there is no call to wait for; the window itself will do.
        Some(free.get(over).or(free.last()).copied().unwrap_or(i64::MAX))
    }

    /// The same of the long window.
    fn day_frees(&self, limit: u32, limits: &Limits) -> Option<i64> {
        let mut over = self.today().checked_sub(limit)? + 1;
        for (slot, count) in &self.slots {
            over = over.saturating_sub(*count);
            if over == 0 {
                return Some(slot_free_at(*slot, limits));
            }
        }
        Some(i64::MAX)
    }
}

fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}

fn free_at(call: &Call, limits: &Limits) -> i64 {
    let ended = call.ended.unwrap_or(call.began + millis(limits.flight));
    ended + millis(limits.burst_window) + millis(limits.margin)
}

fn slot_free_at(slot: i64, limits: &Limits) -> i64 {
    (slot + 1) * SLOT + millis(limits.flight) + millis(limits.day_window) + millis(limits.margin)
}
