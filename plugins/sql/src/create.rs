//! New rows. A create that is repeated answers the row that the first one made, where the key is made of the request or
//! a column remembers it.

use tombolo_sdk::sql::{Cell, Database, Dialect, Statements};
use tombolo_sdk::{Attribute as Given, Attributes, Entry, Failure, Fault, Result, Value};
use uuid::Uuid;

use crate::key;
use crate::model::{Attribute, Kind, Model, Place, default_value};
use crate::read::{ROW, Shape};
use crate::settings::Generated;
use crate::statement::{Name, Sql};
use crate::update::active;
use crate::write::{Columns, Parameters, blame, columns, writable};

/// The namespace of keys that are made of requests.
const REQUESTS: Uuid = Uuid::from_u128(0x7c1c_0b7e_3d0d_5a86_9a43_52ac_86a1_4b6e);

/// Creates an object and answers it as it is.
pub fn create(
    model: &Model,
    database: &dyn Database,
    kind: &Kind,
    given: &[Given],
    request: &str,
) -> Result<Entry> {
    let new = New::of(model, database, kind, given, request)?;
    if let Some(entry) = new.made_before(database)? {
        return Ok(entry);
    }
    match new.make(database) {
        Err(failure) if failure.is(Fault::AlreadyExists) => match new.made_before(database)? {
            // The same request, at the same time.
            Some(entry) => Ok(entry),
            None => Err(blame(database, kind, &new.columns, None, failure)),
        },
        made => made,
    }
}

/// An object that is to be.
struct New<'m> {
    model: &'m Model,
    kind: &'m Kind,
    /// Its attributes with their values, defaults included.
    values: Vec<(&'m Attribute, Vec<Value>)>,
    /// What its row is to hold.
    columns: Columns,
    request: String,
}

impl<'m> New<'m> {
    fn of(
        model: &'m Model,
        on: &dyn Statements,
        kind: &'m Kind,
        given: &[Given],
        request: &str,
    ) -> Result<Self> {
        for attribute in given {
            writable(kind.attribute(&attribute.name)?)?;
        }
        let mut new = Self {
            model,
            kind,
            values: Vec::new(),
            columns: Columns::default(),
            request: request.to_owned(),
        };
        for attribute in &kind.attributes {
            let mut values = given.values(attribute.name()).to_vec();
            if let (true, Some(default)) = (values.is_empty(), &attribute.default) {
                values.push(Value::Simple(default_value(default)));
            }
            if values.is_empty() && attribute.field.required && writable(attribute).is_ok() {
                let what = format!("{} is required", attribute.name());
                return Err(Failure::invalid(what).attribute(attribute.name()));
            }
            // A column that nothing is said of gets what the database has for it, unless NULL has a stand-in.
            let stands_in =
                matches!(&attribute.place, Place::Column(column) if column.null.is_some());
            let written = !values.is_empty() || stands_in && writable(attribute).is_ok();
            if written && active(kind, attribute).is_none() {
                for (name, cell) in columns(model, on, attribute, &values)? {
                    new.columns.set(&name, cell);
                }
            }
            new.values.push((attribute, values));
        }
        for (name, literal) in &kind.rows {
            new.columns.set(name, literal.cell());
        }
        new.columns.otherwise(&kind.defaults);
        if let Some(name) = kind.request.as_ref().filter(|_| !request.is_empty()) {
            new.columns.set(name, request.into());
        }
        for column in &kind.key {
            if column.generated == Some(Generated::Request) {
                let id = match request {
                    "" => Uuid::new_v4(),
                    request => {
                        Uuid::new_v5(&REQUESTS, format!("{}\0{request}", kind.name).as_bytes())
                    }
                };
                new.columns.set(&column.name, id.to_string().into());
            }
        }
        Ok(new)
    }

    /// The object that this request has made already.
    fn made_before(&self, on: &dyn Statements) -> Result<Option<Entry>> {
        let of_request =
            |column: &crate::model::KeyColumn| column.generated == Some(Generated::Request);
        let shape = Shape::whole(self.kind);
        let row = if self.request.is_empty() {
            None
        } else if self.kind.request.is_some() {
            self.by_request(on, &shape)?
        } else if self.kind.key.iter().any(of_request)
            && let Some(key) = self.known_key()
        {
            shape.find(self.model, on, &key, false)?
        } else {
            None
        };
        match row {
            Some(row) => Ok(shape.entries(self.model, on, &[row])?.pop()),
            None => Ok(None),
        }
    }

