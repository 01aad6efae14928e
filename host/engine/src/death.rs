//! Named moments of a write at which a host that is being tested dies.
//!
//! A kill from outside falls between two steps of a write by chance. A test names the step instead
//! (`TOMBOLO_DIE_AT=update.answered`), and there the process ends as by SIGKILL: nothing is flushed, no destructor runs, no
//! task hears of it. `#3` behind the name means the third time that the moment comes.
//!
//! | moment | what is there |
//! |---|---|
//! | `asked` | nothing yet |
//! | `intended` | the intent, durably |
//! | `called` | the connector is at work; each time that it waits for something counts |
//! | `answered` | the target has done it, and the host knows |
//! | `committing` | the outcome is on its way to the disk |
//! | `committed` | the outcome, durably; nobody has been told |
//!
//! Only in builds with debug assertions: a release has none of it. No cargo feature, since the suite runs one binary, and
//! another selection of features compiles the engine a second time. Not the `fail` crate: what it does at a point is a
//! panic, which ends one task, and its switch is such a feature.

use std::pin::pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use crate::audit::Action;
use crate::record::Step;

/// See the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Asked,
    Intended,
    Called,
    Answered,
    Committing,
    Committed,
}

/// Where this process dies, if it does.
struct Place {
    write: String,
    moment: String,
    /// The how-manieth time.
    time: u32,
    seen: AtomicU32,
}

static PLACE: LazyLock<Option<Place>> =
    LazyLock::new(|| Place::read(&std::env::var("TOMBOLO_DIE_AT").ok()?));

impl Place {
    fn read(text: &str) -> Option<Self> {
        let (name, time) = text.split_once('#').unwrap_or((text, "1"));
        let (write, moment) = name.split_once('.')?;
        Some(Self {
            write: write.to_owned(),
            moment: moment.to_owned(),
            time: time.parse().ok()?,
            seen: AtomicU32::new(0),
        })
    }

    /// Whether this is the place, and the time.
    fn is(&self, write: &str, moment: Moment) -> bool {
        self.write == write
            && self.moment == moment.name()
            && self.seen.fetch_add(1, Ordering::Relaxed) + 1 == self.time
    }
}

impl Moment {
    fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Intended => "intended",
            Self::Called => "called",
            Self::Answered => "answered",
            Self::Committing => "committing",
            Self::Committed => "committed",
        }
    }
}

/// This moment of this write has come.
pub(crate) fn at(write: &str, moment: Moment) {
    if cfg!(debug_assertions)
        && let Some(place) = &*PLACE
        && place.is(write, moment)
    {
        eprintln!("TOMBOLO_DIE_AT: {write}.{}", moment.name());
        std::process::abort();
    }
}

/// The moment comes whenever `work` has to wait.
pub(crate) async fn during<T>(
    write: &str,
    moment: Moment,
    work: impl Future<Output = T> + Send,
) -> T {
    if !cfg!(debug_assertions) || PLACE.is_none() {
        return work.await;
    }
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        let polled = work.as_mut().poll(context);
        if matches!(polled, Poll::Pending) {
            at(write, moment);
        }
        polled
    })
    .await
}

/// A write by what it was begun as.
pub(crate) fn of_step(step: &Step) -> &'static str {
    match step {
        Step::Create { .. } => "create",
        Step::Update { .. } => "update",
        Step::Delete { .. } => "delete",
        Step::Members { .. } => "members",
        Step::Password => "password",
        Step::Leave | Step::Join | Step::Populate => "memberships",
    }
}

/// A write by what is told of it.
pub(crate) fn of_action(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update | Action::Disable | Action::Enable => "update",
        Action::Delete => "delete",
        Action::Members => "members",
        _ => "other",
    }
}

/// A write by the connector's function.
pub(crate) fn of_call(name: &str) -> &str {
    name.strip_prefix("change-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_met_once_at_its_time() {
        let place = Place::read("members.called#2").expect("a place");
        assert!(!place.is("members", Moment::Answered));
        assert!(!place.is("update", Moment::Called));
        let met: Vec<bool> = (0..3)
            .map(|_| place.is("members", Moment::Called))
            .collect();
        assert_eq!(met, [false, true, false]);
        assert!(Place::read("nonsense").is_none());
    }
}
