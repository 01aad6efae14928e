//! Who we are at the other end: OAuth 2.0 client credentials (RFC 6749, section 4.4), shown by secret, by certificate
//! (RFC 7523, `private_key_jwt`) or by a federated token; or a static credential for a SCIM server that has no more.
//!
//! | module | idea |
//! |---|---|
//! | `cloud` | where Entra and Graph are, cloud by cloud |
//! | `certificate` | an assertion signed with a certificate's key |
//! | `token` | asking for tokens, keeping them, renewing them in time |

mod certificate;
mod cloud;
mod token;

pub use self::certificate::{Algorithm, Certificate, CertificateError};
pub(crate) use self::cloud::below;
pub use self::cloud::{Cloud, Endpoints};
pub use self::token::{Client, Credential, SecretIn, TokenError, Tokens};

use secrecy::SecretString;

use crate::wire::Authorization;

/// How requests are signed.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// A static bearer token.
    Bearer(SecretString),
    /// RFC 7617.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// Tokens from a token endpoint.
    OAuth(Tokens),
}

impl Auth {
    /// What the next request carries.
    pub(crate) async fn authorization(&self) -> Result<Authorization, TokenError> {
        Ok(match self {
            Self::None => Authorization::None,
            Self::Bearer(token) => Authorization::Bearer(token.clone()),
            Self::Basic { user, password } => Authorization::Basic(user.clone(), password.clone()),
            Self::OAuth(tokens) => Authorization::Bearer(tokens.token().await?),
        })
    }

    /// The service refused what this request carried. Whether asking again may help.
    pub(crate) async fn refused(&self, carried: &Authorization) -> bool {
        match (self, carried) {
            (Self::OAuth(tokens), Authorization::Bearer(token)) => {
                tokens.discard(token).await;
                true
            }
            _ => false,
        }
    }
}
