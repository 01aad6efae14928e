//! Access tokens of the token endpoint: JWTs that this host signs (RFC 9068 in form).
//!
//! Nothing is kept of them, so they outlive a restart. What makes them end early is the app's file: a token names what
//! it was given for, and at each request the file must still accept that. A secret is named by a part of its hash, so
//! that another secret of the same name does not bring the old one's tokens back.

use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use super::bearer::has_ended;
use super::jwt;
use super::refused::Refused;
use crate::config::auth::{Auth, Credential};

/// RFC 9068, section 2.1. It keeps access tokens apart from everything else that is a JWT.
const TYPE: &str = "at+jwt";
const ISSUER: &str = "tombolo";

/// Gives out access tokens and knows them again.
pub(super) struct AccessTokens {
    sign: EncodingKey,
    verify: DecodingKey,
}

/// What a token was given for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "via", rename_all = "lowercase")]
pub(super) enum Grant {
    /// A client's secret.
    Secret {
        /// Part of its hash.
        secret: String,
    },
    /// A signed assertion.
    Assertion {
        /// The tenant.
        tid: String,
        /// The audiences that it had.
        audience: Vec<String>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    /// The app: a token of one opens no other.
    aud: String,
    /// The client's id, or the assertion's subject.
    sub: String,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(flatten)]
    grant: Grant,
}

/// A token, and what the client is told of it.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) token: secrecy::SecretString,
    pub(super) lifetime: Duration,
}

impl AccessTokens {
    /// With this key.
    pub(super) fn new(key: &[u8]) -> Self {
        Self {
            sign: EncodingKey::from_secret(key),
            verify: DecodingKey::from_secret(key),
        }
    }

    /// Whether a text is meant to be one of these, genuine or not.
    pub(super) fn claims_to_be(token: &str) -> bool {
        jwt::header(token).is_ok_and(|header| header.typ.as_deref() == Some(TYPE))
    }

    /// A new token of an app for this client, living as long as the file says, and no longer than what it was given for.
    pub(super) fn issue(
        &self,
        app: &str,
        subject: &str,
        grant: Grant,
        lifetime: Duration,
        no_longer_than: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Issued> {
        let issued = now.as_second();
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let mut expires = issued.saturating_add(seconds);
        if let Some(end) = no_longer_than {
            expires = expires.min(end.as_second());
        }
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: app.to_owned(),
            sub: subject.to_owned(),
            iat: issued,
            exp: expires,
            jti: uuid::Uuid::new_v4().simple().to_string(),
            grant,
        };
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        let token = jwt::sign(&header, &claims, &self.sign)?;
        Some(Issued {
            token: token.into(),
            lifetime: Duration::from_secs(u64::try_from(expires - issued).unwrap_or(0)),
        })
    }

    /// Whose token it is, if this app accepts it now.
    pub(super) fn verify(
        &self,
        token: &str,
        app: &str,
        auth: &Auth,
        now: Timestamp,
    ) -> Result<String, Refused> {
        let claims: Claims = jwt::verify(token, &self.verify, Algorithm::HS256, 0).map_err(
            |reason| match reason {
                Refused::Ended => Refused::Expired,
                _ => Refused::Unknown,
            },
        )?;
        if claims.iss != ISSUER || claims.aud != app {
            return Err(Refused::Unknown);
        }
        if still_granted(&claims, auth, now) {
            Ok(claims.sub)
        } else {
            Err(Refused::Revoked)
        }
    }
}

/// A secret as tokens name it.
pub(super) fn name(secret: &Credential) -> String {
    hex::encode(&secret.sha256[..16])
}

