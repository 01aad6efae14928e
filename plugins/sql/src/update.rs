//! Changes of rows: what an object is, against what it is to be, and only the difference is written. The same request
//! again finds nothing left to do.

use tombolo_sdk::schema::{Mutability, Type};
use tombolo_sdk::sql::{Cell, Database, Statements};
use tombolo_sdk::{Edit, Entry, Failure, Result, Value};

use crate::key;
use crate::links;
use crate::model::{Attribute, Child, Kind, Model, Place};
use crate::read::Shape;
use crate::references::{also_referred, forget};
use crate::settings::VersionBy;
use crate::statement::{Name, Sql};
use crate::template::Template;
use crate::write::{Columns, Parameters, blame, columns, with_key, writable};

/// The statements that switch an object on and off.
#[derive(Clone, Copy)]
pub struct Switch<'m> {
    enable: &'m [Template],
    disable: &'m [Template],
}

impl<'m> Switch<'m> {
    /// Those that make it so.
    pub fn to(self, active: bool) -> &'m [Template] {
        if active { self.enable } else { self.disable }
    }
}

/// The statements in place of writing this attribute: of `active`, where there are any.
pub fn active<'m>(kind: &'m Kind, attribute: &Attribute) -> Option<Switch<'m>> {
    let named = attribute.name() == "active" || attribute.field.scim.as_deref() == Some("active");
    let any = !(kind.enable.is_empty() && kind.disable.is_empty());
    (named && any && attribute.field.kind == Type::Boolean).then_some(Switch {
        enable: &kind.enable,
        disable: &kind.disable,
    })
}

/// Applies the edits and answers the object as it is now.
pub fn update(
    model: &Model,
    database: &dyn Database,
    kind: &Kind,
    anchor: &str,
    edits: &[Edit],
    if_version: Option<&str>,
    request: &str,
) -> Result<Entry> {
    let missing = || key::not_found(kind, anchor);
    let key = key::cells(kind, anchor).ok_or_else(missing)?;
    let transaction = database.begin()?;
    let on: &dyn Statements = &*transaction;
    let shape = Shape::whole(kind);
    let row = shape.find(model, on, &key, true)?.ok_or_else(missing)?;
    let held = shape.version(&row);
    if if_version.is_some_and(|wanted| held.as_deref() != Some(wanted)) {
        return Err(changed(kind));
    }
    let mut work = Work {
        model,
        kind,
        shape: &shape,
        row: &row,
        request,
        columns: Columns::default(),
        children: Vec::new(),
        switch: None,
        state: Vec::new(),
    };
    work.out(on, edits)?;
    if !work.is_empty() {
        let key = match work.write(on, &key) {
            Ok(key) => key,
            Err(failure) => {
                let columns = std::mem::take(&mut work.columns);
                // Rolled back first: a broken transaction answers nothing.
                drop(transaction);
                return Err(blame(database, kind, &columns, Some(anchor), failure));
            }
        };
        let row = shape.find(model, on, &key, false)?.ok_or_else(missing)?;
        work.write_children(on, &row)?;
        let entry = shape
            .entries(model, on, &[row])?
            .pop()
            .ok_or_else(missing)?;
        transaction.commit()?;
        return Ok(entry);
    }
    shape.entries(model, on, &[row])?.pop().ok_or_else(missing)
}

fn changed(kind: &Kind) -> Failure {
    Failure::changed(format!(
        "the {} has been changed in the database in the meantime",
        kind.name
    ))
}

/// What is to be done.
struct Work<'w> {
    model: &'w Model,
    kind: &'w Kind,
    shape: &'w Shape<'w>,
    row: &'w [Cell],
    request: &'w str,
    /// Columns that are to hold something else.
    columns: Columns,
    /// Rows of other tables that come and go.
    children: Vec<ChildWork<'w>>,
    /// Whether it is switched on or off by statements.
    switch: Option<&'w [Template]>,
    /// Every attribute that is touched, with all that it is to have.
    state: Vec<(&'w Attribute, Vec<Value>)>,
}

