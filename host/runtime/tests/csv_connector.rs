//! The csv connector, as it ships, through the real runtime: what is asked for is what stands in the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use serde_json::json;
use tombolo_runtime::contract::{
    Attribute, Comparison, Edit, EditKind, Entry, Fault, Node, Query, Scalar, Value,
};
use tombolo_runtime::{
    AppSpec, Call, CallError, Connector, Directory, Limits, Options, Reuse, Runtime, state,
};

/// The connector, built as it ships.
static WASM: LazyLock<PathBuf> =
    LazyLock::new(|| tombolo_tests::build::connector("csv").expect("the connector builds"));

async fn bind(directory: Option<&Path>) -> Result<Connector, String> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    let runtime = Runtime::new(Options {
        cache: Some(cache),
        ..Options::default()
    })
    .unwrap();
    let bytes = std::fs::read(&*WASM).unwrap();
    let component = runtime.load("csv", bytes).await.unwrap();
    let spec = AppSpec {
        app: "demo".to_owned(),
        settings: json!({ "columns": { "floor": "urn:example:User:floor" } }),
        targets: BTreeMap::new(),
        secrets: BTreeMap::new(),
        directories: directory
            .map(|host| Directory {
                name: "data".to_owned(),
                host: host.to_owned(),
                writable: true,
                room: tombolo_runtime::Room::default(),
            })
            .into_iter()
            .collect(),
        state: Arc::new(state::Memory::default()),
        limits: Limits::default(),
        reuse: Reuse::Fresh,
    };
    runtime
        .bind(&component, spec)
        .await
        .map_err(|error| error.to_string())
}

fn call() -> Call {
    Call {
        request_id: "request-1".to_owned(),
        deadline: tokio::time::Instant::now() + Duration::from_secs(30),
    }
}

fn attribute(name: &str, value: &str) -> Attribute {
    Attribute {
        name: name.to_owned(),
        values: vec![Value::Simple(Scalar::Text(value.to_owned()))],
    }
}

fn put(name: &str, value: &str) -> Edit {
    Edit {
        kind: EditKind::Put,
        attribute: attribute(name, value),
    }
}

fn text<'e>(entry: &'e Entry, name: &str) -> Option<&'e str> {
    let attribute = entry.attributes.iter().find(|a| a.name == name)?;
    match attribute.values.first()? {
        Value::Simple(Scalar::Text(text)) => Some(text),
        _ => None,
    }
}

fn fault(error: CallError) -> Fault {
    match error {
        CallError::Failure(failure) => failure.fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_groups_live_in_files() {
    let directory = tempfile::tempdir().unwrap();
    let connector = bind(Some(directory.path())).await.unwrap();
    let abilities = connector.abilities();
    assert!(abilities.write && abilities.members && !abilities.password && !abilities.delta);
    assert_eq!(connector.component().manifest().name, "csv");
    connector.check(&call()).await.unwrap();

    let hostile = " =\"a,b\"\nc ";
    let asked = [
        attribute("userName", "ana"),
        attribute("displayName", hostile),
        attribute("floor", "3"),
    ];
    let ana = connector
        .create(&call(), "user", &asked, "r1")
        .await
        .unwrap();
    let again = connector
        .create(&call(), "user", &asked, "r1")
        .await
        .unwrap();
    assert_eq!(ana, again, "a repeated create makes nothing");
    let taken = connector
        .create(&call(), "user", &[attribute("userName", "ANA")], "r2")
        .await;
    assert_eq!(fault(taken.unwrap_err()), Fault::AlreadyExists);

    let read = connector
        .get(&call(), "user", &ana.anchor, &[])
        .await
        .unwrap();
    assert_eq!(
        (text(&read, "displayName"), text(&read, "floor")),
        (Some(hostile), Some("3"))
    );
    let changed = connector
        .update(
            &call(),
            "user",
            &ana.anchor,
            &[put("userName", "ana.r")],
            read.version.as_deref(),
            "r3",
        )
        .await
        .unwrap();
    assert_eq!(text(&changed, "userName"), Some("ana.r"));
    let stale = connector
        .update(
            &call(),
            "user",
            &ana.anchor,
            &[put("title", "x")],
            read.version.as_deref(),
            "r4",
        )
        .await;
    assert_eq!(fault(stale.unwrap_err()), Fault::Changed);

    let query = Query {
        filter: Some(vec![Node::Test((
            "userName".to_owned(),
            Comparison::Equal,
            Scalar::Text("Ana.R".to_owned()),
        ))]),
        attributes: Vec::new(),
        cursor: None,
        limit: 10,
    };
    assert_eq!(
        connector
            .search(&call(), "user", query)
            .await
            .unwrap()
            .entries,
        [changed]
    );

    let group = connector
        .create(&call(), "group", &[attribute("displayName", "Sales")], "r5")
        .await
        .unwrap();
    let members = [ana.anchor.clone()];
    connector
        .change_members(&call(), &group.anchor, &members, &[], "r6")
        .await
        .unwrap();
    let page = connector
        .list_members(&call(), &group.anchor, None, 10)
        .await
        .unwrap();
    assert_eq!(page.members, members);
    connector
        .delete(&call(), "user", &ana.anchor, "r7")
        .await
        .unwrap();
    let page = connector
        .list_members(&call(), &group.anchor, None, 10)
        .await
        .unwrap();
    assert!(page.members.is_empty());
    let gone = connector.get(&call(), "user", &ana.anchor, &[]).await;
    assert_eq!(fault(gone.unwrap_err()), Fault::NotFound);
    let left: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "temporary files are left: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_side_by_side_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let connector = bind(Some(directory.path())).await.unwrap();
    let writers: Vec<_> = (0..40)
        .map(|n| {
            let connector = connector.clone();
            tokio::spawn(async move {
                let name = format!("user{n}");
                connector
                    .create(&call(), "user", &[attribute("userName", &name)], &name)
                    .await
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let written = std::fs::read_to_string(directory.path().join("people.csv")).unwrap();
    assert_eq!(written.lines().count(), 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_directory_the_app_does_not_load() {
    let error = bind(None).await.err().unwrap();
    assert!(error.contains("data"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_among_a_thousand_rows_is_quick() {
    let directory = tempfile::tempdir().unwrap();
    let mut rows = "id,userName,displayName,title,department,workEmail\n".to_owned();
    for n in 0..1000 {
        rows.extend([
            format!("{n:032x},user{n},User {n},Clerk,Sales,"),
            format!("user{n}@example.org\n"),
        ]);
    }
    std::fs::write(directory.path().join("people.csv"), rows).unwrap();
    let connector = bind(Some(directory.path())).await.unwrap();
    let last = format!("{:032x}", 999);
    let began = Instant::now();
    for _ in 0..200 {
        connector.get(&call(), "user", &last, &[]).await.unwrap();
    }
    let each = began.elapsed() / 200;
    println!("get among 1000 rows, fresh instance: {each:?}");
    assert!(each < Duration::from_millis(20), "{each:?}");
}
