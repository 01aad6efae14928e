//! `[auth]` of an app's file: who may call, and how they show it.
//!
//! Here stands what the operator wrote; whether a request fits it is judged in [`crate::auth`].

use std::ops::Range;
use std::time::Duration;

use ipnet::IpNet;
use jsonwebtoken::Algorithm;
use url::{Host, Url};

use super::reader::{Located, Section, Sink};
use super::value;

/// At most so many tokens are valid at a time: the one in use and the one that replaces it.
pub const MAX_TOKENS: usize = 2;
/// The same for a client's secrets. Entra's gallery wants several for rotation.
pub const MAX_SECRETS: usize = 10;
/// What Entra accepts as the life of an access token: 60 minutes to 6 hours.
pub const TOKEN_LIFETIME: std::ops::RangeInclusive<Duration> =
    Duration::from_hours(1)..=Duration::from_hours(6);
/// The audience of the tokens that Entra sends when the Secret Token is left blank. Every tenant's are alike.
pub const ENTRA_AUDIENCE: &str = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621";
/// Stands for the tenant in an issuer and in the address of its keys.
const TENANT: &str = "{tenant}";

/// A token or a client's secret, of which the file holds the hash only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What the operator calls it.
    pub name: String,
    /// SHA-256 of its text.
    pub sha256: [u8; 32],
    /// From when on it is refused.
    pub expires: Option<jiff::Timestamp>,
    /// Where it stands.
    pub span: Range<usize>,
}

/// An OAuth 2.0 client of the app's own token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// What it calls itself: `client_id`.
    pub id: String,
    /// Any of which it may show.
    pub secrets: Vec<Credential>,
}

/// How often the same assertion may be exchanged for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reuse {
    /// Once.
    #[default]
    Once,
    /// As often as its sender likes while it is valid.
    UntilExpiry,
}

/// Workload identity federation: an assertion that Entra signs takes the place of a secret (RFC 7523).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federation {
    /// The directory that it must come from: `tid`.
    pub tenant: String,
    /// Any of which it may be meant for: `aud`.
    pub audiences: Vec<String>,
    /// Who may have sent it: `sub`.
    pub subjects: Vec<String>,
    /// What the request must say as `client_id`, if it says one.
    pub client_id: Option<String>,
    /// `iss`
    pub issuer: String,
    /// Where the signing keys are.
    pub keys: Url,
    /// What may be under it.
    pub algorithms: Vec<Algorithm>,
    /// How often it may be used.
    pub reuse: Reuse,
}

/// The tokens that Entra sends when the Secret Token is left blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntraTokens {
    /// The directories that they may come from, each with its issuer and its keys.
    pub tenants: Vec<EntraTenant>,
    /// `aud`
    pub audiences: Vec<String>,
    /// `sub`; everybody in the tenant if none is named.
    pub subjects: Vec<String>,
    /// What may be under it.
    pub algorithms: Vec<Algorithm>,
}

/// One directory in [`EntraTokens`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntraTenant {
    /// `tid`
    pub tenant: String,
    /// `iss`
    pub issuer: String,
    /// Where the signing keys are.
    pub keys: Url,
}

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CertificateMode {
    /// Always.
    #[default]
    Required,
    /// No; but one that is shown must be allowed.
    Optional,
}

/// Which client certificates are allowed, besides the token. The host checks that `client-ca` signed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whether there must be one.
    pub mode: CertificateMode,
    /// Subject alternative names or common names.
    pub names: Vec<String>,
    /// SHA-256 of certificates.
    pub sha256: Vec<[u8; 32]>,
}

/// `[auth]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Static bearer tokens.
    pub tokens: Vec<Credential>,
    /// Clients of the token endpoint.
    pub clients: Vec<Client>,
    /// How long an access token lives.
    pub token_lifetime: Duration,
    /// Assertions instead of secrets.
    pub federation: Option<Federation>,
    /// Entra's own tokens.
    pub entra: Option<EntraTokens>,
    /// Certificates besides all that.
    pub certificate: Option<ClientCertificate>,
    /// Addresses besides all that; everywhere if none is named.
    pub allow_from: Vec<IpNet>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            clients: Vec::new(),
            token_lifetime: *TOKEN_LIFETIME.start(),
            federation: None,
            entra: None,
            certificate: None,
            allow_from: Vec::new(),
        }
    }
}

