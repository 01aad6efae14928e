//! The shape in which Microsoft's ECMA Connector Host shows users to Entra.
//!
//! Everything stands flat below one URN, under the target's own names: `urn:…:ECMA2Host:2.0:User:mail`. An "On-premises
//! ECMA app" in Entra is mapped to those names, so it can be pointed at an app of this shape and keeps its mappings.
//!
//! | in the shape | in the target |
//! |---|---|
//! | `URN:NAME` | the attribute `NAME`, whatever SCIM path the connector suggests for it |
//! | `URN:-dn-` | the attribute `dn`: the name of the object, for targets whose objects have one |
//! | `URN:export_password` | the write-only attribute suggested for `password`, or the connector's password ability |
//! | a name alone, such as `active` | the same as with the URN: Entra writes both |
//! | core `externalId`; core `active`, if the target has no attribute of that name | nothing: the host keeps them |
//!
//! In `[mapping.KIND]` a path may leave out the URN: `"Email" = "mail"`.
//!
//! The names are Microsoft's (its tutorials for the LDAP, SQL, PowerShell and SAP connectors); what the ECMA host's own
//! `/Schemas` looks like is not documented, so it is the RFC's way of saying the same.

use std::collections::BTreeMap;

use tombolo_scim::schema::{Attribute, Extension, Mutability, Returned, Schema, USER_URN};
use tombolo_scim::{AttributePath, ResourceType};

use crate::build;
use crate::error::MappingError;
use crate::kind::{Kind, KindAttribute, KindMutability};
use crate::mapping::Mapping;
use crate::overrides::{Choice, Overrides};

/// The schema under which Entra knows the attributes of an ECMA app.
pub const ECMA_URN: &str = "urn:ietf:params:scim:schemas:extension:ECMA2Host:2.0:User";
/// The pseudo attribute for an object's distinguished name.
pub const DN: &str = "-dn-";
/// The pseudo attribute for an initial password.
pub const PASSWORD: &str = "export_password";

/// What a connector calls the attribute that is shown as [`DN`].
const KIND_DN: &str = "dn";

pub(crate) fn mapping(kind: &Kind, operator: &Overrides) -> Result<Mapping, MappingError> {
    let overrides = overrides(kind, operator);
    build::onto(resource_type(&overrides), kind, &overrides)
}

/// What the operator and the shape together want otherwise than the connector suggests.
fn overrides(kind: &Kind, operator: &Overrides) -> Overrides {
    let mut paths: BTreeMap<String, Choice> = BTreeMap::new();
    for attribute in &kind.attributes {
        if !operator.places(&attribute.name) && is_shown(kind, attribute) {
            paths.insert(
                below_urn(shown_name(attribute)),
                Choice::Attribute(attribute.name.clone()),
            );
        }
    }
    for (path, choice) in &operator.paths {
        let path = below_urn(path);
        let known = paths
            .keys()
            .find(|known| known.eq_ignore_ascii_case(&path))
            .cloned();
        let replaced = known.and_then(|known| paths.remove(&known));
        // Taking away what is not there stays in, to be complained of.
        if *choice != Choice::Unmapped || replaced.is_none() {
            paths.insert(path, choice.clone());
        }
    }
    let mut overrides = Overrides {
        paths,
        ..operator.clone()
    };
    // Nothing stays where the connector suggests it for SCIM.
    for attribute in &kind.attributes {
        if let Some(suggested) = &attribute.scim
            && !overrides.places(&attribute.name)
        {
            overrides.paths.insert(suggested.clone(), Choice::Unmapped);
        }
    }
    overrides
}

/// Can the attribute be shown under its own name? Not if no path could name it, nor if it refers to objects that the
/// shape does not show.
fn is_shown(kind: &Kind, attribute: &KindAttribute) -> bool {
    let name = shown_name(attribute);
    let nameable = AttributePath::parse(&below_urn(name))
        .is_ok_and(|path| path.attribute == name && path.sub.is_none());
    nameable && attribute.to.as_ref().is_none_or(|to| *to == kind.kind)
}

fn shown_name(attribute: &KindAttribute) -> &str {
    let is_password = attribute.mutability == KindMutability::WriteOnly
        && attribute.scim.as_deref() == Some("password");
    if is_password {
        PASSWORD
    } else if attribute.name.eq_ignore_ascii_case(KIND_DN) {
        DN
    } else {
        &attribute.name
    }
}

fn below_urn(path: &str) -> String {
    if path.contains(':') {
        path.to_owned()
    } else {
        format!("{ECMA_URN}:{path}")
    }
}

/// A User without what RFC 7643 says of users, and above all without its mandatory `userName`: what an ECMA app sends
/// stands below the URN.
fn resource_type(overrides: &Overrides) -> ResourceType {
    let user = ResourceType::user();
    let mut ty = ResourceType::new("User", "Users", USER_URN);
    ty.description.clone_from(&user.description);
    ty.schema.description.clone_from(&user.description);
    ty.schema
        .attributes
        .extend(user.schema.attribute("externalId").cloned());
    // Without it a disable would be an unknown attribute, which is passed over; with it, it is refused.
    let active = below_urn("active");
    if !overrides
        .paths
        .iter()
        .any(|(path, choice)| path.eq_ignore_ascii_case(&active) && *choice != Choice::Unmapped)
    {
        ty.schema
            .attributes
            .extend(user.schema.attribute("active").cloned());
    }
    let mut schema = Schema::new(
        ECMA_URN,
        "ECMA2HostUser",
        "The attributes of the target, under its own names.",
    );
    // Always there, as Microsoft's host has it, and never read back, whatever takes it.
    schema.attributes.push(
        Attribute::string(PASSWORD, "An initial password; never returned.")
            .case_exact()
            .mutability(Mutability::WriteOnly)
            .returned(Returned::Never),
    );
    ty.extensions.push(Extension {
        schema,
        required: false,
    });
    ty
}
