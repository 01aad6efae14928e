//! PATCH (RFC 7644, section 3.5.2) in both of Entra's dialects, at the same time; in strict mode by the RFC's letter. What
//! is accepted beyond it stands in [`dialect`](crate::dialect).
//!
//! Operations are applied in order to a copy; an error in any of them leaves nothing changed.

use std::fmt;

use serde_json::{Map, Value};

use crate::json::{kind, take};
use crate::path::{Mode, Path};
use crate::resource::editor::{check_immutable, check_required};
use crate::resource::{Editor, Source};
use crate::{Deviation, Error, Filter, Member, Resource, ResourceType, Rules};

/// The URN of a PATCH message.
pub(crate) const PATCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A PATCH request.
#[derive(Clone)]
pub struct PatchRequest {
    operations: Vec<Operation>,
    rules: Rules,
}

#[derive(Clone)]
struct Operation {
    op: Op,
    path: Option<Path>,
    value: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Add,
    Remove,
    Replace,
}

/// What a PATCH leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The resource after all operations.
    pub resource: Resource,
    /// What to do with the members, in this order.
    pub members: Vec<MemberEdit>,
    /// Paths that the schema does not know, skipped.
    pub ignored: Vec<String>,
}

/// A change of a group's members. Adding who is there and removing who is not are no errors.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberEdit {
    /// Adds these.
    Add(Vec<Member>),
    /// Removes these ids.
    Remove(Vec<String>),
    /// Removes the members that pass; see [`Filter::matches_member`].
    RemoveMatching(Filter),
    /// These and no others.
    Replace(Vec<Member>),
    /// Nobody.
    Clear,
}

/// Operations and paths only: a value may be a password.
impl fmt::Debug for PatchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self
            .operations
            .iter()
            .map(|operation| match &operation.path {
                Some(path) => format!("{:?} {}", operation.op, path.attribute),
                None => format!("{:?}", operation.op),
            });
        f.write_str("PatchRequest")?;
        f.debug_list().entries(lines).finish()
    }
}

impl PatchRequest {
    /// Reads a PATCH body in Entra's dialect.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        Self::parse_with(&Rules::ENTRA, body)
    }

    /// Reads a PATCH body.
    pub fn parse_with(rules: &Rules, body: &[u8]) -> Result<Self, Error> {
        let mut body = crate::json::parse_object(body, &rules.limits)?;
        check_message(rules, &mut body, PATCH_URN)?;
        let operations = match take(&mut body, "Operations") {
            Some(Value::Array(operations)) => operations,
            Some(single @ Value::Object(_)) if rules.accepts(Deviation::SingleOperation) => {
                vec![single]
            }
            Some(other) => {
                let detail = format!("`Operations` must be an array, but {} came", kind(&other));
                return Err(Error::invalid_syntax(detail));
            }
            None => {
                return Err(Error::invalid_syntax(
                    "a PATCH needs `Operations`, an array of what to do",
                ));
            }
        };
        let most = rules.limits.patch_operations;
        if operations.len() > most {
            let detail = format!(
                "the request has {} operations and may have {most}; send several requests",
                operations.len()
            );
            return Err(Error::too_large(detail));
        }
        let operations = operations
            .into_iter()
            .enumerate()
            .map(|(index, operation)| read_operation(rules, index, operation));
        Ok(Self {
            operations: operations.collect::<Result<_, _>>()?,
            rules: *rules,
        })
    }

    /// Applies every operation, or none.
    pub fn apply(&self, ty: &ResourceType, current: &Resource) -> Result<Patched, Error> {
        let mut editor = Editor::new(ty, current.clone(), &self.rules, Source::Patch);
        for (index, operation) in self.operations.iter().enumerate() {
            apply_one(&self.rules, &mut editor, operation).map_err(|error| at(index, error))?;
        }
        let removes = self
            .operations
            .iter()
            .any(|operation| operation.op == Op::Remove);
        check_required(ty, &editor.resource, Some(current), removes)?;
        check_immutable(ty, current, &editor.resource)?;
        Ok(Patched {
            resource: editor.resource,
            members: editor.members,
            ignored: editor.ignored,
        })
    }
}

