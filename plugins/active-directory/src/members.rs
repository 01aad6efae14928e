//! Who is in a group: read in ranges (\[MS-ADTS\] 3.1.1.3.1.3.3), written in portions, and with those whose primary
//! group it is, whom the directory does not list.

use std::collections::BTreeSet;

use tombolo_sdk::ldap::fault::{ENTRY_EXISTS, NO_SUCH_ATTRIBUTE, UNWILLING, VALUE_EXISTS};
use tombolo_sdk::ldap::sorted::Sorted;
use tombolo_sdk::ldap::{Change, LdapEntry, Modification, dn};
use tombolo_sdk::{Failure, MemberPage, Result};

use crate::directory::{self, ID, Outcome, equals, identified};
use crate::entry;
use crate::kind::Kind;
use crate::references::{self, BATCH};
use crate::settings::Settings;

const MEMBER: &str = "member";
/// Values in one modify operation. Active Directory takes 5,000.
const PORTION: usize = 1000;
/// Names in a page, and in one range: servers give 1,500 at most.
const PAGE: usize = 1000;
/// So many of a page's last names find where it ended, when members have come and gone meanwhile.
const LAST: usize = 4;

/// Where a listing goes on.
#[derive(Debug, PartialEq, Eq)]
enum Cursor {
    /// After one of these names, of which the last was before this position.
    Listed(usize, Vec<String>),
    /// With those of this primary group that were created from this number on.
    Primary(u64),
}

impl Cursor {
    fn text(&self) -> String {
        match self {
            Self::Listed(at, last) => format!("m.{at}.{}", hex::encode(last.join("\n"))),
            Self::Primary(from) => format!("p.{from}"),
        }
    }

    fn read(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let read = match parts.as_slice() {
            ["p", from] => from.parse().ok().map(Self::Primary),
            ["m", at, last] => {
                let last = hex::decode(last)
                    .ok()
                    .and_then(|l| String::from_utf8(l).ok());
                let last = last.map(|last| last.lines().map(str::to_owned).collect());
                at.parse()
                    .ok()
                    .zip(last)
                    .map(|(at, last)| Self::Listed(at, last))
            }
            _ => None,
        };
        read.ok_or_else(|| Failure::invalid("that is no cursor of this listing"))
    }
}

/// One page of a group's members.
pub fn list(
    settings: &Settings,
    group: &str,
    cursor: Option<&str>,
    limit: u32,
) -> Result<MemberPage> {
    let entry = entry::find(&Kind::group(settings), group, &["objectSid".to_owned()])?;
    let size = match usize::try_from(limit) {
        Ok(limit) if limit > 0 => limit.min(PAGE),
        _ => PAGE,
    };
    let cursor = match cursor {
        None => Cursor::Listed(0, Vec::new()),
        Some(text) => Cursor::read(text)?,
    };
    let (mut members, next) = match cursor {
        Cursor::Primary(from) => return primary(settings, &entry, from, size),
        Cursor::Listed(at, last) => {
            let start = if last.is_empty() {
                0
            } else {
                resume(&entry.dn, at, &last)?
            };
            let (names, ends) = range(&entry.dn, start, size)?;
            let keys: Vec<String> = names.iter().map(|name| dn::key(name)).collect();
            let next = (!ends).then(|| {
                let last = keys[keys.len().saturating_sub(LAST)..].to_vec();
                Cursor::Listed(start + names.len(), last)
            });
            (anchors(settings, &names)?, next)
        }
    };
    if let Some(next) = next {
        return Ok(MemberPage {
            members,
            cursor: Some(next.text()),
        });
    }
    if members.len() >= size {
        return Ok(MemberPage {
            members,
            cursor: Some(Cursor::Primary(0).text()),
        });
    }
    let rest = primary(settings, &entry, 0, size - members.len())?;
    members.extend(rest.members);
    Ok(MemberPage {
        members,
        cursor: rest.cursor,
    })
}

