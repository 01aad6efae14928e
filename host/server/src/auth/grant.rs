//! The token endpoint's request, and its answers (RFC 6749, sections 4.4 and 5; RFC 7523, section 2.2).
//!
//! Only form and wording here; whether a client is the one it says it is, the guard judges.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::audit::Method;
use super::bearer;
use super::refused::Denied;
use crate::config::edit::hash;

const FORM: &str = "application/x-www-form-urlencoded";
/// RFC 7523, section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What is granted if nothing is asked for: there is one thing that a token opens.
const SCOPE: &str = "scim";

/// How a client shows who it is.
#[derive(Debug)]
pub(super) enum Presented {
    /// By a secret.
    Secret {
        id: String,
        secret: SecretString,
        method: Method,
    },
    /// By an assertion that somebody else signed.
    Assertion {
        token: SecretString,
        client_id: Option<String>,
    },
}

/// A request for a token.
#[derive(Debug)]
pub(super) struct GrantRequest {
    pub(super) presented: Presented,
    pub(super) scope: String,
}

/// An access token, to be sent once.
#[derive(Debug)]
pub struct Granted {
    pub(super) token: SecretString,
    pub(super) lifetime: Duration,
    pub(super) scope: String,
}

impl Granted {
    /// RFC 6749, section 5.1.
    pub fn body(&self) -> Value {
        json!({
            "access_token": self.token.expose_secret(),
            "token_type": "Bearer",
            "expires_in": self.lifetime.as_secs(),
            "scope": self.scope,
        })
    }
}

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantError {
    /// The request is not one.
    Request(&'static str),
    /// It asks for something else than client credentials.
    GrantType,
    /// It asks for a scope that cannot be one.
    Scope,
    /// The client is not let in.
    Client {
        /// Why.
        denied: Denied,
        /// Whether it tried by `Authorization`.
        by_header: bool,
    },
}

impl GrantError {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Client { denied, .. } => denied.status,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// `error` and `error_description`.
    pub fn body(&self) -> Value {
        let (error, description) = match self {
            Self::Request(why) => ("invalid_request", (*why).to_owned()),
            Self::GrantType => (
                "unsupported_grant_type",
                "the grant type must be client_credentials".to_owned(),
            ),
            Self::Scope => (
                "invalid_scope",
                "a scope is words of printable characters, one space between them".to_owned(),
            ),
            Self::Client { denied, .. } => {
                let error = match denied.status {
                    StatusCode::UNAUTHORIZED => "invalid_client",
                    StatusCode::FORBIDDEN => "unauthorized_client",
                    _ => "temporarily_unavailable",
                };
                (error, denied.detail())
            }
        };
        json!({ "error": error, "error_description": description })
    }

    /// A client that tried by `Authorization` is told how (RFC 6749, section 5.2).
    pub fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::Client {
                denied,
                by_header: true,
            } if denied.status == StatusCode::UNAUTHORIZED => Some("Basic realm=\"tombolo\""),
            _ => None,
        }
    }

    /// When to come back.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Client { denied, .. } => denied.retry_after,
            _ => None,
        }
    }
}

/// Reads a request.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<GrantRequest, GrantError> {
    if !is_form(headers) {
        return Err(GrantError::Request(
            "the body must be application/x-www-form-urlencoded; say so in Content-Type",
        ));
    }
    let mut form = form(body)?;
    match form.remove("grant_type").as_deref() {
        None => return Err(GrantError::Request("grant_type is missing")),
        Some("client_credentials") => {}
        Some(_) => return Err(GrantError::GrantType),
    }
    let scope = match form.remove("scope") {
        None => SCOPE.to_owned(),
        Some(scope) if scope.is_empty() => SCOPE.to_owned(),
        Some(scope) if is_scope(&scope) => scope,
        Some(_) => return Err(GrantError::Scope),
    };
    Ok(GrantRequest {
        presented: presented(headers, form)?,
        scope,
    })
}

fn is_form(headers: &HeaderMap) -> bool {
    let media = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    media.is_some_and(|media| media.trim().eq_ignore_ascii_case(FORM))
}

