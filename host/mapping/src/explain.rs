//! What a mapping does with one person, flow by flow, for people who want to see it.

use std::collections::BTreeMap;

use tombolo_scim::Resource;

use crate::convert;
use crate::error::ConvertError;
use crate::expression::Environment;
use crate::kind::KindAttribute;
use crate::mapping::Mapping;
use crate::object::{Object, ObjectValue};
use crate::overrides::{Apply, Constant};
use crate::references::References;
use crate::rule::Rule;

/// What one flow does when an object is created.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The object's attribute.
    pub attribute: String,
    /// The SCIM path, the expression, or `constant`.
    pub from: String,
    /// What comes of it.
    pub outcome: Told,
    /// Does it flow once only?
    pub once: bool,
    /// Must its value not be shown? It is write-only, or made with `Redact`.
    pub secret: bool,
}

/// What comes of a flow.
#[derive(Clone, Debug)]
pub enum Told {
    /// These values.
    Values(Vec<ObjectValue>),
    /// There were none, so these.
    Default(Vec<ObjectValue>),
    /// There are none.
    Nothing,
    /// `IgnoreFlowIfNullOrEmpty`.
    LeftAlone,
    /// The connector does not let it be written: it is only read.
    ReadOnly,
    /// It failed, and the whole request would.
    Failed(ConvertError),
}

impl Mapping {
    /// What each flow makes of a resource, in the order of the connector's attributes.
    pub fn explain(
        &self,
        resource: &Resource,
        references: &References,
        environment: &dyn Environment,
    ) -> Vec<Explained> {
        let mut told = Vec::new();
        for flow in &self.flows {
            let outcome = if flow.attribute.is_writable() {
                outcome(flow.read(resource, references).map(Some), &flow.rule)
            } else {
                Told::ReadOnly
            };
            told.push(explained(
                &flow.attribute,
                flow.path.clone(),
                &flow.rule,
                outcome,
                !flow.is_readable(),
            ));
        }
        let environment = &self.surroundings(environment);
        for made in &self.expressed {
            let read = made.read(&self.resource_type, resource, references, environment);
            told.push(explained(
                &made.attribute,
                made.expression.to_string(),
                &made.rule,
                outcome(read, &made.rule),
                made.expression.is_redacted() || !made.attribute.is_readable(),
            ));
        }
        for (name, values) in &self.constants {
            told.push(Explained {
                attribute: name.clone(),
                from: "constant".to_owned(),
                outcome: Told::Values(values.clone()),
                once: false,
                secret: false,
            });
        }
        told.sort_by_key(|flow| {
            let mut attributes = self.kind.attributes.iter();
            attributes.position(|attribute| attribute.name == flow.attribute)
        });
        told
    }

    /// An object as people write one down: attribute to value, or to a list of them. The error names the attribute.
    pub fn object_of(&self, written: &BTreeMap<String, Constant>) -> Result<Object, String> {
        let mut object = Object::new();
        for (name, constant) in written {
            let attribute = self
                .kind
                .attribute(name)
                .ok_or_else(|| format!("the connector has no attribute `{name}`"))?;
            let values = convert::constants(constant, attribute)
                .map_err(|cause| format!("`{name}`: {cause}"))?;
            object.set(name.clone(), values);
        }
        Ok(object)
    }
}

fn outcome(read: Result<Option<Vec<ObjectValue>>, ConvertError>, rule: &Rule) -> Told {
    match read {
        Err(error) => Told::Failed(error),
        Ok(None) => Told::LeftAlone,
        Ok(Some(values)) if !values.is_empty() => Told::Values(values),
        Ok(Some(_)) if !rule.default.is_empty() => Told::Default(rule.default.clone()),
        Ok(Some(_)) => Told::Nothing,
    }
}

fn explained(
    attribute: &KindAttribute,
    from: String,
    rule: &Rule,
    outcome: Told,
    secret: bool,
) -> Explained {
    Explained {
        attribute: attribute.name.clone(),
        from,
        outcome,
        once: rule.apply == Apply::Create,
        secret,
    }
}