/// Values of `member` from a position on, and whether they are the last.
fn range(group: &str, start: usize, count: usize) -> Result<(Vec<String>, bool)> {
    let asked = format!("{MEMBER};range={start}-{}", start + count - 1);
    let found = directory::read(group, &[asked]).or_else(|failure| {
        // Nothing is there any more: Windows says so by an error of its own.
        if start > 0 && failure.target_code.as_deref() == Some("1") {
            Ok(Some(LdapEntry::new(group)))
        } else {
            Err(failure)
        }
    })?;
    let found = found.ok_or_else(|| Failure::not_found("the group has gone from the directory"))?;
    let mut names = Vec::new();
    let mut ends = true;
    for (name, values) in &found.attributes {
        if !name.to_ascii_lowercase().starts_with(MEMBER) || values.is_empty() {
            continue;
        }
        ends = !name.contains(";range=") || name.ends_with("-*");
        names = values
            .iter()
            .filter_map(|value| String::from_utf8(value.clone()).ok())
            .collect();
    }
    Ok((names, ends))
}

/// The position after the last of the names that is still there. Usually it is where it was.
fn resume(group: &str, at: usize, last: &[String]) -> Result<usize> {
    let window = at.saturating_sub(last.len());
    let (near, _) = range(group, window, last.len())?;
    if near.last().map(|name| dn::key(name)).as_ref() == last.last() {
        return Ok(at);
    }
    let (mut start, mut found) = (0, None);
    loop {
        let (names, ends) = range(group, start, PAGE)?;
        for (offset, name) in names.iter().enumerate() {
            let place = last.iter().position(|known| *known == dn::key(name));
            found = found.max(place.map(|place| (place, start + offset + 1)));
        }
        start += names.len();
        if ends {
            break;
        }
    }
    found.map(|(_, position)| position).ok_or_else(|| {
        Failure::busy("too many of the group's members went while they were read: read them again")
    })
}

/// Names to anchors, in order. What is neither a user nor a group of this app is left out.
fn anchors(settings: &Settings, names: &[String]) -> Result<Vec<String>> {
    let dns: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut found = references::anchors(&Kind::user(settings), &dns)?;
    let others: Vec<&str> = dns
        .iter()
        .copied()
        .filter(|name| !found.contains_key(&dn::key(name)))
        .collect();
    found.extend(references::anchors(&Kind::group(settings), &others)?);
    Ok(names
        .iter()
        .filter_map(|name| found.get(&dn::key(name)).cloned())
        .collect())
}

/// The last part of a group's security identifier, by which users name their primary group.
fn relative_id(group: &LdapEntry) -> Option<u32> {
    let sid = group.values("objectSid").first()?;
    let last: [u8; 4] = sid.get(sid.len().checked_sub(4)?..)?.try_into().ok()?;
    Some(u32::from_le_bytes(last))
}

fn primary(settings: &Settings, group: &LdapEntry, from: u64, size: usize) -> Result<MemberPage> {
    let users = Kind::user(settings);
    let Some(id) = relative_id(group) else {
        return Ok(MemberPage {
            members: Vec::new(),
            cursor: None,
        });
    };
    let filter = format!(
        "(&{}(primaryGroupID={id})(uSNCreated>={from}))",
        users.filter
    );
    let limit = u32::try_from(size).unwrap_or(u32::MAX);
    let search = Sorted::under(users.base)
        .filter(filter)
        .attributes([ID, "uSNCreated"])
        .by("uSNCreated")
        .limit(limit);
    let found = directory::target().sorted(&search)?.entries;
    let last = found
        .last()
        .and_then(|entry| entry.text("uSNCreated")?.parse::<u64>().ok());
    let cursor = last
        .filter(|_| found.len() >= size)
        .map(|last| Cursor::Primary(last + 1).text());
    Ok(MemberPage {
        members: found.iter().filter_map(directory::anchor).collect(),
        cursor,
    })
}

