//! Listings: page by page along the key, so that what comes and goes meanwhile neither repeats nor hides others.

use std::collections::BTreeSet;

use tombolo_sdk::sql::{Cell, Statements};
use tombolo_sdk::{Entry, Failure, Filter, Page, Query, Result};

use crate::filter::{self, Condition};
use crate::key;
use crate::model::{Kind, Model};
use crate::read::{ROW, Shape, alive};
use crate::statement::Sql;

/// How many rows are asked for at once, however many are wanted.
const PAGE: u32 = 1000;

/// One object.
pub fn get(
    model: &Model,
    on: &dyn Statements,
    kind: &Kind,
    anchor: &str,
    wanted: &[String],
) -> Result<Entry> {
    let missing = || key::not_found(kind, anchor);
    let key = key::cells(kind, anchor).ok_or_else(missing)?;
    let shape = Shape::of(kind, wanted);
    let row = shape.find(model, on, &key, false)?.ok_or_else(missing)?;
    shape.entries(model, on, &[row])?.pop().ok_or_else(missing)
}

/// One page.
pub fn search(model: &Model, on: &dyn Statements, kind: &Kind, query: &Query) -> Result<Page> {
    let filter = query.filter.as_deref().map(Filter::read).transpose()?;
    let condition = match &filter {
        None => None,
        Some(filter) => Some(filter::condition(model, kind, filter).ok_or_else(|| {
            Failure::unsupported("a database cannot compare so under its own collation")
        })?),
    };
    let shape = Shape::of(kind, &to_read(query, filter.as_ref()));
    let size = match query.limit {
        0 => PAGE,
        limit => limit.min(PAGE),
    };
    let mut sql = shape.select();
    narrow(&mut sql, condition.as_ref());
    if let Some(cursor) = &query.cursor {
        let last = key::cells(kind, cursor).ok_or_else(|| Failure::invalid("that is no cursor"))?;
        sql.push(" AND ").after(ROW, &kind.key_names(), &last);
    }
    sql.push(" ORDER BY ")
        .join(kind.key_names(), ", ", |sql, name| {
            sql.column(ROW, name);
        });
    sql.text = model.dialect.limited(sql.text, size + 1);
    let found = sql.query(on, size + 1)?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut rows = found.rows;
    // The host may hand out fewer than were asked for.
    let more = rows.len() > size || found.truncated;
    rows.truncate(size);
    let entries = shape.entries(model, on, &rows)?;
    let cursor = entries
        .last()
        .filter(|_| more)
        .map(|entry| entry.anchor.clone());
    let described = crate::describe::kind(kind);
    let entries = entries
        .into_iter()
        .filter(|entry| {
            filter
                .as_ref()
                .is_none_or(|filter| filter.matches(&described, entry))
        })
        .map(|entry| entry.keep(&query.attributes))
        .collect();
    // Counted once a listing, and only where the count is true.
    let counted = query.cursor.is_none() && condition.as_ref().is_none_or(|c| c.exact);
    let total = match (counted, more) {
        (false, _) => None,
        (true, false) => u64::try_from(rows.len()).ok(),
        (true, true) => total(on, kind, condition.as_ref())?,
    };
    Ok(Page {
        entries,
        cursor,
        total,
    })
}

/// The attributes that are read: those that are wanted, and those that the filter speaks of.
fn to_read(query: &Query, filter: Option<&Filter>) -> Vec<String> {
    if query.attributes.is_empty() {
        return Vec::new();
    }
    let mut names: BTreeSet<String> = query.attributes.iter().cloned().collect();
    if let Some(filter) = filter {
        mentioned(filter, &mut names);
    }
    names.into_iter().collect()
}

fn mentioned(filter: &Filter, names: &mut BTreeSet<String>) {
    match filter {
        Filter::Test(name, ..) | Filter::Present(name) | Filter::Element(name, _) => {
            names.insert(name.clone());
        }
        Filter::All(children) | Filter::Any(children) => {
            for child in children {
                mentioned(child, names);
            }
        }
        Filter::Not(child) => mentioned(child, names),
    }
}

fn narrow(sql: &mut Sql, condition: Option<&Condition>) {
    if let Some(condition) = condition {
        sql.push(" AND (").append(condition.sql.clone()).push(")");
    }
}

fn total(on: &dyn Statements, kind: &Kind, condition: Option<&Condition>) -> Result<Option<u64>> {
    let counting = Shape {
        kind,
        columns: Vec::new(),
        attributes: Vec::new(),
    };
    let mut sql = Sql::new("SELECT COUNT(*) AS n");
    let rows = counting.select_all("");
    // What `select_all` says without columns, from its FROM on.
    sql.push(rows.text.trim_start_matches("SELECT"));
    sql.parameters.extend(rows.parameters);
    alive(&mut sql, kind, ROW);
    narrow(&mut sql, condition);
    let rows = sql.query(on, 1)?;
    let count = rows.first().map_or(&Cell::Null, |row| row.at(0)).clone();
    Ok(key::text(&count).and_then(|text| text.parse().ok()))
}
