//! Each row of the dialect's table, in both modes: what Entra's mode accepts, and what strict mode answers.

use serde_json::{Value, json};
use tombolo_scim::patch::PatchRequest;
use tombolo_scim::project::Projection;
use tombolo_scim::query::ListQuery;
use tombolo_scim::resource::read_with;
use tombolo_scim::schema::{GROUP_URN, USER_URN};
use tombolo_scim::{Error, Filter, ResourceType, Rules};

use crate::{ENTERPRISE, ana, resource};

fn code(error: &Error) -> (u16, &'static str) {
    let code = error.scim_type.map_or("", tombolo_scim::ScimType::as_str);
    (error.status, code)
}

/// `accepted` in Entra's mode, refused with this code in strict mode.
fn row<T>(what: &str, refused: &str, attempt: impl Fn(&Rules) -> Result<T, Error>) {
    if let Err(error) = attempt(&Rules::ENTRA) {
        panic!("{what} in Entra's mode: {error}");
    }
    match attempt(&Rules::STRICT) {
        Ok(_) => panic!("{what} was accepted in strict mode"),
        Err(error) => assert_eq!(code(&error), (400, refused), "{what}: {error}"),
    }
}

fn patch(rules: &Rules, ty: &ResourceType, before: Value, message: &Value) -> Result<(), Error> {
    PatchRequest::parse_with(rules, message.to_string().as_bytes())?
        .apply(ty, &resource(before))
        .map(drop)
}

fn operation(operation: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]})
}

