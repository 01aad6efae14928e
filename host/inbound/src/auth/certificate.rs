//! An assertion signed with a certificate's key (RFC 7523): Entra knows the certificate by its SHA-256 thumbprint.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Entra advises five to ten minutes.
const LIFE: Duration = Duration::from_mins(8);

/// How assertions are signed (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// What Entra advises.
    #[default]
    Ps256,
    /// What every server knows.
    Rs256,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<RsaKeyPair>,
    thumbprint: String,
    algorithm: Algorithm,
}

/// The certificate or the key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not a certificate.
    #[error("the file holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)")]
    Certificate,
    /// Not a key.
    #[error(
        "the file holds no private key in PEM (`-----BEGIN PRIVATE KEY-----`); a key with a passphrase must be decrypted first"
    )]
    Key,
    /// Not a key of the right kind.
    #[error("the private key cannot be used: {0}; Entra wants RSA of 2048 bits or more")]
    Kind(String),
    /// The key does not sign.
    #[error("the private key could not sign")]
    Signing,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("thumbprint", &self.thumbprint)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Of a certificate and an unencrypted RSA key (PKCS#8 or PKCS#1), both PEM.
    pub fn from_pem(
        certificate: &[u8],
        key: &SecretString,
        algorithm: Algorithm,
    ) -> Result<Self, CertificateError> {
        let certificate = CertificateDer::from_pem_slice(certificate)
            .map_err(|_| CertificateError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
            .map_err(|_| CertificateError::Key)?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(CertificateError::Kind("it is no RSA key".to_owned())),
        };
        let key = key.map_err(|why| CertificateError::Kind(why.to_string()))?;
        Ok(Self {
            key: Arc::new(key),
            thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate)),
            algorithm,
        })
    }

    /// The certificate's SHA-256 in base64url: `x5t#S256`.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// A signed assertion that this client is itself, for this token endpoint.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<SecretString, CertificateError> {
        let (alg, padding): (_, &dyn RsaEncoding) = match self.algorithm {
            Algorithm::Ps256 => ("PS256", &RSA_PSS_SHA256),
            Algorithm::Rs256 => ("RS256", &RSA_PKCS1_SHA256),
        };
        let header = json!({"alg": alg, "typ": "JWT", "x5t#S256": self.thumbprint});
        let now = now.as_second();
        let claims = json!({
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": uuid::Uuid::new_v4(),
            "iat": now,
            "nbf": now,
            "exp": now + i64::try_from(LIFE.as_secs()).unwrap_or_default(),
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                padding,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| CertificateError::Signing)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}
