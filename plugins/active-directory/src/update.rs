//! Changes of entries: the smallest that make the entry what is asked for, worked out against what it is. The same
//! request again finds nothing left to do.

use tombolo_sdk::ldap::fault::NO_SUCH_ATTRIBUTE;
use tombolo_sdk::ldap::{Change, LdapEntry, Modification, dn};
use tombolo_sdk::{Edit, EditKind, Entry, Failure, Result, Scalar};

use crate::account;
use crate::attribute::{ACTIVE, PARENT, Syntax, from_directory};
use crate::create::{
    Values, blame, common_name, container, directory_values, first_text, required,
};
use crate::directory::{self, Outcome, VERSION};
use crate::entry;
use crate::kind::{Kind, Which};
use crate::naming;

/// How often a change is worked out anew because somebody else changed the account's flags meanwhile.
const TRIES: usize = 3;

/// What the edits ask for.
#[derive(Default)]
struct Wanted {
    values: Values,
    active: Option<bool>,
    parent: Option<String>,
}

/// Applies the edits and answers the entry as it is now.
pub fn update(
    kind: &Kind<'_>,
    anchor: &str,
    edits: &[Edit],
    if_version: Option<&str>,
) -> Result<Entry> {
    let mut tries = 1;
    loop {
        match attempt(kind, anchor, edits, if_version)? {
            Attempt::Done(entry) => return Ok(entry),
            Attempt::Refused(_) if tries < TRIES => tries += 1,
            Attempt::Refused(failure) => return Err(failure),
        }
    }
}

enum Attempt {
    Done(Entry),
    /// Perhaps because the account's flags are no longer what was read.
    Refused(Failure),
}

fn attempt(
    kind: &Kind<'_>,
    anchor: &str,
    edits: &[Edit],
    if_version: Option<&str>,
) -> Result<Attempt> {
    let current = entry::find(kind, anchor, &kind.to_read(&[]))?;
    if if_version.is_some_and(|version| current.text(VERSION) != Some(version)) {
        return Err(Failure::changed(format!(
            "the {} has been changed in the directory in the meantime",
            kind.name()
        )));
    }
    let mut wanted = wanted(kind, &current, edits)?;
    complete(kind, &current, &mut wanted)?;
    let place = new_place(kind, &current, &mut wanted)?;
    check(kind, anchor, &current, &wanted.values)?;
    let mut changes = Vec::new();
    for (name, values) in &wanted.values {
        let binary = kind
            .offered(name)
            .is_ok_and(|offered| offered.syntax == Syntax::Binary);
        changes.extend(difference(name, current.values(name), values, binary));
    }
    changes.extend(flags(&current, wanted.active)?);
    if changes.is_empty() && place.is_none() {
        return entry::by_name(kind, &current.dn).map(Attempt::Done);
    }
    kind.guard(&current.dn)?;
    let has_flags = wanted.active.is_some();
    match directory::try_modify(&current.dn, &changes)? {
        Outcome::Done => {}
        Outcome::Refused(NO_SUCH_ATTRIBUTE, failure) if has_flags => {
            return Ok(Attempt::Refused(failure));
        }
        Outcome::Refused(_, failure) => return Err(failure),
    }
    let now = match place {
        None => current.dn.clone(),
        Some(place) => rename(kind, &current, &wanted.values, &place)?,
    };
    entry::by_name(kind, &now).map(Attempt::Done)
}

