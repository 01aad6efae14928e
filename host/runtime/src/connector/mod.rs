//! One app's connector: calls, each in a slot, under two clocks, on an instance that is kept only after a clean return,
//! and none while the app's circuit is open.

mod check;
mod circuit;
pub(crate) mod clock;
mod fault;
mod instance;
mod lane;
pub(crate) mod limiter;
mod pool;
mod run;
mod slots;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use tokio::time::Instant;

use crate::app::Reuse;
use crate::call::{Call, CallError};
use crate::capability::Grants;
use crate::capability::secrets::Secret;
use crate::component::{Abilities, Component};
use crate::contract::{Attribute, Changes, Edit, Entry, MemberPage, Page, Query};
use crate::granted::Granted;
use crate::stats::Stats;
pub use circuit::CircuitState;
use instance::Instance;
pub(crate) use lane::{Lane, Threads};
use run::{Effect, Inner};
pub(crate) use slots::{Places, Slots};

/// One app's live revision of a connector. Clones share its slots and instances.
#[derive(Clone)]
pub struct Connector {
    inner: Arc<Inner>,
}

/// What a call costs, measured when the connector was bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cost {
    /// Processor time of making an instance.
    pub instantiate: Duration,
    /// Processor time of the smallest call on a warm instance.
    pub call: Duration,
    /// What was chosen, or what the operator chose: [`Reuse::Fresh`] or [`Reuse::Warm`].
    pub reuse: Reuse,
}

/// One call of one exported function, and the check of its answer where it has one. The instance is moved into the
/// future and out again, so that a future that is dropped takes its instance with it.
macro_rules! invoke {
    ($self:ident, $call:ident, $effect:ident, $ability:ident.$function:ident($($argument:expr),*)) => {
        invoke!($self, $call, $effect, $ability.$function($($argument),*), |_, _| Ok(()))
    };
    ($self:ident, $call:ident, $effect:ident, $ability:ident.$function:ident($($argument:expr),*), $check:expr) => {
        $self.inner.run($call, Effect::$effect, |answer| $self.inner.checked($call, answer?, $check), |mut instance: Box<Instance>| async move {
            let answer = match instance.$ability() {
                Ok((api, store)) => api.$function(store, $($argument),*).await,
                Err(error) => Err(error),
            };
            (instance, answer)
        }).await
    };
}

impl Connector {
    pub(crate) fn new(
        component: Arc<Component>,
        slots: Slots,
        grants: Arc<Grants>,
        serial: bool,
    ) -> Self {
        Self {
            inner: Arc::new(Inner::new(component, slots, grants, serial)),
        }
    }

    /// The trial is over: the same connector with what was learnt, and without the trial's instances.
    pub(crate) fn ready(&self, description: Value, cost: Cost) -> Self {
        Self {
            inner: Arc::new(self.inner.ready(description, cost)),
        }
    }

    /// What the connector says it is, and the processor time that took.
    pub(crate) async fn describe(&self, reuse: Reuse) -> Result<(String, Duration), CallError> {
        let call = Call {
            request_id: "trial".to_owned(),
            deadline: Instant::now() + self.inner.grants.limits.wall,
        };
        let (answer, cpu) = self
            .inner
            .run_as(
                reuse,
                &call,
                Effect::Reads,
                |answer| answer,
                |mut instance: Box<Instance>| async move {
                    let answer = match instance.connector() {
                        Ok((api, store)) => api.call_describe(store).await,
                        Err(error) => Err(error),
                    };
                    (instance, answer)
                },
            )
            .await;
        answer.map(|text| (text, cpu))
    }

    /// What `describe` answers now: for tests of a connector, which must answer the same always.
    pub async fn describe_now(&self, call: &Call) -> Result<String, CallError> {
        invoke!(self, call, Reads, connector.call_describe())
    }

    /// What the connector's `describe` answered when it was bound, checked against the contract's schema.
    pub fn description(&self) -> &Value {
        &self.inner.description
    }

    /// What it can do.
    pub fn abilities(&self) -> Abilities {
        self.inner.component.abilities()
    }

    /// The file behind it.
    pub fn component(&self) -> &Component {
        &self.inner.component
    }

    /// What its calls cost.
    pub fn cost(&self) -> Cost {
        self.inner.cost
    }

