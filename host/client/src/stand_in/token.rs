//! The token endpoint: client credentials by secret, in the body or in the header, or by a federated token.

use axum::http::{HeaderMap, header};
use axum::response::Response;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use uuid::Uuid;

use super::answer;
use super::world::World;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(super) fn answer(
    world: &mut World,
    tenant: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| {
        let found = form.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let refuse = |error: &str, number: u32, what: &str| {
        let body = json!({
            "error": error,
            "error_description": format!("AADSTS{number}: {what}"),
            "error_codes": [number],
        });
        answer::json(if error == "invalid_client" { 401 } else { 400 }, &body)
    };
    if tenant != world.settings.tenant {
        return refuse("invalid_request", 90_002, "Tenant not found.");
    }
    if field("grant_type") != "client_credentials" {
        let what = "The grant type is not supported.";
        return refuse("unsupported_grant_type", 70_003, what);
    }
    let scope = format!("{}/.default", world.url);
    if field("scope") != scope {
        let what = "The provided value for the input parameter 'scope' is not valid.";
        return refuse("invalid_scope", 1_002_012, what);
    }
    let basic = basic(headers);
    let (id, secret) = match &basic {
        Some((id, secret)) => (id.as_str(), secret.as_str()),
        None => (field("client_id"), field("client_secret")),
    };
    if id != world.settings.client_id {
        let what = "Application was not found in the directory.";
        return refuse("unauthorized_client", 700_016, what);
    }
    let same = |secret: &SecretString, given: &str| secret.expose_secret() == given;
    let known = if field("client_assertion_type") == JWT_BEARER {
        let federated = world.settings.federated.as_ref();
        federated.is_some_and(|token| same(token, field("client_assertion")))
    } else {
        same(&world.settings.client_secret, secret)
    };
    if !known {
        return refuse(
            "invalid_client",
            7_000_215,
            "Invalid client secret provided.",
        );
    }
    let token = format!("stand-in.{}", Uuid::new_v4().simple());
    world.tokens.insert(token.clone());
    world.counters.tokens += 1;
    let body = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token});
    answer::json(200, &body)
}

/// RFC 6749, section 2.3.1: form-encoded before they became a pair.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let pair = decode(value.strip_prefix("Basic ")?)?;
    let (id, secret) = pair.split_once(':')?;
    let plain = |text: &str| {
        let text = text.replace('+', " ");
        let text = percent_encoding::percent_decode_str(&text).decode_utf8();
        text.ok().map(std::borrow::Cow::into_owned)
    };
    Some((plain(id)?, plain(secret)?))
}

fn decode(text: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()?;
    String::from_utf8(bytes).ok()
}
