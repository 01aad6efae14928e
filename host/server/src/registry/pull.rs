//! Connectors out of OCI registries.
//!
//! An artifact is what `oras push REFERENCE csv.wasm:application/wasm csv.wasm.minisig` makes: one layer of WebAssembly,
//! and its signature, if there is one, as a layer of that title. What was pulled is kept in `state/pulled/` by its digest,
//! with what each reference stood for: a host starts without the registry, and a reference by digest is asked for once.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use oci_client::Reference;
use oci_client::client::{Certificate, CertificateEncoding, Client, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWrite;
use tracing::{info, warn};

use super::kept::File;
use crate::config::origin::RegistryFile;
use crate::config::secret::Providers;
use crate::config::{HostFile, Layout};

/// What layers of WebAssembly are called: by the CNCF's guidance, and before it.
const WASM: [&str; 2] = [
    "application/wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
];
/// Where `oras` and others note the name of the file that a layer was.
const TITLE: &str = "org.opencontainers.image.title";
/// Largest connector: as large as the runtime takes one.
const WASM_BYTES: u64 = 64 << 20;
/// Largest signature.
const SIGNATURE_BYTES: u64 = 8 << 10;
/// For connecting, for each read, and for all of it.
const CONNECT: Duration = Duration::from_secs(10);
const READ: Duration = Duration::from_secs(30);
const ALL: Duration = Duration::from_secs(180);

/// Why a connector could not be pulled. Each is the rest of a sentence that begins with the reference.
#[derive(Debug, thiserror::Error)]
pub(super) enum PullError {
    /// The registry is not there.
    #[error("the registry is not reached: {0}")]
    Unreached(String),
    /// It said no.
    #[error("the registry refuses: {0}")]
    Refused(String),
    /// What is there is no connector.
    #[error("it is no connector: {0}")]
    Artifact(String),
    /// The host's own side of it.
    #[error("{0}")]
    Here(String),
}

impl PullError {
    /// What to do.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Unreached(_) => {
                "is the registry up, and its certificate signed by an authority that is trusted? `ca` and `plain-http` stand under `[connectors.registries.\"HOST\"]` in tombolo.toml"
            }
            Self::Refused(_) => {
                "does the reference exist, and may `user` under `[connectors.registries.\"HOST\"]` in tombolo.toml pull it?"
            }
            Self::Artifact(_) => {
                "push one file: `oras push REFERENCE connector.wasm:application/wasm`"
            }
            Self::Here(_) => "correct `[connectors.registries.\"HOST\"]` in tombolo.toml",
        }
    }
}

impl From<OciDistributionError> for PullError {
    fn from(error: OciDistributionError) -> Self {
        match error {
            OciDistributionError::RequestError(error) => Self::Unreached(chain(&error)),
            OciDistributionError::IoError(error) => Self::Artifact(error.to_string()),
            other => Self::Refused(chain(&other)),
        }
    }
}

/// An error with its causes: reqwest's own words leave out what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

/// What a reference stood for when it was asked for last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Resolved {
    /// The manifest's digest.
    manifest: String,
    /// SHA-256 of the WebAssembly.
    sha256: String,
    /// The signature's text.
    signature: Option<String>,
}

/// Pulls, one at a time, and remembers.
#[derive(Debug)]
pub(super) struct Puller {
    directory: PathBuf,
    layout: Layout,
    registries: BTreeMap<String, RegistryFile>,
    secrets: Arc<Providers>,
    turn: tokio::sync::Mutex<()>,
}

