//! Anchors: the value of an attribute that stays when everything else changes.

use std::fmt::Write as _;

use tombolo_sdk::ldap::guid;

use crate::settings::AnchorFormat;

/// The anchor for an attribute's value; none if the value is not of the format.
pub fn from_value(format: AnchorFormat, value: &[u8]) -> Option<String> {
    match format {
        AnchorFormat::String => String::from_utf8(value.to_vec())
            .ok()
            .filter(|text| !text.is_empty()),
        AnchorFormat::Hex => Some(hex(value.iter().copied())),
        AnchorFormat::Guid => guid::text(value),
    }
}

/// The assertion value that finds the anchor, ready for a filter; none if no entry can have it.
pub fn assertion(
    format: AnchorFormat,
    anchor: &str,
    escape: impl Fn(&str) -> String,
) -> Option<String> {
    match format {
        AnchorFormat::String => Some(escape(anchor)),
        AnchorFormat::Hex => Some(escaped(&unhex(anchor)?)),
        AnchorFormat::Guid => Some(escaped(&guid::bytes(anchor)?)),
    }
}

fn hex(bytes: impl Iterator<Item = u8>) -> String {
    bytes.fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "\\{byte:02x}");
        out
    })
}

/// Hex to bytes; none if it is not hex.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

/// A cursor of the host as text.
pub fn cursor_text(cursor: &[u8]) -> String {
    hex(cursor.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_written_as_microsoft_writes_it() {
        let value: Vec<u8> = (0..16).collect();
        let anchor = from_value(AnchorFormat::Guid, &value).expect("a guid");
        assert_eq!(anchor, "03020100-0504-0706-0809-0a0b0c0d0e0f");
        let wanted: String = escaped(&value);
        assert_eq!(
            assertion(AnchorFormat::Guid, &anchor, str::to_owned),
            Some(wanted)
        );
        assert_eq!(
            assertion(AnchorFormat::Guid, "nonsense", str::to_owned),
            None
        );
    }

    #[test]
    fn text_and_hex_come_back() {
        assert_eq!(
            from_value(AnchorFormat::String, b"a-b").as_deref(),
            Some("a-b")
        );
        assert_eq!(
            from_value(AnchorFormat::Hex, &[0, 255]).as_deref(),
            Some("00ff")
        );
        assert_eq!(
            assertion(AnchorFormat::Hex, "00ff", str::to_owned).as_deref(),
            Some("\\00\\ff")
        );
        assert_eq!(unhex(&cursor_text(&[1, 2, 254])), Some(vec![1, 2, 254]));
    }
}
