//! Changes of entries: the smallest that make the entry what is asked for, worked out against what it is. The same
//! request again finds nothing left to do.

use tombolo_sdk::host::ldap::{LdapEntry, Modification};
use tombolo_sdk::{Edit, EditKind, Entry, Failure, Result, Scalar};

use crate::attribute::Syntax;
use crate::create::{Values, blame, complete_person, directory_values};
use crate::directory::Change;
use crate::kind::{ACTIVE, DN, Kind, PARENT};
use crate::references::{self, Called};
use crate::settings::Settings;
use crate::{directory, dn, entry};

/// Applies the edits and answers the entry as it is now.
pub fn update(
    settings: &Settings,
    kind: &Kind,
    anchor: &str,
    edits: &[Edit],
    if_version: Option<&str>,
) -> Result<Entry> {
    let current = entry::find(kind, anchor, &kind.to_read(&[]))?;
    if let Some(version) = if_version
        && directory::text(&current, &kind.version) != Some(version)
    {
        return Err(Failure::changed(format!(
            "the {} has been changed in the directory in the meantime",
            kind.name
        )));
    }
    let mut wanted = wanted_values(settings, kind, &current, edits)?;
    let place = place(kind, &current, edits)?;
    if kind.is_person() {
        keep_mandatory(kind, &current, &mut wanted);
    }
    let (dn, renamed) = rename(settings, kind, &current, &wanted, place)?;
    let changes = changes(kind, &current, renamed.as_ref(), &wanted);
    directory::modify(&dn, &changes).map_err(|failure| blame(kind, failure))?;
    entry::by_name(settings, kind, &dn)
}

/// What each attribute that an edit touches should hold.
fn wanted_values(
    settings: &Settings,
    kind: &Kind,
    current: &LdapEntry,
    edits: &[Edit],
) -> Result<Values> {
    let mut wanted = Values::new();
    for edit in edits {
        let name = &edit.attribute.name;
        if let (ACTIVE, Some(rule)) = (name.as_str(), &kind.disable) {
            let active = edit.attribute.scalar().and_then(Scalar::as_boolean) != Some(false);
            let state = if active {
                rule.enabled.as_ref()
            } else {
                Some(&rule.disabled)
            };
            let values = state
                .map(|state| state.as_bytes().to_vec())
                .into_iter()
                .collect();
            wanted.insert(rule.attribute.clone(), values);
            continue;
        }
        if name == PARENT && kind.offers_parent() {
            continue;
        }
        if name == DN && kind.offers_dn() {
            stays(kind, current, edit)?;
            continue;
        }
        let offered = kind.offered(name)?;
        let is_same = |a: &[u8], b: &[u8]| match offered.syntax {
            Syntax::Reference => {
                dn::key(&String::from_utf8_lossy(a)) == dn::key(&String::from_utf8_lossy(b))
            }
            _ => a == b,
        };
        let given = match edit.kind {
            // What is no longer there cannot be looked up, and need not be removed.
            EditKind::Remove => {
                directory_values(settings, offered, &edit.attribute.values).unwrap_or_default()
            }
            EditKind::Put | EditKind::Add => {
                directory_values(settings, offered, &edit.attribute.values)?
            }
        };
        let values = wanted
            .entry(offered.name().to_owned())
            .or_insert_with(|| directory::values(current, name).to_vec());
        match edit.kind {
            EditKind::Put => *values = given,
            EditKind::Add => {
                for value in given {
                    if !values.iter().any(|known| is_same(known, &value)) {
                        values.push(value);
                    }
                }
            }
            EditKind::Remove => {
                values.retain(|known| !given.iter().any(|value| is_same(known, value)));
            }
        }
    }
    Ok(wanted)
}

