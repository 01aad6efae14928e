//! Joiner, mover, leaver, rehire: what a source's word means for one person.
//!
//! Pure: it is given what was known, what the source says, and the time. Who was never given to the sink and is not in is a
//! leaver all the same: an account may be there that the flow has never seen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::definition::Actions;
use super::fact::Fact;
use super::person::{LEAVERS, Person, Place, Stage};

/// What happens to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Was never in, and is now.
    Joiner,
    /// Is in, with other values.
    Mover,
    /// Was in, and is no longer; or has left before the flow began.
    Leaver,
    /// Has left, and is in again.
    Rehire,
}

/// What a source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It has the person, like this.
    Has(Fact),
    /// It has not, or not in scope.
    HasNot,
    /// Nothing; only time has passed.
    Silence,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The person from now on; none: there is nothing to remember.
    pub(crate) person: Option<Person>,
    /// What is to be sent.
    pub(crate) change: Option<Change>,
}

/// Decides. `place` is where a change would stand in the queue; leavers go before all.
pub(crate) fn decide(
    old: Option<&Person>,
    word: Word,
    now: Timestamp,
    actions: Actions,
    place: Place,
) -> Decision {
    let nothing = Decision {
        person: None,
        change: None,
    };
    let mut person = match (old, word) {
        (None, Word::HasNot | Word::Silence) => return nothing,
        (None, Word::Has(fact)) => Person {
            fact,
            present: true,
            wanted: None,
            is_in: false,
            sink: None,
            stage: Stage::Idle,
            attempts: 0,
            due: None,
            sent: None,
            lacks: Vec::new(),
        },
        (Some(old), Word::Has(fact)) => Person {
            fact,
            present: true,
            ..old.clone()
        },
        (Some(old), Word::HasNot) => Person {
            present: false,
            ..old.clone()
        },
        (Some(old), Word::Silence) => old.clone(),
    };
    let date = person.next_date(now);
    if !matches!(person.stage, Stage::Failing { .. } | Stage::Staged { .. }) {
        person.due = date;
    }
    let Some(aim) = person.aim(now) else {
        // Not before the person begins.
        return Decision {
            person: Some(person),
            change: None,
        };
    };
    if !person.present && person.wanted.is_none() {
        // Never sent, and gone: there is nothing to take back.
        return nothing;
    }
    let digest = aim.digest();
    if person.wanted.as_ref() == Some(&digest) {
        return Decision {
            person: Some(person),
            change: None,
        };
    }
    let change = match (person.is_in, aim.is_in, person.wanted.is_some()) {
        (false, true, false) => Change::Joiner,
        (false, true, true) => Change::Rehire,
        (true, true, _) => Change::Mover,
        (true, false, _) | (false, false, false) => Change::Leaver,
        (false, false, true) => Change::Mover,
    };
    if !allowed(change, actions) {
        return Decision {
            person: Some(person),
            change: None,
        };
    }
    let place = match change {
        Change::Leaver => Place {
            rank: LEAVERS,
            ..place
        },
        _ => place,
    };
    person.wanted = Some(digest);
    person.is_in = aim.is_in;
    person.stage = Stage::Queued(place);
    person.attempts = 0;
    person.due = date;
    Decision {
        person: Some(person),
        change: Some(change),
    }
}

/// A joiner of a flow that only updates is updated, if he is there.
fn allowed(change: Change, actions: Actions) -> bool {
    match change {
        Change::Joiner | Change::Rehire => actions.create || actions.update,
        Change::Mover => actions.update,
        Change::Leaver => actions.leave,
    }
}
