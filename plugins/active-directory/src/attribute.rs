//! Attributes: what is offered, and how a value of the contract becomes one of the directory. Each is called what the
//! directory calls it.

use tombolo_sdk::schema::{ENTERPRISE, Field, Mutability, Type};
use tombolo_sdk::{Failure, Result, Scalar, Value};

use crate::account;
use tombolo_sdk::ldap::settings::{Extra, ExtraKind};

/// How a value is written in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Text as it is.
    Text,
    /// TRUE or FALSE.
    Boolean,
    /// A number.
    Integer,
    /// Bytes.
    Binary,
    /// A DN here, an anchor in the contract.
    Reference,
    /// A point in time, in Windows' count: `accountExpires`.
    Expiry,
    /// The name of the entry that the entry is below. No attribute of its own.
    Parent,
    /// The entry's name. No attribute of its own to write.
    Name,
    /// A bit of `userAccountControl`.
    Active,
}

/// An attribute that a kind offers.
#[derive(Clone, Debug)]
pub struct Offered {
    /// What `describe` says about it.
    pub field: Field,
    /// How its values are written.
    pub syntax: Syntax,
}

/// The kind's entry is below this.
pub const PARENT: &str = "parentDistinguishedName";
/// Whether a user may sign in.
pub const ACTIVE: &str = "active";
/// The entry's name.
pub const DN: &str = "dn";

impl Offered {
    /// An attribute of this syntax.
    pub fn new(name: &str, syntax: Syntax) -> Self {
        let kind = match syntax {
            Syntax::Text | Syntax::Parent | Syntax::Name => Type::Text,
            Syntax::Boolean | Syntax::Active => Type::Boolean,
            Syntax::Integer => Type::Integer,
            Syntax::Binary => Type::Binary,
            Syntax::Reference => Type::Reference,
            Syntax::Expiry => Type::Instant,
        };
        let mut field = Field::new(name, kind);
        if syntax == Syntax::Reference {
            field.to = Some("user".to_owned());
        }
        if syntax == Syntax::Name {
            field.mutability = Mutability::ReadOnly;
        }
        Self { field, syntax }
    }

    /// With a suggested SCIM path.
    #[must_use]
    pub fn scim(mut self, path: impl Into<String>) -> Self {
        self.field.scim = Some(path.into());
        self
    }

    /// Each value is held once.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.field.unique = true;
        self
    }

    /// A create cannot be without it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.field.required = true;
        self
    }

    /// What it means.
    #[must_use]
    pub fn about(mut self, text: &str) -> Self {
        self.field.description = Some(text.to_owned());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.field.name
    }

    /// The directory's attribute behind it; none where it is a matter of the entry's name, which is always read.
    pub fn source(&self) -> Option<&str> {
        match self.syntax {
            Syntax::Parent | Syntax::Name => None,
            Syntax::Active => Some(account::CONTROL),
            _ => Some(self.name()),
        }
    }
}

impl From<&Extra> for Offered {
    fn from(extra: &Extra) -> Self {
        let syntax = match extra.kind {
            ExtraKind::Text => Syntax::Text,
            ExtraKind::Boolean => Syntax::Boolean,
            ExtraKind::Integer => Syntax::Integer,
            ExtraKind::Binary => Syntax::Binary,
            ExtraKind::Reference => Syntax::Reference,
        };
        let mut offered = Self::new(&extra.name, syntax);
        offered.field.scim.clone_from(&extra.scim);
        offered.field.multi = extra.multi;
        offered.field.required = extra.required;
        offered.field.unique = extra.unique;
        offered
    }
}

fn text(name: &str) -> Offered {
    Offered::new(name, Syntax::Text)
}

fn parent() -> Offered {
    Offered::new(PARENT, Syntax::Parent)
        .about("The DN of the container that the entry is in; another one moves it")
}

fn name() -> Offered {
    Offered::new(DN, Syntax::Name).about("The distinguished name")
}

