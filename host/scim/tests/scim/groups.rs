//! PATCH and POST of groups.

use serde_json::{Value, json};
use tombolo_scim::patch::MemberEdit::{self, Add, Clear, Remove, RemoveMatching, Replace};
use tombolo_scim::resource::read;
use tombolo_scim::{Filter, Member, ResourceType};

use crate::{apply, value};

fn member(id: &str) -> Member {
    Member {
        value: id.into(),
        kind: None,
    }
}

fn edits(operations: Value) -> Vec<MemberEdit> {
    let shown = operations.to_string();
    let before = json!({"displayName": "Finance"});
    let after = apply(&ResourceType::group(), before.clone(), operations)
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(
        value(&after.resource),
        before,
        "{shown}: members are kept apart"
    );
    after.members
}

#[test]
fn members_are_added_in_every_shape() {
    for op in ["Add", "add"] {
        for shape in [
            json!([{"$ref": null, "value": "u1"}]),
            json!([{"value": "u1", "display": "Ana"}]),
            json!({"value": "u1"}),
            json!("u1"),
            json!(["u1"]),
            json!([{"$ref": "https://host/scim/Users/u1"}]),
        ] {
            assert_eq!(
                edits(json!([{"op": op, "path": "members", "value": shape}])),
                [Add(vec![member("u1")])],
                "{shape}"
            );
            assert_eq!(
                edits(json!([{"op": op, "value": {"members": shape}}])),
                [Add(vec![member("u1")])],
                "{shape}"
            );
        }
    }
    let typed = edits(
        json!([{"op": "add", "path": "members", "value": [{"value": "g", "type": "Group"}]}]),
    );
    assert_eq!(
        typed,
        [Add(vec![Member {
            value: "g".into(),
            kind: Some("Group".into())
        }])]
    );
}

#[test]
fn a_remove_with_a_value_array_removes_only_those() {
    let rows = [
        (
            json!({"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "u1"}]}),
            vec![Remove(vec!["u1".into()])],
        ),
        (
            json!({"op": "Remove", "path": "members", "value": [{"value": "u1"}, "u2"]}),
            vec![Remove(vec!["u1".into(), "u2".into()])],
        ),
        (
            json!({"op": "remove", "path": "members", "value": "u1"}),
            vec![Remove(vec!["u1".into()])],
        ),
        (
            json!({"op": "remove", "path": "members[value eq \"u1\"]"}),
            vec![Remove(vec!["u1".into()])],
        ),
        (
            json!({"op": "remove", "path": "members[value eq \"u1\" or Value eq \"u2\"]"}),
            vec![Remove(vec!["u1".into(), "u2".into()])],
        ),
        (
            json!({"op": "remove", "path": "members[type eq \"Group\"]"}),
            vec![RemoveMatching(Filter::parse("type eq \"Group\"").unwrap())],
        ),
        (
            json!({"op": "remove", "value": {"members": [{"value": "u1"}]}}),
            vec![Remove(vec!["u1".into()])],
        ),
        (json!({"op": "remove", "path": "members"}), vec![Clear]),
        (
            json!({"op": "remove", "path": "members", "value": []}),
            vec![],
        ),
    ];
    for (operation, expected) in rows {
        assert_eq!(edits(json!([operation])), expected, "{operation}");
    }
}

#[test]
fn replacing_members_replaces_all_and_edits_keep_their_order() {
    assert_eq!(
        edits(json!([{"op": "replace", "path": "members", "value": [{"value": "a"}]}])),
        [Replace(vec![member("a")])]
    );
    assert_eq!(
        edits(json!([{"op": "replace", "path": "members", "value": []}])),
        [Clear]
    );
    let both = edits(json!([
        {"op": "Add", "path": "members", "value": [{"value": "a"}, {"value": "b"}]},
        {"op": "Remove", "path": "members", "value": [{"value": "a"}]}]));
    assert_eq!(
        both,
        [
            Add(vec![member("a"), member("b")]),
            Remove(vec!["a".into()])
        ]
    );
}

#[test]
fn a_filtered_removal_is_evaluated_on_a_member() {
    let filter = Filter::parse("type eq \"group\" and display co \"x\"").unwrap();
    let ty = ResourceType::group();
    assert!(filter.matches_member(
        &ty,
        &json!({"value": "1", "type": "Group", "display": "axb"})
    ));
    assert!(!filter.matches_member(
        &ty,
        &json!({"value": "1", "type": "User", "display": "axb"})
    ));
}

#[test]
fn a_member_without_an_id_is_an_error() {
    for shape in [
        json!([{"display": "x"}]),
        json!([7]),
        json!([{"value": {}}]),
        json!([""]),
    ] {
        let error = apply(
            &ResourceType::group(),
            json!({"displayName": "F"}),
            json!([{"op": "add", "path": "members", "value": shape}]),
        );
        assert_eq!(error.unwrap_err().status, 400, "{shape}");
    }
}

#[test]
fn groups_are_renamed_in_both_dialects() {
    for operation in [
        json!({"op": "Replace", "path": "displayName", "value": "Finance EU"}),
        json!({"op": "replace", "value": {"displayName": "Finance EU"}}),
        json!({"op": "replace", "value": {"id": "7", "displayName": "Finance EU"}}),
    ] {
        let after = apply(
            &ResourceType::group(),
            json!({"displayName": "Finance"}),
            json!([operation]),
        )
        .unwrap();
        assert_eq!(value(&after.resource), json!({"displayName": "Finance EU"}));
        assert!(after.members.is_empty());
    }
}

#[test]
fn a_group_is_created_as_entra_sends_it() {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": "oid", "displayName": "Finance", "meta": {"resourceType": "Group"}});
    let document = read(&ResourceType::group(), body.to_string().as_bytes()).unwrap();
    assert_eq!(
        value(&document.resource),
        json!({"externalId": "oid", "displayName": "Finance"})
    );
    assert_eq!(document.members, None);
    assert!(document.ignored.is_empty());
    let body = json!({"displayName": "F", "members": [{"value": "u1", "$ref": null}, "u2"]});
    let document = read(&ResourceType::group(), body.to_string().as_bytes()).unwrap();
    assert_eq!(document.members, Some(vec![member("u1"), member("u2")]));
    let body = json!({"displayName": "F", "members": []});
    assert_eq!(
        read(&ResourceType::group(), body.to_string().as_bytes())
            .unwrap()
            .members,
        Some(vec![])
    );
}

#[test]
fn fifty_thousand_members_in_one_operation_are_one_edit() {
    let members: Vec<Value> = (0..50_000)
        .map(|n| json!({"value": format!("u{n}"), "$ref": null}))
        .collect();
    let edits = edits(json!([{"op": "Add", "path": "members", "value": members}]));
    assert!(matches!(&edits[..], [Add(added)] if added.len() == 50_000));
}
