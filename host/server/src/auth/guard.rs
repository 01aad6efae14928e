//! Holds a request against its app's file, in order: where it comes from, what certificate it came with, what it shows.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use ipnet::IpNet;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::access::{self, AccessTokens, Grant, Issued};
use super::assertion::{self, Accepted, Claims, Flawed};
use super::audit::{Decision, Method};
use super::bearer;
use super::certificate::{self, Shown};
use super::failures::Failures;
use super::grant::{self, GrantError, Granted, Presented};
use super::key_set::KeySets;
use super::observed::{Against, Observations, Observed};
use super::refused::{Denied, Refused};
use super::secret_key::{self, KeyError};
use super::source;
use super::used::{Use, Used};
use crate::config::auth::Auth;
use crate::config::issuer::{EntraTokens, Federation, Reuse};

/// Stands in the audit record for a credential that nobody knows.
const NOBODY: &str = "-";

/// What all apps of a host share.
pub struct Guard {
    access_tokens: AccessTokens,
    key_sets: KeySets,
    used: Arc<Used>,
    observed: Observations,
    failures: Failures,
    proxies: Vec<IpNet>,
}

/// Why a host cannot judge anybody.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Its directory cannot be made.
    #[error("cannot make `{}`: {why}", dir.display())]
    Directory {
        /// Where.
        dir: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Nobody knows which assertions were used.
    #[error(
        "cannot read which assertions were used, in `{}`: {why}\n  hint: without that file they could be used again; remove it if you accept that", dir.display()
    )]
    Used {
        /// Where.
        dir: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
}

/// A request, as far as it matters here.
pub struct Attempt<'a> {
    /// The app's name.
    pub app: &'a str,
    /// What its file says.
    pub auth: &'a Auth,
    /// The request's id.
    pub request: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The other end of its connection.
    pub peer: IpAddr,
    /// What that end showed at the handshake.
    pub certificate: Option<&'a Shown>,
}

/// What an attempt came to, and what is said of it in the record.
struct Outcome<T> {
    method: Method,
    credential: String,
    result: Result<T, Refused>,
}

impl<T> Outcome<T> {
    fn refused(method: Method, reason: Refused) -> Self {
        Self {
            method,
            credential: NOBODY.to_owned(),
            result: Err(reason),
        }
    }
}

/// Where the host keeps what this module must not forget.
pub(super) fn directory(state: &Path) -> PathBuf {
    state.join("auth")
}

/// What the guard keeps below the state directory, readable by its owner only.
pub(super) fn make_directory(state: &Path) -> Result<PathBuf, GuardError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let dir = directory(state);
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir);
    match made {
        Ok(()) => Ok(dir),
        Err(why) => Err(GuardError::Directory { dir, why }),
    }
}

impl Guard {
    /// Of a host that keeps its state there and believes these proxies.
    pub fn open(state: &Path, proxies: Vec<IpNet>) -> Result<Self, GuardError> {
        let dir = make_directory(state)?;
        let key = secret_key::open(&dir)?;
        let used = Used::open(&dir).map_err(|why| GuardError::Used {
            dir: dir.clone(),
            why,
        })?;
        Ok(Self {
            access_tokens: AccessTokens::new(&key),
            key_sets: KeySets::new(&dir),
            used: Arc::new(used),
            observed: Observations::open(&dir),
            failures: Failures::default(),
            proxies,
        })
    }

    /// Whether a request may go on to SCIM, and the name of what it has shown.
    pub async fn admit(&self, attempt: &Attempt<'_>) -> Result<String, Denied> {
        let source = source::source(attempt.peer, attempt.headers, &self.proxies);
        let outcome = match conditions(attempt, source) {
            Err(reason) => Outcome::refused(Method::None, reason),
            Ok(()) => match bearer::header(attempt.headers, "Bearer") {
                None => Outcome::refused(Method::None, Refused::Missing),
                Some(token) => self.token(attempt, token).await,
            },
        };
        let credential = outcome.credential.clone();
        self.decide(attempt, source, outcome)?;
        Ok(credential)
    }

