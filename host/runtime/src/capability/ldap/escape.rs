//! Values and whole filters as RFC 4515 text.

use std::fmt::Write as _;

/// The longest filter that is sent. A guest's filter is parsed by recursion on
/// the host's own stack, so length and depth have a bound.
pub(super) const MAX_FILTER: usize = 64 << 10;
const MAX_DEPTH: usize = 32;

/// Escapes a value so that it stands for itself in a filter (RFC 4515, section 3).
///
/// Beyond the four characters and NUL that must be escaped, control characters are
/// too, so that a filter stays one line of a log.
pub(super) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '*' | '(' | ')' | '\\' => push_hex(&mut out, c as u8),
            c if c.is_ascii_control() => push_hex(&mut out, c as u8),
            c => out.push(c),
        }
    }
    out
}

/// Escapes every byte: for values that are not text.
pub(super) fn escape_bytes(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len() * 3);
    for byte in value {
        push_hex(&mut out, *byte);
    }
    out
}

fn push_hex(out: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\{byte:02x}");
}

/// What an entry is called after a rename: the new RDN before the old or the new parent.
pub(super) fn renamed(dn: &str, rdn: &str, parent: Option<&str>) -> String {
    match parent.or_else(|| parent_of(dn)) {
        Some("") | None => rdn.to_owned(),
        Some(parent) => format!("{rdn},{parent}"),
    }
}

/// What follows the first RDN: an escaped or quoted comma does not end it (RFC 4514, and RFC 1779's quotes).
fn parent_of(dn: &str) -> Option<&str> {
    let (mut escaped, mut quoted) = (false, false);
    for (position, byte) in dn.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return dn.get(position + 1..).map(str::trim_start),
            _ => {}
        }
    }
    None
}

/// Refuses a filter whose parsing could cost more than the search.
pub(super) fn within_bounds(filter: &str) -> Result<(), String> {
    if filter.len() > MAX_FILTER {
        return Err(format!(
            "the filter is {} bytes long; the limit is {MAX_FILTER}",
            filter.len()
        ));
    }
    let mut depth = 0_usize;
    for byte in filter.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(format!("the filter is nested deeper than {MAX_DEPTH}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_special_characters_are_escaped() {
        assert_eq!(escape(r"a*b(c)d\e"), r"a\2ab\28c\29d\5ce");
        assert_eq!(escape("a\0b\nc"), r"a\00b\0ac");
    }

    #[test]
    fn other_characters_stand_for_themselves() {
        assert_eq!(
            escape("Žofie Ångström, 李=#+<>;\""),
            "Žofie Ångström, 李=#+<>;\""
        );
    }

    #[test]
    fn bytes_are_escaped_one_by_one() {
        assert_eq!(escape_bytes(&[0, 0x41, 0xff]), r"\00\41\ff");
    }

    #[test]
    fn a_renamed_entry_keeps_its_parent_unless_given_another() {
        assert_eq!(
            renamed(r"uid=a\,b,ou=p,dc=x", "uid=c", None),
            "uid=c,ou=p,dc=x"
        );
        assert_eq!(renamed("uid=a,ou=p", "uid=c", Some("ou=q")), "uid=c,ou=q");
        assert_eq!(renamed("dc=x", "dc=y", None), "dc=y");
    }

    #[test]
    fn a_filter_that_would_exhaust_the_parser_is_refused() {
        assert!(within_bounds("(&(a=b)(|(c=d)(!(e=f))))").is_ok());
        assert!(within_bounds(&"(!".repeat(1000)).is_err());
        assert!(within_bounds(&format!("(a={})", "x".repeat(MAX_FILTER))).is_err());
    }
}