/// What each attribute that an edit touches should hold.
fn wanted(kind: &Kind<'_>, current: &LdapEntry, edits: &[Edit]) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    for edit in edits {
        let offered = kind.offered(edit.name())?;
        let scalar = edit.attribute.scalar();
        match offered.syntax {
            Syntax::Active => {
                wanted.active = Some(scalar.and_then(Scalar::as_boolean) != Some(false));
                continue;
            }
            Syntax::Parent => {
                // No value: wherever its values say.
                wanted.parent = scalar.and_then(Scalar::as_text).map(str::to_owned);
                continue;
            }
            Syntax::Name => continue,
            _ => {}
        }
        let is_same = |a: &[u8], b: &[u8]| match offered.syntax {
            Syntax::Reference => {
                dn::key(&String::from_utf8_lossy(a)) == dn::key(&String::from_utf8_lossy(b))
            }
            _ => a == b,
        };
        let given = directory_values(kind, offered, &edit.attribute.values);
        let given = match edit.kind {
            // What is no longer there cannot be looked up, and need not be removed.
            EditKind::Remove => given.unwrap_or_default(),
            EditKind::Put | EditKind::Add => given?,
        };
        let name = offered.name();
        let values = wanted
            .values
            .entry(name.to_owned())
            .or_insert_with(|| current.values(name).to_vec());
        match edit.kind {
            EditKind::Put => *values = given,
            EditKind::Add => {
                for value in given {
                    if !values.iter().any(|known| is_same(known, &value)) {
                        values.push(value);
                    }
                }
            }
            EditKind::Remove => values.retain(|v| !given.iter().any(|g| is_same(v, g))),
        }
        if values.is_empty()
            && let Some((_, mark)) = kind
                .marker()
                .filter(|(marked, _)| marked.eq_ignore_ascii_case(name))
        {
            values.push(mark.as_bytes().to_vec());
        }
        if values.is_empty() && offered.syntax == Syntax::Expiry {
            values.push(never(current));
        }
    }
    Ok(wanted)
}

/// An account name that is cleared is made anew, as for a new entry.
fn complete(kind: &Kind<'_>, current: &LdapEntry, wanted: &mut Wanted) -> Result<()> {
    let cleared = wanted.values.get("sAMAccountName");
    if !cleared.is_some_and(Vec::is_empty) {
        return Ok(());
    }
    let from = match kind.which {
        Which::User => "userPrincipalName",
        Which::Group => "cn",
    };
    let from = after(current, wanted, from).unwrap_or_default();
    let account = naming::free_account(kind, &from)?;
    let account = vec![account.into_bytes()];
    wanted.values.insert("sAMAccountName".to_owned(), account);
    Ok(())
}

/// The first value that an attribute has after the edits.
fn after(current: &LdapEntry, wanted: &Wanted, name: &str) -> Option<String> {
    match wanted.values.get(name) {
        Some(values) => String::from_utf8(values.first()?.clone()).ok(),
        None => current.text(name).map(str::to_owned),
    }
}

/// There are two ways to say never, and the one that is there stays.
fn never(current: &LdapEntry) -> Vec<u8> {
    let held = current.text(account::EXPIRES);
    let held = held.filter(|held| account::expiry(held).is_none());
    held.unwrap_or(account::never()).as_bytes().to_vec()
}

/// A new name or container of an entry.
struct Place {
    name: String,
    /// Whether somebody gave the name.
    is_given: bool,
    parent: String,
}

/// Where the entry is to be and what it is to be called, if that is new. `cn` is taken out of the values: it changes with
/// the name only.
fn new_place(kind: &Kind<'_>, current: &LdapEntry, wanted: &mut Wanted) -> Result<Option<Place>> {
    let old_name = naming::common_name(&current.dn).unwrap_or_default();
    let old_parent = dn::split(&current.dn).1;
    let given = wanted.values.remove("cn");
    let is_given = given.as_ref().is_some_and(|values| !values.is_empty());
    let name = match given.map(|values| values.into_iter().next()) {
        Some(Some(value)) => String::from_utf8(value)
            .map_err(|_| Failure::invalid("`cn` is text").attribute("cn"))?,
        Some(None) if kind.which == Which::Group => return Err(required("cn")),
        Some(None) => common_name(|name| after(current, wanted, name))?,
        None => follow_display(kind, current, wanted, &old_name),
    };
    if kind.which == Which::Group && name != old_name {
        follow_name(kind, current, wanted, &old_name, &name)?;
    }
    let parent = match &wanted.parent {
        Some(parent) if dn::key(parent) == dn::key(old_parent) => old_parent.to_owned(),
        Some(parent) => container(parent)?,
        None => {
            let before = kind.belongs(|name| value_of(kind, current, None, name));
            let after = kind.belongs(|name| value_of(kind, current, Some(wanted), name));
            // Whom somebody has moved by hand stays there until what decides changes.
            if dn::key(before) == dn::key(after) || dn::key(after) == dn::key(old_parent) {
                old_parent.to_owned()
            } else {
                container(after)?
            }
        }
    };
    if name == old_name && dn::key(&parent) == dn::key(old_parent) {
        return Ok(None);
    }
    let place = Place {
        name,
        is_given,
        parent,
    };
    let new = dn::child("CN", &place.name, &place.parent);
    kind.guard(&new)?;
    if dn::key(&new) != dn::key(&current.dn)
        && place.is_given
        && directory::read(&new, &["1.1".to_owned()])?.is_some()
    {
        let taken = format!("`{new}` is there already");
        return Err(Failure::already_exists(taken).attribute("cn"));
    }
    Ok(Some(place))
}

