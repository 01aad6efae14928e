//! A mapping: the flows of one kind and the resource type that they make.

use tombolo_scim::{AttributePath, Resource, ResourceType};

use crate::build;
use crate::error::{ConvertError, MappingError};
use crate::kind::{Kind, KindAttribute};
use crate::object::{Object, ObjectValue, Scalar};
use crate::overrides::Overrides;
use crate::place::Place;
use crate::references::{Reference, References};

/// The mapping between a kind of object and a SCIM resource type.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(crate) kind: Kind,
    pub(crate) resource_type: ResourceType,
    pub(crate) flows: Vec<Flow>,
    pub(crate) constants: Vec<(String, Vec<ObjectValue>)>,
}

/// One SCIM path and the object attribute that it flows to and from.
#[derive(Clone, Debug)]
pub struct Flow {
    pub(crate) path: String,
    pub(crate) attribute: KindAttribute,
    pub(crate) place: Place,
}

impl Flow {
    /// The SCIM path as it was written.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The object's attribute.
    pub fn attribute(&self) -> &KindAttribute {
        &self.attribute
    }

    /// Is it laid over resources? Passwords and their like never are.
    pub fn is_readable(&self) -> bool {
        self.attribute.is_readable() && !self.place.write_only
    }
}

impl Mapping {
    /// The mapping of a kind: what the connector suggests, as the operator wants it.
    pub fn new(kind: &Kind, overrides: &Overrides) -> Result<Self, MappingError> {
        build::mapping(kind, overrides)
    }

    /// The kind that it maps.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The resource type that it makes.
    pub fn resource_type(&self) -> &ResourceType {
        &self.resource_type
    }

    /// The flows, in the order of the connector's attributes.
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// The attributes that a read has to ask the connector for.
    pub fn readable_attributes(&self) -> Vec<String> {
        let readable = self.flows.iter().filter(|flow| flow.is_readable());
        readable.map(|flow| flow.attribute.name.clone()).collect()
    }

    /// Does the path, or something below it, flow to the object?
    pub fn is_mapped(&self, path: &AttributePath) -> bool {
        let Some(resolved) = self.resource_type.resolve(path) else {
            return false;
        };
        let sub = resolved.sub.map(|sub| sub.name.as_str());
        self.flows.iter().any(|flow| {
            flow.place
                .is_at(resolved.extension, &resolved.attribute.name)
                && flow.place.covers(sub)
        })
    }

    /// Can the target disable? If not, the host must refuse a disable rather
    /// than keep `active` to itself and leave the account open.
    pub fn maps_active(&self) -> bool {
        self.flows
            .iter()
            .any(|flow| flow.place.is_at(None, "active") && flow.attribute.is_writable())
    }

    /// The SCIM attributes that only the host keeps, for reports.
    pub fn host_kept(&self) -> Vec<String> {
        let mut kept = Vec::new();
        for (extension, attribute) in self.resource_type.attributes() {
            if extension.is_none() && crate::build::SERVER_KEPT.contains(&attribute.name.as_str()) {
                continue;
            }
            let mut path = AttributePath {
                urn: extension.map(str::to_owned),
                attribute: attribute.name.clone(),
                sub: None,
            };
            if !self.is_mapped(&path) {
                kept.push(path.to_string());
                continue;
            }
            for sub in &attribute.sub_attributes {
                path.sub = Some(sub.name.clone());
                if !self.is_mapped(&path) {
                    kept.push(path.to_string());
                }
            }
        }
        kept
    }

    /// The object that a resource asks for: every mapped value that the host may
    /// write, and the constants.
    pub fn to_object(
        &self,
        resource: &Resource,
        references: &References,
    ) -> Result<Object, ConvertError> {
        let mut object: Object = self.constants.iter().cloned().collect();
        for flow in &self.flows {
            if flow.attribute.is_writable() {
                object.set(
                    flow.attribute.name.clone(),
                    flow.read(resource, references)?,
                );
            }
        }
        Ok(object)
    }

    /// Has a new object everything that the target requires?
    pub fn require(&self, object: &Object) -> Result<(), ConvertError> {
        for flow in &self.flows {
            let attribute = &flow.attribute;
            if attribute.required
                && attribute.is_writable()
                && object.get(&attribute.name).is_empty()
            {
                return Err(ConvertError::Missing {
                    path: flow.path.clone(),
                    attribute: attribute.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// The SCIM ids whose anchors [`Mapping::to_object`] needs, by kind.
    pub fn reference_ids(&self, resource: &Resource) -> Vec<Reference> {
        let mut found = Vec::new();
        for flow in &self.flows {
            if flow.attribute.is_writable() {
                flow.collect_ids(resource, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The anchors whose SCIM ids [`Mapping::overlay`] needs, by kind.
    pub fn reference_anchors(&self, object: &Object) -> Vec<Reference> {
        let mut found = Vec::new();
        for flow in &self.flows {
            flow.collect_anchors(object.get(&flow.attribute.name), &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The unique attributes of an object, by which it is found again when a
    /// create's outcome is unknown.
    pub fn correlation(&self, object: &Object) -> Vec<(String, Scalar)> {
        let unique = self
            .kind
            .attributes
            .iter()
            .filter(|attribute| attribute.unique && attribute.is_readable());
        unique
            .filter_map(|attribute| match object.get(&attribute.name) {
                [ObjectValue::Simple(scalar)] => Some((attribute.name.clone(), scalar.clone())),
                _ => None,
            })
            .collect()
    }
}