impl Puller {
    pub(super) fn new(layout: &Layout, host: &HostFile, secrets: Arc<Providers>) -> Self {
        Self {
            directory: layout.dir().join(&host.store).join("pulled"),
            layout: layout.clone(),
            registries: host.connectors.registries.clone(),
            secrets,
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// The connector's file. A tag is asked for anew; where the registry is not reached, what it was last time will do.
    pub(super) async fn fetch(&self, reference: &Reference) -> Result<File, PullError> {
        let _turn = self.turn.lock().await;
        let key = reference.whole();
        let mut index = self.index();
        let known = index
            .get(&key)
            .and_then(|resolved| Some((resolved.clone(), self.read(resolved)?)));
        if let (Some(_), Some((_, file))) = (reference.digest(), &known) {
            return Ok(file.clone());
        }
        let asked = tokio::time::timeout(ALL, self.ask(reference, known.as_ref()))
            .await
            .unwrap_or_else(|_| Err(PullError::Unreached(format!("no answer within {ALL:?}"))));
        match (asked, known) {
            (Ok((resolved, file)), known) => {
                if known.is_none_or(|(before, _)| before != resolved) {
                    info!(%reference, manifest = resolved.manifest, sha256 = resolved.sha256, "connector pulled");
                    index.insert(key, resolved.clone());
                    self.write(&index, &resolved, &file)
                        .map_err(|why| PullError::Here(format!("it cannot be kept: {why}")))?;
                }
                Ok(file)
            }
            (Err(why @ PullError::Unreached(_)), Some((resolved, file))) => {
                warn!(%reference, sha256 = resolved.sha256, %why, "the connector is taken as it was pulled last time");
                Ok(file)
            }
            (Err(why), _) => Err(why),
        }
    }

    async fn ask(
        &self,
        reference: &Reference,
        known: Option<&(Resolved, File)>,
    ) -> Result<(Resolved, File), PullError> {
        let rules = self.registries.get(reference.registry());
        let client = self.client(reference, rules)?;
        let auth = self.auth(rules).await?;
        let (manifest, digest) = client.pull_image_manifest(reference, &auth).await?;
        if let Some(known) = known.filter(|(known, _)| known.manifest == digest) {
            return Ok(known.clone());
        }
        let code: Vec<&OciDescriptor> = manifest
            .layers
            .iter()
            .filter(|layer| WASM.contains(&layer.media_type.as_str()))
            .collect();
        let [code] = code[..] else {
            return Err(PullError::Artifact(format!(
                "it has {} layers of the type `application/wasm`, and must have one",
                code.len()
            )));
        };
        let bytes = blob(&client, reference, code, WASM_BYTES).await?;
        let signed = manifest.layers.iter().find(|layer| {
            let title = layer
                .annotations
                .as_ref()
                .and_then(|notes| notes.get(TITLE));
            title.is_some_and(|title| title.ends_with(".minisig"))
        });
        let signature = match signed {
            Some(layer) => {
                let text = blob(&client, reference, layer, SIGNATURE_BYTES).await?;
                Some(String::from_utf8_lossy(&text).into_owned())
            }
            None => None,
        };
        let resolved = Resolved {
            manifest: digest,
            sha256: hex::encode(Sha256::digest(&bytes)),
            signature: signature.clone(),
        };
        Ok((resolved, File { bytes, signature }))
    }

    fn client(
        &self,
        reference: &Reference,
        rules: Option<&RegistryFile>,
    ) -> Result<Client, PullError> {
        // An error says that a provider is installed already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ca = rules.and_then(|rules| rules.ca.as_ref());
        let mut config = ClientConfig {
            connect_timeout: Some(CONNECT),
            read_timeout: Some(READ),
            user_agent: concat!("tombolo/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        if let Some(ca) = ca {
            let path = self.layout.dir().join(ca);
            let certificates: Vec<_> = CertificateDer::pem_file_iter(&path)
                .and_then(Iterator::collect)
                .map_err(|why| PullError::Here(format!("`{}`: {why}", ca.display())))?;
            let trusted = certificates
                .into_iter()
                .map(|der: CertificateDer<'_>| Certificate {
                    encoding: CertificateEncoding::Der,
                    data: der.to_vec(),
                });
            config.tls_certs_only = trusted.collect();
        }
        let plain = rules
            .and_then(|rules| rules.plain_http)
            .unwrap_or_else(|| ca.is_none() && is_loopback(reference.registry()));
        if plain {
            config.protocol = ClientProtocol::Http;
        }
        Client::try_from(config).map_err(PullError::from)
    }

    async fn auth(&self, rules: Option<&RegistryFile>) -> Result<RegistryAuth, PullError> {
        let Some((user, password)) =
            rules.and_then(|rules| Some((rules.user.as_ref()?, rules.password.as_ref()?)))
        else {
            return Ok(RegistryAuth::Anonymous);
        };
        self.secrets.fetch([password]).await;
        let password = self
            .secrets
            .resolve(password)
            .map_err(|why| PullError::Here(why.to_string()))?;
        Ok(RegistryAuth::Basic(
            user.clone(),
            password.expose_secret().to_owned(),
        ))
    }

    fn index(&self) -> BTreeMap<String, Resolved> {
        std::fs::read(self.directory.join("index.json"))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// What was pulled, if it is what it was.
    fn read(&self, resolved: &Resolved) -> Option<File> {
        let bytes = std::fs::read(self.path(&resolved.sha256)).ok()?;
        (hex::encode(Sha256::digest(&bytes)) == resolved.sha256).then(|| File {
            bytes,
            signature: resolved.signature.clone(),
        })
    }

    fn write(
        &self,
        index: &BTreeMap<String, Resolved>,
        resolved: &Resolved,
        file: &File,
    ) -> io::Result<()> {
        std::fs::create_dir_all(&self.directory)?;
        crate::files::replace(&self.path(&resolved.sha256), &file.bytes)?;
        let text = serde_json::to_vec_pretty(index).map_err(io::Error::other)?;
        crate::files::replace(&self.directory.join("index.json"), &text)?;
        // What no reference stands for any more goes; who still serves it has kept it.
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let is_code = path
                .extension()
                .is_some_and(|extension| extension == "wasm");
            if is_code && !index.values().any(|resolved| resolved.sha256 == *stem) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{digest}.wasm"))
    }
}

async fn blob(
    client: &Client,
    reference: &Reference,
    layer: &OciDescriptor,
    limit: u64,
) -> Result<Vec<u8>, PullError> {
    let size = u64::try_from(layer.size).unwrap_or(u64::MAX);
    if size > limit {
        return Err(PullError::Artifact(format!(
            "a layer has {size} bytes, and {limit} are allowed"
        )));
    }
    let mut bounded = Bounded {
        bytes: Vec::new(),
        left: usize::try_from(size).unwrap_or(usize::MAX),
    };
    client.pull_blob(reference, layer, &mut bounded).await?;
    Ok(bounded.bytes)
}

/// Takes no more than was announced.
struct Bounded {
    bytes: Vec<u8>,
    left: usize,
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            return Poll::Ready(Err(io::Error::other(
                "a layer is larger than was announced",
            )));
        };
        self.left = left;
        self.bytes.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Whether a registry, given with or without its port, is on this machine.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => registry.split(':').next(),
    }
    .unwrap_or_default();
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine() {
        for here in ["localhost", "127.0.0.1:5000", "[::1]:5000", "localhost:80"] {
            assert!(is_loopback(here), "{here}");
        }
        for away in [
            "registry.example.org",
            "10.0.0.1:5000",
            "localhost.example.org",
            "",
        ] {
            assert!(!is_loopback(away), "{away}");
        }
    }
}
