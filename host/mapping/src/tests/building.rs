use serde_json::json;
use tombolo_scim::AttributePath;
use tombolo_scim::schema::{Mutability, Returned, Type, Uniqueness};

use super::{ENTERPRISE, POSIX, kind, mapping, parse};
use crate::overrides::{Choice, Constant};
use crate::{Mapping, Overrides, Problem};

fn path(text: &str) -> AttributePath {
    AttributePath::parse(text).expect("a path")
}

fn problems(overrides: &Overrides) -> Vec<Problem> {
    Mapping::new(&kind(), overrides)
        .expect_err("it is wrong")
        .problems
}

#[test]
fn the_schema_says_what_the_target_demands() {
    let mapping = mapping();
    let ty = mapping.resource_type();
    let attribute = |text: &str| ty.attribute(&path(text)).expect("an attribute");
    assert!(attribute("name.familyName").required);
    assert_eq!(attribute("userName").uniqueness, Uniqueness::Server);
    assert!(attribute("title").case_exact);
    assert_eq!(attribute("password").returned, Returned::Never);
    assert!(
        attribute(&format!("{ENTERPRISE}:department"))
            .canonical_values
            .contains(&"Sales".to_owned())
    );
    assert_eq!(attribute(&format!("{POSIX}:gidNumber")).kind, Type::Integer);
    assert!(attribute(&format!("{POSIX}:tags")).multi_valued);
    assert_eq!(
        attribute(&format!("{POSIX}:modified")).mutability,
        Mutability::ReadOnly
    );
    assert_eq!(
        attribute(&format!("{POSIX}:badges.level")).kind,
        Type::Integer
    );
    // One element of several says nothing about the others.
    assert!(!attribute("emails.value").required);
}

#[test]
fn every_type_that_a_path_chooses_is_listed() {
    let kind = parse(json!({"kind": "user", "resource": "User", "attributes": [
        {"name": "uid", "type": "text", "required": true, "scim": "userName"},
        {"name": "mail", "type": "text", "scim": "emails[type eq \"work\"].value"},
        {"name": "mail2", "type": "text", "scim": "emails[type eq \"private\"].value"},
        {"name": "role", "type": "text", "scim": "roles[type eq \"app\"].value"}]}));
    let mapping = Mapping::new(&kind, &Overrides::none()).expect("a mapping");
    let types = |name: &str| {
        let attribute = mapping.resource_type().attribute(&path(name));
        attribute.expect("an attribute").canonical_values.clone()
    };
    assert_eq!(types("emails.type"), ["work", "home", "other", "private"]);
    assert_eq!(types("roles.type"), ["app"]);
    assert!(types("entitlements.type").is_empty());
}

#[test]
fn what_nothing_maps_is_kept_by_the_host() {
    let mapping = mapping();
    for mapped in [
        "userName",
        "name",
        "name.givenName",
        "emails",
        "emails.value",
        "manager",
    ] {
        assert!(mapping.is_mapped(&path(mapped)), "{mapped}");
    }
    for kept in [
        "nickName",
        "name.middleName",
        "emails.type",
        "externalId",
        "unheardOf",
    ] {
        assert!(!mapping.is_mapped(&path(kept)), "{kept}");
    }
    let kept = mapping.host_kept();
    assert!(kept.contains(&"nickName".to_owned()));
    assert!(kept.contains(&"name.middleName".to_owned()));
    assert!(!kept.contains(&"userName".to_owned()));
    assert!(mapping.maps_active());
    let without = Mapping::new(&kind(), &Overrides::none().unmap("active")).expect("a mapping");
    assert!(!without.maps_active());
}

#[test]
fn an_override_takes_the_place_of_the_suggestion() {
    let overrides = Overrides::none()
        .map("userName", "mail")
        .map("nickName", "gecos")
        .map("externalId", "uid")
        .unmap("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department");
    let mapping = Mapping::new(&kind(), &overrides).unwrap_or_else(|error| panic!("{error}"));
    let to = |name: &str| {
        mapping
            .flows()
            .iter()
            .find(|flow| flow.attribute().name == name)
            .map(crate::Flow::path)
    };
    assert_eq!(to("mail"), Some("userName"));
    assert_eq!(to("gecos"), Some("nickName"));
    assert_eq!(to("uid"), Some("externalId"));
    assert_eq!(to("department"), None);
    assert!(!mapping.is_mapped(&path("emails")));
}

#[test]
fn overrides_are_read_from_the_operators_table() {
    let table = json!({ "userName": "uid", "nickName": false, "constants": { "shell": "/bin/sh", "tag": ["a", "b"], "gidNumber": 100 } });
    let overrides: Overrides = serde_json::from_value(table).expect("overrides");
    assert_eq!(overrides.paths["nickName"], Choice::Unmapped);
    assert_eq!(overrides.constants["gidNumber"], Constant::Integer(100));
    let wrong = serde_json::from_value::<Overrides>(json!({ "userName": true }))
        .expect_err("true means nothing");
    assert!(wrong.to_string().contains("false"), "{wrong}");
}

