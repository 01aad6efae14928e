//! Death without warning: what was acknowledged is there, and all of it.
//!
//! The parent starts a child that commits in an endless loop from several tasks
//! and prints a line for each acknowledged commit; it kills the child at some
//! moment, opens the store and looks. Then again, on the same data.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::Bench;
use crate::{Commit, Key, Range, Store};

const TASKS: u64 = 8;
/// Keys that each commit writes with one and the same value.
const WIDTH: u64 = 4;

/// How often, and when, the child is killed.
pub struct KillPlan {
    /// How often.
    pub rounds: u32,
    /// The longest time that a child lives after its first commit.
    pub longest: Duration,
}

/// Runs children that call [`work_until_killed`], kills them, and checks.
pub async fn kill(bench: &impl Bench, plan: &KillPlan, mut child: impl FnMut() -> Command) {
    let mut acknowledged: BTreeMap<u64, u64> = BTreeMap::new();
    let mut total = 0;
    for round in 0..plan.rounds {
        let mut process = child()
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let lines = BufReader::new(process.stdout.take().expect("a pipe"));
        let killer = Killer::new(process, delay(round, plan.longest));
        for line in lines.lines() {
            // The last line may be torn by the kill; it was not acknowledged to anybody then.
            let Some((task, number)) = line.ok().as_deref().and_then(parse) else {
                continue;
            };
            killer.arm();
            let known = acknowledged.entry(task).or_default();
            assert!(
                number > *known,
                "task {task} went back from {known} to {number}"
            );
            *known = number;
            total += 1;
        }
        killer.finish();
        let store = bench.open().await;
        check(&*store, &mut acknowledged).await;
    }
    assert!(total > 0, "no child ever committed anything");
}

/// The child's part: commits and prints, until it is killed.
pub async fn work_until_killed(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(work(store.clone(), task)))
        .collect();
    for task in tasks {
        task.await.expect("the task goes on until the kill");
    }
}

async fn work(store: Arc<dyn Store>, task: u64) {
    let mut number = last_number(&*store, task).await.unwrap_or(0);
    loop {
        let next = number + 1;
        // Now and then a large value, which engines keep another way.
        let filling = if next % 50 == 0 { 300 << 10 } else { 40 };
        let mut value = next.to_be_bytes().to_vec();
        value.resize(8 + filling, u8::try_from(next % 251).unwrap_or_default());
        let mut commit = (0..WIDTH).fold(Commit::new(), |c, part| {
            c.put(key(task, part), value.clone())
        });
        commit = if number == 0 {
            commit.absent(key(task, 0))
        } else {
            commit.exists(key(task, 0))
        };
        commit = commit.put(Key::of("log").number(task).number(next), "x");
        if next > 100 {
            commit = commit.delete(Key::of("log").number(task).number(next - 100));
        }
        store.commit(commit).await.expect("the commit goes through");
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack {task} {next}").expect("the parent listens");
        out.flush().expect("the parent listens");
        drop(out);
        number = next;
    }
}

/// Checks what is there, and takes it as the next round's beginning.
async fn check(store: &dyn Store, acknowledged: &mut BTreeMap<u64, u64>) {
    for task in 0..TASKS {
        let known = acknowledged.get(&task).copied().unwrap_or(0);
        let found = last_number(store, task).await.unwrap_or(0);
        assert!(
            found >= known,
            "task {task}: {known} was acknowledged, {found} is there"
        );
        // One commit may have been under way.
        assert!(
            found <= known + 1,
            "task {task}: {found} is there, only {known} was asked for"
        );
        let mut values = Vec::new();
        for part in 0..WIDTH {
            values.push(
                store
                    .get(&key(task, part))
                    .await
                    .expect("the read goes through"),
            );
        }
        assert!(
            values.iter().all(|value| *value == values[0]),
            "task {task}: half a commit"
        );
        let log = store
            .scan(Range::prefix(Key::of("log").number(task)))
            .await
            .expect("the scan goes through");
        let wanted: Vec<Vec<u8>> = (found.saturating_sub(99).max(1)..=found)
            .map(|number| Key::of("log").number(task).number(number).into_bytes())
            .collect();
        let kept: Vec<Vec<u8>> = log.into_iter().map(|(key, _)| key).collect();
        assert_eq!(kept, wanted, "task {task}: the log has gaps");
        acknowledged.insert(task, found);
    }
}

fn key(task: u64, part: u64) -> Key {
    Key::of("kill").number(task).number(part)
}

async fn last_number(store: &dyn Store, task: u64) -> Option<u64> {
    let value = store
        .get(&key(task, 0))
        .await
        .expect("the read goes through")?;
    Some(u64::from_be_bytes(
        *value.first_chunk::<8>().expect("eight bytes at least"),
    ))
}

fn parse(line: &str) -> Option<(u64, u64)> {
    // A test harness may write on the same line before the first of ours.
    let (_, numbers) = line.rsplit_once("ack ")?;
    let (task, number) = numbers.split_once(' ')?;
    Some((task.parse().ok()?, number.parse().ok()?))
}

/// Spread over the range, no two rounds alike, and the same in every run.
fn delay(round: u32, longest: Duration) -> Duration {
    let spread = (u64::from(round) * 2_654_435_761) % 1000;
    longest.mul_f64(f64::from(u32::try_from(spread).unwrap_or_default()) / 1000.0)
}

/// Kills a child some time after it has begun to work.
struct Killer {
    armed: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Killer {
    fn new(mut child: Child, delay: Duration) -> Self {
        let (armed, begun) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            if begun.recv_timeout(Duration::from_mins(1)).is_ok() {
                std::thread::sleep(delay);
            }
            // SIGKILL, on Unix.
            child.kill().expect("the child can be killed");
            child.wait().expect("the child is gone");
        });
        Self { armed, thread }
    }

    fn arm(&self) {
        // Only the first time counts.
        let _ = self.armed.send(());
    }

    fn finish(self) {
        drop(self.armed);
        self.thread.join().expect("the killer ends well");
    }
}
