//! The hosts that share one store: who lives, and whose a piece of work is.
//!
//! A host has a name of its own for each life, and while it lives the store has two keys of it: that it is there, and a
//! count that it moves on every few seconds. A host whose count stands still for others, look after look, is declared gone:
//! whoever sees it removes both keys, in one commit that holds only if the count still stands where it stood. No clock is
//! compared with another's, and a time in which nobody could reach the store counts for nobody.
//!
//! What follows from being gone is decided by the store alone. A name that has no key will never have one again, and every
//! intent is written under the condition that its host's key is there ([`crate::fence`]); so an intent whose host has no key
//! belongs to nobody, and whoever takes it over does so by a conditional commit. A host that was declared gone by mistake
//! (its machine was suspended) finds its key missing, writes nothing more under that name, and takes another.
//!
//! Where a store has one host only (its directory is locked) there are no keys: every intent is the host's own, of this life
//! or of an earlier one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, watch};
use tombolo_store::key::last_text;
use tombolo_store::{Commit, CommitError, Key, Range, Store, StoreError};
use uuid::Uuid;

use crate::news::{Mark, News};

/// How often a host says that it lives, and looks who else does.
const BEAT: Duration = Duration::from_secs(2);
/// A host whose count stood still for so many looks, and for so long, is gone.
const LOOKS: u32 = 6;
const STILL: Duration = Duration::from_secs(12);
/// A host that could not say for so long that it lives begins nothing: others may be about to declare it gone.
const STALE: Duration = Duration::from_secs(6);
/// How long one host waits for another that works on what it needs.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many marks of other hosts may wait for an app to count them.
const MARKS: usize = 1024;
/// The wait between looks while it does; doubled up to the second.
const WAITS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(160));

/// The hosts, as one of them sees them.
pub struct Hosts {
    /// None: this host is alone with its store.
    among: Option<Among>,
}

struct Among {
    store: Arc<dyn Store>,
    /// Who we are, on this machine, over all lives.
    place: String,
    me: RwLock<Me>,
    /// Moves on whenever a host has gone.
    gone: watch::Sender<u64>,
    /// Another host has given back a turn.
    turned: Notify,
    /// What other hosts have let through.
    marks: broadcast::Sender<Mark>,
    seen: Mutex<HashMap<String, Seen>>,
}

struct Me {
    name: String,
    count: u64,
    /// When the last beat that went through was begun.
    beat: Instant,
}

/// What was last seen of another host.
struct Seen {
    count: Vec<u8>,
    since: Instant,
    looks: u32,
}

/// What the store says of a host that is there.
#[derive(Debug, Serialize, Deserialize)]
struct Presence {
    place: String,
}

/// Whose work it is to settle an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Ours, by name, or because this host is alone.
    Ours,
    /// Nobody's: its host is gone.
    Nobodys,
    /// Another's, who lives.
    Theirs,
}

impl Hosts {
    /// One host, whose store nobody else can open.
    pub fn alone() -> Arc<Self> {
        Arc::new(Self { among: None })
    }

