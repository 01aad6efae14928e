//! Keys of rows and anchors of objects.
//!
//! One key column: the anchor is its value. Several: the values with commas between them, and `%2C` for a comma in one.
//! Before it stands the kind's prefix.

use tombolo_sdk::sql::Cell;
use tombolo_sdk::{Failure, Result, Scalar};

use crate::model::{KeyColumn, Kind};
use crate::settings::KeyType;

/// The anchor of the row with this key; none if a part of it is missing, or is no key.
pub fn anchor(kind: &Kind, key: &[Cell]) -> Option<String> {
    let parts: Option<Vec<String>> = kind
        .key
        .iter()
        .zip(key)
        .map(|(column, cell)| Some(cell_of(column, &text(cell)?)?.1))
        .collect();
    let parts = parts.filter(|parts| parts.len() == kind.key.len())?;
    let key = match parts.as_slice() {
        [only] if only.is_empty() => return None,
        [only] => only.clone(),
        several => several
            .iter()
            .map(|part| part.replace('%', "%25").replace(',', "%2C"))
            .collect::<Vec<_>>()
            .join(","),
    };
    Some(format!("{}{key}", kind.prefix))
}

/// The anchor of a row that must have one.
pub fn anchor_of(kind: &Kind, key: &[Cell]) -> Result<String> {
    anchor(kind, key).ok_or_else(|| {
        let names: Vec<&str> = kind.key.iter().map(|column| column.name.plain()).collect();
        Failure::other(format!(
            "a row of the {} has no text or number in its key ({}): name columns that identify each row",
            kind.name,
            names.join(", ")
        ))
    })
}

/// The key of the row with this anchor; none if there can be no such row.
pub fn cells(kind: &Kind, anchor: &str) -> Option<Vec<Cell>> {
    let key = anchor.strip_prefix(&kind.prefix)?;
    let parts: Vec<String> = match kind.key.len() {
        1 => vec![key.to_owned()],
        _ => key
            .split(',')
            .map(|part| part.replace("%2C", ",").replace("%25", "%"))
            .collect(),
    };
    if parts.len() != kind.key.len() {
        return None;
    }
    let cells: Option<Vec<Cell>> = kind
        .key
        .iter()
        .zip(&parts)
        .map(|(column, part)| cell_of(column, part).map(|(cell, _)| cell))
        .collect();
    // Another spelling of a key (`017`) is another anchor, and nobody has it.
    cells.filter(|cells| self::anchor(kind, cells).as_deref() == Some(anchor))
}

/// The failure of an anchor that no row has.
pub fn not_found(kind: &Kind, anchor: &str) -> Failure {
    Failure::not_found(format!("the database has no {} {anchor:?}", kind.name))
}

/// A key's part as its column has it, and as anchors have it.
fn cell_of(column: &KeyColumn, text: &str) -> Option<(Cell, String)> {
    match column.kind {
        KeyType::Text => Some((text.into(), text.to_owned())),
        KeyType::Integer => {
            let value: i64 = text.parse().ok()?;
            Some((value.into(), value.to_string()))
        }
    }
}

/// A cell as plain text, to tell rows apart by. NULL has none, and bytes have none.
pub fn text(cell: &Cell) -> Option<String> {
    match cell.scalar()? {
        Scalar::Bytes(_) => None,
        scalar => Some(scalar.to_plain()?.into_owned()),
    }
}

/// Cells as plain text, to group rows by.
pub fn texts(cells: &[Cell]) -> Option<Vec<String>> {
    cells.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::model;

    #[test]
    fn anchors_of_several_columns_come_back() {
        let model = model(
            "[kinds.user]\ntable = 'p'\nanchor-prefix = 'u:'\nkey = ['org', { column = 'no', type = 'integer' }]\n\
             [kinds.user.attributes]\nlogin = {}",
        );
        let kind = &model.kinds[0];
        for key in [
            ["a,b%2C".into(), 7.into()],
            ["".into(), Cell::from(-1)],
            ["é".into(), 0.into()],
        ] {
            let anchor = anchor(kind, &key).expect("an anchor");
            assert_eq!(cells(kind, &anchor).as_deref(), Some(&key[..]), "{anchor}");
        }
        for forged in ["a,7", "u:a", "u:a,7,8", "u:a,07", "u:a,x", "u:a,7 "] {
            assert_eq!(cells(kind, forged), None, "{forged}");
        }
    }
}
