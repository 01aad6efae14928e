//! A mapping: the flows of one kind and the resource type that they make.

use jiff::Timestamp;
use tombolo_scim::schema::Resolved;
use tombolo_scim::{AttributePath, Resource, ResourceType};

use crate::build;
use crate::error::{ConvertError, MappingError};
use crate::expressed::{Expressed, Inverse};
use crate::expression::{Environment, Nowhere};
use crate::kind::{Kind, KindAttribute};
use crate::object::{Edit, Object, ObjectValue, Scalar};
use crate::overlay::same_values;
use crate::overrides::{Apply, Overrides};
use crate::place::Place;
use crate::references::{Reference, References};
use crate::rule::{Rule, Stage};

/// The mapping between a kind of object and a SCIM resource type.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(crate) kind: Kind,
    pub(crate) resource_type: ResourceType,
    pub(crate) flows: Vec<Flow>,
    pub(crate) expressed: Vec<Expressed>,
    pub(crate) constants: Vec<(String, Vec<ObjectValue>)>,
    pub(crate) default_domain: Option<String>,
}

/// One SCIM path and the object attribute that it flows to and from.
#[derive(Clone, Debug)]
pub struct Flow {
    pub(crate) path: String,
    pub(crate) attribute: KindAttribute,
    pub(crate) place: Place,
    pub(crate) rule: Rule,
}

