//! A SCIM client: one base URL, one bearer token, one meter.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// What Entra sends as the type of a body.
pub const SCIM_JSON: &str = "application/scim+json; charset=utf-8";

/// An HTTP client that trusts nobody but `ca` (PEM), and uses no proxy.
pub fn http_client(ca: Option<&[u8]>) -> Result<reqwest::Client> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error says that a provider is installed already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let roots = match ca {
        Some(pem) => vec![reqwest::Certificate::from_pem(pem)?],
        None => Vec::new(),
    };
    Ok(reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(roots)
        .timeout(Duration::from_mins(2))
        .pool_max_idle_per_host(64)
        .build()?)
}

/// One app, as its client sees it. Cheap to clone.
#[derive(Clone)]
pub struct Scim {
    http: reqwest::Client,
    base: String,
    token: String,
    meter: Arc<Meter>,
}

/// An answer, read to its end.
#[derive(Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
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
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_default().to_owned()
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

impl Scim {
    /// A client of the app at `base` (`http://…/apps/NAME/scim/v2`).
    pub fn new(base: impl Into<String>, token: impl Into<String>) -> Result<Self> {
        Ok(Self::with(http_client(None)?, base, token))
    }

    /// The same, over an HTTP client that is there already.
    pub fn with(http: reqwest::Client, base: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            http,
            base: base.into(),
            token: token.into(),
            meter: Arc::default(),
        }
    }

    /// The app's base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What was asked so far, by kind of request.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// GET; `path` is under the base URL and may carry a raw query.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.send("GET", Method::GET, path, None).await
    }

    /// POST.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send("POST", Method::POST, path, Some(body.to_string()))
            .await
    }

    /// PUT.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send("PUT", Method::PUT, path, Some(body.to_string()))
            .await
    }

    /// PATCH.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send("PATCH", Method::PATCH, path, Some(body.to_string()))
            .await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<Reply> {
        self.send("DELETE", Method::DELETE, path, None).await
    }

    /// `GET /{type}?filter=…`, the filter encoded as Entra does.
    pub async fn find(&self, kind: &str, endpoint: &str, filter: &str) -> Result<Reply> {
        let path = format!("/{endpoint}?filter={}", encode(filter));
        self.send(kind, Method::GET, &path, None).await
    }

    /// One request, counted in the meter under `kind`.
    pub async fn send(
        &self,
        kind: &str,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Reply> {
        let url = format!("{}{path}", self.base);
        let mut request = self
            .http
            .request(method.clone(), &url)
            .bearer_auth(&self.token)
            .header("accept", "application/scim+json")
            .header(
                "ADSCIMVersion",
                "Date:2026-09-01, ActivityId:0b0e7f3c-7c43-4be1-9d4d-6d4b1a0a4a10",
            );
        if let Some(body) = body {
            request = request.header("content-type", SCIM_JSON).body(body);
        }
        let started = Instant::now();
        let reply = read(request, started).await;
        let failed = reply.as_ref().map_or(true, |r| r.status >= 400);
        self.meter.add(kind, started.elapsed(), failed);
        reply.with_context(|| format!("{method} {url}"))
    }
}

async fn read(request: reqwest::RequestBuilder, started: Instant) -> Result<Reply> {
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

/// Query encoding as Entra's: `+` for blanks, percent for the rest.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => {
                use fmt::Write;
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// A text as a filter literal: JSON string rules (RFC 7644 section 3.4.2.2).
pub fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// Counts and times requests by kind.
#[derive(Debug, Default)]
pub struct Meter(Mutex<BTreeMap<String, Row>>);

#[derive(Clone, Debug, Default)]
struct Row {
    micros: Vec<u64>,
    errors: usize,
}

/// One line of a meter's closing table.
#[derive(Clone, Debug)]
pub struct Line {
    /// The kind of request.
    pub kind: String,
    /// How many were sent.
    pub count: usize,
    /// How many were answered with 400 and above, or not at all.
    pub errors: usize,
    /// Half of them were quicker.
    pub p50: Duration,
    /// 99 in 100 were quicker.
    pub p99: Duration,
    /// The slowest.
    pub max: Duration,
}

impl Meter {
    /// Adds one request.
    pub fn add(&self, kind: &str, took: Duration, failed: bool) {
        let mut rows = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let row = rows.entry(kind.to_owned()).or_default();
        row.micros
            .push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        row.errors += usize::from(failed);
    }

    /// The table: one line a kind.
    pub fn lines(&self) -> Vec<Line> {
        let rows = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        rows.iter()
            .map(|(kind, row)| {
                let mut sorted = row.micros.clone();
                sorted.sort_unstable();
                Line {
                    kind: kind.clone(),
                    count: sorted.len(),
                    errors: row.errors,
                    p50: percentile(&sorted, 50),
                    p99: percentile(&sorted, 99),
                    max: percentile(&sorted, 100),
                }
            })
            .collect()
    }
}

/// The `p`-th percentile of sorted microseconds.
pub fn percentile(sorted: &[u64], p: usize) -> Duration {
    let index = (sorted.len() * p).div_ceil(100).max(1) - 1;
    Duration::from_micros(sorted.get(index).copied().unwrap_or_default())
}

/// A PATCH body around its operations.
pub fn patch_op(operations: &Value) -> Value {
    serde_json::json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    })
}
