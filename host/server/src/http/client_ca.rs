//! The authorities that sign clients' certificates, which may change under way as the host's own certificate may.
//!
//! A client need not show a certificate here: whether an app wants one is the app's to say, long after the handshake.
//! One that is shown must be signed by these authorities, or there is no connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::tls::TlsError;

type Verifier = Arc<dyn ClientCertVerifier>;

/// Verifies clients' certificates.
#[derive(Debug)]
pub(super) struct ClientAuthorities {
    file: PathBuf,
    current: ArcSwap<Verifier>,
}

impl ClientAuthorities {
    pub(super) fn load(file: &Path) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self {
            file: file.to_owned(),
            current: ArcSwap::from_pointee(read(file)?),
        }))
    }

    /// Reads the file again. On an error the old authorities stay.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(read(&self.file)?));
        Ok(())
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

fn read(file: &Path) -> Result<Verifier, TlsError> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|why| TlsError::Pem {
            file: file.to_owned(),
            why,
        })?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(TlsError::Settings)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate(file.to_owned()));
    }
    let provider = Arc::new(ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|why| TlsError::Authorities {
            file: file.to_owned(),
            why,
        })
}

impl ClientCertVerifier for ClientAuthorities {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// Empty: the names may have changed by the time that they would be sent, and a client knows its certificate.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.current
            .load()
            .verify_client_cert(leaf, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current
            .load()
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current
            .load()
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current.load().supported_verify_schemes()
    }
}
