//! A provisioning job: its cycles, one after the other, in simulated time (entra.md 4.1).

use std::cell::Cell;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::dialect::Dialects;
use super::dice::Dice;
use super::escrow::{Case, Entry};
use super::failure::{Failure, Weight};
use super::kind::Kind;
use super::log::{Action, Job, Log, Status};
use super::mapping::Mapping;
use super::plan::Plan;
use super::quarantine::{self, Quarantine, ReasonCode, Tally};
use super::service::{Claims, Service};
use super::state::State;
use super::tenant::Tenant;
use super::wire::{Request, Wire, query};
use super::work::{Done, Effect, Work};
use crate::http::{Endpoint, literal};

/// How a job behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What chance decides is decided by it.
    pub seed: u64,
    /// How PATCH is written.
    pub dialects: Dialects,
    /// Requests under way at once.
    pub parallel: usize,
    /// Requests a second; as they come if there is none.
    pub rate: Option<f64>,
    /// The longest `Retry-After` that is waited for.
    pub patience: Duration,
    /// Simulated time between two cycles.
    pub interval: SignedDuration,
    /// The accidental-deletion threshold; Entra's is off by default.
    pub delete_threshold: Option<usize>,
    /// The administrator's "Allow deletes".
    pub allow_deletes: bool,
    /// What flows where.
    pub mapping: Mapping,
}

