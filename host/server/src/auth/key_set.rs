//! An issuer's public keys (JWKS, RFC 7517), kept over its outages.
//!
//! | the key that a token names | what is done |
//! |---|---|
//! | is known, and the set is fresh | it is used |
//! | is known, and the set is a day old | it is used, and the set is fetched beside |
//! | is not known | the set is fetched at once; so a key that the issuer has just begun to use is found |
//! | is not known, and the set was fetched a moment ago too often | nobody can tell: come back later |
//! | is not known, and the set cannot be fetched | the same: this is not the client's fault |
//!
//! A set that was fetched replaces the whole old one: what the issuer withdraws is gone. A set that cannot be fetched,
//! or holds no usable key, changes nothing. What was fetched last is kept in the state directory, so that a restart
//! during an outage changes nothing either.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::DecodingKey;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};
use url::Url;

use super::pace::{Pace, Spent};

/// Microsoft asks to look once a day.
const FRESH: SignedDuration = SignedDuration::from_hours(24);
/// Whoever invents names of keys can make the host ask so often, and no oftener.
const PACE: Pace = Pace {
    burst: 5,
    every: Duration::from_secs(30),
};
const TIMEOUT: Duration = Duration::from_secs(10);
/// Microsoft's set is about 20 KiB.
const LARGEST: usize = 512 << 10;
/// NIST SP 800-131A; Microsoft's have 2048.
const SMALLEST_MODULUS: usize = 2048 / 8;

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer publishes none of this name.
    Unknown,
    /// Nobody can tell at present.
    Unavailable,
}

/// Every issuer's keys, by where they are.
#[derive(Debug)]
pub(super) struct KeySets {
    dir: PathBuf,
    sets: Mutex<HashMap<Url, Arc<KeySet>>>,
}

/// The keys at one address.
#[derive(Debug)]
pub(super) struct KeySet {
    url: Url,
    file: PathBuf,
    current: ArcSwapOption<Keys>,
    /// Held while fetching: whoever waits shares what the first one found, or did not find.
    fetches: tokio::sync::Mutex<Fetches>,
}

/// What was fetched so far.
#[derive(Debug)]
struct Fetches {
    spent: Spent,
    /// When the last one ended, and whether it found anything.
    last: Option<(Instant, bool)>,
}

struct Keys {
    fetched: Timestamp,
    by_id: HashMap<String, DecodingKey>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<_> = self.by_id.keys().collect();
        f.debug_tuple("Keys")
            .field(&self.fetched)
            .field(&ids)
            .finish()
    }
}

/// What is kept on disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    url: String,
    fetched: Timestamp,
    keys: serde_json::Value,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// One RSA key of a set; what is something else does not fit and is left out.
#[derive(Deserialize)]
struct RsaKey {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: String,
    e: String,
}

impl KeySets {
    /// Keeps what it fetches in this directory.
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            sets: Mutex::default(),
        }
    }

    /// The set at an address. Addresses come from the operator's files, so there are few.
    pub(super) fn at(&self, url: &Url) -> Arc<KeySet> {
        let mut sets = self.sets.lock();
        let make = || Arc::new(KeySet::open(url, &self.dir));
        Arc::clone(sets.entry(url.clone()).or_insert_with(make))
    }
}

impl KeySet {
    fn open(url: &Url, dir: &Path) -> Self {
        let digest = hex::encode(Sha256::digest(url.as_str()));
        let file = dir.join(format!("keys-{}.json", &digest[..16]));
        let kept = read(&file).filter(|kept| kept.url == url.as_str());
        let current = kept.and_then(|kept| {
            Some(Keys {
                fetched: kept.fetched,
                by_id: parse(&kept.keys).ok()?,
            })
        });
        Self {
            url: url.clone(),
            file,
            current: ArcSwapOption::from_pointee(current),
            fetches: tokio::sync::Mutex::new(Fetches {
                spent: Spent::nothing(Instant::now()),
                last: None,
            }),
        }
    }

    /// The key of this name.
    pub(super) async fn find(self: &Arc<Self>, id: &str) -> Result<DecodingKey, NoKey> {
        let came = Instant::now();
        let known = self.current.load_full();
        if let Some(keys) = &known
            && let Some(key) = keys.by_id.get(id)
        {
            if Timestamp::now().duration_since(keys.fetched) > FRESH {
                self.refresh_beside();
            }
            return Ok(key.clone());
        }
        let mut fetches = self.fetches.lock().await;
        match fetches.last {
            Some((ended, true)) if ended > came => {}
            Some((ended, false)) if ended > came => return Err(NoKey::Unavailable),
            _ => self.fetch(&mut fetches).await?,
        }
        let keys = self.current.load_full().ok_or(NoKey::Unavailable)?;
        keys.by_id.get(id).cloned().ok_or(NoKey::Unknown)
    }

    fn refresh_beside(self: &Arc<Self>) {
        let set = Arc::clone(self);
        tokio::spawn(async move {
            // Somebody fetches already.
            let Ok(mut fetches) = set.fetches.try_lock() else {
                return;
            };
            // A failure is in the log, and the old set goes on.
            let _ = set.fetch(&mut fetches).await;
        });
    }