/// Takes `schemas` out of a message; a strict one has to name its URN there (RFC 7644, section 3.1).
pub(crate) fn check_message(
    rules: &Rules,
    body: &mut Map<String, Value>,
    urn: &str,
) -> Result<(), Error> {
    let schemas = take(body, "schemas");
    let named = schemas
        .as_ref()
        .and_then(Value::as_array)
        .is_some_and(|urns| {
            urns.iter()
                .filter_map(Value::as_str)
                .any(|named| named.eq_ignore_ascii_case(urn))
        });
    if named || rules.accepts(Deviation::UndeclaredSchemas) {
        return Ok(());
    }
    Err(Error::invalid_syntax(format!(
        "`schemas` must be [\"{urn}\"]"
    )))
}

/// Says which operation an error is about.
fn at(index: usize, mut error: Error) -> Error {
    error.detail = format!("operation {}: {}", index + 1, error.detail);
    error
}

fn read_operation(rules: &Rules, index: usize, operation: Value) -> Result<Operation, Error> {
    let Value::Object(mut operation) = operation else {
        return Err(at(
            index,
            Error::invalid_syntax(format!(
                "it must be an object, but {} came",
                kind(&operation)
            )),
        ));
    };
    let mut op = take(&mut operation, "op");
    if let Some(Value::String(op)) = &mut op
        && rules.accepts(Deviation::OperationCase)
    {
        op.make_ascii_lowercase();
    }
    let op = match op.as_ref().and_then(Value::as_str) {
        Some("add") => Op::Add,
        Some("remove") => Op::Remove,
        Some("replace") => Op::Replace,
        _ => {
            return Err(at(
                index,
                Error::invalid_syntax("`op` must be add, remove or replace"),
            ));
        }
    };
    let path = match take(&mut operation, "path") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(Value::String(text)) => {
            let path = Path::parse_with(rules, &text);
            Some(path.map_err(|error| {
                at(
                    index,
                    Error::invalid_path(format!("the path is malformed: {error}")),
                )
            })?)
        }
        Some(other) => {
            let detail = format!("`path` must be a string, but {} came", kind(&other));
            return Err(at(index, Error::invalid_path(detail)));
        }
    };
    Ok(Operation {
        op,
        path,
        value: take(&mut operation, "value"),
    })
}

fn apply_one(rules: &Rules, editor: &mut Editor<'_>, operation: &Operation) -> Result<(), Error> {
    let mode = match operation.op {
        Op::Add => Mode::Add,
        Op::Replace => Mode::Replace,
        Op::Remove => return remove(rules, editor, operation),
    };
    match (&operation.path, &operation.value) {
        (Some(path), Some(value)) => editor.write(path, value.clone(), mode),
        // Entra's "replace with nothing" clears; the member is left out where a client has no null.
        (Some(path), None)
            if operation.op == Op::Replace && rules.accepts(Deviation::ReplaceWithoutValue) =>
        {
            editor.write(path, Value::Null, mode)
        }
        (Some(_), None) => Err(Error::invalid_value("an add or a replace needs a `value`")),
        (None, Some(Value::Object(object))) => object
            .iter()
            .try_for_each(|(key, value)| editor.put(None, key, value.clone(), mode)),
        (None, other) => {
            let came = other.as_ref().map_or("nothing", kind);
            let detail = format!(
                "without a `path`, `value` must be an object of attributes, but {came} came"
            );
            Err(Error::invalid_value(detail))
        }
    }
}

fn remove(rules: &Rules, editor: &mut Editor<'_>, operation: &Operation) -> Result<(), Error> {
    match (&operation.path, &operation.value) {
        (Some(path), value) => editor.erase(path, value.clone()),
        // Not in the RFC, but unambiguous: `{"op":"remove","value":{"members":[…]}}`.
        (None, Some(Value::Object(object)))
            if !object.is_empty() && rules.accepts(Deviation::RemoveWithoutPath) =>
        {
            remove_keys(editor, object)
        }
        (None, _) => Err(Error::no_target("a remove needs a `path`")),
    }
}

fn remove_keys(editor: &mut Editor<'_>, object: &Map<String, Value>) -> Result<(), Error> {
    for (key, value) in object {
        match Path::parse(key) {
            Ok(path) => editor.erase(&path, Some(value.clone()))?,
            Err(error) => return Err(Error::invalid_path(format!("the key is no path: {error}"))),
        }
    }
    Ok(())
}