struct ChildWork<'w> {
    child: &'w Child,
    gone: Vec<Vec<Cell>>,
    new: Vec<Vec<Cell>>,
}

impl<'w> Work<'w> {
    fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.children.is_empty() && self.switch.is_none()
    }

    /// Works out the difference.
    fn out(&mut self, on: &dyn Statements, edits: &[Edit]) -> Result<()> {
        for (at, edit) in edits.iter().enumerate() {
            let name = edit.name();
            // Together with the first edit of an attribute come all the others.
            if edits[..at].iter().any(|before| before.name() == name) {
                continue;
            }
            let attribute = self.kind.attribute(name)?;
            writable(attribute)?;
            let edits = edits[at..].iter().filter(|other| other.name() == name);
            match &attribute.place {
                Place::Child(child) => self.child(on, attribute, child, edits)?,
                Place::Column(_) | Place::Reference(_) => self.own(on, attribute, edits)?,
            }
        }
        Ok(())
    }

    fn own<'e>(
        &mut self,
        on: &dyn Statements,
        attribute: &'w Attribute,
        edits: impl Iterator<Item = &'e Edit>,
    ) -> Result<()> {
        let before = self.values(on, attribute)?;
        let mut values = before.clone();
        edits.for_each(|edit| edit.apply_to(&mut values));
        self.may(attribute, &before, &values)?;
        if let Some(switch) = active(self.kind, attribute) {
            let wanted = values
                .first()
                .and_then(Value::as_scalar)
                .and_then(tombolo_sdk::Scalar::as_boolean);
            if let Some(wanted) = wanted.filter(|_| before != values) {
                self.switch = Some(switch.to(wanted));
            }
            return Ok(());
        }
        let wanted = columns(self.model, on, attribute, &values)?;
        let same = match &attribute.place {
            _ if !attribute.is_readable() => false,
            Place::Column(column) => wanted
                .iter()
                .all(|(name, cell)| column.same(self.shape.cell(self.row, name), cell)),
            _ => before == values,
        };
        if !same {
            for (name, cell) in wanted {
                self.columns.set(&name, cell);
            }
            self.state.push((attribute, values));
        }
        Ok(())
    }

    fn child<'e>(
        &mut self,
        on: &dyn Statements,
        attribute: &'w Attribute,
        child: &'w Child,
        edits: impl Iterator<Item = &'e Edit>,
    ) -> Result<()> {
        let owner = self.owner(self.row, child);
        let held = child.held(on, &owner)?;
        let mut values: Vec<Value> = held.iter().filter_map(|row| child.value(row)).collect();
        if !attribute.field.multi {
            values.truncate(1);
        }
        let before = values.clone();
        for edit in edits {
            // In the form that reading gives: another spelling of a value is the same value.
            let mut edit = edit.clone();
            let rows = child.rows_of(attribute, &edit.attribute.values)?;
            edit.attribute.values = rows.iter().filter_map(|row| child.value(row)).collect();
            edit.apply_to(&mut values);
        }
        self.may(attribute, &before, &values)?;
        let wanted = child.rows_of(attribute, &values)?;
        let among =
            |row: &[Cell], rows: &[Vec<Cell>]| rows.iter().any(|other| child.same(row, other));
        let replaceable = match (attribute.field.multi, wanted.is_empty()) {
            // One value of perhaps several rows: the others come after it, and are not touched by another value.
            (false, false) => &held[..held.len().min(1)],
            _ => held.as_slice(),
        };
        let gone: Vec<Vec<Cell>> = replaceable
            .iter()
            .filter(|row| !among(row, &wanted))
            .cloned()
            .collect();
        let new: Vec<Vec<Cell>> = wanted
            .iter()
            .filter(|row| !among(row, &held))
            .cloned()
            .collect();
        if !(gone.is_empty() && new.is_empty()) {
            self.children.push(ChildWork { child, gone, new });
        }
        Ok(())
    }

    /// Refuses to clear what is required, and to change what is set once.
    #[allow(clippy::unused_self)] // one of a family
    fn may(&self, attribute: &Attribute, before: &[Value], after: &[Value]) -> Result<()> {
        let refuse = |what: &str| {
            let what = format!("{} {what}", attribute.name());
            Err(Failure::invalid(what).attribute(attribute.name()))
        };
        if after.is_empty() && attribute.field.required {
            return refuse("is required and cannot be cleared");
        }
        if attribute.field.mutability == Mutability::Immutable && before != after {
            return refuse("is set when the object is created and never again");
        }
        Ok(())
    }

    fn values(&self, on: &dyn Statements, attribute: &Attribute) -> Result<Vec<Value>> {
        Ok(match &attribute.place {
            _ if !attribute.is_readable() => Vec::new(),
            Place::Column(column) => {
                let read = column.read(self.shape.cell(self.row, &column.name));
                read.map(Value::Simple).into_iter().collect()
            }
            Place::Reference(link) => {
                let here = self
                    .shape
                    .cells(self.row, link.pairs.iter().map(|(here, _)| here));
                let anchors = links::anchors(self.model, on, link, &[here])?;
                anchors.into_iter().flatten().map(Value::from).collect()
            }
            Place::Child(_) => Vec::new(),
        })
    }

    fn owner(&self, row: &[Cell], child: &Child) -> Vec<Cell> {
        self.shape.cells(row, child.link.iter().map(|(_, own)| own))
    }

    /// Writes the row, and answers its key as it is then.
    fn write(&self, on: &dyn Statements, key: &[Cell]) -> Result<Vec<Cell>> {
        if let Some(templates) = self.switch {
            self.parameters(on, key)?.run(on, templates)?;
        }
        let mut sets = Sql::default();
        if self.kind.update.is_empty() {
            sets.join(self.columns.iter(), ", ", |sql, (name, cell)| {
                sql.name(name).push(" = ").bind(cell.clone());
            });
        } else if !self.columns.is_empty() {
            self.parameters(on, key)?.run(on, &self.kind.update)?;
        }
        if let (Some((name, VersionBy::Increment)), Some(_)) =
            (&self.kind.version, &self.kind.table)
        {
            if !sets.text.is_empty() {
                sets.push(", ");
            }
            sets.name(name)
                .push(" = COALESCE(")
                .name(name)
                .push(", 0) + 1");
        }
        if !sets.text.is_empty() {
            let table = self.kind.table.as_ref().ok_or_else(|| {
                Failure::unsupported(format!(
                    "{} can only be read: give it a `table` or statements in [settings]",
                    self.kind.a()
                ))
            })?;
            let mut sql = Sql::new("UPDATE ");
            sql.name(table).push(" SET ").append(sets);
            with_key(&mut sql, self.kind, key);
            if let Some((version, VersionBy::Increment)) = &self.kind.version {
                sql.push(" AND ")
                    .equals(None, version, self.shape.cell(self.row, version));
            }
            if sql.execute(on)? == 0 {
                return Err(changed(self.kind));
            }
        }
        let names = self.kind.key_names().into_iter();
        let cell = |(name, old): (&Name, &Cell)| self.columns.get(name).unwrap_or(old).clone();
        Ok(names.zip(key).map(cell).collect())
    }

    fn write_children(&self, on: &dyn Statements, row: &[Cell]) -> Result<()> {
        for work in &self.children {
            let owner = self.owner(row, work.child);
            work.child.remove(on, &owner, &work.gone)?;
            work.child.insert(on, &owner, &work.new)?;
        }
        Ok(())
    }

    /// The parameters of the operator's statements: all that the object is to be.
    fn parameters(&self, on: &dyn Statements, key: &[Cell]) -> Result<Parameters> {
        let mut parameters = Parameters::default()
            .with("request", self.request.into())
            .with_key("key", self.kind, key);
        for attribute in &self.kind.attributes {
            let touched = self
                .state
                .iter()
                .find(|(other, _)| other.name() == attribute.name());
            let columns = match (touched, &attribute.place) {
                (Some((_, values)), _) => columns(self.model, on, attribute, values)?,
                (None, Place::Column(column)) => {
                    vec![(
                        column.name.clone(),
                        self.shape.cell(self.row, &column.name).clone(),
                    )]
                }
                (None, Place::Reference(link)) => {
                    let cell = |(here, _): &(Name, Name)| {
                        (here.clone(), self.shape.cell(self.row, here).clone())
                    };
                    link.pairs.iter().map(cell).collect()
                }
                (None, Place::Child(_)) => Vec::new(),
            };
            parameters = parameters.with_attribute(attribute, &columns);
        }
        Ok(parameters)
    }
}

