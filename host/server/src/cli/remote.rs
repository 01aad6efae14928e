//! A SCIM server somewhere: where it is, and how to sign in to it, from the command line.
//!
//! A secret need not stand on the command line, where every user of the machine can read it: it may come from a file or
//! an environment variable.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use secrecy::SecretString;
use tombolo_client::http::{ClientCredentials, Credentials, Endpoint, Options, Sent};
use url::Url;

/// Read when no other option has the token.
const TOKEN: &str = "TOMBOLO_TOKEN";
/// Read when no other option has the client's secret.
const CLIENT_SECRET: &str = "TOMBOLO_CLIENT_SECRET";

#[derive(Debug, Args)]
pub(super) struct Remote {
    /// The SCIM base URL: Entra's "Tenant URL", without a flag behind it.
    #[arg(long)]
    url: Option<String>,
    /// The bearer token: Entra's "Secret Token". Better given by file, or in TOMBOLO_TOKEN.
    #[arg(long, value_parser = secret, group = "sign-in")]
    token: Option<SecretString>,
    /// The environment variable that holds the token, if not TOMBOLO_TOKEN.
    #[arg(long, value_name = "NAME", group = "sign-in")]
    token_env: Option<String>,
    /// The file that holds the token.
    #[arg(long, value_name = "FILE", group = "sign-in")]
    token_file: Option<PathBuf>,
    /// OAuth 2.0 client credentials: the token endpoint.
    #[arg(long, value_name = "URL", group = "sign-in", requires = "client_id")]
    token_url: Option<Url>,
    /// OAuth 2.0 client credentials: the client's id. Its secret is in TOMBOLO_CLIENT_SECRET, or where one of the next two says.
    #[arg(long, value_name = "ID", requires = "token_url")]
    client_id: Option<String>,
    /// The environment variable that holds the client's secret, if not TOMBOLO_CLIENT_SECRET.
    #[arg(long, value_name = "NAME", group = "secret", requires = "token_url")]
    client_secret_env: Option<String>,
    /// The file that holds the client's secret.
    #[arg(long, value_name = "FILE", group = "secret", requires = "token_url")]
    client_secret_file: Option<PathBuf>,
    /// Scopes to ask the token endpoint for, separated by blanks.
    #[arg(long, value_name = "SCOPES", requires = "token_url")]
    scope: Option<String>,
    /// Where client id and secret are put: Entra's "How credentials are sent".
    #[arg(long, value_enum, default_value_t = SentIn::Header)]
    credentials_in: SentIn,
    /// PEM file of authorities to trust besides the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// How many seconds a request may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SentIn {
    /// The Authorization header (client_secret_basic).
    Header,
    /// The body (client_secret_post).
    Body,
    /// Both.
    Both,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "clap wants a parser that may fail"
)]
fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.into())
}

impl Remote {
    /// A client of it.
    pub(super) fn endpoint(&self) -> anyhow::Result<Endpoint> {
        let url = self.url.as_deref().context("--url is missing")?;
        let ca = self
            .ca
            .as_ref()
            .map(|path| {
                std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
            })
            .transpose()?;
        let options = Options {
            ca,
            timeout: Some(Duration::from_secs(self.timeout)),
        };
        Ok(Endpoint::new(url, self.credentials()?, &options)?)
    }

    fn credentials(&self) -> anyhow::Result<Credentials> {
        if let (Some(endpoint), Some(client_id)) = (&self.token_url, &self.client_id) {
            let secret = stored(
                self.client_secret_env.as_deref(),
                self.client_secret_file.as_ref(),
                CLIENT_SECRET,
            )?;
            let Some(secret) = secret else {
                bail!(
                    "there is no client secret: set {CLIENT_SECRET}, or use --client-secret-env or --client-secret-file"
                );
            };
            return Ok(Credentials::ClientCredentials(ClientCredentials {
                endpoint: endpoint.clone(),
                client_id: client_id.clone(),
                secret,
                scope: self.scope.clone(),
                sent: match self.credentials_in {
                    SentIn::Header => Sent::Header,
                    SentIn::Body => Sent::Body,
                    SentIn::Both => Sent::Both,
                },
            }));
        }
        if let Some(token) = &self.token {
            return Ok(Credentials::Bearer(token.clone()));
        }
        match stored(self.token_env.as_deref(), self.token_file.as_ref(), TOKEN)? {
            Some(token) => Ok(Credentials::Bearer(token)),
            None => bail!(
                "there is no token: set {TOKEN}, use --token-env, --token-file or --token, or sign in with --token-url and --client-id"
            ),
        }
    }
}

/// A secret from where an option says, or from the usual variable; none if that is not set.
fn stored(
    variable: Option<&str>,
    file: Option<&PathBuf>,
    usual: &str,
) -> anyhow::Result<Option<SecretString>> {
    let text = match (variable, file) {
        (Some(name), _) => std::env::var(name)
            .with_context(|| format!("the environment variable {name} holds no text"))?,
        (None, Some(path)) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?,
        (None, None) => match std::env::var(usual) {
            Ok(text) => text,
            Err(_) => return Ok(None),
        },
    };
    let text = text.trim();
    if text.is_empty() {
        bail!("the secret is empty");
    }
    Ok(Some(text.into()))
}
