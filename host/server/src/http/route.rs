//! From a request line to what it asks for.
//!
//! Entra and the people who type its Tenant URL are not strict about URLs, so this is not either: slashes may be doubled
//! or trail, endpoints have any case, and the flag `aadOptscim062020`, which belongs behind the whole URL, may be left
//! in the middle (`/scim/v2?aadOptscim062020/Users?filter=…`) when a client glues paths to it.
//!
//! Only names are taken as they are. An ECMA connector's, in `/ecma2host_NAME/scim`, differs by case at Microsoft's host.

use std::borrow::Cow;

/// Entra's switch for its RFC dialect. Both dialects are always understood; the flag changes nothing.
const FLAG: &str = "aadOptscim062020";

/// Where Microsoft's ECMA host has its connectors; the connector's name follows.
const ECMA_PREFIX: &str = "ecma2host_";

/// By which URL an app is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// `/apps/NAME/scim/v2`, by the app's name.
    Scim,
    /// `/ecma2host_NAME/scim`, by the name in the app's `[ecma]`.
    Ecma,
}

impl Face {
    /// The path of an app's SCIM tree.
    pub fn base(self, name: &str) -> String {
        match self {
            Self::Scim => format!("/apps/{name}/scim/v2"),
            Self::Ecma => format!("/{ECMA_PREFIX}{name}/scim"),
        }
    }
}

/// What an app's URL asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// By which of its names the app is called.
    pub face: Face,
    /// Whose.
    pub app: String,
    /// What.
    pub place: Place,
    /// The query string, without the flag; still encoded.
    pub query: String,
}

/// A place in an app's SCIM tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The root: a query over every type (RFC 7644, section 3.4.2.1).
    Root,
    /// `/Users`, or another resource type's endpoint, as the client spells it.
    Collection(String),
    /// `/Users/{id}`.
    Resource(String, String),
    /// `/Users/.search`; without a type the whole app's.
    Search(Option<String>),
    /// `/Schemas`, or one of them.
    Schemas(Option<String>),
    /// `/ResourceTypes`, or one of them.
    ResourceTypes(Option<String>),
    /// `/ServiceProviderConfig`.
    ServiceProviderConfig,
    /// `/Me`.
    Me,
    /// `/Bulk`.
    Bulk,
    /// Another version of the protocol than the one that is spoken here.
    OtherVersion,
    /// Nothing that SCIM knows.
    Unknown,
}

impl Place {
    /// The route as a pattern, for logs and metrics: no id and no name of a client's making.
    pub fn template(&self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::Collection(_) => "/{type}",
            Self::Resource(..) => "/{type}/{id}",
            Self::Search(Some(_)) => "/{type}/.search",
            Self::Search(None) => "/.search",
            Self::Schemas(None) => "/Schemas",
            Self::Schemas(Some(_)) => "/Schemas/{id}",
            Self::ResourceTypes(None) => "/ResourceTypes",
            Self::ResourceTypes(Some(_)) => "/ResourceTypes/{name}",
            Self::ServiceProviderConfig => "/ServiceProviderConfig",
            Self::Me => "/Me",
            Self::Bulk => "/Bulk",
            Self::OtherVersion => "/{version}",
            Self::Unknown => "/{unknown}",
        }
    }
}

impl Route {
    /// `None` for what is neither below `/apps/NAME` nor below `/ecma2host_NAME`.
    pub fn parse(path: &str, query: Option<&str>) -> Option<Self> {
        let (path, query) = without_flag(path, query.unwrap_or_default());
        let segments: Vec<String> = path
            .split('/')
            .filter(|s| !s.is_empty())
            .map(decode)
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (face, app, rest) = match segments.as_slice() {
            ["apps", app, rest @ ..] => (Face::Scim, *app, rest),
            [first, rest @ ..] => (Face::Ecma, ecma_name(first)?, rest),
            [] => return None,
        };
        let is = |segment: &str, word: &str| segment.eq_ignore_ascii_case(word);
        let place = match (face, rest) {
            (Face::Scim, [scim, v2, rest @ ..]) if is(scim, "scim") && is(v2, "v2") => place(rest),
            (Face::Ecma, [scim, rest @ ..]) if is(scim, "scim") => place(rest),
            (Face::Scim, [scim, version, ..]) if is(scim, "scim") && is_version(version) => {
                Place::OtherVersion
            }
            _ => Place::Unknown,
        };
        Some(Self {
            face,
            app: app.to_owned(),
            place,
            query,
        })
    }
}

