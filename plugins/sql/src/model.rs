//! What the settings mean together: kinds with their tables, keys and attributes, every name checked and quoted.
//!
//! Whatever the settings get wrong is said here, with the place in the file.

mod build;

use tombolo_sdk::schema::Field;
use tombolo_sdk::sql::{Cell, Dialect};
use tombolo_sdk::{Failure, Result, Scalar};

use crate::column::Column;
use crate::settings::{Case, Generated, KeyType, Literal, Settings, VersionBy};
use crate::statement::Name;
use crate::template::Template;

/// A column and the value that rows have in it.
pub type Fixed = Vec<(Name, Literal)>;

/// Everything that the app's database holds.
#[derive(Clone, Debug)]
pub struct Model {
    /// The SQL that it speaks.
    pub dialect: Dialect,
    /// The kinds, by name.
    pub kinds: Vec<Kind>,
}

/// One kind of object: a row each.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Its name.
    pub name: String,
    /// The SCIM resource type, its path segment and its schema.
    pub resource: (String, Option<String>, Option<String>),
    /// What stands before its keys in anchors.
    pub prefix: String,
    /// What is read: a table's name, or a query in parentheses.
    pub source: String,
    /// The table that is written.
    pub table: Option<Name>,
    /// Whether rows of the source can be locked.
    pub locks: bool,
    /// The columns that say which row it is.
    pub key: Vec<KeyColumn>,
    /// What its rows have.
    pub rows: Fixed,
    /// A further condition, in SQL.
    pub condition: Option<String>,
    /// What new rows get.
    pub defaults: Fixed,
    /// The column that remembers the request.
    pub request: Option<Name>,
    /// The column that differs when the row differs.
    pub version: Option<(Name, VersionBy)>,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// The column that says that a row is gone.
    pub gone: Option<(Name, Literal)>,
    /// Statements in place of writes.
    pub create: Vec<Template>,
    #[allow(missing_docs)]
    pub update: Vec<Template>,
    #[allow(missing_docs)]
    pub delete: Vec<Template>,
    #[allow(missing_docs)]
    pub enable: Vec<Template>,
    #[allow(missing_docs)]
    pub disable: Vec<Template>,
    /// Who may be in it.
    pub members: Vec<Membership>,
    /// How changes are found.
    pub delta: Option<Delta>,
}

/// One column of a key.
#[derive(Clone, Debug)]
pub struct KeyColumn {
    /// Its name.
    pub name: Name,
    /// What it holds.
    pub kind: KeyType,
    /// Who makes its value.
    pub generated: Option<Generated>,
}

/// One attribute.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// What `describe` says of it.
    pub field: Field,
    /// Where its values are.
    pub place: Place,
    /// How its text compares.
    pub case: Case,
    /// The value of a new object that is given none.
    pub default: Option<Literal>,
}

/// Where an attribute's values are.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a column of the row.
    Column(Column),
    /// In columns of the row, which equal columns of another row.
    Reference(Link),
    /// In rows of another table.
    Child(Child),
}

/// Columns here that equal columns of an object of some kind.
#[derive(Clone, Debug)]
pub struct Link {
    /// The kind.
    pub to: String,
    /// Here and there.
    pub pairs: Vec<(Name, Name)>,
}

/// A table with a row a value.
#[derive(Clone, Debug)]
pub struct Child {
    /// The table.
    pub table: Name,
    /// Its columns and those of the object that they equal.
    pub link: Vec<(Name, Name)>,
    /// What its rows have.
    pub rows: Fixed,
    /// What its new rows get.
    pub defaults: Fixed,
    /// Its order.
    pub order: Vec<Name>,
    /// The parts of a complex value; of a simple one a single column without a name.
    pub parts: Vec<(String, Column)>,
}

/// A table with a row a membership.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The table.
    pub table: Name,
    /// Its columns that say which group.
    pub group: Vec<(Name, Name)>,
    /// Its columns that say which member.
    pub member: Link,
    /// What its rows have.
    pub rows: Fixed,
    /// What its new rows get.
    pub defaults: Fixed,
    /// Statements in place of the insert.
    pub add: Vec<Template>,
    /// Statements in place of the delete.
    pub remove: Vec<Template>,
}

/// How changes are found.
#[derive(Clone, Debug)]
pub enum Delta {
    /// By a column that grows.
    Watermark {
        /// The column.
        column: Name,
        /// Seconds or units that are looked at again.
        overlap: u32,
    },
    /// By a table that triggers write to.
    Changes {
        /// The table.
        table: Name,
        /// The column of its numbers.
        sequence: Name,
        /// Its columns for each key column, in the key's order.
        key: Vec<Name>,
        /// What the entries of this kind have.
        rows: Fixed,
        /// How long a missing number is looked for, in seconds.
        settle: u32,
    },
    /// By statements.
    Statements {
        /// Answers the token for now.
        token: Template,
        /// Answers keys.
        changes: Template,
    },
}

impl Model {
    /// The model that the settings describe.
    pub fn new(settings: &Settings) -> Result<Self> {
        let dialect = settings.dialect.into();
        let model = Self {
            dialect,
            kinds: build::kinds(dialect, settings)?,
        };
        crate::consistency::check(&model)?;
        Ok(model)
    }

    /// The kind of this name.
    pub fn kind(&self, name: &str) -> Result<&Kind> {
        self.kinds
            .iter()
            .find(|kind| kind.name == name)
            .ok_or_else(|| Failure::no_such_kind(name))
    }

    /// The kind that has members.
    pub fn group(&self) -> Result<&Kind> {
        self.kinds
            .iter()
            .find(|kind| !kind.members.is_empty())
            .ok_or_else(|| Failure::unsupported("no kind in [settings.kinds] has [members]"))
    }
}

impl Kind {
    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Result<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.field.name == name)
            .ok_or_else(|| {
                Failure::invalid(format!("a {} has no attribute {name:?}", self.name))
                    .attribute(name)
            })
    }

    /// The key columns' names.
    pub fn key_names(&self) -> Vec<&Name> {
        self.key.iter().map(|column| &column.name).collect()
    }

    /// Its name with an article, for messages.
    pub fn a(&self) -> String {
        format!("a {}", self.name)
    }
}

impl Attribute {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.field.name
    }

    /// May it be read back?
    pub fn is_readable(&self) -> bool {
        self.field.mutability != tombolo_sdk::schema::Mutability::WriteOnly
    }
}

/// A literal as a value of the attribute, for defaults.
pub fn default_value(literal: &Literal) -> Scalar {
    match literal.cell() {
        Cell::Is(scalar) => scalar,
        Cell::Null => Scalar::Text(String::new()),
    }
}
