//! `[secret-providers]` of `tombolo.toml`: who has secrets, besides the environment and files.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use super::SecretSource;
use crate::config::diagnostic::{Diagnostic, Source};
use crate::config::reader::{Section, Sink};

/// How old what Vault said may be.
const REFRESH: Duration = Duration::from_mins(1);
/// Where a pod finds what shows who it is.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Who has secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderFile {
    /// A directory with a file a secret, as Kubernetes mounts one.
    Directory {
        /// Relative to the configuration directory.
        path: PathBuf,
        /// Where that stands.
        at: Range<usize>,
    },
    /// HashiCorp Vault or OpenBao, secrets engine KV version 2.
    Vault(Box<VaultFile>),
}

/// How Vault is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultFile {
    /// Scheme, host, port, and a path if it is behind a proxy.
    pub url: Url,
    /// Where the secrets engine is mounted.
    pub mount: String,
    /// The namespace, of those editions that have some.
    pub namespace: Option<String>,
    /// PEM file of the authorities to trust instead of the system's, relative to the configuration directory.
    pub ca: Option<(PathBuf, Range<usize>)>,
    /// How the host shows who it is.
    pub auth: VaultAuth,
    /// How old an answer may be: after so long it is asked for again.
    pub refresh: Duration,
}

/// How the host shows Vault who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultAuth {
    /// With a token that somebody else looks after, such as Vault Agent.
    Token(SecretSource),
    /// With the id of a role and a secret.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// The role's id; no secret.
        role_id: String,
        /// Its secret.
        secret_id: SecretSource,
    },
    /// With a signed token of the platform: a pod's service account, or any JSON Web Token.
    Jwt {
        /// Where the method is mounted.
        mount: String,
        /// The role to take.
        role: String,
        /// The signed token; read anew for each sign-in, because it is replaced before it ends.
        jwt: SecretSource,
    },
}

/// Whether a provider may be called so. The two notations that need none are taken.
pub(super) fn is_provider_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !matches!(name, "env" | "file")
}

#[derive(Clone, Copy)]
enum Kind {
    Directory,
    Vault,
}

pub(in crate::config) fn read(section: Section<'_>, sink: &Sink) -> BTreeMap<String, ProviderFile> {
    let mut providers = BTreeMap::new();
    for (name, mut section) in section.named_sections() {
        if !is_provider_name(&name) {
            sink.error_hint(
                section.span(),
                format!("`{name}` cannot be the name of a secret provider"),
                "small letters, digits and `-`, beginning with a letter; `env` and `file` are taken",
            );
        }
        let kinds = [("directory", Kind::Directory), ("vault", Kind::Vault)];
        if !section.has("kind") {
            section.required_text("kind", "say what it is: \"directory\" or \"vault\"");
            continue;
        }
        let Some(kind) = section.choice("kind", &kinds) else {
            continue;
        };
        let provider = match kind {
            Kind::Directory => section
                .required_text("path", "such as `path = \"/run/secrets\"`")
                .map(|path| ProviderFile::Directory {
                    path: path.value.into(),
                    at: path.span,
                }),
            Kind::Vault => vault(&mut section).map(|vault| ProviderFile::Vault(Box::new(vault))),
        };
        section.finish();
        providers.extend(provider.map(|provider| (name, provider)));
    }
    providers
}

fn vault(section: &mut Section<'_>) -> Option<VaultFile> {
    if !section.has("url") {
        section.required_text("url", "such as `url = \"https://vault.example.org:8200\"`");
    }
    let url = section.parsed("url", url);
    let mount = section.parsed("mount", path);
    let namespace = section.parsed("namespace", path);
    let ca = section.text("ca").map(|ca| (ca.value.into(), ca.span));
    let refresh = section.duration("refresh").unwrap_or(REFRESH);
    if !section.has("auth") {
        section.required_text(
            "auth",
            "such as `auth = { kind = \"approle\", role-id = \"…\", secret-id = \"file:PATH\" }`",
        );
    }
    let auth = section.section("auth").and_then(auth);
    Some(VaultFile {
        url: url?.value,
        mount: mount.map_or_else(|| "secret".to_owned(), |mount| mount.value),
        namespace: namespace.map(|namespace| namespace.value),
        ca,
        auth: auth?,
        refresh,
    })
}

#[derive(Clone, Copy)]
enum Method {
    Token,
    AppRole,
    Kubernetes,
    Jwt,
}

fn auth(mut section: Section<'_>) -> Option<VaultAuth> {
    let methods = [
        ("token", Method::Token),
        ("approle", Method::AppRole),
        ("kubernetes", Method::Kubernetes),
        ("jwt", Method::Jwt),
    ];
    if !section.has("kind") {
        section.required_text(
            "kind",
            "say how: \"token\", \"approle\", \"kubernetes\" or \"jwt\"",
        );
        return None;
    }
    let method = section.choice("kind", &methods)?;
    let mut mount = |usual: &str| {
        let mount = section.parsed("mount", path);
        mount.map_or_else(|| usual.to_owned(), |mount| mount.value)
    };
    let auth = match method {
        Method::Token => secret(&mut section, "token").map(VaultAuth::Token),
        Method::AppRole => {
            let mount = mount("approle");
            let role_id = section.required_text("role-id", "the role's id, which is no secret");
            let secret_id = secret(&mut section, "secret-id");
            role_id
                .zip(secret_id)
                .map(|(role, secret_id)| VaultAuth::AppRole {
                    mount,
                    role_id: role.value,
                    secret_id,
                })
        }
        Method::Kubernetes => {
            let mount = mount("kubernetes");
            let jwt = if section.has("jwt") {
                secret(&mut section, "jwt")
            } else {
                Some(SecretSource::File(POD_TOKEN.into()))
            };
            let role = section.required_text("role", "the role to take");
            role.zip(jwt).map(|(role, jwt)| VaultAuth::Jwt {
                mount,
                role: role.value,
                jwt,
            })
        }
        Method::Jwt => {
            let mount = mount("jwt");
            let role = section.required_text("role", "the role to take");
            let jwt = secret(&mut section, "jwt");
            role.zip(jwt).map(|(role, jwt)| VaultAuth::Jwt {
                mount,
                role: role.value,
                jwt,
            })
        }
    };
    section.finish();
    auth
}

