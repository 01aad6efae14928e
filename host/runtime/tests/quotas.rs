//! A directory that may be written to holds no more than its quota, whatever a guest tries; and a guest that cleans up
//! after itself never meets it.

mod common;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use common::*;
use tombolo_runtime::{AppSpec, Connector, Directory, Limits, Reuse, Room};

const ROOM: Room = Room {
    bytes: 100_000,
    files: 20,
};

fn granted(name: &str, host: &Path) -> Directory {
    Directory {
        name: name.to_owned(),
        host: host.to_owned(),
        writable: true,
        room: ROOM,
    }
}

async fn bound(directory: Directory) -> Connector {
    let runtime = runtime();
    let spec = AppSpec {
        directories: vec![directory],
        // Everything held at once, and an instance of its own for each.
        limits: Limits {
            resources: 2000,
            ..Limits::default()
        },
        reuse: Reuse::Fresh,
        ..spec("full")
    };
    runtime.bind(&hostile(&runtime).await, spec).await.unwrap()
}

async fn provoke(connector: &Connector, kind: &str) -> String {
    let entry = connector.get(&call(), kind, "/data", &[]).await.unwrap();
    answer(&entry).to_owned()
}

/// Sizes and names, by another hand than the host's.
fn held(root: &Path) -> (u64, u64) {
    let (mut bytes, mut names) = (0, 0);
    for entry in std::fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        names += 1;
        if found.is_dir() {
            let (inner, inner_names) = held(&entry.path());
            (bytes, names) = (bytes + inner, names + inner_names);
        } else {
            bytes += found.size() / found.nlink();
        }
    }
    (bytes, names)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_guest_tries_the_directory_stays_within_its_quota() {
    for (kind, said) in [
        ("files-bytes", "100 unwritten"),
        ("files-append", "100 unwritten"),
        ("files-sparse", "over-quota unwritten"),
        ("files-many", "20 over-quota"),
        ("files-directories", "20 over-quota"),
        ("files-names", "19 over-quota"),
        // What has no name is there as long as it is open.
        ("files-nameless", "10 unwritten"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let connector = bound(granted("data", home.path())).await;
        assert_eq!(provoke(&connector, kind).await, said, "{kind}");
        let (bytes, names) = held(home.path());
        assert!(
            bytes <= ROOM.bytes && names <= ROOM.files,
            "{kind}: {bytes} {names}"
        );
        // The next one has another instance, and meets the same: what the first left behind counts.
        let again = provoke(&connector, kind).await;
        let (bytes, names) = held(home.path());
        assert!(
            bytes <= ROOM.bytes && names <= ROOM.files,
            "{kind}, again ({again}): {bytes} {names}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_stay_within_it_together() {
    let home = tempfile::tempdir().unwrap();
    let connector = bound(granted("data", home.path())).await;
    let kinds = [
        "files-append",
        "files-nameless",
        "files-many",
        "files-append",
    ];
    let calls = kinds.map(|kind| {
        let connector = connector.clone();
        tokio::spawn(async move { provoke(&connector, kind).await })
    });
    for call in calls {
        let said = call.await.unwrap();
        assert!(
            said.ends_with("over-quota") || said.ends_with("unwritten"),
            "{said}"
        );
    }
    let (bytes, names) = held(home.path());
    assert!(
        bytes <= ROOM.bytes && names <= ROOM.files,
        "{bytes} {names}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cleans_up_after_himself_never_meets_it() {
    let home = tempfile::tempdir().unwrap();
    let connector = bound(granted("data", home.path())).await;
    assert_eq!(provoke(&connector, "files-tidy").await, "allowed");
    assert_eq!(held(home.path()), (0, 0));
    // And everything is there for the next one.
    assert_eq!(provoke(&connector, "files-bytes").await, "100 unwritten");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_already_counts_and_may_be_changed_and_removed() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("old")).unwrap();
    std::fs::write(home.path().join("old/large"), vec![0; 99_000]).unwrap();
    std::fs::write(home.path().join("bomb"), [0; 2_000]).unwrap();
    let connector = bound(granted("data", home.path())).await;
    // It is over already: making a file anew frees what it had, and that much may be written again.
    assert_eq!(provoke(&connector, "files-bytes").await, "1 unwritten");
    let write = |path: &'static str| {
        let connector = connector.clone();
        async move {
            let entry = connector.get(&call(), "write-file", path, &[]).await;
            answer(&entry.unwrap()).to_owned()
        }
    };
    assert_eq!(write("/data/old/large").await, "allowed");
    assert_eq!(write("/data/new").await, "allowed");
    // The other way round: somebody else fills it, and that is seen, at the latest when it is looked at anew.
    let other = bound(granted("data", home.path())).await;
    std::fs::write(home.path().join("theirs"), vec![0; 99_999]).unwrap();
    assert_eq!(provoke(&other, "files-append").await, "over-quota");
}
