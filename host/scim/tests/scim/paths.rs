//! Paths, and reading and writing along them.

use serde_json::{Value, json};
use tombolo_scim::path::{get, remove, set};
use tombolo_scim::{AttributePath, Path, ResourceType};

use crate::{ENTERPRISE, ana, resource, value};

fn path(text: &str) -> Path {
    Path::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_urn_ends_at_its_last_colon() {
    let parsed = AttributePath::parse(&format!("{ENTERPRISE}:manager.value")).unwrap();
    assert_eq!(parsed.urn.as_deref(), Some(ENTERPRISE));
    assert_eq!(
        (parsed.attribute.as_str(), parsed.sub.as_deref()),
        ("manager", Some("value"))
    );
}

#[test]
fn paths_print_as_they_were_written() {
    for text in [
        "userName",
        "name.givenName",
        "emails[type eq \"work\"].value",
        "members[value eq \"x\"]",
        &format!("{ENTERPRISE}:manager.$ref"),
        "-dn-",
    ] {
        assert_eq!(path(text).to_string(), text);
    }
}

#[test]
fn malformed_paths_are_refused() {
    for text in [
        "",
        " ",
        "a..b",
        "a.b.c",
        "a[",
        "a[]",
        "a[b]",
        "a[b pr]c",
        "a b",
        "a]",
        ":a",
        "urn:x:",
        "a[b pr].c.d",
    ] {
        assert!(Path::parse(text).is_err(), "{text}");
    }
}

#[test]
fn reading_gives_every_value() {
    let ty = ResourceType::user();
    let user = resource(ana());
    let rows = [
        ("USERNAME", vec![json!("ana@contoso.com")]),
        ("name.givenname", vec![json!("Ana")]),
        ("emails.value", vec![json!("ana@contoso.com")]),
        (
            "emails[type eq \"work\"].value",
            vec![json!("ana@contoso.com")],
        ),
        ("emails[type eq \"home\"].value", vec![]),
        ("emails", vec![ana()["emails"][0].clone()]),
        ("title", vec![]),
        ("unknown", vec![]),
        ("manager.value", vec![]),
    ];
    for (text, expected) in rows {
        assert_eq!(get(&ty, &user, &path(text)), expected, "{text}");
    }
}

#[test]
fn what_is_set_is_read_and_removing_it_leaves_no_trace() {
    let ty = ResourceType::user();
    for text in [
        "title",
        "name.formatted",
        "emails[type eq \"home\"].value",
        "phoneNumbers[type eq \"fax\" and primary eq true].value",
        "manager",
        "manager.value",
        &format!("{ENTERPRISE}:department"),
        "addresses[type eq \"work\"].country",
        "roles[primary eq \"True\"].value",
    ] {
        let mut user = resource(ana());
        set(&ty, &mut user, &path(text), json!("new")).unwrap();
        let expected = if text == "manager" {
            json!({"value": "new"})
        } else {
            json!("new")
        };
        assert_eq!(get(&ty, &user, &path(text)), [expected], "{text}");
        assert!(remove(&ty, &mut user, &path(text)).unwrap(), "{text}");
        assert_eq!(value(&user), ana(), "{text}");
        assert!(!remove(&ty, &mut user, &path(text)).unwrap(), "{text}");
    }
}

#[test]
fn setting_an_empty_value_removes() {
    let mut user = resource(ana());
    set(
        &ResourceType::user(),
        &mut user,
        &path("emails[type eq \"work\"].value"),
        Value::Null,
    )
    .unwrap();
    assert!(user.get("emails").is_none());
}

#[test]
fn setting_an_unknown_attribute_is_an_error() {
    assert!(
        set(
            &ResourceType::user(),
            &mut resource(ana()),
            &path("nope"),
            json!(1)
        )
        .is_err()
    );
}
