//! `[auth]` of an app's file: who may call, and how they show it.
//!
//! Here stands what the operator wrote; whether a request fits it is judged in [`crate::auth`].

use std::ops::Range;
use std::time::Duration;

use ipnet::IpNet;

use super::issuer::{self, EntraTokens, Federation};
use super::reader::{Section, Sink};
use super::value;

/// At most so many tokens are valid at a time: the one in use and the one that replaces it.
pub const MAX_TOKENS: usize = 2;
/// The same for a client's secrets. Entra's gallery wants several for rotation.
pub const MAX_SECRETS: usize = 10;
/// What Entra accepts as the life of an access token: 60 minutes to 6 hours.
pub const TOKEN_LIFETIME: std::ops::RangeInclusive<Duration> =
    Duration::from_hours(1)..=Duration::from_hours(6);
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
        .and_then(|section| issuer::federation(section, sink));
    auth.entra = section
        .section("entra")
        .and_then(|section| issuer::entra(section, sink));
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

pub(super) fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("must not be empty".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_token_lives_from_one_hour_to_six() {
        assert_eq!(token_lifetime("60m"), Ok(Duration::from_hours(1)));
        assert_eq!(token_lifetime("6h"), Ok(Duration::from_hours(6)));
        for wrong in ["59m", "361m", "1", "0s"] {
            assert!(token_lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
