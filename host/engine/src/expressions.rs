//! What the mapping's expressions need to know of the world: the time, randomness, and which values are free.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tombolo_mapping::{Environment, Object, References};
use tombolo_runtime::Call;
use tombolo_runtime::contract::{Comparison, Fault, Node, Scalar};
use tombolo_scim::resource::Resource;
use uuid::Uuid;

use crate::app::App;
use crate::convert;
use crate::error::Error;
use crate::journal::mapping;
use crate::kind::Kind;

/// How many values one create may ask the target about.
const ASKED: usize = 64;

/// The surroundings of one request. They stand still: an object is evaluated before and after a change, and what differs is
/// sent to the target.
pub(crate) struct Surroundings {
    now: Timestamp,
    seed: [u8; 32],
    free: BTreeMap<(String, String), bool>,
}

impl Surroundings {
    pub(crate) fn new() -> Self {
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        seed[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self {
            now: Timestamp::now(),
            seed,
            free: BTreeMap::new(),
        }
    }
}

impl Environment for Surroundings {
    fn now(&self) -> Option<Timestamp> {
        Some(self.now)
    }

    fn random(&self, attribute: &str, number: u64) -> Option<u64> {
        let digest = Sha256::new()
            .chain_update(self.seed)
            .chain_update(number.to_be_bytes())
            .chain_update(attribute)
            .finalize();
        let bytes = digest.first_chunk::<8>()?;
        Some(u64::from_be_bytes(*bytes))
    }

    fn is_free(&self, attribute: &str, value: &str) -> Option<bool> {
        let asked = (attribute.to_owned(), value.to_owned());
        self.free.get(&asked).copied()
    }
}

impl App {
    /// The object that a resource is to become. `SelectUniqueValue` has the target asked, value by value.
    pub(crate) async fn new_object(
        &self,
        kind: &Kind,
        resource: &Resource,
        references: &References,
        call: &Call,
    ) -> Result<Object, Error> {
        let mut surroundings = Surroundings::new();
        loop {
            let made = kind
                .mapping
                .to_new_object(resource, references, &surroundings);
            let error = match made {
                Ok(object) => return Ok(object),
                Err(error) => error,
            };
            let asked = error
                .unasked()
                .filter(|_| surroundings.free.len() < ASKED)
                .map(|(attribute, value)| (attribute.to_owned(), value.to_owned()));
            let Some(asked) = asked else {
                return Err(mapping(error));
            };
            let free = self.is_free(kind, &asked.0, &asked.1, call).await?;
            surroundings.free.insert(asked, free);
        }
    }

    async fn is_free(
        &self,
        kind: &Kind,
        attribute: &str,
        value: &str,
        call: &Call,
    ) -> Result<bool, Error> {
        let scalar = Scalar::Text(value.to_owned());
        let test = (attribute.to_owned(), Comparison::Equal, scalar.clone());
        let found = match self
            .search_all(kind, Some(vec![Node::Test(test)]), call)
            .await
        {
            Err(error) if error.fault() == Some(Fault::Unsupported) => {
                self.search_all(kind, None, call).await?
            }
            other => other?,
        };
        Ok(!found
            .iter()
            .any(|entry| convert::has(entry, attribute, &scalar)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_gets_the_same_randomness_and_another_request_other() {
        let (one, other) = (Surroundings::new(), Surroundings::new());
        assert_eq!(one.random("uid", 0), one.random("uid", 0));
        assert_ne!(one.random("uid", 0), one.random("uid", 1));
        assert_ne!(one.random("uid", 0), one.random("mail", 0));
        assert_ne!(one.random("uid", 0), other.random("uid", 0));
    }
}
