//! Numbers accounts, writes them with what they tell of, and seals them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tombolo_store::{Commit, CommitError, Range, Store, StoreError};
use uuid::Uuid;

use super::account::{Account, Action, Outcome};
use super::retention::Keep;
use super::seal::{self, Seal};
use super::tale::Told;
use super::{keys, verify};

/// What is new is sealed after so long at the latest.
const SEAL_AFTER: Duration = Duration::from_secs(1);
/// At most so many accounts under one seal.
pub(super) const UNDER_ONE: usize = 1000;
/// A commit that has not been answered for so long never comes.
const LOST: Duration = Duration::from_mins(2);
/// A stream whose newest account is older than that has no writer that could still put one in.
const QUIET: jiff::SignedDuration = jiff::SignedDuration::from_secs(120);
/// How often old streams and old accounts are looked after.
const ROUNDS: Duration = Duration::from_mins(10);
/// How many accounts of what changed nothing wait at most: a flood of refused requests must not fill the memory.
const WAITING: usize = 20_000;

/// The audit of one life of one host.
pub(crate) struct Trail {
    store: Arc<dyn Store>,
    stream: String,
    next: AtomicU64,
    /// Numbers that were given and whose commit has not been answered.
    under_way: Mutex<BTreeMap<u64, Instant>>,
    /// Accounts of what changed nothing.
    waiting: Mutex<Vec<Account>>,
    /// How many of those found no room since the last were written.
    missed: AtomicU64,
    keep: Mutex<Keep>,
    /// By itself: who waits for news must not keep the store open.
    news: Arc<Notify>,
    started: AtomicBool,
    /// Held while what waits is written: who asks for everything gets what another has just taken in hand.
    writing: tokio::sync::Mutex<()>,
    /// One sealer at a time, or two seals would follow the same.
    sealing: tokio::sync::Mutex<()>,
}

