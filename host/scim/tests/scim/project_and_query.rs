//! Projections, list parameters, rendering.

use serde_json::{Map, Value, json};
use tombolo_scim::project::Projection;
use tombolo_scim::query::ListQuery;
use tombolo_scim::render::{self, Meta};
use tombolo_scim::schema::{Returned, Type};
use tombolo_scim::{AttributePath, ResourceType};

use crate::{ENTERPRISE, resource};

fn meta() -> Meta {
    let at = "2026-01-31T09:30:00Z".parse().unwrap();
    Meta {
        created: at,
        last_modified: at,
        version: 3,
    }
}

fn rendered() -> Map<String, Value> {
    let user = resource(json!({
        "userName": "ana", "password": "s3cret", "name": {"givenName": "Ana", "familyName": "Ruiz"},
        "emails": [{"type": "work", "value": "w"}, {"type": "home", "value": "h"}],
        ENTERPRISE: {"department": "D", "manager": {"value": "m"}}}));
    render::resource(
        &ResourceType::user(),
        "https://h/scim/",
        "u1",
        &user,
        &meta(),
        None,
        Some(vec![json!({"value": "g"})]),
    )
}

#[test]
fn a_rendered_resource_has_its_common_attributes_and_no_password() {
    let user = rendered();
    assert_eq!(
        user["schemas"],
        json!(["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE])
    );
    assert_eq!(
        user["meta"],
        json!({"resourceType": "User", "created": "2026-01-31T09:30:00Z", "lastModified": "2026-01-31T09:30:00Z",
        "location": "https://h/scim/Users/u1", "version": "W/\"3\""})
    );
    assert!(user.get("password").is_none() && user.get("members").is_none());
    assert_eq!(user["groups"], json!([{"value": "g"}]));
}

#[test]
fn attributes_and_excluded_attributes_work_at_every_depth() {
    let names = |attributes: Option<&str>, excluded: Option<&str>| {
        let mut user = rendered();
        Projection::parse(attributes, excluded)
            .unwrap()
            .apply(&ResourceType::user(), &mut user);
        user.shift_remove("schemas").unwrap();
        user.shift_remove("id").unwrap();
        user.sort_keys();
        Value::Object(user)
    };
    let rows = [
        (Some("userName"), None, json!({"userName": "ana"})),
        (
            Some("USERNAME,name.givenName"),
            None,
            json!({"name": {"givenName": "Ana"}, "userName": "ana"}),
        ),
        (
            Some("emails.value"),
            None,
            json!({"emails": [{"value": "w"}, {"value": "h"}]}),
        ),
        (
            Some("emails[type eq \"work\"]"),
            None,
            json!({"emails": [{"type": "work", "value": "w"}]}),
        ),
        (
            Some("emails[type eq \"a,b\"],userName"),
            None,
            json!({"userName": "ana"}),
        ),
        (Some("id"), None, json!({})),
        (Some("password"), None, json!({})),
        (Some("nope"), None, json!({})),
        (
            Some(ENTERPRISE),
            None,
            json!({ENTERPRISE: {"department": "D", "manager": {"value": "m", "$ref": "https://h/scim/Users/m"}}}),
        ),
        (
            Some("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"),
            None,
            json!({ENTERPRISE: {"department": "D"}}),
        ),
        (
            Some("manager.value"),
            None,
            json!({ENTERPRISE: {"manager": {"value": "m"}}}),
        ),
        (
            Some("urn:ietf:params:scim:schemas:core:2.0:User:userName"),
            None,
            json!({"userName": "ana"}),
        ),
        (
            Some("name"),
            Some("name.givenName"),
            // RFC 7644, section 3.9: they exclude each other; the first one counts.
            json!({"name": {"givenName": "Ana", "familyName": "Ruiz"}}),
        ),
        (
            None,
            Some(
                "emails,name,groups,meta,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            ),
            json!({"userName": "ana"}),
        ),
        (
            None,
            Some("emails.type, name.givenName,groups,meta,userName,manager"),
            json!({"emails": [{"value": "w"}, {"value": "h"}], "name": {"familyName": "Ruiz"}, ENTERPRISE: {"department": "D"}}),
        ),
    ];
    for (attributes, excluded, expected) in rows {
        assert_eq!(
            names(attributes, excluded),
            expected,
            "{attributes:?} {excluded:?}"
        );
    }
}

#[test]
fn id_and_schemas_cannot_be_excluded_and_empty_parameters_say_nothing() {
    let mut user = rendered();
    Projection::parse(Some(""), Some("id,schemas"))
        .unwrap()
        .apply(&ResourceType::user(), &mut user);
    assert_eq!(user, rendered());
}

#[test]
fn what_is_returned_on_request_is_not_returned_otherwise() {
    let mut ty = ResourceType::user();
    ty.ensure(&AttributePath::bare("nickName"), Type::String)
        .unwrap()
        .returned = Returned::Request;
    for (attributes, there) in [
        (None, false),
        (Some("nickName"), true),
        (Some("title"), false),
    ] {
        let projection = Projection::parse(attributes, None).unwrap();
        let mut user = rendered();
        user.insert("nickName".into(), json!("N"));
        projection.apply(&ty, &mut user);
        assert_eq!(user.contains_key("nickName"), there);
        assert_eq!(projection.wants(&ty, "nickName"), there);
    }
}

#[test]
fn members_are_wanted_unless_excluded() {
    let ty = ResourceType::group();
    let wants = |attributes, excluded| {
        Projection::parse(attributes, excluded)
            .unwrap()
            .wants(&ty, "members")
    };
    assert!(
        wants(None, None)
            && wants(Some("members.value"), None)
            && wants(None, Some("members.display"))
    );
    assert!(!wants(None, Some("Members")) && !wants(Some("id"), None));
}

#[test]
fn an_empty_member_list_stays_and_an_excluded_one_goes() {
    let ty = ResourceType::group();
    let group = resource(json!({"displayName": "F"}));
    let render = || render::resource(&ty, "https://h", "g", &group, &meta(), Some(vec![]), None);
    let mut all = render();
    Projection::default().apply(&ty, &mut all);
    assert_eq!(all["members"], json!([]));
    let mut without = render();
    Projection::parse(None, Some("members"))
        .unwrap()
        .apply(&ty, &mut without);
    assert!(!without.contains_key("members"));
}

#[test]
fn query_strings_are_read_in_any_order_and_encoding() {
    let query = ListQuery::from_query("aadOptscim062020&excludedAttributes=members&filter=userName+eq+%22a%2Bb%20c%26%C3%A9%22&count=5&startIndex=6").unwrap();
    assert_eq!(query.filter.unwrap().to_string(), "userName eq \"a+b c&é\"");
    assert_eq!((query.start_index, query.count), (6, Some(5)));
    assert!(!query.projection.wants(&ResourceType::group(), "members"));
    let rows = [
        ("", 1, None),
        ("startIndex=0&count=-3", 1, Some(0)),
        ("startIndex=-9&count=0", 1, Some(0)),
        ("StartIndex=&count=", 1, None),
        ("count=99999999999999999999999", 1, Some(u64::MAX)),
    ];
    for (raw, start, count) in rows {
        let query = ListQuery::from_query(raw).unwrap();
        assert_eq!((query.start_index, query.count), (start, count), "{raw}");
    }
    let query =
        ListQuery::from_query("sortBy=name.familyName&sortOrder=descending&filter=").unwrap();
    assert!(query.descending && query.sort_by.is_some() && query.filter.is_none());
}

#[test]
fn malformed_query_strings_are_400() {
    for (raw, code) in [
        ("filter=a%20xx", "invalidFilter"),
        ("filter=%zz", "invalidValue"),
        ("filter=%ff", "invalidValue"),
        ("filter=%4", "invalidValue"),
        ("count=many", "invalidValue"),
        ("sortBy=a%20b", "invalidValue"),
        ("sortOrder=up", "invalidValue"),
        ("cursor=&startIndex=1", "invalidValue"),
        ("cursor=&count=0", "invalidCount"),
        ("cursor=&count=-1", "invalidCount"),
        ("cursor=&count=ten", "invalidCount"),
        ("attributes=a%5B", "invalidValue"),
    ] {
        let error = ListQuery::from_query(raw).unwrap_err();
        assert_eq!(
            (error.status, error.scim_type.unwrap().as_str()),
            (400, code),
            "{raw}"
        );
    }
}

#[test]
fn a_search_body_says_the_same_as_a_query_string() {
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "attributes": ["userName", "emails[type eq \"work\"]"],
        "filter": "active eq true", "sortBy": "userName", "sortOrder": "descending", "startIndex": 2, "count": 10});
    let search = ListQuery::from_search_body(body.to_string().as_bytes()).unwrap();
    let query = ListQuery::from_query("attributes=userName,emails%5Btype%20eq%20%22work%22%5D&filter=active%20eq%20true&sortBy=userName&sortOrder=descending&startIndex=2&count=10").unwrap();
    assert_eq!(search, query);
    assert!(ListQuery::from_search_body(b"{\"count\":[]}").is_err());
    let by_cursor = |raw| ListQuery::from_query(raw).unwrap().cursor;
    assert_eq!(by_cursor("count=5"), None);
    assert_eq!(by_cursor("cursor"), Some(String::new()));
    assert_eq!(by_cursor("cursor=&count=5"), Some(String::new()));
    assert_eq!(
        ListQuery::from_search_body(br#"{"cursor":"abc","count":5}"#).unwrap(),
        ListQuery::from_query("count=5&cursor=abc").unwrap()
    );
}

#[test]
fn a_list_always_has_its_numbers() {
    assert_eq!(
        render::list(0, 1, vec![]),
        json!({"schemas": [render::LIST_URN], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": []})
    );
    assert_eq!(
        render::list(11, 6, vec![rendered()])["itemsPerPage"],
        json!(1)
    );
}
