//! A service behind a named target. The host keeps its address, the TLS, the connections and the credentials.
//!
//! ```no_run
//! use tombolo_sdk::http::Service;
//! # fn f(name: &str) -> tombolo_sdk::Result<()> {
//! let service = Service::new("api");
//! let found: serde_json::Value = service.get("/users").query("name", name).send()?.json()?;
//! let made = service.post("/users").json(&serde_json::json!({ "login": name })).send()?;
//! let gone = service.delete("/users").segment(name).send();
//! # Ok(()) }
//! ```
//!
//! [`Request::send`] answers a [`Failure`] for every status that is none of 2xx; [`Request::answer`] leaves the judgement to the caller.
//! Unit tests speak to a [`Transport`] of their own: [`Service::over`].

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host::http as raw;
use crate::{Failure, Fault, Result, Secret};

pub use raw::{HttpError, Response};

/// What carries requests: the host, or a test.
pub trait Transport {
    /// Sends one request and waits for its answer.
    fn send(&self, request: &Request<'_>) -> std::result::Result<Response, HttpError>;
}

/// The host's client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host;

impl Transport for Host {
    fn send(&self, request: &Request<'_>) -> std::result::Result<Response, HttpError> {
        raw::send(&raw::Request {
            target: request.target.clone(),
            method: request.method.clone(),
            path_and_query: request.path_and_query(),
            headers: request
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.crossing()))
                .collect(),
            body: request.body.clone(),
        })
    }
}

/// A service behind a named target.
#[derive(Clone)]
pub struct Service {
    target: String,
    transport: Rc<dyn Transport>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// The service that the manifest calls by this name.
    pub fn new(target: impl Into<String>) -> Self {
        Self::over(target, Rc::new(Host))
    }

    /// The same over another transport, for tests.
    pub fn over(target: impl Into<String>, transport: Rc<dyn Transport>) -> Self {
        Self {
            target: target.into(),
            transport,
        }
    }

    /// A request; `path` stands as it is and is percent-encoded already.
    pub fn request(&self, method: impl Into<String>, path: impl Into<String>) -> Request<'_> {
        Request {
            service: self,
            target: self.target.clone(),
            method: method.into(),
            path: path.into(),
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// GET.
    pub fn get(&self, path: impl Into<String>) -> Request<'_> {
        self.request("GET", path)
    }

    /// POST.
    pub fn post(&self, path: impl Into<String>) -> Request<'_> {
        self.request("POST", path)
    }

    /// PUT.
    pub fn put(&self, path: impl Into<String>) -> Request<'_> {
        self.request("PUT", path)
    }

    /// PATCH.
    pub fn patch(&self, path: impl Into<String>) -> Request<'_> {
        self.request("PATCH", path)
    }

    /// DELETE.
    pub fn delete(&self, path: impl Into<String>) -> Request<'_> {
        self.request("DELETE", path)
    }
}

/// The value of a header field.
#[derive(Debug)]
pub enum Header<'s> {
    /// As it is.
    Text(String),
    /// A scheme (`Bearer`), and a secret that the host puts in.
    Secret(String, &'s Secret),
}

impl<'s> Header<'s> {
    fn crossing(&self) -> raw::HeaderValue<'s> {
        match self {
            Self::Text(text) => raw::HeaderValue::Text(text.clone()),
            Self::Secret(scheme, secret) => raw::HeaderValue::Secret((scheme.clone(), secret)),
        }
    }
}

/// A request that is being put together.
#[derive(Debug)]
pub struct Request<'s> {
    service: &'s Service,
    target: String,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, Header<'s>)>,
    body: Vec<u8>,
}

impl<'s> Request<'s> {
    /// One more path segment, encoded: it cannot leave its place.
    #[must_use]
    pub fn segment(mut self, value: &str) -> Self {
        self.path.push('/');
        self.path.push_str(&escape_segment(value));
        self
    }

