//! Attribute mappings: which property flows to which SCIM attribute, as Entra sets up a new SCIM application.
//!
//! A property that is null flows nowhere: Entra skips it, so a target keeps what it had.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::path::{InvalidPath, Path};
use super::tenant::{Group, User};

/// URN of the core User schema.
pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// URN of the core Group schema.
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// URN of the enterprise extension (RFC 7643, section 4.3).
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The second schema that Entra names with groups, and that nobody else knows.
const AD_GROUP: &str = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
/// The path of the one reference that users have.
pub(crate) const MANAGER: &str =
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";

/// The default mapping: property, target attribute. `active`, `name.formatted` and the references are expressions.
const DEFAULT: [(&str, &str); 19] = [
    ("userPrincipalName", "userName"),
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
    (
        "employeeId",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
    ),
    (
        "department",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    ),
];

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Property(String),
    /// `Switch([IsSoftDeleted], , "False", "True", "True", "False")`
    Active,
    /// `Join(" ", [givenName], [surname])`
    FullName,
}

#[derive(Clone, Debug)]
struct Flow {
    path: Path,
    source: Source,
}

/// The users' mapping. Groups have Entra's fixed three: `displayName`, `externalId` and `members`.
#[derive(Clone, Debug)]
pub struct Mapping {
    flows: Vec<Flow>,
}

/// A change of the mapping that makes no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MappingError {
    /// The target attribute cannot be read.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// The matching attribute has to stay.
    #[error("`userName` is the matching attribute: it cannot be unmapped")]
    Matching,
    /// The service writes what no mapping may.
    #[error("`{0}` is a reference: it flows by itself, after the objects")]
    Reference(String),
    /// Nothing to remove.
    #[error("nothing is mapped to `{0}`")]
    NotMapped(String),
}

impl Default for Mapping {
    fn default() -> Self {
        let direct = DEFAULT
            .iter()
            .map(|(property, path)| (Source::Property((*property).to_owned()), *path));
        let expressions = [
            (Source::Active, "active"),
            (Source::FullName, "name.formatted"),
        ];
        let flows = direct
            .chain(expressions)
            .map(|(source, path)| Flow {
                path: Path::parse(path).expect("the default mapping's paths are well formed"),
                source,
            })
            .collect();
        Self { flows }
    }
}

impl Mapping {
    /// Maps `property` to a target attribute, instead of what was mapped to it.
    pub fn map(&mut self, path: &str, property: &str) -> Result<(), MappingError> {
        let path = Path::parse(path)?;
        if path.text() == MANAGER || path.text() == "manager" {
            return Err(MappingError::Reference(path.text().to_owned()));
        }
        self.flows.retain(|flow| flow.path.text() != path.text());
        self.flows.push(Flow {
            path,
            source: Source::Property(property.to_owned()),
        });
        Ok(())
    }

    /// Takes a target attribute out of the mapping: what an administrator does when the target has no place for it.
    pub fn unmap(&mut self, path: &str) -> Result<(), MappingError> {
        if path == "userName" {
            return Err(MappingError::Matching);
        }
        let before = self.flows.len();
        self.flows.retain(|flow| flow.path.text() != path);
        if self.flows.len() == before {
            return Err(MappingError::NotMapped(path.to_owned()));
        }
        Ok(())
    }

    /// The properties that flow somewhere.
    pub fn properties(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = DEFAULT.iter().map(|(property, _)| *property).collect();
        for flow in &self.flows {
            if let Source::Property(name) = &flow.source {
                names.insert(name);
            }
        }
        names
    }

    /// What flows for a user, references apart.
    pub(crate) fn user(&self, user: &User) -> Vec<(&Path, Value)> {
        self.flows
            .iter()
            .filter_map(|flow| Some((&flow.path, value(&flow.source, user)?)))
            .collect()
    }

