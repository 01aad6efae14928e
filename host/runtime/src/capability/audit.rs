//! The audit record of one call: what its connector did, one line each up to `limits.audit-lines`, and what it did
//! beyond that in numbers when the call is over. So a connector that asks without end cannot drown the record.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::info;

use super::Grants;

/// Most things that are counted apart; a guest may invent names.
const KINDS: usize = 32;

/// How something that is recorded ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    Done,
    Denied,
    Refused,
    Failed,
    Abandoned,
}

impl Ending {
    /// The word of the record.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One call's record.
pub(crate) struct Record {
    pub(crate) grants: Arc<Grants>,
    pub(crate) request: Arc<str>,
    lines: Mutex<Lines>,
}

struct Lines {
    left: u32,
    /// What had no line of its own, by capability and target.
    more: BTreeMap<(&'static str, String), BTreeMap<Ending, u64>>,
}

impl Record {
    pub(crate) fn new(grants: &Arc<Grants>, request: &Arc<str>) -> Self {
        Self {
            grants: Arc::clone(grants),
            request: Arc::clone(request),
            lines: Mutex::new(Lines {
                left: grants.limits.audit_lines,
                more: BTreeMap::new(),
            }),
        }
    }

    /// Whether this may have a line of its own; if not, it is counted.
    pub(crate) fn takes(&self, capability: &'static str, on: &str, ending: Ending) -> bool {
        let mut lines = self.lines.lock();
        if lines.left > 0 {
            lines.left -= 1;
            return true;
        }
        let mut kind = (capability, on.to_owned());
        if lines.more.len() >= KINDS && !lines.more.contains_key(&kind) {
            kind = (capability, "…".to_owned());
        }
        *lines
            .more
            .entry(kind)
            .or_default()
            .entry(ending)
            .or_default() += 1;
        false
    }

    /// Says in numbers what was not said in lines: at the end of the call, and of what outlives it.
    pub(crate) fn close(&self) {
        let more = std::mem::take(&mut self.lines.lock().more);
        for ((capability, on), endings) in &more {
            let of = |ending| endings.get(&ending).copied().unwrap_or_default();
            info!(
                target: "tombolo::audit", event = "more-host-calls", app = %self.grants.app, connector = %self.grants.connector,
                request = %self.request, capability, ?on, calls = endings.values().sum::<u64>(), done = of(Ending::Done),
                denied = of(Ending::Denied), refused = of(Ending::Refused), failed = of(Ending::Failed),
                abandoned = of(Ending::Abandoned),
                "further calls of a connector to this target, past the `limits.audit-lines` of one call"
            );
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.close();
    }
}