#[test]
fn every_problem_is_told_at_once_with_names_that_are_near() {
    let overrides = Overrides::none()
        .map("nickName", "shel")
        .map("emails[type eq", "gecos")
        .unmap("user.Name")
        .constant("gidNumer", Constant::Integer(1))
        .constant(
            "modified",
            Constant::Text("2026-01-01T00:00:00Z".to_owned()),
        );
    let error = Mapping::new(&kind(), &overrides).expect_err("it is wrong");
    let text = error.to_string();
    assert_eq!(error.problems.len(), 5, "{text}");
    assert!(text.contains("did you mean `shell`"), "{text}");
    assert!(text.contains("did you mean `gidNumber`"), "{text}");
    assert!(
        text.lines().all(|line| line.starts_with("mapping.user: ")),
        "{text}"
    );
}

#[test]
fn two_paths_to_one_attribute_are_refused() {
    let found = problems(
        &Overrides::none()
            .map("nickName", "gecos")
            .map("displayName", "gecos"),
    );
    assert!(matches!(found[..], [Problem::TwoPaths { .. }]), "{found:?}");
}

#[test]
fn two_attributes_for_one_value_are_refused() {
    let found = problems(&Overrides::none().map("phoneNumbers[type eq \"work\"].value", "gecos"));
    assert!(matches!(found[..], [Problem::Overlap { .. }]), "{found:?}");
    Mapping::new(
        &kind(),
        &Overrides::none().map("emails[type eq \"home\"].value", "gecos"),
    )
    .expect("another element is no overlap");
}

#[test]
fn a_required_attribute_must_be_fed() {
    let found = problems(&Overrides::none().unmap("name.familyName"));
    assert_eq!(
        found,
        [Problem::NotFed {
            attribute: "sn".to_owned()
        }]
    );
    let fed = Overrides::none()
        .unmap("name.familyName")
        .constant("sn", Constant::Text("-".to_owned()));
    Mapping::new(&kind(), &fed).expect("a constant feeds it");
}

#[test]
fn what_the_server_keeps_cannot_be_mapped() {
    for path in ["id", "members", "groups", "meta.created"] {
        let found = problems(&Overrides::none().map(path, "gecos"));
        assert!(
            matches!(found[..], [Problem::Unmappable { .. }]),
            "{path}: {found:?}"
        );
    }
}

#[test]
fn one_and_many_do_not_mix() {
    for (path, attribute) in [
        ("emails", "gecos"),
        ("nickName", "tag"),
        ("name[givenName eq \"x\"].value", "gecos"),
    ] {
        let found = problems(&Overrides::none().map(path, attribute));
        assert!(
            matches!(found[0], Problem::Unmappable { .. }),
            "{path}: {found:?}"
        );
    }
}

#[test]
fn a_description_that_contradicts_itself_is_refused() {
    let wrong = parse(
        json!({ "kind": "user", "resource": "Printer", "attributes": [
        { "name": "a", "type": "text" }, { "name": "a", "type": "text" },
        { "name": "b", "type": "reference" }, { "name": "c", "type": "complex" } ] }),
    );
    let error = Mapping::new(&wrong, &Overrides::none()).expect_err("it is wrong");
    assert_eq!(error.problems.len(), 4, "{error}");
}

#[test]
fn a_new_resource_type_is_made_of_its_attributes() {
    let printer = parse(
        json!({ "kind": "printer", "resource": "Printer", "endpoint": "Printers",
        "schema": "urn:example:Printer", "attributes": [
            { "name": "cn", "type": "text", "unique": true, "required": true, "scim": "name" },
            { "name": "owner", "type": "reference", "to": "user", "scim": "owner" } ] }),
    );
    let mapping =
        Mapping::new(&printer, &Overrides::none()).unwrap_or_else(|error| panic!("{error}"));
    let ty = mapping.resource_type();
    assert_eq!(
        (ty.name.as_str(), ty.endpoint.as_str()),
        ("Printer", "Printers")
    );
    assert!(
        ty.attribute(&path("name"))
            .is_some_and(|name| name.required)
    );
    assert_eq!(
        ty.attribute(&path("owner")).map(|owner| owner.kind),
        Some(Type::String)
    );
}

#[test]
fn a_group_needs_no_members_mapped() {
    let group = parse(
        json!({ "kind": "group", "resource": "Group", "attributes": [
        { "name": "cn", "type": "text", "required": true, "unique": true, "scim": "displayName" } ] }),
    );
    let mapping = Mapping::new(&group, &Overrides::none()).expect("a mapping");
    assert!(mapping.resource_type().has_members());
    assert!(!mapping.maps_active());
    assert!(!mapping.host_kept().contains(&"members".to_owned()));
}
