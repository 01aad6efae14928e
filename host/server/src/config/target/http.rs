//! `kind = "http"`: a service behind one URL, its trust, its credentials and its pace.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tombolo_runtime::{Rate, Reach, TokenRequest};
use url::Url;

use super::is_loopback;
use crate::config::reader::{Located, Section, Sink};
use crate::config::secret::SecretSource;
use crate::config::value;

/// An HTTP service and how to reach it.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// `https://host[:port][/prefix]`.
    pub url: String,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<Located<PathBuf>>,
    /// SHA-256 of the public keys that the server may have.
    pub pins: Vec<[u8; 32]>,
    /// Our certificate.
    pub identity: Option<Identity>,
    /// Credentials on each request.
    pub auth: Auth,
    /// Methods that may be used; none means any.
    pub methods: Option<Vec<String>>,
    /// Whether private addresses may be reached.
    pub reach: Reach,
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// Requests at a time.
    pub concurrency: usize,
    /// How often requests may be sent.
    pub rate: Option<Rate>,
}

/// A client certificate and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// PEM file.
    pub certificate: Located<PathBuf>,
    /// Its key, PEM.
    pub key: Located<SecretSource>,
}

/// How requests are signed.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// User and password.
    Basic(String, Located<SecretSource>),
    /// A token.
    Bearer(Located<SecretSource>),
    /// A header and what it says.
    ApiKey(String, Located<SecretSource>),
    /// Tokens from a token endpoint.
    OAuth(OAuth),
}

/// An OAuth client.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// The token endpoint.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Located<SecretSource>,
    /// What to ask for.
    pub scope: String,
    /// Where the secret goes.
    pub request: TokenRequest,
    /// PEM file of the token endpoint's authorities.
    pub ca: Option<Located<PathBuf>>,
}

impl Auth {
    /// The secret in it.
    pub fn secret(&self) -> Option<&Located<SecretSource>> {
        match self {
            Self::None => None,
            Self::Basic(_, secret) | Self::Bearer(secret) | Self::ApiKey(_, secret) => Some(secret),
            Self::OAuth(client) => Some(&client.client_secret),
        }
    }

    /// The token endpoint's authorities.
    pub fn ca(&self) -> Option<&Located<PathBuf>> {
        match self {
            Self::OAuth(client) => client.ca.as_ref(),
            _ => None,
        }
    }
}

pub(super) fn read(name: &str, section: &mut Section<'_>, sink: &Sink) -> Option<HttpTarget> {
    let url = section.required_text("url", "such as `url = \"https://api.example.org/v1\"`");
    let url = url.filter(|url| is_good(&format!("targets.{name}.url"), url, sink));
    let ca = section.text("ca").map(path);
    let pins = section.parsed_list("pins", pin).unwrap_or_default();
    let identity = identity(name, section, sink);
    let plain = section.flag("plain-http").unwrap_or(false);
    let auth = match section.section("auth") {
        Some(section) => auth(name, section, sink),
        None => Some(Auth::None),
    };
    if let Some(url) = &url
        && url.value.starts_with("http://")
    {
        let signed = !matches!(auth, Some(Auth::None) | None);
        if signed && !plain && !is_loopback(&url.value) {
            sink.error_hint(
                url.span.clone(),
                format!("`targets.{name}` would send its credentials unencrypted"),
                "use \"https://\", or set `plain-http = true` if the network between is as trusted as this machine",
            );
        }
        if identity.is_some() || !pins.is_empty() {
            sink.error_hint(
                url.span.clone(),
                format!(
                    "`targets.{name}` has pins or a client certificate, and no TLS to use them in"
                ),
                "use \"https://\"",
            );
        }
    }
    let methods = section.parsed_list("methods", method);
    let reach = section
        .choice(
            "reach",
            &[("private", Reach::Private), ("public", Reach::Public)],
        )
        .unwrap_or_default();
    let connect_timeout = section
        .duration("connect-timeout")
        .unwrap_or(Duration::from_secs(5));
    let timeout = section
        .duration("timeout")
        .unwrap_or(Duration::from_secs(20));
    let concurrency = section
        .integer("concurrency", 1..=1024)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(8);
    let rate = section.parsed("rate", rate).map(|rate| rate.value);
    Some(HttpTarget {
        url: url?.value,
        ca,
        pins,
        identity,
        auth: auth?,
        methods,
        reach,
        connect_timeout,
        timeout,
        concurrency,
        rate,
    })
}

pub(super) fn path(text: Located<String>) -> Located<PathBuf> {
    Located {
        value: PathBuf::from(text.value),
        span: text.span,
    }
}

/// Scheme, host, port and path, and nothing else.
fn is_good(key: &str, url: &Located<String>, sink: &Sink) -> bool {
    let wrong = match Url::parse(&url.value) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "is no HTTP URL",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "must not hold credentials: they belong into `auth`"
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            "may hold scheme, host, port and a path only"
        }
        Ok(_) => return true,
        Err(_) => "is no URL",
    };
    sink.error_hint(
        url.span.clone(),
        format!("`{key}` {wrong}"),
        "write \"https://HOST\", \"https://HOST:PORT\" or \"https://HOST/PREFIX\"",
    );
    false
}

pub(super) fn identity(name: &str, section: &mut Section<'_>, sink: &Sink) -> Option<Identity> {
    let certificate = section.text("client-certificate").map(path);
    let has_key = section.has("client-key");
    let key = section.parsed("client-key", SecretSource::parse);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
        (Some(certificate), None) if !has_key => {
            sink.error_hint(
                certificate.span,
                format!("`targets.{name}` has a `client-certificate` and no `client-key`"),
                "add `client-key = \"file:PATH\"`",
            );
            None
        }
        (None, Some(key)) => {
            sink.error_hint(
                key.span,
                format!("`targets.{name}` has a `client-key` and no `client-certificate`"),
                "add `client-certificate = \"PATH\"`, a PEM file",
            );
            None
        }
        _ => None,
    }
}

