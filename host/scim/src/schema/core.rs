//! The schemas of RFC 7643, section 4, as Entra's schema reader and validators want to see them.
//!
//! Entra makes `emails[type eq "work"].value` out of `canonicalValues` of a `type`, and
//! `roles[primary eq "True"].value` where there are none. Its web validator refuses an advertised
//! `emails.display`, so that and its like are accepted without being listed.

use super::attribute::{Attribute, Mutability, Returned, Type, Uniqueness};
use super::resource_type::{Extension, ResourceType, Schema};

/// The core User.
pub const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The core Group.
pub const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The enterprise extension of the User.
pub const ENTERPRISE_USER_URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Listed on every core type because Entra reads `/Schemas` and would not find it otherwise.
pub(super) fn external_id() -> Attribute {
    Attribute::string("externalId", "The identifier that the client gave.").case_exact()
}

pub(super) fn user() -> ResourceType {
    let mut schema = Schema::new(USER_URN, "User", "User Account");
    schema.attributes = vec![
        external_id(),
        Attribute::string("userName", "The name that the user signs in with.")
            .required()
            .uniqueness(Uniqueness::Server),
        name(),
        Attribute::string("displayName", "The name to show to people."),
        Attribute::string("nickName", "What the user is called casually."),
        Attribute::reference("profileUrl", "A page about the user.", &["external"]),
        Attribute::string("title", "The user's title, such as Vice President."),
        Attribute::string(
            "userType",
            "How the user relates to the organisation, such as Employee.",
        ),
        Attribute::string("preferredLanguage", "The user's language, such as en-GB."),
        Attribute::string("locale", "The user's locale, such as en-GB."),
        Attribute::string("timezone", "The user's time zone, such as Europe/London."),
        Attribute::boolean("active", "May the user sign in?"),
        Attribute::string("password", "The user's password; never returned.")
            .case_exact()
            .mutability(Mutability::WriteOnly)
            .returned(Returned::Never),
        plural(
            "emails",
            "The user's e-mail addresses.",
            Type::String,
            &["work", "home", "other"],
        ),
        plural(
            "phoneNumbers",
            "The user's telephone numbers.",
            Type::String,
            &["work", "home", "mobile", "fax", "pager", "other"],
        ),
        plural(
            "ims",
            "The user's instant messaging addresses.",
            Type::String,
            &["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"],
        ),
        plural(
            "photos",
            "Pictures of the user.",
            Type::Reference,
            &["photo", "thumbnail"],
        ),
        addresses(),
        groups(),
        // Without canonicalValues, so that Entra offers them as `roles[primary eq "True"].value`.
        entitled("entitlements", "What the user is entitled to."),
        entitled("roles", "The user's roles."),
        certificates(),
    ];
    ResourceType {
        name: "User".into(),
        endpoint: "Users".into(),
        description: "User Account".into(),
        schema,
        extensions: vec![Extension {
            schema: enterprise_user(),
            required: false,
        }],
    }
}

pub(super) fn group() -> ResourceType {
    let mut schema = Schema::new(GROUP_URN, "Group", "Group");
    schema.attributes = vec![
        external_id(),
        // RFC 7643 asks for no uniqueness; Entra does.
        Attribute::string("displayName", "The group's name.")
            .required()
            .uniqueness(Uniqueness::Server),
        Attribute::complex(
            "members",
            "The members of the group.",
            vec![
                Attribute::string("value", "The member's id.")
                    .case_exact()
                    .mutability(Mutability::Immutable),
                Attribute::reference("$ref", "The member's URI.", &["User", "Group"])
                    .mutability(Mutability::Immutable),
                Attribute::string("type", "User or Group.")
                    .canonical(&["User", "Group"])
                    .mutability(Mutability::Immutable),
                Attribute::string("display", "The member's name.").read_only(),
            ],
        )
        .multi(),
    ];
    ResourceType {
        name: "Group".into(),
        endpoint: "Groups".into(),
        description: "Group".into(),
        schema,
        extensions: Vec::new(),
    }
}