    /// One more query parameter, encoded.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        encode(name, &mut self.query);
        self.query.push('=');
        encode(value, &mut self.query);
        self
    }

    /// A header field. Line breaks in a value become blanks, so that it stays one field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: &str) -> Self {
        let value = value.replace(|c: char| c.is_control(), " ");
        self.headers.push((name.into(), Header::Text(value)));
        self
    }

    /// A header field with a secret, which the host puts in behind the scheme.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, scheme: &str, secret: &'s Secret) -> Self {
        self.headers
            .push((name.into(), Header::Secret(scheme.to_owned(), secret)));
        self
    }

    /// A body of this content type.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut request = self.header("Content-Type", content_type);
        request.body = body.into();
        request
    }

    /// A body whose content type is among the header fields already.
    #[must_use]
    pub fn bare_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A JSON body.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        // What cannot be JSON is a map whose keys are no text: `null` says so to the service.
        let body = serde_json::to_vec(body).unwrap_or_else(|_| b"null".to_vec());
        self.body("application/json", body)
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Path and query, as they go on the wire.
    pub fn path_and_query(&self) -> String {
        match (self.query.is_empty(), self.path.contains('?')) {
            (true, _) => self.path.clone(),
            (false, true) => format!("{}&{}", self.path, self.query),
            (false, false) => format!("{}?{}", self.path, self.query),
        }
    }

    /// The header fields.
    pub fn headers(&self) -> &[(String, Header<'s>)] {
        &self.headers
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Sends it: an answer of any status.
    pub fn answer(&self) -> Result<Response> {
        let sent = self.service.transport.send(self);
        sent.map_err(|error| lost(&error, &self.method).within(self.name()))
    }

    /// Sends it: an answer of 2xx, or what the status means.
    pub fn send(&self) -> Result<Response> {
        let answer = self.answer()?;
        match answer.failure() {
            Some(failure) => Err(failure.within(self.name())),
            None => Ok(answer),
        }
    }

    /// How messages call it: no query, which may hold anything.
    fn name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

impl Response {
    /// The first header field of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the status is one of 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON. An answer that is none was cut on the way, or is another service's.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::unavailable(format!(
                "the answer is not the JSON that it should be: {error}"
            ))
            .code(self.status)
        })
    }

    /// The body as text.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// When the service wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header("Retry-After")?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    /// What a status that is none of 2xx means (RFC 9110 section 15), with the beginning of what the service says.
    pub fn failure(&self) -> Option<Failure> {
        if self.is_success() {
            return None;
        }
        let text = self.text();
        let said: String = text
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .take(300)
            .collect();
        let message = if said.is_empty() {
            format!("the service answered {}", self.status)
        } else {
            format!("the service answered {}: {said}", self.status)
        };
        let mut failure =
            Failure::new(fault_of(self.status, self.retry_after()), message).code(self.status);
        if failure.is(Fault::Busy)
            && let Some(delay) = self.retry_after()
        {
            failure = failure.retry_after(delay);
        }
        Some(failure)
    }
}

/// The fault that a status stands for. An error on the server's side leaves open what it has done until then.
pub fn fault_of(status: u16, retry_after: Option<Duration>) -> Fault {
    match status {
        400 | 413 | 414 | 422 => Fault::Invalid,
        401 | 407 => Fault::Unauthenticated,
        403 => Fault::Forbidden,
        404 | 410 => Fault::NotFound,
        408 | 504 => Fault::Timeout,
        409 => Fault::AlreadyExists,
        412 | 428 => Fault::Changed,
        423 | 429 => Fault::Busy,
        503 if retry_after.is_some() => Fault::Busy,
        501 => Fault::Unsupported,
        500 | 502.. => Fault::Unavailable,
        _ => Fault::Other,
    }
}

/// A request without an answer, as what the host has to do about it.
fn lost(error: &HttpError, method: &str) -> Failure {
    match error {
        HttpError::Denied => Failure::forbidden(
            "the host refused the request: no such `http` target is granted, its `methods` leave this one out, or the path leads out of its `url`",
        ),
        HttpError::Connect(why) => Failure::unavailable(why.clone()),
        HttpError::Tls(why) => Failure::unavailable(why.clone()),
        HttpError::Timeout => Failure::timeout("no answer in time"),
        // It has been done; only what it says is not known.
        HttpError::TooLarge if method != "GET" => {
            Failure::unavailable("the answer is larger than the app may take")
        }
        HttpError::TooLarge => {
            Failure::other("the answer is larger than the app may take: ask for smaller pages")
        }
        HttpError::Protocol(why) => Failure::unavailable(why.clone()),
    }
}

/// A value as one path segment (RFC 3986 section 3.3). `.` and `..` would be steps, and are encoded twice: no object has that name.
pub fn escape_segment(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    match value {
        "." => out.push_str("%252E"),
        ".." => out.push_str("%252E%252E"),
        _ => encode(value, &mut out),
    }
    out
}