    async fn fetch(&self, fetches: &mut Fetches) -> Result<(), NoKey> {
        let now = Instant::now();
        if PACE.wait(fetches.spent, now).is_some() {
            return Err(NoKey::Unavailable);
        }
        fetches.spent = PACE.spend(fetches.spent, now);
        let found = self.download().await;
        fetches.last = Some((Instant::now(), found.is_ok()));
        match found {
            Ok((document, by_id)) => {
                info!(url = %self.url, keys = by_id.len(), "fetched the keys of an issuer");
                let at = Timestamp::now();
                self.keep(at, document);
                self.current
                    .store(Some(Arc::new(Keys { fetched: at, by_id })));
                Ok(())
            }
            Err(why) => {
                let known = self.current.load().is_some();
                warn!(url = %self.url, why, known, "cannot fetch the keys of an issuer; those that are known are still used");
                Err(NoKey::Unavailable)
            }
        }
    }

    async fn download(&self) -> Result<(serde_json::Value, HashMap<String, DecodingKey>), String> {
        let mut answer = client(&self.url)?
            .get(self.url.clone())
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(|why| chain(&why))?;
        let mut text = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|why| chain(&why))? {
            if text.len() + part.len() > LARGEST {
                return Err(format!("the answer is larger than {LARGEST} bytes"));
            }
            text.extend_from_slice(&part);
        }
        let document = serde_json::from_slice(&text).map_err(|why| format!("not JSON: {why}"))?;
        let by_id = parse(&document)?;
        Ok((document, by_id))
    }

    fn keep(&self, fetched: Timestamp, keys: serde_json::Value) {
        let kept = Kept {
            url: self.url.to_string(),
            fetched,
            keys,
        };
        let text = serde_json::to_vec_pretty(&kept).map_err(std::io::Error::other);
        if let Err(why) = text.and_then(|text| crate::files::replace(&self.file, &text)) {
            warn!(file = %self.file.display(), %why, "cannot keep the keys of an issuer; they will have to be fetched after a restart");
        }
    }
}

fn read(file: &Path) -> Option<Kept> {
    let text = std::fs::read(file).ok()?;
    serde_json::from_slice(&text)
        .inspect_err(|why| warn!(file = %file.display(), %why, "not readable; it is written anew"))
        .ok()
}

/// Connections are not kept: a set is fetched once a day.
fn client(url: &Url) -> Result<reqwest::Client, String> {
    // An error says that there is one already, and ring is the only one in this program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("tombolo/", env!("CARGO_PKG_VERSION")));
    if url.scheme() == "http" {
        // On this machine: a proxy would look on its own.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|why| chain(&why))
}

/// The usable keys: RSA, to verify signatures, and not too short. A secret key that somebody published by mistake is
/// not one, so it never verifies anything.
fn parse(document: &serde_json::Value) -> Result<HashMap<String, DecodingKey>, String> {
    let document: Document = serde_json::from_value(document.clone())
        .map_err(|why| format!("not a set of keys: {why}"))?;
    let by_id: HashMap<_, _> = document
        .keys
        .into_iter()
        .filter_map(|key| serde_json::from_value::<RsaKey>(key).ok())
        .filter(|key| key.kty == "RSA" && key.purpose.as_deref().is_none_or(|it| it == "sig"))
        .filter_map(|key| {
            let decoding = DecodingKey::from_rsa_components(&key.n, &key.e).ok()?;
            (super::jwt::modulus_length(&decoding) >= SMALLEST_MODULUS)
                .then_some((key.kid, decoding))
        })
        .collect();
    if by_id.is_empty() {
        Err("there is no usable RSA key in it".to_owned())
    } else {
        Ok(by_id)
    }
}

/// reqwest says "error sending request" and keeps the reason inside.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn public(id: &str) -> Value {
        let modulus = URL_SAFE_NO_PAD.encode([0xff; 256]);
        json!({ "kty": "RSA", "use": "sig", "kid": id, "n": modulus, "e": "AQAB" })
    }

    #[test]
    fn only_keys_that_verify_signatures_and_are_long_enough_are_used() {
        let short = URL_SAFE_NO_PAD.encode([0xff; 128]);
        let document = json!({ "keys": [
            public("good"),
            { "kty": "RSA", "kid": "short", "n": short, "e": "AQAB" },
            { "kty": "RSA", "use": "enc", "kid": "encrypts", "n": short, "e": "AQAB" },
            { "kty": "oct", "kid": "secret", "k": "c2VjcmV0" },
            { "kty": "EC", "kid": "curve", "crv": "P-256", "x": "AA", "y": "AA" },
            { "kty": "RSA", "n": short, "e": "AQAB" },
        ]});
        let found = parse(&document).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["good"]);
        for unusable in [json!({ "keys": [] }), json!({}), json!([public("good")])] {
            assert!(parse(&unusable).is_err(), "{unusable}");
        }
    }

    #[tokio::test]
    async fn a_set_that_is_a_day_old_is_used_once_more_and_fetched_beside() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let url: Url = url.parse().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let body = json!({ "keys": [public("new")] }).to_string();
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let dir = tempfile::tempdir().unwrap();
        let set = KeySet::open(&url, dir.path());
        let old = Timestamp::now() - SignedDuration::from_hours(25);
        set.keep(old, json!({ "keys": [public("old")] }));

        let set = Arc::new(KeySet::open(&url, dir.path()));
        assert!(set.find("old").await.is_ok());
        serving.await.unwrap();
        // Whoever asks for a key that is not known waits for the fetch that is under way.
        assert!(set.find("new").await.is_ok());
        let again = Arc::new(KeySet::open(&url, dir.path()));
        assert!(again.find("new").await.is_ok());
    }
}
