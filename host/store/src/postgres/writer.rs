//! Commits: a queue, and a few writers that make transactions of what waits in it.
//!
//! A transaction takes two exchanges: its rows are locked and looked at; then everything that is written is sent at once,
//! with the `COMMIT` behind it. One of the writes is the transaction's mark: its writer's name and a number that the writer
//! never uses twice. When the answer to the `COMMIT` is lost, the writer sets that mark itself, on a new connection, as
//! *void*. The database lets only one of the two stand, and while the lost transaction is still under way it makes the
//! second wait: so the outcome is known for good, and what is repeated has not happened.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_postgres::types::ToSql;

use super::group::{Locks, Outcome, Rows, decide};
use super::reach::Reach;
use super::session::Session;
use super::trouble::Trouble;
use crate::{Commit, CommitError, StoreError};

/// A group ends here, so that the first of it need not wait for a flood.
const GROUP_COMMITS: usize = 256;
const GROUP_BYTES: usize = 4 << 20;
/// So long a commit is tried again while nothing can have been written: a server that starts again, or a successor that
/// takes over, is often there within it.
const PATIENCE: Duration = Duration::from_secs(6);
/// So long the outcome of a commit is asked for.
const INQUIRY: Duration = Duration::from_secs(20);
/// The wait before the next try; doubled up to the second.
const WAITS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(250));

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const LOCK: &str = "SELECT key, value FROM pair WHERE key = ANY($1) ORDER BY key FOR UPDATE";
const SHARE: &str = "SELECT key, value FROM pair WHERE key = ANY($1) ORDER BY key FOR SHARE";
const CLAIM: &str = "INSERT INTO pair (key, value) SELECT * FROM unnest($1::bytea[], $2::bytea[])";
const PUT: &str = "INSERT INTO pair (key, value) SELECT * FROM unnest($1::bytea[], $2::bytea[]) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM pair WHERE key = ANY($1)";
const MARK: &str = "INSERT INTO settled (writer, number, void) VALUES ($1, $2, $3)";
/// A void mark stays: what it keeps out may still be on its way to the server.
const UNMARK: &str = "DELETE FROM settled WHERE writer = $1 AND number < $2 AND NOT void";
const MARKED: &str = "SELECT void FROM settled WHERE writer = $1 AND number = $2";
const TOUCH: &str = "UPDATE settled SET at = now() WHERE writer = $1 AND number = $2";

type Answer = Result<(), CommitError>;
type Queue = Arc<Mutex<mpsc::UnboundedReceiver<Job>>>;

struct Job {
    commit: Commit,
    answer: oneshot::Sender<Answer>,
}

/// The queue. The writers end when it is dropped and empty.
pub(super) struct Writers {
    queue: mpsc::UnboundedSender<Job>,
}

impl Writers {
    /// Half of the connections write.
    pub(super) fn start(reach: &Arc<Reach>, connections: usize) -> Self {
        let (queue, jobs) = mpsc::unbounded_channel();
        let jobs: Queue = Arc::new(Mutex::new(jobs));
        for _ in 0..(connections / 2).max(1) {
            tokio::spawn(Writer::new(Arc::clone(reach)).run(Arc::clone(&jobs)));
        }
        Self { queue }
    }

    pub(super) async fn commit(&self, commit: Commit) -> Answer {
        let (answer, outcome) = oneshot::channel();
        let job = Job { commit, answer };
        self.queue.send(job).map_err(|_| StoreError::Closed)?;
        // A writer that went without answering: the process ends, or the writer has a defect.
        outcome.await.unwrap_or_else(|_| {
            Err(StoreError::Unknown {
                cause: "the committing task ended".into(),
            }
            .into())
        })
    }
}

/// Why a transaction has no outcome yet.
enum Failed {
    /// Nothing was written.
    Unwritten(Trouble),
    /// The `COMMIT` was sent, and its answer did not come.
    Unanswered(Trouble, Outcome),
}

struct Writer {
    reach: Arc<Reach>,
    session: Option<Session>,
    name: Vec<u8>,
    /// Of its last transaction.
    number: i64,
}

impl Writer {
    fn new(reach: Arc<Reach>) -> Self {
        Self {
            reach,
            session: None,
            name: uuid::Uuid::new_v4().as_bytes().to_vec(),
            number: 0,
        }
    }

    async fn run(mut self, jobs: Queue) {
        while let Some(group) = next_group(&jobs).await {
            let commits: Vec<&Commit> = group.iter().map(|job| &job.commit).collect();
            let answers = self.settle(&commits).await;
            for (job, answer) in group.into_iter().zip(answers) {
                // Nobody waits any more: the commit stands all the same.
                let _ = job.answer.send(answer);
            }
        }
    }

