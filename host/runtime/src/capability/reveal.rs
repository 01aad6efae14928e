//! `reveal`: a secret's bytes, for connectors that cannot do with a handle. No grant for it exists yet, so it refuses.

use wasmtime::component::Resource;

use super::secrets::Secret;
use crate::bindings::tombolo::connector::reveal::Host;
use crate::guest::Guest;

impl Host for Guest {
    async fn reveal(&mut self, secret: Resource<Secret>) -> wasmtime::Result<Vec<u8>> {
        let name = &self.table.get(&secret)?.name;
        // The interface has no error, and empty bytes would be sent to the target as an empty password.
        Err(wasmtime::format_err!(
            "the secret `{name}` may not be revealed to this connector"
        ))
    }
}
