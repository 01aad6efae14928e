//! What is accepted, and what is seen.

use super::*;
use crate::simulate::failure::Weight;
use serde_json::json;
use std::time::Duration;

fn reply(status: u16, body: &Value) -> Reply {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert(
        "content-type",
        "application/scim+json; charset=utf-8".parse().unwrap(),
    );
    Reply {
        status,
        headers,
        text: if body.is_null() {
            String::new()
        } else {
            body.to_string()
        },
        body: body.clone(),
        took: Duration::ZERO,
    }
}

fn asked(kind: Kind) -> Asked<'static> {
    Asked {
        kind,
        id: None,
        matching: Some(("userName", "ana@x")),
        maybe_gone: false,
    }
}

fn by_id(kind: Kind) -> Asked<'static> {
    Asked {
        kind,
        id: Some("7"),
        matching: None,
        maybe_gone: false,
    }
}

fn hits(resources: &Value) -> Value {
    let count = resources.as_array().map(Vec::len);
    json!({ "schemas": [LIST], "totalResults": count, "startIndex": 1, "itemsPerPage": count, "Resources": resources })
}

fn error(status: u16) -> Value {
    json!({ "schemas": [ERROR], "status": status.to_string(), "detail": "no" })
}

fn good(asked: &Asked<'_>, reply: &Reply) {
    let judgement = judge(asked, reply);
    assert!(
        judgement.flaws.is_empty() && judgement.failure.is_none(),
        "{judgement:?}"
    );
}

fn code(asked: &Asked<'_>, reply: &Reply) -> Option<(ErrorCode, Weight)> {
    let judgement = judge(asked, reply);
    assert!(!judgement.flaws.is_empty(), "nothing is seen in {reply:?}");
    judgement
        .failure
        .map(|failure| (failure.code, failure.weight))
}

#[test]
fn what_the_documents_ask_for_is_accepted() {
    let ana = json!({ "id": "7", "userName": "ana@x", "active": true, ENTERPRISE: { "manager": { "value": "9" } } });
    let group = json!({ "id": "7", "displayName": "Finance" });
    good(&asked(Kind::Probe), &reply(200, &hits(&json!([]))));
    good(
        &asked(Kind::Probe),
        &reply(200, &json!({ "schemas": [LIST], "totalResults": 0 })),
    );
    good(&asked(Kind::MatchUser), &reply(200, &hits(&json!([]))));
    good(
        &asked(Kind::MatchUser),
        &reply(200, &hits(&json!([{ "id": "7", "userName": "ANA@x" }]))),
    );
    good(&asked(Kind::CreateUser), &reply(201, &ana));
    good(&by_id(Kind::GetUser), &reply(200, &ana));
    good(&by_id(Kind::PatchUser), &reply(204, &Value::Null));
    good(
        &by_id(Kind::PatchUser),
        &reply(200, &json!({ "userName": "ana@x" })),
    );
    good(&by_id(Kind::DeleteUser), &reply(204, &Value::Null));
    good(
        &Asked {
            maybe_gone: true,
            ..by_id(Kind::DeleteUser)
        },
        &reply(404, &error(404)),
    );
    good(&by_id(Kind::GetGroup), &reply(200, &group));
    good(&by_id(Kind::AddMembers), &reply(204, &Value::Null));
    good(&by_id(Kind::VerifyGone), &reply(404, &error(404)));
}

