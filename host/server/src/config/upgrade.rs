//! `[upgrade]`: how a new revision of a connector is taken over. In an app's file for that app, in `tombolo.toml` for
//! every app that does not say otherwise.

use std::time::Duration;

use super::reader::Section;

/// What holds for one app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Whether a new revision has to reach the target before it is taken over, if the one in use does.
    pub check: bool,
    /// Whether a new revision that proves bad is taken back.
    pub rollback: bool,
    /// How many calls a new revision is watched for at most …
    pub calls: u64,
    /// … and how long at most.
    pub watch: Duration,
    /// From how many calls on that it has spoiled itself it is taken back.
    pub faults: u64,
}

impl Default for Upgrade {
    fn default() -> Self {
        Self {
            check: true,
            rollback: true,
            calls: 200,
            // Entra's cycle is 40 minutes: one of them is in it.
            watch: Duration::from_hours(1),
            faults: 3,
        }
    }
}

/// What one file says; what it does not say is decided elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    check: Option<bool>,
    rollback: Option<bool>,
    calls: Option<u64>,
    watch: Option<Duration>,
    faults: Option<u64>,
}

impl Wishes {
    /// What holds, where `otherwise` does not.
    pub fn over(&self, otherwise: Upgrade) -> Upgrade {
        Upgrade {
            check: self.check.unwrap_or(otherwise.check),
            rollback: self.rollback.unwrap_or(otherwise.rollback),
            calls: self.calls.unwrap_or(otherwise.calls),
            watch: self.watch.unwrap_or(otherwise.watch),
            faults: self.faults.unwrap_or(otherwise.faults),
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Wishes {
    let wishes = Wishes {
        check: section.flag("check"),
        rollback: section.flag("rollback"),
        calls: section.integer("calls", 1..=1_000_000),
        watch: section.duration("watch"),
        faults: section.integer("faults", 1..=1_000_000),
    };
    section.finish();
    wishes
}
