//! Entra's SCIM API, and its bill.

use std::sync::Arc;

use serde_json::{Value, json};
use tombolo_client::stand_in::Settings;
use tombolo_inbound::cost::Meter;
use tombolo_inbound::scim::{Done, Entry, Kind, Members, Server, Wanted};

use crate::side::{Side, data};

const ENTRA: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User";

fn user(key: &str, name: &str, extra: &Value) -> Entry {
    let mut resource = data(name, extra);
    resource.insert("password".into(), json!("a-Secret-7"));
    resource.insert("name".into(), json!({"givenName": name, "familyName": "X"}));
    resource.insert(ENTRA.into(), json!({"mailNickname": name}));
    Entry {
        key: key.into(),
        kind: Kind::User,
        id: None,
        wanted: Wanted::Present {
            resource,
            members: None,
        },
    }
}

fn group(name: &str, members: Members) -> Entry {
    let resource = json!({"displayName": name});
    Entry {
        key: name.into(),
        kind: Kind::Group,
        id: None,
        wanted: Wanted::Present {
            resource: resource.as_object().unwrap().clone(),
            members: Some(members),
        },
    }
}

async fn all(server: &Server, entries: Vec<Entry>) -> Vec<Done> {
    let applied = server.apply(entries).await;
    assert!(applied.stopped.is_none(), "{applied:?}");
    assert!(applied.refused.is_empty(), "{applied:?}");
    applied.done.into_iter().map(|(_, done)| done).collect()
}

#[tokio::test]
async fn users_and_groups_are_made_once_and_a_second_run_writes_nothing() {
    let side = Side::start(Settings::default()).await;
    let meter = Meter::new(Arc::clone(&side.shared), "cost");
    let server = Server::entra(side.session(), &side.endpoints(), meter.clone());
    let names: Vec<String> = (0..45).map(|n| format!("p{n}")).collect();
    let users: Vec<Entry> = names.iter().map(|n| user(n, n, &json!({}))).collect();
    let done = all(&server, users.clone()).await;
    let ids: Vec<String> = done
        .into_iter()
        .map(|done| match done {
            Done::Created { id } => id,
            other => panic!("{other:?}"),
        })
        .collect();
    let everybody = group("Everybody", Members::Exactly(ids.clone()));
    all(&server, vec![everybody.clone()]).await;
    let again = all(&server, [users, vec![everybody]].concat()).await;
    assert!(
        again
            .iter()
            .all(|done| matches!(done, Done::Unchanged { .. })),
        "{again:?}"
    );

    let few = group("Everybody", Members::Exactly(ids[..42].to_vec()));
    let title = user("p0", "p0", &json!({"title": "Boss"}));
    all(&server, vec![few, title]).await;
    let state = side.entra.state();
    assert_eq!(state["groups"][0]["members"].as_array().unwrap().len(), 42);
    assert_eq!(side.user("p0")["attributes"]["title"], "Boss");

    let gone = Entry {
        wanted: Wanted::Absent,
        ..user("p1", "p1", &json!({}))
    };
    assert_eq!(all(&server, vec![gone.clone()]).await, [Done::Deleted]);
    assert_eq!(all(&server, vec![gone]).await, [Done::Deleted]);
    // What we think it costs is what Entra charges.
    let cost = meter.read().await.unwrap();
    assert_eq!(cost.total, side.entra.counters().charged);
    assert!(cost.total > 0);
}

#[tokio::test]
async fn what_entra_would_refuse_is_told_before() {
    let side = Side::start(Settings::default()).await;
    let meter = Meter::new(Arc::clone(&side.shared), "cost");
    let server = Server::entra(side.session(), &side.endpoints(), meter);
    let Wanted::Present { mut resource, .. } = user("1", "ana", &json!({})).wanted else {
        panic!("it is there");
    };
    resource.remove("password");
    let entry = Entry {
        wanted: Wanted::Present {
            resource,
            members: None,
        },
        ..user("1", "ana", &json!({}))
    };
    let taken = user("2", "ben", &json!({}));
    let thief = user("3", "ben", &json!({}));
    let applied = server.apply(vec![entry, taken, thief]).await;
    assert_eq!(applied.done.len(), 1);
    assert_eq!(applied.refused.len(), 2, "{applied:?}");
    assert!(applied.refused[0].why.contains("password"), "{applied:?}");
    assert!(
        applied.refused[1].why.contains("another record"),
        "{applied:?}"
    );
}