#[test]
fn deviations_of_a_patch() {
    let rows = [
        (
            "invalidSyntax",
            json!({"op": "Replace", "path": "title", "value": "x"}),
        ),
        (
            "invalidPath",
            json!({"op": "add", "path": "shoeSize", "value": "x"}),
        ),
        ("invalidPath", json!({"op": "remove", "path": "shoeSize"})),
        (
            "invalidPath",
            json!({"op": "add", "value": {"shoeSize": "x"}}),
        ),
        (
            "invalidPath",
            json!({"op": "replace", "value": {"name.givenName": "x"}}),
        ),
        (
            "invalidPath",
            json!({"op": "replace", "value": {format!("{ENTERPRISE}:department"): "x"}}),
        ),
        (
            "invalidPath",
            json!({"op": "add", "path": "manager", "value": {"value": "m"}}),
        ),
        (
            "invalidPath",
            json!({"op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department", "value": "x"}),
        ),
        (
            "invalidValue",
            json!({"op": "replace", "path": "active", "value": "False"}),
        ),
        (
            "invalidValue",
            json!({"op": "replace", "path": "title", "value": 7}),
        ),
        (
            "invalidValue",
            json!({"op": "replace", "path": "active", "value": ""}),
        ),
        (
            "invalidValue",
            json!({"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": "m"}),
        ),
        (
            "invalidValue",
            json!({"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": ""}),
        ),
        (
            "invalidValue",
            json!({"op": "replace", "path": "name", "value": [{"givenName": "x"}]}),
        ),
        (
            "invalidValue",
            json!({"op": "replace", "path": "emails", "value": {"value": "x"}}),
        ),
        (
            "invalidSyntax",
            json!({"op": "replace", "path": "name", "value": {"nick": "x"}}),
        ),
        (
            "noTarget",
            json!({"op": "replace", "path": "emails[type eq \"home\"].value", "value": "x"}),
        ),
        (
            "noTarget",
            json!({"op": "add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "x"}),
        ),
        (
            "noTarget",
            json!({"op": "remove", "path": "emails[type eq \"home\"]"}),
        ),
        (
            "invalidValue",
            json!({"op": "remove", "path": "emails", "value": [{"value": "x"}]}),
        ),
        ("noTarget", json!({"op": "remove", "value": {"title": "x"}})),
        ("invalidValue", json!({"op": "replace", "path": "title"})),
        ("mutability", json!({"op": "replace", "value": {"id": "7"}})),
    ];
    for (refused, op) in rows {
        row(&op.to_string(), refused, |rules| {
            patch(rules, &ResourceType::user(), ana(), &operation(&op))
        });
    }
    let set = json!({"op": "add", "path": "title", "value": "x"});
    for message in [
        json!({"Operations": [set]}),
        json!({"schemas": ["urn:other"], "Operations": [set]}),
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": set}),
    ] {
        row(&message.to_string(), "invalidSyntax", |rules| {
            patch(rules, &ResourceType::user(), ana(), &message)
        });
    }
}

#[test]
fn deviations_of_a_groups_members() {
    for op in [
        json!({"op": "remove", "path": "members", "value": [{"value": "u"}]}),
        json!({"op": "add", "path": "members", "value": "u"}),
        json!({"op": "add", "path": "members", "value": ["u"]}),
    ] {
        row(&op.to_string(), "invalidValue", |rules| {
            let group = json!({"displayName": "g"});
            patch(rules, &ResourceType::group(), group, &operation(&op))
        });
    }
}

#[test]
fn what_the_rfc_has_is_accepted_in_strict_mode() {
    for op in [
        json!({"op": "add", "path": "emails", "value": {"value": "x", "type": "home"}}),
        json!({"op": "ADD".to_lowercase(), "path": "EMAILS", "value": [{"VALUE": "x"}]}),
        json!({"op": "replace", "path": "emails[type EQ \"work\"].value", "value": "x"}),
        json!({"op": "replace", "path": "title", "value": null}),
        json!({"op": "replace", "path": "title", "value": ""}),
        json!({"op": "replace", "path": "emails", "value": []}),
        json!({"op": "remove", "path": "title"}),
        json!({"op": "add", "value": {"title": "x", "schemas": [USER_URN], ENTERPRISE: {"department": "D"}}}),
        json!({"op": "replace", "path": ENTERPRISE, "value": {"schemas": [ENTERPRISE], "department": "D"}}),
        json!({"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": {"value": "m", "$ref": "../Users/m"}}),
        json!({"op": "replace", "path": format!("{USER_URN}:name.familyName"), "value": "x"}),
    ] {
        patch(
            &Rules::STRICT,
            &ResourceType::user(),
            ana(),
            &operation(&op),
        )
        .unwrap_or_else(|error| panic!("{op}: {error}"));
    }
}

#[test]
fn deviations_of_a_body() {
    let user = |changes: Value| {
        let mut body = json!({"schemas": [USER_URN, ENTERPRISE], "userName": "ana"});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let rows = [
        ("invalidSyntax", user(json!({"schemas": null}))),
        ("invalidSyntax", user(json!({"schemas": []}))),
        ("invalidSyntax", user(json!({"schemas": [ENTERPRISE]}))),
        (
            "invalidSyntax",
            user(json!({"schemas": [USER_URN, "urn:other"]})),
        ),
        (
            "invalidSyntax",
            user(json!({"schemas": [USER_URN], ENTERPRISE: {"department": "D"}})),
        ),
        ("invalidSyntax", user(json!({"shoeSize": "x"}))),
        ("invalidSyntax", user(json!({"name.givenName": "x"}))),
        ("invalidSyntax", user(json!({"manager": {"value": "m"}}))),
        (
            "invalidSyntax",
            user(
                json!({"urn:ietf:params:scim:schemas:extension:enterprise:2.0User": {"department": "D"}}),
            ),
        ),
        ("invalidValue", user(json!({"active": "True"}))),
        ("invalidValue", user(json!({"emails": {"value": "x"}}))),
        ("invalidValue", user(json!({"emails": "x"}))),
        (
            "invalidValue",
            user(json!({"emails": [{"value": "x", "primary": "True"}]})),
        ),
        ("invalidValue", user(json!({"name": [{"givenName": "x"}]}))),
        ("invalidValue", user(json!({ENTERPRISE: {"manager": "m"}}))),
    ];
    for (refused, body) in rows {
        row(&body.to_string(), refused, |rules| {
            read_with(rules, &ResourceType::user(), body.to_string().as_bytes())
        });
    }
    let group = json!({"displayName": "g", "schemas": [GROUP_URN, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"]});
    row("Entra's group", "invalidSyntax", |rules| {
        read_with(rules, &ResourceType::group(), group.to_string().as_bytes())
    });
    let whole = user(
        json!({"id": "7", "meta": {"resourceType": "User"}, "groups": [], "emails": [{"value": "x", "type": "work"}],
        ENTERPRISE: {"manager": {"value": "m", "displayName": "M"}}, "nickName": null}),
    );
    let read = read_with(
        &Rules::STRICT,
        &ResourceType::user(),
        whole.to_string().as_bytes(),
    );
    assert!(read.is_ok_and(|document| document.ignored.is_empty()));
}

#[test]
fn json_inside_a_string_is_a_string_in_strict_mode() {
    let body = json!({"schemas": [USER_URN], "userName": "ana", "roles": [{"value": "{\"value\":\"Admin\"}"}]});
    let roles = |rules| {
        let document =
            read_with(rules, &ResourceType::user(), body.to_string().as_bytes()).unwrap();
        document.resource.get("roles").unwrap()[0]["value"].clone()
    };
    assert_eq!(roles(&Rules::ENTRA), "Admin");
    assert_eq!(roles(&Rules::STRICT), "{\"value\":\"Admin\"}");
}

#[test]
fn deviations_of_a_query() {
    let user = ResourceType::user();
    let ask = |raw: &'static str| {
        let user = &user;
        move |rules: &Rules| {
            let query = ListQuery::from_query_with(rules, raw)?;
            query.check(&[user], rules)
        }
    };
    row(
        "a bare word",
        "invalidFilter",
        ask("filter=externalId eq jyoung"),
    );
    row(
        "a test behind a value path",
        "invalidFilter",
        ask("filter=emails[type eq \"work\"].value eq \"x\""),
    );
    row(
        "an unknown attribute",
        "invalidFilter",
        ask("filter=PLACEHOLDER eq \"x\""),
    );
    row(
        "an unknown part",
        "invalidFilter",
        ask("filter=emails[shoe eq \"x\"]"),
    );
    row(
        "an extension's attribute, bare",
        "invalidFilter",
        ask("filter=employeeNumber eq \"x\""),
    );
    row("an unknown order", "invalidValue", ask("sortBy=shoeSize"));
    row(
        "a page that is too large",
        "invalidCount",
        ask("cursor=&count=1001"),
    );
    row("both projections", "invalidValue", |rules| {
        Projection::parse_with(rules, Some("userName"), Some("name"))
    });
    row("a search without its URN", "invalidSyntax", |rules| {
        ListQuery::from_search_body_with(rules, b"{\"count\":1}")
    });
    for raw in [
        "filter=USERNAME Eq \"x\" and emails[type eq \"work\" and value co \"x\"]&sortBy=name.familyName",
        "filter=meta.lastModified gt \"2026-01-01T00:00:00Z\" or active eq true",
        "filter=urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber pr&attributes=userName",
        "count=5000&startIndex=0",
    ] {
        ask(raw)(&Rules::STRICT).unwrap_or_else(|error| panic!("{raw}: {error}"));
    }
}

#[test]
fn what_has_no_order_cannot_be_asked_for_one_in_either_mode() {
    for text in [
        "active gt true",
        "active lt \"x\"",
        "emails[primary ge true]",
        "not (x509Certificates.value le \"x\")",
        "userName eq \"a\" or (title pr and active ge false)",
    ] {
        for rules in [&Rules::ENTRA, &Rules::STRICT] {
            let filter = Filter::parse_with(rules, text).unwrap();
            let error = filter.check(&[&ResourceType::user()], rules).unwrap_err();
            assert_eq!(code(&error), (400, "invalidFilter"), "{text}");
        }
    }
}
