//! What is too strange to be believed: a source that has lost half of its people, a clock that jumps.
//!
//! Nothing of what is not believed is sent, and nothing of it is forgotten: the next run looks again, and an administrator
//! who knows better says so.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tombolo_store::{Commit, Range};

use super::FlowError;
use super::book::Book;
use super::definition::Limit;

/// A clock may be set back so far without being doubted.
const BACK: SignedDuration = SignedDuration::from_mins(5);
/// And run ahead of the machine's own counting so far.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);
/// A flow that was last at work so long ago may be right, and somebody has to say so: every date since falls due at once.
const ASLEEP: SignedDuration = SignedDuration::from_hours(24 * 32);
/// Marks of leavers that are swept away at a time.
const SWEEP: usize = 1000;

/// What an administrator has said that he knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accept {
    /// So many have really left.
    pub(crate) shrink: bool,
    /// The clock is right.
    pub(crate) clock: bool,
}

/// Whether so many may leave.
pub(crate) async fn leavers(
    book: &Book,
    limit: &Limit,
    leaving: u64,
    population: u64,
    now: Timestamp,
    accept: Accept,
) -> Result<(), FlowError> {
    if leaving == 0 || accept.shrink || !book.actions.leave {
        return Ok(());
    }
    let window = SignedDuration::try_from(limit.window).unwrap_or(SignedDuration::MAX);
    let since = now.checked_sub(window).unwrap_or(Timestamp::UNIX_EPOCH);
    let marks = Range::prefix(book.keys.leavers()).from(book.keys.left_from(since));
    let before = book.store.scan(marks).await?.len() as u64;
    // Those who have left within the window were there at its beginning.
    let allowed = limit.allows(population + before);
    if before + leaving <= allowed {
        return Ok(());
    }
    let already = match before {
        0 => String::new(),
        n => format!(" after {n} within the window"),
    };
    Err(FlowError::Held {
        reason: format!(
            "{leaving} of {population} would leave{already}, and {allowed} may: the source may be cut short or answer only in part"
        ),
        remedy: "look at the source; if they have really left: `tombolo flow run DIR NAME --accept-shrink`, or raise `[limit]` in the flow's file".to_owned(),
    })
}

/// Forgets who left before the window.
pub(crate) async fn sweep(
    book: &Book,
    limit: &Limit,
    now: Timestamp,
    mut commit: Commit,
) -> Result<Commit, FlowError> {
    let window = SignedDuration::try_from(limit.window).unwrap_or(SignedDuration::MAX);
    let since = now.checked_sub(window).unwrap_or(Timestamp::UNIX_EPOCH);
    let old = Range::prefix(book.keys.leavers())
        .until(book.keys.left_from(since))
        .limit(SWEEP);
    for (key, _) in book.store.scan(old).await? {
        commit = commit.delete(key);
    }
    Ok(commit)
}

/// The machine's two ways of telling time, looked at together.
pub(crate) struct Clock {
    began: (Timestamp, Instant),
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            began: (Timestamp::now(), Instant::now()),
        }
    }

    /// Whether the clock can be believed, after `last`.
    pub(crate) fn check(&self, last: Option<Timestamp>, accept: Accept) -> Result<(), FlowError> {
        let counted = SignedDuration::try_from(self.began.1.elapsed()).unwrap_or_default();
        believe(Timestamp::now(), last, self.began.0, counted, accept)
    }

    /// What it says now is believed from now on.
    pub(crate) fn accept(&mut self) {
        self.began = (Timestamp::now(), Instant::now());
    }
}

fn believe(
    now: Timestamp,
    last: Option<Timestamp>,
    began: Timestamp,
    counted: SignedDuration,
    accept: Accept,
) -> Result<(), FlowError> {
    if accept.clock {
        return Ok(());
    }
    let held = |reason: String| {
        Err(FlowError::Held {
            reason,
            remedy: "set the clock; if it is right: `tombolo flow run DIR NAME --accept-clock`"
                .to_owned(),
        })
    };
    let ahead = now.duration_since(began) - counted;
    if ahead > AHEAD {
        return held(format!(
            "the clock has jumped ahead to {now}, and by dates people would begin and leave"
        ));
    }
    let Some(last) = last else { return Ok(()) };
    if last.duration_since(now) > BACK {
        return held(format!(
            "the clock says {now}, and this flow was last at work at {last}: it has been set back"
        ));
    }
    if now.duration_since(last) > ASLEEP {
        return held(format!(
            "the clock says {now}, and this flow was last at work at {last}: every date between would fall due at once"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_clock_that_jumps_is_not_believed_until_somebody_says_so() {
        let began = at("2026-06-01T12:00:00Z");
        let hours = SignedDuration::from_hours;
        let check = |now: &str, last: Option<&str>, counted, clock| {
            let accept = Accept {
                clock,
                ..Accept::default()
            };
            believe(at(now), last.map(at), began, counted, accept)
        };
        let last = Some("2026-06-01T11:55:00Z");
        assert!(check("2026-06-01T13:00:00Z", last, hours(1), false).is_ok());
        for (now, last, counted) in [
            ("2026-06-01T11:40:00Z", last, hours(0)),
            ("2026-06-03T12:00:00Z", last, hours(1)),
            (
                "2026-06-01T12:00:00Z",
                Some("2026-04-01T00:00:00Z"),
                hours(0),
            ),
        ] {
            let said = check(now, last, counted, false)
                .expect_err("held")
                .to_string();
            assert!(said.contains("--accept-clock"), "{said}");
            assert!(check(now, last, counted, true).is_ok());
        }
    }
}
