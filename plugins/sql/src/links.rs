//! Columns that equal columns of another object: managers, owners, members. Mostly they hold its key; where they hold
//! something else (a login), it is looked up.

use std::collections::{BTreeMap, BTreeSet};

use tombolo_sdk::Result;
use tombolo_sdk::sql::{Cell, Statements};

use crate::key;
use crate::model::{Kind, Link, Model};
use crate::read::{ROW, Shape};
use crate::statement::{Name, chunk};

impl Link {
    /// The place of each key column's pair, when the link holds the key and nothing else.
    fn key_places(&self, kind: &Kind) -> Option<Vec<usize>> {
        let place = |name: &Name| self.pairs.iter().position(|(_, there)| there == name);
        let places: Option<Vec<usize>> = kind.key_names().into_iter().map(place).collect();
        places.filter(|places| places.len() == self.pairs.len())
    }

    fn there(&self) -> Vec<&Name> {
        self.pairs.iter().map(|(_, there)| there).collect()
    }
}

/// The anchors of the objects that these cells refer to, each at its place.
pub fn anchors(
    model: &Model,
    on: &dyn Statements,
    link: &Link,
    here: &[Vec<Cell>],
) -> Result<Vec<Option<String>>> {
    let kind = model.kind(&link.to)?;
    if let Some(places) = link.key_places(kind) {
        let anchor = |cells: &Vec<Cell>| {
            let cell = |at: &usize| cells.get(*at).cloned().unwrap_or(Cell::Null);
            let key: Vec<Cell> = places.iter().map(cell).collect();
            key::anchor(kind, &key)
        };
        return Ok(here.iter().map(anchor).collect());
    }
    let mut shape = Shape {
        kind,
        columns: kind.key_names(),
        attributes: Vec::new(),
    };
    let there = link.there();
    for name in &there {
        shape.also(name);
    }
    let asked: BTreeMap<Vec<String>, &[Cell]> = here
        .iter()
        .filter_map(|cells| Some((key::texts(cells)?, cells.as_slice())))
        .collect();
    let asked: Vec<&[Cell]> = asked.into_values().collect();
    let mut found = BTreeMap::new();
    for chunk in asked.chunks(chunk(there.len())) {
        let mut sql = shape.select();
        sql.push(" AND ").one_of(ROW, &there, chunk);
        for row in sql.all(on)?.rows {
            let cells = shape.cells(&row, there.iter().copied());
            if let (Some(texts), Some(anchor)) =
                (key::texts(&cells), key::anchor(kind, shape.key(&row)))
            {
                found.insert(texts, anchor);
            }
        }
    }
    let anchor = |cells: &Vec<Cell>| found.get(&key::texts(cells)?).cloned();
    Ok(here.iter().map(anchor).collect())
}

/// What the link's columns hold for each of these anchors; who is not in the database is not in the answer.
pub fn cells(
    model: &Model,
    on: &dyn Statements,
    link: &Link,
    anchors: &[String],
) -> Result<BTreeMap<String, Vec<Cell>>> {
    let kind = model.kind(&link.to)?;
    let mut shape = Shape {
        kind,
        columns: kind.key_names(),
        attributes: Vec::new(),
    };
    let there = link.there();
    for name in &there {
        shape.also(name);
    }
    let keys: Vec<Vec<Cell>> = anchors
        .iter()
        .filter_map(|anchor| key::cells(kind, anchor))
        .collect();
    let keys: Vec<&[Cell]> = keys.iter().map(Vec::as_slice).collect();
    let mut found = BTreeMap::new();
    for chunk in keys.chunks(chunk(kind.key.len())) {
        let mut sql = shape.select();
        sql.push(" AND ").one_of(ROW, &kind.key_names(), chunk);
        for row in sql.all(on)?.rows {
            if let Some(anchor) = key::anchor(kind, shape.key(&row)) {
                found.insert(anchor, shape.cells(&row, there.iter().copied()));
            }
        }
    }
    let asked: BTreeSet<&String> = anchors.iter().collect();
    found.retain(|anchor, cells| asked.contains(anchor) && !cells.contains(&Cell::Null));
    Ok(found)
}

/// What the link's columns are to hold for this anchor. A key is taken at its word: the database knows what it allows.
pub fn cells_of(
    model: &Model,
    on: &dyn Statements,
    link: &Link,
    anchor: &str,
) -> Result<Option<Vec<Cell>>> {
    let kind = model.kind(&link.to)?;
    match link.key_places(kind) {
        Some(places) => Ok(key::cells(kind, anchor).map(|key| {
            let mut cells = vec![Cell::Null; places.len()];
            for (place, cell) in places.into_iter().zip(key) {
                cells[place] = cell;
            }
            cells
        })),
        None => Ok(cells(model, on, link, &[anchor.to_owned()])?.remove(anchor)),
    }
}
