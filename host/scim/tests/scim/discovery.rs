//! The discovery documents, as Entra's schema reader and validators see them.

use serde_json::{Value, json};
use tombolo_scim::discovery::{self, AuthenticationScheme, Capabilities, Pagination};
use tombolo_scim::schema::{Catalog, CatalogError, GROUP_URN, SchemaError, Type, USER_URN};
use tombolo_scim::{AttributePath, ResourceType};

use crate::ENTERPRISE;

fn catalog() -> Catalog {
    Catalog::new(vec![ResourceType::user(), ResourceType::group()]).unwrap()
}

fn attribute(schema: &str, name: &str) -> Value {
    let schema = discovery::schema(&catalog(), "https://h", schema).unwrap();
    schema["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|attribute| attribute["name"] == name)
        .unwrap()
        .clone()
}

fn sub(attribute: &Value, name: &str) -> Option<Value> {
    attribute["subAttributes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|sub| sub["name"] == name)
        .cloned()
}

fn no_nulls(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => items.iter().all(no_nulls),
        Value::Object(members) => members.values().all(no_nulls),
        _ => true,
    }
}

#[test]
fn every_schema_and_type_has_its_location() {
    let ids: Vec<Value> = discovery::schemas(&catalog(), "https://h/")
        .into_iter()
        .map(|schema| schema["meta"]["location"].clone())
        .collect();
    assert_eq!(
        ids,
        [USER_URN, GROUP_URN, ENTERPRISE].map(|urn| json!(format!("https://h/Schemas/{urn}")))
    );
    let user = discovery::resource_type(&catalog(), "https://h", "user").unwrap();
    assert_eq!(user["endpoint"], json!("/Users"));
    assert_eq!(
        user["schemaExtensions"],
        json!([{"schema": ENTERPRISE, "required": false}])
    );
    assert_eq!(discovery::resource_types(&catalog(), "https://h").len(), 2);
    assert!(
        discovery::resource_type(&catalog(), "h", "Robot").is_none()
            && discovery::schema(&catalog(), "h", "urn:x").is_none()
    );
}

#[test]
fn what_entra_maps_can_be_discovered() {
    for name in ["emails", "phoneNumbers", "addresses", "ims", "photos"] {
        let kind = sub(&attribute(USER_URN, name), "type").unwrap();
        assert!(
            !kind["canonicalValues"].as_array().unwrap().is_empty(),
            "{name}"
        );
    }
    assert_eq!(
        sub(&attribute(USER_URN, "emails"), "type").unwrap()["canonicalValues"],
        json!(["work", "home", "other"])
    );
    // roles[primary eq "True"].value
    assert!(
        sub(&attribute(USER_URN, "roles"), "type")
            .unwrap()
            .get("canonicalValues")
            .is_none()
    );
    for urn in [USER_URN, GROUP_URN] {
        assert_eq!(attribute(urn, "externalId")["caseExact"], json!(true));
    }
}

#[test]
fn what_entras_validator_refuses_is_not_advertised() {
    assert!(sub(&attribute(USER_URN, "emails"), "display").is_none());
    assert!(sub(&attribute(USER_URN, "roles"), "id").is_none());
}

#[test]
fn characteristics_are_as_the_rfc_writes_them_and_absent_where_they_say_nothing() {
    let name = attribute(USER_URN, "userName");
    assert_eq!(
        (&name["required"], &name["caseExact"], &name["uniqueness"]),
        (&json!(true), &json!(false), &json!("server"))
    );
    let password = attribute(USER_URN, "password");
    assert_eq!(
        (&password["mutability"], &password["returned"]),
        (&json!("writeOnly"), &json!("never"))
    );
    assert_eq!(
        attribute(USER_URN, "groups")["mutability"],
        json!("readOnly")
    );
    assert_eq!(
        attribute(GROUP_URN, "displayName")["uniqueness"],
        json!("server")
    );
    assert!(discovery::schemas(&catalog(), "h").iter().all(no_nulls));
}

#[test]
fn the_configuration_says_what_the_server_can_do() {
    let config = discovery::service_provider_config(
        &Capabilities {
            patch: true,
            bulk: None,
            filter_max_results: Some(200),
            change_password: false,
            sort: true,
            etag: true,
            pagination: Pagination {
                cursor: false,
                index: true,
                default_page_size: 100,
                max_page_size: 1000,
            },
            authentication: vec![AuthenticationScheme::bearer()],
        },
        "https://h",
    );
    assert_eq!(
        config["bulk"],
        json!({"supported": false, "maxOperations": 0, "maxPayloadSize": 0})
    );
    assert_eq!(
        config["filter"],
        json!({"supported": true, "maxResults": 200})
    );
    assert_eq!(config["authenticationSchemes"][0]["primary"], json!(true));
    assert_eq!(
        config["meta"]["location"],
        json!("https://h/ServiceProviderConfig")
    );
}

#[test]
fn a_connectors_attributes_become_an_extension() {
    let mut ty = ResourceType::user();
    let path = |text: &str| AttributePath::parse(text).unwrap();
    ty.ensure(
        &path("urn:ietf:params:scim:schemas:extension:Payroll:2.0:User:grade"),
        Type::Integer,
    )
    .unwrap();
    ty.ensure(
        &path("URN:ietf:params:scim:schemas:extension:payroll:2.0:User:Grade"),
        Type::String,
    )
    .unwrap();
    assert_eq!(ty.extensions.len(), 2);
    assert_eq!(ty.attribute(&path("grade")).unwrap().kind, Type::Integer);
    assert_eq!(ty.extensions[1].schema.name, "PayrollUser");
    assert_eq!(
        ty.ensure(&path("DEPARTMENT"), Type::String).unwrap().name,
        "department"
    );
    assert_eq!(
        ty.ensure(&path("emails.value"), Type::String).unwrap().name,
        "value"
    );
    assert!(matches!(
        ty.ensure(&path("title.short"), Type::String),
        Err(SchemaError::NotComplex { .. })
    ));
    assert!(matches!(
        ty.ensure(&path("id"), Type::String),
        Err(SchemaError::Reserved { .. })
    ));
    let catalog = Catalog::new(vec![ty]).unwrap();
    assert!(
        discovery::schema(
            &catalog,
            "h",
            "urn:ietf:params:scim:schemas:extension:Payroll:2.0:User"
        )
        .is_some()
    );
}

#[test]
fn a_type_of_its_own_is_built_from_nothing() {
    let mut ty = ResourceType::new("Device", "Devices", "urn:x:core:2.0:Device");
    ty.ensure(&AttributePath::bare("serial"), Type::String)
        .unwrap()
        .required = true;
    ty.ensure(
        &AttributePath {
            urn: None,
            attribute: "owner".into(),
            sub: Some("value".into()),
        },
        Type::String,
    )
    .unwrap();
    assert!(ty.attribute(&AttributePath::bare("externalId")).is_some() && !ty.has_members());
    let catalog = Catalog::new(vec![ty]).unwrap();
    assert!(catalog.by_endpoint("devices").is_some() && catalog.by_name("DEVICE").is_some());
}

#[test]
fn types_that_cannot_live_together_are_refused() {
    let build = |types: Vec<ResourceType>| Catalog::new(types).unwrap_err();
    assert_eq!(
        build(vec![ResourceType::user(), ResourceType::user()]),
        CatalogError::Name("User".into())
    );
    assert!(matches!(
        build(vec![ResourceType::new("A", "Schemas", "urn:a")]),
        CatalogError::BadEndpoint(_)
    ));
    assert!(matches!(
        build(vec![ResourceType::new("A", "a/b", "urn:a")]),
        CatalogError::BadEndpoint(_)
    ));
    let twins = vec![
        ResourceType::new("A", "As", "urn:a"),
        ResourceType::new("B", "as", "urn:b"),
    ];
    assert!(matches!(build(twins), CatalogError::Endpoint(_)));
    let mut clash = ResourceType::new("A", "As", USER_URN);
    clash.description = "x".into();
    assert!(matches!(
        build(vec![ResourceType::user(), clash]),
        CatalogError::Schema(_)
    ));
    let mut odd = ResourceType::new("A", "As", "urn:a");
    odd.ensure(&AttributePath::bare("a b"), Type::String)
        .unwrap();
    assert!(matches!(build(vec![odd]), CatalogError::BadName { .. }));
    let mut empty = ResourceType::new("A", "As", "urn:a");
    empty
        .ensure(&AttributePath::bare("a"), Type::Complex)
        .unwrap();
    assert!(matches!(build(vec![empty]), CatalogError::Shape { .. }));
}
