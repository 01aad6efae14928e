//! `attributes`, `excludedAttributes` and `returned` (RFC 7644, section 3.9; RFC 7643, section 7).

use serde_json::{Map, Value};

use crate::filter::matches_element;
use crate::schema::{Attribute, ResourceType, Returned, same_urn};
use crate::{Deviation, Error, Path, Rules};

/// Which attributes an answer carries. `id` and `schemas` always stay; what is never returned never does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    only: Option<Vec<Path>>,
    without: Vec<Path>,
}

/// What a list of paths says about one attribute.
enum Named<'p> {
    /// Nothing.
    Not,
    /// All of it.
    Whole,
    /// These parts.
    Parts(Vec<&'p Path>),
}

impl Projection {
    /// Reads the two parameters, in Entra's dialect: names separated by commas.
    pub fn parse(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, Error> {
        Self::parse_with(&Rules::ENTRA, attributes, excluded)
    }

    /// Reads the two parameters: names separated by commas.
    pub fn parse_with(
        rules: &Rules,
        attributes: Option<&str>,
        excluded: Option<&str>,
    ) -> Result<Self, Error> {
        let only = paths(rules, attributes.into_iter().flat_map(split))?;
        let without = paths(rules, excluded.into_iter().flat_map(split))?;
        Self::of(rules, only, without)
    }

    /// Takes names that are separate already, as `/.search` sends them.
    pub fn from_names(
        rules: &Rules,
        attributes: &[String],
        excluded: &[String],
    ) -> Result<Self, Error> {
        let only = paths(rules, attributes.iter().map(String::as_str))?;
        let without = paths(rules, excluded.iter().map(String::as_str))?;
        Self::of(rules, only, without)
    }

    /// The two exclude each other (RFC 7644, section 3.9).
    fn of(rules: &Rules, only: Vec<Path>, mut without: Vec<Path>) -> Result<Self, Error> {
        if !only.is_empty() && !without.is_empty() {
            if !rules.accepts(Deviation::BothProjections) {
                return Err(Error::invalid_value(
                    "`attributes` and `excludedAttributes` exclude each other; send one of them",
                ));
            }
            without.clear();
        }
        Ok(Self {
            only: (!only.is_empty()).then_some(only),
            without,
        })
    }

    /// Does the request name no attribute at all?
    pub fn is_default(&self) -> bool {
        self.only.is_none() && self.without.is_empty()
    }

    /// Would the answer carry that top-level attribute, or a part of it? So that members need not be loaded for
    /// nothing.
    pub fn wants(&self, ty: &ResourceType, attribute: &str) -> bool {
        match ty.find(None, attribute) {
            Some((urn, definition)) => self.keeps(ty, urn, definition),
            None => self.only.is_none(),
        }
    }

    fn keeps(&self, ty: &ResourceType, urn: Option<&str>, attribute: &Attribute) -> bool {
        match attribute.returned {
            Returned::Always => true,
            Returned::Never => false,
            Returned::Default | Returned::Request => {
                let asked = match &self.only {
                    Some(only) => !matches!(named(only, ty, urn, &attribute.name), Named::Not),
                    None => attribute.returned == Returned::Default,
                };
                asked && !matches!(named(&self.without, ty, urn, &attribute.name), Named::Whole)
            }
        }
    }

    /// Takes out what the answer must not carry.
    pub fn apply(&self, ty: &ResourceType, rendered: &mut Map<String, Value>) {
        rendered.retain(|name, value| {
            if name == "id" || name == "schemas" {
                return true;
            }
            if name.contains(':')
                && let (Some(extension), Value::Object(object)) = (ty.extension(name), &mut *value)
            {
                let schema = &extension.schema;
                object.retain(|name, value| {
                    schema
                        .attribute(name)
                        .is_none_or(|attribute| self.trim(ty, Some(&schema.id), attribute, value))
                });
                return !object.is_empty();
            }
            match ty.find(None, name) {
                Some((None, attribute)) => self.trim(ty, None, attribute, value),
                // Not in the schema: the server put it there, and nobody can have asked for it.
                _ => self.only.is_none(),
            }
        });
    }

    /// Trims one attribute; does it stay?
    fn trim(
        &self,
        ty: &ResourceType,
        urn: Option<&str>,
        attribute: &Attribute,
        value: &mut Value,
    ) -> bool {
        if !self.keeps(ty, urn, attribute) {
            return false;
        }
        if attribute.sub_attributes.is_empty() {
            return true;
        }
        let wanted = self
            .only
            .as_ref()
            .map_or(Named::Not, |only| named(only, ty, urn, &attribute.name));
        let unwanted = named(&self.without, ty, urn, &attribute.name);
        let plain = attribute
            .sub_attributes
            .iter()
            .all(|sub| matches!(sub.returned, Returned::Default | Returned::Always));
        if plain && matches!(unwanted, Named::Not) && !matches!(wanted, Named::Parts(_)) {
            return true;
        }
        let trim = |element: &mut Value| {
            let keeps = |sub: &Attribute, element: &Value| {
                keeps_part(attribute, sub, element, &wanted, &unwanted)
            };
            let kept: Vec<bool> = match &*element {
                Value::Object(object) => object
                    .keys()
                    .map(|name| attribute.sub(name).is_none_or(|sub| keeps(sub, element)))
                    .collect(),
                _ => return true,
            };
            let Value::Object(object) = element else {
                return true;
            };
            let mut kept = kept.into_iter();
            object.retain(|_, _| kept.next().unwrap_or(true));
            !object.is_empty()
        };
        match value {
            Value::Array(elements) => {
                // An empty list that was asked for stays: it says that there are none.
                let before = elements.len();
                elements.retain_mut(trim);
                before == 0 || !elements.is_empty()
            }
            single => trim(single),
        }
    }
}

/// Does that part of an element stay?
fn keeps_part(
    attribute: &Attribute,
    sub: &Attribute,
    element: &Value,
    wanted: &Named<'_>,
    unwanted: &Named<'_>,
) -> bool {
    let says = |paths: &[&Path]| {
        paths.iter().any(|path| {
            path.sub()
                .is_none_or(|name| name.eq_ignore_ascii_case(&sub.name))
                && path
                    .filter
                    .as_ref()
                    .is_none_or(|filter| matches_element(filter, attribute, element))
        })
    };
    match sub.returned {
        Returned::Always => true,
        Returned::Never => false,
        Returned::Request => matches!(wanted, Named::Parts(parts) if says(parts)),
        Returned::Default => {
            let asked = match wanted {
                Named::Parts(parts) => says(parts),
                Named::Not | Named::Whole => true,
            };
            asked && !matches!(unwanted, Named::Parts(parts) if says(parts))
        }
    }
}

/// What do the paths say about that attribute?
fn named<'p>(paths: &'p [Path], ty: &ResourceType, urn: Option<&str>, name: &str) -> Named<'p> {
    let mut parts = Vec::new();
    for path in paths {
        if whole_schema(path, ty, urn) {
            return Named::Whole;
        }
        if !path.attribute.attribute.eq_ignore_ascii_case(name) || !in_schema(path, ty, urn) {
            continue;
        }
        if path.sub().is_none() && path.filter.is_none() {
            return Named::Whole;
        }
        parts.push(path);
    }
    if parts.is_empty() {
        Named::Not
    } else {
        Named::Parts(parts)
    }
}