    /// Takes a name among the hosts of `store`. `place` is where this host runs, the same over all its lives, and no two may
    /// run there at once: an earlier life of the same place is over.
    ///
    /// # Errors
    /// The store fails.
    pub async fn join(store: Arc<dyn Store>, place: String) -> Result<Arc<Self>, StoreError> {
        let among = Among {
            store,
            place,
            me: RwLock::new(Me {
                name: String::new(),
                count: 0,
                beat: Instant::now(),
            }),
            gone: watch::Sender::new(0),
            turned: Notify::new(),
            marks: broadcast::Sender::new(MARKS),
            seen: Mutex::default(),
        };
        among.bury_former_lives().await?;
        among.take_name().await?;
        let hosts = Arc::new(Self { among: Some(among) });
        hosts.listen();
        let of_task = Arc::downgrade(&hosts);
        tokio::spawn(async move {
            let mut beats = tokio::time::interval(BEAT);
            beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                beats.tick().await;
                let Some(hosts) = of_task.upgrade() else {
                    return;
                };
                if let Some(among) = &hosts.among
                    && let Err(error) = among.beat().await
                {
                    tracing::warn!(%error, "this host cannot say that it lives");
                }
            }
        });
        Ok(hosts)
    }

    /// Hears what the other hosts tell.
    fn listen(self: &Arc<Self>) {
        let heard = self.among.as_ref().map(|among| among.store.announcements());
        let Some(Some(mut heard)) = heard else { return };
        let of_task = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let news = match heard.recv().await {
                    Ok(line) => News::read(&line),
                    // Lost; the next beat finds it out.
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                let Some(hosts) = of_task.upgrade() else {
                    return;
                };
                if let (Some(among), Some(news)) = (&hosts.among, news) {
                    among.hear(news).await;
                }
            }
        });
    }

    /// Tells the other hosts. Where this one is alone there is nobody.
    pub(crate) fn tell(&self, news: &News) {
        if let Some(among) = &self.among {
            among.store.announce(news.line());
        }
    }

    /// What other hosts let through that a breaker counts. None when this host is alone.
    pub(crate) fn marks(&self) -> Option<broadcast::Receiver<Mark>> {
        self.among.as_ref().map(|among| among.marks.subscribe())
    }

    /// Whether there may be others.
    pub(crate) fn many(&self) -> bool {
        self.among.is_some()
    }

    /// The name that an intent is written under; none when this host is alone.
    pub(crate) fn me(&self) -> Option<String> {
        self.among
            .as_ref()
            .map(|among| among.me.read().name.clone())
    }

    /// Tells of hosts that have gone: their work is anybody's. None when this host is alone.
    pub(crate) fn departures(&self) -> Option<watch::Receiver<u64>> {
        self.among.as_ref().map(|among| among.gone.subscribe())
    }

    /// Whose work it is to settle what this host began.
    pub(crate) async fn standing(&self, host: Option<&str>) -> Result<Standing, StoreError> {
        let Some(among) = &self.among else {
            return Ok(Standing::Ours);
        };
        // Written by a host that was alone with the store, which is now another one.
        let Some(host) = host else {
            return Ok(Standing::Nobodys);
        };
        if among.me.read().name == host {
            return Ok(Standing::Ours);
        }
        match among.store.get(&presence(host)).await? {
            Some(_) => Ok(Standing::Theirs),
            None => Ok(Standing::Nobodys),
        }
    }

    /// Adds to what begins something that it holds only while this host is known to live.
    ///
    /// # Errors
    /// It has not been able to say so for a while.
    pub(crate) fn vouch(&self, commit: Commit) -> Result<Commit, StoreError> {
        let Some(among) = &self.among else {
            return Ok(commit);
        };
        let me = among.me.read();
        if me.beat.elapsed() > STALE {
            return Err(StoreError::Unavailable {
                cause: "this host has not been able to tell the others that it lives".into(),
            });
        }
        Ok(commit.exists(presence(&me.name)))
    }

    /// Takes the one turn of this name that there is among all hosts; waits for it. None when this host is alone: what it
    /// does one at a time it orders by itself, and so it does before it asks here.
    ///
    /// # Errors
    /// Another host keeps it for too long, or the store fails.
    pub(crate) async fn turn(&self, name: &str) -> Result<Option<Turn>, StoreError> {
        let Some(among) = &self.among else {
            return Ok(None);
        };
        let key = Key::of("+turns").text(name);
        let mut patience = Patience::new();
        loop {
            let me = among.me.read().name.clone();
            let held = among.store.get(&key).await?;
            let holder = held.as_deref().map(String::from_utf8_lossy);
            let free = match holder.as_deref() {
                None => Some(Commit::new().absent(&key)),
                // Ours, of something that did not come to its end.
                Some(holder) => (self.standing(Some(holder)).await? != Standing::Theirs)
                    .then(|| Commit::new().equals(&key, holder)),
            };
            if let Some(free) = free {
                match among
                    .store
                    .commit(self.vouch(free.put(&key, me.as_str()))?)
                    .await
                {
                    Ok(()) => {
                        return Ok(Some(Turn {
                            key,
                            name: name.to_owned(),
                            holder: me,
                        }));
                    }
                    Err(CommitError::Conflict { .. }) => {}
                    Err(CommitError::Store(error)) => return Err(error),
                }
            }
            if !patience.wait_or(&among.turned).await {
                return Err(StoreError::Unavailable {
                    cause: "another host has been writing to the same target for too long".into(),
                });
            }
        }
    }

    /// Gives a turn back. One that cannot be given back is still this host's, which finds it free the next time.
    pub(crate) async fn end_turn(&self, turn: Option<Turn>) {
        let (Some(among), Some(Turn { key, name, holder })) = (&self.among, turn) else {
            return;
        };
        let commit = Commit::new().equals(&key, holder).delete(&key);
        match among.store.commit(commit).await {
            Ok(()) => self.tell(&News::Turn { name }),
            Err(error) => {
                tracing::debug!(%error, "a turn among the hosts was not given back");
            }
        }
    }

    /// Leaves: what this host has left unfinished is anybody's at once.
    pub async fn leave(&self) {
        let Some(among) = &self.among else { return };
        let name = among.me.read().name.clone();
        let commit = Commit::new()
            .delete(presence(&name))
            .delete(count_of(&name));
        match among.store.commit(commit).await {
            Ok(()) => self.tell(&News::Left),
            Err(error) => {
                tracing::warn!(%error, "the other hosts were not told that this one stops; they find out by themselves");
            }
        }
    }
}

