//! GUIDs as Microsoft keeps and writes them: `objectGUID` is 16 bytes of which the first three fields are turned round.

use std::fmt::Write as _;

/// The positions of a GUID's bytes in Microsoft's order, as text has them.
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// The text of a value of `objectGUID`; none if it is not one.
pub fn text(value: &[u8]) -> Option<String> {
    let bytes: &[u8; 16] = value.try_into().ok()?;
    let mut text = String::with_capacity(36);
    for (at, from) in ORDER.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{:02x}", bytes[from]);
    }
    Some(text)
}

/// The value of `objectGUID` that a text stands for; none if it is not a GUID.
pub fn bytes(text: &str) -> Option<[u8; 16]> {
    let hex: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    if hex.len() != 32 || !hex.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 16];
    for (pair, to) in hex.chunks(2).zip(ORDER) {
        bytes[to] = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_written_as_microsoft_writes_it() {
        let value: Vec<u8> = (0..16).collect();
        let written = text(&value).expect("a guid");
        assert_eq!(written, "03020100-0504-0706-0809-0a0b0c0d0e0f");
        assert_eq!(bytes(&written).map(Vec::from), Some(value));
        assert_eq!(bytes("nonsense"), None);
        assert_eq!(text(b"short"), None);
    }
}
