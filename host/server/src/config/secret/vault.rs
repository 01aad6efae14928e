//! HashiCorp Vault and OpenBao: signing in, reading secrets of KV version 2, and what is kept over an outage.
//!
//! | what Vault says | what holds |
//! |---|---|
//! | a secret | it, until it is asked for again after `refresh` |
//! | nothing, or that it cannot answer now (sealed, overloaded) | what it said last; it is asked again, ever more rarely |
//! | that there is no such secret, or that the host may not read it | that: what was read before is not used any more |
//!
//! Versions of KV 2 have no lease, so a rotation is seen at the next refresh. The token that a sign-in gives has one:
//! the host signs in anew when two thirds of it are over, and once more when a token is refused before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{info, warn};
use url::Url;

use super::SecretSource;
use super::file::{VaultAuth, VaultFile};

const CONNECT: Duration = Duration::from_secs(3);
/// For one request.
const ANSWER: Duration = Duration::from_secs(10);
/// A secret of KV 2 has 1 MiB at most unless the operator wants it otherwise.
const LARGEST: usize = 2 << 20;
/// After a failure Vault is asked again after so long, then twice as long, up to the most.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_mins(1);

/// Why Vault did not give a secret. Holds nothing of a secret or a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It is not there.
    #[error("Vault is not reached: {0}")]
    Unreached(String),
    /// It is there, and cannot.
    #[error("Vault cannot answer now: {0}")]
    Unable(String),
    /// It does not let the host in.
    #[error("Vault does not let the host sign in: {0}")]
    SignIn(String),
    /// It lets the host in, and not read this.
    #[error("Vault does not let the host read it: {0}")]
    Refused(String),
    /// There is none.
    #[error("there is no such secret in Vault, or it is deleted")]
    Absent,
    /// There is one, without this field.
    #[error("the secret has no such field")]
    NoField,
    /// There is one, and it is no text.
    #[error("the field holds no text")]
    NotText,
    /// What answers is something else.
    #[error("the answer is none of a KV version 2 secrets engine")]
    Strange,
    /// The host's own side of it.
    #[error("{0}")]
    Here(String),
}

impl VaultError {
    /// What to do.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Unreached(_) => {
                "is Vault up, and its certificate signed by an authority that is trusted? `url` and `ca` stand under `[secret-providers.NAME]` in tombolo.toml; it is tried again"
            }
            Self::Unable(_) => "is it unsealed? It is tried again",
            Self::SignIn(_) => {
                "correct `auth` under `[secret-providers.NAME]` in tombolo.toml, or the role in Vault"
            }
            Self::Refused(_) => {
                "the policy must allow `read` on MOUNT/data/PATH, in the namespace of the provider"
            }
            Self::Absent => "`vault kv put MOUNT/PATH FIELD=-` makes it",
            Self::NoField => "the name behind `#` must be a field of the secret",
            Self::NotText => "write the field as a text",
            Self::Strange => "`mount` must name a KV secrets engine of version 2",
            Self::Here(_) => "correct `[secret-providers.NAME]` in tombolo.toml",
        }
    }

    /// Will it pass without anybody's doing?
    fn is_outage(&self) -> bool {
        matches!(self, Self::Unreached(_) | Self::Unable(_))
    }
}

/// A secret as it was read: its fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    version: u64,
    fields: BTreeMap<String, Option<SecretString>>,
}

impl Fields {
    pub(super) fn field(&self, name: &str) -> Result<String, VaultError> {
        match self.fields.get(name) {
            Some(Some(text)) => Ok(text.expose_secret().to_owned()),
            Some(None) => Err(VaultError::NotText),
            None => Err(VaultError::NoField),
        }
    }
}

/// What is known of one secret.
#[derive(Debug)]
struct Held {
    last: Option<Fields>,
    trouble: Option<VaultError>,
    failures: u32,
    due: Instant,
}

/// One Vault.
#[derive(Debug)]
pub(super) struct Vault {
    name: String,
    dir: PathBuf,
    file: VaultFile,
    /// Held while asking: whoever waits finds what the first one found.
    session: tokio::sync::Mutex<Session>,
    held: Mutex<BTreeMap<String, Held>>,
}

#[derive(Debug, Default)]
struct Session {
    client: Option<Client>,
    token: Option<Token>,
    /// Not asked again before, so that many secrets wait for a silent Vault no longer than one does.
    down: Option<(Instant, VaultError)>,
}

#[derive(Clone, Debug)]
struct Token {
    secret: SecretString,
    /// When to sign in anew; none is never.
    until: Option<Instant>,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
    auth: Option<Granted>,
}

#[derive(Deserialize)]
struct Granted {
    client_token: String,
    #[serde(default)]
    lease_duration: u64,
}