fn still_granted(claims: &Claims, auth: &Auth, now: Timestamp) -> bool {
    match &claims.grant {
        Grant::Secret { secret: wanted } => auth
            .clients
            .iter()
            .filter(|client| client.id == claims.sub)
            .flat_map(|client| &client.secrets)
            .any(|secret| name(secret) == *wanted && !has_ended(secret, now)),
        Grant::Assertion { tid, audience } => auth.federation.as_ref().is_some_and(|federation| {
            federation.tenant.eq_ignore_ascii_case(tid)
                && federation.subjects.contains(&claims.sub)
                && audience
                    .iter()
                    .any(|audience| federation.audiences.contains(audience))
        }),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::config::auth::Client;
    use crate::config::edit::hash;
    use crate::config::issuer::{Federation, Reuse};

    fn auth(secrets: &[(&str, &str)]) -> Auth {
        let secrets = secrets.iter().map(|(name, text)| Credential {
            name: (*name).to_owned(),
            sha256: hash(text),
            expires: None,
            span: 0..0,
        });
        Auth {
            clients: vec![Client {
                id: "entra".to_owned(),
                secrets: secrets.collect(),
            }],
            ..Auth::default()
        }
    }

    fn issue(tokens: &AccessTokens, auth: &Auth, until: Option<Timestamp>) -> Issued {
        let grant = Grant::Secret {
            secret: name(&auth.clients[0].secrets[0]),
        };
        let now = Timestamp::now();
        tokens
            .issue("hr", "entra", grant, Duration::from_hours(1), until, now)
            .unwrap()
    }

    fn outcome(
        tokens: &AccessTokens,
        token: &str,
        app: &str,
        auth: &Auth,
    ) -> Result<String, Refused> {
        tokens.verify(token, app, auth, Timestamp::now())
    }

    #[test]
    fn a_token_outlives_a_restart_and_opens_its_own_app_only() {
        let auth = auth(&[("a", "x")]);
        let issued = issue(&AccessTokens::new(&[7; 32]), &auth, None);
        let token = issued.token.expose_secret();
        assert!(AccessTokens::claims_to_be(token));
        assert_eq!(issued.lifetime, Duration::from_hours(1));
        let restarted = AccessTokens::new(&[7; 32]);
        assert_eq!(
            outcome(&restarted, token, "hr", &auth),
            Ok("entra".to_owned())
        );
        assert_eq!(
            outcome(&restarted, token, "crm", &auth),
            Err(Refused::Unknown)
        );
        let other = AccessTokens::new(&[8; 32]);
        assert_eq!(outcome(&other, token, "hr", &auth), Err(Refused::Unknown));
    }

    #[test]
    fn a_secret_that_is_gone_takes_its_tokens_along() {
        let tokens = AccessTokens::new(&[7; 32]);
        let before = auth(&[("a", "x"), ("b", "y")]);
        let issued = issue(&tokens, &before, None);
        let token = issued.token.expose_secret();
        let other_left = auth(&[("b", "y")]);
        assert_eq!(
            outcome(&tokens, token, "hr", &other_left),
            Err(Refused::Revoked)
        );
        let same_name = auth(&[("a", "z")]);
        assert_eq!(
            outcome(&tokens, token, "hr", &same_name),
            Err(Refused::Revoked)
        );
        let renamed = auth(&[("c", "x")]);
        assert_eq!(
            outcome(&tokens, token, "hr", &renamed),
            Ok("entra".to_owned())
        );
        assert_eq!(
            outcome(&tokens, token, "hr", &Auth::default()),
            Err(Refused::Revoked)
        );
    }

    #[test]
    fn an_assertions_token_ends_when_the_file_would_no_longer_accept_the_assertion() {
        let tokens = AccessTokens::new(&[7; 32]);
        let federation = |subjects: &[&str], audiences: &[&str]| {
            let listed = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            Auth {
                federation: Some(Federation {
                    tenant: "t".to_owned(),
                    audiences: listed(audiences),
                    subjects: listed(subjects),
                    client_id: None,
                    issuer: "i".to_owned(),
                    keys: "https://keys/".parse().unwrap(),
                    algorithms: vec![Algorithm::RS256],
                    reuse: Reuse::Once,
                }),
                ..Auth::default()
            }
        };
        let grant = Grant::Assertion {
            tid: "t".to_owned(),
            audience: vec!["a".to_owned()],
        };
        let now = Timestamp::now();
        let issued = tokens.issue("hr", "sync", grant, Duration::from_hours(1), None, now);
        let issued = issued.unwrap();
        let token = issued.token.expose_secret();
        let accepted = federation(&["sync", "x"], &["b", "a"]);
        assert_eq!(
            outcome(&tokens, token, "hr", &accepted),
            Ok("sync".to_owned())
        );
        let revoked = Err(Refused::Revoked);
        for auth in [
            federation(&["x"], &["a"]),
            federation(&["sync"], &["b"]),
            Auth::default(),
        ] {
            assert_eq!(outcome(&tokens, token, "hr", &auth), revoked);
        }
    }

    #[test]
    fn a_token_lives_no_longer_than_the_secret_that_it_was_given_for() {
        let tokens = AccessTokens::new(&[7; 32]);
        let auth = auth(&[("a", "x")]);
        let soon = Timestamp::now() + jiff::SignedDuration::from_secs(90);
        let issued = issue(&tokens, &auth, Some(soon));
        assert!(issued.lifetime <= Duration::from_secs(90));
        let over = Timestamp::now() - jiff::SignedDuration::from_secs(1);
        let issued = issue(&tokens, &auth, Some(over));
        let token = issued.token.expose_secret();
        assert_eq!(outcome(&tokens, token, "hr", &auth), Err(Refused::Expired));
    }
}
