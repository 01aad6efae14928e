//! `log`: what the guest says becomes the host's own log, named, redacted and counted.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{debug, error, info, warn};

use super::Grants;
use crate::bindings::tombolo::connector::log::{Host, Level};
use crate::guest::Guest;

/// Longest message; the rest is cut.
const MESSAGE_BYTES: usize = 4096;
/// Most fields of one line; the rest is dropped.
const FIELDS: usize = 32;

/// Where one instance's lines go. Shared by the `log` interface and the standard streams, so that one cap holds for all.
pub(crate) struct Journal {
    grants: Arc<Grants>,
    call: Mutex<Lines>,
}

struct Lines {
    request: Arc<str>,
    left: u32,
    dropped: u64,
}

impl Journal {
    pub(crate) fn new(grants: Arc<Grants>, request: Arc<str>) -> Self {
        let left = grants.limits.log_lines;
        Self {
            grants,
            call: Mutex::new(Lines {
                request,
                left,
                dropped: 0,
            }),
        }
    }

    /// A new call begins: its lines carry its request id and are counted from nothing.
    pub(crate) fn begin(&self, request: Arc<str>) {
        *self.call.lock() = Lines {
            request,
            left: self.grants.limits.log_lines,
            dropped: 0,
        };
    }

    /// One line in the host's log, if the call may still write one.
    pub(crate) fn line(&self, level: Level, message: &str, fields: &[(String, String)]) {
        let request = {
            let mut call = self.call.lock();
            let Some(left) = call.left.checked_sub(1) else {
                call.dropped += 1;
                return;
            };
            call.left = left;
            Arc::clone(&call.request)
        };
        let grants = &*self.grants;
        let message = grants.redactor.text(message, MESSAGE_BYTES);
        let mut named = String::new();
        for (name, value) in fields.iter().take(FIELDS) {
            let (name, value) = (
                grants.redactor.text(name, MESSAGE_BYTES),
                grants.redactor.text(value, MESSAGE_BYTES),
            );
            named.push_str(if named.is_empty() { "" } else { " " });
            named.push_str(&format!("{name}={value:?}"));
        }
        let (app, connector, revision) = (&*grants.app, &*grants.connector, &*grants.revision);
        // A level is part of an event's static description, hence four arms.
        match level {
            Level::Debug => {
                debug!(target: "tombolo::connector", app, connector, revision, %request, fields = %named, "{message}");
            }
            Level::Info => {
                info!(target: "tombolo::connector", app, connector, revision, %request, fields = %named, "{message}");
            }
            Level::Warn => {
                warn!(target: "tombolo::connector", app, connector, revision, %request, fields = %named, "{message}");
            }
            Level::Error => {
                error!(target: "tombolo::connector", app, connector, revision, %request, fields = %named, "{message}");
            }
        }
    }

    /// Says, once at the end of a call, how much was not said.
    pub(crate) fn end(&self) {
        let mut call = self.call.lock();
        let dropped = std::mem::take(&mut call.dropped);
        if dropped > 0 {
            warn!(
                target: "tombolo::connector",
                app = %self.grants.app, connector = %self.grants.connector, request = %call.request, dropped,
                "the connector wrote more than {} log lines in one call; the rest was dropped", self.grants.limits.log_lines
            );
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.end();
    }
}

impl Host for Guest {
    async fn emit(
        &mut self,
        level: Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.journal.line(level, &message, &fields);
        Ok(())
    }
}
