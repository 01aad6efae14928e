//! Asking for tokens, keeping them, and renewing them in time. Requests that come meanwhile wait for the one that asks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::certificate::Certificate;
use crate::wire::{Answer, Authorization, NoAnswer, Request, Wire};

/// A token is replaced so long before its end, or at its half if it is short-lived.
const AHEAD: Duration = Duration::from_mins(5);
/// What a token is good for when its issuer does not say.
const UNSAID: Duration = Duration::from_mins(5);
/// And at most, whatever it says.
const LONGEST: Duration = Duration::from_hours(24);
/// RFC 7523, section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who asks which token endpoint for what.
#[derive(Clone, Debug)]
pub struct Client {
    /// The token endpoint.
    pub endpoint: Url,
    /// The client's id.
    pub client_id: String,
    /// What to ask for; empty leaves it out.
    pub scope: String,
    /// What shows that it is us.
    pub credential: Credential,
}

/// What shows that it is us.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A client secret.
    Secret(SecretString, SecretIn),
    /// A certificate that the service knows.
    Certificate(Certificate),
    /// A token of somebody whom the service trusts, in a file that is read again each time (workload identity).
    Federated(PathBuf),
}

/// Where a client secret goes (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretIn {
    /// The body, as Entra's documents do it.
    #[default]
    Body,
    /// The `Authorization` header.
    Header,
}

/// There is no token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The token endpoint refuses us.
    #[error("the token endpoint {host} refuses the client: {why}")]
    Refused {
        /// Where.
        host: String,
        /// Its code, and what to check.
        why: String,
    },
    /// The token endpoint cannot be reached, or fails.
    #[error("no token now: {0}")]
    Unavailable(String),
    /// The federated token or the certificate's key cannot be used.
    #[error("{0}")]
    Own(String),
}

impl From<NoAnswer> for TokenError {
    fn from(error: NoAnswer) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Tokens for one client. Cheap to clone; clones share the token.
#[derive(Clone, Debug)]
pub struct Tokens {
    wire: Wire,
    client: Arc<Client>,
    current: Arc<Mutex<Option<Token>>>,
}

#[derive(Debug)]
struct Token {
    secret: SecretString,
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
    /// Entra's own numbers: AADSTS7000215 and so on.
    #[serde(default)]
    error_codes: Vec<u64>,
}

impl Tokens {
    /// Tokens for this client.
    pub fn new(wire: Wire, client: Client) -> Self {
        Self {
            wire,
            client: Arc::new(client),
            current: Arc::default(),
        }
    }

    /// The token that requests are signed with now.
    pub async fn token(&self) -> Result<SecretString, TokenError> {
        let mut current = self.current.lock().await;
        let now = Instant::now();
        if let Some(token) = current.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.secret.clone());
        }
        match self.ask().await {
            Ok(token) => {
                let secret = token.secret.clone();
                *current = Some(token);
                Ok(secret)
            }
            Err(error) => match current.as_ref().filter(|token| now < token.ends_at) {
                // Not renewed ahead of time is no harm yet.
                Some(token) => {
                    tracing::warn!(%error, "the access token could not be renewed yet");
                    Ok(token.secret.clone())
                }
                None => Err(error),
            },
        }
    }

    /// Forgets a token that the service refused, unless another request has replaced it already.
    pub async fn discard(&self, refused: &SecretString) {
        let mut current = self.current.lock().await;
        if current
            .as_ref()
            .is_some_and(|token| token.secret.expose_secret() == refused.expose_secret())
        {
            *current = None;
        }
    }

    async fn ask(&self) -> Result<Token, TokenError> {
        let asked_at = Instant::now();
        let client = &self.client;
        let federated = match &client.credential {
            Credential::Federated(path) => Some(federated(path).await?),
            Credential::Secret(..) | Credential::Certificate(_) => None,
        };
        let (body, authorization) = self.form(federated)?;
        let request = Request {
            method: Method::POST,
            url: client.endpoint.clone(),
            body: Some(("application/x-www-form-urlencoded", body.into_bytes())),
            accept: "application/json",
        };
        let answer = self.wire.send(&request, &authorization).await?;
        read(
            &answer,
            client.endpoint.host_str().unwrap_or_default(),
            asked_at,
        )
    }

    /// What is asked, and how the client shows itself. A form cannot be held while something is waited for.
    fn form(&self, federated: Option<SecretString>) -> Result<(String, Authorization), TokenError> {
        let client = &self.client;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !client.scope.is_empty() {
            form.append_pair("scope", &client.scope);
        }
        let mut authorization = Authorization::None;
        match &client.credential {
            Credential::Secret(secret, SecretIn::Body) => {
                form.append_pair("client_id", &client.client_id);
                form.append_pair("client_secret", secret.expose_secret());
            }
            Credential::Secret(secret, SecretIn::Header) => {
                // Each is form-encoded before they become a pair.
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                authorization = Authorization::Basic(
                    encoded(&client.client_id),
                    encoded(secret.expose_secret()).into(),
                );
            }
            Credential::Certificate(certificate) => {
                let assertion = certificate
                    .assertion(
                        &client.client_id,
                        client.endpoint.as_str(),
                        Timestamp::now(),
                    )
                    .map_err(|why| TokenError::Own(why.to_string()))?;
                form.append_pair("client_id", &client.client_id);
                form.append_pair("client_assertion_type", JWT_BEARER);
                form.append_pair("client_assertion", assertion.expose_secret());
            }
            Credential::Federated(_) => {
                let token = federated.unwrap_or_default();
                form.append_pair("client_id", &client.client_id);
                form.append_pair("client_assertion_type", JWT_BEARER);
                form.append_pair("client_assertion", token.expose_secret());
            }
        }
        Ok((form.finish(), authorization))
    }
}

