//! Credentials that the host puts on a request. A guest never sees them, and cannot put its own in their place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::error::Error;
use super::oauth::OAuth;
use crate::app::HttpAuth;
use crate::redact::Issued;

/// What a target's requests are signed with.
pub(super) struct Auth {
    scheme: Scheme,
    /// The server knows us by our certificate.
    certificate: bool,
}

enum Scheme {
    None,
    Fixed(Credential),
    OAuth(Box<OAuth>),
}

/// One header; its value is marked as sensitive, so that nothing prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

impl Credential {
    /// The `Authorization` of an access token.
    pub(super) fn bearer(token: &str) -> Result<Self, String> {
        Self::new(AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// RFC 7617.
    pub(super) fn basic(user: &str, password: &str) -> Result<Self, String> {
        let pair = BASE64.encode(format!("{user}:{password}"));
        Self::new(AUTHORIZATION, &format!("Basic {pair}"))
    }

    fn new(name: HeaderName, value: &str) -> Result<Self, String> {
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            "auth: the secret holds a character that no header can carry".to_owned()
        })?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

impl Auth {
    /// The access tokens that it was given, if it asks for some.
    pub(super) fn issued(&self) -> Option<&Issued> {
        match &self.scheme {
            Scheme::OAuth(client) => Some(client.issued()),
            Scheme::None | Scheme::Fixed(_) => None,
        }
    }

    /// Everything but OAuth, which needs a way to its token endpoint.
    pub(super) fn fixed(auth: &HttpAuth) -> Result<Self, String> {
        let credential = match auth {
            HttpAuth::None | HttpAuth::OAuth(_) => {
                return Ok(Self {
                    scheme: Scheme::None,
                    certificate: false,
                });
            }
            HttpAuth::Basic { user, .. } if user.contains(':') => {
                return Err("auth.user: it cannot hold a colon".to_owned());
            }
            HttpAuth::Basic { user, password } => Credential::basic(user, password.expose_secret()),
            HttpAuth::Bearer { token } => Credential::bearer(token.expose_secret()),
            HttpAuth::ApiKey { header, value } => {
                let name = HeaderName::try_from(header)
                    .map_err(|_| "auth.header: it is no header name".to_owned())?;
                Credential::new(name, value.expose_secret())
            }
        };
        Ok(Self {
            scheme: Scheme::Fixed(credential?),
            certificate: false,
        })
    }

    pub(super) fn oauth(client: OAuth) -> Self {
        Self {
            scheme: Scheme::OAuth(Box::new(client)),
            certificate: false,
        }
    }

    pub(super) fn with_certificate(self, certificate: bool) -> Self {
        Self {
            certificate,
            ..self
        }
    }

    /// Does the host sign requests?
    pub(super) fn is_kept(&self) -> bool {
        !matches!(self.scheme, Scheme::None)
    }

    /// Would a cookie be a session that the host's credentials opened?
    pub(super) fn opens_sessions(&self) -> bool {
        self.is_kept() || self.certificate
    }

    /// Is this the header that the credentials go into?
    pub(super) fn owns(&self, name: &HeaderName) -> bool {
        match &self.scheme {
            Scheme::None => false,
            Scheme::Fixed(credential) => credential.name == name,
            Scheme::OAuth(_) => *name == AUTHORIZATION,
        }
    }

    /// What the next request is signed with.
    pub(super) async fn credential(&self, limit: Instant) -> Result<Option<Credential>, Error> {
        match &self.scheme {
            Scheme::None => Ok(None),
            Scheme::Fixed(credential) => Ok(Some(credential.clone())),
            Scheme::OAuth(client) => client.token(limit).await.map(Some),
        }
    }

    /// The target refused this credential. Is there any point in asking for another?
    pub(super) async fn refused(&self, credential: Option<&Credential>) -> bool {
        match (&self.scheme, credential) {
            (Scheme::OAuth(client), Some(credential)) => {
                client.discard(credential).await;
                true
            }
            _ => false,
        }
    }
}
