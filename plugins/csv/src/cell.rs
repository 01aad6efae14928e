//! Cells and scalars; versions, anchors and names made of bytes.

use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use tombolo_sdk::Scalar;
use tombolo_sdk::schema::Type;

/// The text of a cell. The file is UTF-8, so nothing is lost.
pub(crate) fn text(cell: Option<&[u8]>) -> Cow<'_, str> {
    String::from_utf8_lossy(cell.unwrap_or_default())
}

/// A cell as the type of its attribute; what does not read as one is no value.
pub(crate) fn scalar(kind: Type, cell: Cow<'_, str>) -> Option<Scalar> {
    if cell.is_empty() {
        return None;
    }
    match kind {
        Type::Boolean => match cell.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "y" => Some(Scalar::Boolean(true)),
            "false" | "0" | "no" | "n" => Some(Scalar::Boolean(false)),
            _ => None,
        },
        Type::Integer => cell.trim().parse().ok().map(Scalar::Integer),
        _ => Some(Scalar::Text(cell.into_owned())),
    }
}

/// The version of a row: FNV-1a over its bytes. It is compared with itself over time, never trusted.
pub(crate) fn version(raw: &[u8]) -> String {
    let hash = raw.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// 128 bits of SHA-256, in hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())[..16]
        .iter()
        .fold(String::new(), |mut out, byte| {
            // Writing to a string cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// A name that nobody else has: the clock, a counter, and the standard library's random keys.
pub(crate) fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(COUNTER.fetch_add(1, Ordering::Relaxed));
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    hasher.write_u128(now.as_nanos());
    format!("{:016x}", hasher.finish())
}