async fn federated(path: &std::path::Path) -> Result<SecretString, TokenError> {
    let wrong = |why: String| {
        TokenError::Own(format!(
            "the federated token in `{}` cannot be used: {why}",
            path.display()
        ))
    };
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|why| wrong(why.to_string()))?;
    let token = text.trim();
    let dots = token.bytes().filter(|byte| *byte == b'.').count();
    if dots != 2 {
        return Err(wrong("it is no signed JWT".to_owned()));
    }
    Ok(token.into())
}

fn read(answer: &Answer, host: &str, now: Instant) -> Result<Token, TokenError> {
    if answer.status != StatusCode::OK {
        return Err(refusal(answer, host));
    }
    let bad = |why: &str| TokenError::Unavailable(format!("the token endpoint {host} {why}"));
    let granted: Granted = serde_json::from_slice(&answer.body)
        .map_err(|_| bad("answered without an `access_token`"))?;
    let kind = granted.token_type.as_deref().unwrap_or("Bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(bad("gives tokens that are no Bearer tokens"));
    }
    let plain = |byte: u8| (0x21..0x7f).contains(&byte);
    let token = SecretString::from(granted.access_token);
    let text = token.expose_secret();
    if text.is_empty() || !text.bytes().all(plain) {
        return Err(bad("gave a token that no header can carry"));
    }
    let lasts = match granted.expires_in {
        Some(Seconds::Number(seconds)) => Duration::from_secs(seconds),
        Some(Seconds::Text(text)) => text.parse().map_or(UNSAID, Duration::from_secs),
        None => UNSAID,
    }
    .min(LONGEST);
    Ok(Token {
        secret: token,
        renew_at: now + lasts.saturating_sub(AHEAD).max(lasts / 2),
        ends_at: now + lasts,
    })
}

/// RFC 6749, section 5.2: the code says who has to do what; the description may hold anything, and stays out.
fn refusal(answer: &Answer, host: &str) -> TokenError {
    let status = answer.status;
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return TokenError::Unavailable(format!("the token endpoint {host} answered {status}"));
    }
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&answer.body) else {
        let why =
            format!("it answered {status}; check the tenant and the token endpoint's address");
        return TokenError::Refused {
            host: host.to_owned(),
            why,
        };
    };
    let code = word(&refusal.error);
    let number = refusal.error_codes.first();
    let what = match (number, code.as_str()) {
        (Some(7_000_215), _) => "the client secret is wrong (the *value* is wanted, not its id)",
        (Some(7_000_222), _) => "the client secret has expired: make a new one",
        (Some(700_027), _) => {
            "the certificate is not registered with the application, or the key is another's"
        }
        (Some(700_016), _) => {
            "no such application in this tenant: check the client id and the tenant"
        }
        (Some(90_002), _) => "no such tenant",
        (Some(700_213 | 70_021), _) => {
            "no federated credential of the application matches the token's issuer, subject and audience"
        }
        (_, "invalid_client") => {
            "check the client id and its secret, certificate or federated credential"
        }
        (_, "unauthorized_client") => "the application is unknown to this tenant, or disabled",
        (_, "invalid_scope") => {
            "check the scope: it must be of the same cloud as the token endpoint"
        }
        _ => "check the client's configuration",
    };
    let number = number.map_or(String::new(), |number| format!(", AADSTS{number}"));
    TokenError::Refused {
        host: host.to_owned(),
        why: format!("{what} ({code}{number})"),
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
    use proptest::prelude::*;
    use reqwest::header::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn lasts(body: &str) -> Option<(u64, u64)> {
        let now = Instant::now();
        let token = read(&answer(200, body), "login", now).ok()?;
        Some((
            (token.renew_at - now).as_secs(),
            (token.ends_at - now).as_secs(),
        ))
    }

    #[test]
    fn a_token_is_renewed_before_its_end() {
        let hour = r#"{"access_token":"t","token_type":"Bearer","expires_in":3600}"#;
        assert_eq!(lasts(hour), Some((3300, 3600)));
        let short = r#"{"access_token":"t","expires_in":"20"}"#;
        assert_eq!(lasts(short), Some((10, 20)));
        assert_eq!(lasts(r#"{"access_token":"t"}"#), Some((150, 300)));
        for bad in [
            "",
            "{}",
            r#"{"access_token":7}"#,
            r#"{"access_token":"a\nb"}"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":"t","token_type":"mac"}"#,
        ] {
            assert_eq!(lasts(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_check_and_repeats_no_description() {
        let body =
            r#"{"error":"invalid_client","error_description":"secret-7","error_codes":[7000222]}"#;
        let told = refusal(&answer(401, body), "login").to_string();
        assert!(told.contains("has expired"), "{told}");
        assert!(told.contains("AADSTS7000222"), "{told}");
        assert!(!told.contains("secret-7"), "{told}");
        let busy = refusal(&answer(503, ""), "login");
        assert!(matches!(busy, TokenError::Unavailable(_)), "{busy}");
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_harm(
            status in prop::sample::select(vec![200_u16, 400, 401, 429, 500]),
            body in ".{0,200}",
        ) {
            let answer = answer(status, &body);
            if let Err(error) = read(&answer, "login", Instant::now()) {
                let _ = error.to_string();
            }
        }
    }
}
