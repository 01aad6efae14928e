//! Intents: writes that have begun and whose outcome is not known yet.
//!
//! An intent is on the disk before the target is touched, and leaves it in the
//! commit that writes the outcome down. One that is found later (after a crash,
//! a time-out, a trap) is settled by asking the target what is true:
//!
//! | begun | the target says | settled as |
//! |---|---|---|
//! | create | has it, by its unique attributes | done: linked under the id that was reserved |
//! | create | has it not | not done: the reservation ends |
//! | update | has the object | what the target has is what is true |
//! | update | has it not, by anchor nor by unique attributes | gone: the link ends |
//! | delete | has it not | done |
//! | delete | has it | not done: the link stays |
//! | members | has these members | these are the members |
//! | password, leave, join, populate | (is not asked) | done again: a password anew, a membership as it is to be |
//!
//! Where several hosts share the store an intent has the name of the host that works on it. Whoever finds one asks first
//! whether that host lives ([`crate::hosts`]): then it is left to it; else it is taken over by a conditional commit.
//!
//! While the target cannot be asked the intent stays, and a request that needs
//! the resource gets 503 and `Retry-After`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use jiff::Timestamp;
use tombolo_mapping::Object;
use tombolo_runtime::Call;
use tombolo_runtime::contract::{Comparison, Entry, Fault, Node, Query, Scalar};
use tombolo_scim::resource::Resource;
use tombolo_store::{Commit, Range};
use uuid::Uuid;

use crate::app::App;
use crate::audit::{Action, By, Told};
use crate::convert;
use crate::death::{self, Moment};
use crate::error::Error;
use crate::hosts::{Patience, Standing};
use crate::keys::id_of;
use crate::kind::Kind;
use crate::reconcile::Stored;
use crate::record::{Aside, Intent, Record, Step, decode, encode};
use crate::request::Request;
use crate::stand_in::Veil;

/// A target may still be working on what was sent before the connection broke:
/// "not there" is believed only so long after the beginning.
const GRACE: Duration = Duration::from_secs(2);
/// The waits between attempts to settle in the background; the last one repeats.
const WAITS: [u64; 5] = [1, 2, 5, 15, 60];
/// What asking the target may take in the background.
const ASK: Duration = Duration::from_secs(30);
/// How many entries a search by unique attributes may look at, page by page.
const PAGE: u32 = 500;

impl App {
    /// The unfinished write of `id`, if there is one.
    pub(crate) async fn open_intent(&self, id: &str) -> Result<Option<Intent>, Error> {
        match self.store.get(&self.keys.intent(id)).await? {
            Some(bytes) => Ok(Some(decode("an intent", &bytes)?)),
            None => Ok(None),
        }
    }

    /// An intent for `step`, not yet written.
    pub(crate) fn intent(r: &Request, kind: &Kind, step: Step) -> Intent {
        Intent {
            kind: kind.name.clone(),
            request: Uuid::now_v7().to_string(),
            begun: Timestamp::now(),
            by: r.by.clone(),
            counts: false,
            host: None,
            step,
        }
    }

    /// An intent that takes the place of one that ends.
    pub(crate) fn next_intent(&self, kind: &Kind, step: Step, by: &By) -> Intent {
        self.as_ours(&Intent {
            kind: kind.name.clone(),
            request: Uuid::now_v7().to_string(),
            begun: Timestamp::now(),
            by: by.clone(),
            counts: false,
            host: None,
            step,
        })
    }

    /// Commits the intent, with what else must hold at that moment.
    pub(crate) async fn begin(
        &self,
        id: &str,
        intent: &Intent,
        commit: Commit,
    ) -> Result<(), Error> {
        let key = self.keys.intent(id);
        let ours = self.as_ours(intent);
        let mut commit = commit.absent(&key).put(&key, encode(&ours)?);
        if intent.counts {
            let ty = &self.kind_of_name(&intent.kind)?.ty().name;
            commit = commit.put(self.keys.mark(ty, intent.begun, id), "");
        }
        let write = death::of_step(&intent.step);
        death::at(write, Moment::Asked);
        self.store.commit(commit).await?;
        death::at(write, Moment::Intended);
        if intent.counts {
            self.tell_of_mark(id, intent)?;
        }
        Ok(())
    }

    /// The intent under this host's name.
    fn as_ours(&self, intent: &Intent) -> Intent {
        Intent {
            host: self.hosts.me(),
            ..intent.clone()
        }
    }