/// An entry's place is given when it is created. Another spelling of it is no change.
fn stays(kind: &Kind, current: &LdapEntry, edit: &Edit) -> Result<()> {
    let wanted = edit.attribute.scalar().and_then(Scalar::as_text);
    if wanted.is_some_and(|wanted| dn::key(wanted) == dn::key(&current.dn)) {
        return Ok(());
    }
    let what = format!("the {} is at `{}` and is not moved", kind.name, current.dn);
    Err(Failure::invalid(what).attribute(DN))
}

/// Where the entry is to be, if it is to be moved.
fn place<'e>(kind: &Kind, current: &LdapEntry, edits: &'e [Edit]) -> Result<Option<&'e str>> {
    let edits = edits.iter().rev();
    let edit = edits
        .filter(|edit| edit.attribute.name == PARENT && kind.offers_parent())
        .find(|edit| edit.kind != EditKind::Remove);
    let Some(edit) = edit else { return Ok(None) };
    let Some(parent) = edit.attribute.scalar().and_then(Scalar::as_text) else {
        let what = format!("a {} is somewhere: its place cannot be cleared", kind.name);
        return Err(Failure::invalid(what).attribute(PARENT));
    };
    if dn::key(parent) == dn::key(dn::split(&current.dn).1) {
        return Ok(None);
    }
    kind.holds(parent)?;
    Ok(Some(parent))
}

/// A person that loses `cn` or `sn` gets one made of the other names.
fn keep_mandatory(kind: &Kind, current: &LdapEntry, wanted: &mut Values) {
    let cleared: Vec<&str> = ["cn", "sn"]
        .into_iter()
        .filter(|name| wanted.get(*name).is_some_and(Vec::is_empty))
        .collect();
    if cleared.is_empty() {
        return;
    }
    let user_name = kind.offered[0].name();
    let mut whole: Values = ["cn", "sn", "givenName", user_name]
        .into_iter()
        .map(|name| {
            let values = wanted
                .get(name)
                .cloned()
                .unwrap_or_else(|| directory::values(current, name).to_vec());
            (name.to_owned(), values)
        })
        .collect();
    complete_person(&mut whole, user_name);
    for name in cleared {
        if let Some(values) = whole.remove(name) {
            wanted.insert(name.to_owned(), values);
        }
    }
}

/// An RDN's attributes and values, before and after.
struct Renamed {
    old: dn::Rdn,
    new: dn::Rdn,
}

/// Renames the entry if a value in its name is to change, or moves it, and mends what refers to it. The old value goes with the
/// old name.
fn rename(
    settings: &Settings,
    kind: &Kind,
    current: &LdapEntry,
    wanted: &Values,
    place: Option<&str>,
) -> Result<(String, Option<Renamed>)> {
    let Some(old) = dn::parse_rdn(dn::split(&current.dn).0) else {
        return Ok((current.dn.clone(), None));
    };
    let mut new = old.clone();
    for part in &mut new {
        let Some((name, values)) = wanted
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&part.attribute))
        else {
            continue;
        };
        if values.contains(&part.value) {
            continue;
        }
        let value = values.first().ok_or_else(|| {
            Failure::invalid(format!(
                "`{name}` names the {} and cannot be cleared",
                kind.name
            ))
            .attribute(name)
        })?;
        part.value.clone_from(value);
    }
    if new == old && place.is_none() {
        return Ok((current.dn.clone(), None));
    }
    let dn = directory::rename(&current.dn, &dn::rdn_text(&new), place)
        .map_err(|failure| blame(kind, failure))?;
    let user_name = kind.offered[0].name();
    let called = |dn: &str, rdn: &dn::Rdn| Called {
        dn: dn.to_owned(),
        user_name: (kind.name == "user")
            .then(|| {
                rdn.iter()
                    .find(|part| part.attribute.eq_ignore_ascii_case(user_name))
            })
            .flatten()
            .and_then(|part| String::from_utf8(part.value.clone()).ok()),
    };
    references::mend(
        settings,
        &called(&current.dn, &old),
        Some(&called(&dn, &new)),
    )?;
    Ok((dn, Some(Renamed { old, new })))
}

