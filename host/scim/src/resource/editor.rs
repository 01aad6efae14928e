//! A resource while keys and values of a request are laid into it: what POST, PUT and pathless PATCH share.

use serde_json::{Map, Value};

use super::member::members;
use super::{Member, Resource};
use crate::json::kind;
use crate::patch::MemberEdit;
use crate::path::{AttributePath, Mode, Path, Selection, resolve};
use crate::schema::{Mutability, Resolved, same_urn};
use crate::{Deviation, Error, ResourceType, Rules};

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The body of a POST or PUT.
    Body,
    /// An operation of a PATCH.
    Patch,
}

/// A resource being written, and what was found on the way.
pub(crate) struct Editor<'t> {
    pub(crate) ty: &'t ResourceType,
    pub(crate) resource: Resource,
    pub(crate) members: Vec<MemberEdit>,
    pub(crate) ignored: Vec<String>,
    rules: Rules,
    source: Source,
    flattened: usize,
}

impl<'t> Editor<'t> {
    pub(crate) fn new(
        ty: &'t ResourceType,
        resource: Resource,
        rules: &Rules,
        source: Source,
    ) -> Self {
        Self {
            ty,
            resource,
            members: Vec::new(),
            ignored: Vec::new(),
            rules: *rules,
            source,
            flattened: 0,
        }
    }

    /// Lays one member of a body or of a pathless value into the resource. `urn` is the extension whose object it
    /// stands in.
    ///
    /// Read-only attributes are passed over: clients send back what they were given. A strict PATCH refuses them.
    pub(crate) fn put(
        &mut self,
        urn: Option<&str>,
        key: &str,
        value: Value,
        mode: Mode,
    ) -> Result<(), Error> {
        if !key.contains([':', '.', '[']) {
            let Some((extension, attribute)) = self.ty.find(urn, key) else {
                return self.unknown(urn, key);
            };
            if urn.is_none() && extension.is_some() && !self.accepts(Deviation::BareExtensionName) {
                return self.unknown(urn, key);
            }
            let target = Resolved {
                extension,
                attribute,
                sub: None,
            };
            return self.put_resolved(target, None, value, mode);
        }
        if urn.is_none()
            && let Some(result) = self.put_schema(key, &value, mode)
        {
            return result;
        }
        if !self.accepts(Deviation::FlattenedKeys) {
            return self.unknown(urn, key);
        }
        self.flattened += 1;
        let most = self.rules.limits.flattened_keys;
        if self.flattened > most {
            return Err(Error::too_large(format!(
                "the request has more than {most} flattened keys such as `{}`; send fewer at a time",
                shorten(key)
            )));
        }
        let Ok(mut path) = Path::parse_with(&self.rules, key) else {
            return self.unknown(urn, key);
        };
        if path.attribute.urn.is_none() {
            path.attribute.urn = urn.map(str::to_owned);
        }
        let Some(target) = resolve(self.ty, &path) else {
            return self.unknown(urn, key);
        };
        self.put_resolved(target, Some(&path), value, mode)
    }

    /// A key that is the URN of a schema: an object of that schema's attributes. `None` if it is no schema's.
    fn put_schema(&mut self, key: &str, value: &Value, mode: Mode) -> Option<Result<(), Error>> {
        let ty = self.ty;
        let urn = if same_urn(key, &ty.schema.id) {
            ty.schema.id.as_str()
        } else {
            ty.extension(key)?.schema.id.as_str()
        };
        if !key.eq_ignore_ascii_case(urn) && !self.accepts(Deviation::LooseUrn) {
            return None;
        }
        Some(self.put_object(urn, value, mode))
    }

