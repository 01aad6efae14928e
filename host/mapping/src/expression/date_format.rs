//! .NET's custom date and time format strings, both ways, in the invariant culture and in UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::value::Value;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// How Entra writes a date.
const GENERAL: &str = "M/d/yyyy h:mm:ss tt";

/// What `CDate` reads: what .NET's own parser does of the formats that HR systems and directories write.
const READABLE: [&str; 13] = [
    "yyyy-MM-ddTHH:mm:ss.FFFFFFFK",
    "yyyy-MM-dd HH:mm:ss.FFFFFFFK",
    "yyyy-MM-ddTHH:mmK",
    "yyyy-MM-dd HH:mmK",
    "yyyy-MM-ddK",
    GENERAL,
    "M/d/yyyy h:mm tt",
    "M/d/yyyy H:mm:ss",
    "M/d/yyyy H:mm",
    "M/d/yyyy",
    "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "MMMM d, yyyy",
    "d MMM yyyy",
];

/// A piece of a format.
enum Piece {
    /// A specifier letter and how often it is repeated.
    Field(char, usize),
    /// Stands for itself.
    Literal(char),
}

/// A point in time as Entra writes it.
pub(super) fn general(instant: Timestamp) -> String {
    write(instant, GENERAL).unwrap_or_default()
}

/// Reads a date in any of the usual formats; without an offset it is UTC.
pub fn read_any(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    READABLE.iter().find_map(|format| read(text, format).ok())
}

/// A value that is a point in time, or a text that says one.
pub(super) fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Instant(instant) => Some(*instant),
        Value::Text(text) => read_any(text),
        _ => None,
    }
}

/// Writes a point in time. The error is a sentence about the format.
pub(super) fn write(instant: Timestamp, format: &str) -> Result<String, String> {
    let time = Offset::UTC.to_datetime(instant);
    let mut out = String::new();
    for piece in pieces(format)? {
        match piece {
            Piece::Literal(c) => out.push(c),
            Piece::Field(field, count) => write_field(time, field, count, &mut out)?,
        }
    }
    Ok(out)
}

fn write_field(time: DateTime, field: char, count: usize, out: &mut String) -> Result<(), String> {
    let mut number = |value: i64| out.push_str(&format!("{value:0count$}"));
    match (field, count) {
        ('y', 2) => number(i64::from(time.year()) % 100),
        ('y', _) => number(i64::from(time.year())),
        ('M', 1 | 2) => number(i64::from(time.month())),
        ('M', _) => out.push_str(name(&MONTHS, i32::from(time.month()) - 1, count)),
        ('d', 1 | 2) => number(i64::from(time.day())),
        ('d', _) => {
            let day = time.date().weekday().to_sunday_zero_offset();
            out.push_str(name(&DAYS, i32::from(day), count));
        }
        ('H', _) => number(i64::from(time.hour())),
        ('h', _) => number((i64::from(time.hour()) + 11) % 12 + 1),
        ('m', _) => number(i64::from(time.minute())),
        ('s', _) => number(i64::from(time.second())),
        ('f' | 'F', 1..=7) => {
            let digits = format!("{:09}", time.subsec_nanosecond());
            let digits = &digits[..count];
            let shown = match field {
                'f' => digits,
                _ => digits.trim_end_matches('0'),
            };
            // The point belongs to the digits.
            if shown.is_empty() && out.ends_with('.') {
                out.pop();
            }
            out.push_str(shown);
        }
        ('t', _) => {
            let half = if time.hour() < 12 { "AM" } else { "PM" };
            out.push_str(&half[..count.min(2)]);
        }
        ('z', 1) => out.push_str("+0"),
        ('z', 2) => out.push_str("+00"),
        ('z', _) => out.push_str("+00:00"),
        ('K', _) => out.push('Z'),
        ('g', _) => out.push_str("A.D."),
        _ => {
            return Err(format!(
                "`{}` is no date format",
                field.to_string().repeat(count)
            ));
        }
    }
    Ok(())
}

fn name(names: &'static [&'static str], index: i32, count: usize) -> &'static str {
    let name = usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or_default();
    if count == 3 { &name[..3] } else { name }
}

/// What has been read of a date so far.
struct Reading<'t> {
    rest: &'t str,
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
    afternoon: Option<bool>,
    offset: Option<i32>,
}

/// Reads a date in exactly that format; without an offset it is UTC. The error is a sentence.
pub(super) fn read(text: &str, format: &str) -> Result<Timestamp, String> {
    let misfit = || format!("the date does not have the format `{format}`");
    let mut reading = Reading {
        rest: text,
        year: 1,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        nanosecond: 0,
        afternoon: None,
        offset: None,
    };
    let mut pieces = pieces(format)?.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        let read = match piece {
            // Fractions that may be missing take their point with them.
            Piece::Literal('.')
                if matches!(pieces.peek(), Some(Piece::Field('F', _)))
                    && !reading.rest.starts_with('.') =>
            {
                pieces.next();
                Some(())
            }
            Piece::Literal(c) => reading.literal(c),
            Piece::Field(field, count) => reading.field(field, count),
        };
        read.ok_or_else(misfit)?;
    }
    if !reading.rest.is_empty() {
        return Err(misfit());
    }
    reading.instant().ok_or_else(misfit)
}

