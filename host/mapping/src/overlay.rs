//! Laying what the target has over what the host knows.

use serde_json::{Map, Value};
use tombolo_scim::Resource;
use tombolo_scim::schema::Mutability;

use crate::expressed::Expressed;
use crate::expression::Nowhere;
use crate::mapping::{Flow, Mapping};
use crate::object::{Object, ObjectValue};
use crate::overrides::Apply;
use crate::place::Leaf;
use crate::references::References;

impl Mapping {
    /// Puts what the target has over a resource.
    ///
    /// Each mapped readable path gets the object's value, or loses its own when
    /// the object has none. What the host keeps stays: unmapped attributes, and
    /// unmapped parts of elements (`primary`, `type`). A value that means the
    /// same to the target keeps the client's spelling, because a client that
    /// reads another one sees a difference for ever. References that nothing is
    /// known of are left out. Write-only values are taken out, never put in.
    pub fn overlay(&self, base: &mut Resource, object: &Object, references: &References) {
        for flow in &self.flows {
            let values = if flow.is_readable() {
                let values = object.get(&flow.attribute.name);
                // What flowed once is the client's affair from then on.
                let once = flow.rule.apply == Apply::Create;
                if once && flow.read(base, references).is_ok_and(|own| !own.is_empty()) {
                    continue;
                }
                if flow
                    .read(base, references)
                    .is_ok_and(|own| same_values(&own, values))
                {
                    continue;
                }
                values
            } else {
                &[]
            };
            flow.write(base.as_map_mut(), values, references);
        }
        for made in &self.expressed {
            self.overlay_expressed(made, base, object, references);
        }
    }

    /// Turns back what an expression made, unless the resource would make the same again.
    fn overlay_expressed(
        &self,
        made: &Expressed,
        base: &mut Resource,
        object: &Object,
        references: &References,
    ) {
        if made.inverses.is_empty() {
            return;
        }
        let values = object.get(&made.attribute.name);
        let again = made.read(&self.resource_type, base, references, &Nowhere);
        if again.is_ok_and(|own| own.is_some_and(|own| same_values(&own, values))) {
            return;
        }
        for inverse in &made.inverses {
            let flow = &inverse.flow;
            let Some(values) = inverse.values(object, references) else {
                continue;
            };
            if flow
                .read(base, references)
                .is_ok_and(|own| same_values(&own, &values))
            {
                continue;
            }
            flow.write(base.as_map_mut(), &values, references);
        }
    }

    /// Takes out what must never be kept: passwords and their like.
    pub fn strip_write_only(&self, resource: &mut Resource) {
        for flow in self.flows.iter().filter(|flow| !flow.is_readable()) {
            flow.write(resource.as_map_mut(), &[], &References::new());
        }
        // Also when nothing maps it: a password may go another way.
        self.take_password(resource);
    }

    /// Takes out the password that no attribute of the target takes: who calls this knows another way for it.
    pub fn take_password(&self, resource: &mut Resource) -> Option<String> {
        let mut password = None;
        for (extension, attribute) in self.resource_type.attributes() {
            let mapped = || {
                self.flows
                    .iter()
                    .any(|flow| flow.place.is_at(extension, &attribute.name))
            };
            if attribute.mutability != Mutability::WriteOnly || mapped() {
                continue;
            }
            let taken = take(resource, extension, &attribute.name);
            if let Some(Value::String(text)) = taken {
                password = password.or(Some(text));
            }
        }
        password
    }
}

/// Takes an attribute out, and its extension if nothing else is in it.
fn take(resource: &mut Resource, extension: Option<&str>, name: &str) -> Option<Value> {
    let Some(urn) = extension else {
        return resource.take(name);
    };
    let home = resource.as_map_mut().get_mut(urn)?.as_object_mut()?;
    let taken = home.shift_remove(name);
    if home.is_empty() {
        resource.take(urn);
    }
    taken
}

/// The same values, in whatever order: a target's lists are sets.
pub(crate) fn same_values(a: &[ObjectValue], b: &[ObjectValue]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if a == b {
        return true;
    }
    let sorted = |values: &[ObjectValue]| {
        let mut values: Vec<ObjectValue> = values.iter().map(normal).collect();
        values.sort_unstable();
        values
    };
    sorted(a) == sorted(b)
}

/// A complex value with its parts in order.
fn normal(value: &ObjectValue) -> ObjectValue {
    match value {
        ObjectValue::Simple(_) => value.clone(),
        ObjectValue::Complex(parts) => {
            let mut parts = parts.clone();
            for (_, scalars) in &mut parts {
                scalars.sort_unstable();
            }
            parts.sort_unstable();
            ObjectValue::Complex(parts)
        }
    }
}

impl Flow {
    fn write(
        &self,
        resource: &mut Map<String, Value>,
        values: &[ObjectValue],
        references: &References,
    ) {
        let Some(urn) = &self.place.extension else {
            return self.write_in(resource, values, references);
        };
        let mut home = match resource.get_mut(urn).map(Value::take) {
            Some(Value::Object(home)) => home,
            _ => Map::new(),
        };
        self.write_in(&mut home, values, references);
        if home.is_empty() {
            resource.shift_remove(urn);
        } else {
            resource.insert(urn.clone(), Value::Object(home));
        }
    }

