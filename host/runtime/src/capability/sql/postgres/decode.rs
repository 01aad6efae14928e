//! PostgreSQL's binary forms as cells. Whatever has no form here is refused with the cast that gives it one:
//! a value is exact or it is an error.

use std::error::Error as StdError;

use jiff::{SignedDuration, Timestamp, civil::date, tz::TimeZone};
use tokio_postgres::types::{FromSql, Kind, Type};

use crate::bindings::tombolo::connector::sql::Cell;
use crate::capability::sql::value::{self, clock, decimal, text};
use crate::contract::Scalar;

/// Seconds from the Unix epoch to PostgreSQL's, 2000-01-01.
const EPOCH: i64 = 946_684_800;

/// A value as it came, of whatever type.
pub(super) struct Raw<'a>(pub(super) Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Why a value has no form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("its type `{0}` has no form here: write CAST(… AS text)")]
    Type(String),
    #[error("the server's `{0}` is malformed")]
    Malformed(String),
    #[error("it is beyond the years -9999 to 9999: write CAST(… AS text)")]
    Range,
}

/// One value.
pub(super) fn cell(kind: &Type, raw: Option<&[u8]>) -> Result<Cell, Unreadable> {
    match raw {
        None => Ok(Cell::Null),
        Some(raw) => value(kind, raw),
    }
}

fn value(kind: &Type, raw: &[u8]) -> Result<Cell, Unreadable> {
    let malformed = || Unreadable::Malformed(kind.name().to_owned());
    let mut reader = Reader { raw, kind };
    match kind.kind() {
        Kind::Domain(base) => return value(base, raw),
        Kind::Enum(_) => return utf8(raw).ok_or_else(malformed),
        Kind::Array(element) => return array(kind, element, reader).map(text),
        _ => {}
    }
    Ok(match *kind {
        Type::BOOL => value::boolean(reader.take::<1>()? != [0]),
        Type::INT2 => value::integer(i16::from_be_bytes(reader.take()?)),
        Type::INT4 => value::integer(i32::from_be_bytes(reader.take()?)),
        Type::INT8 => value::integer(i64::from_be_bytes(reader.take()?)),
        Type::OID | Type::XID | Type::CID => value::integer(u32::from_be_bytes(reader.take()?)),
        Type::XID8 => value::unsigned(u64::from_be_bytes(reader.take()?)),
        Type::FLOAT4 => value::single(f32::from_be_bytes(reader.take()?)),
        Type::FLOAT8 => value::double(f64::from_be_bytes(reader.take()?)),
        Type::NUMERIC => numeric(reader)?,
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::CHAR
        | Type::JSON
        | Type::XML
        | Type::UNKNOWN => utf8(raw).ok_or_else(malformed)?,
        Type::JSONB => match raw {
            [1, json @ ..] => utf8(json).ok_or_else(malformed)?,
            _ => return Err(malformed()),
        },
        Type::BYTEA => value::bytes(raw),
        Type::UUID => text(uuid(reader.take()?)),
        Type::DATE => day(i32::from_be_bytes(reader.take()?))?,
        Type::TIME => text(clock(reader.microseconds()?)),
        Type::TIMETZ => {
            let time = clock(reader.microseconds()?);
            // Seconds west of Greenwich.
            let west = i32::from_be_bytes(reader.take()?);
            text(format!("{time}{}", offset(-west)))
        }
        Type::TIMESTAMP => moment(i64::from_be_bytes(reader.take()?), |at| {
            value::local(at.to_zoned(TimeZone::UTC).datetime())
        })?,
        Type::TIMESTAMPTZ => moment(i64::from_be_bytes(reader.take()?), value::instant)?,
        Type::INTERVAL => {
            let microseconds = i64::from_be_bytes(reader.take()?);
            let days = i32::from_be_bytes(reader.take()?);
            let months = i32::from_be_bytes(reader.take()?);
            text(interval(months, days, microseconds))
        }
        Type::INET | Type::CIDR => text(network(kind, raw).ok_or_else(malformed)?),
        Type::MACADDR | Type::MACADDR8 => {
            let parts: Vec<String> = raw.iter().map(|byte| format!("{byte:02x}")).collect();
            text(parts.join(":"))
        }
        Type::BIT | Type::VARBIT => text(bits(reader)?),
        // Types of extensions have no number of their own.
        _ if matches!(kind.name(), "citext") => utf8(raw).ok_or_else(malformed)?,
        _ => return Err(Unreadable::Type(kind.name().to_owned())),
    })
}

