//! A secret store of one's own: OpenBao, the fork of HashiCorp Vault that speaks the same API, in memory, over TLS.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::build::target;

/// Who may do everything. The host never gets it unless a test says so.
pub const ROOT: &str = "root-of-all-secrets";

/// The id of the role that [`OpenBao::app_role`] makes.
pub const ROLE: &str = "tombolo-host";

/// A running OpenBao. Killed when dropped; what is in it is gone then.
pub struct OpenBao {
    child: Option<Child>,
    directory: TempDir,
    port: u16,
}

/// The program.
pub fn program() -> Result<PathBuf> {
    let program = target().join("openbao/bao");
    ensure!(
        program.exists(),
        "there is no {}: these tests run against a real OpenBao; `.ci/openbao` brings it (PyPI)",
        program.display()
    );
    Ok(program)
}

impl OpenBao {
    /// Starts one with an empty KV secrets engine of version 2 at `secret/`.
    pub async fn start() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("tombolo-openbao-")
            .tempdir()?;
        let mut bao = Self {
            child: None,
            directory,
            port: TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
        };
        bao.come_back().await?;
        Ok(bao)
    }

    /// Starts again where it was, with nothing in it.
    pub async fn come_back(&mut self) -> Result<()> {
        self.go_away()?;
        let log = std::fs::File::create(self.directory.path().join("log"))?;
        let child = Command::new(program()?)
            .arg("server")
            .arg("-dev-tls")
            .arg("-dev-no-store-token")
            .arg(format!("-dev-root-token-id={ROOT}"))
            .arg(format!("-dev-listen-address=127.0.0.1:{}", self.port))
            .arg(format!(
                "-dev-tls-cert-dir={}",
                self.directory.path().display()
            ))
            .env("HOME", self.directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start OpenBao")?;
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(60);
        // It listens before it has made its secrets engine.
        while self
            .api(Method::GET, "secret/config", &Value::Null)
            .await
            .is_err()
        {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.directory.path().join("log"))?;
                bail!("OpenBao does not answer: {log}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Stops it; nobody answers at its port.
    pub fn go_away(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Who signed its certificate, PEM.
    pub fn ca(&self) -> Result<Vec<u8>> {
        // Whatever the release calls it.
        for name in ["bao-ca.pem", "vault-ca.pem"] {
            if let Ok(pem) = std::fs::read(self.directory.path().join(name)) {
                return Ok(pem);
            }
        }
        bail!(
            "OpenBao has made no CA in {}",
            self.directory.path().display()
        )
    }

    /// Asks it something as its root.
    pub async fn api(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let mut request = crate::scim::http_client(Some(&self.ca()?))?
            .request(method, format!("{}/v1/{path}", self.url()))
            .bearer_auth(ROOT);
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// A new version of a secret.
    pub async fn put(&self, path: &str, fields: &Value) -> Result<()> {
        let body = json!({ "data": fields });
        self.api(Method::POST, &format!("secret/data/{path}"), &body)
            .await?;
        Ok(())
    }

    /// Deletes the newest version.
    pub async fn delete(&self, path: &str) -> Result<()> {
        self.api(Method::DELETE, &format!("secret/data/{path}"), &Value::Null)
            .await?;
        Ok(())
    }

    /// A policy `reader` that may read below `secret/people`.
    pub async fn reader(&self) -> Result<()> {
        let policy = r#"path "secret/data/people/*" { capabilities = ["read"] }"#;
        self.api(
            Method::PUT,
            "sys/policies/acl/reader",
            &json!({ "policy": policy }),
        )
        .await?;
        Ok(())
    }

    /// A role that signs in as [`ROLE`] with this secret, and reads. Its tokens last as long as it says.
    pub async fn app_role(&self, secret: &str, lasts: &str) -> Result<()> {
        self.api(
            Method::POST,
            "sys/auth/approle",
            &json!({ "type": "approle" }),
        )
        .await?;
        let role = json!({ "token_policies": ["reader"], "token_ttl": lasts });
        self.api(Method::POST, "auth/approle/role/host", &role)
            .await?;
        let id = json!({ "role_id": ROLE });
        self.api(Method::POST, "auth/approle/role/host/role-id", &id)
            .await?;
        let secret = json!({ "secret_id": secret });
        let path = "auth/approle/role/host/custom-secret-id";
        self.api(Method::POST, path, &secret).await?;
        Ok(())
    }

    /// A role for whoever has a token that this key signed, at the mount where Kubernetes' would be.
    pub async fn signed_role(&self, mount: &str, public_key: &str) -> Result<()> {
        self.api(
            Method::POST,
            &format!("sys/auth/{mount}"),
            &json!({ "type": "jwt" }),
        )
        .await?;
        let config = json!({ "jwt_validation_pubkeys": [public_key] });
        self.api(Method::POST, &format!("auth/{mount}/config"), &config)
            .await?;
        let role = json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["openbao"],
            "token_policies": ["reader"],
        });
        self.api(Method::POST, &format!("auth/{mount}/role/host"), &role)
            .await?;
        Ok(())
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        // Nobody to tell.
        let _ = self.go_away();
    }
}
