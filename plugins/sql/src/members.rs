//! Who is in a group: a row a membership, each inserted and deleted alone.

use std::collections::{BTreeMap, BTreeSet};

use tombolo_sdk::sql::{Cell, Database, Statements};
use tombolo_sdk::{Failure, Fault, MemberPage, Result};

use crate::key;
use crate::links;
use crate::model::{Kind, Membership, Model};
use crate::read::{ROW, Shape};
use crate::references::matching;
use crate::statement::{Name, Sql, chunk};
use crate::write::{Columns, Parameters};

/// How many members are asked for at once, however many are wanted.
const PAGE: u32 = 1000;

/// One page of a group's members: kind by kind, in the order of their keys.
pub fn list(
    model: &Model,
    on: &dyn Statements,
    anchor: &str,
    cursor: Option<&str>,
    limit: u32,
) -> Result<MemberPage> {
    let group = Group::find(model, on, anchor, false)?;
    let size = match limit {
        0 => PAGE,
        limit => limit.min(PAGE),
    };
    let wrong = || Failure::invalid("that is no cursor");
    let (from, last) = match cursor {
        None => (0, None),
        Some(cursor) => {
            let (kind, last) = cursor.split_once(':').ok_or_else(wrong)?;
            let mut all = group.kind.members.iter();
            let from = all.position(|m| m.member.to == kind).ok_or_else(wrong)?;
            (from, Some(last).filter(|last| !last.is_empty()))
        }
    };
    let mut members = Vec::new();
    for (at, membership) in group.kind.members.iter().enumerate().skip(from) {
        let last = last.filter(|_| at == from);
        let left = size - u32::try_from(members.len()).unwrap_or(size).min(size);
        if left == 0 {
            return Ok(MemberPage {
                members,
                cursor: Some(format!("{}:", membership.member.to)),
            });
        }
        let (found, more) = group.page(on, membership, last, left)?;
        members.extend(found);
        if more {
            let cursor = members
                .last()
                .map(|last| format!("{}:{last}", membership.member.to));
            return Ok(MemberPage { members, cursor });
        }
    }
    Ok(MemberPage {
        members,
        cursor: None,
    })
}

/// Adds and removes members, all or none. Who is in already, or no longer, is no error.
pub fn change(
    model: &Model,
    database: &dyn Database,
    anchor: &str,
    add: &[String],
    remove: &[String],
    request: &str,
) -> Result<()> {
    match attempt(model, database, anchor, add, remove, request) {
        // Somebody else has added one of them since we looked: look again.
        Err(failure) if failure.is(Fault::AlreadyExists) => {
            attempt(model, database, anchor, add, remove, request)
        }
        other => other,
    }
}

fn attempt(
    model: &Model,
    database: &dyn Database,
    anchor: &str,
    add: &[String],
    remove: &[String],
    request: &str,
) -> Result<()> {
    let transaction = database.begin()?;
    let on: &dyn Statements = &*transaction;
    let group = Group::find(model, on, anchor, true)?;
    let mut unknown: Vec<String> = add.to_vec();
    let mut done = 0;
    for membership in &group.kind.members {
        let found = links::cells(model, on, &membership.member, &unknown)?;
        unknown.retain(|anchor| !found.contains_key(anchor));
        let there = group.there(on, membership, &found)?;
        for (member, cells) in found.iter().filter(|(member, _)| !there.contains(*member)) {
            group.add(on, membership, member, cells, request)?;
            done += 1;
        }
    }
    if let Some(unknown) = unknown.first() {
        let what = format!("a member to add is not in the database: {unknown:?}");
        return Err(Failure::invalid(what).attribute("members"));
    }
    for membership in &group.kind.members {
        // A member whose own row is gone may still have one here.
        let mut held = BTreeMap::new();
        for anchor in remove {
            if let Some(cells) = links::cells_of(model, on, &membership.member, anchor)? {
                held.insert(anchor.clone(), cells);
            }
        }
        let there = group.there(on, membership, &held)?;
        for (member, cells) in held.iter().filter(|(member, _)| there.contains(*member)) {
            group.remove(on, membership, member, cells, request)?;
            done += 1;
        }
    }
    if done == 0 {
        return Ok(());
    }
    transaction.commit()
}

/// A group, with the columns by which memberships know it.
struct Group<'m> {
    model: &'m Model,
    kind: &'m Kind,
    key: Vec<Cell>,
    shape: Shape<'m>,
    row: Vec<Cell>,
}

impl<'m> Group<'m> {
    fn find(model: &'m Model, on: &dyn Statements, anchor: &str, locked: bool) -> Result<Self> {
        let kind = model.group()?;
        let missing = || key::not_found(kind, anchor);
        let key = key::cells(kind, anchor).ok_or_else(missing)?;
        let mut shape = Shape {
            kind,
            columns: kind.key_names(),
            attributes: Vec::new(),
        };
        for membership in &kind.members {
            membership.group.iter().for_each(|(_, own)| shape.also(own));
        }
        let row = shape.find(model, on, &key, locked)?.ok_or_else(missing)?;
        Ok(Self {
            model,
            kind,
            key,
            shape,
            row,
        })
    }

    fn cells(&self, membership: &Membership) -> Vec<Cell> {
        self.shape
            .cells(&self.row, membership.group.iter().map(|(_, own)| own))
    }