    fn put_object(&mut self, urn: &str, value: &Value, mode: Mode) -> Result<(), Error> {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    // An extension's object may say again which one it is.
                    let says_which = key.eq_ignore_ascii_case("schemas")
                        && self.ty.find(Some(urn), key).is_none();
                    if !says_which {
                        self.put(Some(urn), key, value.clone(), mode)?;
                    }
                }
                Ok(())
            }
            Value::Null => {
                self.resource.as_map_mut().shift_remove(urn);
                Ok(())
            }
            other => Err(Error::invalid_value(format!(
                "`{urn}` must be an object, but {} came",
                kind(other)
            ))),
        }
    }

    fn put_resolved(
        &mut self,
        target: Resolved<'_>,
        path: Option<&Path>,
        value: Value,
        mode: Mode,
    ) -> Result<(), Error> {
        if is_read_only(&target) {
            let name = target.leaf().name.as_str();
            // `schemas` says what the value is made of, and changes nothing.
            let tolerated = self.source == Source::Body || name == "schemas";
            if tolerated || self.accepts(Deviation::ReadOnlyKeys) {
                return Ok(());
            }
            return Err(read_only(name));
        }
        if target.leaf().name == "$ref" {
            return Ok(());
        }
        if self.is_members(&target) {
            return self.write_members(path, value, mode);
        }
        let selection = Selection {
            target,
            filter: path.and_then(|path| path.filter.as_ref()),
            rules: &self.rules,
        };
        selection.write(self.resource.as_map_mut(), value, mode, &mut self.ignored)
    }

    /// Writes at a PATCH path.
    pub(crate) fn write(&mut self, path: &Path, value: Value, mode: Mode) -> Result<(), Error> {
        if let Some(urn) = self.whole_schema(path) {
            return self.put_object(urn, &value, mode);
        }
        let Some(target) = self.resolve(path) else {
            return self.unknown(None, &path.attribute.to_string());
        };
        check_writable(&target, path)?;
        if self.is_members(&target) {
            return self.write_members(Some(path), value, mode);
        }
        let selection = Selection {
            target,
            filter: path.filter.as_ref(),
            rules: &self.rules,
        };
        selection.write(self.resource.as_map_mut(), value, mode, &mut self.ignored)
    }

    /// Removes at a PATCH path. Removing what is not there succeeds: the client has what it wanted. A strict client is
    /// told when its value path matches nothing.
    pub(crate) fn erase(&mut self, path: &Path, value: Option<Value>) -> Result<(), Error> {
        if let Some(urn) = self.whole_schema(path) {
            self.resource.as_map_mut().shift_remove(urn);
            return Ok(());
        }
        let Some(target) = self.resolve(path) else {
            return self.unknown(None, &path.attribute.to_string());
        };
        check_writable(&target, path)?;
        let value = value.filter(|value| !value.is_null());
        if value.is_some() && !self.accepts(Deviation::RemoveWithValues) {
            return Err(Error::invalid_value(format!(
                "a remove has no `value`; say in the path what goes, as in `{}[value eq \"…\"]`",
                path.attribute
            )));
        }
        if self.is_members(&target) {
            return self.erase_members(path, value);
        }
        let listed = target.attribute.multi_valued && target.sub.is_none() && path.filter.is_none();
        let selection = Selection {
            target,
            filter: path.filter.as_ref(),
            rules: &self.rules,
        };
        match value {
            // With a value array only those go, as Entra means it. Any other value is a stale copy of what goes.
            Some(values) if listed => {
                selection.erase_values(self.resource.as_map_mut(), values, &mut self.ignored)
            }
            _ => {
                let removed = selection.erase(self.resource.as_map_mut());
                if removed
                    || path.filter.is_none()
                    || self.rules.accepts(Deviation::RemoveOfNothing)
                {
                    return Ok(());
                }
                Err(selection.no_target())
            }
        }
    }

    /// Where the path leads.
    fn resolve(&self, path: &Path) -> Option<Resolved<'t>> {
        let target = resolve(self.ty, path)?;
        let canonical = match (&path.attribute.urn, target.extension) {
            (None, Some(_)) => self.accepts(Deviation::BareExtensionName),
            (Some(urn), Some(extension)) => {
                urn.eq_ignore_ascii_case(extension) || self.accepts(Deviation::LooseUrn)
            }
            (_, None) => true,
        };
        canonical.then_some(target)
    }

    fn accepts(&self, deviation: Deviation) -> bool {
        self.rules.accepts(deviation)
    }

    /// The canonical URN, if the path is that of a whole extension.
    fn whole_schema(&self, path: &Path) -> Option<&'t str> {
        if path.attribute.urn.is_none() || path.filter.is_some() {
            return None;
        }
        self.ty
            .extension(&path.to_string())
            .map(|extension| extension.schema.id.as_str())
    }

    fn is_members(&self, target: &Resolved<'_>) -> bool {
        target.extension.is_none() && target.attribute.name == "members" && self.ty.has_members()
    }

    fn write_members(
        &mut self,
        path: Option<&Path>,
        value: Value,
        mode: Mode,
    ) -> Result<(), Error> {
        let new = members(&self.rules, value)?;
        let chosen = path.and_then(|path| path.filter.as_ref());
        let edit = match (chosen, mode) {
            (None, Mode::Add) if new.is_empty() => return Ok(()),
            (None, Mode::Add) => MemberEdit::Add(new),
            (None, Mode::Replace) if new.is_empty() => MemberEdit::Clear,
            (None, Mode::Replace) => MemberEdit::Replace(new),
            (Some(filter), _) => {
                let named: Vec<Member> = ids(filter)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|value| Member { value, kind: None })
                    .collect();
                // `members[value eq "x"]` describes a member; another value takes that one's place.
                if new.is_empty() || new == named {
                    MemberEdit::Add(named)
                } else {
                    if mode == Mode::Replace {
                        self.members.push(removal(filter));
                    }
                    MemberEdit::Add(new)
                }
            }
        };
        self.members.push(edit);
        Ok(())
    }

    fn erase_members(&mut self, path: &Path, value: Option<Value>) -> Result<(), Error> {
        let edit = match (&path.filter, value) {
            (Some(filter), _) => removal(filter),
            (None, None) => MemberEdit::Clear,
            (None, Some(value)) => {
                let gone: Vec<String> = members(&self.rules, value)?
                    .into_iter()
                    .map(|member| member.value)
                    .collect();
                // An empty list names nobody. Reading it as "everybody" would wipe the group.
                if gone.is_empty() {
                    return Ok(());
                }
                MemberEdit::Remove(gone)
            }
        };
        self.members.push(edit);
        Ok(())
    }

    /// What the schema does not have: noted and passed over, or refused.
    fn unknown(&mut self, urn: Option<&str>, key: &str) -> Result<(), Error> {
        let name = match urn {
            Some(urn) => format!("{urn}:{}", shorten(key)),
            None => shorten(key),
        };
        if self.accepts(Deviation::UnknownAttribute) {
            self.ignored.push(name);
            return Ok(());
        }
        let detail = format!(
            "{} has no attribute `{name}`; `/Schemas` lists what there is",
            self.ty.name
        );
        Err(match self.source {
            Source::Body => Error::invalid_syntax(detail),
            Source::Patch => Error::invalid_path(detail),
        })
    }
}

