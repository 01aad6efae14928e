//! One SCIM base URL, signed in to, and its answers.
//!
//! Answers are taken as they are: a status of 500 is a [`Reply`], because judging it is what callers are there for.
//! Only what kept an answer from coming is an [`Error`].

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

/// What Entra sends as the type of a body.
pub const SCIM_JSON: &str = "application/scim+json; charset=utf-8";
/// A token this near its end is renewed before it is used.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// How the client shows who it is (Entra's admin center has the same choices).
#[derive(Clone, Debug)]
pub enum Credentials {
    /// No `Authorization` at all.
    None,
    /// A static bearer token: Entra's "Secret Token".
    Bearer(SecretString),
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4).
    ClientCredentials(ClientCredentials),
}

/// Entra's "OAuth 2.0 client credentials".
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub endpoint: Url,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub secret: SecretString,
    /// Space-separated scopes; none is none.
    pub scope: Option<String>,
    /// Entra's "How credentials are sent".
    pub sent: Sent,
}

/// How client id and secret reach the token endpoint (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sent {
    /// `client_secret_basic`
    #[default]
    Header,
    /// `client_secret_post`
    Body,
    /// Both at once, which the RFC forbids and Entra offers.
    Both,
}

/// What an endpoint is reached with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// PEM of authorities to trust besides the system's.
    pub ca: Option<Vec<u8>>,
    /// How long one request may take; two minutes if not said.
    pub timeout: Option<Duration>,
}

/// Why there is no answer to judge.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The base URL is none.
    #[error("`{url}` is no SCIM base URL: {why}")]
    Base {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The client cannot be set up.
    #[error("the HTTP client cannot be set up: {}", chain(.0))]
    Setup(reqwest::Error),
    /// Nothing came back, or it broke off.
    #[error("{method} {url}: {}", chain(.why))]
    Transport {
        /// What was asked.
        method: Method,
        /// Where.
        url: String,
        /// Why; told whole in this error's own text.
        why: reqwest::Error,
    },
    /// The token endpoint gave no token.
    #[error("the token endpoint {endpoint} gave no token: {why}")]
    Token {
        /// Where.
        endpoint: Url,
        /// Its status and error, never the secret.
        why: String,
    },
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

/// Refuses what is no base URL; says whether its host is this machine's loopback.
fn check_base(base: &str) -> Result<bool, Error> {
    let wrong = |why: &str| Error::Base {
        url: base.to_owned(),
        why: why.to_owned(),
    };
    let url = Url::parse(base).map_err(|why| wrong(&why.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it must begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Base {
            url: "https://…@…".to_owned(),
            why: "a URL must not carry credentials".to_owned(),
        });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(
            "leave out what follows `?` or `#`; a flag such as aadOptscim062020 chooses a dialect, and both are played",
        ));
    }
    Ok(match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    })
}

/// One SCIM base URL. Cheap to clone; clones share connections and the access token.
#[derive(Clone)]
pub struct Endpoint {
    http: reqwest::Client,
    base: String,
    credentials: Arc<Credentials>,
    token: Arc<Mutex<Option<AccessToken>>>,
}

/// An access token that a token endpoint gave out.
#[derive(Clone)]
pub struct AccessToken {
    /// The token.
    pub secret: SecretString,
    /// What the endpoint said of its life.
    pub lifetime: Option<Duration>,
    /// When it came.
    got: Instant,
}

/// An answer, read to its end.
#[derive(Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
    /// The body as JSON; `Null` if it is none.
    pub body: Value,
    /// From the request's first byte to the answer's last.
    pub took: Duration,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.text)
    }
}

impl Reply {
    /// The resource's `id`.
    pub fn id(&self) -> Option<&str> {
        self.body["id"].as_str().filter(|id| !id.is_empty())
    }

    /// `Resources` of a list response.
    pub fn resources(&self) -> &[Value] {
        self.body["Resources"].as_array().map_or(&[], Vec::as_slice)
    }

    /// One header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Endpoint {
    /// A client of the SCIM server at `base`, such as `https://host/apps/NAME/scim/v2`.
    pub fn new(base: &str, credentials: Credentials, options: &Options) -> Result<Self, Error> {
        let host_is_here = check_base(base)?;
        // An error says that a provider is installed already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .timeout(options.timeout.unwrap_or(Duration::from_mins(2)))
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(64);
        if host_is_here {
            // No proxy leads to this machine's own loopback.
            builder = builder.no_proxy();
        }
        if let Some(pem) = &options.ca {
            for authority in reqwest::Certificate::from_pem_bundle(pem).map_err(Error::Setup)? {
                builder = builder.tls_certs_merge([authority]);
            }
        }
        Ok(Self {
            http: builder.build().map_err(Error::Setup)?,
            base: base.trim_end_matches('/').to_owned(),
            credentials: Arc::new(credentials),
            token: Arc::default(),
        })
    }

    /// The base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// How it signs in.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The same server over the same connections, signed in to otherwise.
    #[must_use]
    pub fn signed_in_with(&self, credentials: Credentials) -> Self {
        Self {
            credentials: Arc::new(credentials),
            token: Arc::default(),
            ..self.clone()
        }
    }