    fn write_in(
        &self,
        home: &mut Map<String, Value>,
        values: &[ObjectValue],
        references: &References,
    ) {
        let own = home.get_mut(&self.place.attribute).map(Value::take);
        let new = if self.place.many {
            let elements = match own {
                Some(Value::Array(elements)) => elements,
                Some(Value::Null) | None => Vec::new(),
                Some(single) => vec![single],
            };
            let elements = self.write_elements(elements, values, references);
            (!elements.is_empty()).then_some(Value::Array(elements))
        } else {
            self.write_single(own, values, references)
        };
        match new {
            Some(value) => {
                home.insert(self.place.attribute.clone(), value);
            }
            None => {
                home.shift_remove(&self.place.attribute);
            }
        }
    }

    /// A single-valued attribute: simple, or an object of which we set parts.
    fn write_single(
        &self,
        own: Option<Value>,
        values: &[ObjectValue],
        references: &References,
    ) -> Option<Value> {
        let mut written = values
            .first()
            .map(|value| self.write_holder(value, references))
            .unwrap_or_default();
        if let (Leaf::Sub(name), true) = (&self.place.leaf, self.attribute.multi) {
            let all: Vec<Value> = values
                .iter()
                .filter_map(|value| self.write_holder(value, references).shift_remove(name))
                .collect();
            written.clear();
            if !all.is_empty() {
                written.insert(name.clone(), Value::Array(all));
            }
        }
        if matches!(self.place.leaf, Leaf::Whole) {
            return written.shift_remove("");
        }
        let own = match own {
            Some(Value::Object(own)) => own,
            _ => Map::new(),
        };
        self.refill(own, written).map(Value::Object)
    }

    fn write_elements(
        &self,
        own: Vec<Value>,
        values: &[ObjectValue],
        references: &References,
    ) -> Vec<Value> {
        if self.attribute.multi {
            self.write_many(own, values, references)
        } else {
            self.write_one(own, values.first(), references)
        }
    }

    /// The elements and the object's values are one set.
    fn write_many(
        &self,
        own: Vec<Value>,
        values: &[ObjectValue],
        references: &References,
    ) -> Vec<Value> {
        let wanted: Vec<ObjectValue> = values.iter().map(normal).collect();
        let mut missing = wanted.clone();
        let mut elements = Vec::with_capacity(own.len().max(values.len()));
        for element in own {
            if !self.place.is_mine(&element) {
                elements.push(element);
                continue;
            }
            let found = self
                .read_holder(&element, references)
                .ok()
                .map(|mut found| found.pop());
            match found {
                // It says nothing to the target.
                Some(None) => elements.push(element),
                Some(Some(value)) if wanted.contains(&normal(&value)) => {
                    // Several elements may have one value: it is there for all of them.
                    let value = normal(&value);
                    missing.retain(|other| *other != value);
                    elements.push(element);
                }
                _ => {
                    if let Value::Object(parts) = element
                        && let Some(kept) = self.refill(parts, Map::new())
                    {
                        elements.push(Value::Object(kept));
                    }
                }
            }
        }
        for value in &missing {
            elements.extend(self.fresh(value, references));
        }
        elements
    }

    /// The object's one value belongs to the first of the elements.
    fn write_one(
        &self,
        own: Vec<Value>,
        value: Option<&ObjectValue>,
        references: &References,
    ) -> Vec<Value> {
        let written = value
            .map(|value| self.write_holder(value, references))
            .unwrap_or_default();
        let mine = |element: &Value| self.place.is_mine(element);
        if written.is_empty() {
            let lose = |element: Value| match element {
                Value::Object(parts) if mine(&Value::Object(parts.clone())) => {
                    self.refill(parts, Map::new()).map(Value::Object)
                }
                other => Some(other),
            };
            return own.into_iter().filter_map(lose).collect();
        }
        let holds = |element: &Value| {
            mine(element)
                && self
                    .read_holder(element, references)
                    .map_or(true, |found| !found.is_empty())
        };
        let index = own
            .iter()
            .position(holds)
            .or_else(|| own.iter().position(mine));
        let mut elements = own;
        if let Some(Value::Object(parts)) = index.and_then(|index| elements.get_mut(index)) {
            if let Some(filled) = self.refill(std::mem::take(parts), written) {
                *parts = filled;
            }
        } else {
            elements.extend(value.and_then(|value| self.fresh(value, references)));
        }
        elements
    }

    /// A new element that holds the value.
    fn fresh(&self, value: &ObjectValue, references: &References) -> Option<Value> {
        let mut written = self.write_holder(value, references);
        if written.is_empty() {
            return None;
        }
        if matches!(self.place.leaf, Leaf::Whole) {
            return written.shift_remove("");
        }
        let mut element = self.place.new_element();
        element.extend(written);
        Some(Value::Object(element))
    }

    /// The object with other values where ours stand; none when nothing of
    /// substance is left.
    fn refill(
        &self,
        mut parts: Map<String, Value>,
        written: Map<String, Value>,
    ) -> Option<Map<String, Value>> {
        let lost_value = match &self.place.leaf {
            Leaf::Whole => true,
            Leaf::Sub(name) => {
                parts.shift_remove(name);
                name == "value" && written.is_empty()
            }
            Leaf::Parts(own) => {
                for part in own.iter().filter(|part| part.attribute.is_readable()) {
                    parts.shift_remove(&part.sub);
                }
                false
            }
        };
        if written.is_empty() && (lost_value || self.place.is_hollow(&parts)) {
            return None;
        }
        parts.extend(written);
        // What says where the element belongs is never taken from it.
        for (sub, value) in &self.place.element {
            parts.entry(sub.clone()).or_insert_with(|| value.clone());
        }
        Some(parts)
    }
}
