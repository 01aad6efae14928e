//! Whoever changes, takes out or puts in a record is found, and where.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tombolo_scim::resource::Resource;
use tombolo_store::sled::SledStore;
use tombolo_store::{Commit, Key, Range, Store};

use super::account::Change;
use super::verify::{Verdict, verify};
use super::*;

struct Stage {
    _dir: TempDir,
    store: Arc<dyn Store>,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SledStore::open(dir.path().join("store")).unwrap());
        Self { _dir: dir, store }
    }

    /// A life of a host that writes so many accounts.
    async fn life(&self, accounts: usize) {
        let trail = Trail::new(Arc::clone(&self.store));
        for n in 0..accounts {
            let key = Key::of("hr").text(&n.to_string());
            let commit = Commit::new().put(&key, "x");
            trail.commit(commit, &account(n)).await.unwrap();
        }
        trail.close().await;
    }

    async fn keys(&self, room: &str) -> Vec<Vec<u8>> {
        let range = Range::prefix(Key::of("+audit").text(room));
        let pairs = self.store.scan(range).await.unwrap();
        pairs.into_iter().map(|(key, _)| key).collect()
    }

    async fn verdict(&self) -> Verdict {
        verify(&*self.store, None).await.unwrap()
    }
}

fn account(n: usize) -> Account {
    let resource = |title: &str| {
        let map = json!({ "userName": format!("p{n}"), "title": title });
        Resource::from_map(map.as_object().unwrap().clone())
    };
    let change = Change::between(&resource("old"), &resource("new"));
    Told::by_host(Action::Update).success("hr", "User", "id", "anchor", None, change)
}

#[tokio::test]
async fn an_account_has_what_changed_and_nothing_else() {
    let account = account(1);
    assert_eq!(json!(account.before), json!({ "title": "old" }));
    assert_eq!(json!(account.after), json!({ "title": "new" }));
}

#[tokio::test]
async fn what_was_written_in_order_holds() {
    let stage = Stage::new();
    stage.life(7).await;
    stage.life(3).await;
    let verdict = stage.verdict().await;
    assert_eq!(verdict.breaks, []);
    assert_eq!(
        (verdict.streams, verdict.accounts, verdict.unsealed),
        (2, 10, 0)
    );
    let head = verdict.heads.values().next().unwrap();
    let anchored = verify(&*stage.store, Some(head)).await.unwrap();
    assert_eq!(anchored.breaks, []);
    let stranger = verify(&*stage.store, Some("00ff")).await.unwrap();
    assert_eq!(stranger.breaks.len(), 1);
}

#[tokio::test]
async fn a_changed_a_missing_and_an_added_account_are_named() {
    let stage = Stage::new();
    stage.life(5).await;
    let keys = stage.keys("e").await;
    let changed = serde_json::to_vec(&account(99)).unwrap();
    let stream = stage.verdict().await.heads.into_keys().next().unwrap();
    let commit = Commit::new()
        .put(keys[1].clone(), changed)
        .delete(keys[3].clone());
    stage.store.commit(commit).await.unwrap();
    let found: Vec<_> = stage
        .verdict()
        .await
        .breaks
        .into_iter()
        .map(|found| (found.stream == stream, found.account))
        .collect();
    assert_eq!(found, [(true, Some(1)), (true, Some(3))]);

    // Between two that are sealed, where a number was given and never used.
    let stage = Stage::new();
    let trail = Trail::new(Arc::clone(&stage.store));
    trail.commit(Commit::new(), &account(0)).await.unwrap();
    let refused = Commit::new().exists(Key::of("nowhere"));
    trail.commit(refused, &account(1)).await.unwrap_err();
    trail.commit(Commit::new(), &account(2)).await.unwrap();
    trail.close().await;
    let stream = stage.verdict().await.heads.into_keys().next().unwrap();
    let bytes = serde_json::to_vec(&account(1)).unwrap();
    let commit = Commit::new().put(super::keys::entry(&stream, 1), bytes);
    stage.store.commit(commit).await.unwrap();
    let breaks = stage.verdict().await.breaks;
    assert_eq!(breaks[0].what, "the record was put in afterwards");
}

