//! Uses every target that it was granted, and then looks for their secrets in all of its own memory.
//!
//! `"snoop"` in its settings is how the secrets begin, each byte plus one, so that the text itself is not in this memory
//! before the host puts it there.

use std::fmt::Write as _;

use crate::tombolo::connector::{ldap, sql};
use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let settings: serde_json::Value = serde_json::from_str(&config::settings()).unwrap_or_default();
    let shifted: Vec<u8> = settings["snoop"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|n| u8::try_from(n.as_u64()?).ok())
        .collect();
    let mut said = String::new();
    for target in ["basic", "bearer", "key", "oauth"] {
        let status = get(target, "/").map_or(0, |answer| answer.status);
        let _ = write!(said, "{target}={status} ");
    }
    for target in ["postgresql", "mariadb"] {
        let rows = sql::query(target, "SELECT 1", &[], 1);
        let _ = write!(said, "{target}={} ", rows.map_or(0, |rows| rows.rows.len()));
    }
    let request = ldap::SearchRequest {
        base: settings["base"].as_str().unwrap_or_default().to_owned(),
        scope: ldap::Scope::Base,
        filter: "(objectClass=*)".to_owned(),
        attributes: vec!["*".to_owned(), "userPassword".to_owned()],
        cursor: None,
        limit: 1,
    };
    let found = ldap::search("directory", &request).map_or(0, |page| page.entries.len());
    let _ = write!(said, "directory={found} hits={}", occurrences(&shifted));
    Ok(Answer::Said(said))
}

/// How often the text whose bytes are `shifted` minus one occurs in this memory.
#[cfg(target_arch = "wasm32")]
fn occurrences(shifted: &[u8]) -> usize {
    if shifted.is_empty() {
        return 0;
    }
    let end = core::arch::wasm32::memory_size::<0>() * 65536;
    // From 16: nothing lives in the first bytes, and address 0 is not a pointer.
    (16..end.saturating_sub(shifted.len()))
        .filter(|start| {
            shifted.iter().enumerate().all(|(n, byte)| {
                // SAFETY: below `memory_size`, every address of a linear memory can be read.
                let there = unsafe { core::ptr::read_volatile((start + n) as *const u8) };
                there == byte.wrapping_sub(1)
            })
        })
        .count()
}

/// Elsewhere this guest is only compiled, never run.
#[cfg(not(target_arch = "wasm32"))]
fn occurrences(_shifted: &[u8]) -> usize {
    0
}
