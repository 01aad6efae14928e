//! Is there one order of all that was done to a register, in which everybody's answer is right?
//!
//! For the store's suite, and for tests of the whole product: whoever reads and writes a value at once with others notes when
//! it asked and when it was answered. The judge looks for an order that respects those times: the search of Wing and Gong
//! (1993) with Lowe's memory of states that lead nowhere. Several registers are judged one by one (Herlihy and Wing:
//! linearizability is local). It knows nothing of stores, HTTP or time.

use std::collections::HashSet;

/// One thing that was done to a register, and its answer. Values are unique to their writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// What was seen.
    Read(Option<u64>),
    /// What was put there.
    Write(Option<u64>),
    /// From one value to another; done, or refused because another value was there.
    Swap(Option<u64>, Option<u64>, bool),
}

/// A step and its times. One that was never answered may have been done at any time after it was asked, or never.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// When.
    pub asked: u64,
    /// When; none: never.
    pub answered: Option<u64>,
    /// What, and the answer.
    pub step: Step,
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
pub fn is_linearizable(events: &[Event]) -> bool {
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
