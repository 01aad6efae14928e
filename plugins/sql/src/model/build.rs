//! From the settings of a kind to the kind: names are checked and quoted, what is left out is filled in.

use std::collections::BTreeSet;

use tombolo_sdk::schema::{Field, Type};
use tombolo_sdk::sql::Dialect;
use tombolo_sdk::{Failure, Result};

use super::{Attribute, Child, Delta, Fixed, KeyColumn, Kind, Link, Membership, Place};
use crate::column::Column;
use crate::settings::{self, Case, Generated, KeyType, Literal, Settings, VersionBy};
use crate::statement::Name;
use crate::template::Template;

/// The kinds that the settings describe.
pub(super) fn kinds(dialect: Dialect, settings: &Settings) -> Result<Vec<Kind>> {
    let build = Build { dialect };
    let one = |(name, kind): (&String, &settings::Kind)| {
        build
            .kind(name, kind)
            .map_err(|failure| failure.within(format!("[settings.kinds.{name}]")))
    };
    settings.kinds.iter().map(one).collect()
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
fn wrong(what: &str) -> Failure {
    Failure::invalid(what)
}
