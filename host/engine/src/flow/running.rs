//! A flow at work: reading when it is time, delivering whenever something waits.
//!
//! The two do not wait for each other: somebody who has left reaches the sink although a scan of hours is under way.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tombolo_store::{Commit, Range, StoreError};

use super::FlowError;
use super::book::{Book, decode, encode};
use super::definition::Definition;
use super::deliver::{Emptied, again, deliver, fall_due};
use super::follow::{Followed, follow};
use super::form::{Fitted, Wrong};
use super::guard::{Accept, Clock};
use super::keys::{FlowKeys, room};
use super::lease::Lease;
use super::promote::promote;
use super::reading::Reader;
use super::receipts::{Receipts, Totals, staged};
use super::report::{End, Pass, Run, Standing};
use super::scan::{Mode, Scan};
use super::sink::Sink;
use super::source::{AppSource, Apps, Source as _};
use crate::Engine;
use crate::audit::{Action, Outcome, Problem};

/// How often it is looked whether somebody's time has come, and whether this host still runs the flow.
const LOOK: Duration = Duration::from_secs(2);
/// How often a host that does not run the flow looks whether it may.
const STAND_BY: Duration = Duration::from_secs(5);
/// The wait after a failure of the store or of the flow itself.
const TROUBLE: Duration = Duration::from_secs(5);
/// A sink that was found out of order is not asked again sooner.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);

/// What an administrator, or the clock, orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Read everything, even though the source tells of changes.
    pub full: bool,
    /// The source has really shrunk.
    pub accept_shrink: bool,
    /// The clock is right.
    pub accept_clock: bool,
}

impl Order {
    fn accept(self) -> Accept {
        Accept {
            shrink: self.accept_shrink,
            clock: self.accept_clock,
        }
    }
}

/// What there is to say of a flow at any time, without asking the store.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Changes that wait.
    pub queued: u64,
    /// Delivered in this life of the host.
    pub done: u64,
    /// Taken by the sink in this life, outcome unknown then.
    pub staged: u64,
    /// Refused in this life.
    pub refused: u64,
    /// Put off in this life.
    pub put_off: u64,
    /// When the last run ended well.
    pub last_good: Option<Timestamp>,
    /// Whether what the last run read is held.
    pub held: bool,
    /// Whether this host runs the flow.
    pub here: bool,
}

#[derive(Default)]
struct Live {
    queued: u64,
    last_good: Option<Timestamp>,
    held: bool,
    here: bool,
    pause: Option<String>,
}

/// See the module.
pub struct Flow {
    definition: Definition,
    apps: Arc<dyn Apps>,
    sink: Arc<dyn Sink>,
    book: Book,
    referred: FlowKeys,
    receipts: Receipts,
    clock: Mutex<Clock>,
    /// One run at a time.
    running: AsyncMutex<()>,
    /// Something waits in the queue.
    wake: Notify,
    /// The queue is empty, or nothing of it can go.
    rest: Notify,
    stop: CancellationToken,
    tasks: TaskTracker,
    live: Mutex<Live>,
}

