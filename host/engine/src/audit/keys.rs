//! Where the audit lies in the store, beside the apps: no app's name begins with `+`.
//!
//! | key | value |
//! |---|---|
//! | `+audit`, `e`, stream, number | an [`Account`](super::Account) |
//! | `+audit`, `s`, stream, number | a [`Seal`](super::seal::Seal) |
//! | `+audit`, `c`, stream | what was let go: a [`Cut`](super::seal::Cut) |

use std::collections::BTreeSet;

use tombolo_store::key::{Segment, segments};
use tombolo_store::{Key, Range, Store, StoreError};

const ROOM: &str = "+audit";
const ENTRIES: &str = "e";
const SEALS: &str = "s";
const CUTS: &str = "c";

fn room(room: &str) -> Key {
    Key::of(ROOM).text(room)
}

pub(super) fn entries(stream: &str) -> Key {
    room(ENTRIES).text(stream)
}

pub(super) fn entry(stream: &str, number: u64) -> Key {
    entries(stream).number(number)
}

pub(super) fn seals(stream: &str) -> Key {
    room(SEALS).text(stream)
}

pub(super) fn seal(stream: &str, number: u64) -> Key {
    seals(stream).number(number)
}

pub(super) fn cut(stream: &str) -> Key {
    room(CUTS).text(stream)
}

/// The number that ends a key.
pub(super) fn number_of(key: &[u8]) -> u64 {
    let last = segments(key).and_then(|mut segments| segments.pop());
    last.and_then(|segment| segment.as_number()).unwrap_or(0)
}

/// Every stream of the store, the oldest first: their names are UUIDs of version 7.
pub(super) async fn streams(store: &dyn Store) -> Result<BTreeSet<String>, StoreError> {
    let mut streams = BTreeSet::new();
    for room_name in [ENTRIES, SEALS, CUTS] {
        let mut range = Range::prefix(room(room_name)).limit(1);
        while let Some((key, _)) = store.scan(range).await?.pop() {
            let Some(stream) = stream_of(&key) else { break };
            // Past the last number that this stream can have.
            let last = room(room_name).text(&stream).number(u64::MAX);
            range = Range::prefix(room(room_name)).after(last).limit(1);
            streams.insert(stream);
        }
    }
    Ok(streams)
}

fn stream_of(key: &[u8]) -> Option<String> {
    match segments(key)?.into_iter().nth(2)? {
        Segment::Bytes(bytes) => String::from_utf8(bytes).ok(),
        Segment::Number(_) => None,
    }
}