fn secret(section: &mut Section<'_>, key: &'static str) -> Option<SecretSource> {
    if !section.has(key) {
        section.required_text(key, "write \"env:NAME\" or \"file:PATH\"");
        return None;
    }
    let found = section.parsed(key, SecretSource::parse_own);
    found.map(|found| found.value)
}

/// Secrets go over it, so it is encrypted wherever it leaves the machine.
fn url(text: &str) -> Result<Url, String> {
    let good = "must be a URL such as \"https://vault.example.org:8200\"";
    let url = Url::parse(text).map_err(|_| good.to_owned())?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err(good.to_owned()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold credentials: they belong into `auth`".to_owned());
    }
    match url.scheme() {
        _ if url.query().is_some() || url.fragment().is_some() => Err(good.to_owned()),
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err("would carry secrets unencrypted: use https://".to_owned()),
        _ => Err(good.to_owned()),
    }
}

/// A path within Vault: of a mount, of a namespace, of a secret.
pub(super) fn path(text: &str) -> Result<String, String> {
    let text = text.trim_matches('/');
    let sane = |part: &str| !matches!(part, "" | "." | "..");
    if text.split('/').all(sane) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("must be a path such as \"secret\" or \"team/kv\"".to_owned())
    }
}

/// What is wrong with the files that it names.
pub(in crate::config) fn check(
    providers: &BTreeMap<String, ProviderFile>,
    dir: &Path,
    source: &Arc<Source>,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, provider) in providers {
        match provider {
            ProviderFile::Directory { path, at } if !dir.join(path).is_dir() => {
                let message = format!(
                    "secret provider `{name}`: `{}` is not a directory",
                    path.display()
                );
                found.push(
                    Diagnostic::error(source, at.clone(), message)
                        .hint("is the secret mounted there?"),
                );
            }
            ProviderFile::Vault(vault) => {
                let Some((file, at)) = &vault.ca else {
                    continue;
                };
                if let Err(why) = std::fs::File::open(dir.join(file)) {
                    let message = format!(
                        "secret provider `{name}`: cannot read the ca `{}`: {why}",
                        file.display()
                    );
                    found.push(
                        Diagnostic::error(source, at.clone(), message)
                            .hint("put the PEM file there, readable by tombolo"),
                    );
                }
            }
            ProviderFile::Directory { .. } => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostFile;

    fn read(text: &str) -> (BTreeMap<String, ProviderFile>, Vec<String>) {
        let at = Path::new("tombolo.toml");
        let source = Source::new(Path::new(""), at, text.to_owned());
        let (host, found) = HostFile::read(&source);
        let said = found.into_iter().map(|found| found.message).collect();
        (host.unwrap_or_default().secret_providers, said)
    }

    #[test]
    fn a_vault_needs_its_address_and_who_the_host_is_there() {
        let (providers, found) = read(
            "[secret-providers.v]\nkind = \"vault\"\nurl = \"https://vault.example.org:8200\"\n\
             auth = { kind = \"kubernetes\", role = \"host\" }\n",
        );
        assert!(found.is_empty(), "{found:?}");
        let Some(ProviderFile::Vault(vault)) = providers.get("v") else {
            panic!("{providers:?}");
        };
        assert_eq!((vault.mount.as_str(), vault.refresh), ("secret", REFRESH));
        assert!(
            matches!(&vault.auth, VaultAuth::Jwt { mount, jwt: SecretSource::File(path), .. }
                if mount == "kubernetes" && path == Path::new(POD_TOKEN))
        );
        for (text, words) in [
            (
                "auth = { kind = \"token\", token = \"file:t\" }",
                "url` is missing",
            ),
            ("url = \"https://v\"", "auth` is missing"),
            (
                "url = \"http://vault.example.org\"\nauth = { kind = \"token\", token = \"file:t\" }",
                "unencrypted",
            ),
            (
                "url = \"https://u:p@v\"\nauth = { kind = \"token\", token = \"file:t\" }",
                "credentials",
            ),
            (
                "url = \"https://v\"\nmount = \"../sys\"\nauth = { kind = \"token\", token = \"file:t\" }",
                "must be a path",
            ),
            (
                "url = \"https://v\"\nauth = { kind = \"token\", token = \"hunter2\" }",
                "env:NAME",
            ),
            (
                "url = \"https://v\"\nauth = { kind = \"token\", token = \"other:x\" }",
                "env:NAME",
            ),
            (
                "url = \"https://v\"\nauth = { kind = \"approle\", role-id = \"r\" }",
                "secret-id` is missing",
            ),
        ] {
            let (_, found) = read(&format!("[secret-providers.v]\nkind = \"vault\"\n{text}\n"));
            assert!(
                found.iter().any(|said| said.contains(words)),
                "{text}: {found:?}"
            );
            assert!(
                !found.iter().any(|said| said.contains("hunter2")),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_provider_cannot_have_the_name_of_a_notation() {
        for name in ["env", "file", "Vault", "a_b", "1st"] {
            let (_, found) = read(&format!(
                "[secret-providers.{name}]\nkind = \"directory\"\npath = \"x\"\n"
            ));
            assert!(
                found.iter().any(|said| said.contains("cannot be the name")),
                "{name}"
            );
        }
    }
}