#[test]
fn what_the_client_stumbles_over_is_seen() {
    use ErrorCode as E;
    use Weight::{Job, Object, Reference};
    let two =
        hits(&json!([{ "id": "1", "userName": "ana@x" }, { "id": "2", "userName": "ana@x" }]));
    let other = hits(&json!([{ "id": "1", "userName": "bo@x" }]));
    let text = json!({ "id": "7", "userName": "ana@x", "active": "True" });
    let bare = json!({ "id": "7", "userName": "ana@x", ENTERPRISE: { "manager": "9" } });
    let cases = [
        (
            asked(Kind::Probe),
            404,
            error(404),
            Some((E::ServiceIncompatible, Job)),
        ),
        (
            asked(Kind::Probe),
            200,
            json!("hello"),
            Some((E::ServiceIncompatible, Job)),
        ),
        (
            asked(Kind::Probe),
            401,
            error(401),
            Some((E::Unauthorized, Job)),
        ),
        (asked(Kind::Probe), 200, other.clone(), None),
        (
            asked(Kind::MatchUser),
            404,
            error(404),
            Some((E::ServiceIncompatible, Job)),
        ),
        (
            asked(Kind::MatchUser),
            200,
            two,
            Some((E::DuplicateTargetEntries, Object)),
        ),
        (
            asked(Kind::MatchUser),
            200,
            other,
            Some((E::ServiceIncompatible, Object)),
        ),
        (
            asked(Kind::CreateUser),
            409,
            error(409),
            Some((E::EntryConflict, Object)),
        ),
        (
            asked(Kind::CreateUser),
            201,
            json!({ "userName": "ana@x" }),
            Some((E::ServiceIncompatible, Object)),
        ),
        (
            asked(Kind::CreateUser),
            201,
            json!({ "id": "7", "userName": "Ana@x" }),
            None,
        ),
        (
            by_id(Kind::GetUser),
            404,
            error(404),
            Some((E::InvalidAnchor, Object)),
        ),
        (
            by_id(Kind::GetUser),
            200,
            text,
            Some((E::ServiceIncompatible, Object)),
        ),
        (
            by_id(Kind::GetUser),
            200,
            bare,
            Some((E::ServiceIncompatible, Object)),
        ),
        (
            by_id(Kind::GetUser),
            200,
            json!({ "id": "8" }),
            Some((E::ServiceIncompatible, Object)),
        ),
        (
            by_id(Kind::GetUser),
            200,
            hits(&json!([])),
            Some((E::MultipleEntriesInResponse, Object)),
        ),
        (
            by_id(Kind::PatchUser),
            500,
            error(500),
            Some((E::InternalServerError, Object)),
        ),
        (
            by_id(Kind::PatchUser),
            401,
            error(401),
            Some((E::Unauthorized, Job)),
        ),
        (
            by_id(Kind::AddMembers),
            400,
            error(400),
            Some((E::WebExceptionProtocolError, Reference)),
        ),
        (
            by_id(Kind::AddMembers),
            401,
            error(401),
            Some((E::Unauthorized, Job)),
        ),
        (
            by_id(Kind::GetGroup),
            200,
            json!({ "id": "7", "members": [] }),
            None,
        ),
        (
            by_id(Kind::AddMembers),
            200,
            json!({ "id": "7", "members": [{ "value": "1" }] }),
            None,
        ),
        (
            by_id(Kind::DeleteUser),
            200,
            json!({ "id": "7" }),
            Some((E::WebExceptionProtocolError, Object)),
        ),
        (
            by_id(Kind::VerifyGone),
            200,
            json!({ "id": "7" }),
            Some((E::WebExceptionProtocolError, Object)),
        ),
    ];
    for (asked, status, body, expected) in cases {
        assert_eq!(
            code(&asked, &reply(status, &body)),
            expected,
            "{asked:?} {status} {body}"
        );
    }
}

#[test]
fn the_bodys_type_and_the_error_envelope_are_looked_at() {
    let mut plain = reply(200, &hits(&json!([])));
    plain
        .headers
        .insert("content-type", "application/json".parse().unwrap());
    assert_eq!(code(&asked(Kind::Probe), &plain), None);
    let judgement = judge(
        &by_id(Kind::GetUser),
        &reply(500, &json!({ "message": "oops" })),
    );
    assert_eq!(judgement.flaws.len(), 2, "{judgement:?}");
    assert_eq!(
        judgement.failure.map(|f| f.reason),
        Some(r#"{"message":"oops"}"#.to_owned())
    );
}