fn check_writable(target: &Resolved<'_>, path: &Path) -> Result<(), Error> {
    if is_read_only(target) {
        return Err(read_only(&path.attribute.to_string()));
    }
    Ok(())
}

fn read_only(name: &str) -> Error {
    Error::mutability(format!(
        "`{name}` is read-only; take it out of the attribute mappings"
    ))
}

fn is_read_only(target: &Resolved<'_>) -> bool {
    target.attribute.mutability == Mutability::ReadOnly
        || target.leaf().mutability == Mutability::ReadOnly
}

/// A key is the client's text; a log line needs no more than this of it.
fn shorten(key: &str) -> String {
    key.chars().take(200).collect()
}

fn removal(filter: &crate::Filter) -> MemberEdit {
    ids(filter).map_or_else(
        || MemberEdit::RemoveMatching(filter.clone()),
        MemberEdit::Remove,
    )
}

/// The ids that a filter names, if it does nothing else: `value eq "a" or value eq "b"`.
fn ids(filter: &crate::Filter) -> Option<Vec<String>> {
    use crate::Filter;
    use crate::filter::{CompareOp, Literal};
    match filter {
        Filter::Or(a, b) => {
            let mut all = ids(a)?;
            all.extend(ids(b)?);
            Some(all)
        }
        Filter::Test(
            AttributePath {
                urn: None,
                attribute,
                sub: None,
            },
            CompareOp::Eq,
            literal,
        ) if attribute.eq_ignore_ascii_case("value") => match literal {
            Literal::Text(id) => Some(vec![id.clone()]),
            Literal::Number(id) => Some(vec![id.to_string()]),
            Literal::Boolean(_) | Literal::Null => None,
        },
        _ => None,
    }
}

/// Is everything there that the type requires? `before` is what was there already: what the target never had cannot
/// be blamed on this request. An attribute that was `removed` is an offence against its mutability (RFC 7644, section
/// 3.5.2.2).
pub(crate) fn check_required(
    ty: &ResourceType,
    after: &Resource,
    before: Option<&Resource>,
    removed: bool,
) -> Result<(), Error> {
    let has = |resource: &Resource, urn: Option<&str>, name: &str| {
        in_scope(resource, urn).is_some_and(|map| map.contains_key(name))
    };
    for (urn, attribute) in ty.attributes() {
        if !attribute.required
            || attribute.mutability == Mutability::ReadOnly
            || attribute.name == "members"
        {
            continue;
        }
        let applies = urn.is_none_or(|urn| {
            after.get(urn).is_some()
                || ty
                    .extension(urn)
                    .is_some_and(|extension| extension.required)
        });
        let missing = applies && !has(after, urn, &attribute.name);
        if missing && before.is_none_or(|before| has(before, urn, &attribute.name)) {
            let name = urn.map_or_else(
                || attribute.name.clone(),
                |urn| format!("{urn}:{}", attribute.name),
            );
            let detail = format!("`{name}` is required and must have a value");
            return Err(if removed {
                Error::mutability(detail)
            } else {
                Error::invalid_value(detail)
            });
        }
    }
    Ok(())
}

/// Does the request leave the immutable attributes as they are? Setting one for the first time is no change.
pub(crate) fn check_immutable(
    ty: &ResourceType,
    before: &Resource,
    after: &Resource,
) -> Result<(), Error> {
    for (urn, attribute) in ty
        .attributes()
        .filter(|(_, attribute)| attribute.mutability == Mutability::Immutable)
    {
        let value = |resource| {
            in_scope(resource, urn).and_then(|map: &Map<String, Value>| map.get(&attribute.name))
        };
        if let Some(old) = value(before)
            && value(after) != Some(old)
        {
            let name = &attribute.name;
            return Err(Error::mutability(format!(
                "`{name}` cannot be changed once it is set"
            )));
        }
    }
    Ok(())
}

pub(crate) fn in_scope<'r>(
    resource: &'r Resource,
    urn: Option<&str>,
) -> Option<&'r Map<String, Value>> {
    match urn {
        None => Some(resource.as_map()),
        Some(urn) => resource.get(urn).and_then(Value::as_object),
    }
}
