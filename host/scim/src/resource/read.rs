//! POST and PUT bodies, in every dialect.
//!
//! | accepted beyond the RFC, but in strict mode | because |
//! |---|---|
//! | no `schemas`, unknown URNs in it | Entra adds an ADSCIM URN to groups and leaves out custom extensions |
//! | `…:enterprise:2.0User` | Entra's documented example |
//! | flattened keys (`name.givenName`, `urn:…:User:department`) | Entra's compliant dialect |
//! | unknown attributes, dropped and reported | Entra sends undeclared extensions |
//!
//! `id`, `meta`, `groups` and other read-only attributes are passed over (RFC 7644, section 3.3).

use serde_json::{Map, Value};

use super::editor::{Editor, Source, check_immutable, check_required, in_scope};
use super::{Document, Member, Resource};
use crate::patch::MemberEdit;
use crate::path::Mode;
use crate::schema::{Mutability, Type};
use crate::{Deviation, Error, ResourceType, Rules};

/// Reads a POST or PUT body in Entra's dialect.
pub fn read(ty: &ResourceType, body: &[u8]) -> Result<Document, Error> {
    read_with(&Rules::ENTRA, ty, body)
}

/// Reads a POST or PUT body.
pub fn read_with(rules: &Rules, ty: &ResourceType, body: &[u8]) -> Result<Document, Error> {
    let body = crate::json::parse_object(body, &rules.limits)?;
    if !rules.accepts(Deviation::UndeclaredSchemas) {
        check_schemas(ty, &body)?;
    }
    let mut editor = Editor::new(ty, Resource::default(), rules, Source::Body);
    let mut seen: Vec<&str> = Vec::with_capacity(body.len().min(64));
    for (key, value) in body {
        let plain = ty.find(None, &key).map(|(_, attribute)| attribute);
        if let Some(attribute) = plain {
            // `userName` and `USERNAME`: which one counts?
            if seen.contains(&attribute.name.as_str()) {
                return Err(Error::invalid_syntax(format!(
                    "`{}` appears twice in the body",
                    attribute.name
                )));
            }
            seen.push(&attribute.name);
        }
        if !value.is_null() {
            editor.put(None, &key, value, Mode::Replace)?;
        }
    }
    check_required(ty, &editor.resource, None, false)?;
    Ok(Document {
        resource: editor.resource,
        members: listed(editor.members),
        ignored: editor.ignored,
    })
}

/// `schemas` names the type's schema and every extension in the body, and nothing else (RFC 7643, section 3).
fn check_schemas(ty: &ResourceType, body: &Map<String, Value>) -> Result<(), Error> {
    let urns = body
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("schemas"))
        .and_then(|(_, value)| value.as_array())
        .filter(|urns| urns.iter().all(Value::is_string))
        .ok_or_else(|| Error::invalid_syntax("`schemas` must be an array of URNs"))?;
    let declared = |urn: &str| {
        urns.iter()
            .filter_map(Value::as_str)
            .any(|declared| declared.eq_ignore_ascii_case(urn))
    };
    let known = || {
        std::iter::once(ty.schema.id.as_str()).chain(
            ty.extensions
                .iter()
                .map(|extension| extension.schema.id.as_str()),
        )
    };
    if let Some(foreign) = urns
        .iter()
        .filter_map(Value::as_str)
        .find(|urn| !known().any(|known| known.eq_ignore_ascii_case(urn)))
    {
        let foreign: String = foreign.chars().take(200).collect();
        return Err(Error::invalid_syntax(format!(
            "`schemas` names `{foreign}`, which is no schema of {}",
            ty.name
        )));
    }
    let used =
        |urn: &str| urn == ty.schema.id || body.keys().any(|key| key.eq_ignore_ascii_case(urn));
    match known().find(|urn| used(urn) && !declared(urn)) {
        Some(urn) => Err(Error::invalid_syntax(format!(
            "`schemas` must name `{urn}`"
        ))),
        None => Ok(()),
    }
}

fn listed(edits: Vec<MemberEdit>) -> Option<Vec<Member>> {
    edits.into_iter().fold(None, |listed, edit| match edit {
        MemberEdit::Replace(members) => Some(members),
        MemberEdit::Clear => Some(Vec::new()),
        MemberEdit::Add(members) => {
            let mut listed = listed.unwrap_or_default();
            listed.extend(members);
            Some(listed)
        }
        MemberEdit::Remove(_) | MemberEdit::RemoveMatching(_) => listed,
    })
}

/// What a PUT leaves: the new document with the read-only attributes that the server has; refused if it changes an
/// immutable one (RFC 7644, section 3.5.1).
pub fn replace(ty: &ResourceType, current: &Resource, new: Resource) -> Result<Resource, Error> {
    let mut after = new;
    for (urn, attribute) in ty.attributes() {
        let Some(old) = in_scope(current, urn).and_then(|map| map.get(&attribute.name)) else {
            continue;
        };
        if attribute.mutability == Mutability::ReadOnly {
            scope_mut(&mut after, urn).insert(attribute.name.clone(), old.clone());
        } else if let (Type::Complex, false, Value::Object(old)) =
            (attribute.kind, attribute.multi_valued, old)
        {
            for sub in attribute
                .sub_attributes
                .iter()
                .filter(|sub| sub.mutability == Mutability::ReadOnly)
            {
                if let (Some(value), Some(Value::Object(object))) = (
                    old.get(&sub.name),
                    scope_mut(&mut after, urn).get_mut(&attribute.name),
                ) {
                    object.insert(sub.name.clone(), value.clone());
                }
            }
        }
    }
    after
        .as_map_mut()
        .retain(|_, value| !value.as_object().is_some_and(Map::is_empty));
    check_immutable(ty, current, &after)?;
    Ok(after)
}

fn scope_mut<'r>(resource: &'r mut Resource, urn: Option<&str>) -> &'r mut Map<String, Value> {
    crate::path::container(resource.as_map_mut(), urn)
}
