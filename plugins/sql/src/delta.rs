//! What has changed since a token.
//!
//! All three ways give the objects as they are now, or say that they are gone. They differ in how they know which.

mod changes;
mod statements;
mod watermark;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tombolo_sdk::sql::{Cell, Database, Statements};
use tombolo_sdk::{Change, Changes, Failure, Result};

use crate::key;
use crate::model::{Delta, Kind, Model};
use crate::read::{ROW, Shape};
use crate::statement::chunk;

/// How many changes are looked at in one call, however many are wanted.
const PAGE: u32 = 1000;

/// Changes since a token; none starts from now.
pub fn since(
    model: &Model,
    database: &dyn Database,
    kind: &Kind,
    token: Option<&str>,
    limit: u32,
) -> Result<Changes> {
    let limit = match limit {
        0 => PAGE,
        limit => limit.min(PAGE),
    };
    match &kind.delta {
        None => Err(Failure::unsupported(format!(
            "[settings.kinds.{}] has no `delta`, so changes cannot be told: list instead",
            kind.name
        ))),
        Some(Delta::Watermark { column, overlap }) => {
            watermark::since(model, database, kind, column, *overlap, read(token)?, limit)
        }
        Some(Delta::Changes {
            table,
            sequence,
            key,
            rows,
            settle,
        }) => {
            let log = changes::Log {
                table,
                sequence,
                key,
                rows,
                settle: *settle,
            };
            changes::since(model, database, kind, &log, read(token)?, limit)
        }
        Some(Delta::Statements {
            token: now,
            changes,
        }) => statements::since(model, database, kind, now, changes, read(token)?, limit),
    }
}

fn read<T: DeserializeOwned>(token: Option<&str>) -> Result<Option<T>> {
    let read = |token| {
        serde_json::from_str(token).map_err(|_| {
            Failure::invalid("that is no token of this connector under these settings")
        })
    };
    token.map(read).transpose()
}

fn write<T: Serialize>(token: &T) -> String {
    // Numbers and texts: writing cannot fail.
    serde_json::to_string(token).unwrap_or_default()
}

/// The objects with these keys as they are now, and which of them are gone, in the order of the keys.
fn now(model: &Model, on: &dyn Statements, kind: &Kind, keys: &[Vec<Cell>]) -> Result<Vec<Change>> {
    let shape = Shape::whole(kind);
    let mut found = BTreeMap::new();
    let asked: Vec<&[Cell]> = keys.iter().map(Vec::as_slice).collect();
    for chunk in asked.chunks(chunk(kind.key.len())) {
        let mut sql = shape.select();
        sql.push(" AND ").one_of(ROW, &kind.key_names(), chunk);
        let rows = sql.all(on)?.rows;
        for entry in shape.entries(model, on, &rows)? {
            found.insert(entry.anchor.clone(), entry);
        }
    }
    let change = |key: &Vec<Cell>| {
        let anchor = key::anchor_of(kind, key)?;
        Ok(match found.remove(&anchor) {
            Some(entry) => Change::Changed(entry),
            None => Change::Gone(anchor),
        })
    };
    keys.iter().map(change).collect()
}
