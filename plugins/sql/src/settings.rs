//! The app's `[settings]`, as `manifest.json` describes them. What they mean together is [`model`](crate::model)'s.

use serde::Deserialize;
use std::collections::BTreeMap;
use tombolo_sdk::schema::{Mutability, Type};
use tombolo_sdk::sql::{Cell, Dialect};
use tombolo_sdk::{Failure, Result, Scalar};

/// Everything an operator can say about the database.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The SQL that the database speaks.
    pub dialect: DialectName,
    /// What is in it.
    pub kinds: BTreeMap<String, Kind>,
}

impl Settings {
    /// Reads the settings.
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|e| Failure::invalid(format!("[settings]: {e}")))
    }
}

/// `dialect`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum DialectName {
    Postgresql,
    #[serde(alias = "mariadb")]
    Mysql,
    Sqlite,
    Sqlserver,
    Oracle,
    Standard,
}

impl From<DialectName> for Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::Postgresql => Self::Postgresql,
            DialectName::Mysql => Self::Mysql,
            DialectName::Sqlite => Self::Sqlite,
            DialectName::Sqlserver => Self::Sqlserver,
            DialectName::Oracle => Self::Oracle,
            DialectName::Standard => Self::Standard,
        }
    }
}

/// One value or several, in order.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore<T> {
    /// One.
    One(T),
    /// Several.
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    /// The values.
    pub fn values(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::More(values) => values,
        }
    }
}

/// A value that the operator writes down.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum Literal {
    Boolean(bool),
    Integer(i64),
    Text(String),
}

impl Literal {
    /// As a parameter.
    pub fn cell(&self) -> Cell {
        match self {
            Self::Boolean(value) => Cell::from(*value),
            Self::Integer(value) => Cell::from(*value),
            Self::Text(text) => Cell::from(text),
        }
    }

    /// Whether a cell holds it. Databases keep truth as a number, and numbers as text; the operator need not know.
    pub fn is(&self, cell: &Cell) -> bool {
        let plain = |scalar: &Scalar| match scalar {
            Scalar::Boolean(value) => Some(u8::from(*value).to_string()),
            other => other.to_plain().map(std::borrow::Cow::into_owned),
        };
        match (
            self.cell().scalar().and_then(plain),
            cell.scalar().and_then(plain),
        ) {
            (Some(own), Some(held)) => own == held,
            _ => false,
        }
    }
}

/// Columns and the values that they have.
pub type Values = BTreeMap<String, Literal>;
/// Columns here and the columns there that they equal.
pub type Pairs = BTreeMap<String, String>;

/// `[settings.kinds.NAME]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Kind {
    /// The SCIM resource type; `User` of `user` and `Group` of `group`.
    pub resource: Option<String>,
    /// The path segment of a resource type of its own.
    pub endpoint: Option<String>,
    /// The schema URN of a resource type of its own.
    pub schema: Option<String>,
    /// What stands before its keys in anchors.
    #[serde(default)]
    pub anchor_prefix: String,
    /// The table or view; written to unless there are statements.
    pub table: Option<String>,
    /// A SELECT that is read instead of the table.
    pub query: Option<String>,
    /// The columns that say which row it is.
    pub key: OneOrMore<Key>,
    /// What the kind's rows have in these columns: a condition, and written with new rows.
    #[serde(default)]
    pub rows: Values,
    /// A further condition on rows, in SQL; `t` is the table.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// What new rows get in columns that are no attributes.
    #[serde(default)]
    pub defaults: Values,
    /// The column that remembers which request made a row.
    pub request: Option<String>,
    /// The column that differs when the row differs.
    pub version: Option<Version>,
    /// Whether a row is locked while it is changed.
    #[serde(default = "yes")]
    pub lock: bool,
    /// Its attributes.
    pub attributes: BTreeMap<String, Attribute>,
    /// How a row is deleted; absent: it is deleted.
    pub delete: Option<SoftDelete>,
    /// Statements in place of writes to the table.
    #[serde(default)]
    pub statements: Statements,
    /// Who may be in it, by kind.
    #[serde(default)]
    pub members: BTreeMap<String, Members>,
    /// How changes are found.
    pub delta: Option<Delta>,
}

const fn yes() -> bool {
    true
}

/// A key column.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// Only its name: a text that comes with the attributes.
    Name(String),
    /// All about it.
    Full(KeyColumn),
}

/// All about a key column.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyColumn {
    /// Its name.
    pub column: String,
    /// What it holds; absent: an integer when the database generates it, else text.
    #[serde(rename = "type")]
    pub kind: Option<KeyType>,
    /// Who makes its value; absent: it comes with the attributes.
    pub generated: Option<Generated>,
}

/// What a key column holds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum KeyType {
    Text,
    Integer,
}

/// Who makes a key.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Generated {
    /// The database: serial, identity, auto_increment, a default, a trigger.
    Database,
    /// The connector: a UUID made of the request, so that the same request makes the same row.
    Request,
    /// A statement that answers the next one.
    Statement(String),
}

/// The version column.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Version {
    /// The database changes it: a trigger, rowversion, xmin.
    Column(String),
    /// Somebody else does.
    Full {
        /// Its name.
        column: String,
        /// Who changes it.
        by: VersionBy,
    },
}

/// Who changes the version column.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum VersionBy {
    /// The database.
    Database,
    /// The connector, by adding one.
    Increment,
}

