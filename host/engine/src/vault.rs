//! Values that wait in the store and that nobody can read who has only the store.
//!
//! AES-256-GCM (NIST SP 800-38D) with a random nonce, under a key that the host has in a file of its own: a backup of the
//! store, or a dump of its database, opens nothing. What a value was sealed for goes into the seal, so that it cannot be moved to
//! another person's place.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Error;

/// The length of a key, in bytes.
pub(crate) const KEY: usize = 32;

/// See the module. Without a key nothing is sealed.
#[derive(Default)]
pub(crate) struct Vault(Option<LessSafeKey>);

impl Vault {
    /// With this key.
    pub(crate) fn new(key: &[u8; KEY]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).ok();
        Self(key.map(LessSafeKey::new))
    }

    /// Seals a value for a place.
    pub(crate) fn seal(&self, place: &str, value: &SecretString) -> Result<String, Error> {
        let key = self.0.as_ref().ok_or_else(|| {
            Error::NotSupported("this host has no key to seal first passwords with".to_owned())
        })?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| Error::Defect)?;
        let mut bytes = value.expose_secret().as_bytes().to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place.as_bytes()),
            &mut bytes,
        )
        .map_err(|_| Error::Defect)?;
        Ok(hex::encode([nonce.as_slice(), &bytes].concat()))
    }

    /// What was sealed for the place.
    pub(crate) fn open(&self, place: &str, sealed: &str) -> Result<SecretString, Error> {
        let closed = || {
            Error::NotSupported(
                "this host has not the key that the value was sealed with: take it on the host that made it, or have another one set with `tombolo password renew`"
                    .to_owned(),
            )
        };
        let bytes = hex::decode(sealed).map_err(|_| closed())?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(closed)?;
        let mut rest = rest.to_vec();
        let key = self.0.as_ref().ok_or_else(closed)?;
        let opened = key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.as_bytes()),
                &mut rest,
            )
            .map_err(|_| closed())?;
        String::from_utf8(opened.to_vec())
            .map(SecretString::from)
            .map_err(|_| closed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_in_its_place_under_its_key_and_nowhere_else() {
        let vault = Vault::new(&[7; KEY]);
        let sealed = vault.seal("hr/1", &"s3cret".into()).expect("sealed");
        assert!(!sealed.contains("s3cret"));
        assert_ne!(
            sealed,
            vault.seal("hr/1", &"s3cret".into()).expect("sealed")
        );
        let opened = vault.open("hr/1", &sealed).expect("opened");
        assert_eq!(opened.expose_secret(), "s3cret");
        assert!(vault.open("hr/2", &sealed).is_err());
        assert!(Vault::new(&[8; KEY]).open("hr/1", &sealed).is_err());
        assert!(vault.open("hr/1", "00").is_err());
        assert!(Vault::default().seal("hr/1", &"s3cret".into()).is_err());
    }
}
