//! Creating, changing and deleting objects.
//!
//! What an operation needs several requests for may stop between two of them. A create that stops is taken back where the API can
//! delete; anything else says that its outcome is open, so that the host asks what is true.

use crate::api::{Answer, Api, after_effect};
use crate::list;
use crate::object;
use crate::settings::{Create, Kind, MutabilityName, When};
use crate::template::Scope;
use serde_json::Value as Json;
use tombolo_sdk::{
    Attribute, Attributes as _, Comparison, Edit, EditKind, Entry, Failure, Fault, Node, Query,
    Result, Value,
};

fn no_endpoint(kind: &Kind, what: &str) -> Failure {
    Failure::unsupported(format!("kinds.{} has no `{what}` in [settings]", kind.kind))
}

/// Creates an object.
pub fn create(api: &Api, kind: &Kind, attributes: &[Attribute], request: &str) -> Result<Entry> {
    let create = kind
        .create
        .as_ref()
        .ok_or_else(|| no_endpoint(kind, "create"))?;
    let mut scope = object::scope(kind, attributes);
    scope.insert("request".to_owned(), request.into());
    let answer = api.call("POST", &create.call, &scope)?;
    // It is there now, whatever comes next.
    let anchor = key(api, kind, create, &answer, attributes).map_err(after_effect)?;
    scope.insert("id".to_owned(), anchor.clone().into());
    if let Err(failure) = finish(api, kind, create, attributes, &scope) {
        return Err(taken_back(api, kind, &anchor, &scope, failure));
    }
    list::get(api, kind, &anchor)
        .map(|(entry, _)| entry)
        .map_err(after_effect)
}

/// The key of what was created: in the answer, in its address, or asked for by a unique attribute.
fn key(
    api: &Api,
    kind: &Kind,
    create: &Create,
    answer: &Answer,
    attributes: &[Attribute],
) -> Result<String> {
    if let Some(path) = &create.id
        && let Some(id) = path.text(&answer.tree)
    {
        return Ok(id);
    }
    if create.location
        && let Some(location) = answer.header("Location")
    {
        let path = location
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        // `/users/7.json` is the address of 7 in some format.
        let id = last
            .strip_suffix(".json")
            .or_else(|| last.strip_suffix(".xml"))
            .unwrap_or(last);
        if !id.is_empty() {
            return Ok(decoded(id));
        }
    }
    for find in kind
        .find
        .iter()
        .filter(|find| kind.is_unique(&find.attribute))
    {
        let Some(scalar) = attributes.scalar(&find.attribute) else {
            continue;
        };
        let mut cursor = None;
        loop {
            let test = Node::Test((find.attribute.clone(), Comparison::Equal, scalar.clone()));
            let query = Query {
                filter: Some(vec![test]),
                attributes: Vec::new(),
                cursor,
                limit: 100,
            };
            let page = list::search(api, kind, &query)?;
            if let Some(entry) = page.entries.into_iter().next() {
                return Ok(entry.anchor);
            }
            if page.cursor.is_none() {
                break;
            }
            cursor = page.cursor;
        }
    }
    Err(Failure::other(format!(
        "the new {} was created, but the answer has no key where [settings] says, and it is not found",
        kind.kind
    )))
}

/// `%41` and the like, as they stand in a `Location`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail
            .get(..2)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Further requests of a create, and those of attributes with endpoints of their own.
fn finish(
    api: &Api,
    kind: &Kind,
    create: &Create,
    attributes: &[Attribute],
    scope: &Scope,
) -> Result<()> {
    for step in &create.then {
        let needed = step.needs.is_empty()
            || step
                .needs
                .iter()
                .any(|name| !attributes.values(name).is_empty());
        if needed {
            api.call("POST", &step.call, scope)?;
        }
    }
    for attribute in attributes {
        change(api, kind, &attribute.name, &[], &attribute.values, scope)?;
    }
    Ok(())
}

