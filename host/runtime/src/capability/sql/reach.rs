//! From a server in the operator's file to a connected socket, by the host's egress policy.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::net::TcpStream;

use super::error::Error;
use crate::app::{SqlServer, SqlTls};
use crate::capability::tls::{self, Trust};
use crate::egress;

/// A checked server.
#[derive(Clone)]
pub(super) struct Reach {
    /// The target's name in the app's file, for logs.
    pub(super) name: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protection: Protection,
}

/// How the connection is protected.
#[derive(Clone)]
pub(super) enum Protection {
    Off,
    Prefer(Arc<ClientConfig>),
    Require(Arc<ClientConfig>),
}

impl Reach {
    pub(super) fn new(name: &str, server: &SqlServer, default_port: u16) -> Result<Self, String> {
        let host = server.host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("host: it is empty".to_owned());
        }
        let config = || {
            tls::client_config(Trust {
                ca: server.ca.as_deref(),
                ..Trust::default()
            })
            .map(Arc::new)
        };
        Ok(Self {
            name: name.to_owned(),
            host: host.to_owned(),
            port: server.port.unwrap_or(default_port),
            protection: match server.tls {
                SqlTls::Off => Protection::Off,
                SqlTls::Prefer => Protection::Prefer(config()?),
                SqlTls::Require => Protection::Require(config()?),
            },
        })
    }

    /// Resolves once; the addresses that may be connected to.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        let vetted = egress::vet(&self.host, egress::Reach::Private, &egress::System).await?;
        Ok(vetted.sockets(self.port).collect())
    }

    /// Connects to the first vetted address that answers.
    pub(super) async fn dial(&self) -> Result<TcpStream, Error> {
        let mut last = Error::Resolve;
        for address in self.addresses().await? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Small requests and answers in turn: waiting to fill a packet only delays.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => {
                    tracing::debug!(target = self.name, %address, %error, "sql connect");
                    last = Error::Connect(error.kind().to_string());
                }
            }
        }
        Err(last)
    }

    /// Says in the log what the guest is told in fewer words.
    pub(super) fn failed(&self, error: &dyn std::fmt::Display) {
        tracing::warn!(target = self.name, host = self.host, port = self.port, %error, "sql connection failed");
    }
}

/// A failed handshake among the causes of an error, in words without names.
pub(super) fn handshake(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(Error::Tls(tls::explain(error)));
        }
        // An I/O error hides what it wraps from `source`.
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && let Some(inner) = io.get_ref()
            && let Some(error) = inner.downcast_ref::<rustls::Error>()
        {
            return Some(Error::Tls(tls::explain(error)));
        }
        cause = error.source();
    }
    None
}