/// A user's name follows the display name that it was made of.
fn follow_display(kind: &Kind<'_>, current: &LdapEntry, wanted: &Wanted, old_name: &str) -> String {
    let display = first_text(&wanted.values, "displayName").map(naming::cn);
    let old = current.text("displayName").unwrap_or_default();
    let account = current.text("sAMAccountName").unwrap_or_default();
    let made = [naming::cn(old), naming::cn_with(old, account)];
    match display {
        Some(new)
            if kind.which == Which::User
                && kind.settings.users.rename
                && !new.is_empty()
                && new != made[0]
                && made.iter().any(|made| made == old_name) =>
        {
            new
        }
        _ => old_name.to_owned(),
    }
}

/// A group's account name follows the name that it was made of.
fn follow_name(
    kind: &Kind<'_>,
    current: &LdapEntry,
    wanted: &mut Wanted,
    old_name: &str,
    name: &str,
) -> Result<()> {
    let held = current.text("sAMAccountName").unwrap_or_default();
    let made = naming::account(kind.which, old_name);
    let new = naming::account(kind.which, name);
    if held == made
        && !new.eq_ignore_ascii_case(held)
        && !wanted.values.contains_key("sAMAccountName")
    {
        let free = naming::free_account(kind, name)?;
        wanted
            .values
            .insert("sAMAccountName".to_owned(), vec![free.into_bytes()]);
    }
    Ok(())
}

/// A value as a rule about places reads it, before the edits or after them.
fn value_of(
    kind: &Kind<'_>,
    current: &LdapEntry,
    wanted: Option<&Wanted>,
    name: &str,
) -> Option<String> {
    if name == ACTIVE {
        if let Some(active) = wanted.and_then(|wanted| wanted.active) {
            return Some(active.to_string());
        }
        let flags = account::flags(current.text(account::CONTROL)?)?;
        return Some(account::is_active(flags).to_string());
    }
    let edited = wanted.and_then(|wanted| {
        let mut all = wanted.values.iter();
        all.find(|(known, _)| known.eq_ignore_ascii_case(name))
    });
    let value = match edited {
        Some((_, values)) => values.first(),
        None => current.values(name).first(),
    }?;
    let syntax = kind.offered(name).map_or(Syntax::Text, |o| o.syntax);
    let value = from_directory(syntax, value)?;
    Some(value.as_scalar()?.to_plain()?.into_owned())
}

/// Names that nobody else may have, and that cannot be missing.
fn check(kind: &Kind<'_>, anchor: &str, current: &LdapEntry, wanted: &Values) -> Result<()> {
    for name in ["userPrincipalName", "sAMAccountName"] {
        let Some(values) = wanted.get(name) else {
            continue;
        };
        let value = values.first().and_then(|v| std::str::from_utf8(v).ok());
        let value = value.ok_or_else(|| required(name))?;
        if current.text(name) != Some(value) {
            naming::must_be_free(kind, name, value, Some(anchor))?;
        }
    }
    Ok(())
}

