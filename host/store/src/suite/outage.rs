//! The database dies, or the way to it, in the middle of commits: whatever was answered is true.
//!
//! Each task counts one key up by conditional commits and writes a log beside. It is alone with its key, so a refusal can
//! have one reason only: the store has repeated a commit that was made. An error that says that nothing was written must be
//! true, and one that says that nobody knows must be rare: the store has asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::{Commit, CommitError, Key, Range, Store, StoreError};

const TASKS: u64 = 8;

/// What breaks the connection, and mends it again.
pub trait Outage: Send {
    /// Breaks and mends once. Commits are under way.
    fn strike(&mut self) -> impl Future<Output = ()> + Send;
}

/// Commits while `outage` strikes so many times, then checks that the store kept its word.
pub async fn keeps_its_word(store: Arc<dyn Store>, mut outage: impl Outage, strikes: u32) {
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(count_up(Arc::clone(&store), Arc::clone(&stop), task)))
        .collect();
    for _ in 0..strikes {
        // So that commits are under way when it strikes, whatever they take here.
        wait_for_progress(&*store).await;
        outage.strike().await;
    }
    wait_for_progress(&*store).await;
    stop.store(true, Ordering::SeqCst);
    let mut total = 0;
    for (task, ended) in (0..TASKS).zip(tasks) {
        let counted = ended.await.expect("the task ends well");
        let found = number(&*store, task).await.expect("the store is there");
        assert_eq!(found, counted, "task {task}");
        let log = store
            .scan(Range::prefix(Key::of("outage-log").number(task)))
            .await
            .expect("the store is there");
        assert_eq!(log.len() as u64, counted, "task {task}: its log has gaps");
        total += counted;
    }
    assert!(total > u64::from(strikes), "nothing was committed");
}

/// Returns what the store has to hold at the end.
async fn count_up(store: Arc<dyn Store>, stop: Arc<AtomicBool>, task: u64) -> u64 {
    let mut present = number(&*store, task).await.expect("the store is there");
    while !stop.load(Ordering::SeqCst) {
        let next = present + 1;
        let commit = match present {
            0 => Commit::new().absent(key(task)),
            _ => Commit::new().equals(key(task), present.to_be_bytes()),
        };
        let commit = commit
            .put(key(task), next.to_be_bytes())
            .put(Key::of("outage-log").number(task).number(next), "x");
        match store.commit(commit).await {
            Ok(()) => present = next,
            Err(CommitError::Conflict { .. }) => {
                panic!("task {task}: {next} was written by nobody else, and is there already")
            }
            Err(CommitError::Store(StoreError::Unavailable { .. })) => {
                let found = read(&*store, task).await;
                assert_eq!(found, present, "task {task}: said to be unwritten");
            }
            Err(CommitError::Store(StoreError::Unknown { .. })) => {
                let found = read(&*store, task).await;
                assert!(found == present || found == next, "task {task}: {found}");
                present = found;
            }
            Err(error) => panic!("task {task}: {error}"),
        }
    }
    present
}

/// Reads until the store is there again.
async fn read(store: &dyn Store, task: u64) -> u64 {
    loop {
        match number(store, task).await {
            Ok(number) => return number,
            Err(StoreError::Unavailable { .. }) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("task {task}: {error}"),
        }
    }
}

async fn wait_for_progress(store: &dyn Store) {
    let before = read(store, 0).await;
    while read(store, 0).await < before + 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn key(task: u64) -> Key {
    Key::of("outage").number(task)
}

async fn number(store: &dyn Store, task: u64) -> Result<u64, StoreError> {
    let value = store.get(&key(task)).await?;
    Ok(value.map_or(0, |bytes| {
        u64::from_be_bytes(bytes.try_into().expect("eight bytes"))
    }))
}
