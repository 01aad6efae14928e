//! OAuth client credentials (RFC 6749, section 4.4): a token is asked for when there is none, before the old one
//! ends, and once more after the target refused it. Requests that come meanwhile wait for the one that asks.

use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::auth::Credential;
use super::error::Error;
use super::exchange::{Prepared, exchange};
use super::pool::Pool;
use crate::app::{OAuthClient, TokenRequest};
use crate::redact::Issued;

/// Largest answer of a token endpoint.
const ANSWER: usize = 64 << 10;
/// A token is replaced so long before its end, or at its half if it is short-lived.
const AHEAD: Duration = Duration::from_mins(1);
/// What a token is good for when its issuer does not say.
const UNSAID: Duration = Duration::from_mins(5);
/// And at most, whatever it says.
const LONGEST: Duration = Duration::from_hours(24);

/// A client of one token endpoint.
pub(super) struct OAuth {
    pool: Pool,
    client_id: String,
    client_secret: SecretString,
    scope: String,
    request: TokenRequest,
    current: Mutex<Option<Token>>,
    /// For whoever hides secrets.
    issued: Issued,
}

struct Token {
    credential: Credential,
    renew_at: Instant,
    ends_at: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<Seconds>,
}

/// A number, or as some servers have it, a number in a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl OAuth {
    pub(super) fn new(pool: Pool, client: &OAuthClient) -> Self {
        Self {
            pool,
            client_id: client.client_id.clone(),
            client_secret: client.client_secret.clone(),
            scope: client.scope.clone(),
            request: client.request,
            current: Mutex::new(None),
            issued: Issued::default(),
        }
    }

    /// The tokens that it was given.
    pub(super) fn issued(&self) -> &Issued {
        &self.issued
    }

    /// The token that requests are signed with now.
    pub(super) async fn token(&self, limit: Instant) -> Result<Credential, Error> {
        let mut current = self.current.lock().await;
        let now = Instant::now();
        if let Some(token) = current.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.credential.clone());
        }
        match self.ask(limit).await {
            Ok(token) => {
                let credential = token.credential.clone();
                *current = Some(token);
                Ok(credential)
            }
            Err(error) => match current.as_ref().filter(|token| now < token.ends_at) {
                // Not renewed ahead of time is no harm yet.
                Some(token) => Ok(token.credential.clone()),
                None => Err(error),
            },
        }
    }

    /// Forgets a token that the target refused, unless another request has replaced it already.
    pub(super) async fn discard(&self, refused: &Credential) {
        let mut current = self.current.lock().await;
        if current
            .as_ref()
            .is_some_and(|token| token.credential == *refused)
        {
            *current = None;
        }
    }

    async fn ask(&self, limit: Instant) -> Result<Token, Error> {
        let asked_at = Instant::now();
        let asked = exchange(&self.pool, &self.prepare()?, limit, ANSWER).await;
        let on = &self.pool.endpoint.target;
        let answer = asked.map_err(|error| {
            tracing::warn!(on, %error, "no access token");
            Error::Token(format!("its token endpoint: {error}"))
        })?;
        let read = if answer.status == StatusCode::OK {
            read(&answer.body, asked_at, &self.issued)
        } else {
            Err(refusal(answer.status, &answer.body))
        };
        match &read {
            Ok(_) => tracing::debug!(on, "access token renewed"),
            Err(why) => tracing::warn!(on, why, "no access token"),
        }
        read.map_err(Error::Token)
    }

    fn prepare(&self) -> Result<Prepared, Error> {
        let endpoint = &self.pool.endpoint.place;
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let agent = concat!("tombolo/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        let mut body = Serializer::new(String::new());
        body.append_pair("grant_type", "client_credentials");
        if !self.scope.is_empty() {
            body.append_pair("scope", &self.scope);
        }
        let secret = self.client_secret.expose_secret();
        match self.request {
            TokenRequest::Body => {
                body.append_pair("client_id", &self.client_id);
                body.append_pair("client_secret", secret);
            }
            TokenRequest::Basic => {
                // Section 2.3.1: each is form-encoded before they become a pair.
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let pair = Credential::basic(&encoded(&self.client_id), &encoded(secret));
                let pair = pair.map_err(Error::Token)?;
                headers.insert(pair.name, pair.value);
            }
        }
        Ok(Prepared {
            method: Method::POST,
            path: endpoint.below("")?,
            headers,
            body: Bytes::from(body.finish()),
        })
    }
}

