//! A service whose protocol the host does not speak: where it is, how a connection to it is protected, how many there are.

use std::time::Duration;

use super::ClientIdentity;
use crate::egress::Reach;

/// A service that takes TCP connections.
#[derive(Clone, Debug)]
pub struct NetTarget {
    /// `host:port`, or `[address]:port`.
    pub address: String,
    /// How a connection is protected.
    pub tls: NetTls,
    /// The name that the server's certificate is for, where it is not the host's.
    pub server_name: Option<String>,
    /// Own certificate authorities, PEM; none means the system's.
    pub ca: Option<Vec<u8>>,
    /// SHA-256 of the public keys that the server may have; empty allows any that an authority vouches for.
    pub pins: Vec<[u8; 32]>,
    /// What we show a server that asks for a certificate.
    pub identity: Option<ClientIdentity>,
    /// Whether private addresses may be reached.
    pub reach: Reach,
    /// Time for TCP, and again for a TLS handshake.
    pub connect_timeout: Duration,
    /// How long a read or a write may stand still, within the call's own deadline.
    pub idle_timeout: Duration,
    /// Connections at a time, over all calls of the app.
    pub connections: usize,
}

/// How a connection is protected. Where there is TLS, the certificate is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetTls {
    /// From the first byte on.
    #[default]
    Always,
    /// When the connector says so, in its protocol's own place (STARTTLS, SSLRequest).
    StartTls,
    /// Never: for services on this machine, or behind a network that is trusted.
    Off,
}

impl NetTarget {
    /// Where it is, with the protection in place of a scheme.
    pub(crate) fn place(&self) -> String {
        let scheme = match self.tls {
            NetTls::Always => "tls",
            NetTls::StartTls => "starttls",
            NetTls::Off => "tcp",
        };
        format!("{scheme}://{}", self.address)
    }
}
