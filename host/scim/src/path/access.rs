//! Reading, setting and removing along a path.
//!
//! Writing through a value path that matches no element makes one from the filter's equalities. The RFC, and so strict
//! mode, answers noTarget; Entra sends `replace emails[type eq "work"].value` to a user without an e-mail and expects it to be there
//! afterwards.

use serde_json::{Map, Value};

use super::Path;
use super::identity::Identities;
use super::tree::{array_in, container, keep_primary, merge, object_in, overlay, says};
use crate::filter::{Filter, Literal, matches_element};
use crate::resource::normalise::{Normaliser, is_empty, only_discriminators};
use crate::schema::{Resolved, Type};
use crate::{Deviation, Error, Resource, ResourceType, Rules};

/// Every value at the path: of a multi-valued attribute each one by itself.
pub fn get(ty: &ResourceType, resource: &Resource, path: &Path) -> Vec<Value> {
    let Some(target) = resolve(ty, path) else {
        return Vec::new();
    };
    let container = match target.extension {
        None => Some(resource.as_map()),
        Some(urn) => resource.get(urn).and_then(Value::as_object),
    };
    let elements = match container.and_then(|container| container.get(&target.attribute.name)) {
        None => return Vec::new(),
        Some(Value::Array(items)) => items.as_slice(),
        Some(single) => std::slice::from_ref(single),
    };
    let chosen = elements.iter().filter(|element| {
        path.filter
            .as_ref()
            .is_none_or(|filter| matches_element(filter, target.attribute, element))
    });
    match target.sub {
        Some(sub) => chosen
            .filter_map(|element| element.get(&sub.name))
            .cloned()
            .collect(),
        None => chosen.cloned().collect(),
    }
}

/// Sets the value at the path, making the element that the path describes if there is none. An empty value removes.
/// Mutability is not looked at: the server sets read-only attributes too.
pub fn set(
    ty: &ResourceType,
    resource: &mut Resource,
    path: &Path,
    value: Value,
) -> Result<(), Error> {
    let target = resolve(ty, path).ok_or_else(|| unknown(ty, path))?;
    let selection = Selection {
        target,
        filter: path.filter.as_ref(),
        rules: &Rules::ENTRA,
    };
    selection.write(resource.as_map_mut(), value, Mode::Replace, &mut Vec::new())
}

/// Removes what is at the path, and what becomes empty by that. Was there anything?
pub fn remove(ty: &ResourceType, resource: &mut Resource, path: &Path) -> Result<bool, Error> {
    let target = resolve(ty, path).ok_or_else(|| unknown(ty, path))?;
    Ok(Selection {
        target,
        filter: path.filter.as_ref(),
        rules: &Rules::ENTRA,
    }
    .erase(resource.as_map_mut()))
}

fn unknown(ty: &ResourceType, path: &Path) -> Error {
    Error::invalid_path(format!("{} has no attribute `{path}`", ty.name))
}

/// Where the path leads, with the sub-attribute on whichever side of the filter.
pub(crate) fn resolve<'t>(ty: &'t ResourceType, path: &Path) -> Option<Resolved<'t>> {
    let (extension, attribute) =
        ty.find(path.attribute.urn.as_deref(), &path.attribute.attribute)?;
    let sub = match path.sub() {
        Some(name) => Some(attribute.sub(name)?),
        None => None,
    };
    Some(Resolved {
        extension,
        attribute,
        sub,
    })
}

/// Does a new value join those that are there, or take their place?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Add,
    Replace,
}

/// A resolved path.
pub(crate) struct Selection<'a> {
    pub(crate) target: Resolved<'a>,
    pub(crate) filter: Option<&'a Filter>,
    pub(crate) rules: &'a Rules,
}

