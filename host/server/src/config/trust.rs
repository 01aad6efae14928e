//! Whose connectors are let in: `[connectors]` of `tombolo.toml`, and the judgement over one file.
//!
//! Signatures are minisign's: one line of base64 as a key, a small text file beside the connector as a signature, no
//! certificate and no service that has to be reached. They are verified before anything of the file is parsed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{PublicKey, Signature};
use serde::{Deserialize, Serialize};

use super::diagnostic::{Diagnostic, Source};
use super::origin::{self, RegistryFile};
use super::reader::{Located, Section, Sink};

/// Where a trusted key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In the file itself: `RW…`. A public key is no secret.
    Inline(String),
    /// In a file such as `minisign.pub`, relative to the configuration directory.
    File(PathBuf),
}

/// What `[connectors]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorRules {
    /// The keys that may sign connectors.
    pub trusted_keys: Vec<(KeySource, Range<usize>)>,
    /// Whether a connector without a signature is refused. Not said, it is as soon as there is a key.
    pub require_signature: Option<bool>,
    /// How registries are spoken to, by their host and port.
    pub registries: BTreeMap<String, RegistryFile>,
}

impl KeySource {
    fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("file:") {
            Some("") => Err("needs a path after `file:`".to_owned()),
            Some(path) => Ok(Self::File(path.into())),
            None => PublicKey::from_base64(text.trim())
                .map(|_| Self::Inline(text.trim().to_owned()))
                .map_err(|_| {
                    "must be a minisign public key, such as \"RWQf6LRCGA9i…\", or \"file:PATH\" of one".to_owned()
                }),
        }
    }

    /// The key; the error is the rest of a sentence.
    fn load(&self, dir: &Path) -> Result<PublicKey, String> {
        match self {
            Self::Inline(text) => {
                PublicKey::from_base64(text).map_err(|_| "is not a minisign public key".to_owned())
            }
            Self::File(path) => {
                let shown = path.display();
                let text = std::fs::read_to_string(dir.join(path))
                    .map_err(|why| format!("`{shown}` cannot be read: {why}"))?;
                PublicKey::decode(text.trim())
                    .or_else(|_| PublicKey::from_base64(text.trim()))
                    .map_err(|_| format!("`{shown}` holds no minisign public key"))
            }
        }
    }
}

pub(super) fn read(mut section: Section<'_>, sink: &Sink) -> ConnectorRules {
    let span = section.span();
    let trusted_keys = section
        .located_list("trusted-keys", KeySource::parse)
        .unwrap_or_default()
        .into_iter()
        .map(|Located { value, span }| (value, span))
        .collect::<Vec<_>>();
    let require_signature = section.flag("require-signature");
    if require_signature == Some(true) && trusted_keys.is_empty() {
        sink.error_hint(
            span,
            "`connectors.require-signature` without `trusted-keys` lets no connector in",
            "name the public keys: `trusted-keys = [\"RWQf6LRCGA9i…\", \"file:keys/team.pub\"]`",
        );
    }
    let registries = section
        .section("registries")
        .map(|section| origin::registries(section, sink))
        .unwrap_or_default();
    section.finish();
    ConnectorRules {
        trusted_keys,
        require_signature,
        registries,
    }
}

/// What is wrong with the keys themselves.
pub(super) fn check(rules: &ConnectorRules, dir: &Path, source: &Arc<Source>) -> Vec<Diagnostic> {
    rules
        .trusted_keys
        .iter()
        .filter_map(|(key, span)| {
            let why = key.load(dir).err()?;
            let message = format!("a key in `connectors.trusted-keys`: {why}");
            Some(
                Diagnostic::error(source, span.clone(), message)
                    .hint("`minisign -G` makes a pair of keys; the public one belongs here"),
            )
        })
        .collect()
}

/// A signature that was found good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The key's id, as minisign prints it.
    pub key: String,
    /// What the signer says of the file; it is signed too.
    pub comment: String,
}

/// Why a connector is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// There is no signature, and there has to be one.
    #[error("there is no signature beside it, and `connectors.require-signature` wants one")]
    Unsigned,
    /// The signature's file is something else.
    #[error("its `.minisig` is not a minisign signature")]
    Unreadable,
    /// Signed by somebody else.
    #[error("it is signed with the key {0}, which is not among `connectors.trusted-keys`")]
    Stranger(String),
    /// Signed by somebody trusted, but not this.
    #[error(
        "its signature does not fit: the file, or what is said of it, was changed after it was signed with the key {0}"
    )]
    Tampered(String),
}

impl Untrusted {
    /// What to do.
    pub fn hint(&self, file: &str) -> String {
        match self {
            Self::Unsigned => format!(
                "put its author's signature there as `{file}.minisig`, or sign it yourself: `minisign -S -m {file}`"
            ),
            Self::Unreadable => {
                format!("copy `{file}.minisig` again, as `minisign -S` wrote it")
            }
            Self::Stranger(_) => {
                "add the key to `[connectors] trusted-keys` in tombolo.toml, if you know whose it is".to_owned()
            }
            Self::Tampered(_) => format!(
                "get both `{file}` and `{file}.minisig` from their author again; when one of them is still being copied, this passes"
            ),
        }
    }
}

/// The trusted keys, loaded.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    keys: Vec<PublicKey>,
    required: bool,
}

impl Trust {
    /// Keys that cannot be loaded are nobody's: what they should let in is refused.
    pub fn new(rules: &ConnectorRules, dir: &Path) -> Self {
        Self {
            keys: rules
                .trusted_keys
                .iter()
                .filter_map(|(key, _)| key.load(dir).ok())
                .collect(),
            required: rules
                .require_signature
                .unwrap_or(!rules.trusted_keys.is_empty()),
        }
    }

