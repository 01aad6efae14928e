//! Tokens that somebody else signed: Entra's assertions at the token endpoint, and its own tokens at the SCIM URL.
//!
//! Checked in this order, so that what is said of a token's content is said of a token that is genuine: its form, its
//! algorithm, its key, its signature, its time, its issuer, its tenant, its audience, its subject. The algorithm is
//! never the token's choice: it must be on the list that the app's file fixes, and the list knows public keys only.

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use url::Url;

use super::jwt;
use super::key_set::{KeySets, NoKey};
use super::refused::Refused;
use crate::config::issuer::{EntraTenant, EntraTokens, Federation};

/// Clocks differ by this much.
pub(super) const LEEWAY: u64 = 60;
/// Entra's are about 2 KiB.
const LONGEST: usize = 16 << 10;

/// What is accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted<'a> {
    pub(super) algorithms: &'a [Algorithm],
    pub(super) issuer: &'a str,
    pub(super) tenant: &'a str,
    pub(super) audiences: &'a [String],
    pub(super) subjects: Subjects<'a>,
    pub(super) keys: &'a Url,
}

/// Who may have sent it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subjects<'a> {
    /// Everybody in the tenant.
    All,
    /// These.
    Only(&'a [String]),
}

impl<'a> From<&'a Federation> for Accepted<'a> {
    fn from(federation: &'a Federation) -> Self {
        Self {
            algorithms: &federation.algorithms,
            issuer: &federation.issuer,
            tenant: &federation.tenant,
            audiences: &federation.audiences,
            // Nobody, until somebody is named.
            subjects: Subjects::Only(&federation.subjects),
            keys: &federation.keys,
        }
    }
}

impl<'a> Accepted<'a> {
    /// One tenant's of Entra's own tokens.
    pub(super) fn entra(entra: &'a EntraTokens, tenant: &'a EntraTenant) -> Self {
        Self {
            algorithms: &entra.algorithms,
            issuer: &tenant.issuer,
            tenant: &tenant.tenant,
            audiences: &entra.audiences,
            subjects: if entra.subjects.is_empty() {
                Subjects::All
            } else {
                Subjects::Only(&entra.subjects)
            },
            keys: &tenant.keys,
        }
    }
}

/// `aud` is one text or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// What a genuine token says.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    sub: Option<String>,
    tid: Option<String>,
    iat: Option<i64>,
    pub(super) exp: i64,
    jti: Option<String>,
    uti: Option<String>,
    /// `kid` of its header.
    #[serde(skip)]
    pub(super) key: String,
}

impl Claims {
    pub(super) fn issuer(&self) -> Option<&str> {
        self.iss.as_deref()
    }

    pub(super) fn subject(&self) -> Option<&str> {
        self.sub.as_deref()
    }

    pub(super) fn tenant(&self) -> Option<&str> {
        self.tid.as_deref()
    }

    pub(super) fn audience(&self) -> &[String] {
        match &self.aud {
            None => &[],
            Some(Audience::One(one)) => std::slice::from_ref(one),
            Some(Audience::Several(several)) => several,
        }
    }

    /// What makes this token this token. Entra's have no `jti`, but `uti`.
    pub(super) fn name(&self) -> Option<&str> {
        self.jti.as_deref().or(self.uti.as_deref())
    }
}

/// Why a token is not accepted, and what it says if it is genuine all the same.
#[derive(Debug)]
pub(super) struct Flawed {
    pub(super) reason: Refused,
    pub(super) claims: Option<Claims>,
}

impl From<Refused> for Flawed {
    fn from(reason: Refused) -> Self {
        Self {
            reason,
            claims: None,
        }
    }
}

/// The tenant that a token says it is from, before anything is verified: good for choosing what to verify it with.
pub(super) fn unverified_tenant(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        tid: String,
    }
    if token.len() > LONGEST {
        return None;
    }
    let said: Said = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
    Some(said.tid.to_ascii_lowercase())
}

