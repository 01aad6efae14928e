use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::{Behind, Options, SledStore};
use crate::suite::{self, Bench, KillPlan};
use crate::{Commit, CommitError, Range, Store, StoreError};

struct Directory(PathBuf, Behind);

impl Bench for Directory {
    async fn open(&self) -> Arc<dyn Store> {
        // Small generations, so that the log turns over all the time.
        let options = Options::new().behind(self.1).generation_bytes(256 << 10);
        Arc::new(options.open(&self.0).expect("the store opens"))
    }
}

fn directory() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("state");
    (dir, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sled_passes_the_suite() {
    let (_dir, path) = directory();
    suite::all(&Directory(path, Behind::Sled)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fjall_passes_the_suite() {
    let (_dir, path) = directory();
    suite::all(&Directory(path, Behind::Fjall)).await;
}

const CHILD: &str = "TOMBOLO_STORE_KILL_CHILD";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sled_survives_being_killed_at_any_moment() {
    survives_being_killed(Behind::Sled, "sled").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fjall_survives_being_killed_at_any_moment() {
    survives_being_killed(Behind::Fjall, "fjall").await;
}

async fn survives_being_killed(behind: Behind, name: &str) {
    let (_dir, path) = directory();
    let child = || {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command
            .args([
                "--exact",
                "sled::tests::the_child_that_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD, format!("{name} {}", path.display()));
        command
    };
    let plan = KillPlan {
        rounds: 20,
        longest: Duration::from_millis(400),
    };
    suite::kill(&Directory(path.clone(), behind), &plan, child).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test that kills it"]
async fn the_child_that_is_killed() {
    let Ok(told) = std::env::var(CHILD) else {
        return;
    };
    let directory = match told.split_once(' ').expect("an engine and a path") {
        ("fjall", path) => Directory(path.into(), Behind::Fjall),
        (_, path) => Directory(path.into(), Behind::Sled),
    };
    suite::work_until_killed(directory.open().await).await;
}

fn counting(path: &Path) -> (SledStore, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let flushes = Arc::new(AtomicUsize::new(0));
    let failing = Arc::new(AtomicBool::new(false));
    let (count, fail) = (flushes.clone(), failing.clone());
    let hook = move || {
        count.fetch_add(1, Ordering::SeqCst);
        if fail.load(Ordering::SeqCst) {
            return Err(io::Error::other("no space left on device"));
        }
        // A slow disk: what comes meanwhile is the next group.
        std::thread::sleep(Duration::from_millis(5));
        Ok(())
    };
    let store = Options::new()
        .before_flush(hook)
        .open(path)
        .expect("the store opens");
    (store, flushes, failing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_commits_share_one_flush() {
    let (_dir, path) = directory();
    let (store, flushes, _) = counting(&path);
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..64u8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(Commit::new().put([n], [n])).await })
        })
        .collect();
    for task in tasks {
        task.await
            .expect("the task ends well")
            .expect("the commit goes through");
    }
    let flushes = flushes.load(Ordering::SeqCst);
    assert!(flushes < 32, "64 concurrent commits took {flushes} flushes");
}

#[tokio::test]
async fn a_conflict_alone_costs_no_flush() {
    let (_dir, path) = directory();
    let (store, flushes, _) = counting(&path);
    let refused = store.commit(Commit::new().exists("a").put("a", "1")).await;
    assert!(refused.is_err_and(|error| error.is_conflict()));
    assert_eq!(flushes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_failed_flush_refuses_everything_after_it() {
    let (_dir, path) = directory();
    let (store, _, failing) = counting(&path);
    store
        .commit(Commit::new().put("a", "1"))
        .await
        .expect("the commit goes through");
    failing.store(true, Ordering::SeqCst);
    let error = store
        .commit(Commit::new().put("a", "2").put("b", "2"))
        .await
        .expect_err("the flush fails");
    assert!(matches!(
        error,
        CommitError::Store(StoreError::Write { .. })
    ));
    failing.store(false, Ordering::SeqCst);
    let error = store
        .commit(Commit::new().put("c", "3"))
        .await
        .expect_err("poisoned");
    assert!(matches!(
        error,
        CommitError::Store(StoreError::Poisoned { .. })
    ));
    assert!(
        error.to_string().contains("no space left on device"),
        "{error}"
    );
    // Readers still get what is known to be durable, and only that.
    assert_eq!(
        store.get(b"a").await.expect("reads go on"),
        Some(b"1".to_vec())
    );
    assert_eq!(store.get(b"b").await.expect("reads go on"), None);
    let pairs = store.scan(Range::all()).await.expect("reads go on");
    assert_eq!(pairs, [(b"a".to_vec(), b"1".to_vec())]);
    drop(store);
    let store = SledStore::open(&path).expect("the store opens again");
    store
        .commit(Commit::new().put("c", "3"))
        .await
        .expect("the commit goes through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_read_before_it_is_durable() {
    let (_dir, path) = directory();
    let (reached, at_flush) = std::sync::mpsc::channel();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let hook = move || {
        reached.send(()).map_err(io::Error::other)?;
        gate.recv().map_err(io::Error::other)
    };
    let store = Arc::new(
        Options::new()
            .before_flush(hook)
            .open(&path)
            .expect("the store opens"),
    );
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .commit(Commit::new().put("a", "1").put("b", "1"))
                .await
        })
    };
    tokio::task::spawn_blocking(move || at_flush.recv())
        .await
        .expect("joined")
        .expect("the flush is reached");
    assert_eq!(store.get(b"a").await.expect("reads go on"), None);
    assert_eq!(store.scan(Range::all()).await.expect("reads go on"), []);
    assert_eq!(store.count(b"").await.expect("reads go on"), 0);
    go.send(()).expect("the committer waits");
    writer
        .await
        .expect("joined")
        .expect("the commit goes through");
    assert_eq!(store.count(b"").await.expect("reads go on"), 2);
}

#[tokio::test]
async fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let (_dir, path) = directory();
    let free = Arc::new(AtomicUsize::new(1 << 30));
    let count = Arc::clone(&free);
    let options = Options::new().free_bytes(move || Ok(count.load(Ordering::SeqCst) as u64));
    let store = options.open(&path).expect("the store opens");
    let put = |value: &str| store.commit(Commit::new().put("a", value));
    put("1").await.expect("the commit goes through");
    free.store(1 << 20, Ordering::SeqCst);
    let refused = put("2").await.expect_err("no room");
    assert!(
        matches!(refused, CommitError::Store(StoreError::Full { .. })),
        "{refused}"
    );
    assert!(refused.to_string().contains("1 MiB free"), "{refused}");
    let told = store.ready().await.expect_err("it is told");
    assert!(matches!(told, StoreError::Full { .. }), "{told}");
    let kept = store.get(b"a").await.expect("reads go on");
    assert_eq!(kept.as_deref(), Some(b"1".as_slice()));
    free.store(1 << 30, Ordering::SeqCst);
    // Nobody has to write for it to be found out.
    store.ready().await.expect("there is room again");
    put("3").await.expect("the commit goes through");
    drop(store);
    let store = SledStore::open(&path).expect("the store opens again");
    let kept = store.get(b"a").await.expect("reads go on");
    assert_eq!(kept.as_deref(), Some(b"3".as_slice()));
}

#[tokio::test]
async fn a_directory_in_use_is_named_as_such() {
    for behind in [Behind::Sled, Behind::Fjall] {
        let (_dir, path) = directory();
        let open = move |path: PathBuf| Options::new().behind(behind).open(path);
        let _first = open(path.clone()).expect("the store opens");
        let error = tokio::task::spawn_blocking(move || open(path).map(|_| ()))
            .await
            .expect("joined")
            .expect_err("the directory is in use");
        assert!(matches!(error, StoreError::Locked { .. }), "{error}");
        assert!(error.to_string().contains("another process"), "{error}");
    }
}

#[tokio::test]
async fn dropping_the_store_finishes_what_was_handed_over() {
    let (_dir, path) = directory();
    let (store, ..) = counting(&path);
    let store = Arc::new(store);
    for n in 0..20u8 {
        let store = store.clone();
        // Polled once, so handed over, then dropped.
        let mut commit = Box::pin(async move { store.commit(Commit::new().put([n], [n])).await });
        let _ = futures_poll(commit.as_mut());
    }
    drop(store);
    let store = SledStore::open(&path).expect("the store opens again");
    assert_eq!(store.count(b"").await.expect("reads go on"), 20);
}

fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}