    fn by_request(&self, on: &dyn Statements, shape: &Shape<'_>) -> Result<Option<Vec<Cell>>> {
        let Some(name) = &self.kind.request else {
            return Ok(None);
        };
        let mut sql = shape.select();
        sql.push(" AND ")
            .equals(Some(ROW), name, &self.request.as_str().into());
        Ok(sql.query(on, 1)?.rows.into_iter().next())
    }

    /// The key, when all of it is known before the database is asked.
    fn known_key(&self) -> Option<Vec<Cell>> {
        self.kind
            .key_names()
            .into_iter()
            .map(|name| self.columns.get(name).cloned())
            .collect()
    }

    fn make(&self, database: &dyn Database) -> Result<Entry> {
        let transaction = database.begin()?;
        let on: &dyn Statements = &*transaction;
        let key = if self.kind.create.is_empty() {
            self.insert(on)?
        } else {
            self.call(on)?
        };
        let shape = Shape::whole(self.kind);
        let row = shape.find(self.model, on, &key, false)?.ok_or_else(|| {
            Failure::invalid(format!(
                "the new row is not among the rows of the {}: look at its `rows`, `where`, `query` and `delete` in [settings]",
                self.kind.name
            ))
        })?;
        for (attribute, values) in &self.values {
            if let Place::Child(child) = &attribute.place {
                let owner = shape.cells(&row, child.link.iter().map(|(_, own)| own));
                child.insert(on, &owner, &child.rows_of(attribute, values)?)?;
            }
        }
        let mut entry = self.read(on, &shape, &row)?;
        if let Some(templates) = self.to_switch(&entry) {
            self.parameters(on)?
                .with_key("key", self.kind, &key)
                .run(on, templates)?;
            let row = shape.find(self.model, on, &key, false)?.unwrap_or(row);
            entry = self.read(on, &shape, &row)?;
        }
        transaction.commit()?;
        Ok(entry)
    }

    fn read(&self, on: &dyn Statements, shape: &Shape<'_>, row: &[Cell]) -> Result<Entry> {
        let entry = shape.entries(self.model, on, &[row.to_vec()])?.pop();
        entry.ok_or_else(|| Failure::other("the new row is gone"))
    }

