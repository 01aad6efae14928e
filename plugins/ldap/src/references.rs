//! DNs here, anchors in the contract: translated in batches. And references to entries that are renamed or deleted,
//! for directories that do not mend them (OpenLDAP without the overlay `refint`).

use std::collections::BTreeMap;

use tombolo_sdk::Result;
use tombolo_sdk::host::ldap::{self, LdapEntry, Modification};

use crate::directory::{self, Change, Outcome, equals};
use crate::kind::Kind;
use crate::settings::Settings;
use crate::{anchor, dn, fault};

/// How many assertions a filter holds.
const BATCH: usize = 100;

/// Finds the names of entries: anchor to DN. What is not there is not in the answer.
pub fn names(kind: &Kind, anchors: &[&str]) -> Result<BTreeMap<String, String>> {
    Ok(entries(kind, anchors, &[])?
        .into_iter()
        .map(|(anchor, entry)| (anchor, entry.dn))
        .collect())
}

/// Finds entries by their anchors, with some attributes.
pub fn entries(
    kind: &Kind,
    anchors: &[&str],
    attributes: &[String],
) -> Result<BTreeMap<String, LdapEntry>> {
    let mut found = BTreeMap::new();
    let wanted = [attributes, std::slice::from_ref(&kind.anchor)].concat();
    for batch in anchors.chunks(BATCH) {
        let mut assertions = String::new();
        for value in batch
            .iter()
            .filter_map(|anchor| anchor::assertion(kind.format, anchor, ldap::escape))
        {
            assertions.extend(["(", &kind.anchor, "=", &value, ")"]);
        }
        if assertions.is_empty() {
            continue;
        }
        let filter = format!("(&{}(|{assertions}))", kind.filter);
        for entry in directory::all(&kind.base, kind.scope, &filter, &wanted)? {
            if let Some(anchor) = anchor_of(kind, &entry) {
                found.insert(anchor, entry);
            }
        }
    }
    Ok(found)
}

/// Finds the anchors of the kind's entries with these names: [`dn::key`] to anchor.
pub fn anchors(settings: &Settings, kind: &Kind, dns: &[&str]) -> Result<BTreeMap<String, String>> {
    let inside: Vec<&str> = dns
        .iter()
        .copied()
        .filter(|dn| !dn.is_empty() && dn::is_within(dn, &kind.base))
        .collect();
    let wanted = [kind.anchor.clone()];
    let mut found = BTreeMap::new();
    let mut keep = |entry: &LdapEntry| {
        if let Some(anchor) = anchor_of(kind, entry) {
            found.insert(dn::key(&entry.dn), anchor);
        }
    };
    if settings.dn_attribute.is_empty() {
        for dn in inside {
            directory::read(dn, &kind.filter, &wanted)?
                .iter()
                .for_each(&mut keep);
        }
        return Ok(found);
    }
    for batch in inside.chunks(BATCH) {
        let assertions: String = batch
            .iter()
            .map(|dn| equals(&settings.dn_attribute, dn))
            .collect();
        let filter = format!("(&{}(|{assertions}))", kind.filter);
        directory::all(&kind.base, kind.scope, &filter, &wanted)?
            .iter()
            .for_each(&mut keep);
    }
    Ok(found)
}

/// The anchor of an entry.
pub fn anchor_of(kind: &Kind, entry: &LdapEntry) -> Option<String> {
    directory::values(entry, &kind.anchor)
        .first()
        .and_then(|value| anchor::from_value(kind.format, value))
}

/// What an entry is called, for references to it: its DN and, where groups list names, its user name.
pub struct Called {
    /// The DN.
    pub dn: String,
    /// The user name.
    pub user_name: Option<String>,
}

/// Mends references to an entry that is called otherwise now, or not at all (`new`).
pub fn mend(settings: &Settings, old: &Called, new: Option<&Called>) -> Result<()> {
    if !settings.clean_memberships {
        return Ok(());
    }
    let groups = &settings.groups;
    let attribute = groups.member_attribute();
    if groups.members_by_name() {
        if let Some(name) = &old.user_name {
            let new = new.and_then(|new| new.user_name.as_deref());
            replace(&Kind::group(settings), attribute, name, new, None)?;
        }
    } else {
        let placeholder = groups
            .wants_a_member()
            .then_some(groups.empty_member.as_str());
        replace(
            &Kind::group(settings),
            attribute,
            &old.dn,
            new.map(|new| new.dn.as_str()),
            placeholder,
        )?;
    }
    let users = Kind::user(settings);
    for offered in users
        .offered
        .iter()
        .filter(|offered| offered.syntax == crate::attribute::Syntax::Reference)
    {
        replace(
            &users,
            offered.name(),
            &old.dn,
            new.map(|new| new.dn.as_str()),
            None,
        )?;
    }
    Ok(())
}

fn replace(
    kind: &Kind,
    attribute: &str,
    old: &str,
    new: Option<&str>,
    placeholder: Option<&str>,
) -> Result<()> {
    let filter = format!("(&{}{})", kind.filter, equals(attribute, old));
    for entry in directory::all(&kind.base, kind.scope, &filter, &["1.1".to_owned()])? {
        let value = |text: &str| vec![text.as_bytes().to_vec()];
        let mut changes: Vec<Change> =
            vec![(Modification::Delete, attribute.to_owned(), value(old))];
        if let Some(new) = new {
            changes.push((Modification::Add, attribute.to_owned(), value(new)));
        }
        match directory::try_modify(&entry.dn, &changes)? {
            // Refused so, the directory has mended it itself in the meantime.
            Outcome::Done
            | Outcome::Refused(
                fault::NO_SUCH_ATTRIBUTE | fault::VALUE_EXISTS | fault::NO_SUCH_OBJECT,
                _,
            ) => {}
            Outcome::Refused(fault::OBJECT_CLASS, failure) => match placeholder {
                Some(placeholder) => {
                    let mut placed = changes;
                    placed.push((Modification::Add, attribute.to_owned(), value(placeholder)));
                    directory::modify(&entry.dn, &placed)?;
                }
                None => return Err(failure),
            },
            Outcome::Refused(_, failure) => return Err(failure.within("mending a reference")),
        }
    }
    Ok(())
}
