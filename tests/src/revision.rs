//! Other revisions of a component: other files, of which the host has to think what it thinks of upgrades.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// How the text begins that `tests/memory` looks at to see what it does amiss.
const DEED: &[u8] = b"tombolo-test-deed:";
/// How long that text is.
const DEED_BYTES: usize = 64;
/// The magic number and the version of a component.
const PREAMBLE: usize = 8;

/// The same component as another file.
pub fn numbered(component: &[u8], number: u8) -> Vec<u8> {
    let mut bytes = component.to_vec();
    bytes.extend(section("revision", &[number]));
    bytes
}

/// The `memory` connector as a build that does something amiss: `crash`, `unreachable`, `babble`.
pub fn amiss(memory: &[u8], deed: &str) -> Result<Vec<u8>> {
    let at = memory
        .windows(DEED.len())
        .position(|window| window == DEED)
        .context("the component does not look for a deed")?;
    let mut bytes = memory.to_vec();
    let place = &mut bytes[at + DEED.len()..at + DEED_BYTES];
    ensure!(deed.len() < place.len(), "`{deed}` is too long");
    place.fill(b'.');
    place[..deed.len()].copy_from_slice(deed.as_bytes());
    Ok(bytes)
}

/// The component with another manifest: the first one in a file counts.
pub fn wanting(component: &[u8], manifest: &Value) -> Vec<u8> {
    let mut bytes = component[..PREAMBLE].to_vec();
    bytes.extend(section("tombolo:manifest", manifest.to_string().as_bytes()));
    bytes.extend(&component[PREAMBLE..]);
    bytes
}

/// SHA-256 of a file in hexadecimal, as the host names revisions.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A custom section.
fn section(name: &str, data: &[u8]) -> Vec<u8> {
    let mut body = number(name.len());
    body.extend(name.as_bytes());
    body.extend(data);
    let mut section = vec![0];
    section.extend(number(body.len()));
    section.extend(body);
    section
}

/// LEB128.
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