    /// The statements that make a new object active or not, when it is not as it is to be.
    fn to_switch(&self, entry: &Entry) -> Option<&'m [crate::template::Template]> {
        let (attribute, values) = self
            .values
            .iter()
            .find(|(attribute, _)| active(self.kind, attribute).is_some())?;
        let wanted = values.first()?.as_scalar()?.as_boolean()?;
        let is = entry.boolean(attribute.name()).unwrap_or(true);
        let switch = active(self.kind, attribute)?;
        (is != wanted).then(|| switch.to(wanted))
    }

    /// Inserts the row, and answers its key.
    fn insert(&self, on: &dyn Statements) -> Result<Vec<Cell>> {
        let table = self.kind.table.as_ref().ok_or_else(|| {
            Failure::unsupported(format!(
                "{} can only be read: give it a `table` or statements in [settings]",
                self.kind.a()
            ))
        })?;
        let mut columns = self.columns.clone();
        for column in &self.kind.key {
            if let Some(Generated::Statement(statement)) = &column.generated {
                let next = Sql::new(statement.as_str()).query(on, 1)?;
                let cell = next.first().map_or(Cell::Null, |row| row.at(0).clone());
                columns.set(&column.name, cell);
            }
        }
        let missing: Vec<&Name> = self
            .kind
            .key_names()
            .into_iter()
            .filter(|name| columns.get(name).is_none())
            .collect();
        let by_database = |name: &Name| {
            let mut key = self.kind.key.iter();
            key.any(|column| column.name == *name && column.generated == Some(Generated::Database))
        };
        if let Some(name) = missing.iter().find(|name| !by_database(name)) {
            return Err(Failure::invalid(format!(
                "the key column `{}` gets no value: give the object its attribute, or say in [settings] how it is generated",
                name.plain()
            )));
        }
        let made = self.insert_generating(on, table, &columns, &missing)?;
        let cell = |name: &Name| {
            let at = missing.iter().position(|missing| *missing == name);
            match at {
                Some(at) => made.get(at).cloned().unwrap_or(Cell::Null),
                None => columns.get(name).cloned().unwrap_or(Cell::Null),
            }
        };
        Ok(self.kind.key_names().into_iter().map(cell).collect())
    }

    /// Inserts the row, and answers what the database has made for these columns.
    fn insert_generating(
        &self,
        on: &dyn Statements,
        table: &Name,
        columns: &Columns,
        made: &[&Name],
    ) -> Result<Vec<Cell>> {
        let asked = |prefix: &str| {
            let mut sql = Sql::default();
            sql.join(made, ", ", |sql, name| {
                sql.push(prefix).name(name);
            });
            sql.text
        };
        let first = |rows: tombolo_sdk::sql::Rows| {
            rows.rows
                .into_iter()
                .next()
                .ok_or_else(|| Failure::other("the database did not say which key the new row got"))
        };
        if made.is_empty() {
            columns.insert(table, "").execute(on)?;
            return Ok(Vec::new());
        }
        match self.model.dialect {
            Dialect::Postgresql | Dialect::Sqlite => {
                let mut sql = columns.insert(table, "");
                sql.push(" RETURNING ").push(&asked(""));
                first(sql.query(on, 1)?)
            }
            Dialect::Sqlserver => {
                let output = format!(" OUTPUT {}", asked("INSERTED."));
                first(columns.insert(table, &output).query(on, 1)?)
            }
            Dialect::Mysql => {
                columns.insert(table, "").execute(on)?;
                first(Sql::new("SELECT LAST_INSERT_ID()").query(on, 1)?)
            }
            Dialect::Oracle | Dialect::Standard => {
                columns.insert(table, "").execute(on)?;
                let shape = Shape {
                    kind: self.kind,
                    columns: made.to_vec(),
                    attributes: Vec::new(),
                };
                self.by_request(on, &shape)?.ok_or_else(|| {
                    Failure::other("the database did not say which key the new row got: name a `request` column")
                })
            }
        }
    }

    /// Runs the operator's statements in place of the insert, and answers the new row's key: the last one's answer, or
    /// whatever the row is found by.
    fn call(&self, on: &dyn Statements) -> Result<Vec<Cell>> {
        let parameters = self.parameters(on)?;
        let mut answer = None;
        for template in &self.kind.create {
            let rows = parameters.fill(template)?.query(on, 1)?;
            answer = rows.first().map(|row| self.key_in(row));
        }
        if let Some(key) = answer.flatten() {
            return Ok(key);
        }
        let shape = Shape::whole(self.kind);
        if let Some(row) = self.by_request(on, &shape)? {
            return Ok(shape.key(&row).to_vec());
        }
        if let Some(key) = self.known_key() {
            return Ok(key);
        }
        for (attribute, _) in self.values.iter().filter(|(a, _)| a.field.unique) {
            let Place::Column(column) = &attribute.place else {
                continue;
            };
            let Some(cell) = self.columns.get(&column.name) else {
                continue;
            };
            let mut sql = shape.select();
            sql.push(" AND ").equals(Some(ROW), &column.name, cell);
            let rows = sql.query(on, 10)?.rows;
            let same = rows
                .iter()
                .find(|row| column.same(shape.cell(row, &column.name), cell));
            if let Some(row) = same {
                return Ok(shape.key(row).to_vec());
            }
        }
        Err(Failure::other(format!(
            "statements.create of the {} did not answer the new row's key: let its last statement select it",
            self.kind.name
        )))
    }

    fn key_in(&self, row: tombolo_sdk::sql::Row<'_>) -> Option<Vec<Cell>> {
        let by_name: Option<Vec<Cell>> = self
            .kind
            .key_names()
            .into_iter()
            .map(|name| row.cell(name.plain()).ok().cloned())
            .collect();
        let by_place = || row.cells().get(..self.kind.key.len()).map(<[Cell]>::to_vec);
        by_name
            .or_else(by_place)
            .filter(|key| key::anchor(self.kind, key).is_some())
    }

    /// The parameters of the operator's statements.
    fn parameters(&self, on: &dyn Statements) -> Result<Parameters> {
        let mut parameters = Parameters::default().with("request", self.request.as_str().into());
        for (attribute, values) in &self.values {
            let columns = columns(self.model, on, attribute, values)?;
            parameters = parameters.with_attribute(attribute, &columns);
        }
        Ok(parameters)
    }
}
