//! Objects that are one row each: reading, listing, creating, changing, deleting. People and groups are two of these.
//!
//! A cell without text and an attribute without a value are the same thing to a CSV file. A column that the file has
//! and the kind does not is nobody's business here and stays as it is. An attribute whose column the file lacks can
//! be read (it has no value) but not written: the file belongs to whoever else reads it by its columns, so its shape
//! is theirs to change, and the failure names the column to add.

use crate::cell::{digest, nonce, scalar, text, version};
use crate::file::TableFile;
use crate::table::Table;
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use tombolo_sdk::filter::fold_case;
use tombolo_sdk::schema::Kind;
use tombolo_sdk::{Attribute, Edit, EditKind, Entry, Failure, Filter, Page, Query, Result, Value};

/// The column of the anchor.
pub(crate) const ID: &str = "id";

/// The rows of one file as objects of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    /// The file.
    pub(crate) file: TableFile,
    /// The kind. Its attributes are single-valued; their names are the columns.
    pub(crate) kind: Kind,
}

impl Objects {
    /// The object with this anchor.
    pub(crate) fn get(&self, anchor: &str, wanted: &[String]) -> Result<Entry> {
        let table = self.file.load()?;
        let record = self.locate(&table, anchor)?;
        Ok(self.entry(&table, &record, wanted))
    }

    /// Whether there is an object with this anchor.
    pub(crate) fn exists(&self, table: &Table, anchor: &str) -> Result<bool> {
        Ok(!anchor.is_empty() && table.find(self.id_column(table)?, anchor).is_some())
    }

    /// All anchors.
    pub(crate) fn anchors(&self, table: &Table) -> Result<HashSet<String>> {
        let id = self.id_column(table)?;
        let mut anchors = HashSet::new();
        table.each(|_, row| {
            anchors.insert(text(row.get(id)).into_owned());
        });
        Ok(anchors)
    }

    /// One page, ordered by anchor.
    pub(crate) fn search(&self, query: &Query) -> Result<Page> {
        let table = self.file.load()?;
        let id = self.id_column(&table)?;
        let filter = query.filter.as_deref().map(Filter::read).transpose()?;
        let mut found: Vec<(String, Range<usize>)> = Vec::new();
        table.each(|record, row| {
            let anchor = text(row.get(id));
            if !anchor.is_empty() && filter.as_ref().is_none_or(|f| self.passes(f, &table, row)) {
                found.push((anchor.into_owned(), record));
            }
        });
        found.sort_by(|a, b| a.0.cmp(&b.0));
        // Of rows with the same anchor the first is the object, as for `get`.
        found.dedup_by(|later, first| later.0 == first.0);
        let (page, cursor) = tombolo_sdk::paging::page(
            &found,
            |f| f.0.as_str(),
            query.cursor.as_deref(),
            query.limit,
        );
        let entries = page
            .into_iter()
            .map(|(_, record)| self.entry(&table, record, &query.attributes))
            .collect();
        Ok(Page {
            entries,
            cursor,
            total: u64::try_from(found.len()).ok(),
        })
    }

    /// Creates an object. The anchor is made of the request, so that a repeated create finds what the first one made.
    pub(crate) fn create(&self, attributes: &[Attribute], request: &str) -> Result<Entry> {
        let anchor = self.anchor_for(request);
        self.file.change(|table| {
            if let Some(record) = table.find(self.id_column(table)?, &anchor) {
                return Ok(self.entry(table, &record, &[]));
            }
            let mut row = vec![String::new(); table.header().len()];
            row[self.id_column(table)?].clone_from(&anchor);
            for attribute in attributes {
                self.assign(table, &mut row, EditKind::Put, attribute)?;
            }
            for field in self.kind.attributes.iter().filter(|f| f.required) {
                if cell(table, &row, &field.name).is_empty() {
                    return Err(Failure::invalid(format!("{} is required", field.name))
                        .attribute(&field.name));
                }
            }
            self.unique(table, &row, &anchor)?;
            table.append(&row);
            self.again(table, &anchor)
        })
    }