fn taken_back(api: &Api, kind: &Kind, anchor: &str, scope: &Scope, failure: Failure) -> Failure {
    let open = matches!(failure.fault, Fault::Timeout | Fault::Unavailable);
    let gone = !open
        && kind.delete.as_ref().is_some_and(|delete| {
            api.call("DELETE", delete, scope)
                .map_or_else(|f| f.is(Fault::NotFound), |_| true)
        });
    if gone {
        failure
    } else {
        after_effect(failure.within(format!(
            "{} `{anchor}` was created, but not finished",
            kind.kind
        )))
    }
}

/// The requests of one attribute with endpoints of its own. Answers how many there were.
fn change(
    api: &Api,
    kind: &Kind,
    name: &str,
    before: &[Value],
    after: &[Value],
    scope: &Scope,
) -> Result<usize> {
    let Some(attribute) = kind.attribute(name) else {
        return Ok(0);
    };
    let mut made = 0;
    for rule in kind.changes.iter().filter(|rule| rule.attribute == name) {
        let values: Vec<Json> = match rule.on {
            When::Set if attribute.multi => vec![Json::Array(
                after.iter().map(|v| object::given(attribute, v)).collect(),
            )],
            When::Set if after.is_empty() => vec![attribute.empty.clone().unwrap_or(Json::Null)],
            When::Set => after
                .iter()
                .take(1)
                .map(|v| object::given(attribute, v))
                .collect(),
            When::Add => after
                .iter()
                .filter(|v| !before.contains(v))
                .map(|v| object::given(attribute, v))
                .collect(),
            When::Remove => before
                .iter()
                .filter(|v| !after.contains(v))
                .map(|v| object::given(attribute, v))
                .collect(),
        };
        for value in values {
            if rule.value.as_ref().is_some_and(|only| *only != value) {
                continue;
            }
            let mut scope = scope.clone();
            scope.insert("value".to_owned(), value);
            let usual = if rule.on == When::Remove {
                "DELETE"
            } else {
                "POST"
            };
            api.call(usual, &rule.call, &scope).map_err(|failure| {
                if made == 0 {
                    failure
                } else {
                    after_effect(failure)
                }
            })?;
            made += 1;
        }
    }
    Ok(made)
}

/// Changes an object.
pub fn update(
    api: &Api,
    kind: &Kind,
    anchor: &str,
    edits: &[Edit],
    if_version: Option<&str>,
    request: &str,
) -> Result<Entry> {
    let whole = kind
        .update
        .as_ref()
        .is_some_and(|update| update.whole || update.keep);
    let by_value = edits.iter().any(|edit| edit.kind != EditKind::Put)
        || kind
            .changes
            .iter()
            .any(|rule| rule.on != When::Set && edits.iter().any(|e| e.name() == rule.attribute));
    let before = if whole || by_value || if_version.is_some() {
        Some(list::get(api, kind, anchor)?)
    } else {
        None
    };
    if let (Some(wanted), Some((entry, _))) = (if_version, &before)
        && entry.version.as_deref() != Some(wanted)
    {
        return Err(Failure::changed(format!(
            "{} `{anchor}` has changed since it was read",
            kind.kind
        )));
    }
    let mut after = before
        .as_ref()
        .map_or_else(|| Entry::new(anchor), |(entry, _)| entry.clone());
    after.apply(edits);
    let mut touched: Vec<&str> = Vec::new();
    for edit in edits {
        let same = before.as_ref().is_some_and(|(entry, _)| {
            let readable = kind
                .attribute(edit.name())
                .is_some_and(|a| a.mutability != MutabilityName::WriteOnly);
            readable && entry.values(edit.name()) == after.values(edit.name())
        });
        if !same && !touched.contains(&edit.name()) {
            touched.push(edit.name());
        }
    }
    let mut done = 0;
    let outcome = apply(
        api,
        kind,
        anchor,
        &touched,
        before.as_ref(),
        &after,
        request,
        &mut done,
    );
    outcome.map_err(|failure| {
        if done == 0 {
            failure
        } else {
            after_effect(failure)
        }
    })?;
    let read = list::get(api, kind, anchor).map(|(entry, _)| entry);
    read.map_err(|failure| {
        if done == 0 {
            failure
        } else {
            after_effect(failure)
        }
    })
}

