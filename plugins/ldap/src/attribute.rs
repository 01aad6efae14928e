//! Attributes: what the contract calls them, what the directory calls them, and how a value of the one becomes a
//! value of the other.

use tombolo_sdk::schema::{ENTERPRISE, Field, Mutability, Type};
use tombolo_sdk::{Scalar, Value};

use tombolo_sdk::ldap::settings::{Extra, ExtraKind};

/// How a value is written in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Text as it is.
    Text,
    /// RFC 4517 Postal Address: lines are separated by `$`.
    Postal,
    /// TRUE or FALSE.
    Boolean,
    /// A number.
    Integer,
    /// Bytes.
    Binary,
    /// A DN here, an anchor in the contract.
    Reference,
}

/// An attribute that a kind offers. The contract calls it what the directory calls it.
#[derive(Clone, Debug)]
pub struct Offered {
    /// What `describe` says about it.
    pub field: Field,
    /// How its values are written.
    pub syntax: Syntax,
}

impl Offered {
    /// An attribute of this syntax.
    pub fn new(name: &str, syntax: Syntax) -> Self {
        let kind = match syntax {
            Syntax::Text | Syntax::Postal => Type::Text,
            Syntax::Boolean => Type::Boolean,
            Syntax::Integer => Type::Integer,
            Syntax::Binary => Type::Binary,
            Syntax::Reference => Type::Reference,
        };
        let mut field = Field::new(name, kind);
        if syntax == Syntax::Reference {
            field.to = Some("user".to_owned());
        }
        Self { field, syntax }
    }

    /// With a suggested SCIM path.
    #[must_use]
    pub fn scim(mut self, path: impl Into<String>) -> Self {
        self.field.scim = Some(path.into());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.field.name
    }

    /// May it be read back?
    pub fn is_readable(&self) -> bool {
        self.field.mutability != Mutability::WriteOnly
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
        // What is there is a hash, and nobody's business.
        if extra.name.eq_ignore_ascii_case("userPassword") {
            offered.field.mutability = Mutability::WriteOnly;
        }
        offered
    }
}

/// What every person may have.
pub fn of_person() -> Vec<Offered> {
    let enterprise = |name: &str| format!("{ENTERPRISE}{name}");
    let text = |name: &str, path: &str| Offered::new(name, Syntax::Text).scim(path);
    let mut employee_number = text("employeeNumber", &enterprise("employeeNumber"));
    employee_number.field.case_exact = false;
    vec![
        text("cn", "displayName"),
        text("sn", "name.familyName"),
        text("givenName", "name.givenName"),
        text("mail", r#"emails[type eq "work"].value"#),
        text("title", "title"),
        text("telephoneNumber", r#"phoneNumbers[type eq "work"].value"#),
        text("mobile", r#"phoneNumbers[type eq "mobile"].value"#),
        Offered::new("postalAddress", Syntax::Postal)
            .scim(r#"addresses[type eq "work"].formatted"#),
        text("street", r#"addresses[type eq "work"].streetAddress"#),
        text("l", r#"addresses[type eq "work"].locality"#),
        text("st", r#"addresses[type eq "work"].region"#),
        text("postalCode", r#"addresses[type eq "work"].postalCode"#),
        text("preferredLanguage", "preferredLanguage"),
        employee_number,
        text("departmentNumber", &enterprise("department")),
        text("o", &enterprise("organization")),
        Offered::new("manager", Syntax::Reference).scim(enterprise("manager")),
    ]
}

/// A value as the directory writes it; none if it is none there. References are translated elsewhere.
pub fn to_directory(syntax: Syntax, value: &Value) -> Option<Vec<u8>> {
    let scalar = value.as_scalar()?;
    let bytes = match (syntax, scalar) {
        (_, Scalar::Bytes(bytes)) => bytes.clone(),
        (Syntax::Boolean, Scalar::Boolean(value)) => {
            if *value { "TRUE" } else { "FALSE" }.as_bytes().to_vec()
        }
        (Syntax::Postal, scalar) => postal(&scalar.to_plain()?).into_bytes(),
        (_, scalar) => scalar.to_plain()?.into_owned().into_bytes(),
    };
    // No syntax of LDAP has an empty value that means anything but no value.
    (!bytes.is_empty()).then_some(bytes)
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
        Syntax::Postal => Scalar::Text(from_postal(text)),
        _ => Scalar::Text(text.to_owned()),
    };
    Some(Value::Simple(scalar))
}

fn postal(text: &str) -> String {
    let escaped = text.replace('\\', "\\5C").replace('$', "\\24");
    escaped.replace("\r\n", "$").replace('\n', "$")
}

fn from_postal(text: &str) -> String {
    text.replace('$', "\n")
        .replace("\\24", "$")
        .replace("\\5C", "\\")
        .replace("\\5c", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postal_address_survives_its_syntax() {
        let text = "1 Road, 5$ \\ floor\nTown";
        let value = Value::from(text);
        let written = to_directory(Syntax::Postal, &value).expect("a value");
        assert_eq!(
            String::from_utf8_lossy(&written),
            "1 Road, 5\\24 \\5C floor$Town"
        );
        assert_eq!(from_directory(Syntax::Postal, &written), Some(value));
    }

    #[test]
    fn values_take_the_directorys_form() {
        assert_eq!(
            to_directory(Syntax::Boolean, &true.into()),
            Some(b"TRUE".to_vec())
        );
        assert_eq!(
            to_directory(Syntax::Integer, &7_i64.into()),
            Some(b"7".to_vec())
        );
        assert_eq!(to_directory(Syntax::Text, &"".into()), None);
        assert_eq!(from_directory(Syntax::Integer, b"seven"), None);
        assert_eq!(from_directory(Syntax::Text, &[0xff]), None);
        assert_eq!(
            from_directory(Syntax::Binary, &[0xff]),
            Some(Value::Simple(Scalar::Bytes(vec![0xff])))
        );
    }
}
