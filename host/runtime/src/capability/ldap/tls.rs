//! Whom to trust: the operator's own authorities, or the system's.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{CertificateError, ClientConfig, RootCertStore};

/// A client configuration for one target: TLS 1.2 or newer, the name verified.
pub(crate) fn client_config(ca: Option<&[u8]>) -> Result<Arc<ClientConfig>, String> {
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
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
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
            "its certificate is not for the host name in the target's `url`: use a name that the certificate holds".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: compare the clocks".to_owned()
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
        assert!(client_config(Some(b"")).is_err());
        assert!(
            client_config(Some(
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
            ))
            .is_err()
        );
    }
}
