//! JSON Web Tokens: `jsonwebtoken` reads and writes them, ring signs and verifies, as it does for TLS.
//!
//! The algorithm is always the caller's choice, and each caller's key fits one family only: a public key never becomes
//! the secret of an HMAC, whatever a token's header says.

use std::sync::Once;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result};
use jsonwebtoken::signature::{Error as Wrong, Signer, Verifier};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey, Header, Validation,
};
use ring::hmac;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::refused::Refused;

static RING: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // For keys in PEM and for thumbprints, which nobody here asks for.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Before anything is signed or verified.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Only we install one, and only here.
        let _ = RING.install_default();
    });
}

/// What a token says of itself before anything is verified.
#[derive(Debug, Deserialize)]
pub(super) struct Unverified {
    alg: String,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    /// Extensions that must be understood (RFC 7515, section 4.1.11). None is.
    crit: Option<serde_json::Value>,
}

impl Unverified {
    /// Its algorithm, if it is one at all: `none` is not.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.alg.parse().ok()
    }
}

/// Reads a token's header.
pub(super) fn header(token: &str) -> std::result::Result<Unverified, Refused> {
    let mut parts = token.split('.');
    let (Some(header), Some(_), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refused::Malformed);
    };
    URL_SAFE_NO_PAD
        .decode(header)
        .ok()
        .and_then(|text| serde_json::from_slice::<Unverified>(&text).ok())
        .filter(|header| header.crit.is_none())
        .ok_or(Refused::Malformed)
}

/// The claims of a token that was signed with this key, by this algorithm, and is valid now. Who issued it and for whom
/// is the caller's to judge.
pub(super) fn verify<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
    leeway: u64,
) -> std::result::Result<T, Refused> {
    install();
    let mut validation = Validation::new(algorithm);
    validation.leeway = leeway;
    validation.validate_nbf = true;
    validation.validate_aud = false;
    jsonwebtoken::decode(token, key, &validation)
        .map(|data| data.claims)
        .map_err(|why| match why.kind() {
            ErrorKind::InvalidSignature => Refused::Signature,
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => Refused::Algorithm,
            ErrorKind::ExpiredSignature => Refused::Ended,
            ErrorKind::ImmatureSignature => Refused::NotYet,
            _ => Refused::Malformed,
        })
}

/// A new token; none if it cannot be written, which our own claims always can.
pub(super) fn sign(header: &Header, claims: &impl Serialize, key: &EncodingKey) -> Option<String> {
    install();
    jsonwebtoken::encode(header, claims, key).ok()
}

/// How long an RSA key is, in bytes; 0 for what is none.
pub(super) fn modulus_length(key: &DecodingKey) -> usize {
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, .. } => {
            n.iter().skip_while(|byte| **byte == 0).count()
        }
        DecodingKeyKind::SecretOrDer(_) => 0,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the library calls it so")]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256(hmac::Key::new(
            hmac::HMAC_SHA256,
            key.as_bytes(),
        )))),
        _ => Err(unfit()),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the library calls it so")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let parameters = match algorithm {
        Algorithm::HS256 if key.family() == AlgorithmFamily::Hmac => {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?);
            return Ok(Box::new(Hs256(secret)));
        }
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        _ => return Err(unfit()),
    };
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } if key.family() == AlgorithmFamily::Rsa => {
            // ring wants numbers without leading zeros, which some issuers write.
            let bare = |bytes: &[u8]| bytes.iter().copied().skip_while(|b| *b == 0).collect();
            Ok(Box::new(Rsa {
                algorithm: *algorithm,
                parameters,
                key: RsaPublicKeyComponents {
                    n: bare(n),
                    e: bare(e),
                },
            }))
        }
        _ => Err(unfit()),
    }
}

fn unfit() -> Error {
    ErrorKind::InvalidKeyFormat.into()
}

struct Hs256(hmac::Key);

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Wrong> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Wrong> {
        hmac::verify(&self.0, message, signature).map_err(|_| Wrong::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

struct Rsa {
    algorithm: Algorithm,
    parameters: &'static RsaParameters,
    key: RsaPublicKeyComponents<Vec<u8>>,
}

impl Verifier<Vec<u8>> for Rsa {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Wrong> {
        self.key
            .verify(self.parameters, message, signature)
            .map_err(|_| Wrong::new())
    }
}

impl JwtVerifier for Rsa {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_key_of_one_family_never_verifies_by_an_algorithm_of_another() {
        let modulus = URL_SAFE_NO_PAD.encode([0xff; 256]);
        let public = DecodingKey::from_rsa_components(&modulus, "AQAB").unwrap();
        let secret = DecodingKey::from_secret(b"secret");
        let token = sign(
            &Header::new(Algorithm::HS256),
            &serde_json::json!({ "exp": 9_999_999_999_u64 }),
            &EncodingKey::from_secret(b"secret"),
        )
        .unwrap();
        let outcome = |key, algorithm| verify::<Value>(&token, key, algorithm, 0);
        assert!(outcome(&secret, Algorithm::HS256).is_ok());
        assert_eq!(outcome(&public, Algorithm::HS256), Err(Refused::Algorithm));
        assert_eq!(outcome(&secret, Algorithm::RS256), Err(Refused::Algorithm));
        let other = DecodingKey::from_secret(b"other");
        assert_eq!(outcome(&other, Algorithm::HS256), Err(Refused::Signature));
        assert_eq!(modulus_length(&public), 256);
        assert_eq!(modulus_length(&secret), 0);
    }

    #[test]
    fn no_algorithm_is_none() {
        let header = |text: &str| header(&format!("{}.e30.", URL_SAFE_NO_PAD.encode(text)));
        for none in ["none", "None", "NONE", "", "hs256"] {
            let read = header(&format!("{{\"alg\":\"{none}\"}}")).unwrap();
            assert_eq!(read.algorithm(), None, "{none}");
        }
        assert!(header("{}").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange_to_be_refused(text in ".{0,120}", parts in "[A-Za-z0-9_.-]{0,120}") {
            let key = DecodingKey::from_secret(b"secret");
            for token in [text, parts] {
                let _ = header(&token);
                proptest::prop_assert!(verify::<Value>(&token, &key, Algorithm::HS256, 0).is_err());
            }
        }
    }
}
