//! Clients other than Entra, in their own words.

use serde_json::{Map, Value, json};
use tombolo_scim::patch::MemberEdit;
use tombolo_scim::project::Projection;
use tombolo_scim::{Member, ResourceType};

use crate::{apply, patched, value};

fn members(ids: &[&str]) -> Vec<Member> {
    let member = |id: &&str| Member {
        value: (*id).to_owned(),
        kind: None,
    };
    ids.iter().map(member).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "a `json!` at every call")]
fn group(operation: Value) -> (Value, Vec<MemberEdit>) {
    let before = json!({"displayName": "before"});
    let after = apply(&ResourceType::group(), before, json!([operation])).unwrap();
    (value(&after.resource), after.members)
}

/// Metatavu/keycloak-scim-server#113: after every create of a group; a 400 stops the whole group.
#[test]
fn okta_repeats_the_id_when_it_renames_a_group() {
    let (after, edits) =
        group(json!({"op": "replace", "value": {"id": "abf4dd94", "displayName": "Test SCIMv2"}}));
    assert_eq!(after, json!({"displayName": "Test SCIMv2"}));
    assert_eq!(edits, []);
}

/// Captain-P-Goldfish/SCIM-SDK#757: "Push now" of an empty group; others without a path.
#[test]
fn okta_replaces_members_with_none_and_without_a_path() {
    let (_, edits) = group(json!({"op": "replace", "path": "members", "value": []}));
    assert_eq!(edits, [MemberEdit::Clear]);
    let (_, edits) = group(
        json!({"op": "replace", "value": {"members": [{"value": "a", "display": "ana@x"}, {"value": "b"}]}}),
    );
    assert_eq!(edits, [MemberEdit::Replace(members(&["a", "b"]))]);
}

#[test]
fn okta_deactivates_without_a_path() {
    let operations = json!([{"op": "replace", "value": {"active": false}}]);
    let user = patched(json!({"userName": "ana", "active": true}), operations);
    assert_eq!(user, json!({"userName": "ana", "active": false}));
}

/// goauthentik/authentik#23798: by the RFC's letter this empties the group.
#[test]
fn authentik_removes_members_with_a_value_array() {
    let (_, edits) =
        group(json!({"op": "remove", "path": "members", "value": [{"value": "f6272316"}]}));
    assert_eq!(edits, [MemberEdit::Remove(vec!["f6272316".into()])]);
}

/// AzureAD/SCIMReferenceCode#20: Microsoft's own test suite.
#[test]
fn a_members_display_name_is_no_error_whatever_it_is_called() {
    let (_, edits) = group(
        json!({"name": "addMember", "op": "add", "path": "members", "value": [{"displayName": "new User", "value": "u"}]}),
    );
    assert_eq!(edits, [MemberEdit::Add(members(&["u"]))]);
}

/// jelhub/scimgateway#44: SailPoint refuses a list whose resources do not say their schemas.
#[test]
fn sailpoint_finds_schemas_on_every_resource_whatever_it_asks_for() {
    let ty = ResourceType::user();
    for (only, without) in [
        (Some("userName"), None),
        (Some("nonsense"), None),
        (None, Some("schemas,userName")),
    ] {
        let mut shown = Map::new();
        shown.insert("schemas".into(), json!([ty.schema.id]));
        shown.insert("userName".into(), json!("ana"));
        Projection::parse(only, without)
            .unwrap()
            .apply(&ty, &mut shown);
        assert_eq!(
            shown["schemas"],
            json!([ty.schema.id]),
            "{only:?} {without:?}"
        );
    }
}