#[tokio::test]
async fn a_changed_seal_and_a_chain_taken_out_whole_are_named() {
    let stage = Stage::new();
    stage.life(5).await;
    let seals = stage.keys("s").await;
    let bytes = stage.store.get(&seals[0]).await.unwrap().unwrap();
    let mut seal: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    seal["at"] = json!("2020-01-01T00:00:00Z");
    let commit = Commit::new().put(seals[0].clone(), serde_json::to_vec(&seal).unwrap());
    stage.store.commit(commit).await.unwrap();
    assert_eq!(stage.verdict().await.breaks[0].what, "the seal was changed");

    let stage = Stage::new();
    stage.life(5).await;
    let (entries, seals) = (stage.keys("e").await, stage.keys("s").await);
    stage.life(5).await;
    assert_eq!(stage.verdict().await.breaks, []);
    let mut commit = Commit::new();
    for key in entries.into_iter().chain(seals) {
        commit = commit.delete(key);
    }
    stage.store.commit(commit).await.unwrap();
    let breaks = stage.verdict().await.breaks;
    assert_eq!(breaks.len(), 1);
    assert!(breaks[0].what.contains("the seal is gone"), "{breaks:?}");
}

#[tokio::test]
async fn what_is_let_go_in_order_leaves_the_chain_whole() {
    let stage = Stage::new();
    let trail = Trail::new(Arc::clone(&stage.store));
    for n in 0..6 {
        trail.commit(Commit::new(), &account(n)).await.unwrap();
        trail.close().await;
    }
    let stream = stage.verdict().await.heads.into_keys().next().unwrap();
    let keep = Keep {
        age: None,
        accounts: Some(2),
    };
    assert_eq!(keep.apply(&*stage.store, &stream).await.unwrap(), 4);
    let verdict = stage.verdict().await;
    assert_eq!(verdict.breaks, []);
    assert_eq!((verdict.accounts, verdict.let_go), (2, 4));

    trail.commit(Commit::new(), &account(7)).await.unwrap();
    trail.close().await;
    let all = Keep {
        age: Some(Duration::from_nanos(1)),
        accounts: None,
    };
    assert_eq!(all.apply(&*stage.store, &stream).await.unwrap(), 3);
    trail.commit(Commit::new(), &account(8)).await.unwrap();
    trail.close().await;
    let verdict = stage.verdict().await;
    assert_eq!(verdict.breaks, []);
    assert_eq!((verdict.accounts, verdict.let_go), (1, 7));
}

#[tokio::test]
async fn a_refused_commit_leaves_no_account() {
    let stage = Stage::new();
    let trail = Trail::new(Arc::clone(&stage.store));
    let refused = Commit::new().exists(Key::of("nowhere"));
    trail.commit(refused, &account(0)).await.unwrap_err();
    trail.commit(Commit::new(), &account(1)).await.unwrap();
    trail.close().await;
    let verdict = stage.verdict().await;
    assert_eq!((verdict.accounts, verdict.breaks.len()), (1, 0));
}

#[tokio::test]
async fn what_changed_nothing_is_told_too_and_found_by_what_is_known_of_it() {
    let stage = Stage::new();
    let trail = Trail::new(Arc::clone(&stage.store));
    let mut one = account(1);
    one.by.activity = Some("8F1C".to_owned());
    trail.later(one.clone());
    trail.later(account(2));
    trail.close().await;
    let search = Search {
        activity: Some("8f1c".to_owned()),
        ..Search::default()
    };
    assert_eq!(search.run(&*stage.store).await.unwrap(), [one]);
    let newest = Search {
        newest: Some(1),
        ..Search::default()
    };
    assert_eq!(newest.run(&*stage.store).await.unwrap().len(), 1);
}

#[test]
fn an_account_looks_like_a_line_of_entras_log() {
    let mut one = account(1);
    one.by.activity = Some("8f1c".to_owned());
    one.by.credential = Some("entra".to_owned());
    let line = summary(&one);
    assert_eq!(line["changeId"], "8f1c");
    assert_eq!(line["provisioningAction"], "update");
    assert_eq!(line["provisioningStatusInfo"]["status"], "success");
    assert_eq!(line["initiatedBy"]["displayName"], "entra");
    let expected = json!([{ "displayName": "title", "oldValue": "old", "newValue": "new" }]);
    assert_eq!(line["modifiedProperties"], expected);
}
