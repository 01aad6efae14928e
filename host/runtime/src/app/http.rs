//! An HTTP service as a target: where it is, whom to trust, as whom to speak, how fast.

use std::time::Duration;

use secrecy::SecretString;

use crate::egress::Reach;

/// An HTTP service.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// `https://host[:port][/prefix]`, or `http://…` where the operator wants it plain. Requests stay below it.
    pub url: String,
    /// Own certificate authorities, PEM; none means the system's.
    pub ca: Option<Vec<u8>>,
    /// SHA-256 of the public keys that the server may have; empty allows any that an authority vouches for.
    pub pins: Vec<[u8; 32]>,
    /// What we show a server that asks for a certificate.
    pub identity: Option<ClientIdentity>,
    /// The credentials that the host puts on each request.
    pub auth: HttpAuth,
    /// Methods that may be used; none means any.
    pub methods: Option<Vec<String>>,
    /// Whether private addresses may be reached.
    pub reach: Reach,
    /// Time for TCP and TLS together.
    pub connect_timeout: Duration,
    /// Time for one request and its answer, within the call's own deadline.
    pub timeout: Duration,
    /// Requests at a time, which is also how many connections are kept.
    pub concurrency: usize,
    /// How often requests may be sent.
    pub rate: Option<Rate>,
}

/// Our certificate and its key.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// The certificate and what leads to its authority, PEM.
    pub certificate: Vec<u8>,
    /// Its private key, PEM.
    pub key: SecretString,
}

/// Credentials that the host keeps and a guest never sees.
#[derive(Clone, Debug)]
pub enum HttpAuth {
    /// None but the client certificate, if there is one.
    None,
    /// RFC 7617.
    Basic {
        /// The user's name.
        user: String,
        /// The user's password.
        password: SecretString,
    },
    /// RFC 6750.
    Bearer {
        /// The token.
        token: SecretString,
    },
    /// A header of the service's own.
    ApiKey {
        /// The header's name.
        header: String,
        /// The key.
        value: SecretString,
    },
    /// RFC 6749, section 4.4: client credentials.
    OAuth(OAuthClient),
}

/// Who asks which token endpoint for what.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    /// The token endpoint.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// What to ask for; empty leaves it out.
    pub scope: String,
    /// Where the client's credentials go.
    pub request: TokenRequest,
    /// The token endpoint's authorities, PEM, if they are others than the target's.
    pub ca: Option<Vec<u8>>,
}

/// How a client shows its secret at the token endpoint (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenRequest {
    /// In the `Authorization` header, which every server has to understand.
    #[default]
    Basic,
    /// In the body.
    Body,
}

/// So many requests in so much time; unused ones may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests, at least one.
    pub requests: u32,
    /// In this time.
    pub per: Duration,
}

impl HttpAuth {
    /// What must never leave in a message.
    pub(crate) fn secret(&self) -> Option<&SecretString> {
        match self {
            Self::None => None,
            Self::Basic { password, .. } => Some(password),
            Self::Bearer { token } => Some(token),
            Self::ApiKey { value, .. } => Some(value),
            Self::OAuth(client) => Some(&client.client_secret),
        }
    }
}
