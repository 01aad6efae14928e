//! `[auth.federation]` and `[auth.entra]`: whose signature is accepted, and under which of its tokens.

use std::ops::Range;

use jsonwebtoken::Algorithm;
use url::{Host, Url};

use super::auth::{is_sane_client_id, not_blank};
use super::reader::{Located, Section, Sink};

/// The audience of the tokens that Entra sends when the Secret Token is left blank. Every tenant's are alike.
pub const ENTRA_AUDIENCE: &str = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621";
/// Stands for the tenant in an issuer and in the address of its keys.
const TENANT: &str = "{tenant}";

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

/// Reads `[auth.federation]`.
pub(super) fn federation(mut section: Section<'_>, sink: &Sink) -> Option<Federation> {
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

/// Reads `[auth.entra]`.
pub(super) fn entra(mut section: Section<'_>, sink: &Sink) -> Option<EntraTokens> {
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
}