/// What an update does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The object that the resource asks for now.
    pub object: Object,
    /// What has to be edited.
    pub edits: Vec<Edit>,
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

    /// The attributes that expressions make.
    pub fn expressed(&self) -> &[Expressed] {
        &self.expressed
    }

    /// What `DefaultDomain()` comes to.
    pub fn default_domain(&self) -> Option<&str> {
        self.default_domain.as_deref()
    }

    /// The attributes that a read has to ask the connector for.
    pub fn readable_attributes(&self) -> Vec<String> {
        let readable = self.flows.iter().filter(|flow| flow.is_readable());
        let mut names: Vec<String> = readable.map(|flow| flow.attribute.name.clone()).collect();
        for inverse in self.inverses() {
            for name in inverse.expression.attributes() {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        }
        names
    }

    pub(crate) fn inverses(&self) -> impl Iterator<Item = &Inverse> {
        self.expressed.iter().flat_map(|made| &made.inverses)
    }

    /// The SCIM paths by which objects are matched, the first one first.
    pub fn matching(&self) -> Vec<&str> {
        let direct = self
            .flows
            .iter()
            .filter_map(|flow| Some((flow.rule.matching?, flow.path.as_str())));
        let made = self.expressed.iter().filter_map(|made| {
            let back = made.inverses.first().map(|back| back.flow.path.as_str());
            let source = made.sources.first().map(|(text, _)| text.as_str());
            Some((made.rule.matching?, back.or(source)?))
        });
        let mut all: Vec<(u32, &str)> = direct.chain(made).collect();
        all.sort_by_key(|(precedence, _)| *precedence);
        all.into_iter().map(|(_, path)| path).collect()
    }

    /// The object's attributes whose values no log may show: those that an expression makes with `Redact`.
    pub fn redacted(&self) -> Vec<&str> {
        let made = self.expressed.iter();
        made.filter(|made| made.expression.is_redacted())
            .map(|made| made.attribute.name.as_str())
            .collect()
    }

    /// Does the path, or something below it, flow to the object?
    pub fn is_mapped(&self, path: &AttributePath) -> bool {
        let Some(resolved) = self.resource_type.resolve(path) else {
            return false;
        };
        let sub = resolved.sub.map(|sub| sub.name.as_str());
        let inverse = self.inverses().map(|inverse| &inverse.flow);
        self.flows.iter().chain(inverse).any(|flow| {
            flow.place
                .is_at(resolved.extension, &resolved.attribute.name)
                && flow.place.covers(sub)
        }) || self.is_source(&resolved)
    }

    /// Does an expression make something of it?
    fn is_source(&self, resolved: &Resolved<'_>) -> bool {
        self.expressed
            .iter()
            .flat_map(Expressed::sources)
            .any(|path| {
                let mut whole = path.attribute.clone();
                whole.sub = None;
                let found = self.resource_type.resolve(&whole);
                let same = found.is_some_and(|found| {
                    found.extension == resolved.extension
                        && found.attribute.name == resolved.attribute.name
                });
                let part = match (path.sub(), resolved.sub) {
                    (_, None) => true,
                    (Some(own), Some(wanted)) => wanted.name.eq_ignore_ascii_case(own),
                    (None, Some(wanted)) => wanted.name == "value",
                };
                same && part
            })
    }

    /// Can the target disable? If not, the host must refuse a disable rather
    /// than keep `active` to itself and leave the account open.
    pub fn maps_active(&self) -> bool {
        self.flows
            .iter()
            .any(|flow| flow.place.is_at(None, "active") && flow.attribute.is_writable())
            || self.expressed.iter().any(|made| {
                made.rule.apply == Apply::Always
                    && made.sources().any(|path| {
                        path.attribute.urn.is_none()
                            && path.attribute.attribute.eq_ignore_ascii_case("active")
                    })
            })
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

    /// The object that a resource asks for: every mapped value that the host may write, and the constants. It is said
    /// without an environment, as of an object that is there: what flows only once is not in it, nor what chance or time
    /// go into.
    pub fn to_object(
        &self,
        resource: &Resource,
        references: &References,
    ) -> Result<Object, ConvertError> {
        Ok(self.make(resource, references, &Nowhere, Stage::Before)?.0)
    }

    /// The object to create.
    pub fn to_new_object(
        &self,
        resource: &Resource,
        references: &References,
        environment: &dyn Environment,
    ) -> Result<Object, ConvertError> {
        Ok(self
            .make(resource, references, environment, Stage::Create)?
            .0)
    }

    /// The object that a create made, as far as it can be said afterwards.
    pub fn to_created_object(
        &self,
        resource: &Resource,
        references: &References,
    ) -> Result<Object, ConvertError> {
        Ok(self.make(resource, references, &Nowhere, Stage::Created)?.0)
    }

    /// What turns the object of one resource into the object of another. Expressions are evaluated on both as a whole, so
    /// a change of any attribute that one is made of is a change of what it makes.
    pub fn update(
        &self,
        old: (&Resource, &References),
        new: (&Resource, &References),
        environment: &dyn Environment,
    ) -> Result<Update, ConvertError> {
        let (object, ignored) = self.make(new.0, new.1, environment, Stage::Change)?;
        let (mut before, _) = self.make(old.0, old.1, environment, Stage::Before)?;
        // `IgnoreFlowIfNullOrEmpty`: left alone is neither set nor cleared.
        for name in ignored {
            before.set(name, Vec::new());
        }
        let edits = self.edits(&before, &object);
        Ok(Update { object, edits })
    }

    /// Has the object what expressions make of the resource? Nothing of that is laid over a resource, so only this says
    /// whether a change has reached the target. What cannot be said again is taken for right.
    pub fn is_made(&self, resource: &Resource, references: &References, object: &Object) -> bool {
        let environment = &self.surroundings(&Nowhere);
        let lasting = self.expressed.iter().filter(|made| {
            made.rule.apply == Apply::Always
                && made.attribute.is_readable()
                && !made.expression.is_volatile()
        });
        lasting.into_iter().all(|made| {
            match made.read(&self.resource_type, resource, references, environment) {
                Ok(Some(values)) => same_values(&values, object.get(&made.attribute.name)),
                Ok(None) | Err(_) => true,
            }
        })
    }

    /// The object, and the attributes that an expression wants left alone.
    pub(crate) fn make(
        &self,
        resource: &Resource,
        references: &References,
        environment: &dyn Environment,
        stage: Stage,
    ) -> Result<(Object, Vec<String>), ConvertError> {
        let environment = &self.surroundings(environment);
        let mut object: Object = self.constants.iter().cloned().collect();
        let mut ignored = Vec::new();
        let put = |object: &mut Object, attribute: &KindAttribute, rule: &Rule, values| {
            let values: Vec<ObjectValue> = values;
            let values = if values.is_empty() && stage.is_new() {
                rule.default.clone()
            } else {
                values
            };
            object.set(attribute.name.clone(), values);
        };
        for flow in &self.flows {
            if flow.attribute.is_writable() && stage.flows(&flow.rule) {
                let values = flow.read(resource, references)?;
                put(&mut object, &flow.attribute, &flow.rule, values);
            }
        }
        for made in &self.expressed {
            if !stage.flows(&made.rule) {
                continue;
            }
            if stage == Stage::Created && made.expression.is_volatile() {
                continue;
            }
            match made.read(&self.resource_type, resource, references, environment) {
                Ok(Some(values)) => put(&mut object, &made.attribute, &made.rule, values),
                Ok(None) => ignored.push(made.attribute.name.clone()),
                Err(_) if stage.forgives() => {}
                Err(error) => return Err(error),
            }
        }
        Ok((object, ignored))
    }

    pub(crate) fn surroundings<'e>(&'e self, inner: &'e dyn Environment) -> WithDomain<'e> {
        WithDomain {
            inner,
            domain: self.default_domain.as_deref(),
        }
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
        for made in &self.expressed {
            let attribute = &made.attribute;
            if attribute.required && object.get(&attribute.name).is_empty() {
                return Err(ConvertError::Missing {
                    path: made.expression.to_string(),
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
        for made in &self.expressed {
            made.collect_ids(&self.resource_type, resource, &mut found);
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

/// The caller's environment, and the domain that the operator's file names.
pub(crate) struct WithDomain<'e> {
    inner: &'e dyn Environment,
    domain: Option<&'e str>,
}

impl Environment for WithDomain<'_> {
    fn now(&self) -> Option<Timestamp> {
        self.inner.now()
    }
    fn random(&self, attribute: &str, number: u64) -> Option<u64> {
        self.inner.random(attribute, number)
    }
    fn is_free(&self, attribute: &str, value: &str) -> Option<bool> {
        self.inner.is_free(attribute, value)
    }
    fn default_domain(&self) -> Option<&str> {
        self.domain.or_else(|| self.inner.default_domain())
    }
}