    /// Trusts one key, and nothing that is not signed with it.
    ///
    /// # Errors
    /// The text is no key.
    pub fn in_key(text: &str, dir: &Path) -> Result<Self, String> {
        let key = KeySource::parse(text)?.load(dir)?;
        Ok(Self {
            keys: vec![key],
            required: true,
        })
    }

    /// May these bytes be looked at? `signature` is the text of the file beside them.
    ///
    /// Without any key to hold it against, a signature says nothing and is not looked at.
    ///
    /// # Errors
    /// They may not, and why.
    pub fn judge(
        &self,
        bytes: &[u8],
        signature: Option<&str>,
    ) -> Result<Option<Signed>, Untrusted> {
        let Some(text) = signature.filter(|_| !self.keys.is_empty()) else {
            return if self.required {
                Err(Untrusted::Unsigned)
            } else {
                Ok(None)
            };
        };
        let signature = Signature::decode(text).map_err(|_| Untrusted::Unreadable)?;
        let key = key_id(text).ok_or(Untrusted::Unreadable)?;
        let mut known = false;
        for trusted in &self.keys {
            // Signatures of minisign before 0.6 are over the file and not over its hash: as good, and still about.
            match trusted.verify(bytes, &signature, true) {
                Ok(()) => {
                    return Ok(Some(Signed {
                        key,
                        comment: signature.trusted_comment().to_owned(),
                    }));
                }
                Err(minisign_verify::Error::UnexpectedKeyId) => {}
                Err(_) => known = true,
            }
        }
        Err(if known {
            Untrusted::Tampered(key)
        } else {
            Untrusted::Stranger(key)
        })
    }
}

/// Where minisign puts a signature.
pub fn signature_path(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".minisig");
    path.into()
}

/// The key's id in a signature's second line, as `minisign` prints it: eight bytes, the least of them first.
fn key_id(signature: &str) -> Option<String> {
    let line = signature.lines().nth(1)?;
    let bytes = STANDARD.decode(line.trim()).ok()?;
    let id: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
    Some(format!("{:016X}", u64::from_le_bytes(id)))
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;

    use super::*;

    const BYTES: &[u8] = b"\0asm and so on";

    fn pair() -> KeyPair {
        KeyPair::generate_unencrypted_keypair().unwrap()
    }

    fn sign(pair: &KeyPair, bytes: &[u8]) -> String {
        minisign::sign(
            Some(&pair.pk),
            &pair.sk,
            bytes,
            Some("csv 1.2.0, built by the team"),
            None,
        )
        .unwrap()
        .into_string()
    }

    fn trust(pairs: &[&KeyPair], require: Option<bool>) -> Trust {
        let rules = ConnectorRules {
            trusted_keys: pairs
                .iter()
                .map(|pair| (KeySource::Inline(pair.pk.to_base64()), 0..0))
                .collect(),
            require_signature: require,
            ..ConnectorRules::default()
        };
        Trust::new(&rules, Path::new("/"))
    }

    #[test]
    fn a_signature_of_a_trusted_key_lets_the_file_in_and_brings_its_comment() {
        let (ours, other) = (pair(), pair());
        let signed = trust(&[&other, &ours], None)
            .judge(BYTES, Some(&sign(&ours, BYTES)))
            .unwrap()
            .unwrap();
        assert_eq!(signed.comment, "csv 1.2.0, built by the team");
        assert_eq!(signed.key.len(), 16);
    }

    /// Signed with minisign 0.5's format, `minisign -S -l`: over the file itself.
    #[test]
    fn a_legacy_signature_is_as_good() {
        let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        let signature = "untrusted comment: signature from minisign secret key\n\
            RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n\
            trusted comment: timestamp:1555779966\tfile:test\n\
            QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==";
        let trust = Trust::in_key(key, Path::new("/")).unwrap();
        let signed = trust.judge(b"test", Some(signature)).unwrap().unwrap();
        assert_eq!(signed.comment, "timestamp:1555779966\tfile:test");
        assert!(matches!(
            trust.judge(b"tesT", Some(signature)),
            Err(Untrusted::Tampered(_))
        ));
    }

    #[test]
    fn a_changed_file_comment_or_signature_and_a_strangers_key_are_refused() {
        let (ours, strangers) = (pair(), pair());
        let trust = trust(&[&ours], Some(false));
        let good = sign(&ours, BYTES);
        assert!(matches!(
            trust.judge(b"\0asm and so oN", Some(&good)),
            Err(Untrusted::Tampered(_))
        ));
        assert!(matches!(
            trust.judge(BYTES, Some(&good.replace("1.2.0", "1.3.0"))),
            Err(Untrusted::Tampered(_))
        ));
        assert!(matches!(
            trust.judge(BYTES, Some(&sign(&strangers, BYTES))),
            Err(Untrusted::Stranger(_))
        ));
        for text in ["", "hello", "a\nb\nc\nd", &good[..good.len() / 2]] {
            assert!(trust.judge(BYTES, Some(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn none_is_refused_when_one_is_required_and_that_is_so_once_there_is_a_key() {
        let ours = pair();
        assert_eq!(
            trust(&[&ours], None).judge(BYTES, None),
            Err(Untrusted::Unsigned)
        );
        assert_eq!(trust(&[&ours], Some(false)).judge(BYTES, None), Ok(None));
        assert_eq!(trust(&[], None).judge(BYTES, None), Ok(None));
        // A key's file that went away must not open the door.
        let lost = ConnectorRules {
            trusted_keys: vec![(KeySource::File("nowhere.pub".into()), 0..0)],
            require_signature: None,
            ..ConnectorRules::default()
        };
        let trust = Trust::new(&lost, Path::new("/nowhere"));
        assert!(trust.judge(BYTES, Some(&sign(&ours, BYTES))).is_err());
    }
}
