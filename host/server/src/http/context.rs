//! What is known of a request before anything is done for it: its ids, who sent it, under which URL.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::HeaderMap;
use http::header::HOST;

use super::listener::Peer;
use crate::auth::certificate::Shown;

/// The header under which a request's id comes and goes.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The client's request id if it is fit to be written into logs, else a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let sane = given.filter(|id| {
        (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    });
    sane.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

/// Entra's own id of the operation, from `ADSCIMVersion: Date:…, ActivityId:…`: with it a line here is found from a line
/// in the provisioning log.
pub(crate) fn activity_id(headers: &HeaderMap) -> Option<String> {
    let Some(header) = headers.get("adscimversion") else {
        return sane_id(headers.get("client-request-id")?);
    };
    let header = header.to_str().ok()?;
    let at = header.to_ascii_lowercase().find("activityid:")? + "activityid:".len();
    let id: String = header[at..]
        .trim_start()
        .chars()
        .take_while(|c| c.is_ascii_hexdigit() || *c == '-')
        .take(64)
        .collect();
    (!id.is_empty()).then_some(id)
}

/// What Microsoft's clients call it where there is no `ADSCIMVersion`.
fn sane_id(header: &http::HeaderValue) -> Option<String> {
    let id = header.to_str().ok()?;
    let sane =
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    sane.then(|| id.to_owned())
}

/// Scheme and authority of our URLs: as configured, else as the client called us.
pub(crate) fn origin(
    configured: Option<&str>,
    headers: &HeaderMap,
    uri: &http::Uri,
    peer: Option<Peer>,
) -> String {
    if let Some(url) = configured {
        return url.to_owned();
    }
    let scheme = if peer.is_some_and(|peer| peer.encrypted) {
        "https"
    } else {
        "http"
    };
    // HTTP/2 has the authority in the request's URI.
    let authority = uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()))
        .filter(|host| {
            host.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
        })
        .unwrap_or("localhost");
    format!("{scheme}://{authority}")
}

/// The address at the other end of the connection. A request without a connection, which only a test makes, is judged as
/// one that comes from nowhere.
pub(crate) fn peer<B>(request: &http::Request<B>) -> IpAddr {
    request
        .extensions()
        .get::<Peer>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address.ip())
}

/// The certificate that the other end showed.
pub(crate) fn certificate<B>(request: &http::Request<B>) -> Option<&Shown> {
    request.extensions().get::<Arc<Shown>>().map(AsRef::as_ref)
}

/// Whether the request was made on this machine. What a proxy passed on was not, although the proxy may be here.
pub(crate) fn is_local(headers: &HeaderMap, peer: Option<Peer>) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| headers.contains_key(*name));
    !forwarded && peer.is_some_and(|peer| peer.address.ip().to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn a_request_id_that_could_forge_a_log_line_is_replaced() {
        assert_eq!(request_id(&headers(REQUEST_ID, "abc-123")), "abc-123");
        assert_ne!(request_id(&headers(REQUEST_ID, "a b")), "a b");
        assert_ne!(
            request_id(&headers(REQUEST_ID, &"x".repeat(200))),
            "x".repeat(200)
        );
    }

    #[test]
    fn entras_activity_id_is_found_in_its_header() {
        let header = "Date:2026-11-21, ActivityId: 8f1c0d5e-7e0b-4a43-9a20-1f0b6f3f4a11";
        assert_eq!(
            activity_id(&headers("adscimversion", header)).unwrap(),
            "8f1c0d5e-7e0b-4a43-9a20-1f0b6f3f4a11"
        );
        assert_eq!(activity_id(&headers("adscimversion", "Date:x")), None);
        let other = headers("client-request-id", "8f1c0d5e");
        assert_eq!(activity_id(&other).as_deref(), Some("8f1c0d5e"));
        assert_eq!(activity_id(&headers("client-request-id", "a b")), None);
    }

    #[test]
    fn what_a_proxy_on_this_machine_passes_on_is_not_local() {
        let peer = Some(Peer {
            address: "127.0.0.1:9".parse().unwrap(),
            encrypted: false,
        });
        assert!(is_local(&HeaderMap::new(), peer));
        assert!(!is_local(&headers("x-forwarded-for", "203.0.113.1"), peer));
        let far = Some(Peer {
            address: "203.0.113.1:9".parse().unwrap(),
            encrypted: false,
        });
        assert!(!is_local(&HeaderMap::new(), far));
    }

    #[test]
    fn a_host_header_cannot_smuggle_a_path_into_our_urls() {
        let uri = http::Uri::from_static("/apps");
        assert_eq!(
            origin(None, &headers("host", "h:1"), &uri, None),
            "http://h:1"
        );
        assert_eq!(
            origin(None, &headers("host", "h/evil"), &uri, None),
            "http://localhost"
        );
        assert_eq!(
            origin(Some("https://x"), &headers("host", "h"), &uri, None),
            "https://x"
        );
    }
}