impl Selection<'_> {
    /// Writes a value as the client sent it.
    pub(crate) fn write(
        &self,
        map: &mut Map<String, Value>,
        value: Value,
        mode: Mode,
        ignored: &mut Vec<String>,
    ) -> Result<(), Error> {
        let attribute = self.target.attribute;
        let mut normaliser = Normaliser {
            urn: self.target.extension,
            ignored,
            rules: self.rules,
        };
        if attribute.multi_valued {
            if self.filter.is_none() && self.target.sub.is_none() {
                // One more value may come without an array around it (RFC 7644, section 3.5.2.1).
                let value = match value {
                    one @ Value::Object(_) if mode == Mode::Add => Value::Array(vec![one]),
                    other => other,
                };
                let new = normaliser.value(attribute, value)?;
                self.write_all(map, new, mode);
                return Ok(());
            }
            return self.write_elements(map, value, mode, &mut normaliser);
        }
        if let Some(filter) = self.filter
            && !self
                .current(map)
                .is_some_and(|value| matches_element(filter, attribute, value))
        {
            let name = normaliser.name(attribute, None);
            return Err(Error::no_target(format!(
                "`{name}` has one value, and it does not pass `[{filter}]`"
            )));
        }
        if let Some(sub) = self.target.sub {
            let Some(new) = normaliser.sub(attribute, sub, value)? else {
                self.erase(map);
                return Ok(());
            };
            let object = object_in(container(map, self.target.extension), &attribute.name);
            object.insert(sub.name.clone(), new);
        } else if attribute.kind == Type::Complex
            && !matches!(&value, Value::Object(_))
            && is_empty(&value)
        {
            normaliser.check_empty(attribute, None, &value)?;
            self.erase(map);
        } else if attribute.kind == Type::Complex {
            // Sub-attributes that are not mentioned stay (RFC 7644, section 3.5.2.3).
            let object = normaliser.object(attribute, value)?;
            let parts = normaliser.parts(attribute, object)?;
            let container = container(map, self.target.extension);
            merge(object_in(container, &attribute.name), parts);
            self.prune(map);
        } else {
            match normaliser.value(attribute, value)? {
                Some(new) => {
                    container(map, self.target.extension).insert(attribute.name.clone(), new);
                }
                None => {
                    self.erase(map);
                }
            }
        }
        Ok(())
    }

    /// Writes a whole multi-valued attribute; the value is canonical.
    fn write_all(&self, map: &mut Map<String, Value>, new: Option<Value>, mode: Mode) {
        let attribute = self.target.attribute;
        match (new, mode) {
            // Adding nothing adds nothing, but Entra clears with an empty value whatever the operation.
            (None, _) => {
                self.erase(map);
            }
            (Some(new), Mode::Replace) => {
                container(map, self.target.extension).insert(attribute.name.clone(), new);
            }
            (Some(new), Mode::Add) => {
                let elements = array_in(container(map, self.target.extension), &attribute.name);
                let Value::Array(items) = new else { return };
                let mut known = Identities::of(attribute, elements);
                for item in items {
                    let index = if let Some(index) = known.find(attribute, &item) {
                        overlay(&mut elements[index], item);
                        index
                    } else {
                        known.insert(attribute, &item, elements.len());
                        elements.push(item);
                        elements.len() - 1
                    };
                    keep_primary(elements, index);
                }
            }
        }
    }

    /// Writes into the elements that the filter chooses, or into all of them.
    fn write_elements(
        &self,
        map: &mut Map<String, Value>,
        value: Value,
        mode: Mode,
        normaliser: &mut Normaliser<'_>,
    ) -> Result<(), Error> {
        let attribute = self.target.attribute;
        let new = match self.target.sub {
            Some(sub) => normaliser.sub(attribute, sub, value)?.map(|value| {
                let mut object = Map::new();
                object.insert(sub.name.clone(), value);
                Value::Object(object)
            }),
            None => normaliser.single(attribute, None, value)?,
        };
        let Some(new) = new else {
            self.erase(map);
            return Ok(());
        };
        // Made before anything is touched, because a filter that describes no element is an error.
        let missing = match self.current(map) {
            Some(Value::Array(elements)) => !elements.iter().any(|element| self.chooses(element)),
            _ => true,
        };
        if missing && self.filter.is_some() && !self.rules.accepts(Deviation::ValuePathCreates) {
            return Err(self.no_target());
        }
        let seed = self.seed(&new, normaliser);
        let elements_of = |map| array_in(container(map, self.target.extension), &attribute.name);
        if missing {
            let mut element = seed?;
            overlay(&mut element, new);
            let elements = elements_of(map);
            elements.push(element);
            let last = elements.len() - 1;
            keep_primary(elements, last);
            return Ok(());
        }
        let whole = self.target.sub.is_none() && mode == Mode::Replace;
        let elements = elements_of(map);
        for index in 0..elements.len() {
            if !self.chooses(&elements[index]) {
                continue;
            }
            if whole {
                // What chose the element still holds for it, unless the new value says otherwise.
                elements[index] = seed.clone().unwrap_or(Value::Null);
            }
            overlay(&mut elements[index], new.clone());
            keep_primary(elements, index);
        }
        Ok(())
    }

    /// The element that the filter describes.
    fn seed(&self, new: &Value, normaliser: &mut Normaliser<'_>) -> Result<Value, Error> {
        let attribute = self.target.attribute;
        let Some(filter) = self.filter else {
            return Ok(Value::Null);
        };
        let no_target = || self.no_target();
        if attribute.kind != Type::Complex {
            return Ok(Value::Null);
        }
        let mut element = Map::new();
        for (path, literal) in filter.equalities().ok_or_else(no_target)? {
            let sub = attribute.sub(&path.attribute).ok_or_else(no_target)?;
            let literal = match literal {
                Literal::Text(text) => Value::String(text.clone()),
                Literal::Boolean(value) => Value::Bool(*value),
                Literal::Number(number) => Value::Number(number.clone()),
                Literal::Null => continue,
            };
            let Some(value) = normaliser.sub(attribute, sub, literal)? else {
                continue;
            };
            // An element that would not pass the filter that asked for it would be made again every time.
            let contradicted = element.get(&sub.name).is_some_and(|known| *known != value);
            let overwritten = new.get(&sub.name).is_some_and(|new| *new != value);
            if contradicted || overwritten {
                return Err(no_target());
            }
            element.insert(sub.name.clone(), value);
        }
        Ok(Value::Object(element))
    }

    /// The error of a value path that matches nothing, and where nothing is made.
    pub(crate) fn no_target(&self) -> Error {
        let name = self.target.attribute.name.as_str();
        let filter = self.filter.map(ToString::to_string).unwrap_or_default();
        Error::no_target(format!(
            "no element of `{name}` passes `[{filter}]`, and none can be made from it"
        ))
    }

    fn chooses(&self, element: &Value) -> bool {
        self.filter
            .is_none_or(|filter| matches_element(filter, self.target.attribute, element))
    }

    fn current<'m>(&self, map: &'m Map<String, Value>) -> Option<&'m Value> {
        let container = match self.target.extension {
            None => map,
            Some(urn) => map.get(urn)?.as_object()?,
        };
        container.get(&self.target.attribute.name)
    }

    /// Removes what is chosen. Was there anything?
    pub(crate) fn erase(&self, map: &mut Map<String, Value>) -> bool {
        if self.current(map).is_none() {
            return false;
        }
        let name = &self.target.attribute.name;
        let container = container(map, self.target.extension);
        let removed = match (container.get_mut(name), self.target.sub) {
            (None, _) => false,
            (Some(Value::Array(elements)), sub) => {
                let before = elements.len();
                let mut removed = false;
                elements.retain_mut(|element| {
                    if !self.chooses(element) {
                        return true;
                    }
                    let (Some(sub), Value::Object(object)) = (sub, element) else {
                        return false;
                    };
                    if object.shift_remove(&sub.name).is_none() {
                        return true;
                    }
                    removed = true;
                    !only_discriminators(object)
                });
                removed || elements.len() < before
            }
            (Some(value), _) if !self.chooses(value) => false,
            (Some(Value::Object(object)), Some(sub)) => object.shift_remove(&sub.name).is_some(),
            (Some(_), _) => container.shift_remove(name).is_some(),
        };
        self.prune(map);
        removed
    }

    /// Removes only those elements of a multi-valued attribute that the values name.
    pub(crate) fn erase_values(
        &self,
        map: &mut Map<String, Value>,
        values: Value,
        ignored: &mut Vec<String>,
    ) -> Result<(), Error> {
        let attribute = self.target.attribute;
        let mut normaliser = Normaliser {
            urn: self.target.extension,
            ignored,
            rules: self.rules,
        };
        let items = match values {
            Value::Array(items) => items,
            single => vec![single],
        };
        let mut named = Vec::with_capacity(items.len());
        for item in items {
            named.extend(normaliser.single(attribute, None, item)?);
        }
        let (identified, partial): (Vec<Value>, Vec<Value>) = named
            .into_iter()
            .partition(|item| !item.is_object() || item.get("value").is_some());
        let most = self.rules.limits.described_removals;
        if partial.len() > most {
            let name = normaliser.name(attribute, None);
            let detail = format!(
                "more than {most} elements of `{name}` to remove have no value; send fewer"
            );
            return Err(Error::too_large(detail));
        }
        let known = Identities::of(attribute, &identified);
        if let Some(Value::Array(elements)) =
            container(map, self.target.extension).get_mut(&attribute.name)
        {
            elements.retain(|element| {
                known.find(attribute, element).is_none()
                    && !partial.iter().any(|item| says(element, item))
            });
        }
        self.prune(map);
        Ok(())
    }

    /// Drops the attribute and its extension if nothing is left in them.
    fn prune(&self, map: &mut Map<String, Value>) {
        let container = match self.target.extension {
            None => &mut *map,
            Some(urn) => match map.get_mut(urn) {
                Some(Value::Object(object)) => object,
                _ => return,
            },
        };
        let name = &self.target.attribute.name;
        if container.get(name).is_some_and(is_empty) {
            container.shift_remove(name);
        }
        if let Some(urn) = self.target.extension
            && map.get(urn).is_some_and(is_empty)
        {
            map.shift_remove(urn);
        }
    }
}
