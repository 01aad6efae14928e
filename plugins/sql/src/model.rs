//! What the settings mean together: kinds with their tables, keys and attributes, every name checked and quoted.
//!
//! Whatever the settings get wrong is said here, with the place in the file.

use std::collections::BTreeSet;

use tombolo_sdk::schema::{Field, Type};
use tombolo_sdk::sql::{Cell, Dialect};
use tombolo_sdk::{Failure, Result, Scalar};

use crate::column::Column;
use crate::settings::{self, Case, Generated, KeyType, Literal, Settings, VersionBy};
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
        let build = Build { dialect };
        let kinds: Result<Vec<Kind>> = settings
            .kinds
            .iter()
            .map(|(name, kind)| {
                build
                    .kind(name, kind)
                    .map_err(|f| f.within(format!("[settings.kinds.{name}]")))
            })
            .collect();
        let model = Self {
            dialect,
            kinds: kinds?,
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

struct Build {
    dialect: Dialect,
}

impl Build {
    fn table(&self, name: &str) -> Result<Name> {
        Name::table(self.dialect, name)
    }

    fn column(&self, name: &str) -> Result<Name> {
        Name::column(self.dialect, name)
    }

    fn fixed(&self, values: &settings::Values) -> Result<Fixed> {
        let one = |(name, value): (&String, &Literal)| Ok((self.column(name)?, value.clone()));
        values.iter().map(one).collect()
    }

    fn pairs(&self, pairs: &settings::Pairs) -> Result<Vec<(Name, Name)>> {
        let one = |(here, there): (&String, &String)| Ok((self.column(here)?, self.column(there)?));
        pairs.iter().map(one).collect()
    }

    fn kind(&self, name: &str, kind: &settings::Kind) -> Result<Kind> {
        let resource = match (&kind.resource, name) {
            (Some(resource), _) => resource.clone(),
            (None, "user") => "User".to_owned(),
            (None, "group") => "Group".to_owned(),
            (None, _) => {
                return Err(wrong(
                    "say which SCIM resource type it is: resource = \"Device\"",
                ));
            }
        };
        let table = kind
            .table
            .as_deref()
            .map(|table| self.table(table))
            .transpose()?;
        let source = match (&kind.query, &table) {
            (Some(query), _) => format!("({})", query.trim().trim_end_matches(';')),
            (None, Some(table)) => table.quoted().to_owned(),
            (None, None) => {
                return Err(wrong("name the `table`, or give the `query` that reads it"));
            }
        };
        let attributes: Result<Vec<Attribute>> = kind
            .attributes
            .iter()
            .map(|(attribute, settings)| {
                self.attribute(name, attribute, settings)
                    .map_err(|f| f.within(format!("attributes.{attribute}")))
            })
            .collect();
        let members: Result<Vec<Membership>> = kind
            .members
            .iter()
            .map(|(member, settings)| {
                self.membership(member, settings)
                    .map_err(|f| f.within(format!("members.{member}")))
            })
            .collect();
        let statements = &kind.statements;
        let key: Result<Vec<KeyColumn>> = kind.key.values().iter().map(|k| self.key(k)).collect();
        let key = key?;
        Ok(Kind {
            name: name.to_owned(),
            resource: (resource, kind.endpoint.clone(), kind.schema.clone()),
            prefix: kind.anchor_prefix.clone(),
            source,
            locks: kind.lock && kind.query.is_none(),
            table,
            rows: self.fixed(&kind.rows)?,
            condition: kind.condition.clone(),
            defaults: self.fixed(&kind.defaults)?,
            request: kind
                .request
                .as_deref()
                .map(|name| self.column(name))
                .transpose()?,
            version: match &kind.version {
                None => None,
                Some(settings::Version::Column(name)) => {
                    Some((self.column(name)?, VersionBy::Database))
                }
                Some(settings::Version::Full { column, by }) => Some((self.column(column)?, *by)),
            },
            attributes: attributes?,
            gone: match &kind.delete {
                None => None,
                Some(delete) => Some((self.column(&delete.column)?, delete.value.clone())),
            },
            create: templates(statements.create.as_ref()),
            update: templates(statements.update.as_ref()),
            delete: templates(statements.delete.as_ref()),
            enable: templates(statements.enable.as_ref()),
            disable: templates(statements.disable.as_ref()),
            members: members?,
            delta: match &kind.delta {
                None => None,
                Some(delta) => Some(self.delta(delta, &key)?),
            },
            key,
        })
    }

    fn key(&self, key: &settings::Key) -> Result<KeyColumn> {
        match key {
            settings::Key::Name(name) => Ok(KeyColumn {
                name: self.column(name)?,
                kind: KeyType::Text,
                generated: None,
            }),
            settings::Key::Full(full) => {
                let by_database = matches!(
                    full.generated,
                    Some(Generated::Database | Generated::Statement(_))
                );
                let default = if by_database {
                    KeyType::Integer
                } else {
                    KeyType::Text
                };
                Ok(KeyColumn {
                    name: self.column(&full.column)?,
                    kind: full.kind.unwrap_or(default),
                    generated: full.generated.clone(),
                })
            }
        }
    }

    fn attribute(&self, kind: &str, name: &str, own: &settings::Attribute) -> Result<Attribute> {
        let is_reference =
            own.kind == Some(settings::AttributeType::Reference) || !own.columns.is_empty();
        let ty = match own.kind {
            None if is_reference => Type::Reference,
            None if !own.parts.is_empty() => Type::Complex,
            None => Type::Text,
            Some(ty) => ty.into(),
        };
        let to = own.to.as_deref().unwrap_or(kind);
        let place = match (&own.table, ty) {
            (Some(table), _) => Place::Child(self.child(table, name, ty, own)?),
            (None, Type::Reference) => Place::Reference(self.reference(name, to, own)?),
            (None, Type::Complex) => {
                return Err(wrong("a complex attribute has a `table` of its own"));
            }
            (None, _) if own.multi => {
                return Err(wrong(
                    "an attribute of several values has a `table` of its own",
                ));
            }
            (None, _) => Place::Column(self.value(name, ty, own)?),
        };
        if own.table.is_none()
            && !(own.link.is_empty() && own.rows.is_empty() && own.defaults.is_empty())
        {
            return Err(wrong(
                "`link`, `rows` and `defaults` speak of a `table`, and there is none",
            ));
        }
        let mut field = self.field(name, ty, own);
        if ty == Type::Reference {
            field.to = Some(to.to_owned());
        }
        for (part, settings) in &own.parts {
            let ty = settings.kind.map_or(Type::Text, Into::into);
            field.parts.push(self.field(part, ty, settings));
        }
        Ok(Attribute {
            field,
            place,
            case: own.case,
            default: own.default.clone(),
        })
    }

    #[allow(clippy::unused_self)] // one of a family
    fn field(&self, name: &str, ty: Type, own: &settings::Attribute) -> Field {
        let mut field = Field::new(name, ty);
        field.multi = own.multi;
        field.required = own.required;
        field.unique = own.unique;
        field.case_exact = own.case == Case::Exact;
        field.mutability = own.access.into();
        field.scim.clone_from(&own.scim);
        field.description.clone_from(&own.description);
        if ty == Type::Text {
            field.values = own.values.keys().cloned().collect();
        }
        field
    }

    fn value(&self, name: &str, ty: Type, own: &settings::Attribute) -> Result<Column> {
        Ok(Column {
            name: self.column(own.column.as_deref().unwrap_or(name))?,
            kind: ty,
            values: own
                .values
                .iter()
                .map(|(value, held)| (value.clone(), held.values().to_vec()))
                .collect(),
            null: own.null.clone(),
            trim: own.trim,
        })
    }

    fn reference(&self, name: &str, to: &str, own: &settings::Attribute) -> Result<Link> {
        let pairs = self.pairs(&own.columns)?;
        if pairs.is_empty() {
            let column = own.column.as_deref().unwrap_or(name);
            return Err(wrong(&format!(
                "say which column of the {to} it equals: columns = {{ {column} = \"id\" }}"
            )));
        }
        Ok(Link {
            to: to.to_owned(),
            pairs,
        })
    }

    fn child(&self, table: &str, name: &str, ty: Type, own: &settings::Attribute) -> Result<Child> {
        if own.link.is_empty() {
            return Err(wrong(
                "say whose rows they are: link = { person_id = \"id\" }",
            ));
        }
        let parts: Result<Vec<(String, Column)>> = match ty {
            Type::Complex if own.parts.is_empty() => {
                return Err(wrong("a complex attribute has `parts`"));
            }
            Type::Complex => own
                .parts
                .iter()
                .map(|(part, settings)| {
                    let ty = settings.kind.map_or(Type::Text, Into::into);
                    if matches!(ty, Type::Complex | Type::Reference) {
                        return Err(wrong(&format!(
                            "the part {part} is neither complex nor a reference"
                        )));
                    }
                    Ok((part.clone(), self.value(part, ty, settings)?))
                })
                .collect(),
            Type::Reference => {
                return Err(wrong("a reference has its columns in the kind's own table"));
            }
            _ => Ok(vec![(String::new(), self.value(name, ty, own)?)]),
        };
        let parts = parts?;
        let order: Result<Vec<Name>> = own.order.iter().map(|name| self.column(name)).collect();
        let mut order = order?;
        if order.is_empty() {
            order = parts
                .iter()
                .map(|(_, column)| column.name.clone())
                .collect();
        }
        Ok(Child {
            table: self.table(table)?,
            link: self.pairs(&own.link)?,
            rows: self.fixed(&own.rows)?,
            defaults: self.fixed(&own.defaults)?,
            order,
            parts,
        })
    }

    fn membership(&self, member: &str, own: &settings::Members) -> Result<Membership> {
        if own.group.is_empty() || own.member.is_empty() {
            return Err(wrong(
                "say which columns hold the group and which the member: group = { team_id = \"id\" }",
            ));
        }
        Ok(Membership {
            table: self.table(&own.table)?,
            group: self.pairs(&own.group)?,
            member: Link {
                to: member.to_owned(),
                pairs: self.pairs(&own.member)?,
            },
            rows: self.fixed(&own.rows)?,
            defaults: self.fixed(&own.defaults)?,
            add: templates(own.add.as_ref()),
            remove: templates(own.remove.as_ref()),
        })
    }

    fn delta(&self, delta: &settings::Delta, key: &[KeyColumn]) -> Result<Delta> {
        Ok(match delta {
            settings::Delta::Watermark(own) => Delta::Watermark {
                column: self.column(&own.column)?,
                overlap: own.overlap,
            },
            settings::Delta::Changes(own) => {
                let known: BTreeSet<&String> = own.key.values().collect();
                let columns: Option<Vec<&String>> = key
                    .iter()
                    .map(|column| {
                        let mut pairs = own.key.iter();
                        let of_it = pairs.find(|(_, there)| *there == column.name.plain());
                        of_it.map(|(here, _)| here)
                    })
                    .collect();
                let columns = columns.filter(|columns| columns.len() == known.len());
                let columns = columns.ok_or_else(|| {
                    wrong("delta.changes.key: give a column for each key column: key = { person_id = \"id\" }")
                })?;
                let key: Result<Vec<Name>> =
                    columns.into_iter().map(|name| self.column(name)).collect();
                Delta::Changes {
                    table: self.table(&own.table)?,
                    sequence: self.column(&own.sequence)?,
                    key: key?,
                    rows: self.fixed(&own.rows)?,
                    settle: own.settle,
                }
            }
            settings::Delta::Statements(own) => Delta::Statements {
                token: Template::parse(&own.token),
                changes: Template::parse(&own.changes),
            },
        })
    }
}

fn templates(texts: Option<&settings::OneOrMore<String>>) -> Vec<Template> {
    texts
        .map(|texts| {
            texts
                .values()
                .iter()
                .map(|text| Template::parse(text))
                .collect()
        })
        .unwrap_or_default()
}

/// Something that the settings get wrong.
pub fn wrong(what: &str) -> Failure {
    Failure::invalid(what)
}