/// One attribute, or one part of a complex one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)]
pub struct Attribute {
    /// The column; absent: the one of the attribute's name.
    pub column: Option<String>,
    /// Of a reference: the columns here and the columns of the other kind that they equal.
    #[serde(default)]
    pub columns: Pairs,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: Option<AttributeType>,
    /// Of a reference: the kind that it points at; absent: the attribute's own.
    pub to: Option<String>,
    /// The suggested SCIM path.
    pub scim: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// Whether it may have several values.
    #[serde(default)]
    pub multi: bool,
    /// Whether an object cannot be without it.
    #[serde(default)]
    pub required: bool,
    /// Whether the database holds each value once.
    #[serde(default)]
    pub unique: bool,
    /// Who may change it.
    #[serde(default, rename = "access")]
    pub access: Access,
    /// Whether upper and lower case differ.
    #[serde(default)]
    pub case: Case,
    /// The attribute's values and what the column holds for them; of several the first is written.
    #[serde(default)]
    pub values: BTreeMap<String, OneOrMore<Literal>>,
    /// What the column holds instead of NULL when there is no value.
    pub null: Option<Literal>,
    /// Whether blanks at the end are the column's and not the value's: CHAR(n).
    #[serde(default)]
    pub trim: bool,
    /// The value of a new object that is given none.
    pub default: Option<Literal>,
    /// A table of its own, with a row a value.
    pub table: Option<String>,
    /// Its columns, and the columns of the kind that they equal.
    #[serde(default)]
    pub link: Pairs,
    /// What its rows have in these columns: a condition, and written with new rows.
    #[serde(default)]
    pub rows: Values,
    /// What its new rows get in further columns.
    #[serde(default)]
    pub defaults: Values,
    /// The columns by which its rows are ordered; absent: its values' columns.
    #[serde(default)]
    pub order: Vec<String>,
    /// The parts of a complex attribute.
    #[serde(default)]
    pub parts: BTreeMap<String, Attribute>,
}

/// What an attribute's values are.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum AttributeType {
    Text,
    Boolean,
    Integer,
    Decimal,
    Instant,
    Binary,
    Reference,
    Complex,
}

impl From<AttributeType> for Type {
    fn from(kind: AttributeType) -> Self {
        match kind {
            AttributeType::Text => Self::Text,
            AttributeType::Boolean => Self::Boolean,
            AttributeType::Integer => Self::Integer,
            AttributeType::Decimal => Self::Decimal,
            AttributeType::Instant => Self::Instant,
            AttributeType::Binary => Self::Binary,
            AttributeType::Reference => Self::Reference,
            AttributeType::Complex => Self::Complex,
        }
    }
}

/// Who may change an attribute.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Access {
    #[default]
    ReadWrite,
    ReadOnly,
    Immutable,
    WriteOnly,
}

impl From<Access> for Mutability {
    fn from(access: Access) -> Self {
        match access {
            Access::ReadWrite => Self::ReadWrite,
            Access::ReadOnly => Self::ReadOnly,
            Access::Immutable => Self::Immutable,
            Access::WriteOnly => Self::WriteOnly,
        }
    }
}

/// Whether upper and lower case differ in an attribute, and who says so.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// They do not, and the column's collation may tell them apart: searched by `LOWER`.
    #[default]
    Ignore,
    /// They do not, and the column's collation says so too: searched as it is, by its index.
    Database,
    /// They do.
    Exact,
}

/// `delete`: the row stays, and this column says that it is gone.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SoftDelete {
    /// The column.
    pub column: String,
    /// What it holds when the row is gone.
    pub value: Literal,
}

/// Statements in place of writes, with parameters such as `:login`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Statements {
    pub create: Option<OneOrMore<String>>,
    pub update: Option<OneOrMore<String>>,
    pub delete: Option<OneOrMore<String>>,
    pub enable: Option<OneOrMore<String>>,
    pub disable: Option<OneOrMore<String>>,
}

/// `[settings.kinds.GROUP.members.KIND]`: a row a membership.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Members {
    /// The table.
    pub table: String,
    /// Its columns that say which group, and the columns of the group that they equal.
    pub group: Pairs,
    /// Its columns that say which member, and the columns of the member that they equal.
    pub member: Pairs,
    /// What the memberships have in these columns: a condition, and written with new rows.
    #[serde(default)]
    pub rows: Values,
    /// What new memberships get in further columns.
    #[serde(default)]
    pub defaults: Values,
    /// A statement in place of the insert.
    pub add: Option<OneOrMore<String>>,
    /// A statement in place of the delete.
    pub remove: Option<OneOrMore<String>>,
}

/// How changes are found. Exactly one.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delta {
    /// A column of the table that grows with every change.
    Watermark(Watermark),
    /// A table that triggers write to.
    Changes(Changes),
    /// The operator's own statements.
    Statements(DeltaStatements),
}

/// `delta.watermark`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Watermark {
    /// The column: a time or a number.
    pub column: String,
    /// How far back rows are looked at again, because transactions do not end in the order in which they began:
    /// seconds of a time, units of a number.
    #[serde(default = "overlap")]
    pub overlap: u32,
}

const fn overlap() -> u32 {
    60
}

/// `delta.changes`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Changes {
    /// The table.
    pub table: String,
    /// The column of its numbers.
    pub sequence: String,
    /// Its columns that say which row changed, and the key columns that they equal.
    pub key: Pairs,
    /// What the entries of this kind have in these columns.
    #[serde(default)]
    pub rows: Values,
    /// How long a missing number is looked for again, in seconds: longer than any transaction takes.
    #[serde(default = "settle")]
    pub settle: u32,
}

const fn settle() -> u32 {
    600
}

/// `delta.statements`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DeltaStatements {
    /// Answers one value: the token for now.
    pub token: String,
    /// Answers the key columns of what has changed since `:token`.
    pub changes: String,
}
