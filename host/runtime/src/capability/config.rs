//! `config`: the app's settings, already checked against the manifest's schema.

use crate::bindings::tombolo::connector::config::Host;
use crate::guest::Guest;

impl Host for Guest {
    async fn settings(&mut self) -> wasmtime::Result<String> {
        let settings = self.grants.settings.clone();
        self.charge_bytes(settings.len())?;
        Ok(settings)
    }
}