    /// Applies edits.
    pub(crate) fn update(
        &self,
        anchor: &str,
        edits: &[Edit],
        if_version: Option<&str>,
    ) -> Result<Entry> {
        self.file.change(|table| {
            let record = self.locate(table, anchor)?;
            if if_version.is_some_and(|wanted| wanted != version(table.raw(&record))) {
                return Err(Failure::changed(format!(
                    "{}: {anchor} has changed meanwhile",
                    self.file.name()
                )));
            }
            let before = table.fields(&record);
            let mut row = before.clone();
            for edit in edits {
                self.assign(table, &mut row, edit.kind, &edit.attribute)?;
            }
            if row == before {
                return Ok(self.entry(table, &record, &[]));
            }
            self.unique(table, &row, anchor)?;
            table.replace(record, &row);
            self.again(table, anchor)
        })
    }

    /// Deletes an object.
    pub(crate) fn delete(&self, anchor: &str) -> Result<()> {
        self.file.change(|table| {
            let record = self.locate(table, anchor)?;
            table.remove(record);
            self.forget(table, anchor);
            Ok(())
        })
    }

    /// Empties every reference to an object that is gone: an anchor of nobody must not stay in the file.
    fn forget(&self, table: &mut Table, anchor: &str) {
        let references = self
            .kind
            .attributes
            .iter()
            .filter(|a| a.to.as_ref() == Some(&self.kind.kind));
        for column in references
            .filter_map(|a| table.column(&a.name))
            .collect::<Vec<_>>()
        {
            let mut referring = Vec::new();
            table.each(|record, row| {
                if row.get(column) == Some(anchor.as_bytes()) {
                    referring.push(record);
                }
            });
            // From the end, so that what comes before stays where it is.
            for record in referring.into_iter().rev() {
                let mut row = table.fields(&record);
                row[column].clear();
                table.replace(record, &row);
            }
        }
    }

    /// Whether the file can be worked with: its header, its anchors, its unique values.
    pub(crate) fn check(&self) -> Result<()> {
        let table = self.file.load()?;
        let id = self.id_column(&table)?;
        let mut problem = None;
        for field in self.kind.attributes.iter().filter(|f| f.required) {
            self.column(&table, &field.name)?;
        }
        let mut seen = HashSet::new();
        let mut number = 1;
        table.each(|_, row| {
            number += 1;
            let anchor = text(row.get(id));
            if anchor.is_empty() {
                problem.get_or_insert_with(|| {
                    format!("record {number} has no {ID}; give it one that never changes")
                });
            } else if !seen.insert(anchor.into_owned()) {
                problem
                    .get_or_insert_with(|| format!("record {number} repeats the {ID} of another"));
            }
        });
        match problem {
            Some(problem) => Err(Failure::other(format!("{}: {problem}", self.file.name()))),
            None => self.file.probe(),
        }
    }

    /// Where a column is, or what to do about it.
    fn column(&self, table: &Table, name: &str) -> Result<usize> {
        table.column(name).ok_or_else(|| {
            Failure::invalid(format!(
                "{} has no column {name}: add it to the header line, or do not map the attribute",
                self.file.name()
            ))
            .attribute(name)
        })
    }

    fn id_column(&self, table: &Table) -> Result<usize> {
        table.column(ID).ok_or_else(|| {
            Failure::other(format!(
                "{} has no column {ID}: add one with a key that never changes",
                self.file.name()
            ))
        })
    }

    fn locate(&self, table: &Table, anchor: &str) -> Result<Range<usize>> {
        let found = if anchor.is_empty() {
            None
        } else {
            table.find(self.id_column(table)?, anchor)
        };
        found.ok_or_else(|| {
            Failure::not_found(format!(
                "{} has no {} {anchor:?}",
                self.file.name(),
                self.kind.kind
            ))
        })
    }

    fn again(&self, table: &Table, anchor: &str) -> Result<Entry> {
        let record = self.locate(table, anchor)?;
        Ok(self.entry(table, &record, &[]))
    }

    fn entry(&self, table: &Table, record: &Range<usize>, wanted: &[String]) -> Entry {
        let row = table.fields(record);
        let mut entry = Entry::new(cell(table, &row, ID)).version(version(table.raw(record)));
        for (name, cell) in table.header().iter().zip(row) {
            if cell.is_empty() || !(wanted.is_empty() || wanted.contains(name)) {
                continue;
            }
            if let Some(scalar) = self
                .kind
                .attribute(name)
                .and_then(|field| scalar(field.kind, Cow::Owned(cell)))
            {
                entry = entry.with(name, scalar);
            }
        }
        entry
    }

