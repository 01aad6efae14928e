//! Who a request really comes from.
//!
//! The peer of the connection, unless the operator named that peer as a proxy: then `X-Forwarded-For`, read from its
//! end, past every proxy of ours. What a client wrote into the header itself stands before that and is never reached.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// The address that a request is judged by. An IPv4 address in IPv6's clothes is an IPv4 address.
pub(super) fn source(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let mut source = peer.to_canonical();
    let hops = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect::<Vec<_>>();
    for hop in hops.into_iter().rev() {
        if !within(proxies, source) {
            break;
        }
        let Some(address) = address(hop) else {
            break;
        };
        source = address;
    }
    source
}

/// Whether an address lies in one of these networks.
pub(super) fn within(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// Some proxies write the port too.
fn address(hop: &str) -> Option<IpAddr> {
    hop.parse::<IpAddr>()
        .ok()
        .or_else(|| Some(hop.parse::<std::net::SocketAddr>().ok()?.ip()))
        .or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(peer: &str, forwarded: &[&str], proxies: &[&str]) -> String {
        let headers = forwarded
            .iter()
            .map(|value| {
                (
                    http::HeaderName::from_static("x-forwarded-for"),
                    value.parse().unwrap(),
                )
            })
            .collect::<HeaderMap>();
        let proxies: Vec<IpNet> = proxies.iter().map(|net| net.parse().unwrap()).collect();
        source(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn the_header_is_believed_of_a_named_proxy_only() {
        let spoof = ["203.0.113.9"];
        assert_eq!(ask("198.51.100.1", &spoof, &[]), "198.51.100.1");
        assert_eq!(ask("10.0.0.1", &spoof, &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(
            ask("::ffff:10.0.0.1", &spoof, &["10.0.0.0/8"]),
            "203.0.113.9"
        );
    }

    #[test]
    fn what_a_client_wrote_before_its_proxys_word_is_not_reached() {
        let proxies = ["10.0.0.0/8"];
        let chain = ["127.0.0.1, 203.0.113.9, 10.0.0.2"];
        assert_eq!(ask("10.0.0.1", &chain, &proxies), "203.0.113.9");
        let lines = ["127.0.0.1", "203.0.113.9:4711"];
        assert_eq!(ask("10.0.0.1", &lines, &proxies), "203.0.113.9");
        let garbage = ["127.0.0.1, unknown"];
        assert_eq!(ask("10.0.0.1", &garbage, &proxies), "10.0.0.1");
        assert_eq!(ask("10.0.0.1", &["[2001:db8::1]"], &proxies), "2001:db8::1");
    }
}
