//! Schemas and the resource types made of them (RFC 7643, section 6).

use std::sync::LazyLock;

use super::attribute::{Attribute, Mutability, Returned, Type, named, position};
use super::same_urn;
use crate::path::AttributePath;

/// A schema: a URN and its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The URN.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What a reader of `/Schemas` is told.
    pub description: String,
    /// The attributes.
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// A schema without attributes.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            description: description.into(),
            attributes: Vec::new(),
        }
    }

    /// The attribute of that name, whatever its case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        named(&self.attributes, name)
    }
}

/// An extension of a resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The extension's schema.
    pub schema: Schema,
    /// Has every resource of the type to carry it?
    pub required: bool,
}

/// A kind of resource with an endpoint of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// `User`
    pub name: String,
    /// `Users`, without a slash.
    pub endpoint: String,
    /// What a reader of `/ResourceTypes` is told.
    pub description: String,
    /// The schema whose attributes stand at the top of a resource.
    pub schema: Schema,
    /// Schemas whose attributes stand under their URN.
    pub extensions: Vec<Extension>,
}

/// Where in a resource type a path leads.
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'t> {
    /// The canonical URN of the extension, if the attribute stands in one.
    pub extension: Option<&'t str>,
    /// The attribute.
    pub attribute: &'t Attribute,
    /// The sub-attribute, if the path names one.
    pub sub: Option<&'t Attribute>,
}

impl<'t> Resolved<'t> {
    /// The definition at the path's end.
    pub fn leaf(&self) -> &'t Attribute {
        self.sub.unwrap_or(self.attribute)
    }
}

/// Why an attribute could not be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The path goes below an attribute that has no parts.
    #[error(
        "`{path}` goes below `{attribute}`, which is {kind}, not complex; map to the attribute itself"
    )]
    NotComplex {
        /// The whole path.
        path: String,
        /// The attribute that has no parts.
        attribute: String,
        /// What it is.
        kind: &'static str,
    },
    /// The path is one of the attributes that SCIM itself keeps.
    #[error(
        "`{path}` is kept by the server (RFC 7643, section 3.1) and cannot be mapped; choose another attribute"
    )]
    Reserved {
        /// The path.
        path: String,
    },
}

/// `id`, `externalId`, `meta` and `schemas`, which every resource has (RFC 7643, section 3.1).
static COMMON: LazyLock<Vec<Attribute>> = LazyLock::new(|| {
    vec![
        Attribute::string("id", "The identifier that this server gave.")
            .case_exact()
            .read_only()
            .returned(Returned::Always),
        super::core::external_id(),
        Attribute::complex(
            "meta",
            "What the server knows about the resource.",
            vec![
                Attribute::string("resourceType", "The resource type's name.")
                    .case_exact()
                    .read_only(),
                Attribute::new("created", Type::DateTime, "When the resource was created.")
                    .read_only(),
                Attribute::new(
                    "lastModified",
                    Type::DateTime,
                    "When the resource last changed.",
                )
                .read_only(),
                Attribute::reference("location", "The resource's URI.", &["uri"]).read_only(),
                Attribute::string("version", "The resource's version.")
                    .case_exact()
                    .read_only(),
            ],
        )
        .read_only(),
        Attribute::reference("schemas", "The schemas of the resource.", &["uri"])
            .multi()
            .read_only()
            .returned(Returned::Always),
    ]
});

impl ResourceType {
    /// A resource type with an empty schema.
    pub fn new(
        name: impl Into<String>,
        endpoint: impl Into<String>,
        schema: impl Into<String>,
    ) -> Self {
        let name = name.into();
        Self {
            endpoint: endpoint.into(),
            description: String::new(),
            schema: Schema::new(schema, name.clone(), String::new()),
            extensions: Vec::new(),
            name,
        }
    }

    /// The core User with the enterprise extension (RFC 7643, sections 4.1 and 4.3).
    pub fn user() -> Self {
        super::core::user()
    }

    /// The core Group (RFC 7643, section 4.2).
    pub fn group() -> Self {
        super::core::group()
    }

    /// The definition at the path's end, whatever the spelling of names and URNs.
    pub fn attribute(&self, path: &AttributePath) -> Option<&Attribute> {
        self.resolve(path).map(|resolved| resolved.leaf())
    }