/// What happens, for whoever shows it.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many objects are looked at now.
    Stage(&'static str, usize),
    /// One of them is through.
    Step,
    /// A cycle is over.
    Cycle(&'a CycleReport),
}

/// Told of what happens.
pub type Watcher = Box<dyn Fn(&Event<'_>) + Send + Sync>;

/// What a cycle came to.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CycleReport {
    /// The cycle's number, from 1 on.
    pub cycle: u64,
    /// Without a watermark: everything was looked at.
    pub initial: bool,
    /// Users by what was done to them.
    pub users: Counts,
    /// Groups by what was done to them.
    pub groups: Counts,
    /// Managers that were written.
    pub managers: u64,
    /// Members that were added or removed.
    pub members: u64,
    /// Nothing had to be done, or may be.
    pub skipped: u64,
    /// Failed, and in escrow.
    pub failed: u64,
    /// In escrow after the cycle.
    pub escrowed: usize,
    /// Given up after 28 days.
    pub given_up: usize,
    /// The job is in quarantine.
    pub quarantine: Option<Quarantine>,
    /// The job is disabled: it was in quarantine for four weeks.
    pub disabled: bool,
}

/// Objects of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // What was done.
pub struct Counts {
    pub created: u64,
    pub updated: u64,
    pub disabled: u64,
    pub deleted: u64,
}

/// Why a cycle could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// Nobody answers at the URL.
    #[error("{0}")]
    Unreachable(String),
    /// The log cannot be written.
    #[error("cannot write the log: {0}")]
    Log(#[from] std::io::Error),
    /// The operator said stop; what was under way is finished and kept.
    #[error("interrupted; what was under way is finished")]
    Interrupted,
}

/// A job.
pub struct Simulation {
    pub(super) wire: Wire,
    pub(super) settings: Settings,
    /// What is kept between cycles.
    pub state: State,
    pub(super) log: Log,
    pub(super) watcher: Watcher,
    /// Deleted in this run: endpoint and id.
    pub(super) deleted: Vec<(&'static str, String)>,
    stop: Arc<AtomicBool>,
}

impl Simulation {
    /// A job on `endpoint` that goes on from `state`. When `stop` becomes true it finishes what is under way.
    pub fn new(
        endpoint: Endpoint,
        settings: Settings,
        state: State,
        log: Option<Box<dyn Write + Send>>,
        watcher: Watcher,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let job = Job::new(settings.seed, endpoint.base());
        Self {
            wire: Wire::new(endpoint, settings.rate, settings.patience),
            log: Log::new(job, log),
            settings,
            state,
            watcher,
            deleted: Vec::new(),
            stop,
        }
    }

    /// Plays one cycle: brings the target to where `tenant` is.
    pub async fn cycle(&mut self, tenant: &Tenant) -> Result<CycleReport, CycleError> {
        let now = self.state.clock;
        let number = self.state.cycles + 1;
        let mut report = CycleReport {
            cycle: number,
            initial: self.state.watermark.is_none(),
            ..CycleReport::default()
        };
        self.wire.begin(self.log.job().cycle(number));
        let stopped = match self.probe(number).await {
            Ok(()) => self.play(tenant, number, now, &mut report).await?,
            // Before anything has worked, an address where nobody is is a mistake in the command.
            Err(failure) if self.wire.is_silent() => {
                return Err(CycleError::Unreachable(failure.reason));
            }
            Err(failure) => Tally::default().add(Some(&failure.of_the_job())),
        };
        self.state.cycles = number;
        self.state.quarantine = stopped.map(|(code, reason)| {
            let since = self.state.quarantine.as_ref().map_or(now, |old| old.since);
            Quarantine {
                code,
                reason,
                since,
            }
        });
        let gap = match &self.state.quarantine {
            None => {
                self.state.watermark = Some(tenant.clone());
                self.state.unseen = None;
                self.settings.interval
            }
            Some(_) => {
                self.state.unseen = Some(tenant.clone());
                quarantine::GAP.max(self.settings.interval)
            }
        };
        self.state.clock = now.saturating_add(gap).unwrap_or(now);
        self.log.flush()?;
        report.escrowed = self.state.escrow.cases().len();
        report.disabled = self
            .state
            .quarantine
            .as_ref()
            .is_some_and(|q| q.disables(self.state.clock));
        report.quarantine.clone_from(&self.state.quarantine);
        (self.watcher)(&Event::Cycle(&report));
        Ok(report)
    }

    /// Test Connection, and the start of every cycle: a filter that nobody is found by.
    pub(super) async fn probe(&self, number: u64) -> Result<(), Failure> {
        let guid = Dice::of(self.settings.seed, "probe", number)
            .guid()
            .to_string();
        let path = query("Users", &format!("userName eq {}", literal(&guid)));
        self.wire
            .ask(Request::new(Kind::Probe, &path), None)
            .await
            .map(|_| ())
    }

    async fn play(
        &mut self,
        tenant: &Tenant,
        number: u64,
        now: Timestamp,
        report: &mut CycleReport,
    ) -> Result<Option<(ReasonCode, String)>, CycleError> {
        report.given_up = self.give_up(tenant, now);
        let plan = Plan::new(&self.state, tenant, now);
        if let Some(threshold) = self
            .settings
            .delete_threshold
            .filter(|_| !self.settings.allow_deletes)
        {
            let deletions = plan.deletions(&self.state);
            if deletions > threshold {
                self.stage(&plan, number, now)?;
                let reason = format!(
                    "{deletions} deletes and disables in one cycle, the threshold is {threshold}"
                );
                return Ok(Some((ReasonCode::EncounteredQuarantineException, reason)));
            }
        }
        let mut phase = Phase {
            tenant,
            number,
            now,
            tally: Tally::default(),
            report,
            stopped: None,
        };
        self.phase(&mut phase, "users", plan.users, async |service, user| {
            service.user(user).await
        })
        .await?;
        self.phase(
            &mut phase,
            "managers",
            plan.managers,
            async |service, user| service.manager(user).await,
        )
        .await?;
        self.phase(&mut phase, "groups", plan.groups, async |service, group| {
            service.group(group).await
        })
        .await?;
        self.phase(
            &mut phase,
            "members",
            plan.members,
            async |service, group| service.members(group).await,
        )
        .await?;
        let gone = plan.groups_gone;
        self.phase(&mut phase, "deleted groups", gone, async |service, key| {
            service.delete_group(&key).await
        })
        .await?;
        let gone = plan.users_gone;
        self.phase(&mut phase, "deleted users", gone, async |service, key| {
            service.delete_user(&key).await
        })
        .await?;
        Ok(phase.stopped)
    }

    /// Takes out of escrow what is too old, or about nothing any more.
    fn give_up(&mut self, tenant: &Tenant, now: Timestamp) -> usize {
        let pointless: Vec<Entry> = self
            .state
            .escrow
            .cases()
            .iter()
            .map(|Case { entry, .. }| entry.clone())
            .filter(|entry| match entry {
                Entry::User(key) => {
                    !tenant.users.contains_key(key) && !self.state.users.contains_key(key)
                }
                Entry::Manager(key) => !tenant.users.contains_key(key),
                Entry::Group(key) => {
                    tenant.group_in_scope(key).is_none() && !self.state.groups.contains_key(key)
                }
                Entry::Members(key) => tenant.group_in_scope(key).is_none(),
            })
            .collect();
        for entry in &pointless {
            self.state.escrow.settled(entry);
        }
        self.state.escrow.drop_old(now).len()
    }

    /// Rows for what the accidental-deletion threshold holds back.
    fn stage(&mut self, plan: &Plan<'_>, number: u64, now: Timestamp) -> std::io::Result<()> {
        let users = plan
            .users_gone
            .iter()
            .map(|key| (Entry::User(key.clone()), Action::StagedDelete));
        let groups = plan
            .groups_gone
            .iter()
            .map(|key| (Entry::Group(key.clone()), Action::StagedDelete));
        let disables = plan
            .disables
            .iter()
            .map(|key| (Entry::User(key.clone()), Action::Other));
        for (entry, action) in users.chain(groups).chain(disables) {
            let mut work = Work::new(entry.clone(), entry.id());
            work.action = action;
            if action == Action::Other {
                work.modified("active", Some(Value::Bool(true)), Some(Value::Bool(false)));
            }
            let done = work.finish(Ok(super::work::End::Skipped(
                "held back: accidental deletion threshold".to_owned(),
            )));
            self.log.write(&done.row, number, now)?;
        }
        Ok(())
    }

    /// One phase: so many objects at once, until all are through or the job has to stop.
    async fn phase<T>(
        &mut self,
        phase: &mut Phase<'_>,
        name: &'static str,
        items: Vec<T>,
        work: impl AsyncFn(&Service<'_>, T) -> Done,
    ) -> Result<(), CycleError> {
        if items.is_empty() || phase.stopped.is_some() {
            return Ok(());
        }
        (self.watcher)(&Event::Stage(name, items.len()));
        let Self {
            wire,
            settings,
            state,
            log,
            watcher,
            deleted,
            stop,
        } = self;
        let mut through = Vec::with_capacity(items.len());
        {
            let claims = Claims::new(state);
            let service = Service {
                wire,
                mapping: &settings.mapping,
                state,
                tenant: phase.tenant,
                dialects: settings.dialects,
                seed: settings.seed,
                cycle: phase.number,
                claims: &claims,
            };
            let halted = Cell::new(false);
            // What is under way is always finished: its outcome is known then.
            let goes_on =
                |_: &T| std::future::ready(!halted.get() && !stop.load(Ordering::Relaxed));
            let mut running = std::pin::pin!(
                stream::iter(items)
                    .take_while(goes_on)
                    .map(|item| work(&service, item))
                    .buffer_unordered(settings.parallel.max(1))
            );
            let began = Instant::now();
            while let Some(done) = running.next().await {
                watcher(&Event::Step);
                phase.count(&done);
                if phase.stopped.is_none() {
                    phase.stopped = phase.tally.add(done.row.failure.as_ref());
                    halted.set(phase.stopped.is_some());
                }
                let at = SignedDuration::try_from(began.elapsed()).unwrap_or_default();
                log.write(
                    &done.row,
                    phase.number,
                    phase.now.saturating_add(at).unwrap_or(phase.now),
                )?;
                through.push((done.row.entry, done.row.failure, done.effect));
            }
        }
        for (entry, failure, effect) in through {
            apply(state, deleted, &entry, effect);
            match failure {
                None => state.escrow.settled(&entry),
                // What stopped the job says nothing about the object: it is still before the watermark.
                Some(failure) if failure.weight == Weight::Job => {}
                Some(failure) => state.escrow.failed(entry, phase.now, failure),
            }
        }
        if stop.load(Ordering::Relaxed) {
            return Err(CycleError::Interrupted);
        }
        Ok(())
    }
}

/// What the phases of a cycle share.
struct Phase<'a> {
    tenant: &'a Tenant,
    number: u64,
    now: Timestamp,
    tally: Tally,
    report: &'a mut CycleReport,
    stopped: Option<(ReasonCode, String)>,
}

impl Phase<'_> {
    fn count(&mut self, done: &Done) {
        let report = &mut *self.report;
        match done.row.status {
            Status::Skipped => report.skipped += 1,
            Status::Failure => report.failed += 1,
            Status::Success => {}
        }
        let written = done.row.modified.len() as u64;
        let counts = match done.row.entry {
            Entry::User(_) => &mut report.users,
            Entry::Group(_) => &mut report.groups,
            Entry::Members(_) => {
                report.members += written;
                return;
            }
            Entry::Manager(_) => {
                report.managers += u64::from(done.row.status == Status::Success);
                return;
            }
        };
        if done.row.status == Status::Success {
            match done.row.action {
                Action::Create => counts.created += 1,
                Action::Update => counts.updated += 1,
                Action::Disable => counts.disabled += 1,
                Action::Delete => counts.deleted += 1,
                Action::StagedDelete | Action::Other => {}
            }
        }
    }
}

/// Puts into the state what an object left behind.
pub(super) fn apply(
    state: &mut State,
    deleted: &mut Vec<(&'static str, String)>,
    entry: &Entry,
    effect: Effect,
) {
    let key = entry.id().to_owned();
    match (entry, effect) {
        (_, Effect::None) => {}
        (_, Effect::User(link)) => {
            state.users.insert(key, link);
        }
        (_, Effect::Group(link)) => {
            state.groups.insert(key, link);
        }
        (Entry::User(_) | Entry::Manager(_), Effect::Gone) => {
            if let Some(link) = state.users.get(&key).filter(|link| !link.unassigned) {
                deleted.push(("Users", link.id.clone()));
            }
            state.forget_user(&key);
        }
        (Entry::Group(_) | Entry::Members(_), Effect::Gone) => {
            if let Some(link) = state.groups.get(&key) {
                deleted.push(("Groups", link.id.clone()));
            }
            state.forget_group(&key);
        }
    }
}
