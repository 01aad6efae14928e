//! What create, update and delete share: values as columns, and rows of other tables.

use std::collections::BTreeMap;

use tombolo_sdk::schema::Mutability;
use tombolo_sdk::sql::{Cell, Statements};
use tombolo_sdk::{Failure, Result, Scalar, Value};

use crate::key;
use crate::links;
use crate::model::{Attribute, Child, Fixed, Kind, Model, Place};
use crate::statement::{Name, Sql};
use crate::template::Template;

/// Columns and what they are to hold, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns(Vec<(Name, Cell)>);

impl Columns {
    /// This column holds that, whatever was said before.
    pub fn set(&mut self, name: &Name, cell: Cell) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, held)) => *held = cell,
            None => self.0.push((name.clone(), cell)),
        }
    }

    /// These too, unless something was said of them.
    pub fn otherwise(&mut self, fixed: &Fixed) {
        for (name, literal) in fixed {
            if self.get(name).is_none() {
                self.set(name, literal.cell());
            }
        }
    }

    /// What a column is to hold.
    pub fn get(&self, name: &Name) -> Option<&Cell> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, cell)| cell)
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(Name, Cell)> {
        self.0.iter()
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `INSERT` of a row with them, up to its `VALUES`, and the rest.
    pub fn insert(&self, table: &Name, before_values: &str) -> Sql {
        let mut sql = Sql::new("INSERT INTO ");
        sql.name(table)
            .push(" (")
            .join(&self.0, ", ", |sql, (name, _)| {
                sql.name(name);
            });
        sql.push(")").push(before_values).push(" VALUES (");
        sql.join(&self.0, ", ", |sql, (_, cell)| {
            sql.bind(cell.clone());
        });
        sql.push(")");
        sql
    }
}

/// What an attribute is to have, as columns of the row; nothing of an attribute in another table.
pub fn columns(
    model: &Model,
    on: &dyn Statements,
    attribute: &Attribute,
    values: &[Value],
) -> Result<Vec<(Name, Cell)>> {
    let blame = |failure: Failure| {
        let named = failure.within(attribute.name());
        named.attribute(attribute.name())
    };
    let scalar = single(attribute, values)?;
    match &attribute.place {
        Place::Child(_) => Ok(Vec::new()),
        Place::Column(column) => Ok(vec![(
            column.name.clone(),
            column.write(scalar).map_err(blame)?,
        )]),
        Place::Reference(link) => {
            let cells = match scalar {
                None => vec![Cell::Null; link.pairs.len()],
                Some(scalar) => {
                    let anchor = scalar.as_text().unwrap_or_default();
                    links::cells_of(model, on, link, anchor)?.ok_or_else(|| {
                        blame(Failure::invalid(format!(
                            "the database has no {} {anchor:?}",
                            link.to
                        )))
                    })?
                }
            };
            let names = link.pairs.iter().map(|(here, _)| here.clone());
            Ok(names.zip(cells).collect())
        }
    }
}

/// The one value of an attribute that has one.
fn single<'v>(attribute: &Attribute, values: &'v [Value]) -> Result<Option<&'v Scalar>> {
    if matches!(attribute.place, Place::Child(_)) {
        return Ok(None);
    }
    match values {
        [] => Ok(None),
        [Value::Simple(scalar)] => Ok(Some(scalar)),
        _ => Err(Failure::invalid(format!(
            "{} has one column and so takes one simple value",
            attribute.name()
        ))
        .attribute(attribute.name())),
    }
}

/// Refuses what nobody may write.
pub fn writable(attribute: &Attribute) -> Result<()> {
    match attribute.field.mutability {
        Mutability::ReadOnly => Err(Failure::invalid(format!(
            "{} is the database's to set",
            attribute.name()
        ))
        .attribute(attribute.name())),
        _ => Ok(()),
    }
}

impl Child {
    /// The rows that these values are to be: a cell a part.
    pub fn rows_of(&self, attribute: &Attribute, values: &[Value]) -> Result<Vec<Vec<Cell>>> {
        let blame = |failure: Failure| failure.within(attribute.name()).attribute(attribute.name());
        if values.len() > 1 && !attribute.field.multi {
            return Err(blame(Failure::invalid("takes one value")));
        }
        values
            .iter()
            .map(|value| {
                let known = |name: &str| self.parts.iter().any(|(part, _)| part == name);
                if let Value::Complex(parts) = value
                    && let Some(part) = parts.iter().find(|part| !known(&part.name))
                {
                    return Err(blame(Failure::invalid(format!(
                        "has no part {:?}",
                        part.name
                    ))));
                }
                let cell = |(name, column): &(String, crate::column::Column)| {
                    let scalar = match value {
                        Value::Simple(scalar) if self.is_simple() => Some(scalar),
                        Value::Simple(_) => {
                            return Err(blame(Failure::invalid("takes complex values")));
                        }
                        Value::Complex(parts) => parts
                            .iter()
                            .find(|part| part.name == *name)
                            .and_then(|part| part.values.first()),
                    };
                    column.write(scalar).map_err(blame)
                };
                self.parts.iter().map(cell).collect()
            })
            .collect()
    }

