//! Which addresses the host connects to on behalf of an app. Nothing else opens a connection for one.
//!
//! The order, for every outbound connection:
//!
//! 1. The target is one that the operator named; a guest cannot name a host.
//! 2. The host resolves the name, once. An address is not asked for. `localhost` and names under it are this
//!    machine (RFC 6761, section 6.3), whatever a resolver says. Other spellings of numbers (`0x7f.1`,
//!    `2130706433`) are refused, because programs disagree about which address they are.
//! 3. Each address is judged by [`decide`], and with it every IPv4 address that an IPv6 address leads to (mapped,
//!    compatible, NAT64, 6to4, Teredo, ISATAP): link-local, metadata, multicast and unspecified addresses are
//!    refused whoever asks; loopback and private ranges need [`Reach::Private`].
//! 4. A target for the public internet is refused altogether when one of its name's addresses is refused: a name
//!    that is public and private at once is an attack or a mistake. For others only the refused ones go.
//! 5. The connection is made to a judged address ([`Vetted::connect`]), not to the name again, so that a second
//!    answer of the resolver changes nothing.
//! 6. TLS verifies the name, not the address.
//! 7. No redirect or referral leaves the target.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// How far a target may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Addresses of the public internet only.
    Public,
    /// Loopback and private ranges too: the operator wrote the target down.
    #[default]
    Private,
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// 169.254.0.0/16, fe80::/10 and the metadata services of the clouds.
    #[error("it is a link-local or cloud metadata address, which no target may reach")]
    LinkLocal,
    /// Not the address of one machine.
    #[error("it is not the address of one machine")]
    NotAHost,
    /// Loopback or private, and the target may not.
    #[error("it is a loopback or private address, which this target may not reach")]
    Private,
    /// A number that is not written as an address.
    #[error("it is a number in an unusual spelling: write the address as 192.0.2.1 or 2001:db8::1")]
    Spelling,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreached {
    /// The name has no address.
    #[error(
        "its host name does not resolve: check it in the target, and the resolver of this machine"
    )]
    Resolve,
    /// The policy said no.
    #[error("its address is refused: {0}")]
    Refused(#[from] Refused),
    /// No address took the connection.
    #[error("it cannot be reached: {0}")]
    Connect(String),
    /// Time was up.
    #[error("it cannot be reached in time")]
    TimedOut,
}

/// Metadata services that do not live in the link-local ranges: Azure's wire
/// server, Alibaba, Oracle.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The same over IPv6: AWS and Google Cloud.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Step 3 of the order above: may `address` be connected to?
pub(crate) fn decide(address: IpAddr, reach: Reach) -> Result<(), Refused> {
    match address {
        IpAddr::V4(v4) => decide_v4(v4, reach),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => decide_v4(v4, reach),
            None => {
                leads_to(v6).try_for_each(|v4| decide_v4(v4, reach))?;
                decide_v6(v6, reach)
            }
        },
    }
}

/// The IPv4 addresses that a translator or tunnel may make of an IPv6 address.
fn leads_to(v6: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let s = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let last = v4(s[6], s[7]);
    let found = match s {
        // ::/96, IPv4-compatible (RFC 4291, section 2.5.5.1); `::` and `::1` are none.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => [Some(last), None],
        // 64:ff9b::/96 (RFC 6052) and 64:ff9b:1::/48 (RFC 8215): NAT64.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] | [0x64, 0xff9b, 1, ..] => [Some(last), None],
        // 2002::/16, 6to4 (RFC 3056).
        [0x2002, high, low, ..] => [Some(v4(high, low)), None],
        // 2001::/32, Teredo (RFC 4380): the server, and the client with its bits turned.
        [0x2001, 0, high, low, ..] => [Some(v4(high, low)), Some(v4(!s[6], !s[7]))],
        // ISATAP (RFC 5214, section 6.1), whatever its prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => [Some(last), None],
        _ => [None, None],
    };
    found.into_iter().flatten()
}

fn decide_v4(v4: Ipv4Addr, reach: Reach) -> Result<(), Refused> {
    let octets = v4.octets();
    if v4.is_link_local() || METADATA_V4.contains(&v4) {
        return Err(Refused::LinkLocal);
    }
    if octets[0] == 0 || v4.is_multicast() || octets[0] >= 240 {
        return Err(Refused::NotAHost);
    }
    // 100.64.0.0/10 is the carriers' shared space (RFC 6598), 192.0.0.0/24 the protocols' own (RFC 6890),
    // 198.18.0.0/15 for measurements (RFC 2544).
    let special = matches!(
        octets,
        [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18 | 19, ..]
    );
    if reach == Reach::Public && (v4.is_loopback() || v4.is_private() || special) {
        return Err(Refused::Private);
    }
    Ok(())
}