    /// Where the path leads. A bare name that the core schema does not have is looked for in the extensions,
    /// because Entra writes `manager` as well as `urn:…:enterprise:2.0:User:manager`.
    pub fn resolve(&self, path: &AttributePath) -> Option<Resolved<'_>> {
        let (extension, attribute) = self.find(path.urn.as_deref(), &path.attribute)?;
        let sub = match &path.sub {
            Some(name) => Some(attribute.sub(name)?),
            None => None,
        };
        Some(Resolved {
            extension,
            attribute,
            sub,
        })
    }

    /// The attribute of that name, and the extension that it stands in.
    pub(crate) fn find(&self, urn: Option<&str>, name: &str) -> Option<(Option<&str>, &Attribute)> {
        match urn {
            None => {
                if let Some(attribute) =
                    self.schema.attribute(name).or_else(|| named(&COMMON, name))
                {
                    return Some((None, attribute));
                }
                self.extensions.iter().find_map(|extension| {
                    let attribute = extension.schema.attribute(name)?;
                    Some((Some(extension.schema.id.as_str()), attribute))
                })
            }
            Some(urn) if same_urn(urn, &self.schema.id) => self
                .schema
                .attribute(name)
                .or_else(|| named(&COMMON, name))
                .map(|attribute| (None, attribute)),
            Some(urn) => {
                let extension = self.extension(urn)?;
                let attribute = extension.schema.attribute(name)?;
                Some((Some(extension.schema.id.as_str()), attribute))
            }
        }
    }

    /// The extension of that URN, whatever its spelling.
    pub fn extension(&self, urn: &str) -> Option<&Extension> {
        self.extensions
            .iter()
            .find(|extension| same_urn(&extension.schema.id, urn))
    }

    /// Has the type a `members` attribute? Members are kept apart from the resource: a group of 50,000 is not
    /// rewritten for one of them.
    pub fn has_members(&self) -> bool {
        self.schema
            .attribute("members")
            .is_some_and(|members| members.multi_valued && members.kind == Type::Complex)
    }

    /// Makes sure that the path is in the schema, and returns its definition to be refined.
    ///
    /// What is there already is left as it is, whatever its type. A URN that the type does not know becomes a new
    /// extension; a missing parent becomes a single-valued complex attribute.
    pub fn ensure(
        &mut self,
        path: &AttributePath,
        kind: Type,
    ) -> Result<&mut Attribute, SchemaError> {
        let foreign = match &path.urn {
            Some(urn) if same_urn(urn, &self.schema.id) => None,
            Some(urn) => Some(urn.clone()),
            // A bare name of an extension's attribute means that attribute.
            None => self
                .find(None, &path.attribute)
                .and_then(|(extension, _)| extension.map(str::to_owned)),
        };
        let attributes = match foreign {
            None => {
                let reserved = ["id", "meta", "schemas"];
                if reserved
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(&path.attribute))
                {
                    return Err(SchemaError::Reserved {
                        path: path.to_string(),
                    });
                }
                &mut self.schema.attributes
            }
            Some(urn) => {
                let known = self
                    .extensions
                    .iter()
                    .position(|extension| same_urn(&extension.schema.id, &urn));
                let index = known.unwrap_or_else(|| {
                    self.extensions.push(Extension {
                        schema: extension_schema(urn),
                        required: false,
                    });
                    self.extensions.len() - 1
                });
                &mut self.extensions[index].schema.attributes
            }
        };
        let Some(sub) = &path.sub else {
            return Ok(ensure_in(attributes, &path.attribute, kind));
        };
        let parent = ensure_in(attributes, &path.attribute, Type::Complex);
        if parent.kind != Type::Complex {
            return Err(SchemaError::NotComplex {
                path: path.to_string(),
                attribute: parent.name.clone(),
                kind: parent.kind.as_str(),
            });
        }
        Ok(ensure_in(&mut parent.sub_attributes, sub, kind))
    }

    /// Every attribute with the extension that it stands in: the core schema first.
    pub fn attributes(&self) -> impl Iterator<Item = (Option<&str>, &Attribute)> {
        let core = self
            .schema
            .attributes
            .iter()
            .map(|attribute| (None, attribute));
        let extended = self.extensions.iter().flat_map(|extension| {
            extension
                .schema
                .attributes
                .iter()
                .map(|attribute| (Some(extension.schema.id.as_str()), attribute))
        });
        core.chain(extended)
    }
}

fn ensure_in<'a>(attributes: &'a mut Vec<Attribute>, name: &str, kind: Type) -> &'a mut Attribute {
    let index = position(attributes, name).unwrap_or_else(|| {
        attributes
            .push(Attribute::new(name, kind, String::new()).mutability(Mutability::ReadWrite));
        attributes.len() - 1
    });
    &mut attributes[index]
}

/// A schema named after its URN: `…:extension:payroll:2.0:User` is `payrollUser`.
fn extension_schema(urn: String) -> Schema {
    let parts: Vec<&str> = urn.split(':').collect();
    let words = parts
        .iter()
        .rev()
        .filter(|part| !part.starts_with(|c: char| c.is_ascii_digit()))
        .take(2);
    let name = words.fold(String::new(), |name, word| format!("{word}{name}"));
    Schema::new(urn, name, "Attributes that the connector adds.")
}
