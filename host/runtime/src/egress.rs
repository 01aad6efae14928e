//! Which addresses the host connects to on behalf of an app.
//!
//! The order, for every outbound connection:
//!
//! 1. The target is one that the operator named; a guest cannot name a host.
//! 2. The host resolves the name, once.
//! 3. Each address is judged here: an IPv4-mapped or NAT64 address as the IPv4 address in it; link-local,
//!    metadata, multicast and unspecified addresses are refused whoever asks; loopback and private ranges
//!    need [`Reach::Private`], which a target in the operator's own file has.
//! 4. The connection is made to the judged address, not to the name again, so that a second answer of the
//!    resolver changes nothing.
//! 5. TLS verifies the name, not the address.
//! 6. No redirect or referral leaves the target.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far a target may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Addresses of the public internet only.
    Public,
    /// Loopback and private ranges too: the operator wrote the target down.
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
    match unwrap_v4(address) {
        IpAddr::V4(v4) => decide_v4(v4, reach),
        IpAddr::V6(v6) => decide_v6(v6, reach),
    }
}

/// The IPv4 address that an IPv6 address leads to, if it does.
fn unwrap_v4(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    // 64:ff9b::/96, RFC 6052.
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = v6.segments() {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    }
    address
}

fn decide_v4(v4: Ipv4Addr, reach: Reach) -> Result<(), Refused> {
    if v4.is_link_local() || METADATA_V4.contains(&v4) {
        return Err(Refused::LinkLocal);
    }
    if v4.octets()[0] == 0 || v4.is_multicast() || v4.octets()[0] >= 240 {
        return Err(Refused::NotAHost);
    }
    // 100.64.0.0/10 is the carriers' shared space, RFC 6598.
    let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
    if reach == Reach::Public && (v4.is_loopback() || v4.is_private() || shared) {
        return Err(Refused::Private);
    }
    Ok(())
}

fn decide_v6(v6: Ipv6Addr, reach: Reach) -> Result<(), Refused> {
    if v6.is_unicast_link_local() || METADATA_V6.contains(&v6) {
        return Err(Refused::LinkLocal);
    }
    if v6.is_unspecified() || v6.is_multicast() {
        return Err(Refused::NotAHost);
    }
    if reach == Reach::Public && (v6.is_loopback() || v6.is_unique_local()) {
        return Err(Refused::Private);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, reach: Reach) -> Result<(), Refused> {
        decide(text.parse().expect("an address"), reach)
    }

    #[test]
    fn link_local_and_metadata_are_refused_whoever_asks() {
        for address in [
            "169.254.169.254",
            "169.254.1.1",
            "fe80::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "168.63.129.16",
            "100.100.100.200",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert_eq!(
                judged(address, Reach::Private),
                Err(Refused::LinkLocal),
                "{address}"
            );
        }
    }

    #[test]
    fn what_is_not_one_machine_is_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "ff02::1",
        ] {
            assert_eq!(
                judged(address, Reach::Private),
                Err(Refused::NotAHost),
                "{address}"
            );
        }
    }

    #[test]
    fn private_ranges_need_a_target_that_the_operator_named() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "100.64.0.1",
            "::1",
            "fd12::1",
            "::ffff:127.0.0.1",
        ] {
            assert_eq!(judged(address, Reach::Private), Ok(()), "{address}");
            assert_eq!(
                judged(address, Reach::Public),
                Err(Refused::Private),
                "{address}"
            );
        }
        assert_eq!(judged("192.0.2.10", Reach::Public), Ok(()));
    }
}
