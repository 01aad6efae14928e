//! Where a target is, and which request targets are below it.
//!
//! A guest gives a path and a query; the operator's URL has scheme, host, port and perhaps a prefix. Nothing
//! that a guest gives leads out of the prefix, however a server or something before it decodes paths.

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;
use url::Url;

use super::error::Error;

/// Longest request target.
const LONGEST: usize = 16 << 10;
/// How often a path is decoded at most; servers that decode twice are known, more often is an attack.
const DECODINGS: usize = 4;

/// Scheme, host, port and prefix of a target.
#[derive(Clone, Debug)]
pub(super) struct Place {
    origin: Url,
    host: String,
    port: u16,
    secure: bool,
    /// Without a slash at its end; empty for the whole host.
    prefix: String,
}

impl Place {
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let mut url = Url::parse(url).map_err(|e| format!("it is no URL: {e}"))?;
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err("the scheme is https or http".to_owned()),
        };
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or("it names no host")?
            .to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return Err("credentials belong into auth".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it may hold scheme, host, port and a path only".to_owned());
        }
        let port = url.port_or_known_default().ok_or("it names no port")?;
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path("/");
        Ok(Self {
            origin: url,
            host,
            port,
            secure,
            prefix,
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    /// What the `Host` header says.
    pub(super) fn authority(&self) -> String {
        match self.origin.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The request target for what a guest asked: below the prefix, or nothing. An absolute URL, as services put
    /// them in their answers, is taken if it is below the target's.
    pub(super) fn below(&self, asked: &str) -> Result<PathAndQuery, Error> {
        if asked.starts_with("http://") || asked.starts_with("https://") {
            let url = Url::parse(asked).map_err(|_| Error::Request("its URL cannot be read"))?;
            let raw = asked.splitn(4, '/').nth(3).unwrap_or_default();
            if !self.same_origin(&url) {
                return Err(Error::Escape);
            }
            return self.inside(&format!("/{raw}"));
        }
        let slash = if asked.is_empty() || asked.starts_with(['/', '?']) {
            ""
        } else {
            "/"
        };
        let joined = format!("{}{slash}{asked}", self.prefix);
        if asked.starts_with("//") {
            return Err(Error::Escape);
        }
        check(&joined)?;
        parse(&joined)
    }

    /// A request target that says the prefix itself, checked.
    pub(super) fn inside(&self, whole: &str) -> Result<PathAndQuery, Error> {
        check(whole)?;
        let rest = whole.strip_prefix(&self.prefix).ok_or(Error::Escape)?;
        if !rest.is_empty() && !rest.starts_with(['/', '?']) {
            return Err(Error::Escape);
        }
        if rest.starts_with("//") {
            return Err(Error::Escape);
        }
        parse(whole)
    }

    /// Where a reference in an answer leads (RFC 3986, section 5), if it stays below the target's URL.
    pub(super) fn follow(&self, from: &PathAndQuery, reference: &str) -> Option<PathAndQuery> {
        let base = self.origin.join(from.as_str()).ok()?;
        let mut url = base.join(reference).ok()?;
        url.set_fragment(None);
        if !self.same_origin(&url) {
            return None;
        }
        self.inside(&url[url::Position::BeforePath..]).ok()
    }

    /// The same as a guest would ask for it.
    pub(super) fn as_asked(&self, whole: &PathAndQuery) -> String {
        whole
            .as_str()
            .strip_prefix(&self.prefix)
            .unwrap_or(whole.as_str())
            .to_owned()
    }

    /// Is this URI at this target's origin?
    pub(super) fn is_at(&self, uri: &Uri) -> bool {
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        secure == self.secure
            && port == self.port
            && uri
                .host()
                .is_some_and(|host| host.eq_ignore_ascii_case(&self.host))
    }

    fn same_origin(&self, url: &Url) -> bool {
        url.scheme() == self.origin.scheme()
            && url.host_str() == self.origin.host_str()
            && url.port_or_known_default() == Some(self.port)
            && url.username().is_empty()
            && url.password().is_none()
    }
}

fn parse(target: &str) -> Result<PathAndQuery, Error> {
    let target = match target.as_bytes().first() {
        None => "/".to_owned(),
        Some(b'?') => format!("/{target}"),
        Some(_) => target.to_owned(),
    };
    PathAndQuery::try_from(target).map_err(|_| Error::Request("its path cannot be read"))
}

/// Refuses what is no request target, and every way to say "one up".
fn check(target: &str) -> Result<(), Error> {
    if target.len() > LONGEST {
        return Err(Error::Request("its path is too long"));
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Request(
            "its path holds white space, control or other characters that have to be percent-encoded",
        ));
    }
    if target.contains(['\\', '#']) {
        return Err(Error::Escape);
    }
    if !well_encoded(target) {
        return Err(Error::Request(
            "its path has a `%` without two hexadecimal digits",
        ));
    }
    let path = target.split('?').next().unwrap_or_default();
    if path.starts_with("//") {
        return Err(Error::Escape);
    }
    let mut decoded = path.to_owned();
    for _ in 0..DECODINGS {
        if decoded.chars().any(char::is_control) || decoded.split(['/', '\\']).any(is_dots) {
            return Err(Error::Escape);
        }
        let next = percent_decode_str(&decoded)
            .decode_utf8_lossy()
            .into_owned();
        if next == decoded {
            return Ok(());
        }
        decoded = next;
    }
    Err(Error::Escape)
}

/// `.` or `..`, also with a path parameter (`..;x`), which some servers cut off.
fn is_dots(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default().trim();
    matches!(name, "." | "..")
}

fn well_encoded(target: &str) -> bool {
    target.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(url: &str) -> Place {
        Place::new(url).expect("a place")
    }

    fn below(url: &str, asked: &str) -> Result<String, Error> {
        place(url).below(asked).map(|found| found.to_string())
    }

    #[test]
    fn paths_are_joined_below_the_prefix() {
        for (url, asked, whole) in [
            ("https://h", "", "/"),
            ("https://h", "/", "/"),
            ("https://h/", "/users?x=/../y", "/users?x=/../y"),
            ("https://h/api/v2/", "/users/1", "/api/v2/users/1"),
            ("https://h/api", "users", "/api/users"),
            ("https://h/api", "", "/api"),
            ("https://h/api", "?q=1", "/api?q=1"),
            ("https://h/api", "/", "/api/"),
            ("https://h", "?q=1", "/?q=1"),
            ("https://h/api", "/a%2Fb/c..d/...", "/api/a%2Fb/c..d/..."),
            ("https://h/api", "/a//b", "/api/a//b"),
            (
                "https://h/api",
                "https://h/api/users?page=2",
                "/api/users?page=2",
            ),
            ("https://h:8443/api", "https://H:8443/api", "/api"),
        ] {
            assert_eq!(below(url, asked).expect(asked), whole, "{url} {asked}");
        }
    }

    #[test]
    fn no_spelling_leads_out() {
        for asked in [
            "/..",
            "/../x",
            "..",
            "/a/../../x",
            "/.",
            "/%2e%2e/x",
            "/%2E./x",
            "/a/..%2fx",
            "/a%2f..%2fx",
            "/..%5cx",
            "/%252e%252e/x",
            "/%25252e%25252e/x",
            "/..;/x",
            "/..;a=b/x",
            "/..%00/x",
            "/%0d%0aHost:x",
            "//other/x",
            "\\\\other",
            "/a\\..\\x",
            "/x#y",
            "https://other/api/x",
            "http://h/api/x",
            "https://h:444/api/x",
            "https://h/other",
            "https://h/apiary",
            "https://u@h/api/x",
            "https://h/api/../x",
            "https://h//api",
            "/%252525252525252e",
        ] {
            assert!(
                matches!(below("https://h/api", asked), Err(Error::Escape)),
                "{asked}: {:?}",
                below("https://h/api", asked)
            );
        }
        for asked in ["/a b", "/a\r\nX: y", "/ä", "/%zz", "/%2", "/\u{0}"] {
            assert!(
                matches!(below("https://h/api", asked), Err(Error::Request(_))),
                "{asked}"
            );
        }
    }

    #[test]
    fn a_url_that_cannot_be_a_target_is_refused() {
        for url in [
            "ftp://h",
            "https://",
            "https://u:p@h",
            "https://h/?q",
            "https://h/#f",
            "h",
            "",
        ] {
            assert!(Place::new(url).is_err(), "{url}");
        }
    }

    #[test]
    fn redirects_stay_below_the_prefix() {
        let place = place("https://h/api");
        let from = PathAndQuery::from_static("/api/a/b");
        let follow = |reference| place.follow(&from, reference).map(|p| p.to_string());
        assert_eq!(follow("c"), Some("/api/a/c".to_owned()));
        assert_eq!(follow("../c#x"), Some("/api/c".to_owned()));
        assert_eq!(follow("https://h:443/api?q"), Some("/api?q".to_owned()));
        for outside in [
            "/",
            "/apiary",
            "../../x",
            "//other/api/x",
            "http://h/api/x",
            "https://h:444/api/x",
            "https://169.254.169.254/api/x",
            "https://u@h/api",
            "\\\\other\\api",
            "/api/%2e%2e/x",
            "javascript:x",
        ] {
            assert_eq!(follow(outside), None, "{outside}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_stays_below(
            asked in prop_oneof![
                "[/.%25eEfF\\\\;?:@#ah]{0,24}",
                r"(/|\.\.|%2e|%2f|%5c|;|a|\\|//h|https://h/api){0,8}",
                any::<String>(),
            ],
        ) {
            let place = place("https://h/api");
            if let Ok(found) = place.below(&asked) {
                let url = Url::parse("https://h/").expect("a URL").join(found.as_str()).expect("a URL");
                prop_assert_eq!(url.host_str(), Some("h"));
                prop_assert_eq!(url.port(), None);
                prop_assert!(url.path() == "/api" || url.path().starts_with("/api/"), "{}", url);
                let decoded = percent_decode_str(url.path()).decode_utf8_lossy().replace('\\', "/");
                prop_assert!(!decoded.split('/').any(|segment| segment == ".."), "{}", decoded);
                prop_assert!(!found.as_str().contains(['\r', '\n', ' ']));
            }
        }
    }
}
