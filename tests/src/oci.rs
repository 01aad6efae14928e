//! A container registry of one's own: Debian's `docker-registry`, with TLS and passwords or with neither.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use oci_client::Reference;
use oci_client::client::{
    Certificate, CertificateEncoding, Client, ClientConfig, ClientProtocol, Config, ImageLayer,
};
use oci_client::secrets::RegistryAuth;
use tempfile::TempDir;

use crate::pki::{Authority, Pair};

/// Who may pull and push where somebody has to be.
pub const USER: &str = "robot";
/// With which password.
pub const PASSWORD: &str = "sesame-registry";
/// The same as the registry has it, bcrypt.
const HTPASSWD: &str = "robot:$2y$05$abcdefghijklmnopqrstuubcTmcGIxRdYVDb2oD5t.chRY6fndSVC\n";

/// A running registry. Killed when dropped.
pub struct Registry {
    child: Child,
    port: u16,
    authority: Option<Authority>,
    _directory: TempDir,
}

impl Registry {
    /// Over plain HTTP, open to everybody.
    pub async fn plain() -> Result<Self> {
        Self::start(None).await
    }

    /// Over TLS, for [`USER`] only.
    pub async fn guarded() -> Result<Self> {
        Self::start(Some(Authority::new()?)).await
    }

    async fn start(authority: Option<Authority>) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("tombolo-registry-")
            .tempdir()?;
        let home = directory.path().display().to_string();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut configuration = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {home}/data\nhttp:\n  addr: 127.0.0.1:{port}\n"
        );
        if let Some(authority) = &authority {
            let Pair { certificate, key } = authority.server("registry")?;
            configuration.push_str(&format!(
                "  tls:\n    certificate: {}\n    key: {}\nauth:\n  htpasswd:\n    realm: test\n    path: {home}/htpasswd\n",
                certificate.display(),
                key.display()
            ));
            std::fs::write(directory.path().join("htpasswd"), HTPASSWD)?;
        }
        let file = directory.path().join("config.yml");
        std::fs::write(&file, configuration)?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context(
                "cannot start docker-registry; Debian, Ubuntu: apt-get install docker-registry",
            )?;
        let registry = Self {
            child,
            port,
            authority,
            _directory: directory,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_err()
        {
            ensure!(Instant::now() < deadline, "the registry never listens");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(registry)
    }

    /// `localhost:PORT`.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The certificate of who signed its own, PEM.
    pub fn ca(&self) -> Result<Vec<u8>> {
        self.authority
            .as_ref()
            .context("a plain registry has no certificate")?
            .pem()
    }

    /// Pushes a connector, and its signature if there is one. Answers the manifest's digest.
    pub async fn push(
        &self,
        reference: &str,
        component: &[u8],
        signature: Option<&str>,
    ) -> Result<String> {
        // Whoever made the first client of this process has installed the provider.
        crate::scim::http_client(None)?;
        let mut config = ClientConfig::default();
        let mut auth = RegistryAuth::Anonymous;
        if self.authority.is_some() {
            config.tls_certs_only = vec![Certificate {
                encoding: CertificateEncoding::Pem,
                data: self.ca()?,
            }];
            auth = RegistryAuth::Basic(USER.to_owned(), PASSWORD.to_owned());
        } else {
            config.protocol = ClientProtocol::Http;
        }
        let client = Client::try_from(config)?;
        let reference: Reference = reference.parse()?;
        let mut layers = vec![ImageLayer::new(
            component.to_vec(),
            "application/wasm".to_owned(),
            None,
        )];
        if let Some(signature) = signature {
            let title = (
                "org.opencontainers.image.title".to_owned(),
                "connector.wasm.minisig".to_owned(),
            );
            layers.push(ImageLayer::new(
                signature.as_bytes().to_vec(),
                "application/vnd.oci.image.layer.v1.tar".to_owned(),
                Some(BTreeMap::from([title])),
            ));
        }
        let settings = Config::new(
            b"{}".to_vec(),
            "application/vnd.wasm.config.v0+json".to_owned(),
            None,
        );
        client
            .push(&reference, &layers, settings, &auth, None)
            .await?;
        Ok(client.fetch_manifest_digest(&reference, &auth).await?)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
