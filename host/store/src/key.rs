//! Keys made of segments, in an encoding that keeps their order.
//!
//! A segment is text (or bytes) or a number. Each is tagged and terminated so
//! that no value of one segment can be mistaken for another's, a key of some
//! segments is a prefix of exactly those keys that continue it, and comparing
//! the bytes compares segment by segment.
//!
//! Text: tag `01`, the bytes with `00` written as `00 FF`, then `00 01`.
//! Number: tag `02`, eight bytes, most significant first.

use std::fmt::Write as _;

const TEXT: u8 = 0x01;
const NUMBER: u8 = 0x02;
const ESCAPE: u8 = 0x00;
const ESCAPED_ZERO: u8 = 0xFF;
const END: u8 = 0x01;

/// A key being built: `Key::of("link").text(app).text(id)`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

/// One decoded segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// Text or bytes.
    Bytes(Vec<u8>),
    /// A number.
    Number(u64),
}

impl Key {
    /// A key with no segment: the prefix of every key.
    pub fn new() -> Self {
        Self::default()
    }

    /// A key whose first segment is this text.
    pub fn of(text: &str) -> Self {
        Self::new().text(text)
    }

    /// Adds a text segment.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds a segment of arbitrary bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.reserve(bytes.len() + 3);
        self.0.push(TEXT);
        for &byte in bytes {
            self.0.push(byte);
            if byte == ESCAPE {
                self.0.push(ESCAPED_ZERO);
            }
        }
        self.0.extend([ESCAPE, END]);
        self
    }

    /// Adds a number, ordered as numbers are.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.push(NUMBER);
        self.0.extend(number.to_be_bytes());
        self
    }

    /// The encoded key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The encoded key, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl From<Key> for Vec<u8> {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl From<&Key> for Vec<u8> {
    fn from(key: &Key) -> Self {
        key.0.clone()
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::Deref for Key {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Segment {
    /// The segment as text, if it is.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Number(_) => None,
        }
    }

    /// The segment as a number, if it is.
    pub fn as_number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Bytes(_) => None,
        }
    }
}

/// The segments of an encoded key; `None` when it was not made by [`Key`].
pub fn segments(mut key: &[u8]) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    while let Some((&tag, rest)) = key.split_first() {
        key = match tag {
            NUMBER => {
                let (digits, rest) = rest.split_first_chunk::<8>()?;
                segments.push(Segment::Number(u64::from_be_bytes(*digits)));
                rest
            }
            TEXT => {
                let (bytes, rest) = unescape(rest)?;
                segments.push(Segment::Bytes(bytes));
                rest
            }
            _ => return None,
        };
    }
    Some(segments)
}

/// The last segment of an encoded key as text: what one usually wants of a
/// scanned key.
pub fn last_text(key: &[u8]) -> Option<String> {
    segments(key)?.pop()?.as_text().map(str::to_owned)
}

fn unescape(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut bytes = Vec::with_capacity(rest.len());
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if byte != ESCAPE {
            bytes.push(byte);
            continue;
        }
        let (&mark, after) = rest.split_first()?;
        rest = after;
        match mark {
            ESCAPED_ZERO => bytes.push(ESCAPE),
            END => return Some((bytes, rest)),
            _ => return None,
        }
    }
}

/// A key as a person can read it: `link/hr/42`, or hexadecimal digits.
pub fn readable(key: &[u8]) -> String {
    let Some(segments) = segments(key) else {
        return key.iter().fold(String::from("0x"), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
    };
    let shown: Vec<String> = segments
        .iter()
        .map(|segment| match segment {
            Segment::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Segment::Number(number) => number.to_string(),
        })
        .collect();
    shown.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment() -> impl Strategy<Value = Segment> {
        prop_oneof![
            proptest::collection::vec(
                prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()],
                0..6
            )
            .prop_map(Segment::Bytes),
            any::<u64>().prop_map(Segment::Number),
        ]
    }

    fn encode(segments: &[Segment]) -> Key {
        segments
            .iter()
            .fold(Key::new(), |key, segment| match segment {
                Segment::Bytes(bytes) => key.bytes(bytes),
                Segment::Number(number) => key.number(*number),
            })
    }

    proptest! {
        #[test]
        fn a_key_decodes_to_its_segments(list in proptest::collection::vec(segment(), 0..5)) {
            prop_assert_eq!(segments(&encode(&list)), Some(list));
        }

        #[test]
        fn bytes_order_as_segments_do(a in proptest::collection::vec(segment(), 0..4), b in proptest::collection::vec(segment(), 0..4)) {
            prop_assert_eq!(encode(&a).cmp(&encode(&b)), a.cmp(&b));
        }

        #[test]
        fn a_key_is_the_prefix_of_its_continuations_only(a in proptest::collection::vec(segment(), 0..4), b in proptest::collection::vec(segment(), 0..4)) {
            prop_assert_eq!(encode(&b).starts_with(&encode(&a)), b.starts_with(&a));
        }
    }

    #[test]
    fn a_key_is_shown_readable() {
        assert_eq!(
            readable(&Key::of("link").text("hr").number(42)),
            "link/hr/42"
        );
        assert_eq!(readable(&[9, 255]), "0x09ff");
    }
}
