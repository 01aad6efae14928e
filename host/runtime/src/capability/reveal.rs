//! `reveal`: a secret's bytes, for connectors that cannot do with a handle: those that sign, hash or speak a protocol
//! of their own. Granted by secret; each use is in the audit record, and so is each refusal.

use secrecy::ExposeSecret as _;
use tracing::{info, warn};
use wasmtime::component::Resource;

use super::audit::Ending;
use super::secrets::Secret;
use crate::bindings::tombolo::connector::reveal::Host;
use crate::guest::Guest;

impl Host for Guest {
    async fn reveal(&mut self, secret: Resource<Secret>) -> wasmtime::Result<Vec<u8>> {
        let held = self.table.get(&secret)?;
        let name = held.name.clone();
        let bytes = held
            .reveal
            .then(|| held.value.expose_secret().as_bytes().to_vec());
        let (app, connector, request) = (
            &self.grants.app,
            &self.grants.connector,
            &self.call.request_id,
        );
        let Some(bytes) = bytes else {
            // It ends the call, so it has a line even where the others have filled the record.
            warn!(
                target: "tombolo::audit", event = "reveal", %app, %connector, %request, secret = %name, outcome = "denied",
                "a connector asked for the bytes of a secret that may not be revealed to it"
            );
            // The interface has no error, and empty bytes would be sent to the target as an empty password.
            return Err(wasmtime::format_err!(
                "the secret `{name}` may not be revealed to this connector; where it must be, \
                 `[secrets]` says `{name} = {{ from = \"…\", reveal = true }}`"
            ));
        };
        if self.call.record.takes("reveal", &name, Ending::Done) {
            info!(
                target: "tombolo::audit", event = "reveal", %app, %connector, %request, secret = %name, outcome = "done",
                "a connector was given the bytes of a secret"
            );
        }
        self.charge_bytes(bytes.len())?;
        Ok(bytes)
    }
}
