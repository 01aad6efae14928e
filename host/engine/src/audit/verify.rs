//! Whether the chain holds, and where it does not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tombolo_store::{Range, Store, StoreError};

use super::seal::{self, Cut, Head, NOTHING, Seal};
use super::{Account, keys};

/// Seals and accounts read at a time.
const PAGE: usize = 1000;

/// What looking at the whole audit came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// How many chains there are: one a life of a host.
    pub streams: u64,
    /// How many seals were looked at.
    pub seals: u64,
    /// How many accounts are under them.
    pub accounts: u64,
    /// How many are too young to be sealed.
    pub unsealed: u64,
    /// How many were let go in order, by age or number.
    pub let_go: u64,
    /// The newest seal of each chain: keep them elsewhere, and nobody can write a new history.
    pub heads: BTreeMap<String, String>,
    /// Where the chain does not hold.
    pub breaks: Vec<Break>,
}

/// A place where the chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// In which chain.
    pub stream: String,
    /// Under which seal.
    pub seal: Option<u64>,
    /// Which account.
    pub account: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// The newest seals of all streams but one.
pub(super) async fn heads(
    store: &dyn Store,
    but: &str,
) -> Result<BTreeMap<String, Head>, StoreError> {
    let mut heads = BTreeMap::new();
    for stream in keys::streams(store).await? {
        if stream != but
            && let (Some(head), _) = seal::standing(store, &stream).await?
        {
            heads.insert(stream, head);
        }
    }
    Ok(heads)
}

/// Looks at everything, and for a seal that must be there.
pub(crate) async fn verify(store: &dyn Store, anchor: Option<&str>) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::default();
    let mut anchored = anchor.is_none();
    let mut said: Vec<(String, u64, String, Head)> = Vec::new();
    let streams = keys::streams(store).await?;
    for stream in &streams {
        Walk {
            store,
            stream,
            verdict: &mut verdict,
            said: &mut said,
            anchor,
            anchored: &mut anchored,
        }
        .walk()
        .await?;
    }
    if !anchored {
        verdict.breaks.push(Break {
            stream: "-".to_owned(),
            seal: None,
            account: None,
            what: "no chain has the anchor: it was let go with what was old, or somebody has written another history".to_owned(),
        });
    }
    for (by, seal, other, head) in said {
        if let Some(what) = missing(store, &other, &head).await? {
            verdict.breaks.push(Break {
                stream: other,
                seal: Some(head.number),
                account: None,
                what: format!("{what}; seal {seal} of chain {by} has seen it"),
            });
        }
    }
    Ok(verdict)
}

/// What is wrong with a seal that another chain has seen.
async fn missing(
    store: &dyn Store,
    stream: &str,
    head: &Head,
) -> Result<Option<&'static str>, StoreError> {
    if let Some(bytes) = store.get(&keys::seal(stream, head.number)).await? {
        let now: Option<Seal> = serde_json::from_slice(&bytes).ok();
        let same = now.is_some_and(|now| now.sum == head.sum);
        return Ok((!same).then_some("the seal was replaced"));
    }
    let cut = store.get(&keys::cut(stream)).await?;
    let cut: Option<Cut> = cut.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(match cut {
        Some(cut) if cut.head.number > head.number || cut.head == *head => None,
        _ => Some("the seal is gone"),
    })
}

/// A walk along one chain.
struct Walk<'a> {
    store: &'a dyn Store,
    stream: &'a str,
    verdict: &'a mut Verdict,
    said: &'a mut Vec<(String, u64, String, Head)>,
    anchor: Option<&'a str>,
    anchored: &'a mut bool,
}

impl Walk<'_> {
    fn broken(&mut self, seal: Option<u64>, account: Option<u64>, what: impl Into<String>) {
        self.verdict.breaks.push(Break {
            stream: self.stream.to_owned(),
            seal,
            account,
            what: what.into(),
        });
    }

    async fn walk(&mut self) -> Result<(), StoreError> {
        self.verdict.streams += 1;
        let cut = self.store.get(&keys::cut(self.stream)).await?;
        let cut: Option<Cut> = cut.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut next = cut.as_ref().map_or(0, |cut| cut.head.number + 1);
        let mut from = cut.as_ref().map_or(0, |cut| cut.to + 1);
        let mut previous = cut
            .as_ref()
            .map_or_else(|| NOTHING.to_owned(), |cut| cut.head.sum.clone());
        *self.anchored |= self.anchor == Some(previous.as_str());
        self.verdict.let_go += cut.as_ref().map_or(0, |cut| cut.accounts);
        let mut range = Range::prefix(keys::seals(self.stream)).limit(PAGE);
        loop {
            let page = self.store.scan(range).await?;
            let Some((last, _)) = page.last() else { break };
            range = Range::prefix(keys::seals(self.stream))
                .after(last.clone())
                .limit(PAGE);
            for pair in &page {
                let number = keys::number_of(&pair.0);
                let Some(seal) = seal::read(pair) else {
                    self.broken(Some(number), None, "the seal cannot be read");
                    continue;
                };
                self.verdict.seals += 1;
                if number != next {
                    self.broken(
                        Some(next),
                        None,
                        format!("the seals before {number} are gone"),
                    );
                }
                if seal.number != number || seal.sum != seal.summed() {
                    self.broken(Some(number), None, "the seal was changed");
                } else if number == next && seal.previous != previous {
                    self.broken(Some(number), None, "it does not follow the seal before it");
                }
                from = self.accounts(&seal, from).await?;
                for (other, head) in &seal.others {
                    let seen = (self.stream.to_owned(), number, other.clone(), head.clone());
                    self.said.push(seen);
                }
                next = number + 1;
                *self.anchored |= self.anchor == Some(seal.sum.as_str());
                previous = seal.sum;
            }
        }
        self.verdict.heads.insert(self.stream.to_owned(), previous);
        let rest = Range::prefix(keys::entries(self.stream)).from(keys::entry(self.stream, from));
        self.verdict.unsealed += self.store.scan(rest).await?.len() as u64;
        Ok(())
    }

    /// Holds the accounts from this number on against a seal; answers where the next one goes on.
    async fn accounts(&mut self, seal: &Seal, from: u64) -> Result<u64, StoreError> {
        let Some(to) = seal.to() else {
            return Ok(from);
        };
        let range = Range::prefix(keys::entries(self.stream))
            .from(keys::entry(self.stream, from))
            .until(keys::entry(self.stream, to.saturating_add(1)));
        let mut present: BTreeMap<u64, Vec<u8>> = self
            .store
            .scan(range)
            .await?
            .into_iter()
            .map(|(key, bytes)| (keys::number_of(&key), bytes))
            .collect();
        for (number, sum) in &seal.accounts {
            self.verdict.accounts += 1;
            match present.remove(number) {
                None => self.broken(Some(seal.number), Some(*number), "the record is gone"),
                Some(bytes) if seal::sum(&bytes) != *sum => {
                    let id = serde_json::from_slice::<Account>(&bytes).map(|account| account.id);
                    let of =
                        id.map_or_else(|_| "of no readable id".to_owned(), |id| format!("`{id}`"));
                    self.broken(
                        Some(seal.number),
                        Some(*number),
                        format!("the record {of} was changed"),
                    );
                }
                Some(_) => {}
            }
        }
        for number in present.into_keys() {
            self.broken(
                Some(seal.number),
                Some(number),
                "the record was put in afterwards",
            );
        }
        Ok(to.saturating_add(1))
    }
}