    /// Members of one kind, after one of them; and whether there are more.
    fn page(
        &self,
        on: &dyn Statements,
        membership: &Membership,
        last: Option<&str>,
        size: u32,
    ) -> Result<(Vec<String>, bool)> {
        let kind = self.model.kind(&membership.member.to)?;
        let shape = Shape {
            kind,
            columns: kind.key_names(),
            attributes: Vec::new(),
        };
        let mut sql = shape.select();
        sql.push(" AND EXISTS (SELECT 1 FROM ")
            .name(&membership.table)
            .push(" m WHERE ");
        sql.join(&membership.member.pairs, " AND ", |sql, (here, there)| {
            sql.column("m", here).push(" = ").column(ROW, there);
        });
        for ((here, _), cell) in membership.group.iter().zip(self.cells(membership)) {
            sql.push(" AND ").equals(Some("m"), here, &cell);
        }
        for (name, literal) in &membership.rows {
            sql.push(" AND ").equals(Some("m"), name, &literal.cell());
        }
        sql.push(")");
        if let Some(last) = last {
            let last =
                key::cells(kind, last).ok_or_else(|| Failure::invalid("that is no cursor"))?;
            sql.push(" AND ").after(ROW, &kind.key_names(), &last);
        }
        sql.push(" ORDER BY ")
            .join(kind.key_names(), ", ", |sql, name| {
                sql.column(ROW, name);
            });
        sql.text = self.model.dialect.limited(sql.text, size + 1);
        let found = sql.query(on, size + 1)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut rows = found.rows;
        // The host may hand out fewer than were asked for.
        let more = rows.len() > size || found.truncated;
        rows.truncate(size);
        let anchors: Result<Vec<String>> =
            rows.iter().map(|row| key::anchor_of(kind, row)).collect();
        Ok((anchors?, more))
    }

    /// Which of these members have a row.
    fn there(
        &self,
        on: &dyn Statements,
        membership: &Membership,
        members: &BTreeMap<String, Vec<Cell>>,
    ) -> Result<BTreeSet<String>> {
        let columns: Vec<&Name> = membership
            .member
            .pairs
            .iter()
            .map(|(here, _)| here)
            .collect();
        let asked: Vec<&[Cell]> = members.values().map(Vec::as_slice).collect();
        let mut held = BTreeSet::new();
        for chunk in asked.chunks(chunk(columns.len())) {
            let mut sql = Sql::new("SELECT ");
            sql.join(&columns, ", ", |sql, name| {
                sql.column("m", name);
            });
            sql.push(" FROM ")
                .name(&membership.table)
                .push(" m WHERE ")
                .one_of("m", &columns, chunk);
            for ((here, _), cell) in membership.group.iter().zip(self.cells(membership)) {
                sql.push(" AND ").equals(Some("m"), here, &cell);
            }
            for (name, literal) in &membership.rows {
                sql.push(" AND ").equals(Some("m"), name, &literal.cell());
            }
            let rows = sql.all(on)?.rows;
            held.extend(rows.iter().filter_map(|row| key::texts(row)));
        }
        let is_there =
            |cells: &Vec<Cell>| key::texts(cells).is_some_and(|texts| held.contains(&texts));
        Ok(members
            .iter()
            .filter(|(_, cells)| is_there(cells))
            .map(|(member, _)| member.clone())
            .collect())
    }

    fn add(
        &self,
        on: &dyn Statements,
        membership: &Membership,
        member: &str,
        cells: &[Cell],
        request: &str,
    ) -> Result<()> {
        if !membership.add.is_empty() {
            return self
                .parameters(membership, member, request)?
                .run(on, &membership.add);
        }
        let mut columns = Columns::default();
        for ((here, _), cell) in membership.group.iter().zip(self.cells(membership)) {
            columns.set(here, cell);
        }
        for ((here, _), cell) in membership.member.pairs.iter().zip(cells) {
            columns.set(here, cell.clone());
        }
        for (name, literal) in &membership.rows {
            columns.set(name, literal.cell());
        }
        columns.otherwise(&membership.defaults);
        columns.insert(&membership.table, "").execute(on).map(drop)
    }

    fn remove(
        &self,
        on: &dyn Statements,
        membership: &Membership,
        member: &str,
        cells: &[Cell],
        request: &str,
    ) -> Result<()> {
        if !membership.remove.is_empty() {
            return self
                .parameters(membership, member, request)?
                .run(on, &membership.remove);
        }
        let mut sql = Sql::new("DELETE FROM ");
        sql.name(&membership.table).push(" WHERE ");
        matching(
            &mut sql,
            &membership.group,
            &self.cells(membership),
            &membership.rows,
        );
        sql.push(" AND ");
        matching(&mut sql, &membership.member.pairs, cells, &[]);
        sql.execute(on).map(drop)
    }

    fn parameters(
        &self,
        membership: &Membership,
        member: &str,
        request: &str,
    ) -> Result<Parameters> {
        let kind = self.model.kind(&membership.member.to)?;
        let key = key::cells(kind, member).ok_or_else(|| key::not_found(kind, member))?;
        Ok(Parameters::default()
            .with("request", request.into())
            .with_key("group", self.kind, &self.key)
            .with_key("member", kind, &key))
    }
}