/// Adds and removes members. Who is there already, or no longer, is no error.
pub fn change(settings: &Settings, group: &str, add: &[String], remove: &[String]) -> Result<()> {
    let groups = Kind::group(settings);
    let entry = entry::find(&groups, group, &["objectSid".to_owned()])?;
    let new = names(settings, add)?;
    if new.len() < add.iter().collect::<BTreeSet<_>>().len() {
        return Err(
            Failure::invalid("a member to add is not in the directory").attribute("members")
        );
    }
    // Who is gone from the directory is gone from the group.
    let gone = names(settings, remove)?;
    if new.is_empty() && gone.is_empty() {
        return Ok(());
    }
    groups.guard(&entry.dn)?;
    for portion in new.chunks(PORTION) {
        match write(&entry.dn, Modification::Add, portion)? {
            Outcome::Done => {}
            Outcome::Refused(VALUE_EXISTS | ENTRY_EXISTS, _) => {
                let inside = inside(settings, &entry, portion)?;
                let rest = partition(portion, |member| !inside.contains_key(member));
                finish(write(&entry.dn, Modification::Add, &rest)?)?;
            }
            Outcome::Refused(_, failure) => return Err(failure),
        }
    }
    for portion in gone.chunks(PORTION) {
        match write(&entry.dn, Modification::Delete, portion)? {
            Outcome::Done => {}
            Outcome::Refused(UNWILLING | NO_SUCH_ATTRIBUTE, _) => {
                let inside = inside(settings, &entry, portion)?;
                if inside.values().any(|how| *how == How::Primary) {
                    return Err(Failure::invalid(
                        "this group is the primary group of a member to remove: give the user another primaryGroupID first",
                    )
                    .attribute("members"));
                }
                let rest = partition(portion, |member| inside.contains_key(member));
                finish(write(&entry.dn, Modification::Delete, &rest)?)?;
            }
            Outcome::Refused(_, failure) => return Err(failure),
        }
    }
    Ok(())
}

/// A member by anchor and name.
type Named = (String, String);

/// Members by their anchors; who is not in the directory is left out.
fn names(settings: &Settings, anchors: &[String]) -> Result<Vec<Named>> {
    let asked: Vec<&str> = anchors.iter().map(String::as_str).collect();
    let mut found = references::entries(&Kind::user(settings), &asked, &[])?;
    let others: Vec<&str> = asked
        .iter()
        .copied()
        .filter(|anchor| !found.contains_key(*anchor))
        .collect();
    found.extend(references::entries(&Kind::group(settings), &others, &[])?);
    Ok(found
        .into_iter()
        .map(|(anchor, entry)| (anchor, entry.dn))
        .collect())
}

fn partition(portion: &[Named], keep: impl Fn(&str) -> bool) -> Vec<Named> {
    portion
        .iter()
        .filter(|(anchor, _)| keep(anchor))
        .cloned()
        .collect()
}

fn write(group: &str, kind: Modification, members: &[Named]) -> Result<Outcome> {
    if members.is_empty() {
        return Ok(Outcome::Done);
    }
    let values = members
        .iter()
        .map(|(_, name)| name.clone().into_bytes())
        .collect();
    let change: Change = (kind, MEMBER.to_owned(), values);
    directory::try_modify(group, &[change])
}

fn finish(outcome: Outcome) -> Result<()> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Refused(_, failure) => Err(failure),
    }
}

/// How somebody is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Listed,
    Primary,
}

/// Who of these is in the group.
fn inside(
    settings: &Settings,
    group: &LdapEntry,
    members: &[Named],
) -> Result<std::collections::BTreeMap<String, How>> {
    let listed = equals("memberOf", &group.dn);
    let primary = relative_id(group).map(|id| format!("(primaryGroupID={id})"));
    let mut inside = std::collections::BTreeMap::new();
    for batch in members.chunks(BATCH) {
        let assertions: String = batch
            .iter()
            .filter_map(|(anchor, _)| identified(anchor))
            .collect();
        for (how, condition) in [
            (How::Primary, primary.as_ref()),
            (How::Listed, Some(&listed)),
        ] {
            let Some(condition) = condition else { continue };
            let filter = format!("(&(|{assertions}){condition})");
            for entry in directory::all(&settings.base, &filter, &[ID.to_owned()])? {
                if let Some(anchor) = directory::anchor(&entry) {
                    inside.insert(anchor, how);
                }
            }
        }
    }
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_others_are_refused() {
        let last = vec!["cn=a,dc=x".to_owned(), "cn=b\\0a,dc=x".to_owned()];
        for cursor in [Cursor::Listed(1500, last), Cursor::Primary(7)] {
            assert_eq!(Cursor::read(&cursor.text()), Ok(cursor));
        }
        for text in ["", "m", "m.1", "m.x.00", "p.-1", "m.1.zz", "p.1.2"] {
            assert!(Cursor::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_part_of_a_sid_is_the_relative_id() {
        let sid = [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 2, 0, 0];
        let group = LdapEntry::new("CN=g").with("objectSid", [sid.to_vec()]);
        assert_eq!(relative_id(&group), Some(513));
        assert_eq!(relative_id(&LdapEntry::new("CN=g")), None);
    }
}
