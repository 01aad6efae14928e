//! TLS to targets: whom to trust (the operator's own authorities, or the system's, and pinned keys), and who we are.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::app::ClientIdentity;

/// What one target's TLS sessions rest on.
#[derive(Clone, Copy, Default)]
pub(crate) struct Trust<'a> {
    /// Own authorities, PEM; none means the system's.
    pub(crate) ca: Option<&'a [u8]>,
    /// SHA-256 of the public keys that the server may have; empty allows any that an authority vouches for.
    pub(crate) pins: &'a [[u8; 32]],
    /// Our certificate, if the server wants one.
    pub(crate) identity: Option<&'a ClientIdentity>,
}

/// A client configuration for one target: TLS 1.2 or newer, the name verified. Sessions are resumed within it and
/// nowhere else.
pub(crate) fn client_config(trust: Trust<'_>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(roots(trust.ca)?);
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let builder = if trust.pins.is_empty() {
        builder.with_root_certificates(roots)
    } else {
        let authorities = verifier.build().map_err(|e| format!("ca: {e}"))?;
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned {
                authorities,
                pins: trust.pins.to_vec(),
                provider,
            }))
    };
    let Some(identity) = trust.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = CertificateDer::pem_slice_iter(&identity.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| format!("client-certificate: {e}"))?;
    if chain.is_empty() {
        return Err("client-certificate: it holds no certificate in PEM form".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(identity.key.expose_secret().as_bytes())
        .map_err(|_| "client-key: it holds no private key in PEM form".to_owned())?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|_| "client-key: it is not the key of client-certificate".to_owned())
}

fn roots(ca: Option<&[u8]>) -> Result<RootCertStore, String> {
    let unusable = |e: &dyn std::fmt::Display| format!("ca: {e}");
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| unusable(&e))?;
                roots.add(certificate).map_err(|e| unusable(&e))?;
            }
            if roots.is_empty() {
                return Err("ca: it holds no certificate in PEM form".to_owned());
            }
        }
        None => {
            // A broken file among the system's is the system's business; the rest still counts.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

/// What an authority vouches for, and has one of these keys besides. The server's own key, not one further up: what
/// else a server sends along proves nothing.
#[derive(Debug)]
struct Pinned {
    authorities: Arc<WebPkiServerVerifier>,
    pins: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        let digest: [u8; 32] = Sha256::digest(&*key).into();
        if self.pins.contains(&digest) {
            Ok(verified)
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// What a failed handshake means, without the names that the certificate holds.
pub(crate) fn explain(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return match error {
            rustls::Error::AlertReceived(alert) => {
                format!("the server ended the handshake ({alert:?})")
            }
            rustls::Error::PeerIncompatible(_) => {
                "the server has no TLS 1.2 or newer in common with this host".to_owned()
            }
            _ => "the handshake failed".to_owned(),
        };
    };
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is not signed by an authority that the target trusts: set `ca` to the PEM file of the authority that signed it".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is not for the host name of the target: use a name that the certificate holds".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: compare the clocks".to_owned()
        }
        CertificateError::ApplicationVerificationFailure => {
            "its key is none of the target's `pins`: if the key was changed on purpose, add the new one's".to_owned()
        }
        CertificateError::Revoked => "its certificate is revoked".to_owned(),
        _ => "its certificate cannot be used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_a_certificate_is_an_error_at_once() {
        for pem in [
            &b""[..],
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let trust = Trust {
                ca: Some(pem),
                ..Trust::default()
            };
            assert!(client_config(trust).is_err());
        }
    }
}
