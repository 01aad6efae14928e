//! `check`: whether the database has what the settings speak of, without reading a row of it.
//!
//! A catalogue is another one in every database. A query without rows is the same everywhere, and proves that the app's
//! account may read.

use std::collections::BTreeMap;

use tombolo_sdk::sql::{Database, Statements};
use tombolo_sdk::{Failure, Fault, Result};

use crate::model::{Delta, Kind, Model, Place};
use crate::statement::{Name, Sql};

/// Checks everything.
pub fn check(model: &Model, on: &dyn Database) -> Result<()> {
    for kind in &model.kinds {
        for table in tables(model, kind) {
            probe(on, &table)
                .map_err(|failure| failure.within(format!("[settings.kinds.{}]", kind.name)))?;
        }
    }
    Ok(())
}

/// Something that can be selected from, and the columns that it must have.
struct Table<'m> {
    source: &'m str,
    called: String,
    columns: BTreeMap<&'m str, &'m Name>,
}

impl<'m> Table<'m> {
    fn new(name: &'m Name) -> Self {
        Self {
            source: name.quoted(),
            called: format!("table `{}`", name.plain()),
            columns: BTreeMap::new(),
        }
    }

    fn with(mut self, names: impl IntoIterator<Item = &'m Name>) -> Self {
        for name in names {
            self.columns.insert(name.plain(), name);
        }
        self
    }

    fn select(&self, columns: &[&Name]) -> Sql {
        let mut sql = Sql::new("SELECT ");
        sql.join(columns, ", ", |sql, name| {
            sql.column("t", name);
        });
        sql.push(if columns.is_empty() { "1 AS one" } else { "" });
        sql.push(" FROM ").push(self.source).push(" t WHERE 1 = 0");
        sql
    }
}

/// All tables of a kind.
fn tables<'m>(model: &'m Model, kind: &'m Kind) -> Vec<Table<'m>> {
    let mut tables = Vec::new();
    let mut read = Table {
        source: &kind.source,
        called: match &kind.table {
            Some(table) if kind.source == table.quoted() => format!("table `{}`", table.plain()),
            _ => "`query`".to_owned(),
        },
        columns: BTreeMap::new(),
    };
    read = read.with(kind.key_names());
    read = read.with(kind.rows.iter().map(|(name, _)| name));
    read = read.with(kind.request.iter());
    read = read.with(kind.version.iter().map(|(name, _)| name));
    read = read.with(kind.gone.iter().map(|(name, _)| name));
    if let Some(Delta::Watermark { column, .. }) = &kind.delta {
        read = read.with([column]);
    }
    let mut written = kind
        .table
        .as_ref()
        .filter(|table| kind.source != table.quoted())
        .map(Table::new);
    for attribute in &kind.attributes {
        match &attribute.place {
            Place::Column(column) if attribute.is_readable() => read = read.with([&column.name]),
            Place::Column(column) => {
                written = kind.table.as_ref().map(|table| {
                    let written = written.unwrap_or_else(|| Table::new(table));
                    written.with([&column.name])
                });
            }
            Place::Reference(link) => read = read.with(link.pairs.iter().map(|(here, _)| here)),
            Place::Child(child) => {
                read = read.with(child.link.iter().map(|(_, own)| own));
                let of_child = Table::new(&child.table)
                    .with(child.link.iter().map(|(here, _)| here))
                    .with(child.parts.iter().map(|(_, column)| &column.name))
                    .with(
                        child
                            .rows
                            .iter()
                            .chain(&child.defaults)
                            .map(|(name, _)| name),
                    )
                    .with(&child.order);
                tables.push(of_child);
            }
        }
    }
    if kind.create.is_empty() && kind.table.is_some() {
        let defaults = kind.defaults.iter().map(|(name, _)| name);
        match written.take() {
            Some(table) => written = Some(table.with(defaults)),
            None => read = read.with(defaults),
        }
    }
    for membership in &kind.members {
        read = read.with(membership.group.iter().map(|(_, own)| own));
        let of_members = Table::new(&membership.table)
            .with(membership.group.iter().map(|(here, _)| here))
            .with(membership.member.pairs.iter().map(|(here, _)| here))
            .with(
                membership
                    .rows
                    .iter()
                    .chain(&membership.defaults)
                    .map(|(name, _)| name),
            );
        tables.push(of_members);
    }
    // What other kinds equal here.
    for other in &model.kinds {
        let members = other.members.iter().map(|membership| &membership.member);
        let references = other
            .attributes
            .iter()
            .filter_map(|attribute| match &attribute.place {
                Place::Reference(link) => Some(link),
                _ => None,
            });
        for link in members
            .chain(references)
            .filter(|link| link.to == kind.name)
        {
            read = read.with(link.pairs.iter().map(|(_, there)| there));
        }
    }
    if let Some(Delta::Changes {
        table,
        sequence,
        key,
        rows,
        ..
    }) = &kind.delta
    {
        let log = Table::new(table)
            .with([sequence])
            .with(key)
            .with(rows.iter().map(|(name, _)| name));
        tables.push(log);
    }
    tables.insert(0, read);
    tables.extend(written);
    tables
}

fn probe(on: &dyn Statements, table: &Table<'_>) -> Result<()> {
    let columns: Vec<&Name> = table.columns.values().copied().collect();
    let Err(failure) = table.select(&columns).query(on, 1) else {
        return Ok(());
    };
    if !speaks_of_names(&failure) {
        return Err(failure);
    }
    // Which one is it?
    if let Err(failure) = table.select(&[]).query(on, 1) {
        return Err(missing(&table.called, &failure));
    }
    let mut absent = Vec::new();
    let mut last = None;
    for column in columns {
        if let Err(failure) = table.select(&[column]).query(on, 1) {
            absent.push(format!("`{}`", column.plain()));
            last = Some(failure);
        }
    }
    match last {
        Some(last) if absent.len() == 1 => Err(missing(
            &format!("{} has no column {}", table.called, absent[0]),
            &last,
        )),
        Some(last) => Err(missing(
            &format!("{} has no columns {}", table.called, absent.join(", ")),
            &last,
        )),
        None => Err(failure),
    }
}

/// Whether another statement could tell more: not when the database was not reached, or lets nobody in.
fn speaks_of_names(failure: &Failure) -> bool {
    !matches!(
        failure.fault,
        Fault::Unavailable | Fault::Timeout | Fault::Unauthenticated | Fault::Busy
    )
}

fn missing(what: &str, failure: &Failure) -> Failure {
    let what = if what.contains(" has no ") {
        what.to_owned()
    } else {
        format!("{what} cannot be read")
    };
    let mut said = Failure::new(
        if failure.is(Fault::Forbidden) {
            Fault::Forbidden
        } else {
            Fault::Invalid
        },
        format!("{what}; the database says: {}", failure.message),
    );
    said.target_code.clone_from(&failure.target_code);
    said
}
