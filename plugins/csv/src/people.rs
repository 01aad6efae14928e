//! The columns of a person.

use crate::settings::Settings;
use tombolo_sdk::schema::Kind;

/// The kind `user`: the core and enterprise attributes of RFC 7643 that one cell can hold, then the operator's own.
pub(crate) fn kind(settings: &Settings) -> Kind {
    let mut kind = Kind::user()
        .text("userName")
        .required()
        .unique()
        .scim("userName")
        .text("externalId")
        .case_exact()
        .scim("externalId")
        .boolean("active")
        .scim("active")
        .text("displayName")
        .scim("displayName")
        .text("givenName")
        .scim("name.givenName")
        .text("familyName")
        .scim("name.familyName")
        .text("formattedName")
        .scim("name.formatted")
        .text("middleName")
        .scim("name.middleName")
        .text("honorificPrefix")
        .scim("name.honorificPrefix")
        .text("honorificSuffix")
        .scim("name.honorificSuffix")
        .text("nickName")
        .scim("nickName")
        .text("profileUrl")
        .case_exact()
        .scim("profileUrl")
        .text("title")
        .scim("title")
        .text("userType")
        .scim("userType")
        .text("preferredLanguage")
        .scim("preferredLanguage")
        .text("locale")
        .scim("locale")
        .text("timezone")
        .scim("timezone");
    for kind_of in ["work", "home", "other"] {
        kind = kind
            .text(format!("{kind_of}Email"))
            .scim(format!("emails[type eq \"{kind_of}\"].value"));
    }
    for kind_of in ["work", "mobile", "home", "fax", "pager", "other"] {
        kind = kind
            .text(format!("{kind_of}Phone"))
            .scim(format!("phoneNumbers[type eq \"{kind_of}\"].value"));
    }
    for (kind_of, part) in ["work", "home"]
        .into_iter()
        .flat_map(|k| ADDRESS.map(|part| (k, part)))
    {
        let mut name = format!("{kind_of}{part}");
        if let Some(first) = name.get_mut(kind_of.len()..=kind_of.len()) {
            first.make_ascii_uppercase();
        }
        kind = kind
            .text(name)
            .scim(format!("addresses[type eq \"{kind_of}\"].{part}"));
    }
    kind = kind
        .text("employeeNumber")
        .enterprise("employeeNumber")
        .text("costCenter")
        .enterprise("costCenter")
        .text("organization")
        .enterprise("organization")
        .text("division")
        .enterprise("division")
        .text("department")
        .enterprise("department")
        .reference("manager", "user")
        .enterprise("manager");
    for (name, scim, description) in settings.columns() {
        if name == crate::objects::ID || kind.attribute(name).is_some() {
            continue;
        }
        kind = kind.text(name);
        if let Some(scim) = scim {
            kind = kind.scim(scim);
        }
        if let Some(description) = description {
            kind = kind.describe(description);
        }
    }
    kind
}

const ADDRESS: [&str; 6] = [
    "formatted",
    "streetAddress",
    "locality",
    "region",
    "postalCode",
    "country",
];