    /// A text from the server without the credentials, should it have sent them back.
    pub fn redact(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        let mut hide = |secret: &SecretString| {
            let secret = secret.expose_secret();
            if !secret.is_empty() {
                clean = clean.replace(secret, "[redacted]");
            }
        };
        match &*self.credentials {
            Credentials::None => {}
            Credentials::Bearer(token) => hide(token),
            Credentials::ClientCredentials(client) => {
                hide(&client.secret);
                // Held by nobody between requests; while it is fetched there is none to hide.
                if let Ok(held) = self.token.try_lock()
                    && let Some(token) = held.as_ref()
                {
                    hide(&token.secret);
                }
            }
        }
        clean
    }

    /// One request; `path` is under the base URL and may carry a raw query. `headers` come on top of what Entra sends.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Result<Reply, Error> {
        let url = format!("{}{path}", self.base);
        let mut request = self
            .http
            .request(method.clone(), &url)
            .header("accept", "application/scim+json");
        match &*self.credentials {
            Credentials::None => {}
            Credentials::Bearer(token) => request = request.bearer_auth(token.expose_secret()),
            Credentials::ClientCredentials(client) => {
                let token = self.access_token(client).await?;
                request = request.bearer_auth(token.secret.expose_secret());
            }
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", SCIM_JSON);
            }
            request = request.body(body);
        }
        read(request).await.map_err(|why| Error::Transport {
            method,
            url,
            why: why.without_url(),
        })
    }

    /// The token in hand, or a new one when it is about to end.
    async fn access_token(&self, client: &ClientCredentials) -> Result<AccessToken, Error> {
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref().filter(|token| token.lasts()) {
            return Ok(token.clone());
        }
        let fresh = self.sign_in(client).await?;
        *held = Some(fresh.clone());
        Ok(fresh)
    }

    /// Asks the token endpoint for a token, whatever is in hand.
    pub async fn sign_in(&self, client: &ClientCredentials) -> Result<AccessToken, Error> {
        let failed = |why: String| Error::Token {
            endpoint: client.endpoint.clone(),
            why,
        };
        let mut form = vec![("grant_type", "client_credentials")];
        if let Some(scope) = &client.scope {
            form.push(("scope", scope));
        }
        let secret = client.secret.expose_secret();
        let mut request = self.http.post(client.endpoint.clone());
        if matches!(client.sent, Sent::Header | Sent::Both) {
            request =
                request.basic_auth(form_encoded(&client.client_id), Some(form_encoded(secret)));
        }
        if matches!(client.sent, Sent::Body | Sent::Both) {
            form.push(("client_id", &client.client_id));
            form.push(("client_secret", secret));
        }
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let reply = read(request).await.map_err(|error| failed(chain(&error)))?;
        let token = reply.body["access_token"].as_str();
        let (200, Some(token)) = (reply.status, token) else {
            let said = ["error", "error_description"]
                .iter()
                .filter_map(|key| reply.body[*key].as_str())
                .collect::<Vec<_>>()
                .join(": ");
            return Err(failed(format!("status {} {said}", reply.status)));
        };
        Ok(AccessToken {
            secret: token.into(),
            lifetime: reply.body["expires_in"].as_u64().map(Duration::from_secs),
            got: Instant::now(),
        })
    }
}

impl AccessToken {
    fn lasts(&self) -> bool {
        self.lifetime
            .is_none_or(|lifetime| self.got.elapsed() + RENEW_BEFORE < lifetime)
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<Reply, reqwest::Error> {
    let started = Instant::now();
    let response = request.send().await?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = response.text().await?;
    Ok(Reply {
        status,
        headers,
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
        text,
        took: started.elapsed(),
    })
}

/// RFC 6749, section 2.3.1: id and secret are form-encoded before they become Basic credentials.
fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Query encoding as Entra's: `+` for blanks, percent for the rest.
pub fn encode(text: &str) -> String {
    form_encoded(text)
}

/// A text as a filter literal: JSON string rules (RFC 7644, section 3.4.2.2).
pub fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_https_or_http_without_query_and_credentials() {
        assert!(check_base("http://127.0.0.1:8880/apps/demo/scim/v2").unwrap());
        assert!(!check_base("https://scim.example.org/scim/").unwrap());
        for bad in [
            "scim.example.org",
            "ldap://scim.example.org",
            "https://scim.example.org/scim?aadOptscim062020",
            "https://scim.example.org/#x",
        ] {
            assert!(check_base(bad).is_err(), "{bad}");
        }
        let error = check_base("https://user:hunter2@scim.example.org/").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn what_a_server_sends_back_is_shown_without_the_token() {
        let bearer = Credentials::Bearer("s3cr3t-token".into());
        let endpoint = Endpoint::new("http://127.0.0.1:1", bearer, &Options::default()).unwrap();
        assert_eq!(
            endpoint.redact("you sent s3cr3t-token"),
            "you sent [redacted]"
        );
    }

    #[test]
    fn literals_are_json_and_queries_are_form_encoded() {
        assert_eq!(literal("a\"b"), "\"a\\\"b\"");
        assert_eq!(encode("userName eq \"a\""), "userName+eq+%22a%22");
    }
}