    /// Answers a request for an access token.
    pub async fn grant(&self, attempt: &Attempt<'_>, body: &[u8]) -> Result<Granted, GrantError> {
        let by_header = attempt.headers.contains_key(http::header::AUTHORIZATION);
        let source = source::source(attempt.peer, attempt.headers, &self.proxies);
        let client = |denied| GrantError::Client { denied, by_header };
        if let Err(reason) = conditions(attempt, source) {
            let outcome = Outcome::<()>::refused(Method::None, reason);
            self.decide(attempt, source, outcome).map_err(client)?;
        }
        let request = grant::read(attempt.headers, body)?;
        let outcome = match &request.presented {
            Presented::Secret { id, secret, method } => {
                self.secret(attempt, id, secret.expose_secret(), *method)
            }
            Presented::Assertion { token, client_id } => {
                self.assertion(attempt, token.expose_secret(), client_id.as_deref())
                    .await
            }
        };
        let issued = self.decide(attempt, source, outcome).map_err(client)?;
        Ok(Granted {
            token: issued.token,
            lifetime: issued.lifetime,
            scope: request.scope,
        })
    }

    /// Records a decision, and counts it if it may have been a guess.
    fn decide<T>(
        &self,
        attempt: &Attempt<'_>,
        source: IpAddr,
        outcome: Outcome<T>,
    ) -> Result<T, Denied> {
        let decision = Decision {
            app: attempt.app,
            method: outcome.method,
            credential: &outcome.credential,
            source,
            request: attempt.request,
        };
        match outcome.result {
            Ok(good) => {
                decision.accepted();
                Ok(good)
            }
            Err(reason) => {
                let label = reason.label();
                let locked = reason
                    .may_be_a_guess()
                    .then(|| self.failures.count(source, Instant::now()))
                    .flatten();
                let denied = match locked {
                    Some(until) => Denied::locked(reason, until),
                    None => Denied::new(reason),
                };
                decision.refused(label, denied.status.as_u16());
                Err(denied)
            }
        }
    }

    async fn token(&self, attempt: &Attempt<'_>, token: &str) -> Outcome<()> {
        let (auth, now) = (attempt.auth, Timestamp::now());
        if let Some(found) = bearer::find(&auth.tokens, token) {
            return Outcome {
                method: Method::Bearer,
                credential: found.name.clone(),
                result: if bearer::has_ended(found, now) {
                    Err(Refused::Expired)
                } else {
                    Ok(())
                },
            };
        }
        if AccessTokens::claims_to_be(token) {
            let (credential, result) =
                match self.access_tokens.verify(token, attempt.app, auth, now) {
                    Ok(client) => (client, Ok(())),
                    Err(reason) => (NOBODY.to_owned(), Err(reason)),
                };
            return Outcome {
                method: Method::AccessToken,
                credential,
                result,
            };
        }
        match &auth.entra {
            Some(entra) if token.contains('.') => self.entra(attempt, entra, token).await,
            _ => Outcome::refused(Method::Bearer, Refused::Unknown),
        }
    }

    async fn entra(&self, attempt: &Attempt<'_>, entra: &EntraTokens, token: &str) -> Outcome<()> {
        // Which tenant's keys to verify with is the token's word until it is verified; the rest is ours.
        let said = assertion::unverified_tenant(token);
        let tenant = entra
            .tenants
            .iter()
            .find(|tenant| Some(&tenant.tenant) == said.as_ref())
            .or(entra.tenants.first());
        let Some(tenant) = tenant else {
            return Outcome::refused(Method::EntraToken, Refused::Tenant);
        };
        let accepted = Accepted::entra(entra, tenant);
        let verified = assertion::verify(token, &accepted, &self.key_sets, Timestamp::now()).await;
        match verified {
            Ok(claims) => Outcome {
                method: Method::EntraToken,
                credential: claims.tenant().unwrap_or(NOBODY).to_owned(),
                result: Ok(()),
            },
            Err(flawed) => self.flawed(attempt, Against::Entra, Method::EntraToken, flawed),
        }
    }

