//! What the JSON Schema of the settings cannot say: whether templates are sound, and names refer to something.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tombolo_sdk::{Failure, Result};

use super::{Call, Kind, Paging, Settings};
use crate::template;

impl Settings {
    /// Refuses what cannot work, and says where it stands.
    pub(super) fn verify(&self) -> Result<()> {
        let wrong =
            |place: &str, why: &str| Err(Failure::invalid(format!("[settings]: {place}: {why}")));
        check_call("check", &self.check, &BTreeSet::new())?;
        if self.kinds.iter().filter(|k| k.members.is_some()).count() > 1 {
            return wrong("kinds", "only one kind may have `members`");
        }
        for kind in &self.kinds {
            let names: BTreeSet<&str> = kind.attributes.iter().map(|a| a.name.as_str()).collect();
            for (place, call) in kind.calls() {
                check_call(&format!("kinds.{}.{place}", kind.kind), call, &names)?;
            }
            let pointers = kind
                .find
                .iter()
                .map(|find| ("find", &find.attribute))
                .chain(
                    kind.changes
                        .iter()
                        .map(|change| ("changes", &change.attribute)),
                );
            for (place, name) in pointers {
                if !names.contains(name.as_str()) {
                    let place = format!("kinds.{}.{place}", kind.kind);
                    return wrong(&place, &format!("there is no attribute `{name}`"));
                }
            }
            let looked_up = kind
                .create
                .as_ref()
                .is_some_and(|c| c.id.is_none() && !c.location);
            if looked_up && !kind.find.iter().any(|f| kind.is_unique(&f.attribute)) {
                let place = format!("kinds.{}.create", kind.kind);
                return wrong(
                    &place,
                    "say where the new object's key is (`id` or `location = true`), or how it is found by a unique attribute (`find`)",
                );
            }
            for listing in kind.list.as_slice() {
                if matches!(listing.paging, Paging::Cursor | Paging::Next) && listing.next.is_none()
                {
                    let place = format!("kinds.{}.list", kind.kind);
                    return wrong(&place, "this `paging` needs `next`, a path in the answer");
                }
            }
        }
        Ok(())
    }
}

impl Kind {
    /// All its requests, and what they are called in messages.
    fn calls(&self) -> Vec<(&'static str, &Call)> {
        let mut calls = vec![("get", &self.get.call)];
        calls.extend(self.list.as_slice().iter().map(|l| ("list", &l.call)));
        calls.extend(self.find.iter().map(|f| ("find", &f.listing.call)));
        calls.extend(self.create.iter().map(|c| ("create", &c.call)));
        calls.extend(
            self.create
                .iter()
                .flat_map(|c| &c.then)
                .map(|s| ("create.then", &s.call)),
        );
        calls.extend(self.update.iter().map(|u| ("update", &u.call)));
        calls.extend(self.changes.iter().map(|c| ("changes", &c.call)));
        calls.extend(self.delete.iter().map(|d| ("delete", d)));
        if let Some(members) = &self.members {
            calls.push(("members.list", &members.list.call));
            calls.extend(members.add.iter().map(|a| ("members.add", &a.call)));
            calls.extend(members.remove.iter().map(|r| ("members.remove", &r.call)));
            calls.extend(members.replace.iter().map(|r| ("members.replace", r)));
        }
        calls
    }
}

fn check_call(place: &str, call: &Call, attributes: &BTreeSet<&str>) -> Result<()> {
    const KNOWN: &[&str] = &[
        "attributes",
        "cursor",
        "id",
        "limit",
        "member",
        "members",
        "offset",
        "page",
        "request",
        "value",
        "version",
        // The template language's own.
        "debug",
        "dict",
        "loop",
        "namespace",
        "range",
    ];
    let bodies = [call.body.is_some(), call.xml.is_some(), call.form.is_some()];
    if bodies.iter().filter(|given| **given).count() > 1 {
        return Err(Failure::invalid(format!(
            "[settings]: {place}: only one of `body`, `xml` and `form` can be the body"
        )));
    }
    let mut templates = vec![("path", call.path.as_str())];
    templates.extend(call.query.values().map(|t| ("query", t.as_str())));
    templates.extend(call.headers.values().map(|t| ("headers", t.as_str())));
    templates.extend(
        call.form
            .iter()
            .flat_map(BTreeMap::values)
            .map(|t| ("form", t.as_str())),
    );
    templates.extend(call.xml.iter().map(|t| ("xml", t.as_str())));
    if let Some(body) = &call.body {
        leaves(body, &mut templates);
    }
    for (part, source) in templates {
        let shown: String = source.chars().take(60).collect();
        let names = template::names(source).map_err(|why| {
            Failure::invalid(format!("[settings]: {place}.{part}: `{shown}`: {why}"))
        })?;
        let unknown = names
            .iter()
            .find(|name| !KNOWN.contains(&name.as_str()) && !attributes.contains(name.as_str()));
        if let Some(name) = unknown {
            return Err(Failure::invalid(format!(
                "[settings]: {place}.{part}: `{shown}`: there is no attribute `{name}`"
            )));
        }
    }
    Ok(())
}

fn leaves<'v>(body: &'v Value, into: &mut Vec<(&'static str, &'v str)>) {
    match body {
        Value::String(text) => into.push(("body", text)),
        Value::Array(list) => list.iter().for_each(|item| leaves(item, into)),
        Value::Object(members) => members.values().for_each(|member| leaves(member, into)),
        _ => {}
    }
}