#[derive(Clone, Copy)]
enum Kind {
    None,
    Basic,
    Bearer,
    ApiKey,
    OAuth,
}

fn auth(name: &str, mut section: Section<'_>, sink: &Sink) -> Option<Auth> {
    let kinds = [
        ("none", Kind::None),
        ("basic", Kind::Basic),
        ("bearer", Kind::Bearer),
        ("api-key", Kind::ApiKey),
        ("oauth", Kind::OAuth),
    ];
    if !section.has("kind") {
        section.required_text(
            "kind",
            "say how requests are signed: \"none\", \"basic\", \"bearer\", \"api-key\" or \"oauth\"",
        );
        return None;
    }
    let kind = section.choice("kind", &kinds)?;
    let read = match kind {
        Kind::None => Some(Auth::None),
        Kind::Basic => {
            let user = section.required_text("user", "who signs in");
            let password = secret(name, &mut section, "password", sink);
            user.zip(password)
                .map(|(user, password)| Auth::Basic(user.value, password))
        }
        Kind::Bearer => secret(name, &mut section, "token", sink).map(Auth::Bearer),
        Kind::ApiKey => {
            let header = section.required_text("header", "such as `header = \"X-Api-Key\"`");
            let value = secret(name, &mut section, "value", sink);
            header
                .zip(value)
                .map(|(header, value)| Auth::ApiKey(header.value, value))
        }
        Kind::OAuth => oauth(name, &mut section, sink).map(Auth::OAuth),
    };
    section.finish();
    read
}

fn oauth(name: &str, section: &mut Section<'_>, sink: &Sink) -> Option<OAuth> {
    let hint = "such as `token-url = \"https://login.example.org/oauth2/token\"`";
    let token_url = section
        .required_text("token-url", hint)
        .filter(|url| is_good(&format!("targets.{name}.auth.token-url"), url, sink));
    if let Some(url) = &token_url
        && url.value.starts_with("http://")
        && !is_loopback(&url.value)
    {
        sink.error_hint(
            url.span.clone(),
            format!("`targets.{name}.auth` would send its secret unencrypted"),
            "use \"https://\"",
        );
    }
    let client_id = section.required_text("client-id", "the client's id");
    let client_secret = secret(name, section, "client-secret", sink);
    let scope = section.text("scope").map(|text| text.value);
    let places = [("basic", TokenRequest::Basic), ("body", TokenRequest::Body)];
    let request = section.choice("client-auth", &places).unwrap_or_default();
    let ca = section.text("ca").map(path);
    Some(OAuth {
        token_url: token_url?.value,
        client_id: client_id?.value,
        client_secret: client_secret?,
        scope: scope.unwrap_or_default(),
        request,
        ca,
    })
}

fn secret(
    name: &str,
    section: &mut Section<'_>,
    key: &'static str,
    sink: &Sink,
) -> Option<Located<SecretSource>> {
    if !section.has(key) {
        sink.error_hint(
            section.span(),
            format!("`targets.{name}.auth.{key}` is missing"),
            format!("add `{key} = \"env:NAME\"` or `{key} = \"file:PATH\"`"),
        );
    }
    section.parsed(key, SecretSource::parse)
}

/// `"sha256/BASE64"`, as curl and browsers write it.
pub(super) fn pin(text: &str) -> Result<[u8; 32], String> {
    let encoded = text.strip_prefix("sha256/").unwrap_or_default();
    let digest = BASE64.decode(encoded.trim_start_matches('/')).ok();
    digest
        .and_then(|digest| digest.try_into().ok())
        .ok_or_else(|| {
            "must be \"sha256/\" and the digest of the server's public key in base64".to_owned()
        })
}

fn method(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if good && !matches!(text, "CONNECT" | "TRACE") {
        Ok(text.to_owned())
    } else {
        Err("must be a method such as \"GET\", in capitals, and not CONNECT or TRACE".to_owned())
    }
}

/// `"10/1s"`.
fn rate(text: &str) -> Result<Rate, String> {
    let wrong =
        || format!("must be requests and a time, such as \"10/1s\" or \"600/1m\", not `{text}`");
    let (requests, per) = text.split_once('/').ok_or_else(wrong)?;
    let requests: u32 = requests.trim().parse().map_err(|_| wrong())?;
    let per = value::duration(per.trim()).map_err(|_| wrong())?;
    if requests == 0 {
        return Err(wrong());
    }
    Ok(Rate { requests, per })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_32_bytes_in_base64() {
        let text = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(pin(text).map(|pin| pin[0]), Ok(0xe3));
        assert!(pin(&text.replace("256/", "256//")).is_ok());
        for wrong in ["", "sha256/", "sha256/AAAA", "47DEQpj8", "sha1/AAAA"] {
            assert!(pin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_is_requests_in_a_time() {
        let rated = |text| rate(text).map(|rate| (rate.requests, rate.per.as_secs()));
        assert_eq!(rated("10/1s"), Ok((10, 1)));
        assert_eq!(rated("600 / 1m"), Ok((600, 60)));
        for wrong in ["10", "0/1s", "1/0s", "/1s", "10/s", "-1/1s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_method_is_in_capitals() {
        assert!(method("PATCH").is_ok() && method("M-SEARCH").is_ok());
        for wrong in ["get", "", "CONNECT", "TRACE", "A B"] {
            assert!(method(wrong).is_err(), "{wrong}");
        }
    }
}
