//! The operator's own statements: SQL Server's change tracking, a journal that somebody keeps, anything that can answer
//! which keys have changed since a token.
//!
//! The token for now is taken before the changes are asked for: what changes in between is told twice rather than
//! never. All changes of a token are asked for at once and handed out in the order of their anchors, since nothing is
//! known of the token but that it can be given back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tombolo_sdk::sql::{Cell, Database, Statements};
use tombolo_sdk::{Changes, Failure, Result, Scalar};

use crate::key;
use crate::model::{Kind, Model};
use crate::template::Template;

/// Where the telling has come to.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Token {
    /// What the database is asked with.
    #[serde(rename = "t")]
    token: Value,
    /// While there is more: what it will be asked with then, and who was told last.
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    next: Option<(Value, String)>,
}

/// A token of the database's.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Value {
    Number(i64),
    Text(String),
    Instant(String),
    Bytes(Vec<u8>),
}

impl Value {
    fn of(cell: &Cell) -> Result<Self> {
        match cell.scalar() {
            Some(Scalar::Integer(value)) => Ok(Self::Number(*value)),
            Some(Scalar::Text(text) | Scalar::Decimal(text)) => Ok(Self::Text(text.clone())),
            Some(Scalar::Instant(text)) => Ok(Self::Instant(text.clone())),
            Some(Scalar::Bytes(bytes)) => Ok(Self::Bytes(bytes.clone())),
            Some(Scalar::Boolean(_)) | None => {
                Err(Failure::other("delta.statements.token answered no token"))
            }
        }
    }

    fn cell(&self) -> Cell {
        match self {
            Self::Number(value) => (*value).into(),
            Self::Text(text) => text.into(),
            Self::Instant(text) => Cell::Is(Scalar::Instant(text.clone())),
            Self::Bytes(bytes) => bytes.clone().into(),
        }
    }
}

/// Changes since a token.
pub(super) fn since(
    model: &Model,
    database: &dyn Database,
    kind: &Kind,
    now: &Template,
    changes: &Template,
    token: Option<Token>,
    limit: u32,
) -> Result<Changes> {
    let current = |on: &dyn Statements| {
        let rows = now.fill(&|_| None)?.query(on, 1)?;
        Value::of(rows.first().map_or(&Cell::Null, |row| row.at(0)))
    };
    let Some(token) = token else {
        return Ok(Changes {
            changes: Vec::new(),
            token: super::write(&Token {
                token: current(database)?,
                next: None,
            }),
            more: false,
        });
    };
    let (next, after) = match token.next {
        Some((next, after)) => (next, Some(after)),
        None => (current(database)?, None),
    };
    let asked = changes.fill(&|name| (name == "token").then(|| token.token.cell()))?;
    let mut keys: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
    for row in asked.all(database)?.iter() {
        let key: Result<Vec<Cell>> = kind
            .key_names()
            .into_iter()
            .map(|name| row.cell(name.plain()).cloned())
            .collect();
        let key = key.map_err(|failure| failure.within("delta.statements.changes"))?;
        keys.insert(key::anchor_of(kind, &key)?, key);
    }
    if let Some(after) = &after {
        keys.retain(|anchor, _| anchor > after);
    }
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = keys.len() > size;
    let page: Vec<(String, Vec<Cell>)> = keys.into_iter().take(size).collect();
    let token = match page.last().filter(|_| more) {
        Some((last, _)) => Token {
            token: token.token,
            next: Some((next, last.clone())),
        },
        None => Token {
            token: next,
            next: None,
        },
    };
    let keys: Vec<Vec<Cell>> = page.into_iter().map(|(_, key)| key).collect();
    Ok(Changes {
        changes: super::now(model, database, kind, &keys)?,
        token: super::write(&token),
        more,
    })
}
