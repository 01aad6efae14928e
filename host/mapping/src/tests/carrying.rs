use serde_json::json;

use super::{ENTERPRISE, POSIX, kind, mapping, references, resource};
use crate::overrides::Constant;
use crate::{ConvertError, EditKind, Mapping, Object, ObjectValue, Overrides, References, Scalar};

fn text(value: &str) -> Vec<ObjectValue> {
    vec![value.into()]
}

#[test]
fn each_type_is_carried_over_as_the_target_has_it() {
    let ana = resource(json!({
        "userName": "ana", "name": { "familyName": "Ruiz" }, "active": false,
        "emails": [{ "type": "home", "value": "h@x" }, { "type": "Work", "value": "w@x", "primary": true }],
        "phoneNumbers": [{ "type": "mobile", "value": "1" }, { "value": "2" }],
        "x509Certificates": [{ "value": "AQI=" }],
        ENTERPRISE: { "manager": { "value": "id-1" } },
        POSIX: { "gidNumber": 100, "height": 1.5, "expires": "2026-01-01T02:00:00+02:00", "tags": ["a", "b"],
                 "badges": [{ "number": "7", "level": 3 }] },
    }));
    let object = mapping().to_object(&ana, &references()).expect("an object");
    let one = |name: &str| match object.get(name) {
        [ObjectValue::Simple(scalar)] => scalar.clone(),
        other => panic!("{name}: {other:?}"),
    };
    assert!(one("enabled") == Scalar::Boolean(false));
    assert!(one("mail") == Scalar::Text("w@x".to_owned()));
    assert!(object.get("telephone") == [text("1"), text("2")].concat());
    assert!(one("certificate") == Scalar::Bytes(vec![1, 2]));
    assert!(one("boss") == Scalar::Text("anchor-1".to_owned()));
    assert!(one("gidNumber") == Scalar::Integer(100));
    assert!(one("height") == Scalar::Decimal("1.5".to_owned()));
    assert!(one("expires") == Scalar::Instant("2026-01-01T00:00:00Z".to_owned()));
    let badge = ObjectValue::Complex(vec![
        ("no".to_owned(), vec![Scalar::Text("7".to_owned())]),
        ("level".to_owned(), vec![Scalar::Integer(3)]),
    ]);
    assert!(object.get("badge") == [badge]);
    assert!(object.get("modified").is_empty());
}

#[test]
fn a_value_that_does_not_fit_names_path_and_attribute() {
    let wrong = resource(json!({ "userName": "ana", POSIX: { "gidNumber": "many" } }));
    let error = mapping()
        .to_object(&wrong, &References::new())
        .expect_err("no number");
    let text = error.to_string();
    assert!(
        text.contains("gidNumber") && text.contains("whole number"),
        "{text}"
    );
    assert!(
        !text.contains("many"),
        "the value itself is not told: {text}"
    );
}

#[test]
fn an_unknown_reference_is_told_with_its_id() {
    let lost = resource(json!({ ENTERPRISE: { "manager": { "value": "id-9" } } }));
    let error = mapping()
        .to_object(&lost, &references())
        .expect_err("nobody");
    assert!(
        matches!(&error, ConvertError::UnknownReference { id, kind, .. } if id == "id-9" && kind == "user")
    );
    let needed = mapping().reference_ids(&lost);
    assert_eq!(
        needed
            .iter()
            .map(|need| need.value.as_str())
            .collect::<Vec<_>>(),
        ["id-9"]
    );
}

#[test]
fn what_the_target_requires_is_asked_for_at_the_create() {
    let object = mapping()
        .to_object(&resource(json!({ "userName": "ana" })), &References::new())
        .expect("an object");
    let error = mapping().require(&object).expect_err("no name");
    assert_eq!(error.path(), "name.familyName");
}

#[test]
fn constants_go_to_the_target_and_never_back() {
    let overrides = Overrides::none()
        .constant("shell", Constant::Text("/bin/sh".to_owned()))
        .constant(
            "tag",
            Constant::Many(vec![
                Constant::Text("a".to_owned()),
                Constant::Text("b".to_owned()),
            ]),
        )
        .constant("gidNumber", Constant::Text("100".to_owned()));
    let mapping = Mapping::new(&kind(), &overrides).unwrap_or_else(|error| panic!("{error}"));
    let mut ana = resource(json!({ "userName": "ana" }));
    let object = mapping
        .to_object(&ana, &References::new())
        .expect("an object");
    assert!(object.get("shell") == text("/bin/sh"));
    assert!(object.get("gidNumber") == [ObjectValue::Simple(Scalar::Integer(100))]);
    assert_eq!(object.get("tag").len(), 2);
    let before = ana.clone();
    mapping.overlay(&mut ana, &object, &References::new());
    assert!(ana == before);
}

