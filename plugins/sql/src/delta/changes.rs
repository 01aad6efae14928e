//! A table that triggers write to: a number and a key for each change.
//!
//! Numbers are given before transactions end, so a lower one may appear after a higher one. A number that is missing is
//! therefore remembered, and looked for again until it is too old to come: then its transaction was rolled back.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tombolo_sdk::sql::{Cell, Database, Statements};
use tombolo_sdk::{Changes, Failure, Result, Scalar};

use crate::key;
use crate::model::{Fixed, Kind, Model};
use crate::statement::{Name, Sql};

/// How far back numbers are looked for that were not there when the telling began.
const BEFORE: i64 = 1000;
/// How many stretches of missing numbers are remembered; of more, the oldest are forgotten.
const GAPS: usize = 100;

/// A number of the table, and the key that it stands for; none: it is another kind's.
type Numbered = (i64, Option<Vec<Cell>>);

/// Some of them, and whether there are more.
#[derive(Default)]
struct Numbers {
    held: Vec<Numbered>,
    more: bool,
}

/// The change table.
pub(super) struct Log<'m> {
    /// Its name.
    pub(super) table: &'m Name,
    /// The column of its numbers.
    pub(super) sequence: &'m Name,
    /// Its columns for the key's.
    pub(super) key: &'m [Name],
    /// What the kind's rows have.
    pub(super) rows: &'m Fixed,
    /// How long a missing number is looked for, in seconds.
    pub(super) settle: u32,
}

/// Where the telling has come to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Token {
    /// Every number up to this one was there, or is missing.
    #[serde(rename = "u")]
    upto: i64,
    /// Stretches of missing numbers: first, last, and when they were missed.
    #[serde(rename = "g", default)]
    gaps: Vec<(i64, i64, u64)>,
}

/// Changes since a token.
pub(super) fn since(
    model: &Model,
    database: &dyn Database,
    kind: &Kind,
    log: &Log<'_>,
    token: Option<Token>,
    limit: u32,
) -> Result<Changes> {
    let clock = now();
    let Some(mut token) = token else {
        let token = log.start(model, database, clock)?;
        return Ok(Changes {
            changes: Vec::new(),
            token: super::write(&token),
            more: false,
        });
    };
    // The old ones first: they have waited.
    let late = log.late(model, database, &token.gaps, limit)?;
    let room = limit - u32::try_from(late.held.len()).unwrap_or(limit).min(limit);
    let new = if room == 0 {
        Numbers::default()
    } else {
        log.after(model, database, token.upto, room)?
    };
    let more = late.more || new.more;
    for (number, _) in &late.held {
        token.fill(*number);
    }
    for (number, _) in &new.held {
        if *number > token.upto + 1 {
            token.gaps.push((token.upto + 1, number - 1, clock));
        }
        token.upto = *number;
    }
    token.settle(clock, log.settle);
    // A row that changed twice is told once, as it is now.
    let mut order = Vec::new();
    let mut keys = BTreeMap::new();
    for key in late
        .held
        .into_iter()
        .chain(new.held)
        .filter_map(|(_, key)| key)
    {
        let anchor = key::anchor_of(kind, &key)?;
        if keys.insert(anchor.clone(), key).is_none() {
            order.push(anchor);
        }
    }
    let keys: Vec<Vec<Cell>> = order
        .iter()
        .filter_map(|anchor| keys.remove(anchor))
        .collect();
    Ok(Changes {
        changes: super::now(model, database, kind, &keys)?,
        token: super::write(&token),
        more,
    })
}

impl Token {
    /// This number has come after all.
    fn fill(&mut self, number: i64) {
        let Some(at) = self
            .gaps
            .iter()
            .position(|(first, last, _)| (*first..=*last).contains(&number))
        else {
            return;
        };
        let (first, last, missed) = self.gaps.remove(at);
        if number < last {
            self.gaps.insert(at, (number + 1, last, missed));
        }
        if first < number {
            self.gaps.insert(at, (first, number - 1, missed));
        }
    }

    /// Forgets what is too old to come.
    fn settle(&mut self, clock: u64, seconds: u32) {
        self.gaps
            .retain(|(_, _, missed)| clock.saturating_sub(*missed) < u64::from(seconds));
        let many = self.gaps.len().saturating_sub(GAPS);
        self.gaps.drain(..many);
    }
}