/// A value as part of a query (RFC 3986 section 3.4), or of a form.
pub fn escape_query(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    encode(value, &mut out);
    out
}

/// Only what is unreserved (RFC 3986 section 2.3) stays as it is.
fn encode(value: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in value.as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Answers what it was given, and keeps what it was asked.
    struct Fake {
        answer: std::result::Result<Response, HttpError>,
        asked: RefCell<Vec<String>>,
    }

    impl Transport for Fake {
        fn send(&self, request: &Request<'_>) -> std::result::Result<Response, HttpError> {
            let body = String::from_utf8_lossy(request.bytes()).into_owned();
            self.asked.borrow_mut().push(format!(
                "{} {} {body}",
                request.method(),
                request.path_and_query()
            ));
            self.answer.clone()
        }
    }

    fn service(answer: std::result::Result<Response, HttpError>) -> (Service, Rc<Fake>) {
        let fake = Rc::new(Fake {
            answer,
            asked: RefCell::new(Vec::new()),
        });
        (Service::over("api", fake.clone()), fake)
    }

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        Response {
            status,
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn values_cannot_leave_their_place() {
        let (service, fake) = service(Ok(response(200, &[], "{}")));
        let request = service
            .get("/users")
            .segment("a/../b?c#d")
            .segment("..")
            .query("q", "x&y=é z")
            .header("X-One", "a\r\nX-Two: b");
        let Header::Text(header) = &request.headers()[0].1 else {
            panic!("it is a text");
        };
        assert_eq!(header, "a  X-Two: b");
        request.send().expect("an answer");
        service
            .put("/users?all=1")
            .query("b", "2")
            .json(&serde_json::json!({"a": 1}))
            .send()
            .expect("an answer");
        assert_eq!(
            *fake.asked.borrow(),
            [
                "GET /users/a%2F..%2Fb%3Fc%23d/%252E%252E?q=x%26y%3D%C3%A9%20z ",
                "PUT /users?all=1&b=2 {\"a\":1}"
            ]
        );
    }

    #[test]
    fn a_status_becomes_what_the_host_must_do() {
        for (status, fault) in [
            (400, Fault::Invalid),
            (401, Fault::Unauthenticated),
            (403, Fault::Forbidden),
            (404, Fault::NotFound),
            (409, Fault::AlreadyExists),
            (412, Fault::Changed),
            (500, Fault::Unavailable),
            (504, Fault::Timeout),
        ] {
            let (service, _) = service(Ok(response(status, &[], "no  such\nthing")));
            let failure = service
                .get("/x")
                .query("k", "v")
                .send()
                .expect_err("refused");
            assert_eq!(failure.fault, fault, "{status}");
            assert_eq!(failure.target_code, Some(status.to_string()));
            assert_eq!(
                failure.message,
                format!("GET /x: the service answered {status}: no such thing")
            );
        }
    }

    #[test]
    fn patience_is_passed_on() {
        for status in [429, 503] {
            let (service, _) = service(Ok(response(status, &[("retry-after", "7")], "")));
            let failure = service.get("/").send().expect_err("busy");
            assert_eq!(failure.fault, Fault::Busy);
            assert_eq!(failure.retry_after_ms, Some(7000));
        }
        let (service, _) = service(Ok(response(503, &[], "")));
        assert!(
            service
                .get("/")
                .send()
                .expect_err("down")
                .is(Fault::Unavailable)
        );
    }

    #[test]
    fn no_answer_leaves_the_outcome_open() {
        for (error, fault) in [
            (HttpError::Timeout, Fault::Timeout),
            (HttpError::Connect("no".to_owned()), Fault::Unavailable),
            (HttpError::Protocol("cut".to_owned()), Fault::Unavailable),
            (HttpError::TooLarge, Fault::Unavailable),
            (HttpError::Denied, Fault::Forbidden),
        ] {
            let (service, _) = service(Err(error));
            assert_eq!(service.post("/").send().expect_err("lost").fault, fault);
        }
        let (service, _) = service(Ok(response(200, &[], "{\"half\":")));
        let half = service.get("/").send().expect("an answer");
        let failure = half.json::<serde_json::Value>().expect_err("cut");
        assert!(failure.is(Fault::Unavailable));
    }
}
