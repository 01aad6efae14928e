//! Which header fields cross, in both directions.
//!
//! Out: what belongs to the connection is the host's, and is dropped without a word, because libraries set it out
//! of habit. What would override the host's credentials is refused. In: what belongs to the connection goes, and
//! with it a session that the host's credentials opened. References to the target itself become what a guest would ask for.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_LOCATION, COOKIE, EXPECT,
    HOST, LINK, LOCATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::auth::Auth;
use super::error::Error;
use super::place::Place;

/// Fields of one request, and bytes of all of them.
const MOST_FIELDS: usize = 100;
const MOST_BYTES: usize = 64 << 10;

/// RFC 9110, section 7.6.1, and what proxies made up.
fn is_of_the_connection(name: &HeaderName) -> bool {
    [
        CONNECTION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
    ]
    .contains(name)
        || matches!(
            name.as_str(),
            "keep-alive" | "proxy-connection" | "http2-settings" | "proxy-authentication-info"
        )
}

/// What `Connection` names belongs to the connection too.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect()
}

/// The fields of a guest's request that go to the target.
pub(super) fn outgoing(given: &HeaderMap, auth: &Auth) -> Result<HeaderMap, Error> {
    let size: usize = given.iter().map(|(n, v)| n.as_str().len() + v.len()).sum();
    if given.len() > MOST_FIELDS || size > MOST_BYTES {
        return Err(Error::Request("it has too many or too long headers"));
    }
    let named = named_by_connection(given);
    let mut kept = HeaderMap::with_capacity(given.len() + 2);
    for (name, value) in given {
        let hosts_own = [HOST, CONTENT_LENGTH, ACCEPT_ENCODING, EXPECT].contains(name);
        if hosts_own || is_of_the_connection(name) || named.contains(name) {
            continue;
        }
        let overrides = (*name == AUTHORIZATION && auth.is_kept())
            || (*name == COOKIE && auth.opens_sessions())
            || auth.owns(name);
        if overrides {
            return Err(Error::Header(name.to_string()));
        }
        kept.append(name, value.clone());
    }
    kept.entry(USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!(
            "tombolo/",
            env!("CARGO_PKG_VERSION")
        )));
    kept.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
    Ok(kept)
}

/// The fields of an answer that go to the guest.
pub(super) fn incoming(
    headers: &HeaderMap,
    place: &Place,
    asked: &PathAndQuery,
    kept_session: bool,
) -> HeaderMap {
    let named = named_by_connection(headers);
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if is_of_the_connection(name)
            || named.contains(name)
            || (kept_session && *name == SET_COOKIE)
        {
            continue;
        }
        if *name == LOCATION || *name == CONTENT_LOCATION {
            // Where it leads outside, it names an address that the guest can do nothing with.
            let below = value.to_str().ok().and_then(|v| place.follow(asked, v));
            let below = below.map(|below| place.as_asked(&below));
            if let Some(Ok(below)) = below.map(HeaderValue::try_from) {
                passed.append(name, below);
            }
        } else if *name == LINK {
            passed.append(name, links(value, place, asked));
        } else {
            passed.append(name, value.clone());
        }
    }
    passed
}

/// RFC 8288: each `<reference>` below the target's URL as a guest would ask for it.
fn links(value: &HeaderValue, place: &Place, asked: &PathAndQuery) -> HeaderValue {
    let Ok(text) = value.to_str() else {
        return value.clone();
    };
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        made.push_str(before);
        made.push('<');
        let Some((reference, after)) = after.split_once('>') else {
            rest = after;
            break;
        };
        match place.follow(asked, reference) {
            Some(below) => made.push_str(&place.as_asked(&below)),
            None => made.push_str(reference),
        }
        made.push('>');
        rest = after;
    }
    made.push_str(rest);
    HeaderValue::try_from(made).unwrap_or_else(|_| value.clone())
}

/// A field's value as text: RFC 9110, section 5.5, has other bytes than ASCII mean nothing in particular, and
/// servers mean UTF-8 or Latin-1.
pub(super) fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value
            .as_bytes()
            .iter()
            .map(|byte| char::from(*byte))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::HttpAuth;

    fn auth(auth: &HttpAuth) -> Auth {
        Auth::fixed(auth).expect("auth")
    }

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::try_from(*name).expect("a name"),
                    HeaderValue::try_from(*value).expect("a value"),
                )
            })
            .collect()
    }

    #[test]
    fn what_belongs_to_the_connection_is_dropped() {
        let given = map(&[
            ("host", "other"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("content-length", "7"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("x-kept", "1"),
            ("authorization", "Bearer mine"),
            ("cookie", "a=b"),
        ]);
        let kept = outgoing(&given, &auth(&HttpAuth::None)).expect("good headers");
        let names: Vec<_> = kept.keys().map(HeaderName::as_str).collect();
        assert_eq!(
            names,
            [
                "x-kept",
                "authorization",
                "cookie",
                "user-agent",
                "accept-encoding"
            ]
        );
    }

    #[test]
    fn the_hosts_credentials_are_not_overridden() {
        let basic = auth(&HttpAuth::Basic {
            user: "u".to_owned(),
            password: "p".into(),
        });
        let key = auth(&HttpAuth::ApiKey {
            header: "X-Api-Key".to_owned(),
            value: "k".into(),
        });
        for (auth, name) in [
            (&basic, "authorization"),
            (&basic, "cookie"),
            (&key, "X-API-KEY"),
            (&key, "authorization"),
        ] {
            let given = map(&[(name, "mine")]);
            assert!(
                matches!(outgoing(&given, auth), Err(Error::Header(_))),
                "{name}"
            );
        }
        assert!(outgoing(&map(&[("x-api-key", "mine")]), &basic).is_ok());
    }

    #[test]
    fn a_flood_of_headers_is_refused() {
        let many: HeaderMap = (0..101)
            .map(|n| {
                let name = HeaderName::try_from(format!("x-{n}")).expect("a name");
                (name, HeaderValue::from_static("1"))
            })
            .collect();
        assert!(outgoing(&many, &auth(&HttpAuth::None)).is_err());
        let long = map(&[("x", &"y".repeat(MOST_BYTES))]);
        assert!(outgoing(&long, &auth(&HttpAuth::None)).is_err());
    }

    #[test]
    fn answers_lose_sessions_and_name_no_other_place() {
        let place = Place::new("https://h/api").expect("a place");
        let asked = PathAndQuery::from_static("/api/users");
        let answered = map(&[
            ("set-cookie", "session=1"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("proxy-authenticate", "Basic"),
            ("location", "https://h/api/users/1"),
            ("content-location", "https://other/x"),
            (
                "link",
                "<https://h/api/users?page=2>; rel=\"next\", <https://other/doc>; rel=help",
            ),
            ("etag", "\"1\""),
        ]);
        let passed = incoming(&answered, &place, &asked, true);
        let passed: Vec<_> = passed.iter().map(|(n, v)| (n.as_str(), text(v))).collect();
        assert_eq!(
            passed,
            [
                ("location", "/users/1".to_owned()),
                (
                    "link",
                    "</users?page=2>; rel=\"next\", <https://other/doc>; rel=help".to_owned()
                ),
                ("etag", "\"1\"".to_owned()),
            ]
        );
        assert!(
            incoming(&answered, &place, &asked, false).contains_key(SET_COOKIE),
            "a guest's own session"
        );
    }
}
