//! `kind = "net"`: a service that takes TCP connections, and how they are protected.

use std::path::PathBuf;
use std::time::Duration;

use tombolo_runtime::{NetTls, Reach};

use super::http::{Identity, identity, path, pin};
use crate::config::reader::{Located, Section, Sink};

/// A service and how to reach it.
#[derive(Clone, Debug)]
pub struct NetTarget {
    /// `host:port`.
    pub address: String,
    /// How a connection is protected.
    pub tls: NetTls,
    /// The name that the certificate is for, where it is not the host's.
    pub server_name: Option<String>,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<Located<PathBuf>>,
    /// SHA-256 of the public keys that the server may have.
    pub pins: Vec<[u8; 32]>,
    /// Our certificate.
    pub identity: Option<Identity>,
    /// Whether private addresses may be reached.
    pub reach: Reach,
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// How long a read or a write may stand still.
    pub idle_timeout: Duration,
    /// Connections at a time.
    pub connections: usize,
}

pub(super) fn read(name: &str, section: &mut Section<'_>, sink: &Sink) -> Option<NetTarget> {
    let address = section
        .required_text("address", "such as `address = \"mail.example.org:587\"`")
        .filter(|address| is_good(name, address, sink));
    let tls = section
        .choice(
            "tls",
            &[
                ("always", NetTls::Always),
                ("start-tls", NetTls::StartTls),
                ("off", NetTls::Off),
            ],
        )
        .unwrap_or_default();
    let server_name = section.text("server-name").map(|name| name.value);
    let ca = section.text("ca").map(path);
    let pins = section.parsed_list("pins", pin).unwrap_or_default();
    let identity = identity(name, section, sink);
    let trusts = ca.is_some() || server_name.is_some() || identity.is_some() || !pins.is_empty();
    if tls == NetTls::Off && trusts {
        sink.error_hint(
            section.span(),
            format!("`targets.{name}` says whom to trust, and has no TLS to do it in"),
            "remove `tls = \"off\"`, or `ca`, `pins`, `server-name` and the client certificate",
        );
    }
    let reach = section
        .choice(
            "reach",
            &[("private", Reach::Private), ("public", Reach::Public)],
        )
        .unwrap_or_default();
    let connect_timeout = section
        .duration("connect-timeout")
        .unwrap_or(Duration::from_secs(5));
    let idle_timeout = section
        .duration("idle-timeout")
        .unwrap_or(Duration::from_secs(20));
    let connections = section
        .integer("connections", 1..=1024)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(8);
    Some(NetTarget {
        address: address?.value,
        tls,
        server_name,
        ca,
        pins,
        identity,
        reach,
        connect_timeout,
        idle_timeout,
        connections,
    })
}

/// Host and port, and nothing else.
fn is_good(name: &str, address: &Located<String>, sink: &Sink) -> bool {
    let good = address.value.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host_is_good = match bare {
            Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host
                        .chars()
                        .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
            }
        };
        host_is_good && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !good {
        sink.error_hint(
            address.span.clone(),
            format!(
                "`targets.{name}.address` is no host and port: `{}`",
                address.value
            ),
            "write \"HOST:PORT\", or \"[ADDRESS]:PORT\" for IPv6",
        );
    }
    good
}