#[derive(Deserialize)]
struct Versioned {
    data: Option<BTreeMap<String, Value>>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    errors: Vec<String>,
}

impl Vault {
    pub(super) fn new(name: &str, file: VaultFile, dir: &Path) -> Self {
        Self {
            name: name.to_owned(),
            dir: dir.to_owned(),
            file,
            session: tokio::sync::Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// What is known of a secret: it, or why there is none. None if it was never asked for.
    pub(super) fn held(&self, path: &str) -> Option<Result<Fields, VaultError>> {
        let held = self.held.lock();
        let held = held.get(path)?;
        Some(match (&held.last, &held.trouble) {
            (Some(last), None) => Ok(last.clone()),
            (Some(last), Some(trouble)) if trouble.is_outage() => Ok(last.clone()),
            (_, Some(trouble)) => Err(trouble.clone()),
            (None, None) => return None,
        })
    }

    /// Asks for what is due of these secrets; says when the next one is.
    pub(super) async fn fetch(&self, paths: &BTreeSet<String>) -> Instant {
        let mut session = self.session.lock().await;
        let mut next = Instant::now() + self.file.refresh;
        for path in paths {
            let due = match self.due(path) {
                Some(due) => due,
                None => {
                    let found = self.read(&mut session, path).await;
                    self.note(path, found)
                }
            };
            next = next.min(due);
        }
        next
    }

    /// When a secret is to be asked for; none is now.
    fn due(&self, path: &str) -> Option<Instant> {
        let due = self.held.lock().get(path)?.due;
        (due > Instant::now()).then_some(due)
    }

    /// Keeps what came of asking, and says when to ask again.
    fn note(&self, path: &str, found: Result<Fields, VaultError>) -> Instant {
        let (provider, now) = (&self.name, Instant::now());
        let mut all = self.held.lock();
        let held = all.entry(path.to_owned()).or_insert(Held {
            last: None,
            trouble: None,
            failures: 0,
            due: now,
        });
        match found {
            Ok(fields) => {
                if held.trouble.take().is_some() {
                    info!(provider, path, "the secret is read again");
                }
                let before = held.last.as_ref().map(|last| last.version);
                if before.is_some_and(|before| before != fields.version) {
                    let version = fields.version;
                    info!(provider, path, version, "the secret has changed");
                }
                held.failures = 0;
                held.last = Some(fields);
                held.due = now + self.file.refresh;
            }
            Err(why) => {
                if held.trouble.as_ref() != Some(&why) {
                    let kept = held.last.is_some() && why.is_outage();
                    warn!(provider, path, %why, kept, "the secret cannot be read; it is tried again, and what runs keeps what it has");
                }
                let pause = FIRST_RETRY * (1 << held.failures.min(5));
                held.failures += 1;
                held.trouble = Some(why);
                held.due = now + pause.min(LAST_RETRY).min(self.file.refresh);
            }
        }
        held.due
    }

    async fn read(&self, session: &mut Session, path: &str) -> Result<Fields, VaultError> {
        if let Some((until, why)) = &session.down
            && Instant::now() < *until
        {
            return Err(why.clone());
        }
        let found = self.ask(session, path).await;
        session.down = match &found {
            Err(why @ VaultError::Unreached(_)) => {
                // The authority's file may be another by then.
                session.client = None;
                Some((Instant::now() + FIRST_RETRY, why.clone()))
            }
            _ => None,
        };
        found
    }

    async fn ask(&self, session: &mut Session, path: &str) -> Result<Fields, VaultError> {
        let client = match &session.client {
            Some(client) => client.clone(),
            None => session.client.insert(self.client()?).clone(),
        };
        let now = Instant::now();
        let good = |token: &Token| token.until.is_none_or(|until| now < until);
        let kept = session.token.take().filter(good);
        let was_kept = kept.is_some();
        let token = match kept {
            Some(token) => token,
            None => self.sign_in(&client).await?,
        };
        let found = match self.secret(&client, &token, path).await {
            // The token may have been revoked: a new one has the last word.
            Err(VaultError::Refused(_)) if was_kept => {
                let token = self.sign_in(&client).await?;
                let found = self.secret(&client, &token, path).await;
                session.token = Some(token);
                return found;
            }
            found => found,
        };
        session.token = Some(token);
        found
    }

    fn client(&self) -> Result<Client, VaultError> {
        // An error says that there is one already, and ring is the only one in this program.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // A token must not follow where an answer leads.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tombolo/", env!("CARGO_PKG_VERSION")));
        if self.file.url.scheme() == "http" {
            // On this machine: a proxy would look on its own.
            builder = builder.no_proxy();
        }
        if let Some((file, _)) = &self.file.ca {
            let here = |why: &dyn std::fmt::Display| {
                VaultError::Here(format!("`{}`: {why}", file.display()))
            };
            let pem = std::fs::read(self.dir.join(file)).map_err(|why| here(&why))?;
            let bundle = reqwest::Certificate::from_pem_bundle(&pem).map_err(|why| here(&why))?;
            builder = builder.tls_certs_only(bundle);
        }
        builder.build().map_err(|why| VaultError::Here(chain(&why)))
    }

    /// The address of something, and whoever is asked for it.
    fn request(&self, client: &Client, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url: Url = self.file.url.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push("v1");
            parts.extend(path.iter().flat_map(|part| part.split('/')));
        }
        let request = client.request(method, url);
        match &self.file.namespace {
            Some(namespace) => request.header("X-Vault-Namespace", namespace),
            None => request,
        }
    }

    async fn sign_in(&self, client: &Client) -> Result<Token, VaultError> {
        let own = |source: &SecretSource| {
            let found = source.resolve(&self.dir);
            found.map_err(|why| VaultError::Here(why.to_string()))
        };
        let (mount, body) = match &self.file.auth {
            VaultAuth::Token(source) => {
                // Read each time: whoever looks after it replaces it.
                let until = Some(Instant::now());
                let secret = own(source)?;
                return Ok(Token { secret, until });
            }
            VaultAuth::AppRole {
                mount,
                role_id,
                secret_id,
            } => {
                let secret = own(secret_id)?;
                let body = json!({ "role_id": role_id, "secret_id": secret.expose_secret() });
                (mount, body)
            }
            VaultAuth::Jwt { mount, role, jwt } => {
                let jwt = own(jwt)?;
                (mount, json!({ "role": role, "jwt": jwt.expose_secret() }))
            }
        };
        let request = self.request(client, Method::POST, &["auth", mount, "login"]);
        let (status, text) = answer(request.json(&body)).await?;
        if !status.is_success() {
            return Err(refusal(status, &text, VaultError::SignIn));
        }
        let granted = serde_json::from_slice::<Answer<Value>>(&text)
            .ok()
            .and_then(|answer| answer.auth)
            .ok_or(VaultError::Strange)?;
        let lease = Duration::from_secs(granted.lease_duration);
        Ok(Token {
            secret: granted.client_token.into(),
            until: (!lease.is_zero()).then(|| Instant::now() + lease * 2 / 3),
        })
    }

    async fn secret(
        &self,
        client: &Client,
        token: &Token,
        path: &str,
    ) -> Result<Fields, VaultError> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.secret.expose_secret()))
            .map_err(|_| VaultError::Here("the token is none".to_owned()))?;
        bearer.set_sensitive(true);
        let headers: HeaderMap = [(AUTHORIZATION, bearer)].into_iter().collect();
        let request = self.request(client, Method::GET, &[&self.file.mount, "data", path]);
        let (status, text) = answer(request.headers(headers)).await?;
        match status {
            StatusCode::NOT_FOUND => return Err(VaultError::Absent),
            status if !status.is_success() => {
                return Err(refusal(status, &text, VaultError::Refused));
            }
            _ => {}
        }
        let versioned = serde_json::from_slice::<Answer<Versioned>>(&text)
            .ok()
            .and_then(|answer| answer.data)
            .ok_or(VaultError::Strange)?;
        let fields = versioned.data.ok_or(VaultError::Absent)?;
        Ok(Fields {
            version: versioned.metadata.version,
            fields: fields
                .into_iter()
                .map(|(name, value)| (name, text_of(value).map(SecretString::from)))
                .collect(),
        })
    }
}

/// What a field holds that a person would write as a text.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

async fn answer(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), VaultError> {
    let lost = |why: reqwest::Error| VaultError::Unreached(chain(&why.without_url()));
    let mut answer = request.send().await.map_err(lost)?;
    let mut text = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(lost)? {
        if text.len() + part.len() > LARGEST {
            return Err(VaultError::Strange);
        }
        text.extend_from_slice(&part);
    }
    Ok((answer.status(), text))
}

/// What a status says, with Vault's own words: they name paths and causes, and hold no secret.
fn refusal(status: StatusCode, text: &[u8], refused: fn(String) -> VaultError) -> VaultError {
    let said = serde_json::from_slice::<Refusal>(text).map(|refusal| refusal.errors.join("; "));
    let said: String = said
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect();
    let said = match said.trim() {
        "" => status.as_u16().to_string(),
        said => format!("{} ({said})", status.as_u16()),
    };
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        VaultError::Unable(said)
    } else {
        refused(said)
    }
}

/// reqwest says "error sending request" and keeps the reason inside.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
