//! `log`: what the guest says becomes the host's own log, named, redacted and counted.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{debug, error, info, warn};

use super::Grants;
use crate::bindings::tombolo::connector::log::{Host, Level};
use crate::guest::Guest;
use crate::redact::printable;

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
    bytes_left: usize,
    dropped: u64,
}

impl Lines {
    fn new(grants: &Grants, request: Arc<str>) -> Self {
        Self {
            request,
            left: grants.limits.log_lines,
            bytes_left: grants.limits.log_bytes,
            dropped: 0,
        }
    }
}

impl Journal {
    pub(crate) fn new(grants: Arc<Grants>, request: Arc<str>) -> Self {
        Self {
            call: Mutex::new(Lines::new(&grants, request)),
            grants,
        }
    }

    /// A new call begins: its lines carry its request id and are counted from nothing.
    pub(crate) fn begin(&self, request: Arc<str>) {
        *self.call.lock() = Lines::new(&self.grants, request);
    }

    /// One line in the host's log, if the call may still write one.
    pub(crate) fn line(&self, level: Level, message: &str, fields: &[(String, String)]) {
        let mut call = self.call.lock();
        // A flood costs no more than this look.
        if call.left == 0 || call.bytes_left == 0 {
            call.dropped += 1;
            return;
        }
        let grants = &*self.grants;
        let hide = |text: &str| grants.redactor.text(text, MESSAGE_BYTES);
        let message = printable(&hide(message)).into_owned();
        let mut named = String::new();
        for (name, value) in fields.iter().take(FIELDS) {
            named.push_str(if named.is_empty() { "" } else { " " });
            named.push_str(&format!("{}={:?}", printable(&hide(name)), hide(value)));
        }
        let Some(bytes_left) = call.bytes_left.checked_sub(message.len() + named.len()) else {
            call.bytes_left = 0;
            call.dropped += 1;
            return;
        };
        call.bytes_left = bytes_left;
        call.left -= 1;
        let request = Arc::clone(&call.request);
        drop(call);
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
                "the connector wrote more log lines in one call than `limits.log-lines` ({}) and `limits.log-bytes` ({}) allow; the rest was dropped",
                self.grants.limits.log_lines, self.grants.limits.log_bytes
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