    /// Makes an intent that is found this host's, if it is nobody's; false while its host lives. The caller holds the
    /// lock of `id`.
    async fn take_over(&self, id: &str, intent: &Intent) -> Result<bool, Error> {
        if !self.hosts.many() {
            return Ok(true);
        }
        if self.hosts.standing(intent.host.as_deref()).await? == Standing::Theirs {
            return Ok(false);
        }
        let key = self.keys.intent(id);
        let Some(bytes) = self.store.get(&key).await? else {
            return Err(Error::Contended);
        };
        let found: Intent = decode("an intent", &bytes)?;
        if found.request != intent.request || found.host != intent.host {
            return Err(Error::Contended);
        }
        let commit = Commit::new()
            .equals(&key, bytes)
            .put(&key, encode(&self.as_ours(intent))?);
        self.store.commit(commit).await?;
        Ok(true)
    }

    /// Ends an intent that changed nothing.
    pub(crate) async fn abandon(&self, kind: &Kind, id: &str, step: &Step) -> Result<(), Error> {
        let mut commit = Commit::new().delete(self.keys.intent(id));
        if let Step::Create { resource, .. } | Step::Update { resource, .. } = step {
            commit = self.release_claims(kind, id, resource, commit).await?;
        }
        Ok(self.store.commit(commit).await?)
    }

    /// Gives back the unique values that the write had reserved and that the
    /// resource, as it is, does not have.
    async fn release_claims(
        &self,
        kind: &Kind,
        id: &str,
        wanted: &Resource,
        mut commit: Commit,
    ) -> Result<Commit, Error> {
        let stored = self.load(kind, id).await?;
        for index in kind.indexed.iter().filter(|index| index.unique) {
            let has = stored
                .as_ref()
                .map(|s| index.values(&s.record.resource))
                .unwrap_or_default();
            for value in index
                .values(wanted)
                .iter()
                .filter(|value| !has.contains(value))
            {
                let claim = self.keys.unique(&kind.ty().name, &index.label, value);
                if self.store.get(&claim).await?.as_deref() == Some(id.as_bytes()) {
                    commit = commit.delete(&claim);
                }
            }
        }
        Ok(commit)
    }

    /// Makes sure that `id` has no unfinished write. The caller holds its lock.
    pub(crate) async fn settled(&self, kind: &Kind, id: &str, call: &Call) -> Result<(), Error> {
        let Some(intent) = self.open_intent(id).await? else {
            return Ok(());
        };
        let intent = if self.take_over(id, &intent).await? {
            intent
        } else {
            // Another host works on it.
            let mut patience = Patience::new();
            while !self.theirs_has_ended(id).await? {
                if !patience.wait().await {
                    return Err(Self::unsettled(kind, id));
                }
            }
            match self.open_intent(id).await? {
                None => return Ok(()),
                Some(left) if self.take_over(id, &left).await? => left,
                Some(_) => return Err(Self::unsettled(kind, id)),
            }
        };
        match self.settle(kind, id, &intent, call).await {
            // Whoever needs the resource would only come back after the grace.
            Err(Error::Unsettled { .. }) if within_grace(&intent) => {
                tokio::time::sleep(GRACE).await;
                self.settle(kind, id, &intent, call).await
            }
            settled => settled,
        }
    }

    /// Whether no host that lives works on `id`, but perhaps this one.
    pub(crate) async fn theirs_has_ended(&self, id: &str) -> Result<bool, Error> {
        match self.open_intent(id).await? {
            None => Ok(true),
            Some(intent) => {
                let standing = self.hosts.standing(intent.host.as_deref()).await?;
                Ok(standing != Standing::Theirs)
            }
        }
    }