    /// One answer a commit.
    async fn settle(&mut self, commits: &[&Commit]) -> Vec<Answer> {
        let refused = match self.together(commits).await {
            Ok(answers) => return answers,
            Err(error) => error,
        };
        if commits.len() == 1 || !matches!(refused, StoreError::Refused { .. }) {
            return commits
                .iter()
                .map(|_| Err(refused.clone().into()))
                .collect();
        }
        // One of them asks for what the server does not do: the others must not suffer for it.
        let mut answers = Vec::with_capacity(commits.len());
        for commit in commits {
            match self.together(&[*commit]).await {
                Ok(answer) => answers.extend(answer),
                Err(error) => answers.push(Err(error.into())),
            }
        }
        answers
    }

    /// All in one transaction, tried until it has an outcome or patience ends.
    async fn together(&mut self, commits: &[&Commit]) -> Result<Vec<Answer>, StoreError> {
        let locks = Locks::of(commits);
        let mut started = Instant::now();
        let mut wait = WAITS.0;
        loop {
            let trouble = match self.attempt(commits, &locks).await {
                Ok(outcome) => return Ok(outcome.answers),
                Err(Failed::Unwritten(trouble)) => trouble,
                Err(Failed::Unanswered(trouble, outcome)) => {
                    match self.was_committed().await {
                        Some(true) => return Ok(outcome.answers),
                        Some(false) => {
                            // As good as new.
                            started = Instant::now();
                            trouble
                        }
                        None => {
                            let (Trouble::Lost(cause)
                            | Trouble::Again(cause)
                            | Trouble::Refused(cause)) = trouble;
                            return Err(StoreError::Unknown { cause });
                        }
                    }
                }
            };
            if matches!(trouble, Trouble::Refused(_)) || started.elapsed() > PATIENCE {
                return Err(trouble.unwritten());
            }
            tracing::debug!(?trouble, "a transaction of the store is tried again");
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(WAITS.1);
        }
    }

    /// One transaction.
    async fn attempt(&mut self, commits: &[&Commit], locks: &Locks) -> Result<Outcome, Failed> {
        let session = self.take_session().await.map_err(Failed::Unwritten)?;
        let present = match look(&session, locks).await {
            Ok(present) => present,
            Err(trouble) => {
                self.give_back(session, &trouble).await;
                return Err(Failed::Unwritten(trouble));
            }
        };
        let outcome = decide(commits, &present);
        if outcome.is_empty() {
            // What was looked at was locked: the answers are true. The locks end, one way or the other.
            if session.batch("ROLLBACK").await.is_ok() {
                self.session = Some(session);
            }
            return Ok(outcome);
        }
        self.number += 1;
        // Boxed: six exchanges at once are a large future.
        match Box::pin(write(&session, &outcome, &self.name, self.number)).await {
            Ok(()) => {
                self.session = Some(session);
                Ok(outcome)
            }
            Err(Sent::Aborted(trouble)) => {
                self.give_back(session, &trouble).await;
                Err(Failed::Unwritten(trouble))
            }
            // The session goes, and whatever is left of its transaction with it.
            Err(Sent::Unanswered(trouble)) => Err(Failed::Unanswered(trouble, outcome)),
        }
    }

    async fn take_session(&mut self) -> Result<Session, Trouble> {
        if let Some(session) = self.session.take()
            && !session.is_closed()
        {
            return Ok(session);
        }
        let session = self.reach.session().await?;
        // Prepared outside of any transaction, once.
        for text in [LOCK, SHARE, CLAIM, PUT, DELETE, MARK, UNMARK] {
            session.statement(text).await?;
        }
        Ok(session)
    }

    /// Keeps a session whose transaction failed, if it is good for another one.
    async fn give_back(&mut self, session: Session, trouble: &Trouble) {
        if !matches!(trouble, Trouble::Lost(_)) && session.batch("ROLLBACK").await.is_ok() {
            self.session = Some(session);
        }
    }

    /// Whether the last transaction was committed; afterwards it never will be if it was not. None: the database could
    /// not be asked.
    async fn was_committed(&self) -> Option<bool> {
        let until = Instant::now() + INQUIRY;
        let mut wait = WAITS.0;
        loop {
            match self.inquire().await {
                Ok(committed) => {
                    tracing::info!(
                        committed,
                        "a connection to the store's database was lost in the middle of a commit; its outcome is known now"
                    );
                    return Some(committed);
                }
                Err(trouble) if Instant::now() > until => {
                    tracing::error!(?trouble, "the outcome of a commit is not known");
                    return None;
                }
                Err(trouble) => {
                    tracing::debug!(?trouble, "the outcome of a commit is asked for again");
                }
            }
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(WAITS.1);
        }
    }

