//! `context`: what the guest may know of the call it is in.

use tokio::time::Instant;

use crate::bindings::tombolo::connector::context::Host;
use crate::guest::Guest;

impl Host for Guest {
    async fn remaining_ms(&mut self) -> wasmtime::Result<u32> {
        let left = self.deadline().saturating_duration_since(Instant::now());
        Ok(u32::try_from(left.as_millis()).unwrap_or(u32::MAX))
    }

    async fn request_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.call.request_id.to_string())
    }
}