impl Trail {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            stream: Uuid::now_v7().to_string(),
            next: AtomicU64::new(0),
            under_way: Mutex::default(),
            waiting: Mutex::default(),
            missed: AtomicU64::new(0),
            keep: Mutex::default(),
            news: Arc::default(),
            started: AtomicBool::new(false),
            writing: tokio::sync::Mutex::default(),
            sealing: tokio::sync::Mutex::default(),
        })
    }

    /// What is kept, and for how long.
    pub(crate) fn keep(&self, keep: Keep) {
        *self.keep.lock() = keep;
    }

    /// Commits, and with it what is told of it: both or neither.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        commit: Commit,
        account: &Account,
    ) -> Result<(), CommitError> {
        let Ok(bytes) = serde_json::to_vec(account) else {
            return Err(CommitError::Store(StoreError::Read {
                cause: "an account cannot be written".into(),
            }));
        };
        self.start();
        let number = self.take_number();
        let commit = commit.put(keys::entry(&self.stream, number), bytes);
        let outcome = self.store.commit(commit).await;
        // Not reached when the caller goes away: then the commit may still come, and the number stays under way.
        self.under_way.lock().remove(&number);
        self.news.notify_one();
        outcome
    }

    /// Tells, within a second, of something that changed nothing.
    pub(crate) fn later(self: &Arc<Self>, account: Account) {
        {
            let mut waiting = self.waiting.lock();
            if waiting.len() >= WAITING {
                self.missed.fetch_add(1, Ordering::Relaxed);
                return;
            }
            waiting.push(account);
        }
        self.start();
        self.news.notify_one();
    }

    /// Writes and seals everything there is.
    pub(crate) async fn close(self: &Arc<Self>) {
        if let Err(why) = self.write_and_seal().await {
            tracing::warn!(%why, "the newest audit records are sealed by the next host that starts");
        }
    }

    fn take_number(&self) -> u64 {
        let mut under_way = self.under_way.lock();
        // Under the lock, so that no lower number comes after a higher one has been seen here.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        under_way.insert(number, Instant::now());
        number
    }

    /// Starts the work in the background, if it does not run yet.
    fn start(self: &Arc<Self>) {
        if self.started.load(Ordering::Relaxed) || self.started.swap(true, Ordering::AcqRel) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.started.store(false, Ordering::Release);
            return;
        };
        let trail = Arc::downgrade(self);
        let news = Arc::clone(&self.news);
        runtime.spawn(async move {
            let mut looked: Option<Instant> = None;
            while let Some(live) = trail.upgrade() {
                if looked.is_none_or(|at| at.elapsed() > ROUNDS) {
                    live.look_after().await;
                    looked = Some(Instant::now());
                }
                if let Err(why) = live.write_and_seal().await {
                    tracing::error!(%why, "the audit cannot be sealed; it is tried again");
                }
                drop(live);
                // Old streams are looked after although nothing happens.
                let _ = tokio::time::timeout(ROUNDS, news.notified()).await;
                tokio::time::sleep(SEAL_AFTER).await;
            }
        });
    }

    async fn write_and_seal(self: &Arc<Self>) -> Result<(), StoreError> {
        let _all = self.writing.lock().await;
        let waiting = std::mem::take(&mut *self.waiting.lock());
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            tracing::warn!(
                missed,
                "so many requests changed nothing at once that not all are in the audit"
            );
        }
        for some in waiting.chunks(UNDER_ONE) {
            let mut commit = Commit::new();
            let mut numbers = Vec::with_capacity(some.len());
            for account in some {
                let number = self.take_number();
                let bytes = serde_json::to_vec(account).unwrap_or_default();
                commit = commit.put(keys::entry(&self.stream, number), bytes);
                numbers.push(number);
            }
            let outcome = self.store.commit(commit).await;
            let mut under_way = self.under_way.lock();
            for number in numbers {
                under_way.remove(&number);
            }
            if let Err(CommitError::Store(why)) = outcome {
                return Err(why);
            }
        }
        self.seal(&self.stream, self.settled_below()).await
    }

    /// Every account below this number is in the store, or never will be.
    fn settled_below(&self) -> u64 {
        let mut under_way = self.under_way.lock();
        under_way.retain(|_, since| since.elapsed() < LOST);
        let next = self.next.load(Ordering::Relaxed);
        under_way.keys().next().copied().unwrap_or(next)
    }

    /// Seals the accounts of a stream below this number.
    async fn seal(&self, stream: &str, below: u64) -> Result<(), StoreError> {
        let _one = self.sealing.lock().await;
        let store = &*self.store;
        let (mut head, from) = seal::standing(store, stream).await?;
        let mut range = Range::prefix(keys::entries(stream))
            .from(keys::entry(stream, from))
            .until(keys::entry(stream, below))
            .limit(UNDER_ONE);
        loop {
            let found = store.scan(range).await?;
            let Some((last, _)) = found.last() else {
                return Ok(());
            };
            range = Range::prefix(keys::entries(stream))
                .after(last.clone())
                .until(keys::entry(stream, below))
                .limit(UNDER_ONE);
            let accounts = found
                .iter()
                .map(|(key, bytes)| (keys::number_of(key), seal::sum(bytes)))
                .collect();
            let others = match &head {
                None => verify::heads(store, stream).await?,
                Some(_) => BTreeMap::new(),
            };
            let seal = Seal::new(head.as_ref(), accounts, others);
            let key = keys::seal(stream, seal.number);
            let bytes = serde_json::to_vec(&seal).unwrap_or_default();
            let commit = Commit::new().absent(&key).put(&key, bytes);
            match store.commit(commit).await {
                Ok(()) => {}
                // Another host has put its seal on an abandoned stream.
                Err(CommitError::Conflict { .. }) => return Ok(()),
                Err(CommitError::Store(why)) => return Err(why),
            }
            tracing::debug!(
                target: "tombolo::audit",
                stream,
                seal = seal.number,
                sum = seal.sum,
                accounts = seal.accounts.len(),
                "sealed"
            );
            head = Some(seal.head());
        }
    }

    /// Seals what hosts left behind that were killed, and lets go of what is old.
    async fn look_after(self: &Arc<Self>) {
        let streams = match keys::streams(&*self.store).await {
            Ok(streams) => streams,
            Err(why) => {
                tracing::error!(%why, "the audit cannot be read");
                return;
            }
        };
        for stream in streams {
            let done = async {
                if stream != self.stream && self.is_quiet(&stream).await? {
                    self.seal(&stream, u64::MAX).await?;
                }
                let keep = self.keep.lock().clone();
                keep.apply(&*self.store, &stream).await
            };
            match done.await {
                Ok(0) => {}
                Ok(accounts) => {
                    tracing::info!(stream, accounts, "old audit records were let go");
                    let told = Told::by_host(Action::Retention);
                    let mut account = told.account("-", "-", None, Outcome::Success);
                    account.before.insert("records".to_owned(), accounts.into());
                    account.before.insert("chain".to_owned(), stream.into());
                    self.later(account);
                }
                Err(why) => tracing::error!(stream, %why, "the audit cannot be looked after"),
            }
        }
    }

    async fn is_quiet(&self, stream: &str) -> Result<bool, StoreError> {
        let range = Range::prefix(keys::entries(stream)).reverse().limit(1);
        let newest = self.store.scan(range).await?.pop();
        let newest: Option<Account> =
            newest.and_then(|(_, bytes)| serde_json::from_slice(&bytes).ok());
        Ok(newest.is_none_or(|newest| Timestamp::now().duration_since(newest.at) > QUIET))
    }
}