fn decide_v6(v6: Ipv6Addr, reach: Reach) -> Result<(), Refused> {
    if v6.is_unicast_link_local() || METADATA_V6.contains(&v6) {
        return Err(Refused::LinkLocal);
    }
    // 100::/64 swallows what it is sent (RFC 6666).
    if v6.is_unspecified() || v6.is_multicast() || v6.segments()[..4] == [0x100, 0, 0, 0] {
        return Err(Refused::NotAHost);
    }
    // fec0::/10 was what fc00::/7 is now (RFC 3879).
    let site_local = v6.segments()[0] & 0xffc0 == 0xfec0;
    if reach == Reach::Public && (v6.is_loopback() || v6.is_unique_local() || site_local) {
        return Err(Refused::Private);
    }
    Ok(())
}

/// Who knows the addresses of names.
#[async_trait]
pub(crate) trait Resolver: Debug + Send + Sync {
    /// All addresses of a name.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct System;

#[async_trait]
impl Resolver for System {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Addresses that were judged and found good; there is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vetted(Vec<IpAddr>);

/// Steps 2 to 4: the addresses of a host that may be connected to, at least one.
pub(crate) async fn vet(
    host: &str,
    reach: Reach,
    resolver: &dyn Resolver,
) -> Result<Vetted, Unreached> {
    let found = match Host::read(host)? {
        Host::Address(address) => vec![address],
        Host::ThisMachine => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Host::Name(name) => resolver
            .resolve(name)
            .await
            .map_err(|_| Unreached::Resolve)?,
    };
    let mut good = Vec::new();
    let mut refused = None;
    for address in found {
        match decide(address, reach) {
            Ok(()) if !good.contains(&address) => good.push(address),
            Ok(()) => {}
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    match refused {
        Some(why) if reach == Reach::Public || good.is_empty() => Err(why.into()),
        _ if good.is_empty() => Err(Unreached::Resolve),
        _ => Ok(Vetted(good)),
    }
}

enum Host<'a> {
    Address(IpAddr),
    ThisMachine,
    Name(&'a str),
}

impl<'a> Host<'a> {
    fn read(host: &'a str) -> Result<Self, Refused> {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Address(address));
        }
        let mut labels = bare.strip_suffix('.').unwrap_or(bare).rsplit('.');
        let last = labels.next().unwrap_or_default();
        // What ends in a number is an address to `inet_aton`, and never a name.
        let hexadecimal = last
            .strip_prefix("0x")
            .or_else(|| last.strip_prefix("0X"))
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let decimal = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
        if hexadecimal || decimal || bare.contains([':', '%']) {
            return Err(Refused::Spelling);
        }
        if last.eq_ignore_ascii_case("localhost") {
            return Ok(Self::ThisMachine);
        }
        Ok(Self::Name(bare))
    }
}

impl Vetted {
    /// Are all of them on this machine?
    pub(crate) fn is_loopback(&self) -> bool {
        self.0.iter().all(|ip| ip.to_canonical().is_loopback())
    }

    /// They and a port, for a client that connects by itself.
    pub(crate) fn sockets(&self, port: u16) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(move |ip| SocketAddr::new(*ip, port))
    }

    /// Step 5: the first that takes the connection before `limit`. Each gets its share of the time, so that one
    /// that swallows packets does not keep the next from being tried.
    pub(crate) async fn connect(&self, port: u16, limit: Instant) -> Result<TcpStream, Unreached> {
        let mut last = Unreached::Resolve;
        for (tried, ip) in self.0.iter().enumerate() {
            let address = SocketAddr::new(*ip, port);
            let left = limit.saturating_duration_since(Instant::now());
            let waiting = u32::try_from(self.0.len() - tried).unwrap_or(u32::MAX);
            match timeout_at(Instant::now() + left / waiting, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Small requests and answers in turn: waiting to fill a packet only delays.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => {
                    tracing::debug!(%address, %error, "no connection");
                    last = Unreached::Connect(error.kind().to_string());
                }
                Err(_) => {
                    tracing::debug!(%address, "no connection in time");
                    last = Unreached::TimedOut;
                }
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests;
