//! Who is in a group, and adding and removing.
//!
//! APIs differ in what they say to an addition that says nothing new and to a member that nobody knows. So a refusal is not taken at its
//! word: the group is read, and what it holds decides.

use crate::api::{Api, after_effect};
use crate::list;
use crate::settings::{MemberCall, Members};
use crate::template::Scope;
use serde_json::Value;
use std::collections::BTreeSet;
use tombolo_sdk::{Failure, Fault, MemberPage, Result};

fn scope_of(group: &str, request: &str) -> Scope {
    Scope::from_iter([
        ("id".to_owned(), Value::from(group)),
        ("request".to_owned(), request.into()),
    ])
}

/// One page of a group's members.
pub fn list(api: &Api, group: &str, cursor: Option<&str>, limit: u32) -> Result<MemberPage> {
    let (_, members) = api.settings().group()?;
    let batch = list::batch(api, &[&members.list], &scope_of(group, ""), cursor, limit)?;
    Ok(MemberPage {
        members: keys(members, &batch.items),
        cursor: batch.cursor,
    })
}

fn keys(members: &Members, items: &[Value]) -> Vec<String> {
    items
        .iter()
        .filter_map(|item| members.member.text(item))
        .collect()
}

fn present(api: &Api, members: &Members, group: &str) -> Result<BTreeSet<String>> {
    let items = list::all(api, &members.list, &scope_of(group, ""))?;
    Ok(keys(members, &items).into_iter().collect())
}

/// Adds and removes members.
pub fn change(
    api: &Api,
    group: &str,
    add: &[String],
    remove: &[String],
    request: &str,
) -> Result<()> {
    let (_, members) = api.settings().group()?;
    if members.look_first {
        for member in add {
            known(api, members, member)?;
        }
    }
    if let Some(replace) = &members.replace {
        let mut all = present(api, members, group)?;
        let before = all.clone();
        all.extend(add.iter().cloned());
        all.retain(|member| !remove.contains(member));
        if all == before {
            return Ok(());
        }
        let mut scope = scope_of(group, request);
        scope.insert(
            "members".to_owned(),
            all.into_iter().map(Value::from).collect(),
        );
        return api.call("PUT", replace, &scope).map(drop);
    }
    let mut done = 0;
    for (call, wanted, adding) in [(&members.add, add, true), (&members.remove, remove, false)] {
        if wanted.is_empty() {
            continue;
        }
        let what = if adding { "add" } else { "remove" };
        let call = call.as_ref().ok_or_else(|| {
            Failure::unsupported(format!(
                "the group's `members` in [settings] have no `{what}`"
            ))
        })?;
        for batch in wanted.chunks(call.batch.max(1)) {
            step(api, members, group, call, batch, adding, request).map_err(|failure| {
                if done == 0 {
                    failure
                } else {
                    after_effect(failure)
                }
            })?;
            done += 1;
        }
    }
    Ok(())
}

/// An object to add that nobody knows is the request's fault.
fn known(api: &Api, members: &Members, member: &str) -> Result<()> {
    for kind in &members.of {
        match list::get(api, api.settings().kind(kind)?, member) {
            Ok(_) => return Ok(()),
            Err(failure) if failure.is(Fault::NotFound) => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::invalid(format!("there is no object `{member}` to add")).attribute("members"))
}

fn step(
    api: &Api,
    members: &Members,
    group: &str,
    call: &MemberCall,
    batch: &[String],
    adding: bool,
    request: &str,
) -> Result<()> {
    let ask = |batch: &[String]| {
        let mut scope = scope_of(group, request);
        scope.insert("member".to_owned(), batch.first().cloned().into());
        scope.insert(
            "members".to_owned(),
            batch.iter().cloned().map(Value::from).collect(),
        );
        api.call(if adding { "POST" } else { "DELETE" }, &call.call, &scope)
            .map(drop)
    };
    let Err(failure) = ask(batch) else {
        return Ok(());
    };
    if !matches!(
        failure.fault,
        Fault::Invalid | Fault::AlreadyExists | Fault::NotFound | Fault::Changed
    ) {
        return Err(failure);
    }
    // Also `not-found` when it is the group that is not there.
    let there = present(api, members, group)?;
    let left: Vec<String> = batch
        .iter()
        .filter(|m| there.contains(*m) != adding)
        .cloned()
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    let refused = |failure: Failure| Failure {
        fault: if adding { Fault::Invalid } else { Fault::Other },
        attribute: Some("members".to_owned()),
        ..failure
    };
    if left.len() == batch.len() {
        return Err(refused(failure));
    }
    ask(&left).map_err(|failure| match failure.fault {
        Fault::Invalid | Fault::AlreadyExists | Fault::NotFound => refused(failure),
        _ => failure,
    })
}
