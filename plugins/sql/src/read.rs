//! Rows as objects: what is selected, and what is made of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tombolo_sdk::sql::{Cell, Statements};
use tombolo_sdk::{Attribute as Given, Entry, Part, Result, Scalar, Value};

use crate::key;
use crate::links;
use crate::model::{Attribute, Child, Kind, Model, Place};
use crate::statement::{Name, Sql, chunk};

/// The alias of a kind's table or query.
pub const ROW: &str = "t";

/// Which columns of a kind's rows are selected, and for which attributes.
pub struct Shape<'m> {
    /// The kind.
    pub kind: &'m Kind,
    /// The columns, the key's first.
    pub columns: Vec<&'m Name>,
    /// The attributes.
    pub attributes: Vec<&'m Attribute>,
}

impl<'m> Shape<'m> {
    /// What these attributes need; no names want all.
    pub fn of(kind: &'m Kind, wanted: &[String]) -> Self {
        let is_wanted = |a: &&Attribute| {
            a.is_readable() && (wanted.is_empty() || wanted.iter().any(|name| name == a.name()))
        };
        let attributes: Vec<&Attribute> = kind.attributes.iter().filter(is_wanted).collect();
        let mut shape = Self {
            kind,
            columns: kind.key_names(),
            attributes,
        };
        if let Some((version, _)) = &kind.version {
            shape.also(version);
        }
        for attribute in shape.attributes.clone() {
            match &attribute.place {
                Place::Column(column) => shape.also(&column.name),
                Place::Reference(link) => link.pairs.iter().for_each(|(here, _)| shape.also(here)),
                Place::Child(child) => child.link.iter().for_each(|(_, own)| shape.also(own)),
            }
        }
        shape
    }

    /// Everything, to change it.
    pub fn whole(kind: &'m Kind) -> Self {
        Self::of(kind, &[])
    }

    /// This column too.
    pub fn also(&mut self, name: &'m Name) {
        if !self.columns.contains(&name) {
            self.columns.push(name);
        }
    }