#[allow(clippy::too_many_arguments)] // the two states of an object, and what leads from one to the other
fn apply(
    api: &Api,
    kind: &Kind,
    anchor: &str,
    touched: &[&str],
    before: Option<&(Entry, Json)>,
    after: &Entry,
    request: &str,
    done: &mut usize,
) -> Result<()> {
    let (own, rest): (Vec<&str>, Vec<&str>) = touched
        .iter()
        .partition(|name| kind.changes.iter().any(|rule| rule.attribute == **name));
    // A cleared attribute is one without values, not one that is not spoken of.
    let said = |name: &str| Attribute {
        name: name.to_owned(),
        values: after.values(name).to_vec(),
    };
    let update = kind.update.as_ref();
    let spoken: Vec<Attribute> = match update {
        Some(update) if update.whole => kind.attributes.iter().map(|a| said(&a.name)).collect(),
        _ => touched.iter().map(|name| said(name)).collect(),
    };
    let mut scope = object::scope(kind, &spoken);
    scope.insert("id".to_owned(), anchor.into());
    scope.insert("request".to_owned(), request.into());
    if let Some(version) = before.and_then(|(entry, _)| entry.version.clone()) {
        scope.insert("version".to_owned(), version.into());
    }
    if !rest.is_empty() {
        let update = update.ok_or_else(|| no_endpoint(kind, "update").attribute(rest[0]))?;
        let mut call = update.call.clone();
        if let (true, Some(body), Some((_, raw))) = (update.keep, &call.body, before) {
            let mut kept = crate::template::structure(body, &scope)?.unwrap_or(Json::Null);
            lay_under(&mut kept, raw, &kind.get.object_names());
            // What is kept is the API's own text, no template.
            call.body = None;
            api.call_with("PUT", &call, &scope, &kept)?;
        } else {
            api.call("PUT", &call, &scope)?;
        }
        *done += 1;
    }
    for name in own {
        let old = before.map_or(&[][..], |(entry, _)| entry.values(name));
        *done += change(api, kind, name, old, after.values(name), &scope)?;
    }
    Ok(())
}

/// Puts what `raw` has and the body has not into the body, at the place where the body speaks of the object.
fn lay_under(body: &mut Json, raw: &Json, place: &[String]) {
    let target = match place.split_first() {
        Some((first, deeper)) if body.get(first).is_some() => {
            if let Some(inner) = body.get_mut(first) {
                lay_under(inner, raw, deeper);
            }
            return;
        }
        _ => body,
    };
    if let (Json::Object(target), Json::Object(raw)) = (target, raw) {
        for (name, value) in raw {
            match target.get_mut(name) {
                Some(there) => lay_under(there, value, &[]),
                None => {
                    target.insert(name.clone(), value.clone());
                }
            }
        }
    }
}

/// Deletes an object.
pub fn delete(api: &Api, kind: &Kind, anchor: &str, request: &str) -> Result<()> {
    let delete = kind
        .delete
        .as_ref()
        .ok_or_else(|| no_endpoint(kind, "delete"))?;
    let scope = Scope::from_iter([
        ("id".to_owned(), Json::from(anchor)),
        ("request".to_owned(), request.into()),
    ]);
    api.call("DELETE", delete, &scope).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_api_showed_is_said_again() {
        let mut body =
            json!({"user": {"title": "Lead", "address": {"city": "Bonn"}, "mail": null}});
        let raw = json!({"id": 7, "title": "Clerk", "mail": "a@x", "address": {"city": "Kiel", "zip": "1"}, "x": [1]});
        lay_under(&mut body, &raw, &["user".to_owned()]);
        assert_eq!(
            body,
            json!({"user": {"title": "Lead", "address": {"city": "Bonn", "zip": "1"}, "mail": null, "id": 7, "x": [1]}})
        );
    }

    #[test]
    fn an_address_is_decoded() {
        assert_eq!(decoded("a%20b%2Fc%"), "a b/c%");
    }
}
