//! The resource types of one app.

use super::attribute::{Attribute, Type};
use super::resource_type::{ResourceType, Schema};
use super::same_urn;

/// The resource types of one app, checked to be consistent.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalog {
    types: Vec<ResourceType>,
}

/// Why resource types cannot live together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// Two types with one name.
    #[error("two resource types are called `{0}`; give each a name of its own")]
    Name(String),
    /// Two types with one endpoint.
    #[error("two resource types have the endpoint `{0}`; give each an endpoint of its own")]
    Endpoint(String),
    /// An endpoint that is SCIM's own or cannot stand in a URL.
    #[error(
        "`{0}` cannot be an endpoint; use letters, digits, `-` and `_`, and none of SCIM's own endpoints"
    )]
    BadEndpoint(String),
    /// Two schemas with one URN that say different things.
    #[error("schema `{0}` is defined twice, differently; give one of them another URN")]
    Schema(String),
    /// An attribute's name that no path could name.
    #[error(
        "schema `{schema}`: `{attribute}` cannot be an attribute's name; use letters, digits, `-`, `_` and `$`"
    )]
    BadName {
        /// The schema.
        schema: String,
        /// The attribute.
        attribute: String,
    },
    /// An attribute twice in one schema.
    #[error(
        "schema `{schema}` has the attribute `{attribute}` twice (names do not differ by case)"
    )]
    Attribute {
        /// The schema.
        schema: String,
        /// The attribute.
        attribute: String,
    },
    /// A complex attribute without parts, or parts on one that is not complex, or below the second level.
    #[error(
        "schema `{schema}`: `{attribute}` must be complex with simple parts, or simple without parts"
    )]
    Shape {
        /// The schema.
        schema: String,
        /// The attribute.
        attribute: String,
    },
}

/// Endpoints that RFC 7644 keeps for itself.
const RESERVED: [&str; 6] = [
    "Schemas",
    "ResourceTypes",
    "ServiceProviderConfig",
    "Bulk",
    "Me",
    ".search",
];

impl Catalog {
    /// A catalog of these types.
    pub fn new(types: Vec<ResourceType>) -> Result<Self, CatalogError> {
        let mut schemas: Vec<&Schema> = Vec::new();
        for (index, ty) in types.iter().enumerate() {
            let usable = ty
                .endpoint
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            let reserved = RESERVED
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&ty.endpoint));
            if ty.endpoint.is_empty() || !usable || reserved {
                return Err(CatalogError::BadEndpoint(ty.endpoint.clone()));
            }
            for other in &types[..index] {
                if other.name.eq_ignore_ascii_case(&ty.name) {
                    return Err(CatalogError::Name(ty.name.clone()));
                }
                if other.endpoint.eq_ignore_ascii_case(&ty.endpoint) {
                    return Err(CatalogError::Endpoint(ty.endpoint.clone()));
                }
            }
            let own: Vec<&Schema> = std::iter::once(&ty.schema)
                .chain(ty.extensions.iter().map(|extension| &extension.schema))
                .collect();
            for (position, schema) in own.iter().enumerate() {
                // One extension may serve several types, but no type twice.
                let twice = own[..position]
                    .iter()
                    .any(|other| same_urn(&other.id, &schema.id));
                match schemas.iter().find(|known| same_urn(&known.id, &schema.id)) {
                    Some(known) if known == schema && !twice => {}
                    Some(_) => return Err(CatalogError::Schema(schema.id.clone())),
                    None => {
                        check_attributes(&schema.id, &schema.attributes, "", false)?;
                        schemas.push(schema);
                    }
                }
            }
        }
        Ok(Self { types })
    }

    /// Every type, in the order given.
    pub fn types(&self) -> &[ResourceType] {
        &self.types
    }

    /// The type at `/Users`, whatever the case.
    pub fn by_endpoint(&self, endpoint: &str) -> Option<&ResourceType> {
        self.types
            .iter()
            .find(|ty| ty.endpoint.eq_ignore_ascii_case(endpoint))
    }

    /// The type called `User`, whatever the case.
    pub fn by_name(&self, name: &str) -> Option<&ResourceType> {
        self.types
            .iter()
            .find(|ty| ty.name.eq_ignore_ascii_case(name))
    }

    /// Every schema once: of the types, then of their extensions.
    pub fn schemas(&self) -> Vec<&Schema> {
        let mut schemas: Vec<&Schema> = self.types.iter().map(|ty| &ty.schema).collect();
        for extension in self.types.iter().flat_map(|ty| &ty.extensions) {
            if !schemas
                .iter()
                .any(|known| same_urn(&known.id, &extension.schema.id))
            {
                schemas.push(&extension.schema);
            }
        }
        schemas
    }
}

fn check_attributes(
    schema: &str,
    attributes: &[Attribute],
    parent: &str,
    nested: bool,
) -> Result<(), CatalogError> {
    for (index, attribute) in attributes.iter().enumerate() {
        let name = if nested {
            format!("{parent}.{}", attribute.name)
        } else {
            attribute.name.clone()
        };
        let here = || (schema.to_owned(), name.clone());
        if !crate::path::is_attribute_name(&attribute.name) {
            let (schema, attribute) = here();
            return Err(CatalogError::BadName { schema, attribute });
        }
        if attributes[..index]
            .iter()
            .any(|other| other.name.eq_ignore_ascii_case(&attribute.name))
        {
            let (schema, attribute) = here();
            return Err(CatalogError::Attribute { schema, attribute });
        }
        let complex = attribute.kind == Type::Complex;
        if complex == attribute.sub_attributes.is_empty() || (complex && nested) {
            let (schema, attribute) = here();
            return Err(CatalogError::Shape { schema, attribute });
        }
        check_attributes(schema, &attribute.sub_attributes, &attribute.name, true)?;
    }
    Ok(())
}
