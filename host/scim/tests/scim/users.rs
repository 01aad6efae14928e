//! PATCH of users, in both dialects.

use serde_json::{Value, json};

use crate::{ENTERPRISE, ana, apply, patched, refused};
use tombolo_scim::ResourceType;

/// `ana()` with these members changed; null removes.
fn ana_with(changes: Value) -> Value {
    let mut user = ana();
    let Value::Object(changes) = changes else {
        panic!("an object")
    };
    for (name, value) in changes {
        if value.is_null() {
            user.as_object_mut().unwrap().shift_remove(&name);
        } else {
            user[name] = value;
        }
    }
    user
}

/// (rule, operations, what changes against `ana()`)
fn table(rows: Vec<(&str, Value, Value)>) {
    for (rule, operations, changes) in rows {
        assert_eq!(patched(ana(), operations), ana_with(changes), "{rule}");
    }
}

#[test]
fn every_operation_of_the_legacy_dialect_is_understood() {
    table(vec![
        (
            "op in any case",
            json!([{"op": "Replace", "path": "displayName", "value": "Ana R"}]),
            json!({"displayName": "Ana R"}),
        ),
        (
            "dotted path",
            json!([{"op": "REPLACE", "path": "name.givenName", "value": "Anna"}]),
            json!({"name": {"givenName": "Anna", "familyName": "Ruiz"}}),
        ),
        (
            "value path",
            json!([{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a@b"}]),
            json!({"emails": [{"type": "work", "primary": true, "value": "a@b"}]}),
        ),
        (
            "value path creates",
            json!([{"op": "Add", "path": "addresses[type eq \"work\"].formatted", "value": "18/2111"}]),
            json!({"addresses": [{"type": "work", "formatted": "18/2111"}]}),
        ),
        (
            "URN path",
            json!([{"op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "Retail"}]),
            json!({ENTERPRISE: {"department": "Retail"}}),
        ),
        (
            "string boolean",
            json!([{"op": "Replace", "path": "active", "value": "False"}]),
            json!({"active": false}),
        ),
        (
            "small string boolean",
            json!([{"op": "Replace", "path": "active", "value": "false"}]),
            json!({"active": false}),
        ),
        (
            "add overwrites one value",
            json!([{"op": "Add", "path": "externalId", "value": "x"}]),
            json!({"externalId": "x"}),
        ),
        (
            "attribute names in any case",
            json!([{"OP": "replace", "Path": "DISPLAYNAME", "Value": "A"}]),
            json!({"displayName": "A"}),
        ),
        (
            "an array of one for one value",
            json!([{"op": "replace", "path": "title", "value": ["Boss"]}]),
            json!({"title": "Boss"}),
        ),
    ]);
}

#[test]
fn a_pathless_value_may_have_flattened_and_nested_keys() {
    table(vec![
        (
            "flattened",
            json!([{"op": "replace", "value": {
                "displayName": "Ana R", "name.givenName": "Anna", "name.familyName": "R", "active": "False",
                format!("{ENTERPRISE}:employeeNumber"): "10042"}}]),
            json!({"displayName": "Ana R", "name": {"givenName": "Anna", "familyName": "R"}, "active": false,
                ENTERPRISE: {"employeeNumber": "10042"}}),
        ),
        (
            "nested extension, missing colon",
            json!([{"op": "Add", "value": {
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": {"Department": "Sales", "manager": "m1"}}}]),
            json!({ENTERPRISE: {"department": "Sales", "manager": {"value": "m1"}}}),
        ),
        (
            "add with a new and a dotted key",
            json!([{"op": "add", "value": {"title": "Lead", "name.formatted": "Ana Ruiz"}}]),
            json!({"title": "Lead", "name": {"givenName": "Ana", "familyName": "Ruiz", "formatted": "Ana Ruiz"}}),
        ),
        (
            "a value path as a key",
            json!([{"op": "replace", "value": {"phoneNumbers[type eq \"mobile\"].value": "555"}}]),
            json!({"phoneNumbers": [{"type": "mobile", "value": "555"}]}),
        ),
        (
            "what the server keeps is passed over",
            json!([{"op": "replace", "value": {"id": "1", "schemas": [], "meta": {}, "groups": [], "title": "T"}}]),
            json!({"title": "T"}),
        ),
    ]);
}

#[test]
fn a_value_path_creates_one_element_for_all_operations() {
    let after = patched(
        json!({"userName": "a"}),
        json!([
            {"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "US"},
            {"op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Rome"},
            {"op": "Replace", "path": "addresses[type eq \"WORK\"].region", "value": "NY"},
        ]),
    );
    assert_eq!(
        after["addresses"],
        json!([{"type": "work", "country": "US", "locality": "Rome", "region": "NY"}])
    );
}

#[test]
fn primary_eq_true_as_a_string_matches_and_creates() {
    let path = |sub: &str| format!("roles[primary eq \"True\"].{sub}");
    let created = patched(
        json!({"userName": "a"}),
        json!([
            {"op": "Add", "path": path("value"), "value": "admin"},
            {"op": "Add", "path": path("display"), "value": "Admin"},
            {"op": "Add", "path": path("type"), "value": "app"},
        ]),
    );
    assert_eq!(
        created["roles"],
        json!([{"primary": true, "value": "admin", "display": "Admin", "type": "app"}])
    );
    let changed = patched(
        created,
        json!([{"op": "Replace", "path": path("value"), "value": "user"}]),
    );
    assert_eq!(changed["roles"][0]["value"], json!("user"));
    assert_eq!(changed["roles"].as_array().unwrap().len(), 1);
}

#[test]
fn a_manager_is_set_in_every_shape_and_kept_as_an_object() {
    let shapes = [
        json!("m1"),
        json!({"value": "m1"}),
        json!({"value": "m1", "$ref": null}),
        json!([{"$ref": "https://x/Users/m1", "value": "m1"}]),
        json!({"Value": "m1", "displayName": "Boss"}),
    ];
    for op in ["Add", "replace"] {
        for path in [
            "manager".to_owned(),
            format!("{ENTERPRISE}:manager"),
            format!("{ENTERPRISE}:manager.value"),
        ] {
            for shape in &shapes {
                let shape = if path.ends_with("value") {
                    json!("m1")
                } else {
                    shape.clone()
                };
                let after = patched(ana(), json!([{"op": op, "path": path, "value": shape}]));
                assert_eq!(
                    after[ENTERPRISE],
                    json!({"manager": {"value": "m1"}}),
                    "{op} {path}"
                );
            }
        }
    }
}

#[test]
fn a_manager_is_cleared_by_an_empty_string_null_or_remove() {
    let managed = ana_with(json!({ENTERPRISE: {"manager": {"value": "m1"}}}));
    let path = format!("{ENTERPRISE}:manager");
    for operation in [
        json!({"op": "replace", "path": path, "value": ""}),
        json!({"op": "Replace", "path": "manager", "value": null}),
        json!({"op": "Replace", "path": path, "value": {"value": ""}}),
        json!({"op": "Remove", "path": "manager"}),
        json!({"op": "remove", "path": path, "value": "m1"}),
        json!({"op": "remove", "path": path, "value": [{"value": "m1"}]}),
        json!({"op": "replace", "value": {&path: ""}}),
    ] {
        assert_eq!(
            patched(managed.clone(), json!([operation])),
            ana(),
            "{operation}"
        );
    }
}

#[test]
fn an_empty_string_or_null_clears_optional_attributes() {
    for empty in [json!(""), json!(null)] {
        let rows = [
            ("displayName", json!({"displayName": null})),
            ("name.givenName", json!({"name": {"familyName": "Ruiz"}})),
            ("name", json!({"name": null})),
            ("emails", json!({"emails": null})),
            ("emails[type eq \"work\"].value", json!({"emails": null})),
            ("emails[type eq \"work\"]", json!({"emails": null})),
            ("emails[type eq \"home\"].value", json!({})),
            ("nickName", json!({})),
            (&format!("{ENTERPRISE}:department"), json!({})),
        ];
        for (path, changes) in rows {
            let after = patched(
                ana(),
                json!([{"op": "replace", "path": path, "value": empty}]),
            );
            assert_eq!(after, ana_with(changes), "{path} {empty}");
        }
        let after = patched(
            ana(),
            json!([{"op": "replace", "value": {"displayName": empty, "name.givenName": empty}}]),
        );
        assert_eq!(
            after,
            ana_with(json!({"displayName": null, "name": {"familyName": "Ruiz"}}))
        );
    }
}

#[test]
fn a_required_attribute_cannot_be_cleared() {
    for (operation, code) in [
        (
            json!({"op": "replace", "path": "userName", "value": ""}),
            "invalidValue",
        ),
        (
            json!({"op": "replace", "path": "userName", "value": null}),
            "invalidValue",
        ),
        (
            json!({"op": "replace", "value": {"userName": ""}}),
            "invalidValue",
        ),
        // RFC 7644, section 3.5.2.2.
        (json!({"op": "remove", "path": "userName"}), "mutability"),
    ] {
        assert_eq!(
            refused(ana(), json!([operation])),
            (400, code),
            "{operation}"
        );
    }
}

#[test]
fn roles_come_as_json_inside_a_string() {
    let inner = json!({"id": "r1", "value": "Admin", "displayName": "Administrator"}).to_string();
    let expected = json!([{"value": "Admin", "id": "r1", "display": "Administrator"}]);
    for shape in [
        json!([{"value": inner}]),
        json!({"value": inner}),
        json!([inner]),
        json!(inner),
    ] {
        let after = patched(
            ana(),
            json!([{"op": "Add", "path": "roles", "value": shape}]),
        );
        let mut roles = after["roles"].clone();
        roles[0].as_object_mut().unwrap().sort_keys();
        let mut expected = expected.clone();
        expected[0].as_object_mut().unwrap().sort_keys();
        assert_eq!(roles, expected);
    }
}

#[test]
fn replacing_roles_with_an_array_drops_those_not_listed() {
    let before = ana_with(json!({"roles": [{"value": "a"}, {"value": "b"}]}));
    let after = patched(
        before,
        json!([{"op": "replace", "path": "roles", "value": [{"value": "b"}, {"value": "c"}]}]),
    );
    assert_eq!(after["roles"], json!([{"value": "b"}, {"value": "c"}]));
}

#[test]
fn adding_appends_and_what_is_there_is_not_doubled() {
    let add = json!([{"op": "add", "path": "emails", "value": [
        {"type": "work", "value": "ANA@contoso.com"}, {"type": "home", "value": "ana@home"}, {"value": "ana@home"}]}]);
    let after = patched(ana(), add.clone());
    assert_eq!(after["emails"].as_array().unwrap().len(), 2);
    assert_eq!(patched(after.clone(), add), after);
}

#[test]
fn a_new_primary_element_ends_the_old_ones_primacy() {
    let ways = [
        json!({"op": "add", "path": "emails", "value": [{"type": "home", "value": "h", "primary": "True"}]}),
        json!({"op": "add", "path": "emails[type eq \"home\"]", "value": {"value": "h", "primary": true}}),
        json!({"op": "add", "path": "emails[type eq \"home\"].primary", "value": true}),
    ];
    for way in ways {
        let after = patched(ana(), json!([way]));
        assert_eq!(after["emails"][0]["primary"], json!(false), "{way}");
        assert_eq!(after["emails"][1]["primary"], json!(true), "{way}");
    }
    let two = json!([{"op": "replace", "path": "emails", "value": [
        {"value": "a", "primary": true}, {"value": "b", "primary": true}]}]);
    assert_eq!(refused(ana(), two), (400, "invalidValue"));
}

#[test]
fn removing_takes_what_is_meant_and_no_more() {
    let before = ana_with(json!({"phoneNumbers": [
        {"type": "work", "value": "1"}, {"type": "mobile", "value": "2"}, {"type": "home", "value": "3"}]}));
    let phones = |operation: &Value| {
        patched(before.clone(), json!([operation]))
            .get("phoneNumbers")
            .cloned()
    };
    let rows = [
        (
            json!({"op": "Remove", "path": "phoneNumbers[type eq \"work\"].value", "value": "stale"}),
            Some(vec!["2", "3"]),
        ),
        (
            json!({"op": "remove", "path": "phoneNumbers[type eq \"work\" or value eq \"3\"]"}),
            Some(vec!["2"]),
        ),
        (
            json!({"op": "remove", "path": "phoneNumbers[type eq \"pager\"]"}),
            Some(vec!["1", "2", "3"]),
        ),
        (
            json!({"op": "remove", "path": "phoneNumbers", "value": [{"value": "2"}, {"type": "fax", "value": "3"}]}),
            Some(vec!["1", "3"]),
        ),
        (
            json!({"op": "remove", "path": "phoneNumbers", "value": [{"type": "home"}]}),
            Some(vec!["1", "2"]),
        ),
        (
            json!({"op": "remove", "path": "phoneNumbers", "value": []}),
            Some(vec!["1", "2", "3"]),
        ),
        (
            json!({"op": "remove", "value": {"phoneNumbers": [{"value": "1"}]}}),
            Some(vec!["2", "3"]),
        ),
        (json!({"op": "remove", "path": "phoneNumbers"}), None),
        (json!({"op": "remove", "path": "phoneNumbers.value"}), None),
    ];
    for (operation, left) in rows {
        let values = phones(&operation).map(|phones| {
            phones
                .as_array()
                .unwrap()
                .iter()
                .map(|phone| phone["value"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        });
        assert_eq!(
            values,
            left.map(|left| left.iter().map(ToString::to_string).collect()),
            "{operation}"
        );
    }
    let after = patched(
        ana(),
        json!([{"op": "remove", "path": "title"}, {"op": "remove", "path": "manager"}]),
    );
    assert_eq!(after, ana(), "removing what is not there succeeds");
}

#[test]
fn replacing_an_element_keeps_what_chose_it() {
    let after = patched(
        ana(),
        json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "x"}}]),
    );
    assert_eq!(after["emails"], json!([{"type": "work", "value": "x"}]));
    let after = patched(
        ana(),
        json!([{"op": "add", "path": "emails[type eq \"work\"]", "value": {"value": "x"}}]),
    );
    assert_eq!(
        after["emails"],
        json!([{"type": "work", "primary": true, "value": "x"}])
    );
}

#[test]
fn an_element_that_the_filter_does_not_describe_is_no_target() {
    for path in [
        "emails[type eq \"home\" or type eq \"other\"].value",
        "emails[not (type eq \"work\")].value",
        "name[givenName eq \"Bob\"].familyName",
    ] {
        assert_eq!(
            refused(
                ana(),
                json!([{"op": "replace", "path": path, "value": "x"}])
            ),
            (400, "noTarget"),
            "{path}"
        );
    }
    let renamed =
        json!([{"op": "replace", "path": "emails[type eq \"home\"].type", "value": "other"}]);
    assert_eq!(refused(ana(), renamed), (400, "noTarget"));
}

#[test]
fn undeclared_attributes_are_skipped_and_reported() {
    let operations = json!([
        {"op": "add", "path": "urn:ietf:params:scim:schemas:extension:Payroll:2.0:User:grade", "value": "7"},
        {"op": "replace", "path": "shoeSize", "value": 43},
        {"op": "replace", "value": {"hat.colour": "red", "urn:x:y:2.0:User": {"a": 1}, "not a path": 1, "emails": [{"value": "e", "smell": 1}]}},
        {"op": "remove", "path": "name.nope"},
    ]);
    let after = apply(&ResourceType::user(), ana(), operations).unwrap();
    assert_eq!(after.ignored.len(), 7, "{:?}", after.ignored);
    assert_eq!(after.resource.get("emails"), Some(&json!([{"value": "e"}])));
}

#[test]
fn read_only_attributes_are_refused_by_path() {
    for path in [
        "id",
        "meta.created",
        "groups",
        "groups[value eq \"g\"]",
        "schemas",
        &format!("{ENTERPRISE}:manager.displayName"),
    ] {
        for op in ["add", "replace", "remove"] {
            assert_eq!(
                refused(ana(), json!([{"op": op, "path": path, "value": "x"}])),
                (400, "mutability"),
                "{op} {path}"
            );
        }
    }
}

#[test]
fn an_immutable_attribute_may_be_set_once_and_repeated() {
    let mut ty = ResourceType::user();
    let path = tombolo_scim::AttributePath::parse("urn:x:payroll:2.0:User:code").unwrap();
    ty.ensure(&path, tombolo_scim::schema::Type::String)
        .unwrap()
        .mutability = tombolo_scim::schema::Mutability::Immutable;
    let set =
        |to: &str| json!([{"op": "replace", "path": "urn:x:payroll:2.0:User:code", "value": to}]);
    let once = apply(&ty, ana(), set("7")).unwrap().resource;
    let again = apply(&ty, crate::value(&once), set("7")).unwrap().resource;
    assert!(once == again);
    let error = apply(&ty, crate::value(&once), set("8")).unwrap_err();
    assert_eq!(error.scim_type, Some(tombolo_scim::ScimType::Mutability));
}

#[test]
fn a_malformed_request_names_its_fault() {
    let rows = [
        (
            json!([{"op": "replace", "path": "emails[type eq", "value": "x"}]),
            "invalidPath",
        ),
        (
            json!([{"op": "replace", "path": "a b", "value": "x"}]),
            "invalidPath",
        ),
        (
            json!([{"op": "replace", "path": 7, "value": "x"}]),
            "invalidPath",
        ),
        (json!([{"op": "move", "path": "title"}]), "invalidSyntax"),
        (json!(["x"]), "invalidSyntax"),
        (json!("x"), "invalidSyntax"),
        (json!([{"op": "remove"}]), "noTarget"),
        (json!([{"op": "add", "path": "title"}]), "invalidValue"),
        (json!([{"op": "replace", "value": "x"}]), "invalidValue"),
        (
            json!([{"op": "replace", "path": "active", "value": "maybe"}]),
            "invalidValue",
        ),
        (
            json!([{"op": "replace", "path": "title", "value": {"a": 1}}]),
            "invalidValue",
        ),
        (
            json!([{"op": "replace", "path": "name", "value": "Ana"}]),
            "invalidValue",
        ),
    ];
    for (operations, code) in rows {
        assert_eq!(
            refused(ana(), operations.clone()),
            (400, code),
            "{operations}"
        );
    }
}

#[test]
fn an_error_leaves_nothing_changed_and_names_its_operation() {
    let operations = json!([{"op": "replace", "path": "title", "value": "x"}, {"op": "replace", "path": "active", "value": 7}]);
    let error = apply(&ResourceType::user(), ana(), operations).unwrap_err();
    assert_eq!(
        error.detail,
        "operation 2: `active` must be a boolean, but a number came"
    );
}

#[test]
fn a_later_operation_sees_what_an_earlier_one_did() {
    let after = patched(
        ana(),
        json!([
        {"op": "replace", "path": "title", "value": "1"}, {"op": "replace", "path": "title", "value": "2"},
        {"op": "remove", "path": "userName"}, {"op": "add", "path": "userName", "value": "new"}]),
    );
    assert_eq!(
        (&after["title"], &after["userName"]),
        (&json!("2"), &json!("new"))
    );
}

#[test]
fn the_validators_display_and_primary_on_a_new_home_address_are_kept() {
    let after = patched(
        ana(),
        json!([
        {"op": "Add", "path": "emails[type eq \"home\"].value", "value": "h"},
        {"op": "Add", "path": "emails[type eq \"home\"].display", "value": "Home"},
        {"op": "Add", "path": "emails[type eq \"home\"].primary", "value": "False"}]),
    );
    assert_eq!(
        after["emails"][1],
        json!({"type": "home", "value": "h", "display": "Home", "primary": false})
    );
}

#[test]
fn neither_debug_nor_errors_repeat_a_password() {
    let body = json!({"Operations": [{"op": "replace", "path": "password", "value": "s3cret"}]})
        .to_string();
    let request = tombolo_scim::patch::PatchRequest::parse(body.as_bytes()).unwrap();
    let after = request
        .apply(&ResourceType::user(), &crate::resource(ana()))
        .unwrap();
    assert_eq!(after.resource.get("password"), Some(&json!("s3cret")));
    assert!(!format!("{request:?} {after:?}").contains("s3cret"));
    let error = apply(
        &ResourceType::user(),
        ana(),
        json!([{"op": "replace", "path": "password", "value": {"x": "s3cret"}}]),
    );
    assert!(!error.unwrap_err().detail.contains("s3cret"));
}

#[test]
fn more_operations_than_allowed_are_413() {
    let operations: Vec<Value> = (0..3)
        .map(|_| json!({"op": "remove", "path": "title"}))
        .collect();
    let body = json!({"Operations": operations}).to_string();
    let mut rules = tombolo_scim::Rules::ENTRA;
    rules.limits.patch_operations = 2;
    let error = tombolo_scim::patch::PatchRequest::parse_with(&rules, body.as_bytes()).unwrap_err();
    assert_eq!(error.status, 413);
}
