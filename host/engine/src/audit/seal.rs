//! The chain: a seal holds the sums of some accounts, and of the seal before it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tombolo_store::{Pair, Range, Store, StoreError};

use super::keys;

/// Before the first seal.
pub(super) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One link of a stream's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seal {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    /// The sum of the seal before it.
    pub(super) previous: String,
    /// The accounts under it: their numbers and the SHA-256 of their bytes.
    pub(super) accounts: Vec<(u64, String)>,
    /// The newest seals of other streams.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) others: BTreeMap<String, Head>,
    /// SHA-256 of all of the above.
    pub(super) sum: String,
}

/// The newest seal of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) number: u64,
    pub(super) sum: String,
}

/// What is left of the seals that were let go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cut {
    /// The last seal that was let go: the chain goes on from its sum.
    pub(super) head: Head,
    /// The highest number of an account that was let go.
    pub(super) to: u64,
    /// How many were let go in all.
    pub(super) accounts: u64,
    pub(super) at: Timestamp,
}

impl Seal {
    pub(super) fn new(
        after: Option<&Head>,
        accounts: Vec<(u64, String)>,
        others: BTreeMap<String, Head>,
    ) -> Self {
        let mut seal = Self {
            number: after.map_or(0, |head| head.number + 1),
            at: Timestamp::now(),
            previous: after.map_or_else(|| NOTHING.to_owned(), |head| head.sum.clone()),
            accounts,
            others,
            sum: String::new(),
        };
        seal.sum = seal.summed();
        seal
    }

    /// What its sum must be.
    pub(super) fn summed(&self) -> String {
        let bare = Self {
            sum: String::new(),
            ..self.clone()
        };
        sum(&serde_json::to_vec(&bare).unwrap_or_default())
    }

    pub(super) fn head(&self) -> Head {
        Head {
            number: self.number,
            sum: self.sum.clone(),
        }
    }

    /// The highest number under it.
    pub(super) fn to(&self) -> Option<u64> {
        self.accounts.last().map(|(number, _)| *number)
    }
}

/// SHA-256, in hexadecimal digits.
pub(super) fn sum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Where a stream's chain stands: its newest seal, and the first number that none has.
pub(super) async fn standing(
    store: &dyn Store,
    stream: &str,
) -> Result<(Option<Head>, u64), StoreError> {
    let range = Range::prefix(keys::seals(stream)).reverse().limit(1);
    let newest = store.scan(range).await?.pop();
    if let Some(seal) = newest.and_then(|pair| read(&pair)) {
        let next = seal.to().map_or(0, |to| to + 1);
        return Ok((Some(seal.head()), next));
    }
    let cut = store.get(&keys::cut(stream)).await?;
    let cut: Option<Cut> = cut.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(cut.map_or((None, 0), |cut| (Some(cut.head), cut.to + 1)))
}

pub(super) fn read(pair: &Pair) -> Option<Seal> {
    serde_json::from_slice(&pair.1).ok()
}