    /// Where a column is in the rows.
    pub fn cell<'r>(&self, row: &'r [Cell], name: &Name) -> &'r Cell {
        let at = self.columns.iter().position(|column| *column == name);
        at.and_then(|at| row.get(at)).unwrap_or(&Cell::Null)
    }

    /// A row's cells in these columns.
    pub fn cells<'n>(&self, row: &[Cell], names: impl IntoIterator<Item = &'n Name>) -> Vec<Cell> {
        let cell = |name| self.cell(row, name).clone();
        names.into_iter().map(cell).collect()
    }

    /// A row's key.
    pub fn key<'r>(&self, row: &'r [Cell]) -> &'r [Cell] {
        &row[..self.kind.key.len().min(row.len())]
    }

    /// A row's version, as the contract has it.
    pub fn version(&self, row: &[Cell]) -> Option<String> {
        let (name, _) = self.kind.version.as_ref()?;
        match self.cell(row, name).scalar()? {
            Scalar::Bytes(bytes) => Some(hex(bytes)),
            scalar => scalar.to_plain().map(std::borrow::Cow::into_owned),
        }
    }

    /// `SELECT` of the kind's living rows, to which further conditions are added with `AND`.
    pub fn select(&self) -> Sql {
        let mut sql = self.select_all("");
        alive(&mut sql, self.kind, ROW);
        sql
    }

    /// The same, and those that are marked as gone.
    pub fn select_all(&self, hint: &str) -> Sql {
        let mut sql = Sql::new("SELECT ");
        sql.join(&self.columns, ", ", |sql, name| {
            sql.column(ROW, name);
        });
        sql.push(" FROM ")
            .push(&self.kind.source)
            .push(" ")
            .push(ROW)
            .push(hint);
        belonging(&mut sql, self.kind, ROW);
        sql
    }

    /// The living row with this key. Locked, nobody else changes it before the transaction ends.
    pub fn find(
        &self,
        model: &Model,
        on: &dyn Statements,
        key: &[Cell],
        locked: bool,
    ) -> Result<Option<Vec<Cell>>> {
        let locked = locked && self.kind.locks;
        let mut sql = self.select_all(if locked {
            model.dialect.lock_hint()
        } else {
            ""
        });
        alive(&mut sql, self.kind, ROW);
        for (name, cell) in self.kind.key_names().into_iter().zip(key) {
            sql.push(" AND ").equals(Some(ROW), name, cell);
        }
        if locked {
            sql.push(model.dialect.for_update());
        }
        let wanted = key::anchor(self.kind, key);
        let rows = sql.query(on, 10)?.rows;
        // A collation may find more than was asked for: an anchor is what it is.
        Ok(rows
            .into_iter()
            .find(|row| key::anchor(self.kind, self.key(row)) == wanted))
    }

    /// Rows as entries, with what stands in other tables.
    pub fn entries(
        &self,
        model: &Model,
        on: &dyn Statements,
        rows: &[Vec<Cell>],
    ) -> Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = rows
            .iter()
            .map(|row| {
                let mut entry = Entry::new(key::anchor_of(self.kind, self.key(row))?);
                entry.version = self.version(row);
                Ok(entry)
            })
            .collect::<Result<_>>()?;
        for attribute in &self.attributes {
            let values: Vec<Vec<Value>> = match &attribute.place {
                Place::Column(column) => rows
                    .iter()
                    .map(|row| column.read(self.cell(row, &column.name)))
                    .map(|scalar| scalar.map(Value::Simple).into_iter().collect())
                    .collect(),
                Place::Reference(link) => {
                    let here: Vec<Vec<Cell>> = rows
                        .iter()
                        .map(|row| self.cells(row, link.pairs.iter().map(|(here, _)| here)))
                        .collect();
                    let anchors = links::anchors(model, on, link, &here)?;
                    anchors
                        .into_iter()
                        .map(|anchor| anchor.map(Value::from).into_iter().collect())
                        .collect()
                }
                Place::Child(child) => self.children(on, attribute, child, rows)?,
            };
            for (entry, values) in entries.iter_mut().zip(values) {
                if !values.is_empty() {
                    entry.attributes.push(Given {
                        name: attribute.name().to_owned(),
                        values,
                    });
                }
            }
        }
        Ok(entries)
    }

    fn children(
        &self,
        on: &dyn Statements,
        attribute: &Attribute,
        child: &Child,
        rows: &[Vec<Cell>],
    ) -> Result<Vec<Vec<Value>>> {
        let owners: Vec<Vec<Cell>> = rows
            .iter()
            .map(|row| self.cells(row, child.link.iter().map(|(_, own)| own)))
            .collect();
        let mut found: BTreeMap<Vec<String>, Vec<Value>> = BTreeMap::new();
        let wanted: Vec<&[Cell]> = owners
            .iter()
            .filter(|cells| !cells.contains(&Cell::Null))
            .map(Vec::as_slice)
            .collect();
        let mut asked: Vec<&[&[Cell]]> = wanted.chunks(chunk(child.link.len())).rev().collect();
        while let Some(some) = asked.pop() {
            match child.values(on, some)? {
                Some(values) => {
                    for (owner, value) in values {
                        found.entry(owner).or_default().push(value);
                    }
                }
                // More rows than the host hands out at once: half of the owners have fewer.
                None => {
                    let (first, second) = some.split_at(some.len() / 2);
                    asked.extend([second, first]);
                }
            }
        }
        Ok(owners
            .iter()
            .map(|cells| {
                let mut values = key::texts(cells)
                    .and_then(|texts| found.get(&texts).cloned())
                    .unwrap_or_default();
                if !attribute.field.multi {
                    values.truncate(1);
                }
                values
            })
            .collect())
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// An owner's columns as text, and one of its values.
type Owned = (Vec<String>, Value);

impl Child {
    /// The values of these owners, each with the owner's columns as text; none: they are too many for one answer.
    fn values(&self, on: &dyn Statements, owners: &[&[Cell]]) -> Result<Option<Vec<Owned>>> {
        let links: Vec<&Name> = self.link.iter().map(|(here, _)| here).collect();
        let mut sql = Sql::new("SELECT ");
        sql.join(
            links
                .iter()
                .copied()
                .chain(self.parts.iter().map(|(_, c)| &c.name)),
            ", ",
            |sql, name| {
                sql.column("c", name);
            },
        );
        sql.push(" FROM ")
            .name(&self.table)
            .push(" c WHERE ")
            .one_of("c", &links, owners);
        for (name, literal) in &self.rows {
            sql.push(" AND ").equals(Some("c"), name, &literal.cell());
        }
        sql.push(" ORDER BY ").join(
            links.iter().copied().chain(&self.order),
            ", ",
            |sql, name| {
                sql.column("c", name);
            },
        );
        let rows = match owners {
            [_] => sql.all(on)?,
            _ => sql.query(on, 0)?,
        };
        if rows.truncated {
            return Ok(None);
        }
        let value = |row: &Vec<Cell>| {
            let (owner, cells) = row.split_at(links.len().min(row.len()));
            Some((key::texts(owner)?, self.value(cells)?))
        };
        Ok(Some(rows.rows.iter().filter_map(value).collect()))
    }

    /// The value that a row's cells make; none: all of them are empty.
    pub fn value(&self, cells: &[Cell]) -> Option<Value> {
        let mut read = self
            .parts
            .iter()
            .zip(cells)
            .filter_map(|((name, column), cell)| Some((name, column.read(cell)?)));
        if self.is_simple() {
            return read.next().map(|(_, scalar)| Value::Simple(scalar));
        }
        let parts: Vec<Part> = read
            .map(|(name, scalar)| Part {
                name: name.clone(),
                values: vec![scalar],
            })
            .collect();
        (!parts.is_empty()).then_some(Value::Complex(parts))
    }

    /// Whether its values are simple.
    pub fn is_simple(&self) -> bool {
        matches!(self.parts.as_slice(), [(name, _)] if name.is_empty())
    }
}

/// Adds the condition that rows are the kind's.
fn belonging(sql: &mut Sql, kind: &Kind, alias: &str) {
    sql.push(" WHERE 1 = 1");
    for (name, literal) in &kind.rows {
        sql.push(" AND ").equals(Some(alias), name, &literal.cell());
    }
    // The operator's own condition speaks of `t`.
    if let Some(condition) = &kind.condition {
        sql.push(" AND (").push(condition).push(")");
    }
}

/// Adds the condition that rows are not marked as gone.
pub fn alive(sql: &mut Sql, kind: &Kind, alias: &str) {
    if let Some((name, literal)) = &kind.gone {
        sql.push(" AND (").column(alias, name).push(" IS NULL OR ");
        sql.column(alias, name)
            .push(" <> ")
            .bind(literal.cell())
            .push(")");
    }
}

/// Whether a row is marked as gone.
pub fn is_gone(shape: &Shape<'_>, row: &[Cell]) -> bool {
    let gone = shape.kind.gone.as_ref();
    gone.is_some_and(|(name, literal)| literal.is(shape.cell(row, name)))
}
