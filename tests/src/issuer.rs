//! An issuer of tokens as Entra is one: signing keys that change, and a place where the public ones can be fetched.
//!
//! openssl makes the keys and the signatures, so that nothing here can agree with the host by having its mistakes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::pki::openssl;

/// The tenant of every token here, unless a test says otherwise.
pub const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
/// The object id of Entra's provisioning service in that tenant.
pub const SUBJECT: &str = "f7a94a43-6d8c-4a5b-9a53-0a5f3e1f6a11";
/// The bare application id that real tokens carry as audience.
pub const AUDIENCE: &str = "2f1c0d5e-7e0b-4a43-9a20-1f0b6f3f4a22";

/// A signing key.
#[derive(Clone, Debug)]
pub struct Key {
    /// `kid`
    pub id: String,
    pem: String,
    modulus: Vec<u8>,
}

/// The issuer: its keys on disk, its public ones on loopback.
pub struct Issuer {
    dir: TempDir,
    port: u16,
    published: Arc<Mutex<Value>>,
    fetches: Arc<AtomicUsize>,
    serving: Option<JoinHandle<()>>,
}

impl Issuer {
    /// Publishes nothing yet.
    pub async fn start() -> Result<Self> {
        let mut issuer = Self {
            dir: tempfile::Builder::new()
                .prefix("tombolo-issuer-")
                .tempdir()?,
            port: 0,
            published: Arc::new(Mutex::new(json!({ "keys": [] }))),
            fetches: Arc::default(),
            serving: None,
        };
        issuer.come_back().await?;
        Ok(issuer)
    }

    /// Where the public keys are.
    pub fn keys_url(&self) -> String {
        format!("http://127.0.0.1:{}/keys", self.port)
    }

    /// `iss` of its assertions.
    pub fn issuer(&self) -> String {
        format!("https://login.example.test/{TENANT}/v2.0")
    }

    /// How often the public keys were fetched.
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// A new key of 2048 bits, not published yet.
    pub fn key(&self, id: &str) -> Result<Key> {
        self.key_of(id, 2048)
    }

    /// The same, as long as the test wants it.
    pub fn key_of(&self, id: &str, bits: u32) -> Result<Key> {
        let file = format!("{id}.pem");
        let bits = format!("rsa_keygen_bits:{bits}");
        let dir = self.dir.path();
        openssl(
            dir,
            &[
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                &bits,
                "-out",
                &file,
            ],
        )?;
        let said = openssl(dir, &["rsa", "-in", &file, "-noout", "-modulus"])?;
        let said = String::from_utf8(said)?;
        let digits = said.trim().strip_prefix("Modulus=").context("no modulus")?;
        Ok(Key {
            id: id.to_owned(),
            pem: file,
            modulus: hex::decode(digits)?,
        })
    }

    /// From now on these are the public keys.
    pub fn publish(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
        self.publish_document(json!({ "keys": keys }));
    }

    /// From now on this is what is fetched.
    pub fn publish_document(&self, document: Value) {
        *self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = document;
    }

    /// Nobody listens any more.
    pub async fn go_away(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            // Aborted or ended, the port is free when it is over.
            let _ = serving.await;
        }
    }

    /// Listens again, at the same place.
    pub async fn come_back(&mut self) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        self.port = listener.local_addr()?.port();
        let (published, fetches) = (Arc::clone(&self.published), Arc::clone(&self.fetches));
        self.serving = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                fetches.fetch_add(1, Ordering::SeqCst);
                let body = published
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .to_string();
                // A client that goes away misses its answer.
                let _ = answer(stream, &body).await;
            }
        }));
        Ok(())
    }

    /// What Entra's assertion says, good from now for an hour; `uti` is new each time.
    pub fn claims(&self) -> Value {
        let now = now();
        json!({
            "iss": self.issuer(), "aud": AUDIENCE, "sub": SUBJECT, "oid": SUBJECT, "tid": TENANT,
            "iat": now, "nbf": now, "exp": now + 3600, "azp": SUBJECT, "azpacr": "2", "ver": "2.0",
            "uti": uuid::Uuid::new_v4().simple().to_string(),
        })
    }

    /// A token under this key.
    pub fn sign(&self, key: &Key, claims: &Value) -> Result<String> {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": key.id });
        self.sign_with(key, &header, claims)
    }

    /// The same with a header of the test's making; the signature is what the header says, or RS256.
    pub fn sign_with(&self, key: &Key, header: &Value, claims: &Value) -> Result<String> {
        let text = signing_input(header, claims);
        std::fs::write(self.dir.path().join("text"), &text)?;
        let digest = match header["alg"].as_str() {
            Some("RS512") => "-sha512",
            _ => "-sha256",
        };
        let arguments = ["dgst", digest, "-sign", &key.pem, "text"];
        let signature = openssl(self.dir.path(), &arguments)?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// A token under HMAC with this as its secret: what a forger makes of a public key.
    pub fn hmac(&self, secret: &[u8], header: &Value, claims: &Value) -> Result<String> {
        let text = signing_input(header, claims);
        std::fs::write(self.dir.path().join("text"), &text)?;
        let key = format!("hexkey:{}", hex::encode(secret));
        let arguments = [
            "dgst", "-sha256", "-mac", "HMAC", "-macopt", &key, "-binary", "text",
        ];
        let signature = openssl(self.dir.path(), &arguments)?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// A key's public half, PEM.
    pub fn public_pem(&self, key: &Key) -> Result<Vec<u8>> {
        openssl(self.dir.path(), &["rsa", "-in", &key.pem, "-pubout"])
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

impl Key {
    /// The same key under another name.
    #[must_use]
    pub fn called(&self, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            ..self.clone()
        }
    }

    /// As a key set shows it. openssl's exponent is 65537.
    pub fn public(&self) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "kid": self.id, "x5t": self.id, "e": "AQAB",
            "n": URL_SAFE_NO_PAD.encode(&self.modulus), "issuer": "https://login.example.test/{tenantid}/v2.0",
        })
    }
}

/// Header and claims as they are signed.
pub fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// The claims without one of them.
#[must_use]
pub fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    if let Some(claims) = claims.as_object_mut() {
        claims.remove(name);
    }
    claims
}

/// The claims with one of them changed.
#[must_use]
pub fn with(claims: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims.clone();
    claims[name] = value.into();
    claims
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

async fn answer(mut stream: TcpStream, body: &str) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < 16 << 10, "the head has no end");
        head.push(stream.read_u8().await?);
    }
    let text = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}
