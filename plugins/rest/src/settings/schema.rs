//! What SCIM is offered: the settings' kinds as the contract describes them.

use tombolo_sdk::Result;
use tombolo_sdk::schema::{Description, Field, Kind as Schema, Mutability, Type};

use super::{Attribute, Kind, MutabilityName, Settings, TypeName};

impl Settings {
    /// What SCIM is offered.
    pub fn describe(&self) -> Result<Description> {
        self.verify()?;
        let description = Description::new("rest", env!("CARGO_PKG_VERSION"));
        Ok(self.kinds.iter().fold(description, |description, kind| {
            description.kind(kind.schema())
        }))
    }
}

impl Kind {
    /// The kind as the contract describes it.
    pub fn schema(&self) -> Schema {
        let resource = match (&self.resource, self.kind.as_str()) {
            (Some(resource), _) => resource.clone(),
            (None, "group") => "Group".to_owned(),
            (None, _) => "User".to_owned(),
        };
        let members = self.members.as_ref().map(|members| members.of.clone());
        Schema {
            kind: self.kind.clone(),
            resource,
            endpoint: self.endpoint.clone(),
            schema: self.schema.clone(),
            members: members.unwrap_or_default(),
            attributes: self.attributes.iter().map(Attribute::field).collect(),
        }
    }
}

impl Attribute {
    fn field(&self) -> Field {
        let kind = match self.kind {
            TypeName::Text => Type::Text,
            TypeName::Boolean => Type::Boolean,
            TypeName::Integer => Type::Integer,
            TypeName::Decimal => Type::Decimal,
            TypeName::Instant => Type::Instant,
            TypeName::Binary => Type::Binary,
            TypeName::Reference => Type::Reference,
            TypeName::Complex => Type::Complex,
        };
        Field {
            multi: self.multi,
            required: self.required,
            unique: self.unique,
            case_exact: self.case_exact,
            mutability: match self.mutability {
                MutabilityName::ReadWrite => Mutability::ReadWrite,
                MutabilityName::ReadOnly => Mutability::ReadOnly,
                MutabilityName::Immutable => Mutability::Immutable,
                MutabilityName::WriteOnly => Mutability::WriteOnly,
            },
            to: self.to.clone(),
            scim: self.scim.clone(),
            description: self.description.clone(),
            parts: self.parts.iter().map(Self::field).collect(),
            ..Field::new(&self.name, kind)
        }
    }
}