    /// As [`App::settled`], for readers, who bring no request of their own. Boxed,
    /// since settling a group's members reads those members.
    pub(crate) fn settled_now<'a>(
        &'a self,
        kind: &'a Kind,
        id: &'a str,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let call = Call {
                request_id: format!("settle-{id}"),
                deadline: tokio::time::Instant::now() + ASK,
            };
            self.settled(kind, id, &call).await
        })
    }

    /// Settles one intent; see the module's table. The caller holds the lock of `id`.
    pub(crate) async fn settle(
        &self,
        kind: &Kind,
        id: &str,
        intent: &Intent,
        call: &Call,
    ) -> Result<(), Error> {
        let asked = Instant::now();
        let outcome = match &intent.step {
            Step::Create { resource, password } => {
                self.settle_create(kind, id, intent, (resource, *password), call)
                    .await
            }
            Step::Update {
                anchor,
                resource,
                aside,
            } => {
                self.settle_update(kind, id, intent, anchor, (resource, aside), call)
                    .await
            }
            Step::Password | Step::Leave | Step::Join | Step::Populate => {
                self.follow_settled(kind, id, call).await
            }
            Step::Delete { anchor } => self.settle_delete(kind, id, intent, anchor, call).await,
            Step::Members { anchor, .. } => {
                let told = intent.settling(Action::Members);
                let settled = self
                    .read_members(kind, id, anchor, asked, call, Some(&told))
                    .await;
                match settled {
                    Err(error) if error.fault() == Some(Fault::NotFound) => {
                        self.drop_vanished(kind, id, &intent.settling(Action::Vanish))
                            .await
                    }
                    other => other,
                }
            }
        };
        match &outcome {
            Ok(()) => tracing::info!(
                app = self.name,
                kind = kind.name,
                id,
                "settled an unfinished write with the target"
            ),
            Err(error) => {
                tracing::warn!(app = self.name, kind = kind.name, id, %error, "an unfinished write cannot be settled yet");
            }
        }
        outcome
    }

    async fn settle_create(
        &self,
        kind: &Kind,
        id: &str,
        intent: &Intent,
        (resource, password): (&Resource, bool),
        call: &Call,
    ) -> Result<(), Error> {
        let references = self.references_of_resource(kind, resource).await?;
        let object = kind
            .mapping
            .to_created_object(resource, &references)
            .map_err(mapping)?;
        match self.find(kind, &object, call).await? {
            Some(entry) => {
                let told = intent.settling(Action::Create);
                let (id, _) = self
                    .finish_create(kind, id, resource, &entry, password, &told)
                    .await?;
                self.follow_settled(kind, &id, call).await
            }
            None if within_grace(intent) => Err(Self::unsettled(kind, id)),
            None => self.abandon(kind, id, &intent.step).await,
        }
    }

    async fn settle_update(
        &self,
        kind: &Kind,
        id: &str,
        intent: &Intent,
        anchor: &str,
        (resource, aside): (&Resource, &[Aside]),
        call: &Call,
    ) -> Result<(), Error> {
        let Some(stored) = self.load(kind, id).await? else {
            return self.abandon(kind, id, &intent.step).await;
        };
        let entry = match self
            .connector
            .get(call, &kind.name, anchor, &[])
            .await
            .map_err(|e| self.target(e))
        {
            Ok(entry) => Some(entry),
            Err(error) if error.fault() == Some(Fault::NotFound) => {
                // The anchor may have changed with the update.
                self.find_either(kind, resource, &stored.record.resource, call)
                    .await?
            }
            Err(error) => return Err(error),
        };
        let Some(entry) = entry else {
            if within_grace(intent) {
                return Err(Self::unsettled(kind, id));
            }
            return self
                .unlink(kind, id, &stored, &intent.settling(Action::Vanish))
                .await;
        };
        // What the host keeps itself goes with the rest: all or nothing.
        let present = convert::object(&entry);
        let wanted_veil = Veil {
            standing: stored.record.standing.clone(),
            aside: aside.to_vec(),
        };
        let object = wanted_veil.over(present.clone());
        let references = self.references_of_object(kind, &object).await?;
        let mut as_wanted = resource.clone();
        kind.mapping.overlay(&mut as_wanted, &object, &references);
        let wanted = self.references_of_resource(kind, resource).await?;
        let made = kind.mapping.is_made(resource, &wanted, &object);
        let over = |aside: &Aside| present.get(&aside.name) == aside.written;
        let (base, veil) = if made && as_wanted == *resource && aside.iter().all(over) {
            (resource, wanted_veil)
        } else if within_grace(intent) {
            return Err(Self::unsettled(kind, id));
        } else {
            (&stored.record.resource, Veil::of(&stored.record))
        };
        let told = intent.settling(Action::Update);
        let written = self
            .names_changed(kind, &stored.record.resource, base)
            .await?;
        self.finish_update(kind, id, &stored, base, &entry, &veil, &written, &told)
            .await?;
        self.follow_settled(kind, id, call).await?;
        // Claims of a rename that did not happen.
        let commit = self
            .release_claims(kind, id, resource, Commit::new())
            .await?;
        Ok(self.store.commit(commit).await?)
    }

    /// What follows a write that has just been settled. Boxed, since it is a way to here as well.
    fn follow_settled<'a>(
        &'a self,
        kind: &'a Kind,
        id: &'a str,
        call: &'a Call,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let (Some(next), Some(app)) = (self.open_intent(id).await?, self.me.upgrade()) else {
                return Ok(());
            };
            let r = Request::settling(call, next.by.clone());
            app.follow(&r, kind, id).await
        })
    }

    async fn settle_delete(
        &self,
        kind: &Kind,
        id: &str,
        intent: &Intent,
        anchor: &str,
        call: &Call,
    ) -> Result<(), Error> {
        match self
            .connector
            .get(call, &kind.name, anchor, &[])
            .await
            .map_err(|e| self.target(e))
        {
            Ok(_) => Ok(self
                .store
                .commit(Commit::new().delete(self.keys.intent(id)))
                .await?),
            Err(error) if error.fault() == Some(Fault::NotFound) => {
                self.drop_vanished(kind, id, &intent.settling(Action::Delete))
                    .await
            }
            Err(error) => Err(error),
        }
    }

    /// The target has no such object any more: link, mirror and intent end.
    pub(crate) async fn drop_vanished(
        &self,
        kind: &Kind,
        id: &str,
        told: &Told,
    ) -> Result<(), Error> {
        match self.load(kind, id).await? {
            Some(stored) => self.unlink(kind, id, &stored, told).await,
            None => Ok(self
                .store
                .commit(Commit::new().delete(self.keys.intent(id)))
                .await?),
        }
    }

    async fn find_either(
        &self,
        kind: &Kind,
        new: &Resource,
        old: &Resource,
        call: &Call,
    ) -> Result<Option<Entry>, Error> {
        for resource in [new, old] {
            let references = self.references_of_resource(kind, resource).await?;
            let object = kind
                .mapping
                .to_object(resource, &references)
                .map_err(mapping)?;
            if let Some(entry) = self.find(kind, &object, call).await? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// The one object of the target that has the unique values of `object`.
    ///
    /// Two such objects are an ambiguity that nobody can settle by guessing:
    /// then it is none, and the log says so.
    pub(crate) async fn find(
        &self,
        kind: &Kind,
        object: &Object,
        call: &Call,
    ) -> Result<Option<Entry>, Error> {
        let wanted = kind.mapping.correlation(object);
        if wanted.is_empty() {
            return Ok(None);
        }
        let wanted: Vec<(String, Scalar)> = wanted
            .into_iter()
            .map(|(name, scalar)| (name, convert::scalar(&scalar)))
            .collect();
        let mut nodes: Vec<Node> = wanted
            .iter()
            .map(|(name, scalar)| Node::Test((name.clone(), Comparison::Equal, scalar.clone())))
            .collect();
        let all: Vec<u32> = (0u32..).take(nodes.len()).collect();
        nodes.push(Node::All(all));
        let found = match self.search_all(kind, Some(nodes), call).await {
            Err(error) if error.fault() == Some(Fault::Unsupported) => {
                self.search_all(kind, None, call).await?
            }
            other => other?,
        };
        let mut matching = found
            .into_iter()
            .filter(|entry| wanted.iter().all(|(n, s)| convert::has(entry, n, s)));
        let first = matching.next();
        if matching.next().is_some() {
            tracing::error!(
                app = self.name,
                kind = kind.name,
                "the target has several objects with the same unique values; the unfinished write is linked to none of them"
            );
            return Ok(None);
        }
        Ok(first)
    }

    pub(crate) async fn search_all(
        &self,
        kind: &Kind,
        filter: Option<Vec<Node>>,
        call: &Call,
    ) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        let mut cursor = None;
        let mut seen = BTreeSet::new();
        loop {
            let query = Query {
                filter: filter.clone(),
                attributes: Vec::new(),
                cursor,
                limit: PAGE,
            };
            let page = self
                .connector
                .search(call, &kind.name, query)
                .await
                .map_err(|e| self.target(e))?;
            entries.extend(page.entries);
            match page.cursor {
                // A cursor that comes back leads in a circle.
                Some(next) if seen.insert(next.clone()) => cursor = Some(next),
                _ => return Ok(entries),
            }
        }
    }

    pub(crate) fn unsettled(kind: &Kind, id: &str) -> Error {
        Error::Unsettled {
            kind: kind.ty().name.clone(),
            id: id.to_owned(),
        }
    }

    /// Settles what has no outcome yet, until nothing is left. Asked for again
    /// while it runs, it goes on.
    pub fn settle_in_background(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.settling.swap(true, Ordering::AcqRel) {
            return;
        }
        let app = Arc::downgrade(self);
        runtime.spawn(async move {
            let mut attempt = 0;
            // Upgraded for one round only: a reload lets the old app go.
            while let Some(live) = app.upgrade() {
                if live.settle_all().await == 0 {
                    live.settling.store(false, Ordering::Release);
                    // One that came between the look and the flag would wait for ever.
                    if live.unfinished().await == 0 || live.settling.swap(true, Ordering::AcqRel) {
                        return;
                    }
                }
                drop(live);
                tokio::time::sleep(Duration::from_secs(WAITS[attempt.min(WAITS.len() - 1)])).await;
                attempt += 1;
            }
        });
    }

    /// Settles what hosts leave behind that are gone.
    pub(crate) fn settle_after_departures(self: &Arc<Self>) {
        let (Some(mut departures), Ok(runtime)) = (
            self.hosts.departures(),
            tokio::runtime::Handle::try_current(),
        ) else {
            return;
        };
        let app = Arc::downgrade(self);
        runtime.spawn(async move {
            while departures.changed().await.is_ok() {
                let Some(app) = app.upgrade() else { return };
                app.settle_in_background();
            }
        });
    }

    /// How many writes have no outcome yet, and nobody else works on them.
    async fn unfinished(&self) -> usize {
        let Ok(intents) = self.store.scan(Range::prefix(self.keys.intents())).await else {
            return 1;
        };
        let mut left = 0;
        for (key, _) in intents {
            left += usize::from(self.theirs_has_ended(&id_of(&key)).await.unwrap_or(true));
        }
        left
    }

    /// One round; answers how many intents are left.
    async fn settle_all(&self) -> usize {
        let intents = match self.store.scan(Range::prefix(self.keys.intents())).await {
            Ok(intents) => intents,
            Err(error) => {
                tracing::error!(app = self.name, %error, "the journal cannot be read");
                return 1;
            }
        };
        let mut left = 0;
        for (key, _) in intents {
            let id = id_of(&key);
            let _held = self.shared.locks.lock(&id).await;
            // While the lock was waited for, its holder may have finished.
            let Ok(Some(intent)) = self.open_intent(&id).await else {
                continue;
            };
            match self.take_over(&id, &intent).await {
                Ok(true) => {}
                // Its host settles it, or leaves it behind.
                Ok(false) => continue,
                Err(error) => {
                    tracing::debug!(app = self.name, id, %error, "an unfinished write is taken over later");
                    left += 1;
                    continue;
                }
            }
            let Some(kind) = self.kinds.iter().find(|kind| kind.name == intent.kind) else {
                tracing::warn!(
                    app = self.name,
                    kind = intent.kind,
                    id,
                    "an unfinished write is of a kind that the connector no longer has; it waits"
                );
                left += 1;
                continue;
            };
            let call = Call {
                request_id: format!("settle-{}", intent.request),
                deadline: tokio::time::Instant::now() + ASK,
            };
            if self.settle(kind, &id, &intent, &call).await.is_err() {
                left += 1;
            }
        }
        left
    }
}