/// How one host waits for another: look by look, ever less often, and sooner if it is told.
pub(crate) struct Patience {
    until: Instant,
    wait: Duration,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self {
            until: Instant::now() + PATIENCE,
            wait: WAITS.0,
        }
    }

    /// Waits until the next look; false when it is at its end.
    pub(crate) async fn wait(&mut self) -> bool {
        self.wait_or(&Notify::new()).await
    }

    /// The same, or until there is news.
    async fn wait_or(&mut self, news: &Notify) -> bool {
        if Instant::now() > self.until {
            return false;
        }
        // Out of time or told: either is a reason to look.
        let _ = tokio::time::timeout(self.wait, news.notified()).await;
        self.wait = (self.wait * 2).min(WAITS.1);
        true
    }
}

/// A turn that was taken.
pub(crate) struct Turn {
    key: Key,
    name: String,
    holder: String,
}

impl Among {
    /// Does at once what the next look would do.
    async fn hear(&self, news: News) {
        match news {
            News::Left => {
                let me = self.me.read().name.clone();
                if let Err(error) = self.look(&me).await {
                    tracing::debug!(%error, "the hosts of the store cannot be looked at");
                }
            }
            News::Turn { .. } => self.turned.notify_waiters(),
            // No app may be interested.
            News::Marked(mark) => drop(self.marks.send(mark)),
        }
    }

    /// Whoever ran where we run is gone.
    async fn bury_former_lives(&self) -> Result<(), StoreError> {
        let all = Range::prefix(Key::of("+hosts"));
        for (key, value) in self.store.scan(all).await? {
            let ours = serde_json::from_slice::<Presence>(&value)
                .is_ok_and(|presence| presence.place == self.place);
            if let (true, Some(name)) = (ours, last_text(&key)) {
                let commit = Commit::new().delete(key).delete(count_of(&name));
                unconditional(self.store.commit(commit).await)?;
                tracing::info!(
                    host = name,
                    "an earlier life of this host is over; what it left unfinished is settled now"
                );
            }
        }
        Ok(())
    }