    async fn inquire(&self) -> Result<bool, Trouble> {
        let session = self.reach.session().await?;
        let mine: [&(dyn ToSql + Sync); 2] = [&self.name, &self.number];
        let mark = session.statement(MARK).await?;
        match session.execute(&mark, &[mine[0], mine[1], &true]).await {
            Ok(_) => return Ok(false),
            // The mark is there (or another reason to look again).
            Err(Trouble::Again(_)) => {}
            Err(other) => return Err(other),
        }
        let marked = session.statement(MARKED).await?;
        let rows = session.rows(&marked, &mine).await?;
        let Some(row) = rows.first() else {
            return Err(Trouble::Again("the mark is not there yet".into()));
        };
        if row.try_get(0)? {
            // Ours, of an inquiry that was itself cut off.
            return Ok(false);
        }
        // Committed, but perhaps not yet as durably as was asked for: a server that was stopped while it waited for its
        // replica makes a transaction visible all the same. What is written behind it is durable only if it is.
        let touch = session.statement(TOUCH).await?;
        session.execute(&touch, &mine).await?;
        Ok(true)
    }
}

/// Begins, locks, and reads what is there.
async fn look(session: &Session, locks: &Locks) -> Result<Rows, Trouble> {
    let (lock, share) = (
        session.statement(LOCK).await?,
        session.statement(SHARE).await?,
    );
    let alone: [&(dyn ToSql + Sync); 1] = [&locks.alone];
    let shared: [&(dyn ToSql + Sync); 1] = [&locks.shared];
    let (begun, locked, watched) = tokio::join!(
        session.batch(BEGIN),
        session.rows(&lock, &alone),
        session.rows(&share, &shared),
    );
    begun?;
    let mut present = Rows::new();
    for row in locked?.iter().chain(&watched?) {
        present.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(present)
}

/// What became of what was sent.
enum Sent {
    /// The transaction is rolled back, or will be.
    Aborted(Trouble),
    /// Nobody knows.
    Unanswered(Trouble),
}

/// Writes and commits, in one exchange.
async fn write(
    session: &Session,
    outcome: &Outcome,
    writer: &Vec<u8>,
    number: i64,
) -> Result<(), Sent> {
    let (claims, puts) = (columns(&outcome.claims), columns(&outcome.puts));
    let statements = async {
        Ok::<_, Trouble>((
            session.statement(CLAIM).await?,
            session.statement(PUT).await?,
            session.statement(DELETE).await?,
            session.statement(MARK).await?,
            session.statement(UNMARK).await?,
        ))
    };
    let (claim, put, delete, mark, unmark) = statements.await.map_err(Sent::Aborted)?;
    let claimed: [&(dyn ToSql + Sync); 2] = [&claims.0, &claims.1];
    let changed: [&(dyn ToSql + Sync); 2] = [&puts.0, &puts.1];
    let deleted: [&(dyn ToSql + Sync); 1] = [&outcome.deletes];
    let marked: [&(dyn ToSql + Sync); 3] = [writer, &number, &false];
    let unmarked: [&(dyn ToSql + Sync); 2] = [writer, &number];
    // Joined, they are sent in this order before the first answer comes.
    let (claimed, changed, deleted, marked, unmarked, committed) = tokio::join!(
        unless(outcome.claims.is_empty(), session.execute(&claim, &claimed)),
        unless(outcome.puts.is_empty(), session.execute(&put, &changed)),
        unless(
            outcome.deletes.is_empty(),
            session.execute(&delete, &deleted)
        ),
        session.execute(&mark, &marked),
        session.execute(&unmark, &unmarked),
        session.batch("COMMIT"),
    );
    for written in [claimed, changed, deleted, marked, unmarked] {
        match written {
            Ok(_) => {}
            // The server said so: what comes behind it, the COMMIT too, only ends the transaction.
            Err(trouble @ (Trouble::Again(_) | Trouble::Refused(_))) => {
                return Err(Sent::Aborted(trouble));
            }
            Err(lost) => return Err(Sent::Unanswered(lost)),
        }
    }
    match committed {
        Ok(()) => Ok(()),
        Err(again @ Trouble::Again(_)) => Err(Sent::Aborted(again)),
        Err(other) => Err(Sent::Unanswered(other)),
    }
}

/// Does it, unless there is nothing to do.
async fn unless(
    nothing: bool,
    work: impl Future<Output = Result<u64, Trouble>>,
) -> Result<u64, Trouble> {
    if nothing { Ok(0) } else { work.await }
}

fn columns(rows: &Rows) -> (Vec<&[u8]>, Vec<&[u8]>) {
    rows.iter()
        .map(|(key, value)| (key.as_slice(), value.as_slice()))
        .unzip()
}

/// The first that waits, and what waits behind it.
async fn next_group(jobs: &Queue) -> Option<Vec<Job>> {
    let mut jobs = jobs.lock().await;
    let first = jobs.recv().await?;
    let mut bytes = first.commit.bytes();
    let mut group = vec![first];
    while group.len() < GROUP_COMMITS && bytes < GROUP_BYTES {
        let Ok(job) = jobs.try_recv() else { break };
        bytes += job.commit.bytes();
        group.push(job);
    }
    Some(group)
}

/// Half of it to all of it: those who got in each other's way must not meet again.
fn jittered(wait: Duration) -> Duration {
    let part = uuid::Uuid::new_v4().as_bytes()[0];
    wait.mul_f64(0.5 + f64::from(part) / 512.0)
}
