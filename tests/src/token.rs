//! A client of an app's token endpoint that sends what a test wants it to send.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::host::Host;
use crate::scim::{encode, http_client};

/// RFC 7523's name of a JWT as assertion.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An answer of the token endpoint or of SCIM.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    /// The body as JSON; `Null` if it is none.
    pub body: Value,
}

impl Answer {
    /// Sends a request.
    pub async fn of(request: reqwest::RequestBuilder) -> Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_str(&response.text().await?).unwrap_or_default();
        Ok(Self {
            status,
            headers,
            body,
        })
    }

    /// One header's text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|it| it.to_str().ok());
        value.unwrap_or_default()
    }

    /// Status, and `error` of RFC 6749.
    pub fn error(&self) -> (u16, &str) {
        (self.status, self.body["error"].as_str().unwrap_or_default())
    }

    /// The access token, which must be there.
    pub fn token(&self) -> Result<String> {
        ensure!(self.status == 200, "{} {}", self.status, self.body);
        let token = self.body["access_token"].as_str();
        Ok(token.context("no access token")?.to_owned())
    }
}

/// A client of one host.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    address: IpAddr,
}

impl Client {
    /// Trusts this authority, or nobody.
    pub fn new(host: &Host, ca: Option<&[u8]>) -> Result<Self> {
        Ok(Self::with(host, http_client(ca)?))
    }

    /// Over an HTTP client that is there already.
    pub fn with(host: &Host, http: reqwest::Client) -> Self {
        Self {
            http,
            url: host.url().to_owned(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    /// Where it comes from.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Comes from another address of this machine than every client before, so that nobody else's failures count.
    pub fn elsewhere(host: &Host) -> Result<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(2);
        let last = NEXT.fetch_add(1, Ordering::Relaxed);
        ensure!(last < 250, "out of addresses");
        Self::at(host, IpAddr::V4(Ipv4Addr::new(127, 0, 3, last)))
    }

    /// Comes from this address.
    pub fn at(host: &Host, address: IpAddr) -> Result<Self> {
        // For its effect: a TLS provider for the whole process.
        http_client(None)?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .local_address(address)
            .build()?;
        Ok(Self {
            address,
            ..Self::with(host, http)
        })
    }

    /// The HTTP client.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// A path of the host.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Asks for a token with these fields, and id and secret in the header if given.
    pub async fn ask(
        &self,
        app: &str,
        basic: Option<(&str, &str)>,
        form: &[(&str, &str)],
    ) -> Result<Answer> {
        let body: Vec<String> = form
            .iter()
            .map(|(key, value)| format!("{key}={}", encode(value)))
            .collect();
        let mut request = self
            .http
            .post(self.url(&format!("/apps/{app}/oauth2/token")))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"));
        if let Some((id, secret)) = basic {
            let pair = STANDARD.encode(format!("{id}:{secret}"));
            request = request.header("authorization", format!("Basic {pair}"));
        }
        Answer::of(request).await
    }

    /// By secret, in the header.
    pub async fn grant(&self, app: &str, id: &str, secret: &str) -> Result<Answer> {
        let form = [("grant_type", "client_credentials")];
        self.ask(app, Some((id, secret)), &form).await
    }

    /// By assertion, as Entra sends it.
    pub async fn assert(&self, app: &str, assertion: &str) -> Result<Answer> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "entra"),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", assertion),
            ("scope", "scim"),
        ];
        self.ask(app, None, &form).await
    }

    /// A SCIM request with a bearer token, which may be anything.
    pub async fn scim(&self, app: &str, token: &str) -> Result<Answer> {
        let url = self.url(&format!("/apps/{app}/scim/v2/ServiceProviderConfig"));
        Answer::of(self.http.get(url).bearer_auth(token)).await
    }

    /// The same until it is answered so: a file has just changed.
    pub async fn until_scim(&self, app: &str, token: &str, wanted: u16) -> Result<()> {
        for _ in 0..500 {
            if self.scim(app, token).await?.status == wanted {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("`{app}` never answered {wanted}")
    }

    /// By secret, until it is accepted.
    pub async fn until_granted(&self, app: &str, id: &str, secret: &str) -> Result<String> {
        for _ in 0..500 {
            let answer = self.grant(app, id, secret).await?;
            if answer.status == 200 {
                return answer.token();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("`{app}` never accepted client `{id}`")
    }
}