    /// The body of the POST that creates a user.
    pub(crate) fn user_body(&self, user: &User) -> Value {
        let mut resource = Map::new();
        resource.insert("schemas".to_owned(), json!([USER, ENTERPRISE]));
        for (path, value) in self.user(user) {
            path.write(&mut resource, value);
        }
        if let Some(email) = resource.get_mut("emails").and_then(|e| e.get_mut(0)) {
            email["primary"] = json!(true);
        }
        resource.insert("roles".to_owned(), json!([]));
        resource.insert("meta".to_owned(), json!({ "resourceType": "User" }));
        Value::Object(resource)
    }
}

fn value(source: &Source, user: &User) -> Option<Value> {
    let present = |text: &str| (!text.is_empty()).then(|| Value::from(text));
    match source {
        Source::Property(name) => user.property(name).and_then(present),
        Source::Active => Some(Value::Bool(!user.is_soft_deleted())),
        Source::FullName => {
            let names: Vec<&str> = ["givenName", "surname"]
                .into_iter()
                .filter_map(|name| user.property(name))
                .filter(|name| !name.is_empty())
                .collect();
            present(&names.join(" "))
        }
    }
}

/// What flows for a group, members apart.
pub(crate) fn group(group: &Group) -> [(&'static str, &str); 2] {
    [
        ("displayName", &group.display_name),
        ("externalId", &group.id),
    ]
}

/// The body of the POST that creates a group: empty, members follow.
pub(crate) fn group_body(group: &Group) -> Value {
    json!({
        "schemas": [GROUP, AD_GROUP],
        "externalId": group.id,
        "displayName": group.display_name,
        "meta": { "resourceType": "Group" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ana() -> User {
        let mut user = User::new("1", "ana@contoso.com");
        for (name, value) in [
            ("displayName", "Ana Ruiz"),
            ("givenName", "Ana"),
            ("surname", "Ruiz"),
            ("mail", "ana@contoso.com"),
            ("mobile", "555-0100"),
            ("telephoneNumber", "555-0101"),
            ("streetAddress", "1 Road"),
            ("country", "US"),
            ("department", "Sales"),
            ("mailNickname", "ana"),
            ("jobTitle", ""),
        ] {
            user.properties.insert(name.to_owned(), value.to_owned());
        }
        user
    }

    #[test]
    fn the_body_of_a_create_is_the_documented_example() {
        assert_eq!(
            Mapping::default().user_body(&ana()),
            json!({
                "schemas": [USER, ENTERPRISE],
                "userName": "ana@contoso.com",
                "displayName": "Ana Ruiz",
                "emails": [{ "type": "work", "value": "ana@contoso.com", "primary": true }],
                "name": { "givenName": "Ana", "familyName": "Ruiz", "formatted": "Ana Ruiz" },
                "addresses": [{ "type": "work", "streetAddress": "1 Road", "country": "US" }],
                "phoneNumbers": [{ "type": "work", "value": "555-0101" }, { "type": "mobile", "value": "555-0100" }],
                "externalId": "ana",
                ENTERPRISE: { "department": "Sales" },
                "active": true,
                "roles": [],
                "meta": { "resourceType": "User" },
            })
        );
    }

    #[test]
    fn what_is_sent_is_what_is_read_back() {
        let mapping = Mapping::default();
        let body = mapping.user_body(&ana());
        for (path, value) in mapping.user(&ana()) {
            assert_eq!(path.read(&body), Some(&value), "{}", path.text());
        }
    }

    #[test]
    fn the_mapping_can_be_changed_but_not_into_nonsense() {
        let mut mapping = Mapping::default();
        mapping.map("nickName", "extensionAttribute1").unwrap();
        mapping.unmap("title").unwrap();
        let mut user = ana();
        user.properties
            .insert("extensionAttribute1".to_owned(), "An".to_owned());
        user.properties
            .insert("jobTitle".to_owned(), "Lead".to_owned());
        let body = mapping.user_body(&user);
        assert_eq!(body["nickName"], "An");
        assert_eq!(body.get("title"), None);
        assert_eq!(mapping.unmap("userName"), Err(MappingError::Matching));
        assert_eq!(
            mapping.unmap("title"),
            Err(MappingError::NotMapped("title".to_owned()))
        );
        assert!(mapping.map(MANAGER, "x").is_err());
        assert!(mapping.map("emails[", "mail").is_err());
    }
}