/// The connector's name in a path's first segment.
fn ecma_name(segment: &str) -> Option<&str> {
    let (prefix, name) = segment.split_at_checked(ECMA_PREFIX.len())?;
    (prefix.eq_ignore_ascii_case(ECMA_PREFIX) && !name.is_empty()).then_some(name)
}

/// `v1` (RFC 7644, section 3.13).
fn is_version(segment: &str) -> bool {
    let digits = segment.strip_prefix(['v', 'V']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn place(segments: &[&str]) -> Place {
    let Some((first, rest)) = segments.split_first() else {
        return Place::Root;
    };
    let single = || rest.first().map(|one| (*one).to_owned());
    match (first.to_ascii_lowercase().as_str(), rest.len()) {
        ("schemas", 0 | 1) => Place::Schemas(single()),
        ("resourcetypes", 0 | 1) => Place::ResourceTypes(single()),
        ("serviceproviderconfig" | "serviceproviderconfigs", 0) => Place::ServiceProviderConfig,
        ("me", _) => Place::Me,
        ("bulk", 0) => Place::Bulk,
        (".search", 0) => Place::Search(None),
        (_, 0) => Place::Collection((*first).to_owned()),
        (_, 1) if rest[0].eq_ignore_ascii_case(".search") => {
            Place::Search(Some((*first).to_owned()))
        }
        (_, 1) => Place::Resource((*first).to_owned(), rest[0].to_owned()),
        _ => Place::Unknown,
    }
}

/// Takes the flag out, wherever it is, and puts what stood behind it back where it belongs.
fn without_flag<'a>(path: &'a str, query: &'a str) -> (Cow<'a, str>, String) {
    let mut path = Cow::Borrowed(path);
    // The `?` of a pasted flag may have been encoded as part of the path.
    for encoded in ["%3F", "%3f"] {
        let pasted = format!("{encoded}{FLAG}");
        if path.contains(&pasted) {
            path = Cow::Owned(path.replace(&pasted, ""));
        }
    }
    let Some(at) = query.find(FLAG) else {
        return (path, query.to_owned());
    };
    let (before, after) = (&query[..at], &query[at + FLAG.len()..]);
    if before.is_empty() && after.starts_with('/') {
        let (more, query) = after.split_once('?').unwrap_or((after, ""));
        return (Cow::Owned(format!("{path}{more}")), query.to_owned());
    }
    let parts = query
        .split(['&', '?'])
        .filter(|part| !part.is_empty() && part.split('=').next() != Some(FLAG));
    (path, parts.collect::<Vec<_>>().join("&"))
}

/// Percent-decoding; what does not decode to text stays as it is.
fn decode(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = segment.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| segment.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of(url: &str) -> (Place, String) {
        let (path, query) = url
            .split_once('?')
            .map_or((url, None), |(path, query)| (path, Some(query)));
        let route = Route::parse(path, query).unwrap();
        assert_eq!(route.app, "hr");
        (route.place, route.query)
    }

    #[test]
    fn slashes_may_trail_and_be_doubled_and_endpoints_have_any_case() {
        for url in [
            "/apps/hr/scim/v2/Users",
            "/apps/hr/scim/v2//users/",
            "//apps/hr/SCIM/V2/USERS",
        ] {
            let Place::Collection(name) = place_of(url).0 else {
                panic!("{url}")
            };
            assert!(name.eq_ignore_ascii_case("users"));
        }
    }

    #[test]
    fn entras_flag_is_tolerated_wherever_it_stands() {
        let users = Place::Collection("Users".into());
        let filter = "filter=userName+eq+%22x%22".to_owned();
        for url in [
            "/apps/hr/scim/v2/Users?filter=userName+eq+%22x%22&aadOptscim062020",
            "/apps/hr/scim/v2/Users?aadOptscim062020&filter=userName+eq+%22x%22",
            "/apps/hr/scim/v2/Users?aadOptscim062020=true&filter=userName+eq+%22x%22",
            "/apps/hr/scim/v2/Users?filter=userName+eq+%22x%22?aadOptscim062020",
            "/apps/hr/scim/v2?aadOptscim062020/Users?filter=userName+eq+%22x%22",
            "/apps/hr/scim/v2%3FaadOptscim062020/Users?filter=userName+eq+%22x%22",
        ] {
            assert_eq!(place_of(url), (users.clone(), filter.clone()), "{url}");
        }
        assert_eq!(
            place_of("/apps/hr/scim/v2/?aadOptscim062020/Users").0,
            users
        );
    }

    #[test]
    fn an_id_is_decoded_once() {
        assert_eq!(
            place_of("/apps/hr/scim/v2/Users/a%20b%2525").0,
            Place::Resource("Users".into(), "a b%25".into())
        );
        assert_eq!(
            place_of("/apps/hr/scim/v2/Users/%zz%").0,
            Place::Resource("Users".into(), "%zz%".into())
        );
        assert_eq!(
            place_of("/apps/hr/scim/v2/Users/%ü").0,
            Place::Resource("Users".into(), "%ü".into())
        );
    }

    #[test]
    fn discovery_search_and_custom_types_have_their_places() {
        assert_eq!(place_of("/apps/hr/scim/v2/.search").0, Place::Search(None));
        assert_eq!(
            place_of("/apps/hr/scim/v2/Groups/.search").0,
            Place::Search(Some("Groups".into()))
        );
        assert_eq!(
            place_of("/apps/hr/scim/v2/schemas/urn:x").0,
            Place::Schemas(Some("urn:x".into()))
        );
        assert_eq!(
            place_of("/apps/hr/scim/v2/ResourceTypes").0,
            Place::ResourceTypes(None)
        );
        assert_eq!(
            place_of("/apps/hr/scim/v2/Devices").0,
            Place::Collection("Devices".into())
        );
        assert_eq!(place_of("/apps/hr/scim/v2/Users/1/2").0, Place::Unknown);
        assert_eq!(place_of("/apps/hr/scim/v2/?count=1").0, Place::Root);
        assert_eq!(place_of("/apps/hr/scim/v1/Users").0, Place::OtherVersion);
        assert_eq!(place_of("/apps/hr/scim/vx/Users").0, Place::Unknown);
        assert_eq!(place_of("/apps/hr").0, Place::Unknown);
        assert_eq!(Route::parse("/other", None), None);
    }

    #[test]
    fn an_ecma_connector_is_called_by_its_name_as_it_is_spelt() {
        let route = |path: &str, query| Route::parse(path, query).unwrap();
        for path in [
            "/ecma2host_CORP1/scim/Users",
            "//ecma2host_CORP1//SCIM/users/",
            "/ECMA2Host_CORP1/scim/USERS",
        ] {
            let found = route(path, None);
            assert_eq!((found.face, found.app.as_str()), (Face::Ecma, "CORP1"));
            let Place::Collection(name) = found.place else {
                panic!("{path}")
            };
            assert!(name.eq_ignore_ascii_case("users"));
        }
        assert_eq!(route("/ecma2host_corp1/scim/Users", None).app, "corp1");
        let pasted = route(
            "/ecma2host_CORP1/scim",
            Some("aadOptscim062020/Users?filter=PLACEHOLDER+eq+%22x%22"),
        );
        assert_eq!(pasted.place, Place::Collection("Users".into()));
        assert_eq!(pasted.query, "filter=PLACEHOLDER+eq+%22x%22");
        assert_eq!(
            route("/ecma2host_CORP1/scim/Schemas", None).place,
            Place::Schemas(None)
        );
        assert_eq!(
            route("/ecma2host_CORP1/scim/Users/7", None).place,
            Place::Resource("Users".into(), "7".into())
        );
    }

    #[test]
    fn what_is_no_connectors_url_is_nothing() {
        for path in ["/ecma2host_", "/ecma2host", "/ecma", "/é2host_x/scim", "/"] {
            assert_eq!(Route::parse(path, None), None, "{path}");
        }
        for path in ["/ecma2host_X", "/ecma2host_X/v2/Users"] {
            assert_eq!(
                Route::parse(path, None).unwrap().place,
                Place::Unknown,
                "{path}"
            );
        }
    }
}