/// Whether the target may still be working on it.
fn within_grace(intent: &Intent) -> bool {
    let age = Timestamp::now().duration_since(intent.begun);
    age < jiff::SignedDuration::try_from(GRACE).unwrap_or(jiff::SignedDuration::ZERO)
        && !age.is_negative()
}

/// What cannot be mapped now could be mapped when the write began.
#[allow(clippy::needless_pass_by_value)] // it is what `map_err` gives
pub(crate) fn mapping(error: tombolo_mapping::ConvertError) -> Error {
    if error.is_none_free() {
        return Error::Taken {
            message: error.to_string(),
        };
    }
    let told = tombolo_scim::error::Error::invalid_value(error.to_string());
    match error {
        tombolo_mapping::ConvertError::UnknownReference { .. } => Error::Reference(told),
        _ => Error::Request(told),
    }
}

impl App {
    /// For callers that need the record as it is after settling.
    pub(crate) async fn load_settled(
        &self,
        kind: &Kind,
        id: &str,
        call: &Call,
    ) -> Result<Stored, Error> {
        self.settled(kind, id, call).await?;
        self.load(kind, id).await?.ok_or_else(|| Error::NotFound {
            kind: kind.ty().name.clone(),
            id: id.to_owned(),
        })
    }
}

impl Stored {
    /// The record that follows when the target has this anchor and these values.
    pub(crate) fn next(&self, anchor: &str, resource: Resource) -> Record {
        self.record.next(anchor.to_owned(), resource)
    }
}

impl Intent {
    /// How its outcome is told, now that the target has been asked.
    fn settling(&self, action: Action) -> Told {
        let mut told = Told::by_host(action);
        told.by = self.by.clone();
        told.settled = true;
        told
    }
}
