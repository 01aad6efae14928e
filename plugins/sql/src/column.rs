//! Cells of a column and values of an attribute: two spellings of the same thing.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tombolo_sdk::schema::Type;
use tombolo_sdk::sql::Cell;
use tombolo_sdk::{Failure, Result, Scalar};

use crate::settings::Literal;
use crate::statement::Name;

/// A column that holds one value of an attribute.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: Name,
    /// What the values are.
    pub kind: Type,
    /// Values as the attribute has them, and what the column holds for each.
    pub values: Vec<(String, Vec<Literal>)>,
    /// What the column holds instead of NULL.
    pub null: Option<Literal>,
    /// Whether blanks at the end are not the value's.
    pub trim: bool,
}

impl Column {
    /// The value that a cell holds; none: it holds none, or none of this type.
    pub fn read(&self, cell: &Cell) -> Option<Scalar> {
        let scalar = cell.scalar()?;
        if self.null.as_ref().is_some_and(|null| null.is(cell)) {
            return None;
        }
        let trimmed;
        let (cell, scalar) = match scalar {
            Scalar::Text(text) if self.trim => {
                trimmed = Cell::from(text.trim_end_matches(' '));
                (&trimmed, trimmed.scalar()?)
            }
            scalar => (cell, scalar),
        };
        if self.values.is_empty() {
            return read(self.kind, scalar);
        }
        let (value, _) = self
            .values
            .iter()
            .find(|(_, held)| held.iter().any(|literal| literal.is(cell)))?;
        read(self.kind, &Scalar::Text(value.clone()))
    }

    /// What the column is to hold; NULL (or what stands for it) for no value.
    pub fn write(&self, value: Option<&Scalar>) -> Result<Cell> {
        let Some(value) = value else {
            return Ok(self.null.as_ref().map_or(Cell::Null, Literal::cell));
        };
        let misfit =
            |what: String| Failure::invalid(format!("column `{}` {what}", self.name.plain()));
        let value =
            read(self.kind, value).ok_or_else(|| misfit(format!("holds {}", words(self.kind))))?;
        if self.values.is_empty() {
            return Ok(Cell::Is(value));
        }
        let plain = value.to_plain().unwrap_or_default();
        let held = self.held(&plain).first().ok_or_else(|| {
            let known: Vec<&str> = self
                .values
                .iter()
                .map(|(value, _)| value.as_str())
                .collect();
            misfit(format!("takes no {plain:?}, only {}", known.join(", ")))
        })?;
        Ok(held.cell())
    }

    /// What the column may hold for a value that the operator has listed.
    pub fn held(&self, plain: &str) -> &[Literal] {
        self.values
            .iter()
            .find(|(value, _)| value == plain)
            .map_or(&[], |(_, held)| held)
    }

    /// Whether two cells mean the same value.
    pub fn same(&self, a: &Cell, b: &Cell) -> bool {
        match (self.read(a), self.read(b)) {
            (None, None) => true,
            (Some(a), Some(b)) => same(&a, &b),
            _ => false,
        }
    }
}

/// Whether two values of one type are the same.
pub fn same(a: &Scalar, b: &Scalar) -> bool {
    tombolo_sdk::filter::compare(a, tombolo_sdk::Comparison::Equal, b, true)
}

fn words(kind: Type) -> &'static str {
    match kind {
        Type::Boolean => "true or false",
        Type::Integer => "whole numbers",
        Type::Decimal => "decimal numbers",
        Type::Instant => "points in time",
        Type::Binary => "bytes",
        Type::Text | Type::Reference | Type::Complex => "text",
    }
}