/// What is known in the form. Nothing may be there twice (RFC 6749, section 3.2).
fn form(body: &[u8]) -> Result<HashMap<&'static str, String>, GrantError> {
    const KNOWN: [&str; 6] = [
        "grant_type",
        "scope",
        "client_id",
        "client_secret",
        "client_assertion_type",
        "client_assertion",
    ];
    let mut form = HashMap::new();
    for (key, value) in form_urlencoded::parse(body) {
        let Some(known) = KNOWN.into_iter().find(|known| *known == key) else {
            continue;
        };
        if form.insert(known, value.into_owned()).is_some() {
            return Err(GrantError::Request("a parameter is there twice"));
        }
    }
    Ok(form)
}

/// RFC 6749, section 3.3.
fn is_scope(scope: &str) -> bool {
    scope.len() <= 256
        && scope.split(' ').all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
        })
}

fn presented(
    headers: &HeaderMap,
    mut form: HashMap<&'static str, String>,
) -> Result<Presented, GrantError> {
    let in_header = headers.contains_key(AUTHORIZATION).then(|| basic(headers));
    let in_header = in_header.transpose()?;
    let client_id = form.remove("client_id");
    let in_body = form.remove("client_secret").map(SecretString::from);
    let assertion = form.remove("client_assertion").map(SecretString::from);
    if let Some(token) = assertion {
        if in_header.is_some() || in_body.is_some() {
            return Err(GrantError::Request(
                "send an assertion or a secret, not both",
            ));
        }
        return match form.remove("client_assertion_type").as_deref() {
            Some(JWT_BEARER) => Ok(Presented::Assertion { token, client_id }),
            _ => Err(GrantError::Request(
                "client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            )),
        };
    }
    match (in_header, client_id, in_body) {
        (None, Some(id), Some(secret)) => Ok(Presented::Secret {
            id,
            secret,
            method: Method::SecretInBody,
        }),
        (Some((id, secret)), other_id, other_secret) => {
            // Entra offers "Both", which RFC 6749, section 2.3, forbids. It is harmless if both say the same.
            let same_id = other_id.is_none_or(|other| other == id);
            let same_secret = other_secret.as_ref().is_none_or(|other| {
                let (one, other) = (hash(secret.expose_secret()), hash(other.expose_secret()));
                bool::from(one.ct_eq(&other))
            });
            if !same_id || !same_secret {
                return Err(GrantError::Request(
                    "the header and the body say different things of the client",
                ));
            }
            let method = if other_secret.is_some() {
                Method::SecretInBoth
            } else {
                Method::SecretInHeader
            };
            Ok(Presented::Secret { id, secret, method })
        }
        _ => Err(GrantError::Request(
            "the client must show who it is: by the header Authorization: Basic, by client_id and client_secret in the body, or by client_assertion",
        )),
    }
}

/// `client_secret_basic`: id and secret are form-encoded before they are put together (RFC 6749, section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<(String, SecretString), GrantError> {
    let wrong = GrantError::Request(
        "Authorization must be Basic, with client id and secret, form-encoded, joined by a colon, in Base64",
    );
    let text = bearer::header(headers, "Basic")
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(SecretString::from)
        .ok_or_else(|| wrong.clone())?;
    let (id, secret) = text.expose_secret().split_once(':').ok_or(wrong)?;
    Ok((decode(id), decode(secret).into()))
}

fn decode(text: &str) -> String {
    // As the name of a form's only field; what would end the name is encoded first.
    let text = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(text.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(authorization: Option<&str>, body: &str) -> Result<GrantRequest, GrantError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, FORM.parse().unwrap());
        if let Some(pair) = authorization {
            let value = format!("Basic {}", STANDARD.encode(pair));
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        read(&headers, body.as_bytes())
    }

    #[track_caller]
    fn secret(outcome: Result<GrantRequest, GrantError>) -> (String, String, Method) {
        match outcome.unwrap().presented {
            Presented::Secret { id, secret, method } => {
                (id, secret.expose_secret().to_owned(), method)
            }
            presented @ Presented::Assertion { .. } => panic!("{presented:?}"),
        }
    }

    const GRANT: &str = "grant_type=client_credentials";

    #[test]
    fn a_secret_comes_in_the_header_in_the_body_or_in_both() {
        let (id, text, method) = secret(ask(Some("entra:a%2Bb+c%25%26%3D"), GRANT));
        assert_eq!((id.as_str(), text.as_str()), ("entra", "a+b c%&="));
        assert_eq!(method, Method::SecretInHeader);
        let body = format!("{GRANT}&client_id=entra&client_secret=a%2Bb");
        assert_eq!(secret(ask(None, &body)).2, Method::SecretInBody);
        assert_eq!(
            secret(ask(Some("entra:a%2Bb"), &body)).2,
            Method::SecretInBoth
        );
        let id_only = format!("{GRANT}&client_id=entra");
        assert_eq!(
            secret(ask(Some("entra:x"), &id_only)).2,
            Method::SecretInHeader
        );
    }

    #[test]
    fn header_and_body_that_disagree_are_no_request() {
        for body in [
            "&client_id=other",
            "&client_id=entra&client_secret=y",
            "&client_secret=y",
        ] {
            let outcome = ask(Some("entra:x"), &format!("{GRANT}{body}"));
            assert!(matches!(outcome, Err(GrantError::Request(_))), "{body}");
        }
    }

    #[test]
    fn what_is_no_request_is_told_what_it_lacks() {
        let error = |outcome: Result<GrantRequest, GrantError>| {
            outcome.unwrap_err().body()["error"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let good = "client_id=a&client_secret=b";
        assert_eq!(error(ask(None, good)), "invalid_request");
        assert_eq!(error(ask(None, GRANT)), "invalid_request");
        let password = format!("grant_type=password&{good}");
        assert_eq!(error(ask(None, &password)), "unsupported_grant_type");
        let twice = format!("{GRANT}&{good}&client_id=a");
        assert_eq!(error(ask(None, &twice)), "invalid_request");
        let scope = format!("{GRANT}&{good}&scope=a%22b");
        assert_eq!(error(ask(None, &scope)), "invalid_scope");
        let json = read(&HeaderMap::new(), b"{}");
        assert_eq!(error(json), "invalid_request");
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, FORM.parse().unwrap());
        headers.insert(AUTHORIZATION, "Bearer x".parse().unwrap());
        assert_eq!(error(read(&headers, GRANT.as_bytes())), "invalid_request");
    }

    #[test]
    fn an_assertion_needs_its_type_and_excludes_a_secret() {
        let kind = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let request = ask(
            None,
            &format!("{GRANT}&{kind}&client_assertion=x&scope=scim"),
        )
        .unwrap();
        assert!(matches!(
            request.presented,
            Presented::Assertion {
                client_id: None,
                ..
            }
        ));
        assert_eq!(request.scope, "scim");
        assert!(ask(None, &format!("{GRANT}&client_assertion=x")).is_err());
        assert!(
            ask(
                None,
                &format!("{GRANT}&{kind}&client_assertion=x&client_secret=y")
            )
            .is_err()
        );
        assert!(ask(Some("a:b"), &format!("{GRANT}&{kind}&client_assertion=x")).is_err());
    }

    #[test]
    fn a_request_never_shows_its_secret() {
        let request = ask(Some("entra:hunter2"), GRANT).unwrap();
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    proptest::proptest! {
        #[test]
        fn no_body_and_no_header_is_too_strange(
            body in ".{0,200}",
            authorization in proptest::option::of("[ -~]{0,80}"),
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, FORM.parse().unwrap());
            if let Some(value) = authorization {
                headers.insert(AUTHORIZATION, value.parse().unwrap());
            }
            // What is no request is an error, and nothing else happens.
            let _ = read(&headers, format!("{GRANT}&{body}").as_bytes());
            let _ = read(&headers, body.as_bytes());
        }

        #[test]
        fn what_a_client_encodes_is_what_it_meant(id in "[a-z0-9.~_-]{1,20}", secret in "\\PC{1,40}") {
            let encode = |text: &str| -> String {
                form_urlencoded::byte_serialize(text.as_bytes()).collect()
            };
            let pair = format!("{}:{}", encode(&id), encode(&secret));
            let (read_id, read_secret, _) = super::tests::secret(ask(Some(&pair), GRANT));
            proptest::prop_assert_eq!((read_id, read_secret), (id, secret));
        }
    }
}
