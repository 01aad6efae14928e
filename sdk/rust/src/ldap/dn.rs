//! Distinguished names: RFC 4514 text, taken apart, put together and compared.

use std::fmt::Write as _;

pub use super::escape_dn as escape;

/// One attribute and value of a relative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The attribute type, as it was written.
    pub attribute: String,
    /// The value, unescaped.
    pub value: Vec<u8>,
}

/// A relative distinguished name: usually one part, several joined by `+` otherwise.
pub type Rdn = Vec<Part>;

fn push_hex(out: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\{byte:02x}");
}

/// The text of a relative name.
pub fn rdn_text(rdn: &[Part]) -> String {
    let parts: Vec<String> = rdn
        .iter()
        .map(|part| {
            if let Ok(value) = std::str::from_utf8(&part.value) {
                return format!("{}={}", part.attribute, escape(value));
            }
            let mut text = format!("{}=", part.attribute);
            part.value
                .iter()
                .for_each(|byte| push_hex(&mut text, *byte));
            text
        })
        .collect();
    parts.join("+")
}

/// The name of an entry below `parent`.
pub fn child(attribute: &str, value: &str, parent: &str) -> String {
    format!("{attribute}={},{parent}", escape(value))
}

/// Splits a name into its first relative name and the rest, both as written.
pub fn split(dn: &str) -> (&str, &str) {
    let (mut escaped, mut quoted) = (false, false);
    for (position, byte) in dn.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b';' if !quoted => {
                return (&dn[..position], dn[position + 1..].trim_start_matches(' '));
            }
            _ => {}
        }
    }
    (dn, "")
}

/// Takes a relative name apart; none if it is not one.
pub fn parse_rdn(text: &str) -> Option<Rdn> {
    let mut rest = text;
    let mut parts = Vec::new();
    loop {
        let (attribute, after) = rest.split_once('=')?;
        let (value, next) = parse_value(after)?;
        let attribute = attribute.trim();
        if attribute.is_empty() {
            return None;
        }
        parts.push(Part {
            attribute: attribute.to_owned(),
            value,
        });
        match next {
            Some(next) => rest = next,
            None => return Some(parts),
        }
    }
}

/// Reads a value up to an unescaped `+` or the end.
fn parse_value(text: &str) -> Option<(Vec<u8>, Option<&str>)> {
    let text = text.trim_start_matches(' ');
    if let Some(hex) = text.strip_prefix('#') {
        let end = hex.find('+').unwrap_or(hex.len());
        let bytes = unhex(hex[..end].trim_end())?;
        return Some((ber_value(bytes), hex.get(end + 1..)));
    }
    let bytes = text.as_bytes();
    let (mut value, mut at, mut kept, mut quoted) = (Vec::new(), 0, 0, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => {
                let next = *bytes.get(at + 1)?;
                if let Some(byte) = bytes.get(at + 1..at + 3).and_then(hex_pair) {
                    value.push(byte);
                    at += 3;
                } else {
                    value.push(next);
                    at += 2;
                }
                kept = value.len();
                continue;
            }
            b'"' => {
                quoted = !quoted;
                kept = value.len();
            }
            b'+' if !quoted => {
                value.truncate(kept);
                return Some((value, text.get(at + 1..)));
            }
            _ => {
                value.push(byte);
                // Unescaped blanks at the end do not belong to the value.
                if byte != b' ' || quoted {
                    kept = value.len();
                }
            }
        }
        at += 1;
    }
    value.truncate(kept);
    (!quoted).then_some((value, None))
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    if !pair.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks(2).map(hex_pair).collect()
}

/// `#` introduces a BER value; what matters is what it wraps. Short lengths only, which is all that names use.
fn ber_value(bytes: Vec<u8>) -> Vec<u8> {
    match bytes.as_slice() {
        [_, length, value @ ..] if usize::from(*length) == value.len() && *length < 128 => {
            value.to_vec()
        }
        _ => bytes,
    }
}

