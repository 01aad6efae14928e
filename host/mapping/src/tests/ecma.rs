use serde_json::{Value, json};
use tombolo_scim::patch::PatchRequest;
use tombolo_scim::schema::{Mutability, Returned, Uniqueness};
use tombolo_scim::{AttributePath, Filter, Resource};

use super::{kind, parse, references, resource};
use crate::ecma::ECMA_URN;
use crate::overrides::Constant;
use crate::{Kind, Mapping, ObjectValue, Overrides, Problem, Scalar, Shape};

fn shown(kind: &Kind, overrides: &Overrides) -> Mapping {
    let mapping = Shape::Ecma.mapping(kind, overrides);
    mapping
        .unwrap_or_else(|error| panic!("{error}"))
        .expect("users are shown")
}

fn mapping() -> Mapping {
    shown(&kind(), &Overrides::none())
}

fn paths(mapping: &Mapping) -> Vec<(&str, &str)> {
    mapping
        .flows()
        .iter()
        .map(|flow| {
            let path = flow.path();
            let name = path
                .strip_prefix(ECMA_URN)
                .and_then(|name| name.strip_prefix(':'));
            (flow.attribute().name.as_str(), name.unwrap_or(path))
        })
        .collect()
}

fn read(mapping: &Mapping, body: &Value) -> Resource {
    let read = tombolo_scim::resource::read(mapping.resource_type(), body.to_string().as_bytes());
    read.unwrap_or_else(|error| panic!("{error}")).resource
}