fn utf8(raw: &[u8]) -> Option<Cell> {
    std::str::from_utf8(raw).ok().map(text)
}

struct Reader<'a> {
    raw: &'a [u8],
    kind: &'a Type,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let malformed = || Unreadable::Malformed(self.kind.name().to_owned());
        let (head, rest) = self.raw.split_first_chunk().ok_or_else(malformed)?;
        self.raw = rest;
        Ok(*head)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let malformed = || Unreadable::Malformed(self.kind.name().to_owned());
        let (head, rest) = self.raw.split_at_checked(length).ok_or_else(malformed)?;
        self.raw = rest;
        Ok(head)
    }

    fn microseconds(&mut self) -> Result<u64, Unreadable> {
        u64::try_from(i64::from_be_bytes(self.take()?))
            .map_err(|_| Unreadable::Malformed(self.kind.name().to_owned()))
    }
}

/// Groups of four decimal digits, as many as the weight says before the point.
fn numeric(mut reader: Reader<'_>) -> Result<Cell, Unreadable> {
    let groups = u16::from_be_bytes(reader.take()?);
    let weight = i16::from_be_bytes(reader.take()?);
    let sign = u16::from_be_bytes(reader.take()?);
    let scale = usize::from(u16::from_be_bytes(reader.take()?));
    match sign {
        0x0000 | 0x4000 => {}
        0xC000 => return Ok(text("NaN")),
        0xD000 => return Ok(text("Infinity")),
        0xF000 => return Ok(text("-Infinity")),
        _ => return Err(Unreadable::Malformed("numeric".to_owned())),
    }
    let mut digits = Vec::with_capacity(groups.into());
    for _ in 0..groups {
        digits.push(u16::from_be_bytes(reader.take()?));
    }
    // The group that stands for 10000 to the power of `power`.
    let group = |power: i32| {
        usize::try_from(i32::from(weight) - power)
            .ok()
            .and_then(|index| digits.get(index))
            .copied()
            .unwrap_or(0)
    };
    let mut whole = String::new();
    for power in (0..=i32::from(weight).max(0)).rev() {
        whole.push_str(&format!("{:04}", group(power)));
    }
    let whole = whole.trim_start_matches('0');
    let mut fraction = String::new();
    let mut power = -1;
    while fraction.len() < scale {
        fraction.push_str(&format!("{:04}", group(power)));
        power -= 1;
    }
    fraction.truncate(scale);
    let sign = if sign == 0x4000 { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if scale == 0 { "" } else { "." };
    Ok(decimal(format!("{sign}{whole}{point}{fraction}")))
}

fn uuid(raw: [u8; 16]) -> String {
    let mut out = hex::encode(raw);
    for at in [20, 16, 12, 8] {
        out.insert(at, '-');
    }
    out
}

/// Days from 2000-01-01.
fn day(days: i32) -> Result<Cell, Unreadable> {
    match days {
        i32::MAX => return Ok(text("infinity")),
        i32::MIN => return Ok(text("-infinity")),
        _ => {}
    }
    date(2000, 1, 1)
        .checked_add(SignedDuration::from_hours(i64::from(days) * 24))
        .map(|day| text(day.to_string()))
        .map_err(|_| Unreadable::Range)
}

/// Microseconds from 2000-01-01.
fn moment(microseconds: i64, form: impl Fn(Timestamp) -> Cell) -> Result<Cell, Unreadable> {
    match microseconds {
        i64::MAX => return Ok(text("infinity")),
        i64::MIN => return Ok(text("-infinity")),
        _ => {}
    }
    microseconds
        .checked_add(EPOCH * 1_000_000)
        .and_then(|unix| Timestamp::from_microsecond(unix).ok())
        .map(form)
        .ok_or(Unreadable::Range)
}

fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 {
        format!("{sign}{hours:02}:{minutes:02}")
    } else {
        format!("{sign}{hours:02}:{minutes:02}:{rest:02}")
    }
}

