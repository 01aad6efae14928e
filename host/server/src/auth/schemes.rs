//! What ServiceProviderConfig says of the ways to sign in (RFC 7643, section 5).

use tombolo_scim::discovery::AuthenticationScheme;

use crate::config::auth::Auth;

/// The ways that an app accepts, the one to choose first. Certificates and addresses are conditions besides, for which
/// the RFC has no word.
pub fn schemes(auth: &Auth) -> Vec<AuthenticationScheme> {
    let mut schemes = Vec::new();
    if auth.federation.is_some() {
        schemes.push(AuthenticationScheme {
            kind: "oauth2".to_owned(),
            name: "OAuth 2.0 JWT client assertion".to_owned(),
            description: "An access token from `oauth2/token` beside `scim/v2`, for an assertion that the identity provider signs (RFC 7523).".to_owned(),
        });
    }
    if !auth.clients.is_empty() {
        schemes.push(AuthenticationScheme {
            kind: "oauth2".to_owned(),
            name: "OAuth 2.0 client credentials".to_owned(),
            description: "An access token from `oauth2/token` beside `scim/v2`, for a client secret in the header or in the body (RFC 6749, section 4.4).".to_owned(),
        });
    }
    if !auth.tokens.is_empty() || auth.entra.is_some() || schemes.is_empty() {
        schemes.push(AuthenticationScheme::bearer());
    }
    schemes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::auth::Client;

    #[test]
    fn what_is_not_configured_is_not_offered() {
        let kinds = |auth: &Auth| -> Vec<String> {
            schemes(auth)
                .into_iter()
                .map(|scheme| scheme.kind)
                .collect()
        };
        let mut auth = Auth::default();
        assert_eq!(kinds(&auth), ["oauthbearertoken"]);
        auth.clients.push(Client {
            id: "entra".to_owned(),
            secrets: Vec::new(),
        });
        assert_eq!(kinds(&auth), ["oauth2"]);
    }
}