fn in_schema(path: &Path, ty: &ResourceType, urn: Option<&str>) -> bool {
    match (path.attribute.urn.as_deref(), urn) {
        (Some(asked), urn) => same_urn(asked, urn.unwrap_or(&ty.schema.id)),
        (None, None) => true,
        // A bare name means the core attribute; an extension's only if the core has none of that name.
        (None, Some(urn)) => ty
            .find(None, &path.attribute.attribute)
            .is_some_and(|(found, _)| found == Some(urn)),
    }
}

/// Is the path the URN of that extension, and so names all of it?
fn whole_schema(path: &Path, ty: &ResourceType, urn: Option<&str>) -> bool {
    let Some(urn) = urn else { return false };
    path.attribute.urn.is_some()
        && path.filter.is_none()
        && ty
            .extension(&path.attribute.to_string())
            .is_some_and(|extension| extension.schema.id == urn)
}

fn paths<'a>(rules: &Rules, names: impl Iterator<Item = &'a str>) -> Result<Vec<Path>, Error> {
    let most = rules.limits.attribute_names;
    let mut paths = Vec::new();
    for name in names.map(str::trim).filter(|name| !name.is_empty()) {
        if paths.len() == most {
            return Err(Error::invalid_value(format!(
                "the request names more than {most} attributes"
            )));
        }
        let path = Path::parse_with(rules, name);
        paths.push(path.map_err(|error| {
            Error::invalid_value(format!(
                "`attributes` or `excludedAttributes` is malformed: {error}"
            ))
        })?);
    }
    Ok(paths)
}

/// At the commas that stand outside of brackets and strings.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    text.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            ',' => return depth == 0 && !quoted,
            _ => {}
        }
        false
    })
}