/// Verifies a token against what is accepted.
pub(super) async fn verify(
    token: &str,
    accepted: &Accepted<'_>,
    key_sets: &KeySets,
    now: Timestamp,
) -> Result<Claims, Flawed> {
    if token.len() > LONGEST {
        return Err(Refused::Malformed.into());
    }
    let header = jwt::header(token)?;
    let algorithm = header
        .algorithm()
        .filter(|algorithm| accepted.algorithms.contains(algorithm))
        .ok_or(Refused::Algorithm)?;
    let id = header.kid.ok_or(Refused::Claim("kid"))?;
    let key = key_sets
        .at(accepted.keys)
        .find(&id)
        .await
        .map_err(|none| match none {
            NoKey::Unknown => Refused::Key,
            NoKey::Unavailable => Refused::Unverifiable,
        })?;
    let mut claims: Claims = jwt::verify(token, &key, algorithm, LEEWAY)?;
    claims.key = id;
    match judge(&claims, accepted, now) {
        Ok(()) => Ok(claims),
        Err(reason) => Err(Flawed {
            reason,
            claims: Some(claims),
        }),
    }
}

fn judge(claims: &Claims, accepted: &Accepted<'_>, now: Timestamp) -> Result<(), Refused> {
    let latest = now.as_second().saturating_add(LEEWAY.cast_signed());
    if claims.iat.is_some_and(|issued| issued > latest) {
        return Err(Refused::NotYet);
    }
    let said = |claim: Option<&str>, name| claim.ok_or(Refused::Claim(name)).map(str::to_owned);
    // The tenant before the issuer, which has it in its name: of the two reasons it is the one that tells something.
    if !said(claims.tenant(), "tid")?.eq_ignore_ascii_case(accepted.tenant) {
        return Err(Refused::Tenant);
    }
    if said(claims.issuer(), "iss")? != accepted.issuer {
        return Err(Refused::Issuer);
    }
    if !claims
        .audience()
        .iter()
        .any(|audience| accepted.audiences.contains(audience))
    {
        return Err(Refused::Audience);
    }
    let subject = said(claims.subject(), "sub")?;
    match accepted.subjects {
        Subjects::All => Ok(()),
        Subjects::Only(subjects) if subjects.contains(&subject) => Ok(()),
        Subjects::Only(_) => Err(Refused::Subject),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    fn claims(change: impl Fn(&mut serde_json::Value)) -> Claims {
        let mut claims = serde_json::json!({
            "iss": "https://issuer/", "aud": "api", "sub": "sync", "tid": TENANT, "exp": 5000, "iat": 1000, "uti": "u",
        });
        change(&mut claims);
        serde_json::from_value(claims).unwrap()
    }

    fn outcome(change: impl Fn(&mut serde_json::Value)) -> Result<(), Refused> {
        let (audiences, subjects) = (["api".to_owned(), "guid".to_owned()], ["sync".to_owned()]);
        let keys = "https://keys/".parse().unwrap();
        let accepted = Accepted {
            algorithms: &[Algorithm::RS256],
            issuer: "https://issuer/",
            tenant: TENANT,
            audiences: &audiences,
            subjects: Subjects::Only(&subjects),
            keys: &keys,
        };
        let now = Timestamp::from_second(1000).unwrap();
        judge(&claims(change), &accepted, now)
    }

    #[test]
    fn every_claim_must_be_one_of_those_that_the_file_names() {
        assert_eq!(outcome(|_| {}), Ok(()));
        assert_eq!(
            outcome(|c| c["aud"] = serde_json::json!(["x", "guid"])),
            Ok(())
        );
        assert_eq!(outcome(|c| c["aud"] = "API".into()), Err(Refused::Audience));
        assert_eq!(
            outcome(|c| c["aud"] = serde_json::json!([])),
            Err(Refused::Audience)
        );
        assert_eq!(
            outcome(|c| c["iss"] = "https://issuer".into()),
            Err(Refused::Issuer)
        );
        assert_eq!(outcome(|c| c["tid"] = "x".into()), Err(Refused::Tenant));
        assert_eq!(
            outcome(|c| c["sub"] = "other".into()),
            Err(Refused::Subject)
        );
        assert_eq!(outcome(|c| c["iat"] = 1061.into()), Err(Refused::NotYet));
        assert_eq!(outcome(|c| c["iat"] = 1060.into()), Ok(()));
    }

    #[test]
    fn a_claim_that_is_missing_is_named() {
        for name in ["iss", "sub", "tid"] {
            let gone = |c: &mut serde_json::Value| {
                c.as_object_mut().unwrap().remove(name);
            };
            assert_eq!(outcome(gone), Err(Refused::Claim(name)));
        }
    }

    #[test]
    fn a_token_is_known_by_its_jti_or_by_entras_uti() {
        assert_eq!(claims(|_| {}).name(), Some("u"));
        assert_eq!(claims(|c| c["jti"] = "j".into()).name(), Some("j"));
    }
}
