//! Reading what `ldapsearch` prints (RFC 2849), by a reader of our own.

use std::collections::BTreeMap;

/// One entry. Attribute names are lower case, values sorted as printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// As printed by the server.
    pub dn: String,
    /// Values by lower-cased attribute name.
    pub attributes: BTreeMap<String, Vec<String>>,
}

impl Entry {
    /// The only value of an attribute; none if it has none or several.
    pub fn one(&self, name: &str) -> Option<&str> {
        match self.all(name) {
            [value] => Some(value),
            _ => None,
        }
    }

    /// All values of an attribute.
    pub fn all(&self, name: &str) -> &[String] {
        self.attributes
            .get(&name.to_ascii_lowercase())
            .map_or(&[], Vec::as_slice)
    }
}

/// Reads unwrapped LDIF (`ldapsearch -LLL -o ldif-wrap=no`).
pub fn parse(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut current: Option<Entry> = None;
    for line in text.lines() {
        if line.is_empty() {
            entries.extend(current.take());
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let Some((name, rest)) = line.split_once(':') else {
            continue;
        };
        let value = match rest.strip_prefix(':') {
            Some(encoded) => decode_base64(encoded.trim_start()),
            None => rest.strip_prefix(' ').unwrap_or(rest).to_owned(),
        };
        if name == "dn" {
            entries.extend(current.take());
            current = Some(Entry {
                dn: value,
                ..Entry::default()
            });
        } else if let Some(entry) = current.as_mut() {
            entry
                .attributes
                .entry(name.to_ascii_lowercase())
                .or_default()
                .push(value);
        }
    }
    entries.extend(current);
    entries
}

fn decode_base64(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for c in text.bytes() {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xFF).unwrap_or_default());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_base64_values_are_read() {
        let entries =
            parse("dn: uid=a,dc=x\nuid: a\ncn:: w4TDtg==\nmail: a@x\nmail: b@x\n\ndn:: ZGM9eA==\n");
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].one("CN"), Some("Äö"));
        assert_eq!(entries[0].all("mail"), ["a@x", "b@x"]);
        assert_eq!(entries[1].dn, "dc=x");
    }
}
