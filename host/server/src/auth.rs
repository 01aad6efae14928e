//! Who may call an app: those who show one of its bearer tokens.
//!
//! The host keeps hashes only. A presented token is hashed and compared with every hash of the app, whichever fits, so
//! that the time says nothing of which token was near. SHA-256 without salt or stretching is enough here: a token has
//! 256 random bits, and there is nothing to guess.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;

use crate::config::app::Token;
use crate::config::token;

/// One app's tokens.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    tokens: Vec<Token>,
}

/// Why a request was turned away. The text goes to the client: it says what is wrong and nothing of what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No `Authorization: Bearer`.
    #[error("send the app's token as `Authorization: Bearer TOKEN`")]
    Missing,
    /// It is none of this app's.
    #[error("the token is not valid for this app")]
    Unknown,
    /// It was one of this app's.
    #[error(
        "the token has expired; make a new one with `tombolo token new` and enter it at the client"
    )]
    Expired,
}

impl Refused {
    /// The challenge of RFC 6750, section 3.
    pub fn challenge(self) -> &'static str {
        match self {
            Self::Missing => "Bearer realm=\"tombolo\"",
            Self::Unknown => "Bearer realm=\"tombolo\", error=\"invalid_token\"",
            Self::Expired => {
                "Bearer realm=\"tombolo\", error=\"invalid_token\", error_description=\"the token has expired\""
            }
        }
    }

    /// The reason as a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
        }
    }
}

impl Verifier {
    /// Of an app's file.
    pub fn new(tokens: Vec<Token>) -> Self {
        Self { tokens }
    }

    /// The tokens, for listings and metrics.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The name of the token that the request shows.
    pub fn verify(&self, headers: &HeaderMap, now: Timestamp) -> Result<&str, Refused> {
        let presented = token::hash(bearer(headers).ok_or(Refused::Missing)?);
        let mut found = None;
        for token in &self.tokens {
            if bool::from(token.sha256.ct_eq(&presented)) {
                found = Some(token);
            }
        }
        let token = found.ok_or(Refused::Unknown)?;
        if token.expires.is_some_and(|expires| expires <= now) {
            Err(Refused::Expired)
        } else {
            Ok(&token.name)
        }
    }
}

/// The scheme's name is case-insensitive (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier(expires: Option<&str>) -> Verifier {
        let token = |name: &str, text: &str, expires: Option<&str>| Token {
            name: name.to_owned(),
            sha256: token::hash(text),
            expires: expires.map(|at| at.parse().unwrap()),
            span: 0..0,
        };
        Verifier::new(vec![
            token("old", "tmb_old", expires),
            token("new", "tmb_new", None),
        ])
    }

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn two_tokens_are_valid_at_a_time() {
        let verifier = verifier(None);
        assert_eq!(
            verifier.verify(&headers("Bearer tmb_old"), Timestamp::UNIX_EPOCH),
            Ok("old")
        );
        assert_eq!(
            verifier.verify(&headers("bearer  tmb_new"), Timestamp::UNIX_EPOCH),
            Ok("new")
        );
    }

    #[test]
    fn a_token_of_another_app_is_unknown_here() {
        let verifier = verifier(None);
        assert_eq!(
            verifier.verify(&headers("Bearer tmb_other"), Timestamp::UNIX_EPOCH),
            Err(Refused::Unknown)
        );
        assert_eq!(
            Verifier::default().verify(&headers("Bearer x"), Timestamp::UNIX_EPOCH),
            Err(Refused::Unknown)
        );
    }

    #[test]
    fn a_token_ends_at_the_moment_it_expires() {
        let verifier = verifier(Some("2027-05-01T00:00:00Z"));
        let at = |text: &str| verifier.verify(&headers("Bearer tmb_old"), text.parse().unwrap());
        assert_eq!(at("2027-04-30T23:59:59Z"), Ok("old"));
        assert_eq!(at("2027-05-01T00:00:00Z"), Err(Refused::Expired));
    }

    #[test]
    fn other_schemes_and_no_header_at_all_are_missing_credentials() {
        let verifier = verifier(None);
        for value in ["Basic tmb_old", "tmb_old", "Bearer ", "Bearer"] {
            assert_eq!(
                verifier.verify(&headers(value), Timestamp::UNIX_EPOCH),
                Err(Refused::Missing),
                "{value}"
            );
        }
        assert_eq!(
            verifier.verify(&HeaderMap::new(), Timestamp::UNIX_EPOCH),
            Err(Refused::Missing)
        );
    }
}