#[test]
fn the_overlay_changes_what_is_mapped_and_nothing_else() {
    let mut ana = resource(json!({
        "userName": "ana", "nickName": "A", "name": { "familyName": "Ruiz", "givenName": "Ana", "middleName": "M" },
        "emails": [{ "type": "home", "value": "h@x" }, { "type": "work", "value": "old@x", "primary": true }],
        "phoneNumbers": [{ "type": "mobile", "value": "1" }, { "type": "fax", "value": "2" }],
        "addresses": [{ "type": "work", "streetAddress": "S", "locality": "L" }],
        "password": "hush",
        ENTERPRISE: { "department": "Sales" },
    }));
    let mut object = Object::new();
    object.set("uid", text("ana2"));
    object.set("sn", text("Ruiz"));
    object.set("mail", text("new@x"));
    object.set("telephone", [text("3"), text("1")].concat());
    object.set("city", text("M"));
    object.set("boss", text("anchor-2"));
    object.set("secret", text("never"));
    mapping().overlay(&mut ana, &object, &references());
    let wanted = json!({
        "userName": "ana2", "nickName": "A", "name": { "familyName": "Ruiz", "middleName": "M" },
        "emails": [{ "type": "home", "value": "h@x" }, { "type": "work", "primary": true, "value": "new@x" }],
        "phoneNumbers": [{ "type": "mobile", "value": "1" }, { "value": "3" }],
        "addresses": [{ "type": "work", "locality": "M" }],
        ENTERPRISE: { "manager": { "value": "id-2" } },
    });
    assert_eq!(serde_json::to_value(&ana).expect("json"), wanted);
}

#[test]
fn an_element_that_lost_its_value_goes() {
    let mut ana = resource(json!({
        "emails": [{ "type": "work", "value": "old@x", "primary": true }],
        "addresses": [{ "type": "work", "streetAddress": "S", "locality": "L" }],
        ENTERPRISE: { "manager": { "value": "id-1" } },
    }));
    mapping().overlay(&mut ana, &Object::new(), &references());
    assert!(ana.is_empty(), "{ana:?}");
}

#[test]
fn elements_that_share_a_value_stay_together() {
    let mut ana = resource(
        json!({ "phoneNumbers": [{ "type": "work", "value": "1" }, { "type": "home", "value": "1" }] }),
    );
    let mut object = Object::new();
    object.set("telephone", [text("1"), text("2")].concat());
    mapping().overlay(&mut ana, &object, &references());
    let wanted = json!([{ "type": "work", "value": "1" }, { "type": "home", "value": "1" }, { "value": "2" }]);
    assert_eq!(ana.get("phoneNumbers"), Some(&wanted));
}

#[test]
fn an_anchor_that_nobody_knows_is_left_out() {
    let mut ana = resource(json!({ "userName": "ana" }));
    let mut object = Object::new();
    object.set("uid", text("ana"));
    object.set("boss", text("anchor-99"));
    mapping().overlay(&mut ana, &object, &references());
    assert!(ana == resource(json!({ "userName": "ana" })));
    let needed = mapping().reference_anchors(&object);
    assert_eq!(
        needed
            .iter()
            .map(|need| need.value.as_str())
            .collect::<Vec<_>>(),
        ["anchor-99"]
    );
}

#[test]
fn a_value_that_means_the_same_keeps_the_clients_spelling() {
    let mut ana = resource(json!({ POSIX: { "expires": "2026-01-01T02:00:00+02:00" } }));
    let before = ana.clone();
    let object = mapping()
        .to_object(&ana, &References::new())
        .expect("an object");
    mapping().overlay(&mut ana, &object, &References::new());
    assert!(ana == before);
}

#[test]
fn secrets_are_in_no_debug_text() {
    let ana = resource(json!({ "userName": "ana", "password": "hush-hush" }));
    let object = mapping()
        .to_object(&ana, &References::new())
        .expect("an object");
    assert!(object.get("secret") == text("hush-hush"));
    let edits = mapping().edits(&Object::new(), &object);
    assert!(!format!("{object:?}{edits:?}{ana:?}").contains("hush-hush"));
    let mut kept = ana;
    mapping().strip_write_only(&mut kept);
    assert!(kept == resource(json!({ "userName": "ana" })));
}

#[test]
fn edits_say_the_least() {
    let mapping = mapping();
    let mut old = Object::new();
    old.set("uid", text("ana"));
    old.set("title", text("Lead"));
    old.set("telephone", [text("1"), text("2")].concat());
    old.set(
        "tag",
        (0..200).map(|n| format!("t{n}").as_str().into()).collect(),
    );
    old.set("modified", text("x"));
    let mut new = old.clone();
    assert!(mapping.edits(&old, &new).is_empty());
    new.set("uid", text("ANA"));
    new.set("title", Vec::new());
    new.set("telephone", [text("2"), text("1")].concat());
    new.set(
        "tag",
        (1..201).map(|n| format!("t{n}").as_str().into()).collect(),
    );
    new.set("modified", text("y"));
    let edits = mapping.edits(&old, &new);
    let told: Vec<_> = edits
        .iter()
        .map(|edit| (edit.name.as_str(), edit.kind, edit.values.len()))
        .collect();
    assert_eq!(
        told,
        [
            ("uid", EditKind::Put, 1),
            ("title", EditKind::Put, 0),
            ("tag", EditKind::Remove, 1),
            ("tag", EditKind::Add, 1)
        ]
    );
}

#[test]
fn a_lost_create_is_found_by_what_is_unique() {
    let ana = resource(json!({ "userName": "ana", "title": "Lead" }));
    let object = mapping()
        .to_object(&ana, &References::new())
        .expect("an object");
    let found = mapping().correlation(&object);
    assert!(found == [("uid".to_owned(), Scalar::Text("ana".to_owned()))]);
}
