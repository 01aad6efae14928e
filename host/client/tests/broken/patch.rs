//! PATCH of one resource, in both dialects.

use serde_json::{Value, json};

use super::defect::Defect;
use super::tree::{Path, remove};

/// Why a PATCH is refused: status, scimType, detail.
pub(crate) type Refusal = (u16, &'static str, String);

/// Applies the operations to a copy; with [`Defect::PatchIsHalfDone`], to the resource itself as far as it goes.
pub(crate) fn apply(
    resource: &mut Value,
    body: &Value,
    ids: &[String],
    defect: Option<Defect>,
) -> Result<(), Refusal> {
    let mut copy = resource.clone();
    let operations = body["Operations"].as_array().cloned().unwrap_or_default();
    for operation in &operations {
        let done = one(&mut copy, operation, ids, defect);
        if defect == Some(Defect::PatchIsHalfDone) {
            *resource = copy.clone();
        }
        done?;
    }
    if defect == Some(Defect::ReplayConflicts) && copy == *resource {
        return Err((409, "uniqueness", "nothing to do".to_owned()));
    }
    *resource = copy;
    Ok(())
}

fn one(
    resource: &mut Value,
    operation: &Value,
    ids: &[String],
    defect: Option<Defect>,
) -> Result<(), Refusal> {
    let said = operation["op"].as_str().unwrap_or_default();
    let op = if defect == Some(Defect::OpsAreCaseSensitive) {
        said.to_owned()
    } else {
        said.to_lowercase()
    };
    if !["add", "replace", "remove"].contains(&op.as_str()) {
        return Err((
            400,
            "invalidSyntax",
            format!("there is no operation `{said}`"),
        ));
    }
    let value = &operation["value"];
    let Some(path) = operation["path"].as_str() else {
        for (key, value) in value.as_object().into_iter().flatten() {
            if defect == Some(Defect::FlatKeysAreLiteral) {
                resource[key] = value.clone();
            } else if let (Value::Object(parts), "name") = (value, key.as_str()) {
                for (part, value) in parts {
                    set(resource, &op, &format!("name.{part}"), value, ids, defect)?;
                }
            } else {
                set(resource, &op, key, value, ids, defect)?;
            }
        }
        return Ok(());
    };
    set(resource, &op, path, value, ids, defect)
}

fn set(
    resource: &mut Value,
    op: &str,
    path: &str,
    value: &Value,
    ids: &[String],
    defect: Option<Defect>,
) -> Result<(), Refusal> {
    let Some(parsed) = Path::parse(path) else {
        return Ok(());
    };
    if parsed.name == "id" {
        return Err((400, "mutability", "`id` cannot be changed".to_owned()));
    }
    if parsed.name == "members" {
        return members(resource, op, &parsed, value, ids, defect);
    }
    if defect == Some(Defect::RenameDropsMembers) && parsed.name == "displayName" {
        remove(resource, "members");
    }
    let clears = op == "remove"
        || (value == "" && defect != Some(Defect::EmptyClearsNothing))
        || (value.is_null() && defect != Some(Defect::NullClearsNothing));
    if clears && parsed.name == "displayName" && defect == Some(Defect::KeepsDisplayName) {
        return Ok(());
    }
    if clears {
        parsed.write(resource, None, false);
        return Ok(());
    }
    if value == "" || value.is_null() {
        return Ok(());
    }
    let absent = parsed.select.is_some() && parsed.element().read(resource).is_none();
    if absent && defect == Some(Defect::ValuePathsCreateNothing) {
        return Err((400, "noTarget", format!("nothing is at `{path}`")));
    }
    let value = canonical(&parsed, value, ids, defect)?;
    let apart = defect == Some(Defect::ValuePathsCreateElementsApart);
    parsed.write(resource, Some(value), apart);
    Ok(())
}

/// A value as the server keeps it.
pub(crate) fn canonical(
    path: &Path,
    value: &Value,
    ids: &[String],
    defect: Option<Defect>,
) -> Result<Value, Refusal> {
    match (path.name.as_str(), value) {
        ("active", Value::String(text)) if defect != Some(Defect::TextBooleansAreEchoed) => {
            Ok(json!(text.eq_ignore_ascii_case("true")))
        }
        ("manager", value) => {
            let id = match value {
                Value::String(_) if defect == Some(Defect::BareManagerIsRefused) => None,
                Value::String(id) => Some(id.as_str()),
                Value::Array(list) => list.first().and_then(|one| one["value"].as_str()),
                other => other["value"].as_str(),
            };
            let id = id.ok_or((400, "invalidValue", "a manager is an object".to_owned()))?;
            if !ids.iter().any(|known| known == id) {
                return Err((400, "invalidValue", format!("there is no user {id}")));
            }
            Ok(if defect == Some(Defect::ManagerIsAText) {
                json!(id)
            } else {
                json!({ "value": id })
            })
        }
        (_, Value::String(text))
            if defect == Some(Defect::ValuesAreNormalised) && path.name != "userName" =>
        {
            Ok(json!(text.to_uppercase()))
        }
        (_, value) => Ok(value.clone()),
    }
}

fn members(
    group: &mut Value,
    op: &str,
    path: &Path,
    value: &Value,
    ids: &[String],
    defect: Option<Defect>,
) -> Result<(), Refusal> {
    let mut held: Vec<String> = listed(&group["members"]);
    let named = match (&path.select, value) {
        (Some((_, id)), _) => id.as_str().map(str::to_owned).into_iter().collect(),
        (None, value) => listed(value),
    };
    match op {
        "remove" if named.is_empty() || defect == Some(Defect::RemoveWipesTheGroup) => held.clear(),
        "remove" => held.retain(|id| !named.contains(id)),
        _ => {
            if let Some(unknown) = named.iter().find(|id| !ids.contains(id)) {
                return Err((400, "invalidValue", format!("there is no user {unknown}")));
            }
            if op == "replace" {
                held.clear();
            }
            held.extend(named);
            held.sort_unstable();
            held.dedup();
        }
    }
    group["members"] = held.iter().map(|id| json!({ "value": id })).collect();
    Ok(())
}

pub(crate) fn listed(value: &Value) -> Vec<String> {
    match value {
        Value::String(id) => vec![id.clone()],
        Value::Array(list) => list.iter().flat_map(listed).collect(),
        Value::Object(one) => one.get("value").map(listed).unwrap_or_default(),
        _ => Vec::new(),
    }
}