fn enterprise_user() -> Schema {
    let mut schema = Schema::new(ENTERPRISE_USER_URN, "EnterpriseUser", "Enterprise User");
    schema.attributes = vec![
        Attribute::string(
            "employeeNumber",
            "The number that the organisation gave the user.",
        ),
        Attribute::string("costCenter", "The user's cost centre."),
        Attribute::string("organization", "The user's organisation."),
        Attribute::string("division", "The user's division."),
        Attribute::string("department", "The user's department."),
        Attribute::complex(
            "manager",
            "The user's manager.",
            vec![
                Attribute::string("value", "The manager's id.").case_exact(),
                Attribute::reference("$ref", "The manager's URI.", &["User"]),
                Attribute::string("displayName", "The manager's name.").read_only(),
            ],
        ),
    ];
    schema
}

fn name() -> Attribute {
    Attribute::complex(
        "name",
        "The parts of the user's name.",
        vec![
            Attribute::string("formatted", "The whole name, as it is shown."),
            Attribute::string("familyName", "The family name, or last name."),
            Attribute::string("givenName", "The given name, or first name."),
            Attribute::string("middleName", "The middle names."),
            Attribute::string(
                "honorificPrefix",
                "What stands before the name, such as Dr.",
            ),
            Attribute::string(
                "honorificSuffix",
                "What stands after the name, such as III.",
            ),
        ],
    )
}

fn primary() -> Attribute {
    Attribute::boolean(
        "primary",
        "Is this the preferred one? True for one element at most.",
    )
}

fn plural(name: &str, description: &str, kind: Type, types: &[&str]) -> Attribute {
    let mut value = Attribute::new("value", kind, "The value.");
    if kind == Type::Reference {
        value.reference_types = vec!["external".into()];
    }
    Attribute::complex(
        name,
        description,
        vec![
            value,
            Attribute::string("display", "The value, as it is shown.").unadvertised(),
            Attribute::string("type", "What it is for.").canonical(types),
            primary(),
        ],
    )
    .multi()
}

fn addresses() -> Attribute {
    Attribute::complex(
        "addresses",
        "The user's postal addresses.",
        vec![
            Attribute::string("formatted", "The whole address, as it is shown."),
            Attribute::string("streetAddress", "Street and number."),
            Attribute::string("locality", "The city."),
            Attribute::string("region", "The state or region."),
            Attribute::string("postalCode", "The postal code."),
            Attribute::string("country", "The country."),
            Attribute::string("type", "What it is for.").canonical(&["work", "home", "other"]),
            primary(),
        ],
    )
    .multi()
}

fn groups() -> Attribute {
    Attribute::complex(
        "groups",
        "The groups that the user is in; changed through the groups.",
        vec![
            Attribute::string("value", "The group's id.")
                .case_exact()
                .read_only(),
            Attribute::reference("$ref", "The group's URI.", &["Group"]).read_only(),
            Attribute::string("display", "The group's name.").read_only(),
            Attribute::string("type", "direct or indirect.")
                .canonical(&["direct", "indirect"])
                .read_only(),
        ],
    )
    .multi()
    .read_only()
}

fn entitled(name: &str, description: &str) -> Attribute {
    Attribute::complex(
        name,
        description,
        vec![
            Attribute::string("value", "The value."),
            Attribute::string("display", "The value, as it is shown."),
            Attribute::string("type", "What it is for."),
            primary(),
            // Entra's AppRoleAssignmentsComplex carries the role's GUID.
            Attribute::string("id", "The client's identifier of the value.")
                .case_exact()
                .unadvertised(),
        ],
    )
    .multi()
}

fn certificates() -> Attribute {
    Attribute::complex(
        "x509Certificates",
        "The user's certificates.",
        vec![
            Attribute::new("value", Type::Binary, "A DER certificate in base64."),
            Attribute::string("display", "The value, as it is shown.").unadvertised(),
            Attribute::string("type", "What it is for."),
            primary(),
        ],
    )
    .multi()
}