/// The modifications that are left when the name is right.
fn changes(
    kind: &Kind,
    current: &LdapEntry,
    renamed: Option<&Renamed>,
    wanted: &Values,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, values) in wanted {
        let mut known = directory::values(current, name).to_vec();
        if let Some(Renamed { old, new }) = renamed {
            let of = |rdn: &dn::Rdn| {
                rdn.iter()
                    .find(|part| part.attribute.eq_ignore_ascii_case(name))
                    .cloned()
            };
            if let (Some(old), Some(new)) = (of(old), of(new)) {
                known.retain(|value| *value != old.value && *value != new.value);
                known.push(new.value);
            }
        }
        let binary = kind
            .offered(name)
            .is_ok_and(|offered| offered.syntax == Syntax::Binary);
        changes.extend(difference(name, &known, values, binary));
    }
    changes
}

fn difference(name: &str, known: &[Vec<u8>], wanted: &[Vec<u8>], binary: bool) -> Vec<Change> {
    let only = |some: &[Vec<u8>], others: &[Vec<u8>]| -> Vec<Vec<u8>> {
        some.iter()
            .filter(|value| !others.contains(value))
            .cloned()
            .collect()
    };
    let (gone, new) = (only(known, wanted), only(wanted, known));
    let change = |kind, values| (kind, name.to_owned(), values);
    match (gone.is_empty(), new.is_empty()) {
        (true, true) => Vec::new(),
        _ if wanted.is_empty() => vec![change(Modification::Delete, Vec::new())],
        // Bytes have no matching rule by which one value could be deleted.
        _ if binary || wanted.len() == 1 || known.len() <= 1 => {
            vec![change(Modification::Replace, wanted.to_vec())]
        }
        (true, false) => vec![change(Modification::Add, new)],
        (false, true) => vec![change(Modification::Delete, gone)],
        (false, false) => vec![
            change(Modification::Delete, gone),
            change(Modification::Add, new),
        ],
    }
}

/// Deletes the entry, and first what refers to it.
pub fn delete(settings: &Settings, kind: &Kind, anchor: &str) -> Result<()> {
    let user_name = kind.offered[0].name().to_owned();
    let current = entry::find(kind, anchor, std::slice::from_ref(&user_name))?;
    let user_name = (kind.name == "user")
        .then(|| directory::text(&current, &user_name).map(str::to_owned))
        .flatten();
    references::mend(
        settings,
        &Called {
            dn: current.dn.clone(),
            user_name,
        },
        None,
    )?;
    directory::delete(&current.dn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(values: &[&str]) -> Vec<Vec<u8>> {
        values
            .iter()
            .map(|value| value.as_bytes().to_vec())
            .collect()
    }

    fn kinds(known: &[&str], wanted: &[&str]) -> Vec<(Modification, usize)> {
        let changes = difference("mail", &bytes(known), &bytes(wanted), false);
        changes
            .into_iter()
            .map(|(kind, _, values)| (kind, values.len()))
            .collect()
    }

    #[test]
    fn only_what_differs_is_changed() {
        assert_eq!(kinds(&["a"], &["a"]), []);
        assert_eq!(kinds(&["a", "b"], &["b", "a"]), []);
        assert_eq!(kinds(&["a"], &["b"]), [(Modification::Replace, 1)]);
        assert_eq!(kinds(&["a"], &[]), [(Modification::Delete, 0)]);
        assert_eq!(
            kinds(&["a", "b"], &["a", "b", "c"]),
            [(Modification::Add, 1)]
        );
        assert_eq!(
            kinds(&["a", "b", "c"], &["a", "b"]),
            [(Modification::Delete, 1)]
        );
        assert_eq!(
            kinds(&["a", "b"], &["a", "c"]),
            [(Modification::Delete, 1), (Modification::Add, 1)]
        );
    }
}
