//! The state of one instance: what wasmtime keeps beside a guest's memory.

use std::sync::Arc;

use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capability::{Grants, files, ldap, log::Journal, stdio};
use crate::connector::{clock::CpuClock, limiter::Limiter};

/// One instance's host side.
pub(crate) struct Guest {
    /// The app's grants, shared by all its instances.
    pub(crate) grants: Arc<Grants>,
    /// The call in progress.
    pub(crate) call: CurrentCall,
    /// The handles the guest holds.
    pub(crate) table: ResourceTable,
    /// Counts memory and tables.
    pub(crate) limiter: Limiter,
    /// Counts processor time.
    pub(crate) clock: Arc<CpuClock>,
    /// Where the guest's lines go.
    pub(crate) journal: Arc<Journal>,
    wasi: WasiCtx,
}

/// What belongs to one call and is replaced by the next.
pub(crate) struct CurrentCall {
    pub(crate) request_id: Arc<str>,
    pub(crate) deadline: Instant,
    host_bytes_left: usize,
    pub(crate) outbound_requests: u32,
    pub(crate) outbound_bytes: usize,
}

impl CurrentCall {
    fn new(grants: &Grants, request_id: Arc<str>, deadline: Instant) -> Self {
        Self {
            request_id,
            deadline,
            host_bytes_left: grants.limits.host_call_bytes,
            outbound_requests: 0,
            outbound_bytes: 0,
        }
    }
}

/// A limit that a host function found passed: a trap to the guest,
/// [`CallError::LimitExceeded`](crate::CallError::LimitExceeded) to the caller.
#[derive(Debug, thiserror::Error)]
#[error("{what} (limit {limit})")]
pub(crate) struct Exceeded {
    pub(crate) what: &'static str,
    pub(crate) limit: u64,
}

impl Guest {
    pub(crate) fn new(
        grants: Arc<Grants>,
        request_id: Arc<str>,
        deadline: Instant,
    ) -> wasmtime::Result<Self> {
        let journal = Arc::new(Journal::new(Arc::clone(&grants), Arc::clone(&request_id)));
        let mut wasi = WasiCtx::builder();
        stdio::connect(&mut wasi, &journal);
        files::preopen(&mut wasi, &grants.directories)?;
        // Nothing else is opened: no environment, no arguments, no stdin. The builder's own defaults
        // deny every address and every look-up; these two deny the sockets themselves.
        wasi.allow_tcp(false).allow_udp(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(grants.limits.resources);
        Ok(Self {
            call: CurrentCall::new(&grants, request_id, deadline),
            table,
            limiter: Limiter::new(&grants.limits),
            clock: Arc::new(CpuClock::new(grants.limits.cpu)),
            journal,
            wasi: wasi.build(),
            grants,
        })
    }

    /// A pooled instance takes its next call.
    pub(crate) fn begin(&mut self, request_id: Arc<str>, deadline: Instant) {
        self.journal.begin(Arc::clone(&request_id));
        self.clock.restart();
        self.call = CurrentCall::new(&self.grants, request_id, deadline);
    }

    /// The granted LDAP directory of that name.
    pub(crate) fn ldap(&self, target: &str) -> Option<Arc<ldap::Directory>> {
        self.grants.targets.ldap(target)
    }

    /// When this call ends, whatever it waits for.
    pub(crate) fn deadline(&self) -> Instant {
        self.call.deadline
    }

    /// Counts bytes that a host call is about to hand to the guest.
    ///
    /// The error is meant to be returned as it is: it ends the call with a typed fault.
    pub(crate) fn charge_bytes(&mut self, bytes: usize) -> wasmtime::Result<()> {
        if let Some(left) = self.call.host_bytes_left.checked_sub(bytes) {
            self.call.host_bytes_left = left;
            return Ok(());
        }
        let limit = self.grants.limits.host_call_bytes as u64;
        Err(Exceeded {
            what: "bytes received through host calls in one call, `limits.host-call-bytes`",
            limit,
        }
        .into())
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