impl Auth {
    /// Whether anybody can call at all.
    pub fn admits_nobody(&self) -> bool {
        let secrets = self.clients.iter().any(|client| !client.secrets.is_empty());
        self.tokens.is_empty() && !secrets && self.federation.is_none() && self.entra.is_none()
    }

    /// Every credential that the file holds a hash of, and whose it is: none for the app's own tokens.
    pub fn credentials(&self) -> impl Iterator<Item = (Option<&str>, &Credential)> {
        let tokens = self.tokens.iter().map(|token| (None, token));
        let secrets = self.clients.iter().flat_map(|client| {
            client
                .secrets
                .iter()
                .map(|secret| (Some(client.id.as_str()), secret))
        });
        tokens.chain(secrets)
    }
}

/// Reads the section.
pub(super) fn read(section: Option<Section<'_>>, sink: &Sink) -> Auth {
    let mut auth = Auth::default();
    let Some(mut section) = section else {
        return auth;
    };
    let tokens = Kind {
        word: "token",
        most: MAX_TOKENS,
        make: "`tombolo token new DIR APP` makes a token and writes its hash here",
        revoke: "remove those that are no longer in use: `tombolo token revoke DIR APP NAME`",
    };
    auth.tokens = credentials(&mut section, "tokens", &tokens, sink);
    if let Some(lifetime) = section.parsed("token-lifetime", token_lifetime) {
        auth.token_lifetime = lifetime.value;
    }
    if let Some(list) = section.section("clients") {
        auth.clients = clients(list, sink);
    }
    auth.federation = section
        .section("federation")
        .and_then(|section| federation(section, sink));
    auth.entra = section
        .section("entra")
        .and_then(|section| entra(section, sink));
    auth.certificate = section
        .section("certificate")
        .and_then(|section| certificate(section, sink));
    auth.allow_from = section
        .parsed_list("allow-from", value::network)
        .unwrap_or_default();
    section.finish();
    auth
}

fn token_lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = value::duration(text)?;
    if TOKEN_LIFETIME.contains(&lifetime) {
        Ok(lifetime)
    } else {
        Err(format!(
            "must be between \"60m\" and \"6h\", which is what Entra accepts, not `{text}`"
        ))
    }
}

/// What is said of one sort of credentials.
struct Kind {
    word: &'static str,
    most: usize,
    make: &'static str,
    revoke: &'static str,
}

fn credentials(
    within: &mut Section<'_>,
    key: &'static str,
    kind: &Kind,
    sink: &Sink,
) -> Vec<Credential> {
    let mut found: Vec<Credential> = Vec::new();
    let Some((span, sections)) = within.array_of_sections(key) else {
        return found;
    };
    let (word, most) = (kind.word, kind.most);
    if sections.len() > most {
        let message = format!(
            "{} {word}s, and at most {most} may be valid at a time",
            sections.len()
        );
        sink.error_hint(span, message, kind.revoke);
    }
    for (n, mut section) in sections.into_iter().enumerate() {
        let span = section.span();
        let name = section
            .text("name")
            .map_or_else(|| format!("{word}-{}", n + 1), |name| name.value);
        if found.iter().any(|other| other.name == name) {
            let message = format!("two {word}s are called `{name}`");
            sink.error_hint(span.clone(), message, "rename one of them");
        }
        let present = section.required_text("sha256", kind.make).is_some();
        let sha256 = if present {
            section.parsed("sha256", value::sha256)
        } else {
            None
        };
        let expires = section.instant("expires");
        section.finish();
        if let Some(sha256) = sha256 {
            found.push(Credential {
                name,
                sha256: sha256.value,
                expires,
                span,
            });
        }
    }
    found
}

/// Whether a text may be a client's id: what needs no encoding in a form, a header or a URL, so that no two spellings
/// of it exist (RFC 6749, section 2.3.1).
pub fn is_sane_client_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