impl Child {
    /// The owner's rows: a cell a part.
    fn held(&self, on: &dyn Statements, owner: &[Cell]) -> Result<Vec<Vec<Cell>>> {
        let mut sql = Sql::new("SELECT ");
        sql.join(&self.parts, ", ", |sql, (_, column)| {
            sql.column("c", &column.name);
        });
        sql.push(" FROM ").name(&self.table).push(" c WHERE ");
        sql.join(
            self.link.iter().zip(owner),
            " AND ",
            |sql, ((here, _), cell)| {
                sql.equals(Some("c"), here, cell);
            },
        );
        for (name, literal) in &self.rows {
            sql.push(" AND ").equals(Some("c"), name, &literal.cell());
        }
        sql.push(" ORDER BY ").join(&self.order, ", ", |sql, name| {
            sql.column("c", name);
        });
        Ok(sql.all(on)?.rows)
    }

    /// Whether two rows mean the same value.
    fn same(&self, a: &[Cell], b: &[Cell]) -> bool {
        self.parts
            .iter()
            .zip(a.iter().zip(b))
            .all(|((_, column), (a, b))| column.same(a, b))
    }
}

/// Deletes the object, and first what refers to it.
pub fn delete(
    model: &Model,
    database: &dyn Database,
    kind: &Kind,
    anchor: &str,
    request: &str,
) -> Result<()> {
    let missing = || key::not_found(kind, anchor);
    let key = key::cells(kind, anchor).ok_or_else(missing)?;
    let transaction = database.begin()?;
    let on: &dyn Statements = &*transaction;
    let mut shape = Shape::whole(kind);
    also_referred(model, kind, &mut shape);
    let row = shape.find(model, on, &key, true)?.ok_or_else(missing)?;
    if !kind.delete.is_empty() {
        let parameters = Parameters::default()
            .with("request", request.into())
            .with_key("key", kind, &key);
        parameters.run(on, &kind.delete)?;
        return transaction.commit();
    }
    let table = kind.table.as_ref().ok_or_else(|| {
        Failure::unsupported(format!(
            "{} is not deleted: give it a `table` or a statement for it in [settings]",
            kind.a()
        ))
    })?;
    forget(model, on, kind, &shape, &row, kind.gone.is_none())?;
    let mut sql = match &kind.gone {
        Some((name, literal)) => {
            let mut sql = Sql::new("UPDATE ");
            sql.name(table)
                .push(" SET ")
                .name(name)
                .push(" = ")
                .bind(literal.cell());
            sql
        }
        None => {
            for attribute in &kind.attributes {
                if let Place::Child(child) = &attribute.place {
                    let owner = shape.cells(&row, child.link.iter().map(|(_, own)| own));
                    child.clear(on, &owner)?;
                }
            }
            let mut sql = Sql::new("DELETE FROM ");
            sql.name(table);
            sql
        }
    };
    with_key(&mut sql, kind, &key);
    if sql.execute(on)? == 0 {
        return Err(missing());
    }
    transaction.commit()
}