/// What every user may have.
pub fn of_user() -> Vec<Offered> {
    let enterprise = |name: &str| format!("{ENTERPRISE}{name}");
    let work = |part: &str| format!(r#"addresses[type eq "work"].{part}"#);
    let phone = |kind: &str| format!(r#"phoneNumbers[type eq "{kind}"].value"#);
    vec![
        text("userPrincipalName")
            .scim("userName")
            .required()
            .unique(),
        text("sAMAccountName")
            .unique()
            .about("At most 20 characters; made of userPrincipalName when it is not given"),
        text("cn").unique().about(
            "The name of the entry in its container; made of displayName when it is not given",
        ),
        text("displayName").scim("displayName"),
        text("sn").scim("name.familyName"),
        text("givenName").scim("name.givenName"),
        text("mail").scim(r#"emails[type eq "work"].value"#),
        text("title").scim("title"),
        text("telephoneNumber").scim(phone("work")),
        text("mobile").scim(phone("mobile")),
        text("facsimileTelephoneNumber").scim(phone("fax")),
        text("streetAddress").scim(work("streetAddress")),
        text("l").scim(work("locality")),
        text("st").scim(work("region")),
        text("postalCode").scim(work("postalCode")),
        text("preferredLanguage").scim("preferredLanguage"),
        text("physicalDeliveryOfficeName"),
        text("department").scim(enterprise("department")),
        text("division").scim(enterprise("division")),
        text("company").scim(enterprise("organization")),
        text("employeeNumber").scim(enterprise("employeeNumber")),
        text("employeeID"),
        text("description"),
        text("adminDescription"),
        Offered::new("manager", Syntax::Reference).scim(enterprise("manager")),
        Offered::new(ACTIVE, Syntax::Active)
            .scim("active")
            .about("One bit of userAccountControl; the others stay as they are"),
        Offered::new(account::EXPIRES, Syntax::Expiry)
            .about("When the account ends; no value: never"),
        parent(),
        name(),
    ]
}

/// What every group may have, apart from members.
pub fn of_group() -> Vec<Offered> {
    vec![
        text("cn").scim("displayName").required().unique(),
        text("sAMAccountName")
            .unique()
            .about("Made of cn when it is not given"),
        text("displayName"),
        text("description"),
        text("mail"),
        text("info"),
        text("adminDescription"),
        text("msDS-ExternalDirectoryObjectId")
            .about("Group_ and the object id of the group in Entra; schema of Server 2016"),
        Offered::new("managedBy", Syntax::Reference),
        parent(),
        name(),
    ]
}

/// A value as the directory writes it; none if it is none there. References are translated elsewhere.
pub fn to_directory(offered: &Offered, value: &Value) -> Result<Option<Vec<u8>>> {
    let scalar = match value.as_scalar() {
        Some(Scalar::Bytes(bytes)) => return Ok((!bytes.is_empty()).then(|| bytes.clone())),
        Some(scalar) => scalar,
        None => return Ok(None),
    };
    let plain = scalar.to_plain().unwrap_or_default();
    let written = match offered.syntax {
        Syntax::Boolean => plain.to_ascii_uppercase(),
        Syntax::Expiry => account::expiry_value(&plain).ok_or_else(|| {
            Failure::invalid(format!(
                "`{}` is a point in time, such as 2026-01-31T00:00:00Z",
                offered.name()
            ))
            .attribute(offered.name())
        })?,
        _ => plain.into_owned(),
    };
    // No syntax has an empty value that means anything but no value.
    Ok((!written.is_empty()).then(|| written.into_bytes()))
}

/// A value as the contract has it; none if the bytes are not of the syntax.
pub fn from_directory(syntax: Syntax, bytes: &[u8]) -> Option<Value> {
    if syntax == Syntax::Binary {
        return Some(Value::Simple(Scalar::Bytes(bytes.to_vec())));
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let scalar = match syntax {
        Syntax::Boolean => Scalar::Boolean(text.eq_ignore_ascii_case("TRUE")),
        Syntax::Integer => Scalar::Integer(text.trim().parse().ok()?),
        Syntax::Active => Scalar::Boolean(account::is_active(account::flags(text)?)),
        Syntax::Expiry => Scalar::Instant(account::expiry(text)?),
        _ => Scalar::Text(text.to_owned()),
    };
    Some(Value::Simple(scalar))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_directorys_form() {
        let boolean = Offered::new("showInAdvancedViewOnly", Syntax::Boolean);
        assert_eq!(
            to_directory(&boolean, &true.into()),
            Ok(Some(b"TRUE".to_vec()))
        );
        assert_eq!(to_directory(&text("title"), &"".into()), Ok(None));
        let expires = Offered::new(account::EXPIRES, Syntax::Expiry);
        let failure = to_directory(&expires, &"soon".into()).expect_err("no time");
        assert_eq!(failure.attribute.as_deref(), Some(account::EXPIRES));
        assert_eq!(
            from_directory(Syntax::Active, b"514"),
            Some(Value::Simple(Scalar::Boolean(false)))
        );
        assert_eq!(from_directory(Syntax::Expiry, b"0"), None);
    }
}
