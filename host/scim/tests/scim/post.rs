//! POST and PUT bodies.

use serde_json::{Value, json};
use tombolo_scim::resource::{self, Document};
use tombolo_scim::schema::{Mutability, Type};
use tombolo_scim::{AttributePath, Error, ResourceType};

use crate::{ENTERPRISE, value};

fn read(body: &Value) -> Result<Document, Error> {
    resource::read(&ResourceType::user(), body.to_string().as_bytes())
}

/// What the body, with a userName, becomes, without the userName.
fn canonical(mut body: Value) -> Value {
    body["userName"] = json!("ana");
    let mut resource = read(&body)
        .unwrap_or_else(|error| panic!("{body}: {error}"))
        .resource;
    resource.take("userName");
    value(&resource)
}

#[test]
fn the_documented_create_becomes_canonical() {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "externalId": "ana", "userName": "ana@contoso.com", "active": "True", "displayName": "Ana Ruiz",
        "name": {"givenName": "Ana", "familyName": "Ruiz", "formatted": null},
        "emails": [{"type": "work", "primary": "true", "value": "ana@contoso.com"}],
        "addresses": null, "title": null, "roles": [], "nickName": "",
        "id": "x", "groups": [{"value": "g"}], "meta": {"resourceType": "User"},
        ENTERPRISE: {"department": "Sales", "employeeNumber": 10042, "manager": "m1"}});
    let document = read(&body).unwrap();
    assert_eq!(
        value(&document.resource),
        json!({
        "externalId": "ana", "userName": "ana@contoso.com", "active": true, "displayName": "Ana Ruiz",
        "name": {"givenName": "Ana", "familyName": "Ruiz"},
        "emails": [{"type": "work", "primary": true, "value": "ana@contoso.com"}],
        ENTERPRISE: {"department": "Sales", "employeeNumber": "10042", "manager": {"value": "m1"}}})
    );
    assert!(document.ignored.is_empty(), "{:?}", document.ignored);
}

#[test]
fn dialects_of_a_body_become_one_form() {
    let rows = [
        (
            "names in any case",
            json!({"DISPLAYNAME": "A", "Name": {"GIVENNAME": "B"}}),
            json!({"displayName": "A", "name": {"givenName": "B"}}),
        ),
        (
            "URN in any case",
            json!({ENTERPRISE.to_uppercase(): {"Division": "D"}}),
            json!({ENTERPRISE: {"division": "D"}}),
        ),
        (
            "URN without a colon",
            json!({"urn:ietf:params:scim:schemas:extension:enterprise:2.0User": {"division": "D"}}),
            json!({ENTERPRISE: {"division": "D"}}),
        ),
        (
            "flattened",
            json!({"name.givenName": "A", "name.familyName": "B"}),
            json!({"name": {"givenName": "A", "familyName": "B"}}),
        ),
        (
            "URN-qualified",
            json!({format!("{ENTERPRISE}:division"): "D", format!("{ENTERPRISE}:manager"): "m"}),
            json!({ENTERPRISE: {"division": "D", "manager": {"value": "m"}}}),
        ),
        (
            "core URN",
            json!({"urn:ietf:params:scim:schemas:core:2.0:User:title": "T"}),
            json!({"title": "T"}),
        ),
        (
            "one object for many",
            json!({"emails": {"value": "e"}}),
            json!({"emails": [{"value": "e"}]}),
        ),
        (
            "one string for many",
            json!({"emails": "e"}),
            json!({"emails": [{"value": "e"}]}),
        ),
        (
            "manager in an array",
            json!({ENTERPRISE: {"manager": [{"value": "m", "$ref": "r"}]}}),
            json!({ENTERPRISE: {"manager": {"value": "m"}}}),
        ),
        (
            "empty manager",
            json!({ENTERPRISE: {"manager": {"value": ""}}}),
            json!({}),
        ),
        (
            "an element without its value",
            json!({"phoneNumbers": [{"type": "work", "value": null}, {"type": "home", "value": "1"}]}),
            json!({"phoneNumbers": [{"type": "home", "value": "1"}]}),
        ),
        (
            "JSON in a string",
            json!({"roles": [{"value": "{\"value\":\"Admin\"}"}]}),
            json!({"roles": [{"value": "Admin"}]}),
        ),
        (
            "only braces in a string",
            json!({"title": "{\"value\":1}", "emails": [{"value": "{x}"}]}),
            json!({"title": "{\"value\":1}", "emails": [{"value": "{x}"}]}),
        ),
    ];
    for (rule, body, expected) in rows {
        assert_eq!(canonical(body), expected, "{rule}");
    }
}

#[test]
fn values_are_not_normalised_beyond_their_type() {
    let body = json!({"phoneNumbers": [{"value": " +1 (555) 0100 "}], "title": " Boss "});
    assert_eq!(canonical(body.clone()), body);
}

#[test]
fn unknown_attributes_are_dropped_and_reported() {
    let document = read(
        &json!({"userName": "a", "shoeSize": 43, "urn:x:extension:Pay:2.0:User": {"grade": 1},
        "name": {"nick": "x"}, ENTERPRISE: {"desk": "4"}}),
    )
    .unwrap();
    assert_eq!(value(&document.resource), json!({"userName": "a"}));
    assert_eq!(
        document.ignored,
        [
            "shoeSize",
            "urn:x:extension:Pay:2.0:User",
            "name.nick",
            &format!("{ENTERPRISE}:desk")
        ]
    );
}

