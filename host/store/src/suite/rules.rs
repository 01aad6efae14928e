//! The rules, one function each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Bench;
use crate::{Commit, CommitError, Key, Range, Store};

async fn commit(store: &dyn Store, commit: Commit) {
    store.commit(commit).await.expect("the commit goes through");
}

async fn get(store: &dyn Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get(key).await.expect("the read goes through")
}

async fn conflict(store: &dyn Store, commit: Commit) -> Vec<u8> {
    match store.commit(commit).await {
        Err(CommitError::Conflict { key }) => key,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

/// If one check fails, no write happens.
pub async fn a_commit_is_all_or_nothing(store: &dyn Store) {
    let key = |name| Key::of("atomic").text(name);
    commit(store, Commit::new().put(key("a"), "1").put(key("b"), "1")).await;
    let failing = Commit::new()
        .absent(key("c"))
        .put(key("a"), "2")
        .delete(key("b"))
        .put(key("c"), "2")
        .equals(key("b"), "other");
    assert_eq!(conflict(store, failing).await, key("b").into_bytes());
    assert_eq!(get(store, &key("a")).await, Some(b"1".to_vec()));
    assert_eq!(get(store, &key("b")).await, Some(b"1".to_vec()));
    assert_eq!(get(store, &key("c")).await, None);
}

/// The three conditions, met and unmet; the conflict names the key.
pub async fn absent_equals_and_exists_decide(store: &dyn Store) {
    let key = Key::of("checks").text("k");
    assert_eq!(
        conflict(store, Commit::new().exists(&key)).await,
        key.as_ref()
    );
    assert_eq!(
        conflict(store, Commit::new().equals(&key, "")).await,
        key.as_ref()
    );
    commit(store, Commit::new().absent(&key).put(&key, "1")).await;
    assert_eq!(
        conflict(store, Commit::new().absent(&key).put(&key, "2")).await,
        key.as_ref()
    );
    assert_eq!(
        conflict(store, Commit::new().equals(&key, "2").put(&key, "3")).await,
        key.as_ref()
    );
    commit(
        store,
        Commit::new().exists(&key).equals(&key, "1").put(&key, "2"),
    )
    .await;
    assert_eq!(get(store, &key).await, Some(b"2".to_vec()));
    commit(
        store,
        Commit::new()
            .delete(&key)
            .delete(Key::of("checks").text("never")),
    )
    .await;
    assert_eq!(get(store, &key).await, None);
    commit(store, Commit::new()).await;
    // An empty value is a value.
    commit(store, Commit::new().put(&key, "")).await;
    commit(store, Commit::new().exists(&key).equals(&key, "")).await;
    assert_eq!(get(store, &key).await, Some(Vec::new()));
}

/// A commit's own writes do not satisfy its checks.
pub async fn checks_see_only_what_was_before(store: &dyn Store) {
    let key = Key::of("own").text("k");
    assert_eq!(
        conflict(store, Commit::new().put(&key, "1").exists(&key)).await,
        key.as_ref()
    );
    assert_eq!(get(store, &key).await, None);
}

/// Writes happen in order.
pub async fn the_last_write_of_a_key_stands(store: &dyn Store) {
    let key = Key::of("twice").text("k");
    commit(
        store,
        Commit::new().put(&key, "1").delete(&key).put(&key, "2"),
    )
    .await;
    assert_eq!(get(store, &key).await, Some(b"2".to_vec()));
    commit(store, Commit::new().put(&key, "3").delete(&key)).await;
    assert_eq!(get(store, &key).await, None);
}

/// Keys come in the order of their unsigned bytes, or exactly against it.
pub async fn scans_are_ordered_by_bytes(store: &dyn Store) {
    let prefix = Key::of("order");
    let mut keys: Vec<Vec<u8>> = [0u8, 1, 9, 10, 127, 128, 254, 255]
        .iter()
        .flat_map(|&byte| {
            [
                vec![byte],
                vec![byte, 0],
                vec![byte, 255, 255],
                vec![byte; 200],
            ]
        })
        .map(|tail| [prefix.as_bytes(), &tail].concat())
        .collect();
    let writes = keys
        .iter()
        .rev()
        .fold(Commit::new(), |c, key| c.put(key.clone(), key.clone()));
    commit(store, writes).await;
    keys.sort();
    let scan = async |range: Range| -> Vec<Vec<u8>> {
        let pairs = store.scan(range).await.expect("the scan goes through");
        pairs
            .into_iter()
            .map(|(key, value)| {
                assert_eq!(key, value);
                key
            })
            .collect()
    };
    assert_eq!(scan(Range::prefix(&prefix)).await, keys);
    assert_eq!(scan(Range::prefix(&prefix).limit(5)).await, keys[..5]);
    keys.reverse();
    assert_eq!(scan(Range::prefix(&prefix).reverse()).await, keys);
    assert_eq!(
        scan(Range::prefix(&prefix).reverse().limit(5)).await,
        keys[..5]
    );
    assert_eq!(store.count(&prefix).await.ok(), Some(keys.len() as u64));
    assert_eq!(
        scan(Range::prefix(&prefix).limit(0)).await,
        Vec::<Vec<u8>>::new()
    );
}

/// `after` continues exactly where a page ended, in both directions.
pub async fn pages_join_without_gap_or_overlap(store: &dyn Store) {
    let prefix = Key::of("pages");
    for chunk in 0..10 {
        let writes = (0..100).fold(Commit::new(), |c, n| {
            c.put(prefix.clone().number(chunk * 100 + n), "x")
        });
        commit(store, writes).await;
    }
    for reverse in [false, true] {
        let range = || {
            let range = Range::prefix(&prefix).limit(37);
            if reverse { range.reverse() } else { range }
        };
        let mut found = Vec::new();
        let mut page = store.scan(range()).await.expect("the scan goes through");
        while let Some((last, _)) = page.last() {
            let next = range().after(last.clone());
            found.extend(page.into_iter().map(|(key, _)| key));
            page = store.scan(next).await.expect("the scan goes through");
        }
        if reverse {
            found.reverse();
        }
        let all: Vec<Vec<u8>> = (0..1000)
            .map(|n| prefix.clone().number(n).into_bytes())
            .collect();
        assert_eq!(found, all);
    }
}

/// A prefix takes its own keys and nobody else's; bounds cut where they say.
pub async fn bounds_and_prefixes_are_exact(store: &dyn Store) {
    let root = Key::of("bounds");
    let key = |name: &str| [root.as_bytes(), name.as_bytes()].concat();
    let names = ["a", "aa", "ab", "b", "ba", "c"];
    let writes = names
        .iter()
        .fold(Commit::new(), |c, name| c.put(key(name), *name));
    commit(store, writes).await;
    let scan = async |range: Range| -> Vec<String> {
        let pairs = store.scan(range).await.expect("the scan goes through");
        pairs
            .into_iter()
            .map(|(_, value)| String::from_utf8_lossy(&value).into_owned())
            .collect()
    };
    assert_eq!(scan(Range::prefix(key("a"))).await, ["a", "aa", "ab"]);
    assert_eq!(scan(Range::prefix(key("b"))).await, ["b", "ba"]);
    assert_eq!(
        scan(Range::prefix(&root).from(key("ab")).until(key("ba"))).await,
        ["ab", "b"]
    );
    assert_eq!(
        scan(Range::prefix(&root).after(key("aaa"))).await,
        ["ab", "b", "ba", "c"]
    );
    assert_eq!(
        scan(Range::prefix(&root).reverse().after(key("b"))).await,
        ["ab", "aa", "a"]
    );
    assert_eq!(scan(Range::prefix(key("d"))).await, Vec::<String>::new());
    assert_eq!(
        scan(Range::prefix(key("b")).until(key("a"))).await,
        Vec::<String>::new()
    );
    assert_eq!(store.count(&key("a")).await.ok(), Some(3));
}

/// A mebibyte comes back as it went in, also overwritten and among others.
pub async fn large_values_are_kept(store: &dyn Store) {
    let key = |n| Key::of("large").number(n);
    let value = |seed: u8| -> Vec<u8> {
        let mut state = u32::from(seed) + 1;
        (0..1 << 20)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect()
    };
    commit(
        store,
        Commit::new()
            .put(key(1), value(1))
            .put(key(2), "small")
            .put(key(3), value(3)),
    )
    .await;
    commit(
        store,
        Commit::new().equals(key(1), value(1)).put(key(1), value(4)),
    )
    .await;
    assert!(get(store, &key(1)).await == Some(value(4)));
    assert!(get(store, &key(3)).await == Some(value(3)));
    assert_eq!(get(store, &key(2)).await, Some(b"small".to_vec()));
    assert_eq!(
        conflict(store, Commit::new().equals(key(1), value(1))).await,
        key(1).into_bytes()
    );
}

/// Sixteen tasks count to the same total by conditional commits.
pub async fn concurrent_increments_lose_nothing(store: Arc<dyn Store>) {
    const TASKS: u64 = 16;
    const EACH: u64 = 20;
    let key = Key::of("counter");
    commit(&*store, Commit::new().put(&key, 0u64.to_be_bytes())).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (store, key) = (store.clone(), key.clone());
            tokio::spawn(async move {
                for _ in 0..EACH {
                    loop {
                        let old = get(&*store, &key).await.expect("the counter is there");
                        let number =
                            u64::from_be_bytes(old.clone().try_into().expect("eight bytes"));
                        let step = Commit::new()
                            .equals(&key, old)
                            .put(&key, (number + 1).to_be_bytes());
                        match store.commit(step).await {
                            Ok(()) => break,
                            Err(error) => assert!(error.is_conflict(), "{error}"),
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the task ends well");
    }
    assert_eq!(
        get(&*store, &key).await,
        Some((TASKS * EACH).to_be_bytes().to_vec())
    );
}

/// Of many who want a key that must be absent, exactly one gets it.
pub async fn one_winner_takes_an_absent_key(store: Arc<dyn Store>) {
    let key = Key::of("winner");
    let tasks: Vec<_> = (0..64u64)
        .map(|number| {
            let (store, key) = (store.clone(), key.clone());
            let claim = Commit::new().absent(&key).put(&key, number.to_be_bytes());
            tokio::spawn(async move { store.commit(claim).await.is_ok().then_some(number) })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(task.await.expect("the task ends well"));
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(
        get(&*store, &key).await,
        Some(winners[0].to_be_bytes().to_vec())
    );
}

/// While one commit after the other rewrites ten keys, no scan sees two states.
pub async fn a_scan_sees_commits_whole(store: Arc<dyn Store>) {
    let key = |n| Key::of("whole").number(n);
    let state =
        move |round: u64| (0..10).fold(Commit::new(), |c, n| c.put(key(n), round.to_be_bytes()));
    commit(&*store, state(0)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (store, stop) = (store.clone(), stop.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let pairs = store
                    .scan(Range::prefix(Key::of("whole")).limit(100))
                    .await
                    .expect("the scan goes through");
                assert_eq!(pairs.len(), 10);
                assert!(
                    pairs.iter().all(|(_, value)| *value == pairs[0].1),
                    "a scan saw half a commit"
                );
                tokio::task::yield_now().await;
            }
        })
    };
    for round in 1..50 {
        commit(&*store, state(round)).await;
    }
    stop.store(true, Ordering::Relaxed);
    reader.await.expect("the reader ends well");
}

/// Commits that only write, each to two keys and some of them removing one, leave what one of them left: they have one order, also
/// where a key was not there.
pub async fn blind_writes_have_one_order(store: Arc<dyn Store>) {
    let key = |n: u64| Key::of("blind").number(n);
    for round in 0..40u64 {
        let start = Commit::new().delete(key(1)).delete(key(2));
        commit(&*store, start).await;
        let writes = [
            Commit::new().put(key(1), "a").delete(key(2)),
            Commit::new().put(key(2), "b").delete(key(1)),
            Commit::new().put(key(1), "c").put(key(2), "c"),
        ];
        let tasks: Vec<_> = (0..3)
            .map(|n| {
                let store = store.clone();
                let write = writes[(n + usize::try_from(round % 3).unwrap_or(0)) % 3].clone();
                tokio::spawn(async move { store.commit(write).await })
            })
            .collect();
        for task in tasks {
            task.await
                .expect("the task ends well")
                .expect("the commit goes through");
        }
        let left = (get(&*store, &key(1)).await, get(&*store, &key(2)).await);
        let one = |a: &str, b: &str| {
            let value = |text: &str| (!text.is_empty()).then(|| text.as_bytes().to_vec());
            (value(a), value(b))
        };
        let possible = [one("a", ""), one("", "b"), one("c", "c")];
        assert!(possible.contains(&left), "round {round}: {left:?}");
    }
}

/// What was committed is there after the store was dropped and opened again.
pub async fn reopening_keeps_everything(bench: &impl Bench) {
    let key = |n| Key::of("reopen").number(n);
    let large = vec![7u8; 1 << 20];
    for round in 0..5u64 {
        let store = bench.open().await;
        for earlier in 0..round {
            assert_eq!(
                get(&*store, &key(earlier)).await,
                Some(earlier.to_be_bytes().to_vec())
            );
        }
        if round > 0 {
            assert!(
                get(&*store, &key(1000 + round - 1)).await.as_deref() == Some(large.as_slice())
            );
        }
        commit(
            &*store,
            Commit::new()
                .absent(key(round))
                .put(key(round), round.to_be_bytes()),
        )
        .await;
        let last = Commit::new()
            .delete(key(999 + round))
            .put(key(1000 + round), large.clone());
        commit(&*store, last).await;
    }
    let store = bench.open().await;
    assert_eq!(store.count(&Key::of("reopen")).await.ok(), Some(6));
}

/// A walk shows every pair once, in the order of the keys.
pub async fn a_walk_sees_everything(store: &dyn Store) {
    let key = |n: u64| Key::of("walk").number(n);
    let writes = (0..700).fold(Commit::new(), |c, n| c.put(key(n), n.to_be_bytes()));
    commit(store, writes).await;
    let mut walk = store.walk().await.expect("the walk begins");
    let mut seen = Vec::new();
    loop {
        let page = walk.next().await.expect("the walk goes on");
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    let all = store
        .scan(Range::all())
        .await
        .expect("the scan goes through");
    assert!(seen == all, "{} of {} pairs", seen.len(), all.len());
}
