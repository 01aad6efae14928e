mod building;
mod carrying;
mod ecma;
mod properties;
mod translating;

use std::sync::LazyLock;

use serde_json::{Value, json};
use tombolo_scim::Resource;

use crate::{Kind, Mapping, Overrides, References};

pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(super) const POSIX: &str = "urn:example:params:scim:schemas:extension:posix:2.0:User";

/// A kind with every type and shape.
pub(super) fn kind() -> Kind {
    let posix = |name: &str| format!("{POSIX}:{name}");
    parse(json!({ "kind": "user", "resource": "User", "attributes": [
        { "name": "uid", "type": "text", "required": true, "unique": true, "scim": "userName" },
        { "name": "sn", "type": "text", "required": true, "scim": "name.familyName" },
        { "name": "givenName", "type": "text", "scim": "name.givenName" },
        { "name": "title", "type": "text", "caseExact": true, "scim": "title" },
        { "name": "mail", "type": "text", "scim": "emails[type eq \"work\"].value" },
        { "name": "telephone", "type": "text", "multi": true, "scim": "phoneNumbers.value" },
        { "name": "street", "type": "text", "scim": "addresses[type eq \"work\"].streetAddress" },
        { "name": "city", "type": "text", "scim": "addresses[type eq \"work\"].locality" },
        { "name": "enabled", "type": "boolean", "scim": "active" },
        { "name": "boss", "type": "reference", "to": "user", "scim": "manager" },
        { "name": "department", "type": "text", "values": ["Sales"], "scim": format!("{ENTERPRISE}:department") },
        { "name": "secret", "type": "text", "mutability": "write-only", "scim": "password" },
        { "name": "certificate", "type": "binary", "multi": true, "scim": "x509Certificates.value" },
        { "name": "gidNumber", "type": "integer", "scim": posix("gidNumber") },
        { "name": "height", "type": "decimal", "scim": posix("height") },
        { "name": "expires", "type": "instant", "scim": posix("expires") },
        { "name": "tag", "type": "text", "multi": true, "scim": posix("tags") },
        { "name": "badge", "type": "complex", "multi": true, "scim": posix("badges"), "parts": [
            { "name": "no", "type": "text", "scim": "number" }, { "name": "level", "type": "integer" } ] },
        { "name": "modified", "type": "instant", "mutability": "read-only", "scim": posix("modified") },
        { "name": "shell", "type": "text" },
        { "name": "gecos", "type": "text" } ] }))
}

pub(super) fn parse(kind: Value) -> Kind {
    serde_json::from_value(kind).expect("a kind")
}

pub(super) fn mapping() -> &'static Mapping {
    static MAPPING: LazyLock<Mapping> = LazyLock::new(|| {
        Mapping::new(&kind(), &Overrides::none()).unwrap_or_else(|error| panic!("{error}"))
    });
    &MAPPING
}

pub(super) fn resource(value: Value) -> Resource {
    serde_json::from_value(value).expect("a resource")
}

/// Ids `id-N` and anchors `anchor-N`.
pub(super) fn references() -> References {
    let mut references = References::new();
    for n in 0..5 {
        references.link("user", &format!("id-{n}"), &format!("anchor-{n}"));
    }
    references
}