    /// Whether calls are made at present.
    pub fn circuit(&self) -> CircuitState {
        self.inner.circuit()
    }

    /// What it may reach and use in the end: wanted and granted.
    pub fn granted(&self) -> &Granted {
        &self.inner.grants.granted
    }

    /// Its counters.
    pub fn stats(&self) -> &Stats {
        &self.inner.stats
    }

    /// Reach the target and prove the credentials, changing nothing.
    pub async fn check(&self, call: &Call) -> Result<(), CallError> {
        invoke!(self, call, Reads, connector.call_check())
    }

    /// One object. No attributes named means all.
    pub async fn get(
        &self,
        call: &Call,
        kind: &str,
        anchor: &str,
        attributes: &[String],
    ) -> Result<Entry, CallError> {
        invoke!(
            self,
            call,
            Reads,
            read.call_get(kind, &anchor.to_owned(), attributes),
            check::entry
        )
    }

    /// One page of the objects that match.
    pub async fn search(&self, call: &Call, kind: &str, query: Query) -> Result<Page, CallError> {
        let limit = query.limit;
        invoke!(
            self,
            call,
            Reads,
            read.call_search(kind, &query),
            |page, budget| check::page(page, limit, budget)
        )
    }

    /// A new object. `request` is stable across retries of the same change.
    pub async fn create(
        &self,
        call: &Call,
        kind: &str,
        attributes: &[Attribute],
        request: &str,
    ) -> Result<Entry, CallError> {
        invoke!(
            self,
            call,
            Writes,
            write.call_create(kind, attributes, request),
            check::entry
        )
    }

    /// Edits, in order; answers the object as it is now, with a possibly changed anchor.
    pub async fn update(
        &self,
        call: &Call,
        kind: &str,
        anchor: &str,
        edits: &[Edit],
        if_version: Option<&str>,
        request: &str,
    ) -> Result<Entry, CallError> {
        invoke!(
            self,
            call,
            Writes,
            write.call_update(kind, &anchor.to_owned(), edits, if_version, request),
            check::entry
        )
    }

    /// An object goes.
    pub async fn delete(
        &self,
        call: &Call,
        kind: &str,
        anchor: &str,
        request: &str,
    ) -> Result<(), CallError> {
        invoke!(
            self,
            call,
            Writes,
            write.call_delete(kind, &anchor.to_owned(), request)
        )
    }

    /// One page of a group's members.
    pub async fn list_members(
        &self,
        call: &Call,
        group: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<MemberPage, CallError> {
        invoke!(
            self,
            call,
            Reads,
            members.call_list_members(&group.to_owned(), cursor, limit),
            |page, budget| check::members(page, limit, budget)
        )
    }

    /// Members come and go.
    pub async fn change_members(
        &self,
        call: &Call,
        group: &str,
        add: &[String],
        remove: &[String],
        request: &str,
    ) -> Result<(), CallError> {
        invoke!(
            self,
            call,
            Writes,
            members.call_change_members(&group.to_owned(), add, remove, request)
        )
    }

    /// A new password. The guest gets a handle to it.
    pub async fn set_password(
        &self,
        call: &Call,
        anchor: &str,
        secret: SecretString,
        must_change: bool,
    ) -> Result<(), CallError> {
        let extra = [secret.clone()];
        let run = self.inner.run(
            call,
            Effect::Writes,
            |answer| answer.map_err(|error| fault::hide(error, &extra)),
            |mut instance: Box<Instance>| async move {
                let answer = async {
                    let handle = instance.lend(Secret {
                        name: "password".to_owned(),
                        value: secret,
                        reveal: false,
                    })?;
                    let lent = wasmtime::component::Resource::new_borrow(handle.rep());
                    let (api, store) = instance.password()?;
                    let answer = api
                        .call_set_password(store, &anchor.to_owned(), lent, must_change)
                        .await?;
                    instance.take_back(handle)?;
                    Ok(answer)
                }
                .await;
                (instance, answer)
            },
        );
        run.await
    }

    /// Changes since a token; none starts from now.
    pub async fn since(
        &self,
        call: &Call,
        kind: &str,
        token: Option<&str>,
        limit: u32,
    ) -> Result<Changes, CallError> {
        invoke!(
            self,
            call,
            Reads,
            delta.call_since(kind, token, limit),
            |changes, budget| check::changes(changes, limit, budget)
        )
    }
}
