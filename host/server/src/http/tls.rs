//! TLS 1.2 and 1.3 with a certificate that may change under way.
//!
//! The resolver asks for the key at every handshake; a reload swaps it. Connections that are up keep the session they
//! have, so nothing is dropped. The suites are ring's: ECDHE with AES-GCM or ChaCha20-Poly1305, the first on Entra's list;
//! rustls has none with CBC, which stand at the end of it. A pair of files that do not belong together changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::client_ca::ClientAuthorities;

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("cannot read `{}` as PEM: {why}", file.display())]
    Pem {
        /// Which.
        file: PathBuf,
        /// What the parser said.
        why: rustls_pki_types::pem::Error,
    },
    /// There is none in it.
    #[error("`{}` holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The key cannot sign for the certificate, or at all.
    #[error("the key `{}` does not fit the certificate: {why}", file.display())]
    Key {
        /// Which.
        file: PathBuf,
        /// What rustls said.
        why: rustls::Error,
    },
    /// They cannot verify anybody.
    #[error("the authorities in `{}` cannot be used: {why}", file.display())]
    Authorities {
        /// Which.
        file: PathBuf,
        /// What rustls said.
        why: rustls::server::VerifierBuilderError,
    },
    /// rustls refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Settings(rustls::Error),
}

/// The certificate shown to clients.
#[derive(Debug)]
pub struct Certificate {
    files: (PathBuf, PathBuf),
    current: ArcSwap<CertifiedKey>,
    /// Who signs clients' certificates, if they may show some.
    authorities: Option<Arc<ClientAuthorities>>,
}

impl Certificate {
    /// Reads certificate and key, and who signs clients' certificates, if they may show some.
    pub fn load(
        certificate: &Path,
        key: &Path,
        client_ca: Option<&Path>,
    ) -> Result<Arc<Self>, TlsError> {
        let current = ArcSwap::from_pointee(read(certificate, key)?);
        Ok(Arc::new(Self {
            files: (certificate.to_owned(), key.to_owned()),
            current,
            authorities: client_ca.map(ClientAuthorities::load).transpose()?,
        }))
    }

    /// Reads the files again. On an error what is in the wrong ones stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let authorities = self.authorities.as_ref().map_or(Ok(()), |it| it.reload());
        self.current
            .store(Arc::new(read(&self.files.0, &self.files.1)?));
        authorities
    }

    /// The files, to be watched.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let authorities = self.authorities.as_ref().map(|it| it.file());
        [self.files.0.as_path(), self.files.1.as_path()]
            .into_iter()
            .chain(authorities)
    }

    /// The listener's settings.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let builder =
            rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
                .map_err(TlsError::Settings)?;
        let builder = match &self.authorities {
            Some(authorities) => {
                let verifier: Arc<dyn ClientCertVerifier> =
                    Arc::<ClientAuthorities>::clone(authorities);
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let pem = |file: &Path| {
        let file = file.to_owned();
        move |why| TlsError::Pem { file, why }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(pem(certificate))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    CertifiedKey::from_der(chain, private, &ring::default_provider())
        .and_then(|certified| certified.keys_match().map(|()| certified))
        .map_err(|why| TlsError::Key {
            file: key.to_owned(),
            why,
        })
}