/// The flags with one bit changed. The old value is deleted by name, so that nobody else's change is overwritten.
fn flags(current: &LdapEntry, active: Option<bool>) -> Result<Vec<Change>> {
    let Some(active) = active else {
        return Ok(Vec::new());
    };
    let held = current.text(account::CONTROL);
    let flags = held.and_then(account::flags).ok_or_else(|| {
        Failure::other("the directory shows no userAccountControl: let the account read it")
            .attribute(ACTIVE)
    })?;
    let new = account::with_active(flags, active);
    if new == flags {
        return Ok(Vec::new());
    }
    let change = |kind, flags| {
        let value = account::flags_text(flags).into_bytes();
        (kind, account::CONTROL.to_owned(), vec![value])
    };
    Ok(vec![
        change(Modification::Delete, flags),
        change(Modification::Add, new),
    ])
}

fn rename(kind: &Kind<'_>, current: &LdapEntry, wanted: &Values, place: &Place) -> Result<String> {
    let moved = dn::key(&place.parent) != dn::key(dn::split(&current.dn).1);
    let parent = moved.then_some(place.parent.as_str());
    let rdn = |name: &str| format!("CN={}", dn::escape(name));
    let attribute = if moved && !place.is_given {
        PARENT
    } else {
        "cn"
    };
    let renamed = directory::target().rename(&current.dn, &rdn(&place.name), parent);
    match renamed {
        Err(failure)
            if kind.which == Which::User
                && !place.is_given
                && failure.target_code.as_deref() == Some("68") =>
        {
            let account = first_text(wanted, "sAMAccountName");
            let account = account.or_else(|| current.text("sAMAccountName"));
            let name = naming::cn_with(&place.name, account.unwrap_or_default());
            let renamed = directory::target().rename(&current.dn, &rdn(&name), parent);
            renamed.map_err(|failure| blame(failure, attribute))
        }
        renamed => renamed.map_err(|failure| blame(failure, attribute)),
    }
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

/// Deletes the entry; what refers to it, the directory mends.
pub fn delete(kind: &Kind<'_>, anchor: &str) -> Result<()> {
    let current = entry::find(kind, anchor, &[directory::ID.to_owned()])?;
    kind.guard(&current.dn)?;
    directory::target().delete(&current.dn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn user() -> LdapEntry {
        LdapEntry::new("CN=Ana Ruiz,OU=Staff,DC=x")
            .with("displayName", ["Ana Ruiz"])
            .with("sAMAccountName", ["ana"])
            .with("department", ["Legal"])
            .with(account::CONTROL, ["66048"])
            .with(account::EXPIRES, ["0"])
    }

    fn place(json: &str, edits: &[Edit]) -> Option<String> {
        let settings = Settings::parse(json).expect("settings");
        let kind = Kind::user(&settings);
        let mut wanted = wanted(&kind, &user(), edits).expect("wanted");
        let place = new_place(&kind, &user(), &mut wanted).expect("a place");
        place.map(|place| dn::child("CN", &place.name, &place.parent))
    }

    #[test]
    fn the_name_follows_the_display_name_it_was_made_of() {
        let base = r#"{"base":"DC=x","users":{"container":"OU=Staff,DC=x"}}"#;
        let edit = [Edit::put("displayName", ["Ana Sol"])];
        assert_eq!(
            place(base, &edit).as_deref(),
            Some("CN=Ana Sol,OU=Staff,DC=x")
        );
        assert_eq!(place(base, &[Edit::put("title", ["x"])]), None);
        let still = r#"{"base":"DC=x","users":{"rename":false}}"#;
        assert_eq!(place(still, &edit), None);
    }

    #[test]
    fn the_other_flags_stay_and_never_stays_as_it_is() {
        let changes = flags(&user(), Some(false)).expect("changes");
        assert_eq!(changes[0].0, Modification::Delete);
        assert_eq!(changes[0].2, [b"66048".to_vec()]);
        assert_eq!(changes[1].2, [b"66050".to_vec()]);
        assert!(flags(&user(), Some(true)).expect("changes").is_empty());
        let settings = Settings::parse(r#"{"base":"DC=x"}"#).expect("settings");
        let edit = [Edit::put(account::EXPIRES, Vec::<&str>::new())];
        let wanted = wanted(&Kind::user(&settings), &user(), &edit).expect("wanted");
        assert_eq!(wanted.values[account::EXPIRES], [b"0".to_vec()]);
    }
}