fn clients(section: Section<'_>, sink: &Sink) -> Vec<Client> {
    let kind = Kind {
        word: "secret",
        most: MAX_SECRETS,
        make: "`tombolo client new DIR APP CLIENT` makes a secret and writes its hash here",
        revoke: "remove those that are no longer in use: `tombolo client revoke DIR APP CLIENT SECRET`",
    };
    let mut clients = Vec::new();
    for (id, mut section) in section.named_sections() {
        if !is_sane_client_id(&id) {
            sink.error_hint(
                section.span(),
                format!("`{id}` cannot be the id of a client"),
                "letters, digits, `-`, `.`, `_` and `~`, at most 128",
            );
        }
        let secrets = credentials(&mut section, "secrets", &kind, sink);
        section.finish();
        clients.push(Client { id, secrets });
    }
    clients
}

fn federation(mut section: Section<'_>, sink: &Sink) -> Option<Federation> {
    let at = section.span();
    let tenant = required_tenant(&mut section);
    let audiences = section
        .parsed_list("audiences", not_blank)
        .unwrap_or_default();
    let subjects = section
        .parsed_list("subjects", not_blank)
        .unwrap_or_default();
    let client_id = section.parsed("client-id", |id| {
        is_sane_client_id(id)
            .then(|| id.to_owned())
            .ok_or_else(|| "must be letters, digits, `-`, `.`, `_` and `~`, at most 128".to_owned())
    });
    let issuer = section.parsed("issuer", not_blank).map_or(
        "https://login.microsoftonline.com/{tenant}/v2.0".to_owned(),
        |found| found.value,
    );
    let keys = section.text("keys");
    let algorithms = algorithms(&mut section, sink);
    let reuse = section
        .choice(
            "assertions",
            &[("once", Reuse::Once), ("until-expiry", Reuse::UntilExpiry)],
        )
        .unwrap_or_default();
    section.finish();
    let tenant = tenant?;
    let keys = keys_of(
        keys.as_ref(),
        "https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys",
        &tenant,
        &at,
        "auth.federation.keys",
        sink,
    )?;
    Some(Federation {
        audiences,
        subjects,
        client_id: client_id.map(|found| found.value),
        issuer: issuer.replace(TENANT, &tenant),
        keys,
        algorithms,
        reuse,
        tenant,
    })
}

fn entra(mut section: Section<'_>, sink: &Sink) -> Option<EntraTokens> {
    let at = section.span();
    let tenants = section.parsed_list("tenants", tenant);
    let audiences = section
        .parsed_list("audiences", not_blank)
        .unwrap_or_else(|| vec![ENTRA_AUDIENCE.to_owned()]);
    let subjects = section
        .parsed_list("subjects", not_blank)
        .unwrap_or_default();
    let issuer = section
        .parsed("issuer", not_blank)
        .map_or("https://sts.windows.net/{tenant}/".to_owned(), |found| {
            found.value
        });
    let keys = section.text("keys");
    let algorithms = algorithms(&mut section, sink);
    section.finish();
    let tenants = tenants.unwrap_or_default();
    if tenants.is_empty() {
        sink.error_hint(
            at,
            "`auth.entra.tenants` names no tenant",
            "every tenant's tokens have the same audience: write `tenants = [\"…\"]` with the directory (tenant) id of each one that may call",
        );
        return None;
    }
    let tenants: Option<Vec<_>> = tenants
        .into_iter()
        .map(|tenant| {
            let keys = keys_of(
                keys.as_ref(),
                "https://login.microsoftonline.com/{tenant}/discovery/keys",
                &tenant,
                &at,
                "auth.entra.keys",
                sink,
            )?;
            Some(EntraTenant {
                issuer: issuer.replace(TENANT, &tenant),
                keys,
                tenant,
            })
        })
        .collect();
    Some(EntraTokens {
        tenants: tenants?,
        audiences,
        subjects,
        algorithms,
    })
}

