//! Looks for a secret with everything that a guest has: its own memory, its
//! environment, its arguments, its files, and what the directory told it.

use std::fmt::Write as _;

use crate::tombolo::connector::ldap::{self, Scope, SearchRequest};
use crate::tombolo::connector::{config, secrets};

/// `None` unless the settings say `"snoop": [numbers]`: the bytes of the secret's
/// public beginning, each plus one, so that the text itself is not in this
/// memory before the host puts it there.
pub fn report() -> Option<String> {
    let settings: serde_json::Value = serde_json::from_str(&config::settings()).ok()?;
    let wanted: Vec<u8> = settings["snoop"]
        .as_array()?
        .iter()
        .filter_map(|n| u8::try_from(n.as_u64()?).ok())
        .collect();
    // A target that works: the host has bound with the password just now.
    let found = ldap::search(
        "directory",
        &SearchRequest {
            base: settings["base"].as_str().unwrap_or_default().to_owned(),
            scope: Scope::Base,
            filter: "(objectClass=*)".to_owned(),
            attributes: vec!["*".to_owned(), "userPassword".to_owned()],
            cursor: None,
            limit: 1,
        },
    );
    let mut out = String::new();
    match found {
        Ok(page) => {
            let _ = write!(out, "searched={} ", page.entries.len());
        }
        Err(error) => {
            let _ = write!(out, "searched={} ", error.message);
        }
    }
    let _ = write!(out, "environment={} ", std::env::vars().count());
    let _ = write!(out, "arguments={} ", std::env::args().count());
    let _ = write!(
        out,
        "root={} ",
        std::fs::read_dir("/").map_or(0, Iterator::count)
    );
    let _ = write!(out, "secret={} ", secrets::open("directory").is_some());
    let _ = write!(out, "hits={}", occurrences(&wanted));
    Some(out)
}

/// How often the text whose bytes are `shifted` minus one occurs in this memory.
#[cfg(target_arch = "wasm32")]
fn occurrences(shifted: &[u8]) -> usize {
    let end = core::arch::wasm32::memory_size::<0>() * 65536;
    let mut hits = 0;
    // From 16: nothing lives in the first bytes, and address 0 is not a pointer.
    for start in 16..end.saturating_sub(shifted.len()) {
        let same = shifted.iter().enumerate().all(|(n, b)| {
            // SAFETY: below `memory_size`, every address of a linear memory can be read.
            let there = unsafe { core::ptr::read_volatile((start + n) as *const u8) };
            there == b.wrapping_sub(1)
        });
        hits += usize::from(same);
    }
    hits
}

/// Elsewhere this guest is only compiled, never run.
#[cfg(not(target_arch = "wasm32"))]
fn occurrences(_shifted: &[u8]) -> usize {
    0
}