impl Flow {
    /// Puts a flow together. `referred` is where the flow leads to whose keys this one refers by, if it is another.
    pub fn new(
        engine: &Engine,
        definition: Definition,
        apps: Arc<dyn Apps>,
        sink: Arc<dyn Sink>,
        referred: Option<&str>,
    ) -> Arc<Self> {
        let keys = FlowKeys::new(&definition.name, &sink.identity());
        let other = definition.references.as_deref().zip(referred);
        let referred = other.map_or_else(|| keys.clone(), |(flow, sink)| FlowKeys::new(flow, sink));
        let store = Arc::clone(&engine.store);
        let book = Book {
            lease: Lease::new(
                Arc::clone(&store),
                Arc::clone(&engine.hosts),
                &definition.name,
            ),
            store,
            keys,
            turn: AsyncMutex::new(()),
            actions: definition.actions,
        };
        let receipts = Receipts {
            flow: definition.name.clone(),
            kind: definition.kind.clone(),
            retry: definition.retry,
            own_keys: other.is_none(),
            trail: (!sink.is_audited()).then(|| Arc::clone(&engine.trail)),
            totals: Totals::default(),
        };
        Arc::new(Self {
            definition,
            apps,
            sink,
            book,
            referred,
            receipts,
            clock: Mutex::new(Clock::new()),
            running: AsyncMutex::new(()),
            wake: Notify::new(),
            rest: Notify::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            live: Mutex::default(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// What its file says.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Where it leads to.
    pub fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    /// What can be said at once.
    pub fn gauges(&self) -> Gauges {
        use std::sync::atomic::Ordering::Relaxed;
        let (live, totals) = (self.live.lock(), &self.receipts.totals);
        Gauges {
            queued: live.queued,
            done: totals.done.load(Relaxed),
            staged: totals.staged.load(Relaxed),
            refused: totals.refused.load(Relaxed),
            put_off: totals.put_off.load(Relaxed),
            last_good: live.last_good,
            held: live.held,
            here: live.here,
        }
    }

    /// Lets it work by itself.
    pub fn start(self: &Arc<Self>) {
        let flow = Arc::clone(self);
        self.tasks.spawn(async move { flow.keep_reading().await });
        let flow = Arc::clone(self);
        self.tasks
            .spawn(async move { flow.keep_delivering().await });
        if let Some(interval) = self.sink.asks_every() {
            let flow = Arc::clone(self);
            self.tasks
                .spawn(async move { flow.keep_asking(interval).await });
        }
    }

    /// Ends its work at the next point at which it can go on from.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        // An order may still be reading.
        let _run = self.running.lock().await;
        self.book.lease.give_back().await;
    }

    /// The record's form, held against what the sink has now.
    ///
    /// # Errors
    /// The sink cannot say what it has, or does not have what the form names, or would be told nothing of `active`.
    pub fn fitted(&self) -> Result<Fitted, FlowError> {
        let shape = self.sink.shape().map_err(FlowError::Misfit)?;
        if shape.explicit_active && !self.definition.form.always_says_active() {
            return Err(FlowError::Misfit(
                "`[mapping]` does not always give `active` a value, and the sink disables an account whose record has none"
                    .to_owned(),
            ));
        }
        let fitted = self.definition.form.fit(&shape.ty, shape.open);
        fitted.map_err(|wrong| FlowError::Misfit(in_words(&wrong)))
    }

    fn source(&self, run: &str) -> Result<AppSource, FlowError> {
        let app = self.apps.app(&self.definition.source);
        let app = app.map_err(FlowError::Source)?;
        AppSource::new(app, &self.definition.kind, self.reads(), run)
    }

    /// The attributes of the source that it looks at.
    fn reads(&self) -> Vec<String> {
        let definition = &self.definition;
        let mut names: Vec<&str> = definition.form.reads().collect();
        names.extend(definition.key.attributes());
        names.extend(definition.scope.attributes());
        let dates = [&definition.effective, &definition.last_day];
        for expression in dates.into_iter().flatten() {
            names.extend(expression.attributes());
        }
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(str::to_owned).collect()
    }

    /// What a run that reads everything would come to; nothing is kept and nothing is sent.
    ///
    /// # Errors
    /// The source cannot be read, or the flow does not fit.
    pub async fn plan(&self, order: Order) -> Result<Run, FlowError> {
        let mut run = Run::new(Pass::Scan);
        let outcome = self.scan(&mut run, Mode::Plan, order.accept(), None).await;
        run.ended = Some(Timestamp::now());
        run.end = match outcome {
            Ok(()) => End::Done,
            Err(FlowError::Held { reason, remedy }) => End::Held { reason, remedy },
            Err(other) => return Err(other),
        };
        Ok(run)
    }

    /// Reads, and queues what has changed.
    pub async fn run(&self, order: Order) -> Run {
        let _one = self.running.lock().await;
        let mut run = Run::new(Pass::Changes);
        let outcome = self.read(&mut run, order).await;
        run.ended = Some(Timestamp::now());
        run.end = match outcome {
            Ok(()) => End::Done,
            Err(FlowError::Held { reason, remedy }) => End::Held { reason, remedy },
            Err(other) => End::Failed {
                reason: other.to_string(),
            },
        };
        self.remember(&run).await;
        self.wake.notify_one();
        run
    }

    async fn read(&self, run: &mut Run, order: Order) -> Result<(), FlowError> {
        if self.stop.is_cancelled() {
            return Err(FlowError::Stopped);
        }
        if !self.book.lease.take().await? {
            return Err(FlowError::Elsewhere);
        }
        let accept = order.accept();
        let mark = self.book.watermark().await?;
        self.clock.lock().check(mark.clock, accept)?;
        if accept.clock {
            self.clock.lock().accept();
        }
        let fitted = self.fitted()?;
        let source = self.source(&run.id)?;
        let reader = Reader {
            definition: &self.definition,
            fitted: &fitted,
            source: &source,
            store: &*self.book.store,
            referred: &self.referred,
            asks: false,
        };
        let limit = &self.definition.limit;
        let queued = || self.wake.notify_one();
        // What an earlier life has found is queued first.
        promote(&self.book, &reader, limit, &self.stop, run, queued).await?;
        let scanned = mark.scanned.map(|at| Timestamp::now().duration_since(at));
        let full_scan = SignedDuration::try_from(self.definition.full_scan).unwrap_or_default();
        let follows = source.tells_changes()
            && mark.token.is_some()
            && !order.full
            && scanned.is_some_and(|age| age < full_scan);
        if follows {
            let asking = Reader {
                asks: self.definition.references.is_none(),
                ..reader
            };
            let followed = follow(
                &self.definition,
                &self.book,
                &asking,
                &self.stop,
                accept,
                run,
                queued,
            );
            if followed.await? == Followed::All {
                return Ok(());
            }
            tracing::info!(
                flow = self.definition.name,
                "the source has forgotten where this flow was; everything is read"
            );
        }
        run.pass = Pass::Scan;
        self.scan(run, Mode::Run, accept, Some(follows)).await?;
        let source = self.source(&run.id)?;
        let reader = Reader {
            source: &source,
            ..reader
        };
        promote(&self.book, &reader, limit, &self.stop, run, queued).await
    }

    /// `anew`: of a run, whether the token that there is is of no use.
    async fn scan(
        &self,
        run: &mut Run,
        mode: Mode,
        accept: Accept,
        anew: Option<bool>,
    ) -> Result<(), FlowError> {
        let fitted = self.fitted()?;
        let source = self.source(&run.id)?;
        let reader = Reader {
            definition: &self.definition,
            fitted: &fitted,
            source: &source,
            store: &*self.book.store,
            referred: &self.referred,
            asks: false,
        };
        let mut token = None;
        if let Some(anew) = anew
            && source.tells_changes()
        {
            let known = self.book.watermark().await?.token;
            // From before the scan: what changes while it runs is told again.
            if anew || known.is_none() {
                let begun = source.since(None).await?;
                token = begun.map(|changes| changes.token);
            }
        }
        let mut scan = Scan::new(
            &self.definition,
            &fitted,
            &self.book,
            reader,
            &self.stop,
            mode,
            accept,
            run,
        );
        scan.read_all(token).await
    }

    /// Writes a run down, and tells of one that is held.
    async fn remember(&self, run: &Run) {
        let flow = self.definition.name.as_str();
        {
            let mut live = self.live.lock();
            live.held = matches!(run.end, End::Held { .. });
            if run.end == End::Done {
                live.last_good = run.ended;
            }
        }
        match &run.end {
            End::Held { reason, remedy } => {
                tracing::warn!(flow, run = run.id, "held: {reason}; {remedy}");
                if let Some(trail) = &self.receipts.trail {
                    let mut account = self.receipts.account(Action::Hold, &run.id, Outcome::Held);
                    account.problem = Some(Problem {
                        status: 409,
                        code: None,
                        detail: reason.clone(),
                    });
                    trail.later(account);
                }
            }
            End::Failed { reason } => tracing::warn!(flow, run = run.id, "not read: {reason}"),
            End::Running | End::Done => {
                let counts = &run.counts;
                tracing::info!(
                    flow,
                    run = run.id,
                    read = run.read,
                    joiners = counts.joiners,
                    movers = counts.movers,
                    leavers = counts.leavers,
                    rehires = counts.rehires,
                    unusable = run.unusable,
                    "read"
                );
            }
        }
        let written = async {
            let commit = Commit::new().put(self.book.keys.run(), encode(run)?);
            self.book.commit(commit).await
        };
        match written.await {
            Ok(()) | Err(FlowError::Elsewhere) => {}
            Err(why) => tracing::warn!(flow, %why, "a run's report was not written down"),
        }
    }

    async fn keep_reading(&self) {
        loop {
            let wait = match self.until_next().await {
                Ok(Some(wait)) if wait.is_zero() => {
                    let run = self.run(Order::default()).await;
                    match run.end {
                        End::Done | End::Held { .. } | End::Running => Duration::ZERO,
                        // Not at once again where the schedule is due already.
                        End::Failed { .. } => TROUBLE,
                    }
                }
                Ok(wait) => wait.unwrap_or(STAND_BY).min(STAND_BY),
                Err(why) => {
                    tracing::warn!(flow = self.definition.name, %why, "the flow waits");
                    TROUBLE
                }
            };
            if self.sleeps(wait).await {
                return;
            }
        }
    }

    /// How long until the next run; none: not by itself, or not here.
    async fn until_next(&self) -> Result<Option<Duration>, FlowError> {
        let here = self.book.lease.take().await?;
        self.live.lock().here = here;
        if !here {
            return Ok(None);
        }
        let last = self
            .last_run()
            .await?
            .map(|run| run.ended.unwrap_or(run.began));
        let now = Timestamp::now();
        // A run that a clock ahead of ours has written down is no reason to wait for it.
        let last = last.map(|last| last.min(now));
        let next = self.definition.schedule.next(last, now);
        Ok(next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default()))
    }

    async fn keep_delivering(&self) {
        loop {
            let wait = match self.deliver_what_waits().await {
                Ok(wait) => wait,
                Err(FlowError::Elsewhere) => STAND_BY,
                Err(why) => {
                    tracing::warn!(flow = self.definition.name, %why, "the flow waits");
                    TROUBLE
                }
            };
            self.rest.notify_waiters();
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Empties the queue as far as the sink takes it; how long to wait then.
    async fn deliver_what_waits(&self) -> Result<Duration, FlowError> {
        if !self.book.lease.take().await? {
            return Err(FlowError::Elsewhere);
        }
        loop {
            if self.stop.is_cancelled() {
                return Ok(Duration::ZERO);
            }
            let mark = self.book.watermark().await?;
            // By a clock that is not believed nobody begins and nobody leaves.
            let believed = self
                .clock
                .lock()
                .check(mark.clock, Accept::default())
                .is_ok();
            if believed {
                while fall_due(&self.book, Timestamp::now()).await? > 0 {}
            }
            let emptied = deliver(
                &self.book,
                &self.definition,
                &self.referred,
                &*self.sink,
                &self.receipts,
            )
            .await?;
            match emptied {
                Emptied::Some(_) => self.live.lock().pause = None,
                Emptied::Nothing => {
                    let mut live = self.live.lock();
                    (live.pause, live.queued) = (None, 0);
                    return Ok(LOOK);
                }
                Emptied::Paused(wait, why) => {
                    let queued = self.book.store.count(&self.book.keys.queue()).await?;
                    let mut live = self.live.lock();
                    if live.pause.as_ref() != Some(&why) {
                        tracing::warn!(flow = self.definition.name, queued, "not delivered: {why}");
                    }
                    (live.pause, live.queued) = (Some(why), queued);
                    return Ok(wait.clamp(SHORTEST_PAUSE, Duration::from_mins(10)));
                }
            }
        }
    }

    async fn keep_asking(&self, interval: Duration) {
        loop {
            if self.sleeps(interval).await {
                return;
            }
            if let Err(why) = self.ask().await
                && !matches!(why, FlowError::Elsewhere)
            {
                tracing::warn!(flow = self.definition.name, %why, "no outcomes are known");
            }
        }
    }

    /// Asks the sink what became of what it has taken.
    async fn ask(&self) -> Result<(), FlowError> {
        if !self.book.lease.take().await? {
            return Err(FlowError::Elsewhere);
        }
        let pending = staged(&self.book).await?;
        if pending.is_empty() {
            return Ok(());
        }
        let outcomes = self.sink.outcomes(&pending).await;
        let outcomes = outcomes.map_err(|why| FlowError::Source(why.reason))?;
        self.receipts.outcomes(&self.book, outcomes).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Waits; whether the flow has been stopped meanwhile.
    async fn sleeps(&self, wait: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => true,
            () = tokio::time::sleep(wait) => self.stop.is_cancelled(),
        }
    }

    /// Waits until nothing waits that could go now, `at_most` so long; whether it came to that.
    pub async fn settled(&self, at_most: Duration) -> Result<bool, StoreError> {
        let until = tokio::time::Instant::now() + at_most;
        loop {
            let rests = self.rest.notified();
            self.wake.notify_one();
            if tokio::time::timeout_at(until, rests).await.is_err() {
                return Ok(false);
            }
            let queue = Range::prefix(self.book.keys.queue()).limit(1);
            let empty = self.book.store.scan(queue).await?.is_empty();
            if empty || self.live.lock().pause.is_some() {
                return Ok(empty);
            }
        }
    }

    /// Tries those again whom the sink has refused: these, or all of them. How many there were.
    ///
    /// # Errors
    /// Another host runs the flow, or the store fails.
    pub async fn retry(&self, keys: Option<&[String]>) -> Result<u64, FlowError> {
        if !self.book.lease.take().await? {
            return Err(FlowError::Elsewhere);
        }
        let count = again(&self.book, keys).await?;
        self.wake.notify_one();
        Ok(count)
    }

    async fn last_run(&self) -> Result<Option<Run>, FlowError> {
        self.book.read(&self.book.keys.run()).await
    }

    /// Where it stands.
    ///
    /// # Errors
    /// The store fails.
    pub async fn standing(&self) -> Result<Standing, FlowError> {
        let mut standing = standing(&self.book, self.name(), &self.sink.identity()).await?;
        standing.pause.clone_from(&self.live.lock().pause);
        Ok(standing)
    }
}

fn in_words(wrong: &[Wrong]) -> String {
    let each: Vec<String> = wrong
        .iter()
        .map(|wrong| format!("`mapping.{}`: {}", wrong.path, wrong.why))
        .collect();
    each.join("; ")
}

async fn standing(book: &Book, flow: &str, sink: &str) -> Result<Standing, FlowError> {
    let now = Timestamp::now();
    let store = &book.store;
    let leavers = Range::prefix(book.keys.queue()).until(book.keys.after_leavers());
    let mut standing = Standing {
        flow: flow.to_owned(),
        sink: sink.to_owned(),
        people: 0,
        present: 0,
        queued: store.count(&book.keys.queue()).await?,
        leavers_queued: store.scan(leavers).await?.len() as u64,
        staged: 0,
        failing: 0,
        dead: 0,
        waiting: 0,
        letters: Vec::new(),
        last: book.read(&book.keys.run()).await?,
        scanned: book.watermark().await?.scanned,
        pause: None,
    };
    let mut after = None;
    loop {
        let page = book.people(after.take(), 1000).await?;
        let Some((last, ..)) = page.last() else {
            return Ok(standing);
        };
        after = Some(last.clone());
        for (_, key, person) in &page {
            standing.count(key, person, now);
        }
    }
}

impl Engine {
    /// Where every flow stands that this store knows of, whether it is configured or not.
    ///
    /// # Errors
    /// The store fails.
    pub async fn standings(&self) -> Result<Vec<Standing>, FlowError> {
        let mut all = Vec::new();
        for (stored, bytes) in self.store.scan(Range::prefix(room("r"))).await? {
            let Some(space) = tombolo_store::key::last_text(&stored) else {
                continue;
            };
            let Some((flow, sink)) = space.split_once(' ') else {
                continue;
            };
            let _: Run = decode(&bytes)?;
            let book = Book {
                store: Arc::clone(&self.store),
                keys: FlowKeys::new(flow, sink),
                lease: Lease::new(Arc::clone(&self.store), Arc::clone(&self.hosts), flow),
                turn: AsyncMutex::new(()),
                actions: super::definition::Actions::ALL,
            };
            all.push(standing(&book, flow, sink).await?);
        }
        Ok(all)
    }
}