    fn passes(&self, filter: &Filter, table: &Table, row: &csv::ByteRecord) -> bool {
        filter.matches_with(&self.kind, &|name| {
            let cell = table
                .column(name)
                .map_or(Cow::Borrowed(""), |at| text(row.get(at)));
            let field = self.kind.attribute(name).filter(|_| !cell.is_empty());
            let value = field.and_then(|f| scalar(f.kind, Cow::Owned(cell.into_owned())));
            Cow::Owned(value.map(Value::Simple).into_iter().collect())
        })
    }

    /// One edit of one cell.
    fn assign(
        &self,
        table: &Table,
        row: &mut Vec<String>,
        kind: EditKind,
        attribute: &Attribute,
    ) -> Result<()> {
        let name = &attribute.name;
        let field = self.kind.attribute(name).ok_or_else(|| {
            Failure::invalid(format!("a {} has no attribute {name}", self.kind.kind))
                .attribute(name)
        })?;
        let invalid = |what: &str| Failure::invalid(format!("{name} {what}")).attribute(name);
        let now = cell(table, row, name);
        let value = match (kind, attribute.values.as_slice()) {
            (EditKind::Add, []) => return Ok(()),
            (EditKind::Put, []) => Cow::Borrowed(""),
            (EditKind::Remove, values) => {
                let current = scalar(field.kind, Cow::Borrowed(now)).map(Value::Simple);
                if current.is_none_or(|c| !values.contains(&c)) {
                    return Ok(());
                }
                Cow::Borrowed("")
            }
            (EditKind::Put | EditKind::Add, [Value::Simple(value)]) => value
                .to_plain()
                .ok_or_else(|| invalid("is binary, which a CSV file cannot hold"))?,
            (_, [Value::Complex(_)]) => {
                return Err(invalid("is complex, which a CSV cell cannot hold"));
            }
            (_, _) => return Err(invalid("has one column and so takes one value")),
        };
        if value == now {
            return Ok(());
        }
        if value.is_empty() && field.required {
            return Err(invalid("is required and cannot be cleared"));
        }
        let at = self.column(table, name)?;
        if row.len() <= at {
            row.resize(at + 1, String::new());
        }
        row[at] = value.into_owned();
        Ok(())
    }

    /// Refuses a row whose unique values another row has.
    fn unique(&self, table: &Table, row: &[String], anchor: &str) -> Result<()> {
        let id = self.id_column(table)?;
        for field in self.kind.attributes.iter().filter(|f| f.unique) {
            let value = cell(table, row, &field.name);
            let Some(at) = table.column(&field.name).filter(|_| !value.is_empty()) else {
                continue;
            };
            let fold = |s: &str| {
                if field.case_exact {
                    s.to_owned()
                } else {
                    fold_case(s)
                }
            };
            let folded = fold(value);
            let mut holder = None;
            table.each(|_, other| {
                // Short of folding every row: only what is as long, or not ASCII, can be the same.
                let cell = other.get(at).unwrap_or_default();
                let possible = cell.len() == value.len() || !cell.is_ascii() || !value.is_ascii();
                if holder.is_none()
                    && possible
                    && other.get(id) != Some(anchor.as_bytes())
                    && fold(&text(Some(cell))) == folded
                {
                    holder = Some(text(other.get(id)).into_owned());
                }
            });
            if let Some(holder) = holder {
                let message = format!(
                    "{} {value:?} is taken by the {} with {ID} {holder}",
                    field.name, self.kind.kind
                );
                return Err(Failure::already_exists(message).attribute(&field.name));
            }
        }
        Ok(())
    }

    fn anchor_for(&self, request: &str) -> String {
        let unique = if request.is_empty() {
            nonce()
        } else {
            request.to_owned()
        };
        digest(&format!("{}\0{unique}", self.kind.kind))
    }
}

/// The cell of a row under a column's name.
fn cell<'r>(table: &Table, row: &'r [String], name: &str) -> &'r str {
    table
        .column(name)
        .and_then(|at| row.get(at))
        .map_or("", String::as_str)
}