/// A scalar as a value of this type, if it is one.
fn read(kind: Type, scalar: &Scalar) -> Option<Scalar> {
    match (kind, scalar) {
        (Type::Boolean, Scalar::Boolean(_))
        | (Type::Integer, Scalar::Integer(_))
        | (Type::Decimal, Scalar::Decimal(_))
        | (Type::Binary, Scalar::Bytes(_)) => Some(scalar.clone()),
        (Type::Boolean, Scalar::Integer(value)) => match value {
            0 => Some(Scalar::Boolean(false)),
            1 => Some(Scalar::Boolean(true)),
            _ => None,
        },
        (Type::Boolean, other) => match other.to_plain()?.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "yes" | "y" => Some(Scalar::Boolean(true)),
            "false" | "f" | "0" | "no" | "n" => Some(Scalar::Boolean(false)),
            _ => None,
        },
        (Type::Integer, Scalar::Decimal(text) | Scalar::Text(text)) => {
            let whole = text.trim();
            let whole = whole
                .split_once('.')
                .filter(|(_, fraction)| fraction.bytes().all(|b| b == b'0'))
                .map_or(whole, |(whole, _)| whole);
            whole.parse().ok().map(Scalar::Integer)
        }
        (Type::Decimal, Scalar::Integer(value)) => Some(Scalar::Decimal(value.to_string())),
        (Type::Decimal, Scalar::Text(text)) => Some(Scalar::Decimal(text.trim().to_owned())),
        (Type::Instant, Scalar::Instant(text) | Scalar::Text(text)) => {
            Some(Scalar::Instant(instant(text)?.to_string()))
        }
        (Type::Text | Type::Reference, Scalar::Bytes(bytes)) => {
            String::from_utf8(bytes.clone()).ok().map(Scalar::Text)
        }
        (Type::Text | Type::Reference, other) => Some(Scalar::Text(other.to_plain()?.into_owned())),
        _ => None,
    }
}

/// A point in time; one without a zone is in UTC, as the host keeps every session.
pub fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tombolo_sdk::sql::Dialect;

    fn column(kind: Type) -> Column {
        Column {
            name: Name::column(Dialect::Sqlite, "c").expect("a name"),
            kind,
            values: Vec::new(),
            null: None,
            trim: false,
        }
    }

    #[test]
    fn a_status_column_is_a_truth_value() {
        let mut active = column(Type::Boolean);
        active.values = vec![
            (
                "true".to_owned(),
                vec![Literal::Text("A".to_owned()), Literal::Text("L".to_owned())],
            ),
            ("false".to_owned(), vec![Literal::Text("I".to_owned())]),
        ];
        assert_eq!(active.read(&"L".into()), Some(Scalar::Boolean(true)));
        assert_eq!(active.read(&"I".into()), Some(Scalar::Boolean(false)));
        assert_eq!(active.read(&"?".into()), None);
        assert_eq!(active.write(Some(&true.into())), Ok("A".into()));
        assert_eq!(active.write(None), Ok(Cell::Null));
        // `L` means the same as `A`: there is nothing to write.
        assert!(active.same(&"L".into(), &"A".into()));
        active.values.pop();
        let failure = active.write(Some(&false.into())).expect_err("not listed");
        assert!(failure.message.contains("takes no \"false\", only true"));
    }

    #[test]
    fn numbers_stand_for_truth_and_for_text() {
        let mut flag = column(Type::Boolean);
        flag.values = vec![
            ("true".to_owned(), vec![Literal::Integer(0)]),
            ("false".to_owned(), vec![Literal::Integer(1)]),
        ];
        // MySQL's TINYINT(1) arrives as a truth value.
        assert_eq!(flag.read(&false.into()), Some(Scalar::Boolean(true)));
        assert_eq!(column(Type::Text).read(&7.into()), Some("7".into()));
        assert_eq!(
            column(Type::Integer).read(&Cell::Is(Scalar::Decimal("7.00".to_owned()))),
            Some(7.into())
        );
        assert_eq!(column(Type::Integer).read(&"7.5".into()), None);
    }

    #[test]
    fn what_stands_for_no_value_is_none_and_blanks_of_char_are_not_the_values() {
        let mut text = column(Type::Text);
        text.null = Some(Literal::Text(String::new()));
        assert_eq!(text.read(&"".into()), None);
        assert_eq!(text.write(None), Ok("".into()));
        text.trim = true;
        assert_eq!(text.read(&" ab  ".into()), Some(" ab".into()));
        assert_eq!(column(Type::Text).read(&"ab ".into()), Some("ab ".into()));
    }

    #[test]
    fn a_time_without_a_zone_is_in_utc() {
        let time = column(Type::Instant);
        let read = |text: &str| time.read(&text.into());
        assert_eq!(
            read("2026-01-31T10:20:30.5"),
            read("2026-01-31 10:20:30.500")
        );
        assert_eq!(
            read("2026-01-31 10:20:30"),
            Some(Scalar::Instant("2026-01-31T10:20:30Z".to_owned()))
        );
        assert_eq!(read("yesterday"), None);
    }
}