    fn secret(
        &self,
        attempt: &Attempt<'_>,
        id: &str,
        secret: &str,
        method: Method,
    ) -> Outcome<Issued> {
        let (auth, now) = (attempt.auth, Timestamp::now());
        let Some(client) = auth.clients.iter().find(|client| client.id == id) else {
            return Outcome::refused(method, Refused::Client);
        };
        let (named, result) = match bearer::find(&client.secrets, secret) {
            None => (client.id.clone(), Err(Refused::Client)),
            Some(found) => (
                format!("{}/{}", client.id, found.name),
                if bearer::has_ended(found, now) {
                    Err(Refused::SecretExpired)
                } else {
                    let grant = Grant::Secret {
                        secret: access::name(found),
                    };
                    self.access_tokens
                        .issue(
                            attempt.app,
                            id,
                            grant,
                            auth.token_lifetime,
                            found.expires,
                            now,
                        )
                        .ok_or(Refused::Unrecorded)
                },
            ),
        };
        Outcome {
            method,
            credential: named,
            result,
        }
    }

    async fn assertion(
        &self,
        attempt: &Attempt<'_>,
        token: &str,
        client_id: Option<&str>,
    ) -> Outcome<Issued> {
        let method = Method::Assertion;
        let Some(federation) = &attempt.auth.federation else {
            return Outcome::refused(method, Refused::Client);
        };
        if let (Some(wanted), Some(said)) = (&federation.client_id, client_id)
            && wanted != said
        {
            return Outcome::refused(method, Refused::Client);
        }
        let accepted = Accepted::from(federation);
        let now = Timestamp::now();
        match assertion::verify(token, &accepted, &self.key_sets, now).await {
            Err(flawed) => self.flawed(attempt, Against::Federation, method, flawed),
            Ok(claims) => {
                let subject = claims.subject().unwrap_or(NOBODY).to_owned();
                let result = match self.use_once(federation, &claims, token, now).await {
                    Err(reason) => Err(reason),
                    Ok(()) => {
                        let grant = Grant::Assertion {
                            tid: federation.tenant.clone(),
                            audience: claims.audience().to_vec(),
                        };
                        let lifetime = attempt.auth.token_lifetime;
                        self.access_tokens
                            .issue(attempt.app, &subject, grant, lifetime, None, now)
                            .ok_or(Refused::Unrecorded)
                    }
                };
                Outcome {
                    method,
                    credential: subject,
                    result,
                }
            }
        }
    }

    async fn use_once(
        &self,
        federation: &Federation,
        claims: &Claims,
        token: &str,
        now: Timestamp,
    ) -> Result<(), Refused> {
        if federation.reuse == Reuse::UntilExpiry {
            return Ok(());
        }
        // Without a name, its signed text is its name; the signature itself may be written in more than one way.
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        let name = claims.name().unwrap_or(signed).to_owned();
        let until = claims.exp.saturating_add(assertion::LEEWAY.cast_signed());
        let (used, issuer) = (Arc::clone(&self.used), federation.issuer.clone());
        let recorded = tokio::task::spawn_blocking(move || used.take(&issuer, &name, until, now));
        match recorded.await {
            Ok(Use::First) => Ok(()),
            Ok(Use::Again) => Err(Refused::Used),
            Ok(Use::Unrecorded) | Err(_) => Err(Refused::Unrecorded),
        }
    }

    /// Keeps what a genuine token said, so that an administrator can see it.
    fn flawed<T>(
        &self,
        attempt: &Attempt<'_>,
        against: Against,
        method: Method,
        flawed: Flawed,
    ) -> Outcome<T> {
        if let Some(claims) = flawed.claims {
            let observed = Observed {
                at: Timestamp::now(),
                against,
                reason: flawed.reason.label().to_owned(),
                issuer: claims.issuer().map(str::to_owned),
                audience: claims.audience().to_vec(),
                subject: claims.subject().map(str::to_owned),
                tenant: claims.tenant().map(str::to_owned),
                key: claims.key,
                expires: claims.exp,
            };
            let foreign = flawed.reason == Refused::Tenant;
            self.observed.keep(attempt.app, foreign, observed);
        }
        Outcome::refused(method, flawed.reason)
    }
}

/// What must hold before anything that is shown is looked at.
fn conditions(attempt: &Attempt<'_>, source: IpAddr) -> Result<(), Refused> {
    let auth = attempt.auth;
    if !auth.allow_from.is_empty() && !source::within(&auth.allow_from, source) {
        return Err(Refused::Address);
    }
    match &auth.certificate {
        Some(wanted) => certificate::judge(wanted, attempt.certificate),
        None => Ok(()),
    }
}