    async fn take_name(&self) -> Result<(), StoreError> {
        let name = Uuid::now_v7().to_string();
        let begun = Instant::now();
        let known = serde_json::json!({ "place": self.place }).to_string();
        let commit = Commit::new()
            .absent(presence(&name))
            .put(presence(&name), known)
            .put(count_of(&name), 0_u64.to_be_bytes());
        unconditional(self.store.commit(commit).await)?;
        tracing::info!(host = name, "this host has joined those of its store");
        *self.me.write() = Me {
            name,
            count: 0,
            beat: begun,
        };
        Ok(())
    }

    async fn beat(&self) -> Result<(), StoreError> {
        let begun = Instant::now();
        let (name, count) = {
            let me = self.me.read();
            (me.name.clone(), me.count + 1)
        };
        let commit = Commit::new()
            .exists(presence(&name))
            .put(count_of(&name), count.to_be_bytes());
        match self.store.commit(commit).await {
            Ok(()) => {
                let mut me = self.me.write();
                me.count = count;
                me.beat = begun;
            }
            Err(CommitError::Conflict { .. }) => {
                tracing::warn!(
                    host = name,
                    "the other hosts have taken this one for gone (was its machine suspended?); it goes on under another name"
                );
                self.take_name().await?;
            }
            Err(CommitError::Store(error)) => return Err(error),
        }
        self.look(&name).await
    }

    /// Looks at the others' counts.
    async fn look(&self, me: &str) -> Result<(), StoreError> {
        let all = Range::prefix(Key::of("+counts"));
        let present: HashMap<String, Vec<u8>> = self
            .store
            .scan(all)
            .await?
            .into_iter()
            .filter_map(|(key, count)| Some((last_text(&key)?, count)))
            .filter(|(name, _)| name != me)
            .collect();
        let (still, left) = {
            let mut seen = self.seen.lock();
            let before = seen.len();
            seen.retain(|name, _| present.contains_key(name));
            let left = seen.len() < before;
            (
                present
                    .into_iter()
                    .filter(|(name, count)| stands_still(&mut seen, name, count))
                    .collect::<Vec<_>>(),
                left,
            )
        };
        let mut departed = left;
        for (name, count) in still {
            let commit = Commit::new()
                .equals(count_of(&name), count)
                .delete(count_of(&name))
                .delete(presence(&name));
            match self.store.commit(commit).await {
                Ok(()) => {
                    tracing::warn!(
                        host = name,
                        "another host does not say any more that it lives; what it left unfinished is settled now"
                    );
                    departed = true;
                }
                // It lives after all, or somebody else was quicker.
                Err(CommitError::Conflict { .. }) => {}
                Err(CommitError::Store(error)) => return Err(error),
            }
            self.seen.lock().remove(&name);
        }
        if departed {
            self.gone.send_modify(|times| *times += 1);
        }
        Ok(())
    }
}

/// Notes a look at a host's count; whether it has stood still for long enough.
fn stands_still(seen: &mut HashMap<String, Seen>, name: &str, count: &[u8]) -> bool {
    match seen.get_mut(name) {
        Some(known) if known.count == count => {
            known.looks += 1;
            known.looks >= LOOKS && known.since.elapsed() >= STILL
        }
        _ => {
            let first = Seen {
                count: count.to_vec(),
                since: Instant::now(),
                looks: 0,
            };
            seen.insert(name.to_owned(), first);
            false
        }
    }
}

/// That a host is there. Looked at by every commit that begins something; so it does not change while the host lives.
fn presence(name: &str) -> Key {
    Key::of("+hosts").text(name)
}

/// What a host moves on.
fn count_of(name: &str) -> Key {
    Key::of("+counts").text(name)
}