/// An ISO 8601 duration with its signs, as `intervalstyle = iso_8601` has it.
fn interval(months: i32, days: i32, microseconds: i64) -> String {
    let mut out = "P".to_owned();
    for (number, unit) in [(months / 12, 'Y'), (months % 12, 'M'), (days, 'D')] {
        if number != 0 {
            out.push_str(&format!("{number}{unit}"));
        }
    }
    let sign = if microseconds < 0 { "-" } else { "" };
    let amount = microseconds.unsigned_abs();
    let seconds = amount / 1_000_000;
    let mut time = String::new();
    for (number, unit) in [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M')] {
        if number != 0 {
            time.push_str(&format!("{sign}{number}{unit}"));
        }
    }
    let fraction = value::fraction(amount % 1_000_000);
    if !seconds.is_multiple_of(60) || !fraction.is_empty() {
        time.push_str(&format!("{sign}{}{fraction}S", seconds % 60));
    }
    if !time.is_empty() {
        out.push('T');
        out.push_str(&time);
    }
    if out == "P" { "PT0S".to_owned() } else { out }
}

/// Family, prefix, whether it is a network, length, address.
fn network(kind: &Type, raw: &[u8]) -> Option<String> {
    let [_, prefix, _, _, address @ ..] = raw else {
        return None;
    };
    let address = match *address {
        [a, b, c, d] => std::net::Ipv4Addr::new(a, b, c, d).into(),
        _ => std::net::IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
    };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    if *prefix == whole && *kind == Type::INET {
        return Some(address.to_string());
    }
    Some(format!("{address}/{prefix}"))
}

fn bits(mut reader: Reader<'_>) -> Result<String, Unreadable> {
    let malformed = || Unreadable::Malformed("bit".to_owned());
    let length = usize::try_from(i32::from_be_bytes(reader.take()?)).map_err(|_| malformed())?;
    if length > reader.raw.len() * 8 {
        return Err(malformed());
    }
    let bit = |at: usize| reader.raw[at / 8] >> (7 - at % 8) & 1;
    Ok((0..length)
        .map(|at| if bit(at) == 1 { '1' } else { '0' })
        .collect())
}

/// An array in PostgreSQL's own text form, `{a,"b c",NULL}`; what reads it there reads it here.
fn array(kind: &Type, element: &Type, mut reader: Reader<'_>) -> Result<String, Unreadable> {
    let malformed = || Unreadable::Malformed(kind.name().to_owned());
    let dimensions = i32::from_be_bytes(reader.take()?);
    let _has_nulls: [u8; 4] = reader.take()?;
    let _element: [u8; 4] = reader.take()?;
    // PostgreSQL's own limit (MAXDIM).
    if !(0..=6).contains(&dimensions) {
        return Err(malformed());
    }
    let (mut lengths, mut bounds, mut plain) = (Vec::new(), String::new(), true);
    for _ in 0..dimensions {
        let length = i32::from_be_bytes(reader.take()?);
        let lower = i64::from(i32::from_be_bytes(reader.take()?));
        plain &= lower == 1;
        bounds.push_str(&format!("[{lower}:{}]", lower + i64::from(length) - 1));
        lengths.push(usize::try_from(length).map_err(|_| malformed())?);
    }
    if lengths.is_empty() {
        return Ok("{}".to_owned());
    }
    // Each element has its length before it: more than that allows is a lie that would cost memory.
    let count = lengths.iter().copied().try_fold(1, usize::checked_mul);
    if count.is_none_or(|count| count == 0 || count > reader.raw.len() / 4) {
        return Err(malformed());
    }
    let mut out = if plain { String::new() } else { bounds + "=" };
    elements(element, &lengths, &mut reader, &mut out)?;
    Ok(out)
}

fn elements(
    element: &Type,
    lengths: &[usize],
    reader: &mut Reader<'_>,
    out: &mut String,
) -> Result<(), Unreadable> {
    let [length, inner @ ..] = lengths else {
        return Ok(());
    };
    out.push('{');
    for at in 0..*length {
        if at > 0 {
            out.push(if *element == Type::BOX { ';' } else { ',' });
        }
        if !inner.is_empty() {
            elements(element, inner, reader, out)?;
            continue;
        }
        let size = i32::from_be_bytes(reader.take()?);
        match usize::try_from(size) {
            Err(_) => out.push_str("NULL"),
            Ok(size) => quote(&spelled(value(element, reader.bytes(size)?)?), out),
        }
    }
    out.push('}');
    Ok(())
}

