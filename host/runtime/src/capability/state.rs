//! `state`: the app's own keys, kept by the host within a byte quota.

use tracing::warn;

use crate::bindings::tombolo::connector::state::{Host, Item, StateError as Refusal};
use crate::guest::Guest;
use crate::interference::Struck;
use crate::state::StateError;

/// Longest key; longer ones are refused as `full`, because no quota fits them.
const KEY_BYTES: usize = 1024;
/// Most keys in one listing.
const LIST_KEYS: u32 = 1_000;

/// A store that was kept from answering on purpose.
fn broken(_: Struck) -> StateError {
    StateError::Unavailable("interference".to_owned())
}

impl Guest {
    fn state_refusal(&self, error: StateError) -> Refusal {
        match error {
            StateError::Full { .. } => Refusal::Full,
            StateError::Changed => Refusal::Changed,
            StateError::Unavailable(reason) => {
                warn!(app = %self.grants.app, request = %self.call.request_id, %reason, "the state store is unavailable");
                // The store's own words may name paths of this machine.
                Refusal::Unavailable("the host's store is unavailable".to_owned())
            }
        }
    }
}

impl Host for Guest {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Item>, Refusal>> {
        let state = self.grants.state.clone();
        let fate = self.call.fate("state", "get", "");
        match fate.around(state.get(&key), broken).await {
            Ok(None) => Ok(Ok(None)),
            Ok(Some(item)) => {
                self.charge_bytes(item.value.len())?;
                Ok(Ok(Some(Item {
                    value: item.value,
                    version: item.version,
                })))
            }
            Err(error) => Ok(Err(self.state_refusal(error))),
        }
    }

    async fn put(
        &mut self,
        key: String,
        value: Vec<u8>,
        if_version: Option<u64>,
    ) -> wasmtime::Result<Result<u64, Refusal>> {
        if key.len() > KEY_BYTES {
            return Ok(Err(Refusal::Full));
        }
        self.charge_bytes(key.len() + value.len())?;
        let (state, quota) = (self.grants.state.clone(), self.grants.limits.state_bytes);
        let fate = self.call.fate("state", "put", "");
        let stored = fate
            .around(state.put(&key, value, if_version, quota), broken)
            .await;
        Ok(stored.map_err(|error| self.state_refusal(error)))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), Refusal>> {
        let state = self.grants.state.clone();
        let fate = self.call.fate("state", "delete", "");
        let deleted = fate.around(state.delete(&key), broken).await;
        Ok(deleted.map_err(|error| self.state_refusal(error)))
    }

    async fn list(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, Refusal>> {
        let state = self.grants.state.clone();
        let fate = self.call.fate("state", "list", "");
        let listed = state.list(&prefix, after.as_deref(), limit.min(LIST_KEYS));
        match fate.around(listed, broken).await {
            Ok(keys) => {
                self.charge_bytes(keys.iter().map(String::len).sum())?;
                Ok(Ok(keys))
            }
            Err(error) => Ok(Err(self.state_refusal(error))),
        }
    }
}
