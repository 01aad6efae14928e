//! One instance: a store, a guest in it, and the exported functions looked up so far.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use wasmtime::component::{Instance as Handle, Resource};
use wasmtime::{AsContextMut as _, Store, StoreContextMut};

use super::clock::on_tick;
use crate::bindings::exports::tombolo::connector as exports;
use crate::capability::secrets::Secret;
use crate::component::Component;
use crate::guest::Guest;

/// An instance between calls or in one.
pub(crate) struct Instance {
    store: Store<Guest>,
    handle: Handle,
    component: Arc<Component>,
    found: Found,
    pub(super) born: Instant,
    pub(super) last_used: Instant,
    pub(super) calls: u64,
    /// Linear memory after the first call: what growth is compared with.
    pub(super) memory_at_first: usize,
    _place: OwnedSemaphorePermit,
}

/// Looked up when first used: a fresh instance answers one call and needs one ability.
#[derive(Default)]
struct Found {
    connector: Option<exports::connector::Guest>,
    read: Option<exports::read::Guest>,
    write: Option<exports::write::Guest>,
    members: Option<exports::members::Guest>,
    password: Option<exports::password::Guest>,
    delta: Option<exports::delta::Guest>,
}

/// The component has no such ability.
#[derive(Debug, thiserror::Error)]
#[error("not exported: {0}")]
pub(super) struct NotExported(pub(super) &'static str);

type Context<'a> = StoreContextMut<'a, Guest>;

impl Instance {
    /// A store with every limit set, ready to be filled.
    pub(super) fn store(component: &Component, guest: Guest) -> wasmtime::Result<Store<Guest>> {
        let limits = guest.grants.limits.clone();
        let mut store = Store::try_new(component.pre.engine(), guest)?;
        store.limiter(|guest| &mut guest.limiter);
        store.set_hostcall_fuel(limits.host_call_bytes);
        store.set_max_component_handles(limits.resources);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(on_tick);
        Ok(store)
    }

    /// Instantiates; the guest's own start code runs here.
    pub(super) async fn new(
        component: Arc<Component>,
        mut store: Store<Guest>,
        place: OwnedSemaphorePermit,
    ) -> wasmtime::Result<Box<Self>> {
        let handle = component.pre.instantiate_async(&mut store).await?;
        let now = Instant::now();
        Ok(Box::new(Self {
            store,
            handle,
            component,
            found: Found::default(),
            born: now,
            last_used: now,
            calls: 0,
            memory_at_first: 0,
            _place: place,
        }))
    }

    pub(super) fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }

    /// The next call begins.
    pub(super) fn begin(&mut self, request_id: Arc<str>, deadline: Instant) {
        self.guest().begin(request_id, deadline);
        self.store.set_epoch_deadline(1);
    }

    /// Puts a secret where the guest can be lent a handle to it.
    pub(super) fn lend(&mut self, secret: Secret) -> wasmtime::Result<Resource<Secret>> {
        Ok(self.guest().table.push(secret)?)
    }

    pub(super) fn take_back(&mut self, secret: Resource<Secret>) -> wasmtime::Result<()> {
        self.guest().table.delete(secret)?;
        Ok(())
    }
}

/// One accessor an ability: its functions, and the store to call them in.
macro_rules! abilities {
    (always $($ability:ident),*; sometimes $($optional:ident),*) => {
        impl Instance {
            $(pub(super) fn $ability(&mut self) -> wasmtime::Result<(&exports::$ability::Guest, Context<'_>)> {
                if self.found.$ability.is_none() {
                    self.found.$ability = Some(self.component.exports.$ability.load(&mut self.store, &self.handle)?);
                }
                match &self.found.$ability {
                    Some(api) => Ok((api, self.store.as_context_mut())),
                    None => Err(NotExported(stringify!($ability)).into()),
                }
            })*
            $(pub(super) fn $optional(&mut self) -> wasmtime::Result<(&exports::$optional::Guest, Context<'_>)> {
                if let (None, Some(indices)) = (&self.found.$optional, &self.component.exports.$optional) {
                    self.found.$optional = Some(indices.load(&mut self.store, &self.handle)?);
                }
                match &self.found.$optional {
                    Some(api) => Ok((api, self.store.as_context_mut())),
                    None => Err(NotExported(stringify!($optional)).into()),
                }
            })*
        }
    };
}

abilities!(always connector, read; sometimes write, members, password, delta);
