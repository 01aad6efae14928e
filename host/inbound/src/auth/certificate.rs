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

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256};
    use ring::signature::{UnparsedPublicKey, VerificationAlgorithm};
    use serde_json::Value;

    use super::*;

    /// A certificate and its key, PEM.
    fn made() -> (Vec<u8>, SecretString) {
        let dir = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test",
            ])
            .args(["-keyout", "key.pem", "-out", "certificate.pem"])
            .current_dir(dir.path())
            .output()
            .expect("this test needs `openssl`: install the package openssl");
        assert!(made.status.success(), "{made:?}");
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        (read("certificate.pem").into_bytes(), read("key.pem").into())
    }

    #[test]
    fn an_assertion_is_signed_for_one_endpoint_and_names_the_certificate() {
        let (pem, key) = made();
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let algorithms: [(_, _, &'static dyn VerificationAlgorithm); 2] = [
            (Algorithm::Ps256, "PS256", &RSA_PSS_2048_8192_SHA256),
            (Algorithm::Rs256, "RS256", &RSA_PKCS1_2048_8192_SHA256),
        ];
        for (algorithm, name, verification) in algorithms {
            let certificate = Certificate::from_pem(&pem, &key, algorithm).unwrap();
            let jwt = certificate
                .assertion("me", "https://login/token", now)
                .unwrap();
            let jwt = jwt.expose_secret();
            let (signed, signature) = jwt.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            UnparsedPublicKey::new(verification, certificate.key.public().as_ref())
                .verify(signed.as_bytes(), &signature)
                .unwrap();
            let part = |at: usize| -> Value {
                let part = signed.split('.').nth(at).unwrap();
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
            };
            assert_eq!(
                (part(0)["alg"].as_str(), part(0)["typ"].as_str()),
                (Some(name), Some("JWT"))
            );
            assert_eq!(part(0)["x5t#S256"], certificate.thumbprint());
            let claims = part(1);
            assert_eq!(claims["aud"], "https://login/token");
            assert_eq!(
                (&claims["iss"], &claims["sub"]),
                (&"me".into(), &"me".into())
            );
            assert_eq!(claims["exp"], 1_790_000_480);
        }
    }

    #[test]
    fn what_is_no_key_is_told_without_being_shown() {
        let (pem, key) = made();
        let wrong = Certificate::from_pem(&pem, &"hunter2".into(), Algorithm::Ps256).unwrap_err();
        assert_eq!(wrong, CertificateError::Key);
        let wrong = Certificate::from_pem(b"hunter2", &key, Algorithm::Ps256).unwrap_err();
        assert_eq!(wrong, CertificateError::Certificate);
        let shown = format!(
            "{:?}",
            Certificate::from_pem(&pem, &key, Algorithm::Ps256).unwrap()
        );
        assert!(
            shown.contains("thumbprint") && !shown.contains("PRIVATE"),
            "{shown}"
        );
    }
}