impl Reading<'_> {
    fn literal(&mut self, c: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(c)?;
        Some(())
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<i32> {
        let found = self
            .rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        if found < least {
            return None;
        }
        let (digits, rest) = self.rest.split_at(found);
        self.rest = rest;
        digits.parse().ok()
    }

    /// One or two digits, or exactly two.
    fn small(&mut self, count: usize) -> Option<i8> {
        i8::try_from(self.digits(count.min(2), 2)?).ok()
    }

    fn name(&mut self, names: &[&'static str], short: bool) -> Option<i8> {
        for (index, name) in names.iter().enumerate() {
            let name = if short { &name[..3] } else { name };
            let begins = self
                .rest
                .get(..name.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(name));
            if begins {
                self.rest = &self.rest[name.len()..];
                return i8::try_from(index).ok();
            }
        }
        None
    }

    fn field(&mut self, field: char, count: usize) -> Option<()> {
        match (field, count) {
            ('y', 1 | 2) => {
                // .NET's century: up to 49 it is this one.
                let year = self.digits(count, 2)?;
                self.year =
                    i16::try_from(if year < 50 { 2000 + year } else { 1900 + year }).ok()?;
            }
            ('y', _) => self.year = i16::try_from(self.digits(count, count)?).ok()?,
            ('M', 1 | 2) => self.month = self.small(count)?,
            ('M', _) => self.month = self.name(&MONTHS, count == 3)? + 1,
            ('d', 1 | 2) => self.day = self.small(count)?,
            ('d', _) => {
                self.name(&DAYS, count == 3)?;
            }
            ('H' | 'h', _) => self.hour = self.small(count)?,
            ('m', _) => self.minute = self.small(count)?,
            ('s', _) => self.second = self.small(count)?,
            ('f' | 'F', 1..=7) => {
                let before = self.rest.len();
                let least = if field == 'f' { count } else { 0 };
                let digits = self.digits(least, count).or((field == 'F').then_some(0))?;
                let read = u32::try_from(before - self.rest.len()).ok()?;
                self.nanosecond = digits * 10_i32.pow(9 - read.min(9));
            }
            ('t', _) => {
                let half = self.rest.get(..count.min(2))?.to_ascii_uppercase();
                self.afternoon = Some(match half.as_str() {
                    "AM" | "A" => false,
                    "PM" | "P" => true,
                    _ => return None,
                });
                self.rest = &self.rest[half.len()..];
            }
            ('K', _) if self.rest.is_empty() => {}
            ('K', _) if self.rest.starts_with(['Z', 'z']) => {
                self.rest = &self.rest[1..];
                self.offset = Some(0);
            }
            ('K', _) => self.read_offset(3)?,
            ('z', _) => self.read_offset(count)?,
            _ => return None,
        }
        Some(())
    }

    fn read_offset(&mut self, count: usize) -> Option<()> {
        let sign = match self.rest.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        self.rest = &self.rest[1..];
        let hours = self.digits(count.min(2), 2)?;
        let minutes = if count >= 3 {
            self.literal(':')?;
            self.digits(2, 2)?
        } else {
            0
        };
        if hours > 14 || minutes > 59 {
            return None;
        }
        self.offset = Some(sign * (hours * 60 + minutes) * 60);
        Some(())
    }

    fn instant(&self) -> Option<Timestamp> {
        let hour = match (self.afternoon, self.hour) {
            (None, hour) => hour,
            (Some(_), hour) if !(1..=12).contains(&hour) => return None,
            (Some(afternoon), hour) => hour % 12 + if afternoon { 12 } else { 0 },
        };
        let time = DateTime::new(
            self.year,
            self.month,
            self.day,
            hour,
            self.minute,
            self.second,
            self.nanosecond,
        )
        .ok()?;
        let offset = Offset::from_seconds(self.offset.unwrap_or(0)).ok()?;
        offset.to_timestamp(time).ok()
    }
}

/// The pieces of a format; a single letter is one of .NET's standard formats.
fn pieces(format: &str) -> Result<Vec<Piece>, String> {
    let format = standard(format)?;
    let chars: Vec<char> = format.chars().collect();
    let mut pieces = Vec::new();
    let mut next = 0;
    while let Some(&c) = chars.get(next) {
        match c {
            'd' | 'f' | 'F' | 'g' | 'h' | 'H' | 'K' | 'm' | 'M' | 's' | 't' | 'y' | 'z' => {
                let count = chars[next..]
                    .iter()
                    .take_while(|other| **other == c)
                    .count();
                next += count;
                pieces.push(Piece::Field(c, count));
            }
            '\'' | '"' => {
                let length = chars[next + 1..]
                    .iter()
                    .position(|other| *other == c)
                    .ok_or_else(|| {
                        format!("the date format `{format}` has a quotation without its end")
                    })?;
                let quoted = &chars[next + 1..next + 1 + length];
                pieces.extend(quoted.iter().copied().map(Piece::Literal));
                next += length + 2;
            }
            '\\' => {
                let escaped = chars
                    .get(next + 1)
                    .ok_or_else(|| format!("the date format `{format}` ends with `\\`"))?;
                pieces.push(Piece::Literal(*escaped));
                next += 2;
            }
            '%' => next += 1,
            other => {
                pieces.push(Piece::Literal(other));
                next += 1;
            }
        }
    }
    Ok(pieces)
}

fn standard(format: &str) -> Result<&str, String> {
    Ok(match format {
        "" => return Err("a date format is empty".to_owned()),
        "d" => "M/d/yyyy",
        "D" => "dddd, MMMM d, yyyy",
        "g" => "M/d/yyyy h:mm tt",
        "G" => GENERAL,
        "o" | "O" => "yyyy-MM-ddTHH:mm:ss.fffffffK",
        "r" | "R" => "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
        "s" => "yyyy-MM-ddTHH:mm:ss",
        "t" => "h:mm tt",
        "T" => "h:mm:ss tt",
        "u" => "yyyy-MM-dd HH:mm:ssZ",
        single if single.len() == 1 => {
            return Err(format!("`{single}` is no standard date format"));
        }
        custom => custom,
    })
}
