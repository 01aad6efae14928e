//! Who is in a group: values of one attribute of the group's entry, written in portions and never as a whole.

use tombolo_sdk::host::ldap::{LdapEntry, Modification};
use tombolo_sdk::{Failure, MemberPage, Result};

use crate::directory::{self, Change, Outcome, equals};
use crate::kind::Kind;
use crate::references::{self, anchor_of};
use crate::settings::Settings;
use crate::{dn, entry, fault};

/// Values in one modify operation, and names looked up for one page.
const PORTION: usize = 500;

/// How a group holds its members.
struct Membership<'s> {
    settings: &'s Settings,
    users: Kind,
    groups: Kind,
    attribute: &'s str,
}

impl<'s> Membership<'s> {
    fn new(settings: &'s Settings) -> Self {
        let attribute = settings.groups.member_attribute();
        Self {
            settings,
            users: Kind::user(settings),
            groups: Kind::group(settings),
            attribute,
        }
    }

    fn placeholder(&self) -> Option<&'s str> {
        self.settings
            .groups
            .wants_a_member()
            .then_some(self.settings.groups.empty_member.as_str())
    }

    fn group(&self, anchor: &str, attributes: &[String]) -> Result<LdapEntry> {
        entry::find(&self.groups, anchor, attributes)
    }

    /// The members as the group has them, without the placeholder.
    fn held(&self, group: &LdapEntry) -> Vec<String> {
        let placeholder = self.placeholder().map(dn::key);
        directory::values(group, self.attribute)
            .iter()
            .filter_map(|value| String::from_utf8(value.clone()).ok())
            .filter(|value| placeholder.as_ref() != Some(&dn::key(value)))
            .collect()
    }

    /// What two spellings of one member share.
    fn key(&self, value: &str) -> String {
        if self.settings.groups.members_by_name() {
            value.to_owned()
        } else {
            dn::key(value)
        }
    }

    /// Members' anchors to the values that stand for them in a group.
    fn values(&self, anchors: &[String]) -> Result<Vec<Option<String>>> {
        let asked: Vec<&str> = anchors.iter().map(String::as_str).collect();
        let by_name = self.settings.groups.members_by_name();
        let user_name = self.users.offered[0].name().to_owned();
        let wanted = if by_name {
            vec![user_name.clone()]
        } else {
            Vec::new()
        };
        let mut found = references::entries(&self.users, &asked, &wanted)?;
        if !by_name {
            let others: Vec<&str> = asked
                .iter()
                .copied()
                .filter(|anchor| !found.contains_key(*anchor))
                .collect();
            found.extend(references::entries(&self.groups, &others, &[])?);
        }
        let value = |entry: &LdapEntry| {
            if by_name {
                let naming = entry::naming_value(&entry.dn, &user_name)
                    .and_then(|name| String::from_utf8(name).ok());
                naming.or_else(|| directory::text(entry, &user_name).map(str::to_owned))
            } else {
                Some(entry.dn.clone())
            }
        };
        Ok(anchors
            .iter()
            .map(|anchor| found.get(anchor).and_then(value))
            .collect())
    }

    /// Values in a group to anchors, in order. What is neither a user nor a group of this app is left out.
    fn anchors(&self, values: &[String]) -> Result<Vec<String>> {
        if self.settings.groups.members_by_name() {
            return self.anchors_by_name(values);
        }
        let dns: Vec<&str> = values.iter().map(String::as_str).collect();
        let mut found = references::anchors(self.settings, &self.users, &dns)?;
        let others: Vec<&str> = dns
            .iter()
            .copied()
            .filter(|name| !found.contains_key(&dn::key(name)))
            .collect();
        if !others.is_empty() {
            found.extend(references::anchors(self.settings, &self.groups, &others)?);
        }
        Ok(values
            .iter()
            .filter_map(|value| found.get(&dn::key(value)).cloned())
            .collect())
    }

    fn anchors_by_name(&self, values: &[String]) -> Result<Vec<String>> {
        let user_name = self.users.offered[0].name();
        let wanted = [self.users.anchor.clone()];
        let mut anchors = Vec::new();
        for batch in values.chunks(100) {
            let assertions: String = batch.iter().map(|value| equals(user_name, value)).collect();
            let filter = format!("(&{}(|{assertions}))", self.users.filter);
            let found = directory::all(&self.users.base, self.users.scope, &filter, &wanted)?;
            anchors.extend(
                found
                    .iter()
                    .filter_map(|entry| anchor_of(&self.users, entry)),
            );
        }
        Ok(anchors)
    }

    fn change(&self, kind: Modification, values: &[String]) -> Change {
        (
            kind,
            self.attribute.to_owned(),
            values
                .iter()
                .map(|value| value.as_bytes().to_vec())
                .collect(),
        )
    }

    fn add(&self, group: &LdapEntry, values: &[String]) -> Result<()> {
        // The placeholder makes room for the first real member.
        let mut placeholder = match self.placeholder() {
            Some(placeholder) => {
                let filter = equals(self.attribute, placeholder);
                directory::read(&group.dn, &filter, &["1.1".to_owned()])?
                    .map(|_| placeholder.to_owned())
            }
            None => None,
        };
        for portion in values.chunks(PORTION) {
            let mut changes = vec![self.change(Modification::Add, portion)];
            changes.extend(
                placeholder
                    .take()
                    .map(|placeholder| self.change(Modification::Delete, &[placeholder])),
            );
            match directory::try_modify(&group.dn, &changes)? {
                Outcome::Done => {}
                // Somebody is in already, or the placeholder has just gone: look, and add the others.
                Outcome::Refused(fault::VALUE_EXISTS | fault::NO_SUCH_ATTRIBUTE, _) => {
                    self.add_missing(&group.dn, portion)?;
                }
                Outcome::Refused(_, failure) => return Err(failure),
            }
        }
        Ok(())
    }

    fn add_missing(&self, group: &str, values: &[String]) -> Result<()> {
        let (held, placeholder) = self.reread(group)?;
        let new: Vec<String> = values
            .iter()
            .filter(|value| !held.contains(&self.key(value)))
            .cloned()
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut changes = vec![self.change(Modification::Add, &new)];
        changes.extend(
            placeholder.map(|placeholder| self.change(Modification::Delete, &[placeholder])),
        );
        directory::modify(group, &changes)
    }

    fn remove(&self, group: &str, values: &[String]) -> Result<()> {
        for portion in values.chunks(PORTION) {
            match self.try_remove(group, portion)? {
                Outcome::Done => {}
                Outcome::Refused(fault::NO_SUCH_ATTRIBUTE, _) => {
                    let (held, _) = self.reread(group)?;
                    let there: Vec<String> = portion
                        .iter()
                        .filter(|value| held.contains(&self.key(value)))
                        .cloned()
                        .collect();
                    if !there.is_empty()
                        && let Outcome::Refused(_, failure) = self.try_remove(group, &there)?
                    {
                        return Err(failure);
                    }
                }
                Outcome::Refused(_, failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Removes values; a group that may not be empty gets the placeholder with the last one's leave.
    fn try_remove(&self, group: &str, values: &[String]) -> Result<Outcome> {
        let removal = self.change(Modification::Delete, values);
        let outcome = directory::try_modify(group, std::slice::from_ref(&removal))?;
        match (outcome, self.placeholder()) {
            (Outcome::Refused(fault::OBJECT_CLASS, _), Some(placeholder)) => directory::try_modify(
                group,
                &[
                    removal,
                    self.change(Modification::Add, &[placeholder.to_owned()]),
                ],
            ),
            (outcome, _) => Ok(outcome),
        }
    }

    /// The keys of the members that a group has now, and the placeholder if it is there.
    fn reread(&self, group: &str) -> Result<(std::collections::BTreeSet<String>, Option<String>)> {
        let wanted = [self.attribute.to_owned()];
        let found = directory::read(group, "(objectClass=*)", &wanted)?
            .ok_or_else(|| Failure::not_found("the group has gone from the directory"))?;
        let held: std::collections::BTreeSet<String> = self
            .held(&found)
            .iter()
            .map(|value| self.key(value))
            .collect();
        let all = directory::values(&found, self.attribute).len();
        let placeholder = self
            .placeholder()
            .filter(|_| all > held.len())
            .map(str::to_owned);
        Ok((held, placeholder))
    }
}

/// One page of a group's members, in the order of their names. The cursor is the last name of the page, so that
/// members who come and go between two pages move nobody else.
pub fn list(
    settings: &Settings,
    group: &str,
    cursor: Option<&str>,
    limit: u32,
) -> Result<MemberPage> {
    let membership = Membership::new(settings);
    let entry = membership.group(group, &[membership.attribute.to_owned()])?;
    let mut held: Vec<(String, String)> = membership
        .held(&entry)
        .into_iter()
        .map(|value| (membership.key(&value), value))
        .collect();
    held.sort();
    let start = cursor.map_or(0, |cursor| {
        held.partition_point(|(key, _)| key.as_str() <= cursor)
    });
    let size = match usize::try_from(limit) {
        Ok(limit) if limit > 0 => limit.min(PORTION),
        _ => PORTION,
    };
    let end = held.len().min(start + size);
    let page = &held[start..end];
    let cursor = (end < held.len())
        .then(|| page.last().map(|(key, _)| key.clone()))
        .flatten();
    let values: Vec<String> = page.iter().map(|(_, value)| value.clone()).collect();
    Ok(MemberPage {
        members: membership.anchors(&values)?,
        cursor,
    })
}

/// Adds and removes members. Who is there already, or no longer, is no error.
pub fn change(settings: &Settings, group: &str, add: &[String], remove: &[String]) -> Result<()> {
    let membership = Membership::new(settings);
    let entry = membership.group(group, &["1.1".to_owned(), membership.groups.anchor.clone()])?;
    let new = membership
        .values(add)?
        .into_iter()
        .collect::<Option<Vec<String>>>()
        .ok_or_else(|| {
            Failure::invalid("a member to add is not in the directory").attribute("members")
        })?;
    if !new.is_empty() {
        membership.add(&entry, &new)?;
    }
    // Who is gone from the directory is gone from the group.
    let gone: Vec<String> = membership.values(remove)?.into_iter().flatten().collect();
    if gone.is_empty() {
        return Ok(());
    }
    membership.remove(&entry.dn, &gone)
}