#[test]
fn faults_are_named() {
    let rows = [
        (
            json!({"displayName": "x"}),
            "invalidValue",
            "`userName` is required and must have a value",
        ),
        (
            json!({"userName": ""}),
            "invalidValue",
            "`userName` is required and must have a value",
        ),
        (
            json!({"userName": ["a", "b"]}),
            "invalidValue",
            "`userName` must be a string, but an array came",
        ),
        (
            json!({"userName": "a", "active": "yes"}),
            "invalidValue",
            "`active` must be a boolean, but a string that is none came",
        ),
        (
            json!({"userName": "a", "name": "Ana"}),
            "invalidValue",
            "`name` must be an object, but a string came",
        ),
        (
            json!({"userName": "a", "emails": [7]}),
            "invalidValue",
            "`emails` must be an object, but a number came",
        ),
        (
            json!({"userName": "a", "emails": [{"value": ["x", "y"]}]}),
            "invalidValue",
            "`emails.value` must be a string, but an array came",
        ),
        (
            json!({"userName": "a", ENTERPRISE: "x"}),
            "invalidValue",
            &format!("`{ENTERPRISE}` must be an object, but a string came"),
        ),
        (
            json!({"userName": "a", "USERNAME": "b"}),
            "invalidSyntax",
            "`userName` appears twice in the body",
        ),
        (
            json!({"userName": "a", "emails": [{"value": "1", "primary": true}, {"value": "2", "primary": true}]}),
            "invalidValue",
            "`emails` has 2 elements with primary true; only one may be primary",
        ),
        (
            json!([]),
            "invalidSyntax",
            "the body must be a JSON object, but an array came",
        ),
    ];
    for (body, code, detail) in rows {
        let error = read(&body).unwrap_err();
        assert_eq!(
            (error.scim_type.unwrap().as_str(), error.detail.as_str()),
            (code, detail),
            "{body}"
        );
    }
    assert_eq!(
        resource::read(&ResourceType::user(), b"{junk")
            .unwrap_err()
            .status,
        400
    );
}

#[test]
fn typed_attributes_of_a_connector_are_coerced_and_checked() {
    let mut ty = ResourceType::user();
    let urn = "urn:x:pay:2.0:User";
    for (name, kind) in [
        ("grade", Type::Integer),
        ("rate", Type::Decimal),
        ("since", Type::DateTime),
        ("key", Type::Binary),
        ("on", Type::Boolean),
    ] {
        ty.ensure(
            &AttributePath::parse(&format!("{urn}:{name}")).unwrap(),
            kind,
        )
        .unwrap();
    }
    let tags = ty
        .ensure(
            &AttributePath::parse(&format!("{urn}:tags")).unwrap(),
            Type::String,
        )
        .unwrap();
    tags.multi_valued = true;
    let read = |value: Value| {
        resource::read(
            &ty,
            json!({"userName": "a", urn: value}).to_string().as_bytes(),
        )
    };
    let good = read(
        json!({"grade": "7", "rate": "1.5", "since": "2026-01-31T09:30:00+02:00", "key": "AQI=", "on": "TRUE", "tags": "x"}),
    );
    assert_eq!(
        good.unwrap().resource.get(urn),
        Some(
            &json!({"grade": 7, "rate": 1.5, "since": "2026-01-31T09:30:00+02:00", "key": "AQI=", "on": true, "tags": ["x"]})
        )
    );
    for bad in [
        json!({"grade": "x"}),
        json!({"grade": 1.5}),
        json!({"rate": true}),
        json!({"since": "yesterday"}),
        json!({"key": "§"}),
        json!({"tags": [{}, {"a": 1}]}),
    ] {
        let error = read(bad.clone()).unwrap_err();
        assert!(
            error.detail.starts_with(&format!("`{urn}:")),
            "{bad}: {error}"
        );
    }
}

#[test]
fn a_put_keeps_what_is_read_only_and_refuses_what_is_immutable() {
    let mut ty = ResourceType::user();
    for (name, mutability) in [
        ("login", Mutability::ReadOnly),
        ("code", Mutability::Immutable),
    ] {
        let path = AttributePath::parse(&format!("urn:x:pay:2.0:User:{name}")).unwrap();
        ty.ensure(&path, Type::String).unwrap().mutability = mutability;
    }
    let current = crate::resource(
        json!({"userName": "a", "title": "T", "urn:x:pay:2.0:User": {"login": "l", "code": "c"}}),
    );
    let put = |body: Value| {
        let new = resource::read(&ty, body.to_string().as_bytes())
            .unwrap()
            .resource;
        resource::replace(&ty, &current, new)
    };
    let after =
        put(json!({"userName": "b", "urn:x:pay:2.0:User": {"login": "other", "code": "c"}}))
            .unwrap();
    assert_eq!(
        value(&after),
        json!({"userName": "b", "urn:x:pay:2.0:User": {"code": "c", "login": "l"}})
    );
    let error = put(json!({"userName": "b", "urn:x:pay:2.0:User": {"code": "d"}})).unwrap_err();
    assert_eq!(error.detail, "`code` cannot be changed once it is set");
}