/// A commit whose condition cannot fail: a name is used once.
fn unconditional(outcome: Result<(), CommitError>) -> Result<(), StoreError> {
    match outcome {
        Err(CommitError::Store(error)) => Err(error),
        Ok(()) | Err(CommitError::Conflict { .. }) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tombolo_store::sled::SledStore;

    use super::*;

    fn store() -> (tempfile::TempDir, Arc<dyn Store>) {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SledStore::open(dir.path().join("store")).expect("the store opens");
        (dir, Arc::new(store))
    }

    async fn join(store: &Arc<dyn Store>, place: &str) -> Arc<Hosts> {
        let joined = Hosts::join(Arc::clone(store), place.to_owned()).await;
        joined.expect("it joins")
    }

    #[tokio::test]
    async fn who_lives_is_left_alone_and_who_left_is_not() {
        let (_dir, store) = store();
        let (one, two) = (join(&store, "one").await, join(&store, "two").await);
        let name = two.me().expect("a name");
        assert_eq!(one.standing(Some(&name)).await.ok(), Some(Standing::Theirs));
        assert_eq!(two.standing(Some(&name)).await.ok(), Some(Standing::Ours));
        assert_eq!(one.standing(None).await.ok(), Some(Standing::Nobodys));
        two.leave().await;
        assert_eq!(
            one.standing(Some(&name)).await.ok(),
            Some(Standing::Nobodys)
        );
        // What it begins now is refused.
        let commit = two
            .vouch(Commit::new().put("k", "1"))
            .expect("it has beaten");
        assert!(
            store
                .commit(commit)
                .await
                .is_err_and(|error| error.is_conflict())
        );
    }

    #[tokio::test]
    async fn an_earlier_life_in_the_same_place_is_over_at_once() {
        let (_dir, store) = store();
        let (first, other) = (join(&store, "one").await, join(&store, "two").await);
        let (first, other) = (first.me().expect("a name"), other.me().expect("a name"));
        let second = join(&store, "one").await;
        assert_eq!(
            second.standing(Some(&first)).await.ok(),
            Some(Standing::Nobodys)
        );
        assert_eq!(
            second.standing(Some(&other)).await.ok(),
            Some(Standing::Theirs)
        );
    }

    #[test]
    fn a_count_has_to_stand_still_for_many_looks_and_long() {
        let mut seen = HashMap::new();
        assert!(!stands_still(&mut seen, "a", b"1"));
        for _ in 0..20 {
            assert!(!stands_still(&mut seen, "a", b"1"), "not long enough");
        }
        let known = seen.get_mut("a").expect("seen");
        known.since = Instant::now().checked_sub(STILL).expect("a long uptime");
        assert!(stands_still(&mut seen, "a", b"1"));
        assert!(!stands_still(&mut seen, "a", b"2"), "it moved");
        let known = seen.get_mut("a").expect("seen");
        known.since = Instant::now().checked_sub(STILL).expect("a long uptime");
        assert!(!stands_still(&mut seen, "a", b"2"), "one look is no look");
    }

    #[tokio::test]
    async fn a_host_that_was_taken_for_gone_takes_another_name() {
        let (_dir, store) = store();
        let host = join(&store, "one").await;
        let name = host.me().expect("a name");
        let commit = Commit::new().delete(presence(&name));
        store.commit(commit).await.expect("the commit goes through");
        let among = host.among.as_ref().expect("among others");
        among.beat().await.expect("it goes on");
        assert_ne!(host.me(), Some(name));
        let commit = host
            .vouch(Commit::new().put("k", "1"))
            .expect("it has beaten");
        store.commit(commit).await.expect("the commit goes through");
    }

    #[tokio::test]
    async fn a_turn_is_one_hosts_at_a_time() {
        let (_dir, store) = store();
        let (one, two) = (join(&store, "one").await, join(&store, "two").await);
        let turn = one.turn("files").await.expect("free");
        let waiting = {
            let two = Arc::clone(&two);
            tokio::spawn(async move { two.turn("files").await })
        };
        let other = two.turn("others").await.expect("free");
        two.end_turn(other).await;
        assert!(!waiting.is_finished());
        one.end_turn(turn).await;
        let turn = waiting.await.expect("it ends well").expect("free now");
        // Its holder dies with it.
        drop(turn);
        two.leave().await;
        one.turn("files").await.expect("free again");
    }
}
