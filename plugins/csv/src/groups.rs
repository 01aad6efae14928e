//! Groups, and who is in them: one row a membership, two columns.

use crate::cell::text;
use crate::file::TableFile;
use crate::objects::Objects;
use crate::table::Table;
use std::collections::{BTreeSet, HashSet};
use tombolo_sdk::schema::Kind;
use tombolo_sdk::{Failure, MemberPage, Result};

/// The columns of the memberships file.
pub(crate) const COLUMNS: [&str; 2] = ["group", "member"];

/// The kind `group`.
pub(crate) fn kind() -> Kind {
    Kind::group()
        .text("displayName")
        .required()
        .unique()
        .scim("displayName")
        .text("externalId")
        .case_exact()
        .scim("externalId")
        .text("description")
}

/// The memberships file.
#[derive(Clone, Debug)]
pub(crate) struct Memberships {
    /// The file.
    pub(crate) file: TableFile,
}

impl Memberships {
    /// One page of a group's members.
    pub(crate) fn list(&self, group: &str, cursor: Option<&str>, limit: u32) -> Result<MemberPage> {
        let members = self.of(&self.file.load()?, group)?;
        let (page, cursor) =
            tombolo_sdk::paging::page(&members, |m: &String| m.as_str(), cursor, limit);
        Ok(MemberPage {
            members: page.into_iter().cloned().collect(),
            cursor,
        })
    }

    /// Adds and removes members in one replacement of the file.
    pub(crate) fn change(&self, group: &str, add: &[String], remove: &[String]) -> Result<()> {
        let remove: HashSet<&[u8]> = remove.iter().map(String::as_bytes).collect();
        self.file.change(|table| {
            let (at_group, at_member) = self.columns(table)?;
            if !remove.is_empty() {
                table.retain(|row| {
                    row.get(at_group) != Some(group.as_bytes())
                        || row
                            .get(at_member)
                            .is_none_or(|member| !remove.contains(member))
                });
            }
            let mut there = self.of(table, group)?;
            let mut row = vec![""; table.header().len()];
            for member in add {
                if there.insert(member.clone()) {
                    row[at_group] = group;
                    row[at_member] = member;
                    table.append(&row);
                }
            }
            Ok(())
        })
    }

    /// Forgets a group that is gone.
    pub(crate) fn forget_group(&self, group: &str) -> Result<()> {
        self.forget(|(at_group, _)| at_group, group)
    }

    /// Forgets a person who is gone.
    pub(crate) fn forget_member(&self, member: &str) -> Result<()> {
        self.forget(|(_, at_member)| at_member, member)
    }

    /// Whether the file can be worked with.
    pub(crate) fn check(&self) -> Result<()> {
        self.columns(&self.file.load()?)?;
        self.file.probe()
    }

    fn forget(&self, column: impl Fn((usize, usize)) -> usize, anchor: &str) -> Result<()> {
        self.file.change(|table| {
            let at = column(self.columns(table)?);
            // Nothing to forget: the file stays as it is, and unborn if it is.
            if table.find(at, anchor).is_some() {
                table.retain(|row| row.get(at) != Some(anchor.as_bytes()));
            }
            Ok(())
        })
    }

    fn of(&self, table: &Table, group: &str) -> Result<BTreeSet<String>> {
        let (at_group, at_member) = self.columns(table)?;
        let mut members = BTreeSet::new();
        table.each(|_, row| {
            if row.get(at_group) == Some(group.as_bytes()) {
                let member = text(row.get(at_member));
                if !member.is_empty() {
                    members.insert(member.into_owned());
                }
            }
        });
        Ok(members)
    }

    fn columns(&self, table: &Table) -> Result<(usize, usize)> {
        let at = |name: &str| {
            table.column(name).ok_or_else(|| {
                Failure::other(format!(
                    "{} has no column {name}: add it to the header line",
                    self.file.name()
                ))
            })
        };
        Ok((at(COLUMNS[0])?, at(COLUMNS[1])?))
    }
}

/// Refuses members that are no people.
pub(crate) fn known(people: &Objects, add: &[String]) -> Result<()> {
    if add.is_empty() {
        return Ok(());
    }
    let table = people.file.load()?;
    let unknown = |anchor: &String| {
        Failure::invalid(format!("no user has the anchor {anchor:?}")).attribute("members")
    };
    if let [only] = add {
        return if people.exists(&table, only)? {
            Ok(())
        } else {
            Err(unknown(only))
        };
    }
    let known = people.anchors(&table)?;
    match add.iter().find(|anchor| !known.contains(anchor.as_str())) {
        Some(anchor) => Err(unknown(anchor)),
        None => Ok(()),
    }
}
