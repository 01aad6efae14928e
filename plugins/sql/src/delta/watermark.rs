//! A column that grows with every change: a time, or a number.
//!
//! Rows are read in the order of the column and, where it is equal, of the key. Two things make that not enough.
//! Transactions do not end in the order in which they begin, so a row may appear behind what has been read: each round
//! begins some way back. And what was told before lies there too: a mark of each row told in that stretch is in the
//! token. A row that is deleted leaves nothing to read; one that is only marked as gone does.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tombolo_sdk::sql::{Cell, Database};
use tombolo_sdk::{Change, Changes, Failure, Result, Scalar};

use crate::column::instant;
use crate::key;
use crate::model::{Kind, Model};
use crate::read::{ROW, Shape, is_gone};
use crate::statement::Name;

/// How many marks a token carries. Of more changes within the overlap, the earliest may be told twice.
const MARKS: usize = 10_000;

/// Where the telling has come to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Token {
    /// The highest value seen, and what it is.
    #[serde(rename = "m")]
    mark: Option<Water>,
    /// Within a round: the last row looked at.
    #[serde(rename = "l", skip_serializing_if = "Option::is_none")]
    last: Option<(Water, String)>,
    /// Rows told within the overlap: the column's value as a number, and a hash of the row's key and of the value.
    #[serde(rename = "t", default)]
    told: BTreeSet<(i64, u64)>,
}

/// A value of the column.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Water {
    Number(i64),
    Text { text: String },
    Instant { instant: String },
}

impl Water {
    fn of(cell: &Cell) -> Result<Self> {
        let water = match cell.scalar() {
            Some(Scalar::Integer(value)) => Some(Self::Number(*value)),
            Some(Scalar::Decimal(text)) => text.parse().ok().map(Self::Number),
            Some(Scalar::Instant(text)) => Some(Self::Instant {
                instant: text.clone(),
            }),
            Some(Scalar::Text(text)) => Some(Self::Text { text: text.clone() }),
            _ => None,
        };
        water
            .filter(|water| water.number().is_some())
            .ok_or_else(|| {
                Failure::other("the watermark column holds neither a time nor a whole number")
            })
    }

    fn cell(&self) -> Cell {
        match self {
            Self::Number(value) => (*value).into(),
            Self::Text { text } => text.into(),
            Self::Instant { instant } => Cell::Is(Scalar::Instant(instant.clone())),
        }
    }

    /// On a line: as it is, or in microseconds.
    fn number(&self) -> Option<i64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text { text } | Self::Instant { instant: text } => {
                Some(instant(text)?.as_microsecond())
            }
        }
    }

    /// The overlap in the unit of [`Water::number`].
    fn units(&self, overlap: u32) -> i64 {
        match self {
            Self::Number(_) => overlap.into(),
            Self::Text { .. } | Self::Instant { .. } => i64::from(overlap) * 1_000_000,
        }
    }

    /// So far back, spelled as this one is: a database that keeps times as text compares them as text.
    fn back(&self, overlap: u32) -> Option<Self> {
        let number = self.number()?.checked_sub(self.units(overlap))?;
        Some(match self {
            Self::Number(_) => Self::Number(number),
            Self::Instant { .. } => Self::Instant {
                instant: jiff::Timestamp::from_microsecond(number).ok()?.to_string(),
            },
            Self::Text { text } => {
                let civil = jiff::Timestamp::from_microsecond(number)
                    .ok()?
                    .to_zoned(jiff::tz::TimeZone::UTC)
                    .datetime();
                let between = if text.contains('T') { 'T' } else { ' ' };
                let mut spelled = format!(
                    "{}{between}{}",
                    civil.date(),
                    civil.time().strftime("%H:%M:%S")
                );
                let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
                let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
                if digits > 0 {
                    let all = format!("{:09}", civil.subsec_nanosecond());
                    spelled.push('.');
                    spelled.push_str(&all[..digits.min(9)]);
                }
                let zone = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                spelled.push_str(&text[zone.len()..]);
                Self::Text { text: spelled }
            }
        })
    }
}

