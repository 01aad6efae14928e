//! A steady or a flat-out stream of requests against one app, and what it cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::host::cpu_of;
use crate::people::USER;
use crate::scim::{Reply, Scim, patch_op, percentile};

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// GET by id.
    Get,
    /// The match query on `userName`.
    Match,
    /// A PATCH that changes one attribute.
    Patch,
    /// A POST of a new user.
    Post,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Get, Self::Match, Self::Patch, Self::Post];

    /// As written in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET by id",
            Self::Match => "match by userName",
            Self::Patch => "PATCH",
            Self::Post => "POST",
        }
    }

    fn expected(self, status: u16) -> bool {
        match self {
            Self::Get | Self::Match => status == 200,
            Self::Patch => matches!(status, 200 | 204),
            Self::Post => status == 201,
        }
    }
}

/// One request of a stream.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it was sent.
    pub at: Instant,
    /// What it was.
    pub op: Op,
    /// How long it took.
    pub took: Duration,
    /// What went wrong; none if it was answered as it should.
    pub error: Option<String>,
}

/// The users that a stream asks about.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    /// SCIM ids and `userName`s.
    pub users: Vec<(String, String)>,
}

impl Crowd {
    /// Creates `count` users, 16 at a time.
    pub async fn create(scim: &Scim, count: usize) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let mut users = Vec::with_capacity(count);
        for n in 0..count {
            if tasks.len() >= 16
                && let Some(done) = tasks.join_next().await
            {
                users.push(done??);
            }
            let scim = scim.clone();
            tasks.spawn(async move { created(&scim, &format!("crowd.{n:06}@example.test")).await });
        }
        while let Some(done) = tasks.join_next().await {
            users.push(done??);
        }
        Ok(Self { users })
    }
}

async fn created(scim: &Scim, user_name: &str) -> Result<(String, String)> {
    let reply = post(scim, user_name).await?;
    ensure!(reply.status == 201, "POST {user_name}: {reply:?}");
    Ok((reply.id(), user_name.to_owned()))
}

async fn post(scim: &Scim, user_name: &str) -> Result<Reply> {
    let body = json!({
        "schemas": [USER],
        "userName": user_name,
        "displayName": user_name,
        "name": { "givenName": "Ada", "familyName": "Crowd" },
        "active": true,
    });
    scim.post("/Users", &body).await
}

/// What to send, and how fast.
#[derive(Clone)]
pub struct Stream {
    /// To which app.
    pub scim: Scim,
    /// About whom.
    pub crowd: Arc<Crowd>,
    /// Drawn from evenly.
    pub mix: Vec<Op>,
    /// Requests a second; none is as fast as the answers come.
    pub rate: Option<u32>,
    /// How many are under way at once, at most.
    pub parallel: usize,
}

/// A stream under way.
pub struct Running {
    began: Instant,
    stop: Arc<AtomicBool>,
    workers: JoinSet<Vec<Sample>>,
}

static SERIAL: AtomicU64 = AtomicU64::new(0);

impl Stream {
    /// Starts sending.
    pub fn start(self) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let mut workers = JoinSet::new();
        for worker in 0..self.parallel {
            let (stream, stop, sent) = (self.clone(), Arc::clone(&stop), Arc::clone(&sent));
            workers.spawn(async move {
                let mut dice = Dice::new(worker as u64 + 1);
                let mut samples = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    if let Some(rate) = stream.rate {
                        let turn = sent.fetch_add(1, Ordering::Relaxed);
                        let due = began
                            + Duration::from_secs(1) * u32::try_from(turn).unwrap_or(u32::MAX)
                                / rate.max(1);
                        tokio::time::sleep_until(due.into()).await;
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    samples.push(stream.one(&mut dice).await);
                }
                samples
            });
        }
        Running {
            began,
            stop,
            workers,
        }
    }

    async fn one(&self, dice: &mut Dice) -> Sample {
        let op = self.mix[dice.below(self.mix.len())];
        let (id, name) = &self.crowd.users[dice.below(self.crowd.users.len())];
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let at = Instant::now();
        let reply = match op {
            Op::Get => self.scim.get(&format!("/Users/{id}")).await,
            Op::Match => {
                self.scim
                    .find("match", "Users", &format!("userName eq \"{name}\""))
                    .await
            }
            Op::Patch => {
                let value = format!("Ada Crowd {serial}");
                let body =
                    patch_op(&json!([{ "op": "Replace", "path": "displayName", "value": value }]));
                self.scim.patch(&format!("/Users/{id}"), &body).await
            }
            Op::Post => {
                post(
                    &self.scim,
                    &format!("new.{}.{serial}@example.test", uuid::Uuid::new_v4()),
                )
                .await
            }
        };
        let error = match reply {
            Ok(reply) if !op.expected(reply.status) => Some(format!("{reply:?}")),
            Ok(reply) if op == Op::Get && reply.body["userName"] != json!(name) => {
                Some(format!("another user: {reply:?}"))
            }
            Ok(reply) if op == Op::Match && reply.body["totalResults"] != 1 => {
                Some(format!("no match: {reply:?}"))
            }
            Ok(_) => None,
            Err(error) => Some(format!("{error:#}")),
        };
        Sample {
            at,
            op,
            took: at.elapsed(),
            error,
        }
    }
}

impl Running {
    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Stops, waits for what is under way, and returns every request sent.
    pub async fn stop(mut self) -> Vec<Sample> {
        self.stop.store(true, Ordering::Relaxed);
        let mut samples = Vec::new();
        while let Some(worker) = self.workers.join_next().await {
            samples.extend(worker.unwrap_or_default());
        }
        samples.sort_by_key(|s| s.at);
        samples
    }
}

/// What a stream cost.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Requests answered.
    pub count: usize,
    /// Requests answered wrongly or not at all.
    pub errors: usize,
    /// Requests a second.
    pub rate: f64,
    /// Half were quicker.
    pub p50: Duration,
    /// 99 in 100 were quicker.
    pub p99: Duration,
    /// CPU time of the host a request.
    pub cpu: Duration,
    /// The first error, if there was one.
    pub example: Option<String>,
}

/// Runs a stream for `during` and measures it; `pid` is the host's process.
pub async fn measure(stream: Stream, during: Duration, pid: u32) -> Result<Figure> {
    let (cpu, began) = (cpu_of(pid)?, Instant::now());
    let running = stream.start();
    tokio::time::sleep(during).await;
    let samples = running.stop().await;
    let (cpu, took) = (cpu_of(pid)?.saturating_sub(cpu), began.elapsed());
    Ok(Figure::of(&samples, took, cpu))
}

impl Figure {
    /// Sums up samples that were sent in `took` and cost `cpu`.
    pub fn of(samples: &[Sample], took: Duration, cpu: Duration) -> Self {
        let mut micros: Vec<u64> = samples
            .iter()
            .map(|s| u64::try_from(s.took.as_micros()).unwrap_or(u64::MAX))
            .collect();
        micros.sort_unstable();
        let count = samples.len();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = count as f64 / took.as_secs_f64();
        Self {
            count,
            errors: samples.iter().filter(|s| s.error.is_some()).count(),
            rate,
            p50: percentile(&micros, 50),
            p99: percentile(&micros, 99),
            cpu: cpu / u32::try_from(count.max(1)).unwrap_or(u32::MAX),
            example: samples.iter().find_map(|s| s.error.clone()),
        }
    }
}