fn object(mapping: &Mapping, body: &Value) -> crate::Object {
    mapping
        .to_object(&read(mapping, body), &references())
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_attribute_stands_below_the_urn_under_its_own_name() {
    let mapping = mapping();
    let shown = paths(&mapping);
    for name in ["uid", "sn", "mail", "enabled", "boss", "gidNumber", "shell"] {
        assert!(shown.contains(&(name, name)), "{name} in {shown:?}");
    }
    assert!(shown.contains(&("secret", "export_password")));
    let ty = mapping.resource_type();
    let attribute = |name: &str| {
        ty.attribute(&AttributePath::parse(&format!("{ECMA_URN}:{name}")).expect("a path"))
            .unwrap_or_else(|| panic!("no {name}"))
    };
    assert!(attribute("uid").required);
    assert_eq!(attribute("uid").uniqueness, Uniqueness::Server);
    assert_eq!(attribute("modified").mutability, Mutability::ReadOnly);
    assert_eq!(attribute("export_password").returned, Returned::Never);
    // What RFC 7643 demands of a user is nothing that an ECMA app sends.
    assert!(ty.attribute(&AttributePath::bare("userName")).is_none());
    assert!(ty.attribute(&AttributePath::bare("emails")).is_none());
}

#[test]
fn groups_and_references_to_them_are_not_shown() {
    let group = parse(
        json!({ "kind": "group", "resource": "Group", "attributes": [
        { "name": "cn", "type": "text", "required": true, "scim": "displayName" } ] }),
    );
    assert!(
        Shape::Ecma
            .mapping(&group, &Overrides::none())
            .expect("no error")
            .is_none()
    );
    let user = parse(json!({ "kind": "user", "resource": "User", "attributes": [
        { "name": "uid", "type": "text", "scim": "userName" },
        { "name": "team", "type": "reference", "to": "group" } ] }));
    let mapping = shown(&user, &Overrides::none());
    assert_eq!(paths(&mapping), [("uid", "uid")]);
}

#[test]
fn a_create_is_understood_nested_flattened_and_without_the_urn() {
    let mapping = mapping();
    let nested = json!({ "schemas": [], "PLACEHOLDER": "ana@x",
        ECMA_URN: { "uid": "ana", "sn": "Ruiz", "enabled": "True", "export_password": "s3cret" } });
    let flat = json!({ format!("{ECMA_URN}:uid"): "ana", format!("{ECMA_URN}:sn"): "Ruiz",
        format!("{ECMA_URN}:enabled"): true, format!("{ECMA_URN}:export_password"): "s3cret" });
    let bare =
        json!({ "uid": "ana", "sn": "Ruiz", "enabled": "true", "export_password": "s3cret" });
    for body in [nested, flat, bare] {
        let object = object(&mapping, &body);
        assert_eq!(object.get("uid"), ["ana".into()], "{body}");
        assert_eq!(object.get("secret"), ["s3cret".into()], "{body}");
        assert_eq!(
            object.get("enabled"),
            [ObjectValue::Simple(Scalar::Boolean(true))],
            "{body}"
        );
    }
}

#[test]
fn both_dialects_of_patch_reach_the_attribute() {
    let mapping = mapping();
    let current = read(
        &mapping,
        &json!({ ECMA_URN: { "uid": "ana", "sn": "Ruiz", "enabled": true } }),
    );
    let path = |name: &str| format!("{ECMA_URN}:{name}");
    for operations in [
        json!([{ "op": "Replace", "path": path("sn"), "value": "Gil" },
               { "op": "Replace", "path": path("enabled"), "value": "False" }]),
        json!([{ "op": "replace", "value": { path("sn"): "Gil", path("enabled"): false } }]),
        json!([{ "op": "replace", "value": { ECMA_URN: { "sn": "Gil", "enabled": "False" } } }]),
    ] {
        let body = json!({ "Operations": operations }).to_string();
        let patched = PatchRequest::parse(body.as_bytes())
            .and_then(|patch| patch.apply(mapping.resource_type(), &current))
            .unwrap_or_else(|error| panic!("{error}"));
        let attributes = &patched.resource.as_map()[ECMA_URN];
        assert_eq!(attributes["sn"], "Gil", "{operations}");
        assert_eq!(attributes["enabled"], false, "{operations}");
    }
}

#[test]
fn a_match_query_reaches_the_target_in_its_own_terms() {
    let mapping = mapping();
    let filter = Filter::parse(&format!("{ECMA_URN}:mail eq \"ana@x\"")).expect("a filter");
    let translated = mapping.translate(&filter).expect("translated");
    assert!(translated.exact);
    let placeholder = Filter::parse("PLACEHOLDER eq \"8f1c\"").expect("a filter");
    assert!(mapping.translate(&placeholder).is_none());
}

#[test]
fn a_distinguished_name_has_its_pseudo_attribute() {
    let user = parse(json!({ "kind": "user", "resource": "User", "attributes": [
        { "name": "uid", "type": "text", "scim": "userName" },
        { "name": "dn", "type": "text", "mutability": "immutable" } ] }));
    let mapping = shown(&user, &Overrides::none());
    let object = object(
        &mapping,
        &json!({ ECMA_URN: { "uid": "ana", "-dn-": "CN=ana,OU=x" } }),
    );
    assert_eq!(object.get("dn"), ["CN=ana,OU=x".into()]);
    let mut back = Resource::default();
    mapping.overlay(&mut back, &object, &references());
    assert_eq!(back.as_map()[ECMA_URN]["-dn-"], "CN=ana,OU=x");
}

#[test]
fn the_operator_renames_takes_away_and_fixes() {
    let overrides = Overrides::none()
        .map("Email", "mail")
        .map("active", "enabled")
        .map(&format!("{ECMA_URN}:Surname"), "sn")
        .unmap("Title")
        .constant("gidNumber", Constant::Integer(100));
    let mapping = shown(&kind(), &overrides);
    let shown = paths(&mapping);
    assert!(shown.contains(&("mail", "Email")));
    assert!(shown.contains(&("sn", "Surname")));
    assert!(shown.contains(&("enabled", "active")));
    for gone in ["title", "gidNumber"] {
        assert!(!shown.iter().any(|(name, _)| *name == gone), "{gone}");
    }
    // The bare name means the target's attribute now, so there is no core one.
    assert!(mapping.resource_type().schema.attribute("active").is_none());
    let object = object(
        &mapping,
        &json!({ "uid": "a", "Surname": "b", "active": "False" }),
    );
    assert_eq!(
        object.get("enabled"),
        [ObjectValue::Simple(Scalar::Boolean(false))]
    );
    let wrong = Shape::Ecma
        .mapping(&kind(), &Overrides::none().unmap("titel"))
        .expect_err("it is wrong");
    assert!(matches!(
        wrong.problems.as_slice(),
        [Problem::NothingToUnmap { .. }]
    ));
}

#[test]
fn a_disable_that_would_reach_nothing_has_an_attribute_to_be_refused_at() {
    // `enabled` is shown under its own name; a bare `active` must not be passed over as unknown.
    let mapping = mapping();
    assert!(mapping.resource_type().schema.attribute("active").is_some());
    assert!(!mapping.maps_active());
}

#[test]
fn a_name_that_no_path_can_say_is_left_out_until_it_is_given_one() {
    let user = parse(json!({ "kind": "user", "resource": "User", "attributes": [
        { "name": "uid", "type": "text", "scim": "userName" },
        { "name": "Cost Centre", "type": "text" },
        { "name": "cert;binary", "type": "binary" },
        { "name": "a.b", "type": "text", "scim": "nickName" } ] }));
    assert_eq!(paths(&shown(&user, &Overrides::none())), [("uid", "uid")]);
    let named = Overrides::none().map("CostCentre", "Cost Centre");
    assert_eq!(
        paths(&shown(&user, &named)),
        [("uid", "uid"), ("Cost Centre", "CostCentre")]
    );
}

#[test]
fn a_password_is_never_kept_and_goes_another_way_when_nothing_takes_it() {
    let mapping = mapping();
    let mut kept = resource(json!({ ECMA_URN: { "export_password": "s3cret" } }));
    mapping.strip_write_only(&mut kept);
    assert!(kept.is_empty(), "{:?}", kept.as_map());

    let user = parse(json!({ "kind": "user", "resource": "User", "attributes": [
        { "name": "uid", "type": "text", "scim": "userName" } ] }));
    let body = json!({ ECMA_URN: { "uid": "ana", "export_password": "s3cret" } });
    let mapping = shown(&user, &Overrides::none());
    let mut wanted = read(&mapping, &body);
    assert_eq!(
        mapping.take_password(&mut wanted).as_deref(),
        Some("s3cret")
    );
    assert_eq!(wanted.as_map()[ECMA_URN], json!({ "uid": "ana" }));
    assert_eq!(mapping.take_password(&mut wanted), None);
    // One that an attribute takes is not taken out before it got there.
    let mapping = shown(&kind(), &Overrides::none());
    let mut wanted = read(
        &mapping,
        &json!({ "uid": "a", "sn": "b", "export_password": "s3cret" }),
    );
    assert_eq!(mapping.take_password(&mut wanted), None);
}
