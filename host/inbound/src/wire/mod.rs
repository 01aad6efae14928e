//! One request and its answer.
//!
//! Answers are taken as they are: judging a status is what the callers are there for. Only what kept an answer from coming
//! is an error. Redirects are not followed, because a token would go with them.

mod retry;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

pub use self::retry::Backoff;
pub(crate) use self::retry::retry_after;

/// How long a request may take if nothing else is said.
pub const TIMEOUT: Duration = Duration::from_mins(1);
/// The type of a SCIM body: for bulkUpload anything else is a 400.
pub const SCIM_JSON: &str = "application/scim+json";
/// The largest answer that is read.
const LARGEST: usize = 32 << 20;
/// So much of what a server says is repeated in a message.
const SAID: usize = 300;

/// How servers are reached.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// PEM of authorities to trust besides the system's.
    pub ca: Option<Vec<u8>>,
    /// How long one request may take; a minute if not said.
    pub timeout: Option<Duration>,
}

/// The HTTP client cannot be set up, or the address is none.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The client cannot be built.
    #[error(
        "the HTTP client cannot be set up: {0}; check the certificate authorities it is to trust"
    )]
    Client(String),
    /// Not an address that secrets may be sent to.
    #[error("`{url}` cannot be used: {why}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Nothing came back, or it broke off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} {host}: {why}")]
pub struct NoAnswer {
    /// What was asked.
    pub method: String,
    /// Whom.
    pub host: String,
    /// What happened.
    pub why: String,
}

/// Sends requests. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Wire {
    http: reqwest::Client,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// GET, POST, …
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// The body and its type.
    pub body: Option<(&'static str, Vec<u8>)>,
    /// What comes back if all is well.
    pub accept: &'static str,
}

/// An answer, read to its end.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.status, self.body.len())
    }
}

/// How a request shows who sends it.
#[derive(Clone, Debug)]
pub enum Authorization {
    /// Not at all.
    None,
    /// RFC 6750.
    Bearer(SecretString),
    /// RFC 7617.
    Basic(String, SecretString),
}

/// `https://`, or plain where it does not leave this machine; without user and password.
pub fn check_address(url: &str) -> Result<Url, SetupError> {
    let wrong = |shown: &str, why: &str| SetupError::Address {
        url: shown.to_owned(),
        why: why.to_owned(),
    };
    let parsed = Url::parse(url).map_err(|why| wrong(url, &why.to_string()))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong(
            "https://…@…",
            "an address must not carry credentials",
        ));
    }
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if is_loopback(&parsed) => Ok(parsed),
        "http" => Err(wrong(
            url,
            "secrets would go unencrypted; use https:// (http:// is for this machine only)",
        )),
        _ => Err(wrong(url, "it must begin with https://")),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

impl Wire {
    /// A client.
    pub fn new(options: &Options) -> Result<Self, SetupError> {
        // An error says that a provider is installed already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .timeout(options.timeout.unwrap_or(TIMEOUT))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tombolo/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &options.ca {
            let authorities = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|why| SetupError::Client(chain(&why)))?;
            builder = builder.tls_certs_merge(authorities);
        }
        let http = builder
            .build()
            .map_err(|why| SetupError::Client(chain(&why)))?;
        Ok(Self { http })
    }

    /// Sends a request and reads the answer to its end.
    pub async fn send(
        &self,
        request: &Request,
        authorization: &Authorization,
    ) -> Result<Answer, NoAnswer> {
        let none = |why: String| NoAnswer {
            method: request.method.to_string(),
            host: request.url.host_str().unwrap_or_default().to_owned(),
            why,
        };
        let mut built = self
            .http
            .request(request.method.clone(), request.url.clone())
            .header("accept", request.accept);
        match authorization {
            Authorization::None => {}
            Authorization::Bearer(token) => built = built.bearer_auth(token.expose_secret()),
            Authorization::Basic(user, password) => {
                built = built.basic_auth(user, Some(password.expose_secret()));
            }
        }
        if let Some((kind, body)) = &request.body {
            built = built.header(CONTENT_TYPE, *kind).body(body.clone());
        }
        let failed = |why: reqwest::Error| none(chain(&why.without_url()));
        let mut response = built.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(none(format!("its answer is larger than {LARGEST} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

impl Answer {
    /// The body as JSON; `Null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What time it is at the server.
    pub fn date(&self) -> Option<Timestamp> {
        let date = self.headers.get(DATE)?.to_str().ok()?;
        let date = httpdate::parse_http_date(date).ok()?;
        Timestamp::try_from(date).ok()
    }

    /// What the server says of an error, in one line: Graph's `error.message`, SCIM's `detail`, OAuth's `error`.
    pub fn said(&self) -> String {
        said(&self.json())
    }
}

/// The same of a body.
pub(crate) fn said(body: &Value) -> String {
    let error = &body["error"];
    let text = [&error["message"], &body["detail"], &body["message"]]
        .into_iter()
        .find_map(Value::as_str);
    let code = [&error["code"], &body["scimType"], error]
        .into_iter()
        .find_map(Value::as_str);
    match (code.map(line), text.map(line)) {
        (Some(code), Some(text)) if !text.contains(&code) => format!("{code}: {text}"),
        (_, Some(text)) => text,
        (Some(code), None) => code,
        (None, None) => "no reason given".to_owned(),
    }
}

/// One line without control characters, and not too long.
pub(crate) fn line(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SAID + 1)
        .collect();
    if line.chars().count() > SAID {
        line.pop();
        line.push('…');
    }
    line.trim().to_owned()
}

/// reqwest says "error sending request" and keeps the reason inside.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_go_over_tls_or_stay_on_this_machine() {
        assert!(check_address("https://graph.microsoft.com").is_ok());
        assert!(check_address("http://127.0.0.1:8080/x").is_ok());
        assert!(check_address("http://[::1]/").is_ok());
        for bad in [
            "http://graph.microsoft.com",
            "ldap://x",
            "graph.microsoft.com",
        ] {
            assert!(check_address(bad).is_err(), "{bad}");
        }
        let error = check_address("https://user:hunter2@example.org").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn an_error_is_told_in_one_line_whoever_speaks() {
        let graph = json!({"error": {"code": "BadRequest", "message": "Invalid\nData Format"}});
        assert_eq!(said(&graph), "BadRequest: Invalid Data Format");
        let scim = json!({"scimType": "uniqueness", "detail": "userName is taken"});
        assert_eq!(said(&scim), "uniqueness: userName is taken");
        assert_eq!(said(&json!({"error": "invalid_client"})), "invalid_client");
        assert_eq!(said(&Value::Null), "no reason given");
        assert!(said(&json!({"detail": "x".repeat(1000)})).len() < 310);
    }

    proptest! {
        #[test]
        fn any_body_and_any_date_are_read_without_harm(
            body in prop::collection::vec(any::<u8>(), 0..200),
            date in "[ -~]{0,40}",
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, date.parse().unwrap());
            let answer = Answer { status: StatusCode::BAD_REQUEST, headers, body };
            let _ = answer.date();
            prop_assert!(!answer.said().contains('\n'));
        }
    }
}