impl Log<'_> {
    /// From now on; and what had a number before, and comes after.
    fn start(&self, model: &Model, on: &dyn Statements, clock: u64) -> Result<Token> {
        let mut sql = self.select();
        sql.push(" ORDER BY ")
            .column("c", self.sequence)
            .push(" DESC");
        let size = u32::try_from(BEFORE).unwrap_or_default();
        sql.text = model.dialect.limited(sql.text, size);
        let mut held = self.numbers(sql.query(on, size)?.rows)?;
        held.reverse();
        let mut token = Token {
            upto: held.last().map_or(0, |(number, _)| *number),
            gaps: Vec::new(),
        };
        let mut expected = (token.upto - BEFORE).max(0) + 1;
        for (number, _) in held {
            if number > expected {
                token.gaps.push((expected, number - 1, clock));
            }
            expected = expected.max(number + 1);
        }
        token.settle(clock, self.settle);
        Ok(token)
    }

    fn after(&self, model: &Model, on: &dyn Statements, upto: i64, limit: u32) -> Result<Numbers> {
        let mut sql = self.select();
        sql.push(" AND ")
            .column("c", self.sequence)
            .push(" > ")
            .bind(upto.into());
        self.page(model, on, sql, limit)
    }

    fn late(
        &self,
        model: &Model,
        on: &dyn Statements,
        gaps: &[(i64, i64, u64)],
        limit: u32,
    ) -> Result<Numbers> {
        if gaps.is_empty() {
            return Ok(Numbers::default());
        }
        let mut sql = self.select();
        sql.push(" AND (")
            .join(gaps, " OR ", |sql, (first, last, _)| {
                sql.column("c", self.sequence)
                    .push(" BETWEEN ")
                    .bind((*first).into());
                sql.push(" AND ").bind((*last).into());
            });
        sql.push(")");
        self.page(model, on, sql, limit)
    }

    fn page(
        &self,
        model: &Model,
        on: &dyn Statements,
        mut sql: Sql,
        limit: u32,
    ) -> Result<Numbers> {
        sql.push(" ORDER BY ").column("c", self.sequence);
        sql.text = model.dialect.limited(sql.text, limit);
        let found = sql.query(on, limit)?;
        let full = u32::try_from(found.rows.len()).is_ok_and(|rows| rows >= limit);
        Ok(Numbers {
            // The host may hand out fewer than were asked for.
            more: full || found.truncated,
            held: self.numbers(found.rows)?,
        })
    }

    fn select(&self) -> Sql {
        let mut sql = Sql::new("SELECT ");
        sql.column("c", self.sequence);
        // Other kinds' rows too: their numbers are not missing.
        for name in self
            .key
            .iter()
            .chain(self.rows.iter().map(|(name, _)| name))
        {
            sql.push(", ").column("c", name);
        }
        sql.push(" FROM ").name(self.table).push(" c WHERE 1 = 1");
        sql
    }

    fn numbers(&self, rows: Vec<Vec<Cell>>) -> Result<Vec<Numbered>> {
        rows.into_iter()
            .map(|mut row| {
                let mut key = row.split_off(1.min(row.len()));
                let own = key.split_off(self.key.len().min(key.len()));
                let is_own = self
                    .rows
                    .iter()
                    .zip(&own)
                    .all(|((_, literal), cell)| literal.is(cell));
                let number = match row.first().and_then(Cell::scalar) {
                    Some(Scalar::Integer(number)) => Some(*number),
                    Some(Scalar::Decimal(text)) => text.parse().ok(),
                    _ => None,
                };
                let number = number.ok_or_else(|| {
                    Failure::other(format!(
                        "the column `{}` holds no whole number",
                        self.sequence.plain()
                    ))
                })?;
                Ok((number, is_own.then_some(key)))
            })
            .collect()
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_comes_late_leaves_the_rest_of_its_gap() {
        let mut token = Token {
            upto: 20,
            gaps: vec![(3, 3, 0), (5, 9, 0)],
        };
        token.fill(7);
        token.fill(3);
        token.fill(42);
        assert_eq!(token.gaps, [(5, 6, 0), (8, 9, 0)]);
        token.fill(5);
        token.fill(9);
        assert_eq!(token.gaps, [(6, 6, 0), (8, 8, 0)]);
        token.settle(600, 600);
        assert!(token.gaps.is_empty());
    }
}
