//! Where Entra puts its attributes of a person in SCIM, by its default mapping.

use crate::expression::{Expression, Function, Node};

/// The extension for Entra's attributes that SCIM has no place for. Somebody has to map them in Entra.
pub const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:entra:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Entra's default mapping of a non-gallery application.
const PATHS: [(&str, &str); 22] = [
    ("userPrincipalName", "userName"),
    ("accountEnabled", "active"),
    ("displayName", "displayName"),
    ("jobTitle", "title"),
    ("mail", "emails[type eq \"work\"].value"),
    ("preferredLanguage", "preferredLanguage"),
    ("givenName", "name.givenName"),
    ("surname", "name.familyName"),
    (
        "physicalDeliveryOfficeName",
        "addresses[type eq \"work\"].formatted",
    ),
    ("streetAddress", "addresses[type eq \"work\"].streetAddress"),
    ("city", "addresses[type eq \"work\"].locality"),
    ("state", "addresses[type eq \"work\"].region"),
    ("postalCode", "addresses[type eq \"work\"].postalCode"),
    ("country", "addresses[type eq \"work\"].country"),
    ("telephoneNumber", "phoneNumbers[type eq \"work\"].value"),
    ("mobile", "phoneNumbers[type eq \"mobile\"].value"),
    (
        "facsimileTelephoneNumber",
        "phoneNumbers[type eq \"fax\"].value",
    ),
    ("mailNickname", "externalId"),
    ("employeeId", "employeeNumber"),
    ("department", "department"),
    ("manager", "manager"),
    ("appRoleAssignments", "roles"),
];

/// Of them, those of the enterprise extension.
const OF_ENTERPRISE: [&str; 3] = ["employeeNumber", "department", "manager"];

/// The names that a MIM metaverse and Active Directory have for the same attributes.
const OTHER_NAMES: [(&str, &str); 14] = [
    ("accountName", "userPrincipalName"),
    ("sAMAccountName", "userPrincipalName"),
    ("uid", "userPrincipalName"),
    ("firstName", "givenName"),
    ("lastName", "surname"),
    ("sn", "surname"),
    ("email", "mail"),
    ("title", "jobTitle"),
    ("officeLocation", "physicalDeliveryOfficeName"),
    ("officePhone", "telephoneNumber"),
    ("mobilePhone", "mobile"),
    ("employeeID", "employeeId"),
    ("l", "city"),
    ("st", "state"),
];

/// Where an attribute of Entra's stands in SCIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// By Entra's default mapping.
    Known(String),
    /// At a path of the extension that Entra has to be told of.
    Extension(String),
}

impl Standing {
    /// The SCIM path.
    pub fn path(&self) -> &str {
        match self {
            Self::Known(path) | Self::Extension(path) => path,
        }
    }
}

/// The SCIM path of one of Entra's attributes; `None` when no path can name it.
pub fn standing(name: &str) -> Option<Standing> {
    let known = PATHS
        .iter()
        .find(|(entra, _)| entra.eq_ignore_ascii_case(name));
    if let Some((_, path)) = known {
        return Some(Standing::Known(qualified(path)));
    }
    let path = format!("{EXTENSION}:{name}");
    let nameable = tombolo_scim::AttributePath::parse(&path)
        .is_ok_and(|path| path.attribute == name && path.sub.is_none());
    nameable.then_some(Standing::Extension(path))
}

/// The same for an attribute of MIM's metaverse or of Active Directory.
pub fn other_standing(name: &str) -> Option<Standing> {
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == name);
    standing(other.map_or(name, |(_, entra)| entra))
}

/// Entra's attribute for a SCIM path; the path itself when it has none.
pub fn entra_name(path: &str) -> String {
    let known = PATHS
        .iter()
        .find(|(_, known)| qualified(known).eq_ignore_ascii_case(path));
    match known {
        Some((name, _)) => (*name).to_owned(),
        None => path
            .strip_prefix(EXTENSION)
            .and_then(|rest| rest.strip_prefix(':'))
            .unwrap_or(path)
            .to_owned(),
    }
}

fn qualified(path: &str) -> String {
    if OF_ENTERPRISE.contains(&path) {
        format!("{ENTERPRISE}:{path}")
    } else {
        path.to_owned()
    }
}

/// An expression with other names in it. The error is the name that cannot be written.
pub(crate) fn rename(
    node: &Node,
    name: &mut dyn FnMut(&str) -> Result<Node, String>,
) -> Result<Node, String> {
    Ok(match node {
        Node::Attribute(own) => name(own)?,
        Node::Call(call) => {
            let mut call = call.clone();
            for argument in &mut call.arguments {
                *argument = rename(argument, name)?;
            }
            Node::Call(call)
        }
        Node::Compare(a, operator, b) => Node::Compare(
            Box::new(rename(a, name)?),
            *operator,
            Box::new(rename(b, name)?),
        ),
        other => other.clone(),
    })
}

/// `IsSoftDeleted` is what SCIM calls not active: absent means active.
pub(crate) fn soft_deleted() -> Result<Node, String> {
    Expression::parse(r#"Switch([active], "False", "False", "True")"#)
        .map(|expression| expression.root().clone())
        .map_err(|error| error.to_string())
}

/// Is it one of the ways in which Entra writes "active" with `IsSoftDeleted`?
pub(crate) fn is_active(node: &Node) -> bool {
    let deleted = |node: &Node| matches!(node, Node::Attribute(name) if name.eq_ignore_ascii_case("IsSoftDeleted"));
    let Node::Call(call) = node else {
        return false;
    };
    match (call.function, call.arguments.as_slice()) {
        (Function::Not, [source]) => deleted(source),
        (Function::Switch, [source, _, pairs @ ..]) if deleted(source) && pairs.len() == 4 => {
            let word = |node: &Node| match node {
                Node::Text(text) => text.to_ascii_lowercase(),
                Node::Boolean(value) => value.to_string(),
                _ => String::new(),
            };
            let opposite = |key: &Node, value: &Node| {
                matches!(
                    (word(key).as_str(), word(value).as_str()),
                    ("true", "false") | ("false", "true")
                )
            };
            opposite(&pairs[0], &pairs[1])
                && opposite(&pairs[2], &pairs[3])
                && word(&pairs[0]) != word(&pairs[2])
        }
        _ => false,
    }
}
