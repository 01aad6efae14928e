//! Attributes of a resource as values of the expression language, for those who are no flow: scopes, policies.

use tombolo_scim::{Path, Resource, ResourceType};

use crate::error::ConvertError;
use crate::expressed::{self, Expressed};
use crate::expression::{Environment, Value};
use crate::mapping::Mapping;
use crate::object::ObjectValue;
use crate::overrides::{Formula, Overrides};
use crate::references::References;

/// Where the attributes stand that somebody looks at, by the names that he has for them.
#[derive(Clone, Debug, Default)]
pub struct Readings(Vec<(String, Path)>);

impl Readings {
    /// What a resource has there; null for a name that was not asked for.
    pub fn value(&self, ty: &ResourceType, resource: &Resource, name: &str) -> Value {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or(Value::Null, |(_, path)| {
            expressed::source_value(ty, resource, path)
        })
    }
}

impl Mapping {
    /// Finds attributes by their SCIM paths. One with a URN may be new to the schema: then clients can send it from now on.
    ///
    /// # Errors
    /// A name is no path of the resource type; the text says which, and what may be meant.
    pub fn readings<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Readings, String> {
        let mut found = Vec::new();
        for name in names {
            let path = expressed::source(&mut self.resource_type, name)?;
            found.push((name.to_owned(), path));
        }
        Ok(Readings(found))
    }

    /// An expression that makes an attribute of the object at times, beside what the mapping makes of it.
    ///
    /// # Errors
    /// There is no such attribute, or the expression cannot make it.
    pub fn expression_for(&mut self, name: &str, text: &str) -> Result<Expressed, String> {
        let attribute = self
            .kind
            .attribute(name)
            .ok_or_else(|| format!("the connector has no attribute `{name}`"))?
            .clone();
        expressed::one(
            &mut self.resource_type,
            &attribute,
            &Formula::new(text),
            &Overrides::none(),
        )
    }

    /// What such an expression makes of a resource; none: the attribute is left alone.
    ///
    /// # Errors
    /// It cannot be evaluated, or comes to what the attribute cannot hold.
    pub fn made_by(
        &self,
        made: &Expressed,
        resource: &Resource,
        references: &References,
        environment: &dyn Environment,
    ) -> Result<Option<Vec<ObjectValue>>, ConvertError> {
        let environment = &self.surroundings(environment);
        made.read(&self.resource_type, resource, references, environment)
    }
}