fn read(body: &[u8], now: Instant, issued: &Issued) -> Result<Token, String> {
    let granted: Granted = serde_json::from_slice(body)
        .map_err(|_| "its token endpoint's answer holds no `access_token`".to_owned())?;
    issued.add(&granted.access_token);
    if let Some(other) = granted
        .token_type
        .filter(|kind| !kind.eq_ignore_ascii_case("bearer"))
    {
        return Err(format!(
            "its token endpoint gives tokens of type `{}`, not Bearer",
            word(&other)
        ));
    }
    let lasts = match granted.expires_in {
        Some(Seconds::Number(seconds)) => Duration::from_secs(seconds),
        Some(Seconds::Text(text)) => text.parse().map_or(UNSAID, Duration::from_secs),
        None => UNSAID,
    }
    .min(LONGEST);
    let credential = Credential::bearer(&granted.access_token)
        .map_err(|_| "its token endpoint gave a token that no header can carry".to_owned())?;
    Ok(Token {
        credential,
        renew_at: now + lasts.saturating_sub(AHEAD).max(lasts / 2),
        ends_at: now + lasts,
    })
}

/// Section 5.2: the code says who has to do what; the description may hold anything, and stays out.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let code = serde_json::from_slice::<Refusal>(body).map(|refusal| word(&refusal.error));
    match code.as_deref() {
        Ok("invalid_client") => {
            "its token endpoint refuses the client (invalid_client): check `client-id` and `client-secret`".to_owned()
        }
        Ok("invalid_scope") => {
            "its token endpoint refuses the scope (invalid_scope): check `scope`".to_owned()
        }
        Ok(code) => format!("its token endpoint answered {} ({code})", status.as_u16()),
        Err(_) => format!("its token endpoint answered {}", status.as_u16()),
    }
}

/// A code of the protocol, which has no need of other characters.
fn word(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c))
        .take(40)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasts(body: &str) -> Result<(u64, u64), String> {
        let now = Instant::now();
        let token = read(body.as_bytes(), now, &Issued::default())?;
        Ok((
            (token.renew_at - now).as_secs(),
            (token.ends_at - now).as_secs(),
        ))
    }

    #[test]
    fn a_token_is_renewed_before_its_end() {
        assert_eq!(
            lasts(r#"{"access_token":"t","token_type":"Bearer","expires_in":3600}"#),
            Ok((3540, 3600))
        );
        assert_eq!(
            lasts(r#"{"access_token":"t","expires_in":"20"}"#),
            Ok((10, 20))
        );
        assert_eq!(lasts(r#"{"access_token":"t"}"#), Ok((240, 300)));
        assert_eq!(
            lasts(r#"{"access_token":"t","expires_in":99999999999}"#),
            Ok((86340, 86400))
        );
    }

    #[test]
    fn what_is_no_bearer_token_is_refused() {
        for body in [
            "",
            "{}",
            r#"{"access_token":7}"#,
            r#"{"access_token":"a\nb"}"#,
            r#"{"access_token":"t","token_type":"mac"}"#,
        ] {
            assert!(lasts(body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_refusal_names_the_code_and_nothing_else() {
        let body = br#"{"error":"unauthorized_client<script>","error_description":"secret-7"}"#;
        assert_eq!(
            refusal(StatusCode::BAD_REQUEST, body),
            "its token endpoint answered 400 (unauthorized_clientscript)"
        );
        assert_eq!(
            refusal(StatusCode::BAD_GATEWAY, b"<html>"),
            "its token endpoint answered 502"
        );
    }
}
