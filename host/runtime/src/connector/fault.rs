//! From what wasmtime says to what the face says.

use secrecy::SecretString;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use super::clock::OutOfTime;
use super::instance::NotExported;
use super::limiter::{MEMORIES, OutOfMemory, TABLES};
use crate::call::{CallError, Crowded};
use crate::capability::Grants;
use crate::contract::Failure;
use crate::guest::Exceeded;
use crate::redact::{Redactor, printable};

/// Longest message of a failure: Entra shows it in a table cell.
const MESSAGE_BYTES: usize = 2048;
/// Longest name or code.
const WORD_BYTES: usize = 256;
/// Longest story in the log.
pub(super) const DETAIL_BYTES: usize = 16 << 10;
/// wasmtime's words for its limit on one host call; the type is private to it.
const FUEL_WORDS: &str = "fuel allocated for hostcalls has been exhausted";
const HANDLES_WORDS: &str = "store handle limit exceeded";
const INSTANCES_WORDS: &str = "instance count too high";
const MEMORIES_WORDS: &str = "memory count too high";
const TABLES_WORDS: &str = "table count too high";

pub(super) fn classify(error: &wasmtime::Error, grants: &Grants) -> CallError {
    let handles = || CallError::LimitExceeded {
        what: "handles held by one instance, `limits.resources`".to_owned(),
        limit: grants.limits.resources as u64,
    };
    if let Some(NotExported(interface)) = error.downcast_ref() {
        return CallError::NotExported { interface };
    }
    if let Some(OutOfTime { limit }) = error.downcast_ref() {
        return CallError::CpuExhausted { limit: *limit };
    }
    if let Some(OutOfMemory { limit }) = error.downcast_ref() {
        return CallError::MemoryExhausted { limit: *limit };
    }
    if let Some(Exceeded { what, limit }) = error.downcast_ref() {
        return CallError::LimitExceeded {
            what: (*what).to_owned(),
            limit: *limit,
        };
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return CallError::Busy {
            crowded: Crowded::Engine,
            retry_after: std::time::Duration::from_secs(1),
        };
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return handles();
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return CallError::Trapped {
            detail: trap.to_string(),
        };
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return CallError::Trapped {
            detail: format!("it ended itself with exit status {status}"),
        };
    }
    let root = error.root_cause().to_string();
    if root.contains(FUEL_WORDS) {
        return CallError::LimitExceeded {
            what: "bytes handed to the host at once, `limits.host-call-bytes`".to_owned(),
            limit: grants.limits.host_call_bytes as u64,
        };
    }
    if root.contains(HANDLES_WORDS) {
        return handles();
    }
    for (words, what, limit) in [
        (
            INSTANCES_WORDS,
            "core instances that an instance is made of, `limits.instances`",
            grants.limits.instances,
        ),
        (MEMORIES_WORDS, "memories of one instance", MEMORIES),
        (TABLES_WORDS, "tables of one instance", TABLES),
    ] {
        if root.contains(words) {
            return CallError::LimitExceeded {
                what: what.to_owned(),
                limit: limit as u64,
            };
        }
    }
    CallError::Trapped {
        detail: grants.redactor.text(&root, WORD_BYTES),
    }
}

/// A connector's own words, without secrets and cut to size.
pub(super) fn failure(mut failure: Failure, redactor: &Redactor) -> CallError {
    let clean = |text: &str, bytes| printable(&redactor.text(text, bytes)).into_owned();
    failure.message = clean(&failure.message, MESSAGE_BYTES);
    failure.attribute = failure.attribute.map(|name| clean(&name, WORD_BYTES));
    failure.target_code = failure.target_code.map(|code| clean(&code, WORD_BYTES));
    CallError::Failure(failure)
}

/// The same for secrets that only one call knows.
pub(super) fn hide(error: CallError, secrets: &[SecretString]) -> CallError {
    match error {
        CallError::Failure(said) => failure(said, &Redactor::new(secrets)),
        CallError::Trapped { detail } => CallError::Trapped {
            detail: Redactor::new(secrets).text(&detail, MESSAGE_BYTES),
        },
        other => other,
    }
}
