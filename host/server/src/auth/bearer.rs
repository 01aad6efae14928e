//! The `Authorization` header, and credentials of which the file keeps the hash.
//!
//! A presented text is hashed and compared with every hash there is, whichever fits, so that the time says nothing of
//! which one was near.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;

use crate::config::auth::Credential;
use crate::config::edit::hash;

/// The one of these that was presented, whether it has ended or not.
pub(super) fn find<'a>(credentials: &'a [Credential], presented: &str) -> Option<&'a Credential> {
    let presented = hash(presented);
    let mut found = None;
    for credential in credentials {
        if bool::from(credential.sha256.ct_eq(&presented)) {
            found = Some(credential);
        }
    }
    found
}

/// A credential ends at the moment that its file names.
pub(super) fn has_ended(credential: &Credential, now: Timestamp) -> bool {
    credential.expires.is_some_and(|expires| expires <= now)
}

/// What follows a scheme's name, which is case-insensitive (RFC 9110, section 11.1).
pub(super) fn header<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let (scheme, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    (scheme.eq_ignore_ascii_case(wanted) && !rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(expires: Option<&str>) -> Vec<Credential> {
        let credential = |name: &str, text: &str, expires: Option<&str>| Credential {
            name: name.to_owned(),
            sha256: hash(text),
            expires: expires.map(|at| at.parse().unwrap()),
            span: 0..0,
        };
        vec![
            credential("old", "tmb_old", expires),
            credential("new", "tmb_new", None),
        ]
    }

    #[test]
    fn two_tokens_are_valid_at_a_time() {
        let credentials = credentials(None);
        let name = |text: &str| find(&credentials, text).map(|found| found.name.as_str());
        assert_eq!(name("tmb_old"), Some("old"));
        assert_eq!(name("tmb_new"), Some("new"));
        assert_eq!(name("tmb_other"), None);
        assert!(find(&[], "tmb_old").is_none());
    }

    #[test]
    fn a_token_ends_at_the_moment_it_expires() {
        let credentials = credentials(Some("2027-05-01T00:00:00Z"));
        let ended = |at: &str| has_ended(&credentials[0], at.parse().unwrap());
        assert!(!ended("2027-04-30T23:59:59Z"));
        assert!(ended("2027-05-01T00:00:00Z"));
    }

    #[test]
    fn other_schemes_and_blank_ones_show_nothing() {
        let headers = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        assert_eq!(header(&headers("bearer  x"), "Bearer"), Some("x"));
        for value in ["Basic x", "x", "Bearer ", "Bearer"] {
            assert_eq!(header(&headers(value), "Bearer"), None, "{value}");
        }
        assert_eq!(header(&HeaderMap::new(), "Bearer"), None);
    }
}
