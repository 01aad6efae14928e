//! From [`Options`] to a session that is ready for work.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::options::{Options, Tls};
use super::session::{Ear, Session};
use super::trouble::Trouble;
use crate::StoreError;

/// What one address may take to answer the first knock.
const CONNECT: Duration = Duration::from_secs(3);
/// What a whole connection may take, all addresses and the login together.
const LOGIN: Duration = Duration::from_secs(8);
/// A peer that acknowledges nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Reach {
    config: Config,
    schema: String,
    tls: Option<Named>,
}

/// Verifies the name that the operator gives instead of the URL's.
#[derive(Clone)]
struct Named {
    rustls: MakeRustlsConnect,
    name: Option<String>,
}

impl MakeTlsConnect<Socket> for Named {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Self::TlsConnect, Self::Error> {
        let name = self.name.as_deref().unwrap_or(domain);
        <MakeRustlsConnect as MakeTlsConnect<Socket>>::make_tls_connect(&mut self.rustls, name)
    }
}

impl Reach {
    pub(super) fn new(options: Options) -> Result<Self, StoreError> {
        let Options {
            mut config,
            schema,
            tls,
            ..
        } = options;
        config
            .application_name("tombolo")
            .connect_timeout(CONNECT)
            .tcp_user_timeout(SILENCE)
            .keepalives_idle(SILENCE)
            .keepalives_interval(SILENCE / 3)
            .keepalives_retries(3)
            // A replica takes no writes, and may be behind.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let tls = match tls {
            Tls::Off => {
                config.ssl_mode(SslMode::Disable);
                None
            }
            Tls::On { ca, server_name } => {
                config.ssl_mode(SslMode::Require);
                let client = client_config(ca.as_deref()).map_err(|cause| StoreError::Refused {
                    cause: cause.into(),
                })?;
                Some(Named {
                    rustls: MakeRustlsConnect::new(client),
                    name: server_name,
                })
            }
        };
        Ok(Self {
            config,
            schema,
            tls,
        })
    }

    /// The schema's name.
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// A session whose tables are the store's.
    pub(super) async fn session(&self) -> Result<Session, Trouble> {
        self.connect(None).await
    }

    /// The same, and what the server notifies it of goes to `ear`.
    pub(super) async fn listener(&self, ear: Ear) -> Result<Session, Trouble> {
        self.connect(Some(ear)).await
    }

    async fn connect(&self, ear: Option<Ear>) -> Result<Session, Trouble> {
        let connecting = async {
            let session = match &self.tls {
                None => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    Session::new(client, connection, ear)
                }
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await?;
                    Session::new(client, connection, ear)
                }
            };
            session.prepare_for(&self.schema).await?;
            Ok(session)
        };
        tokio::time::timeout(LOGIN, connecting)
            .await
            .unwrap_or_else(|_| Err(Trouble::silent()))
    }
}

/// TLS 1.2 or newer, the name verified.
fn client_config(ca: Option<&[u8]>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|why| format!("ca: {why}"))?;
                roots.add(certificate).map_err(|why| format!("ca: {why}"))?;
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
        .map_err(|why| why.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
