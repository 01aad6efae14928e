//! A SCIM server as the RFCs have it: by `/Bulk`, or without PATCH.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use serde_json::{Value, json};
use tombolo_inbound::auth::Auth;
use tombolo_inbound::clock::System;
use tombolo_inbound::scim::{Done, Entry, Kind, Server, Wanted};
use tombolo_inbound::session::Session;
use tombolo_inbound::wire::{Backoff, Options, Wire};

#[derive(Default)]
struct Store {
    users: BTreeMap<String, Value>,
    log: Vec<String>,
}

type Shared = Arc<std::sync::Mutex<Store>>;

/// One operation, alone or of a bulk request.
fn one(store: &mut Store, method: &str, path: &str, query: &str, body: &Value) -> (u16, Value) {
    let id = path.strip_prefix("/Users/").unwrap_or_default().to_owned();
    match method {
        "GET" if id.is_empty() => {
            let hits: Vec<&Value> = store
                .users
                .values()
                .filter(|user| query.contains(user["externalId"].as_str().unwrap()))
                .collect();
            (200, json!({"Resources": hits}))
        }
        "GET" => store
            .users
            .get(&id)
            .map_or((404, json!({})), |user| (200, user.clone())),
        "POST" => {
            let mut user = body.clone();
            let id = format!("id{}", store.users.len());
            user["id"] = id.as_str().into();
            store.users.insert(id, user.clone());
            (201, user)
        }
        "PUT" => {
            store.users.insert(id, body.clone());
            (200, body.clone())
        }
        "PATCH" => {
            let user = store.users.get_mut(&id).unwrap();
            for operation in body["Operations"].as_array().unwrap() {
                user[operation["path"].as_str().unwrap()] = operation["value"].clone();
            }
            (204, Value::Null)
        }
        _ => (
            if store.users.remove(&id).is_some() {
                204
            } else {
                404
            },
            Value::Null,
        ),
    }
}

async fn start(bulk: bool, patch: bool) -> (Server, Shared) {
    let store = Shared::default();
    let inside = Arc::clone(&store);
    let app = Router::new().fallback(move |method: Method, uri: Uri, body: Bytes| {
        let mut store = inside.lock().unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        store.log.push(format!("{method} {}", uri.path()));
        let (status, answer) = match uri.path() {
            "/ServiceProviderConfig" => (200, json!({
                "patch": {"supported": patch},
                "bulk": {"supported": bulk, "maxOperations": 3, "maxPayloadSize": 100_000},
            })),
            "/Bulk" => {
                let all = body["Operations"].as_array().unwrap();
                assert!(all.len() <= 3);
                let answers: Vec<Value> = all
                    .iter()
                    .map(|o| {
                        let (method, at) = (o["method"].as_str(), o["path"].as_str());
                        let done = one(&mut store, method.unwrap(), at.unwrap(), "", &o["data"]);
                        let location = format!("/Users/{}", done.1["id"].as_str().unwrap_or("x"));
                        json!({"bulkId": o["bulkId"], "status": done.0.to_string(), "location": location})
                    })
                    .collect();
                (200, json!({"Operations": answers}))
            }
            at => one(&mut store, method.as_str(), at, uri.query().unwrap_or(""), &body),
        };
        let answer = if status == 204 { String::new() } else { answer.to_string() };
        async move { (StatusCode::from_u16(status).unwrap(), answer) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let wire = Wire::new(&Options::default()).unwrap();
    let session = Session::new(wire, Auth::None, Arc::new(System), Backoff::default());
    let server = Server::connect(session, url.parse().unwrap())
        .await
        .unwrap();
    (server, store)
}

fn users(title: &str) -> Vec<Entry> {
    (0..7)
        .map(|n| {
            let resource = json!({"userName": format!("user{n}"), "active": true, "title": title});
            Entry {
                key: format!("key{n}"),
                kind: Kind::User,
                id: None,
                wanted: Wanted::Present {
                    resource: resource.as_object().unwrap().clone(),
                    members: None,
                },
            }
        })
        .collect()
}

async fn runs(bulk: bool, patch: bool) -> Vec<String> {
    let (server, store) = start(bulk, patch).await;
    let made = server.apply(users("A")).await;
    assert!(
        made.done
            .iter()
            .all(|(_, done)| matches!(done, Done::Created { .. })),
        "{made:?}"
    );
    let again = server.apply(users("A")).await;
    assert!(
        again
            .done
            .iter()
            .all(|(_, done)| matches!(done, Done::Unchanged { .. })),
        "{again:?}"
    );
    let changed = server.apply(users("B")).await;
    assert!(
        changed
            .done
            .iter()
            .all(|(_, done)| matches!(done, Done::Updated { .. })),
        "{changed:?}"
    );
    for applied in [made, again, changed] {
        assert_eq!((applied.done.len(), applied.left.len()), (7, 0));
    }
    let store = store.lock().unwrap();
    assert_eq!(store.users.len(), 7);
    assert!(store.users.values().all(|user| user["title"] == "B"));
    store.log.clone()
}

#[tokio::test]
async fn new_users_go_in_bulk_where_the_server_has_it() {
    let log = runs(true, true).await;
    assert_eq!(log.iter().filter(|line| *line == "POST /Bulk").count(), 2);
    // The seventh was alone.
    assert_eq!(log.iter().filter(|line| *line == "POST /Users").count(), 1);
}

#[tokio::test]
async fn a_server_without_patch_gets_the_whole_resource() {
    let log = runs(false, false).await;
    assert_eq!(
        log.iter().filter(|line| line.starts_with("PUT ")).count(),
        7
    );
    assert!(!log.iter().any(|line| line.starts_with("PATCH ")));
}