    /// Adds a row for each of these.
    pub fn insert(&self, on: &dyn Statements, owner: &[Cell], rows: &[Vec<Cell>]) -> Result<()> {
        for row in rows {
            let mut columns = Columns::default();
            for ((_, column), cell) in self.parts.iter().zip(row) {
                columns.set(&column.name, cell.clone());
            }
            self.own(&mut columns, owner);
            columns.otherwise(&self.defaults);
            columns.insert(&self.table, "").execute(on)?;
        }
        Ok(())
    }

    /// Removes the rows that hold one of these.
    pub fn remove(&self, on: &dyn Statements, owner: &[Cell], rows: &[Vec<Cell>]) -> Result<()> {
        for row in rows {
            let mut sql = self.delete(owner);
            for ((_, column), cell) in self.parts.iter().zip(row) {
                sql.push(" AND ").equals(None, &column.name, cell);
            }
            sql.execute(on)?;
        }
        Ok(())
    }

    /// Removes all rows of the owner.
    pub fn clear(&self, on: &dyn Statements, owner: &[Cell]) -> Result<()> {
        self.delete(owner).execute(on).map(drop)
    }

    fn own(&self, columns: &mut Columns, owner: &[Cell]) {
        for ((here, _), cell) in self.link.iter().zip(owner) {
            columns.set(here, cell.clone());
        }
        for (name, literal) in &self.rows {
            columns.set(name, literal.cell());
        }
    }

    fn delete(&self, owner: &[Cell]) -> Sql {
        let mut theirs = Columns::default();
        self.own(&mut theirs, owner);
        let mut sql = Sql::new("DELETE FROM ");
        sql.name(&self.table).push(" WHERE ");
        sql.join(theirs.iter(), " AND ", |sql, (name, cell)| {
            sql.equals(None, name, cell);
        });
        sql
    }
}

/// `WHERE` of the row with this key.
pub fn with_key(sql: &mut Sql, kind: &Kind, key: &[Cell]) {
    sql.push(" WHERE ");
    sql.join(
        kind.key_names().into_iter().zip(key),
        " AND ",
        |sql, (name, cell)| {
            sql.equals(None, name, cell);
        },
    );
}

/// Values by the names that the operator's statements call them.
#[derive(Clone, Debug, Default)]
pub struct Parameters(BTreeMap<String, Cell>);

impl Parameters {
    /// With this one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, cell: Cell) -> Self {
        self.0.insert(name.into(), cell);
        self
    }

    /// With a key: `:NAME` when it is one column, `:NAME_COLUMN` in any case.
    #[must_use]
    pub fn with_key(mut self, name: &str, kind: &Kind, key: &[Cell]) -> Self {
        for (column, cell) in kind.key.iter().zip(key) {
            self.0
                .insert(format!("{name}_{}", column.name.plain()), cell.clone());
        }
        match key {
            [only] => self.with(name, only.clone()),
            _ => self,
        }
    }

    /// With an attribute's columns: `:NAME` when it is one, `:NAME_COLUMN` of a reference by several.
    #[must_use]
    pub fn with_attribute(mut self, attribute: &Attribute, columns: &[(Name, Cell)]) -> Self {
        match columns {
            [(_, only)] => self.with(attribute.name(), only.clone()),
            _ => {
                for (column, cell) in columns {
                    self.0.insert(
                        format!("{}_{}", attribute.name(), column.plain()),
                        cell.clone(),
                    );
                }
                self
            }
        }
    }

    /// Runs statements one after the other.
    pub fn run(&self, on: &dyn Statements, templates: &[Template]) -> Result<()> {
        for template in templates {
            self.fill(template)?.execute(on)?;
        }
        Ok(())
    }

    /// A statement with its values.
    pub fn fill(&self, template: &Template) -> Result<Sql> {
        template.fill(&|name| self.0.get(name).cloned())
    }
}

/// Who has the value that another may not have, after the database refused it: the failure names the attribute.
pub fn blame(
    on: &dyn Statements,
    kind: &Kind,
    columns: &Columns,
    own: Option<&str>,
    failure: Failure,
) -> Failure {
    if !failure.is(tombolo_sdk::Fault::AlreadyExists) {
        return failure;
    }
    for attribute in kind.attributes.iter().filter(|a| a.field.unique) {
        let Place::Column(column) = &attribute.place else {
            continue;
        };
        let Some(cell) = columns
            .get(&column.name)
            .filter(|cell| **cell != Cell::Null)
        else {
            continue;
        };
        let shape = crate::read::Shape {
            kind,
            columns: kind.key_names(),
            attributes: Vec::new(),
        };
        let mut sql = shape.select_all("");
        sql.push(" AND ")
            .equals(Some(crate::read::ROW), &column.name, cell);
        // The first failure is the one to tell; this look is only for the attribute's name.
        let holder = sql
            .query(on, 1)
            .ok()
            .and_then(|rows| key::anchor(kind, rows.rows.first()?));
        if holder.is_some() && holder.as_deref() != own {
            return failure.attribute(attribute.name());
        }
    }
    failure
}