/// A text that two spellings of one name share: case, blanks and the order of parts do not count.
///
/// Good for finding one's own values again; the directory itself decides what is equal.
pub fn key(dn: &str) -> String {
    let mut out = String::with_capacity(dn.len());
    let mut rest = dn.trim();
    while !rest.is_empty() {
        let (first, next) = split(rest);
        match parse_rdn(first) {
            Some(rdn) => {
                let mut parts: Vec<String> = rdn
                    .iter()
                    .map(|part| {
                        format!(
                            "{}={}",
                            part.attribute.to_lowercase(),
                            value_key(&part.value)
                        )
                    })
                    .collect();
                parts.sort();
                out.push_str(&parts.join("+"));
            }
            None => out.push_str(&first.to_lowercase()),
        }
        out.push(',');
        rest = next;
    }
    out.pop();
    out
}

fn value_key(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value).to_lowercase();
    escape(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether a text is a name: one or more RDNs.
pub fn is_name(dn: &str) -> bool {
    let mut rest = dn;
    loop {
        let (first, parent) = split(rest);
        if parse_rdn(first).is_none() {
            return false;
        }
        if parent.trim().is_empty() {
            return true;
        }
        rest = parent;
    }
}

/// Is `dn` below `base`, or `base` itself?
pub fn is_within(dn: &str, base: &str) -> bool {
    let (dn, base) = (key(dn), key(base));
    base.is_empty() || dn == base || dn.ends_with(&format!(",{base}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [&str; 14] = [
        r#",+"\<>;#="#,
        " leading",
        "trailing ",
        "  ",
        " ",
        "#hash",
        "a=b,c+d",
        "Žofie Ångström",
        "李小龍",
        "line\nbreak\0nul",
        "back\\slash\\",
        "\\20",
        "\"quoted\"",
        "",
    ];

    #[test]
    fn a_value_survives_escaping() {
        for value in HOSTILE {
            let rdn = parse_rdn(&format!("uid={}", escape(value))).expect("parses");
            assert_eq!(
                rdn,
                [Part {
                    attribute: "uid".to_owned(),
                    value: value.as_bytes().to_vec()
                }],
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_hostile_value_does_not_end_its_rdn() {
        for value in HOSTILE {
            let dn = child("uid", value, "ou=people,dc=x");
            assert_eq!(split(&dn).1, "ou=people,dc=x", "{value:?}");
            assert!(is_within(&dn, "OU=People, DC=x"), "{value:?}");
        }
    }

    #[test]
    fn the_special_characters_are_escaped_as_the_rfc_says() {
        assert_eq!(
            escape(r#"a,b+c"d\e<f>g;h=i"#),
            r#"a\,b\+c\"d\\e\<f\>g\;h\=i"#
        );
        assert_eq!(escape(" # "), "\\20#\\20");
        assert_eq!(escape("#1"), "\\#1");
    }

    #[test]
    fn several_parts_are_read_and_written() {
        let rdn = parse_rdn(r"uid=a\+b + cn=Ann\C3\A9 ").expect("parses");
        assert_eq!(rdn[0].value, b"a+b");
        assert_eq!(rdn[1].value, "Anné".as_bytes());
        assert_eq!(rdn_text(&rdn), r"uid=a\+b+cn=Anné");
    }

    #[test]
    fn other_spellings_of_the_rfcs_are_read() {
        let value = |text: &str| parse_rdn(text).map(|rdn| rdn[0].value.clone());
        assert_eq!(value("cn=\"Smith, J\""), Some(b"Smith, J".to_vec()));
        assert_eq!(value("cn=#04024869"), Some(b"Hi".to_vec()));
        assert_eq!(value("cn=a\\"), None);
        assert_eq!(value("noequals"), None);
    }

    #[test]
    fn spellings_of_one_name_share_a_key() {
        assert_eq!(
            key(r"UID=Ana\2c B, OU=People,dc=X"),
            key(r"uid=ana\,  b,ou=people,DC=x")
        );
        assert_eq!(key("a=1+b=2,dc=x"), key("B=2+A=1,dc=x"));
        assert_ne!(key("uid=a,dc=x"), key("uid=b,dc=x"));
        assert!(!is_within("uid=a,ou=xpeople,dc=x", "ou=people,dc=x"));
    }
}