/// Changes since a token.
pub(super) fn since(
    model: &Model,
    database: &dyn Database,
    kind: &Kind,
    column: &Name,
    overlap: u32,
    token: Option<Token>,
    limit: u32,
) -> Result<Changes> {
    let starting = token.is_none();
    let mut token = match token {
        Some(token) => token,
        None => Token {
            mark: highest(model, database, kind, column)?,
            ..Token::default()
        },
    };
    let from = token.mark.as_ref().and_then(|mark| mark.back(overlap));
    let mut shape = Shape::whole(kind);
    shape.also(column);
    if let Some((gone, _)) = &kind.gone {
        shape.also(gone);
    }
    let mut order = vec![column];
    order.extend(kind.key_names());
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let more = loop {
        let mut sql = shape.select_all("");
        sql.push(" AND ").column(ROW, column).push(" IS NOT NULL");
        if let Some((water, anchor)) = &token.last {
            let mut last = vec![water.cell()];
            last.extend(
                key::cells(kind, anchor).ok_or_else(|| Failure::invalid("that is no token"))?,
            );
            sql.push(" AND ").after(ROW, &order, &last);
        } else if let Some(from) = &from {
            sql.push(" AND ")
                .column(ROW, column)
                .push(" >= ")
                .bind(from.cell());
        }
        sql.push(" ORDER BY ").join(&order, ", ", |sql, name| {
            sql.column(ROW, name);
        });
        sql.text = model.dialect.limited(sql.text, limit);
        let found = sql.query(database, limit)?;
        let last_page = found.rows.len() < wanted && !found.truncated;
        let mut full = false;
        for row in found.rows {
            if rows.len() == wanted {
                full = true;
                break;
            }
            let water = Water::of(shape.cell(&row, column))?;
            let anchor = key::anchor_of(kind, shape.key(&row))?;
            let told = (water.number().unwrap_or_default(), hash(&anchor, &water));
            if token.told.insert(told) && !starting {
                rows.push(row);
            }
            token.last = Some((water, anchor));
        }
        if full || !last_page && rows.len() == wanted {
            break true;
        }
        if last_page {
            break false;
        }
    };
    if let Some((water, _)) = &token.last
        && token.mark.as_ref().and_then(Water::number) < water.number()
    {
        token.mark = Some(water.clone());
    }
    if !more {
        token.last = None;
    }
    forget(&mut token, overlap);
    let mut living = Vec::new();
    let mut changes: Vec<Option<Change>> = Vec::new();
    for row in rows {
        if is_gone(&shape, &row) {
            let anchor = key::anchor_of(kind, shape.key(&row))?;
            changes.push(Some(Change::Gone(anchor)));
        } else {
            changes.push(None);
            living.push(row);
        }
    }
    let mut entries = shape.entries(model, database, &living)?.into_iter();
    let changes = changes
        .into_iter()
        .filter_map(|change| change.or_else(|| entries.next().map(Change::Changed)))
        .collect();
    Ok(Changes {
        changes,
        token: super::write(&token),
        more,
    })
}

/// Marks that the next round does not come back to.
fn forget(token: &mut Token, overlap: u32) {
    if token.last.is_none()
        && let Some(floor) = token
            .mark
            .as_ref()
            .and_then(|mark| mark.number()?.checked_sub(mark.units(overlap)))
    {
        token.told.retain(|(water, _)| *water >= floor);
    }
    while token.told.len() > MARKS {
        token.told.pop_first();
    }
}

/// The highest value of the column.
fn highest(model: &Model, on: &dyn Database, kind: &Kind, column: &Name) -> Result<Option<Water>> {
    let shape = Shape {
        kind,
        columns: vec![column],
        attributes: Vec::new(),
    };
    let mut sql = shape.select_all("");
    sql.push(" AND ")
        .column(ROW, column)
        .push(" IS NOT NULL ORDER BY ")
        .column(ROW, column)
        .push(" DESC");
    sql.text = model.dialect.limited(sql.text, 1);
    let rows = sql.query(on, 1)?.rows;
    rows.first()
        .and_then(|row| row.first())
        .map(Water::of)
        .transpose()
}

/// FNV-1a of a row's key and of the column's value: told apart, never trusted.
fn hash(anchor: &str, water: &Water) -> u64 {
    let water = match water {
        Water::Number(value) => value.to_string(),
        Water::Text { text } | Water::Instant { instant: text } => text.clone(),
    };
    let bytes = anchor.bytes().chain([0]).chain(water.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_goes_back_in_its_own_spelling() {
        let back = |text: &str| match (Water::Text {
            text: text.to_owned(),
        })
        .back(60)
        {
            Some(Water::Text { text }) => text,
            other => format!("{other:?}"),
        };
        assert_eq!(back("2026-03-01 00:00:30"), "2026-02-28 23:59:30");
        assert_eq!(back("2026-03-01T00:01:30.250"), "2026-03-01T00:00:30.250");
        assert_eq!(
            back("2026-03-01 00:01:30.123456Z"),
            "2026-03-01 00:00:30.123456Z"
        );
        let instant = Water::Instant {
            instant: "2026-03-01T00:01:30Z".to_owned(),
        };
        assert_eq!(
            instant.back(60),
            Some(Water::Instant {
                instant: "2026-03-01T00:00:30Z".to_owned()
            })
        );
        assert_eq!(Water::Number(5).back(60), Some(Water::Number(-55)));
        assert!(Water::of(&"yesterday".into()).is_err());
    }
}