fn certificate(mut section: Section<'_>, sink: &Sink) -> Option<ClientCertificate> {
    let at = section.span();
    let mode = section
        .choice(
            "mode",
            &[
                ("required", CertificateMode::Required),
                ("optional", CertificateMode::Optional),
            ],
        )
        .unwrap_or_default();
    let names = section.parsed_list("names", not_blank);
    let sha256 = section.parsed_list("sha256", value::sha256);
    section.finish();
    let (names, sha256) = (names.unwrap_or_default(), sha256.unwrap_or_default());
    if names.is_empty() && sha256.is_empty() {
        sink.error_hint(
            at,
            "`auth.certificate` allows no certificate",
            "write `names = [\"agent.example.org\"]` or `sha256 = [\"…\"]`",
        );
        return None;
    }
    Some(ClientCertificate {
        mode,
        names,
        sha256,
    })
}

fn required_tenant(section: &mut Section<'_>) -> Option<String> {
    let hint = "the directory (tenant) id, a GUID, is on the overview page of Entra's admin center";
    section.required_text("tenant", hint)?;
    section.parsed("tenant", tenant).map(|found| found.value)
}

/// A directory's id as tokens spell it.
fn tenant(text: &str) -> Result<String, String> {
    uuid::Uuid::parse_str(text.trim())
        .map(|id| id.hyphenated().to_string())
        .map_err(|_| format!("must be a directory (tenant) id, a GUID, not `{text}`"))
}

fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("must not be empty".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Only what is verified with a public key: a key that everybody may fetch must never be taken for a shared secret.
fn algorithms(section: &mut Section<'_>, sink: &Sink) -> Vec<Algorithm> {
    let known = |text: &str| match text {
        "RS256" => Ok(Algorithm::RS256),
        "RS384" => Ok(Algorithm::RS384),
        "RS512" => Ok(Algorithm::RS512),
        "PS256" => Ok(Algorithm::PS256),
        "PS384" => Ok(Algorithm::PS384),
        "PS512" => Ok(Algorithm::PS512),
        other => Err(format!(
            "must be one of RS256, RS384, RS512, PS256, PS384, PS512, not `{other}`"
        )),
    };
    match section.parsed_list("algorithms", known) {
        Some(list) if list.is_empty() => {
            sink.error_hint(
                section.span(),
                "`algorithms` names none: nothing could be verified",
                "Entra signs with `RS256`, which is the default",
            );
            list
        }
        Some(list) => list,
        None => vec![Algorithm::RS256],
    }
}

fn keys_of(
    given: Option<&Located<String>>,
    default: &str,
    tenant: &str,
    at: &Range<usize>,
    key: &str,
    sink: &Sink,
) -> Option<Url> {
    let text = given.map_or(default, |given| given.value.as_str());
    keys_url(&text.replace(TENANT, tenant))
        .map_err(|why| {
            let span = given.map_or_else(|| at.clone(), |given| given.span.clone());
            sink.error(span, format!("`{key}` {why}"));
        })
        .ok()
}

/// Whoever can change the keys on their way decides who may call: plain HTTP stays on this machine.
fn keys_url(text: &str) -> Result<Url, String> {
    let url: Url = text
        .parse()
        .map_err(|why| format!("must be a URL, and `{text}` is none: {why}"))?;
    let local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if local => Ok(url),
        _ => Err(format!(
            "must begin with https://, not `{text}`; http:// is for this machine only"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_by_https_or_from_this_machine() {
        for good in [
            "https://login.microsoftonline.com/x/discovery/v2.0/keys",
            "http://127.0.0.1:8000/keys",
            "http://[::1]/keys",
            "http://localhost/keys",
        ] {
            assert!(keys_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://login.microsoftonline.com/keys",
            "http://127.0.0.1.example.org/keys",
            "file:///etc/passwd",
            "keys",
        ] {
            assert!(keys_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_access_token_lives_from_one_hour_to_six() {
        assert_eq!(token_lifetime("60m"), Ok(Duration::from_hours(1)));
        assert_eq!(token_lifetime("6h"), Ok(Duration::from_hours(6)));
        for wrong in ["59m", "361m", "1", "0s"] {
            assert!(token_lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
