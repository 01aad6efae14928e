//! The keys under which a flow's state is kept.
//!
//! | key | value |
//! |---|---|
//! | `+flows`, `p`, flow, key | [`Person`](super::person::Person) |
//! | `+flows`, `a`, flow, anchor | key: the source's anchors |
//! | `+flows`, `q`, flow, rank, number, key | [`Change`](super::Change): what waits for the sink |
//! | `+flows`, `d`, flow, time, key | nothing: whom to look at again, and when |
//! | `+flows`, `c`, flow, class, key | [`Candidate`](super::promote::Candidate): what a scan has found |
//! | `+flows`, `n`, flow, key referred to, key | nothing: whose record lacked it in the sink |
//! | `+flows`, `l`, flow, time, key | nothing: who left when |
//! | `+flows`, `w`, flow | [`Watermark`](super::book::Watermark) |
//! | `+flows`, `s`, flow, key | nothing: whose outcome the sink owes |
//! | `+flows`, `r`, flow | [`Run`](super::report::Run): the last one |
//!
//! `flow` is the flow's name and where it leads to: one that gets another sink knows nothing of what the former was sent, and
//! finds it again when it is given back. No app's name begins with a `+`.

use jiff::Timestamp;
use tombolo_store::Key;

use super::person::Place;
use crate::keys::short;

/// The keys of one flow.
#[derive(Clone, Debug)]
pub(crate) struct FlowKeys {
    space: String,
}

/// The room of a kind of key, over all flows.
pub(crate) fn room(room: &str) -> Key {
    Key::of("+flows").text(room)
}

fn number(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

impl FlowKeys {
    pub(crate) fn new(flow: &str, sink: &str) -> Self {
        Self {
            space: format!("{flow} {sink}"),
        }
    }

    fn all(&self, name: &str) -> Key {
        room(name).text(&self.space)
    }

    pub(crate) fn people(&self) -> Key {
        self.all("p")
    }

    pub(crate) fn person(&self, key: &str) -> Key {
        self.people().text(key)
    }

    pub(crate) fn anchor(&self, anchor: &str) -> Key {
        self.all("a").text(&short(anchor))
    }

    pub(crate) fn queue(&self) -> Key {
        self.all("q")
    }

    pub(crate) fn queued(&self, place: Place, key: &str) -> Key {
        self.queue()
            .number(place.rank)
            .number(place.number)
            .text(key)
    }

    /// Where the queue of those who have not left begins.
    pub(crate) fn after_leavers(&self) -> Key {
        self.queue().number(super::person::LEAVERS + 1)
    }

    pub(crate) fn all_due(&self) -> Key {
        self.all("d")
    }

    pub(crate) fn due_from(&self, at: Timestamp) -> Key {
        self.all_due().number(number(at))
    }

    pub(crate) fn due(&self, at: Timestamp, key: &str) -> Key {
        self.due_from(at).text(key)
    }

    pub(crate) fn candidates(&self) -> Key {
        self.all("c")
    }

    pub(crate) fn candidate(&self, class: u64, key: &str) -> Key {
        self.candidates().number(class).text(key)
    }

    pub(crate) fn all_lacking(&self, referred: &str) -> Key {
        self.all("n").text(referred)
    }

    pub(crate) fn lacking(&self, referred: &str, key: &str) -> Key {
        self.all_lacking(referred).text(key)
    }

    pub(crate) fn leavers(&self) -> Key {
        self.all("l")
    }

    pub(crate) fn left_from(&self, at: Timestamp) -> Key {
        self.leavers().number(number(at))
    }

    pub(crate) fn left(&self, at: Timestamp, key: &str) -> Key {
        self.left_from(at).text(key)
    }

    pub(crate) fn watermark(&self) -> Key {
        self.all("w")
    }

    pub(crate) fn all_staged(&self) -> Key {
        self.all("s")
    }

    pub(crate) fn staged(&self, key: &str) -> Key {
        self.all_staged().text(key)
    }

    pub(crate) fn run(&self) -> Key {
        self.all("r")
    }
}
