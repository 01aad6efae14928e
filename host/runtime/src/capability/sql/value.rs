//! Forms that several databases share.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::bindings::tombolo::connector::sql::Cell;
use crate::contract::Scalar;

pub(super) fn text(value: impl Into<String>) -> Cell {
    Cell::Is(Scalar::Text(value.into()))
}

pub(super) fn boolean(value: bool) -> Cell {
    Cell::Is(Scalar::Boolean(value))
}

pub(super) fn integer(value: impl Into<i64>) -> Cell {
    Cell::Is(Scalar::Integer(value.into()))
}

/// Beyond the contract's integer, a decimal.
pub(super) fn unsigned(value: u64) -> Cell {
    i64::try_from(value).map_or_else(|_| decimal(value.to_string()), integer)
}

pub(super) fn decimal(value: impl Into<String>) -> Cell {
    Cell::Is(Scalar::Decimal(value.into()))
}

pub(super) fn bytes(value: impl Into<Vec<u8>>) -> Cell {
    Cell::Is(Scalar::Bytes(value.into()))
}

/// The shortest decimal text that reads back as the same number; what is not a number is text.
pub(super) fn double(value: f64) -> Cell {
    if value.is_finite() {
        decimal(value.to_string())
    } else {
        text(not_finite(value))
    }
}

/// The same for single precision, whose shortest text is shorter.
pub(super) fn single(value: f32) -> Cell {
    if value.is_finite() {
        decimal(value.to_string())
    } else {
        text(not_finite(f64::from(value)))
    }
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

pub(super) fn instant(value: Timestamp) -> Cell {
    Cell::Is(Scalar::Instant(value.to_string()))
}

/// A date and a time of which nobody said where: ISO 8601 without a zone.
pub(super) fn local(value: DateTime) -> Cell {
    text(value.to_string())
}

/// Hours, minutes, seconds and microseconds of one day.
pub(super) fn clock(microseconds: u64) -> String {
    let seconds = microseconds / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = fraction(microseconds % 1_000_000);
    format!("{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

/// `.5` of 500000 microseconds, nothing of none.
pub(super) fn fraction(microseconds: u64) -> String {
    if microseconds == 0 {
        return String::new();
    }
    let digits = format!("{microseconds:06}");
    format!(".{}", digits.trim_end_matches('0'))
}

/// What a guest gave as an instant, as date and time in UTC.
pub(super) fn utc(instant: &str) -> Result<DateTime, String> {
    let parsed: Timestamp = instant
        .parse()
        .map_err(|_| "an instant is RFC 3339, such as 2024-01-31T10:20:30Z".to_owned())?;
    Ok(parsed.to_zoned(TimeZone::UTC).datetime())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_back_as_themselves() {
        for value in [0.1, 1e300, -5e-324, 0.0, f64::MAX, 123_456_789.125] {
            let Cell::Is(Scalar::Decimal(text)) = double(value) else {
                panic!("{value}");
            };
            assert_eq!(text.parse::<f64>().ok(), Some(value));
        }
        assert!(matches!(single(0.1), Cell::Is(Scalar::Decimal(text)) if text == "0.1"));
        assert!(matches!(double(f64::NAN), Cell::Is(Scalar::Text(text)) if text == "NaN"));
    }

    #[test]
    fn an_integer_beyond_the_contracts_is_a_decimal() {
        assert!(matches!(unsigned(7), Cell::Is(Scalar::Integer(7))));
        assert!(
            matches!(unsigned(u64::MAX), Cell::Is(Scalar::Decimal(text)) if text == "18446744073709551615")
        );
    }

    #[test]
    fn instants_are_utc_whatever_their_offset() {
        let value = utc("2024-01-31T23:30:00+02:00").expect("an instant");
        assert_eq!(value.to_string(), "2024-01-31T21:30:00");
        assert!(utc("2024-01-31").is_err());
    }

    #[test]
    fn clocks_show_no_more_than_there_is() {
        assert_eq!(clock(0), "00:00:00");
        assert_eq!(clock(86_399_500_000), "23:59:59.5");
    }
}
