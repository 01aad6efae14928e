//! The state of one instance: what wasmtime keeps beside a guest's memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::WasiHttpCtx;

use crate::capability::{Grants, audit::Record, files, ldap, log::Journal, net, sql, stdio};
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
    files: files::Files,
    pub(crate) wasi_http: WasiHttpCtx,
}

/// What belongs to one call and is replaced by the next.
pub(crate) struct CurrentCall {
    pub(crate) grants: Arc<Grants>,
    pub(crate) request_id: Arc<str>,
    pub(crate) deadline: Instant,
    /// What the guest began and has not ended; it ends with the call.
    pub(crate) transactions: sql::Transactions,
    /// What the guest connected and has not dropped; it ends with the call.
    pub(crate) connections: net::Connections,
    pub(crate) meter: Arc<Meter>,
    pub(crate) record: Arc<Record>,
}

/// What a call has used of its limits. Shared, because requests of `wasi:http` run beside the guest.
pub(crate) struct Meter {
    host_bytes_left: AtomicUsize,
    outbound_requests: AtomicU32,
    outbound_bytes: AtomicUsize,
}

impl CurrentCall {
    fn new(grants: &Arc<Grants>, request_id: Arc<str>, deadline: Instant) -> Self {
        Self {
            grants: Arc::clone(grants),
            record: Arc::new(Record::new(grants, &request_id)),
            request_id,
            deadline,
            transactions: sql::Transactions::default(),
            connections: net::Connections::default(),
            meter: Arc::new(Meter {
                host_bytes_left: AtomicUsize::new(grants.limits.host_call_bytes),
                outbound_requests: AtomicU32::new(0),
                outbound_bytes: AtomicUsize::new(0),
            }),
        }
    }
}

impl Meter {
    /// Counts bytes for the guest; false if they are more than are left.
    pub(crate) fn receive(&self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        self.host_bytes_left
            .fetch_update(Relaxed, Relaxed, take)
            .is_ok()
    }

    /// Counts one more request to a target; false if it is one too many.
    pub(crate) fn request(&self, most: u32) -> bool {
        self.outbound_requests.fetch_add(1, Relaxed) < most
    }

    /// Counts bytes for targets; false if the call has sent more than so many.
    pub(crate) fn send(&self, bytes: usize, most: usize) -> bool {
        self.outbound_bytes.fetch_add(bytes, Relaxed) <= most.saturating_sub(bytes)
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
        files::preopen(&mut wasi, &grants.directories, grants.quotas.place())?;
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
            files: files::Files::default(),
            wasi_http: WasiHttpCtx::new(),
            grants,
        })
    }

    /// A pooled instance takes its next call.
    pub(crate) fn begin(&mut self, request_id: Arc<str>, deadline: Instant) {
        self.journal.begin(Arc::clone(&request_id));
        self.clock.restart();
        self.call = CurrentCall::new(&self.grants, request_id, deadline);
    }

    /// What `wasi:filesystem` works with.
    pub(crate) fn filesystem_parts(
        &mut self,
    ) -> (WasiFilesystemCtxView<'_>, &mut files::Files, &Grants) {
        let library = WasiFilesystemCtxView {
            ctx: self.wasi.filesystem(),
            table: &mut self.table,
        };
        (library, &mut self.files, &self.grants)
    }

    /// The granted LDAP directory of that name.
    pub(crate) fn ldap(&self, target: &str) -> Option<Arc<ldap::Directory>> {
        self.grants.targets.ldap(target)
    }

    /// When this call ends, whatever it waits for.
    pub(crate) fn deadline(&self) -> Instant {
        self.call.deadline
    }

    /// Counts bytes that a host call keeps for the guest, or is about to hand to it.
    ///
    /// The error is meant to be returned as it is: it ends the call with a typed fault.
    pub(crate) fn charge_bytes(&mut self, bytes: usize) -> wasmtime::Result<()> {
        if self.call.meter.receive(bytes) {
            return Ok(());
        }
        let limit = self.grants.limits.host_call_bytes as u64;
        Err(Exceeded {
            what: "bytes exchanged through host calls in one call, `limits.host-call-bytes`",
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