fn spelled(cell: Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Is(Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text)) => text,
        Cell::Is(Scalar::Boolean(value)) => if value { "t" } else { "f" }.to_owned(),
        Cell::Is(Scalar::Integer(value)) => value.to_string(),
        Cell::Is(Scalar::Bytes(bytes)) => format!("\\x{}", hex::encode(bytes)),
    }
}

fn quote(element: &str, out: &mut String) {
    let special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_ascii_whitespace();
    if !element.is_empty() && !element.eq_ignore_ascii_case("null") && !element.contains(special) {
        out.push_str(element);
        return;
    }
    out.push('"');
    for c in element.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Result<Cell, Unreadable> {
        let mut raw = Vec::new();
        let count = u16::try_from(groups.len()).expect("few groups");
        raw.extend(count.to_be_bytes());
        raw.extend(weight.to_be_bytes());
        raw.extend(sign.to_be_bytes());
        raw.extend(scale.to_be_bytes());
        raw.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
        cell(&Type::NUMERIC, Some(&raw))
    }

    fn shown(cell: Result<Cell, Unreadable>) -> String {
        spelled(cell.expect("a value"))
    }

    #[test]
    fn numerics_keep_every_digit() {
        assert_eq!(shown(number(0, 0, 0, &[])), "0");
        assert_eq!(shown(number(0, 0, 2, &[])), "0.00");
        assert_eq!(shown(number(0, 0x4000, 2, &[1, 5000])), "-1.50");
        assert_eq!(shown(number(-2, 0, 8, &[1])), "0.00000001");
        assert_eq!(shown(number(2, 0, 0, &[1])), "100000000");
        assert_eq!(shown(number(1, 0, 3, &[12, 3456, 7890])), "123456.789");
        assert_eq!(shown(number(0, 0xC000, 0, &[])), "NaN");
    }

    #[test]
    fn intervals_and_offsets_keep_their_signs() {
        assert_eq!(interval(0, 0, 0), "PT0S");
        assert_eq!(interval(14, 3, 14_706_700_000), "P1Y2M3DT4H5M6.7S");
        assert_eq!(interval(0, -1, -1), "P-1DT-0.000001S");
        assert_eq!(offset(7200), "+02:00");
        assert_eq!(offset(-12_600), "-03:30");
    }

    #[test]
    fn what_is_cut_short_is_malformed_and_what_is_unknown_is_named() {
        for kind in [
            Type::INT4,
            Type::NUMERIC,
            Type::TIMETZ,
            Type::BIT,
            Type::INET,
            Type::INT4_ARRAY,
            Type::JSONB,
        ] {
            assert!(
                matches!(cell(&kind, Some(&[0])), Err(Unreadable::Malformed(_))),
                "{kind}"
            );
        }
        assert!(
            matches!(cell(&Type::MONEY, Some(&[0; 8])), Err(Unreadable::Type(name)) if name == "money")
        );
        assert!(matches!(cell(&Type::INT4, None), Ok(Cell::Null)));
        // Two dimensions, a billion times nothing.
        let lie: Vec<u8> = [2, 0, 23, 1_000_000_000, 1, 0, 1]
            .iter()
            .flat_map(|part: &i32| part.to_be_bytes())
            .collect();
        assert!(matches!(
            cell(&Type::INT4_ARRAY, Some(&lie)),
            Err(Unreadable::Malformed(_))
        ));
    }

    #[test]
    fn times_beyond_the_calendar_are_told_and_infinity_is_text() {
        assert_eq!(shown(day(i32::MAX)), "infinity");
        assert!(matches!(day(i32::MAX - 1), Err(Unreadable::Range)));
        assert_eq!(shown(day(-1)), "1999-12-31");
        assert_eq!(shown(moment(0, value::instant)), "2000-01-01T00:00:00Z");
        assert!(matches!(
            moment(i64::MAX - 1, value::instant),
            Err(Unreadable::Range)
        ));
    }
}
