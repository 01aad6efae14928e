//! Functions of dates. All of them think in UTC.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{Span, Timestamp};

use super::date_format;
use super::error::Fault;
use super::evaluate::{Arguments, Evaluated, Stop};
use super::value::Value;

/// From 1601, where Windows begins to count, to 1970, in its units of 100 ns.
const WINDOWS_EPOCH: i128 = 116_444_736_000_000_000;

/// An interval, as VBA names it.
#[derive(Clone, Copy)]
enum Interval {
    Year,
    Month,
    Day,
    Week,
    Hour,
    Minute,
    Second,
}

pub(super) fn now(a: &Arguments<'_>) -> Evaluated {
    let now = a.evaluator.now();
    now.map(Value::Instant)
        .ok_or_else(|| a.unavailable("the time"))
}

pub(super) fn cdate(a: &Arguments<'_>) -> Evaluated {
    Ok(instant(a, 0)?.map_or(Value::Null, Value::Instant))
}

/// `None` for null and for the empty text.
fn instant(a: &Arguments<'_>, index: usize) -> Result<Option<Timestamp>, Stop> {
    let value = a.single(index)?;
    if value.is_null_or_empty() {
        return Ok(None);
    }
    date_format::instant(&value)
        .map(Some)
        .ok_or_else(|| a.mistyped(index, "a date such as 2026-01-31T12:00:00Z"))
}

fn interval(a: &Arguments<'_>) -> Result<Interval, Stop> {
    Ok(match a.text_or_empty(0)?.as_str() {
        "yyyy" => Interval::Year,
        "m" => Interval::Month,
        "d" => Interval::Day,
        "ww" => Interval::Week,
        "h" => Interval::Hour,
        "n" => Interval::Minute,
        "s" => Interval::Second,
        _ => return Err(a.mistyped(0, "one of yyyy, m, d, ww, h, n and s")),
    })
}

/// By the calendar: a month after 31 January is the end of February.
pub(super) fn add(a: &Arguments<'_>) -> Evaluated {
    let interval = interval(a)?;
    let count = a.integer(1)?;
    let Some(date) = instant(a, 2)? else {
        return Ok(Value::Null);
    };
    let span = Span::new();
    let span = match interval {
        Interval::Year => span.try_years(count),
        Interval::Month => span.try_months(count),
        Interval::Day => span.try_days(count),
        Interval::Week => span.try_weeks(count),
        Interval::Hour => span.try_hours(count),
        Interval::Minute => span.try_minutes(count),
        Interval::Second => span.try_seconds(count),
    };
    let moved = span
        .and_then(|span| civil(date).checked_add(span))
        .and_then(|moved| Offset::UTC.to_timestamp(moved))
        .map_err(|_| a.out_of_range(1, "leads beyond the calendar"))?;
    Ok(Value::Instant(moved))
}

/// As VB.NET: years and months are boundaries crossed, weeks are those between two Sundays, the rest is cut off.
pub(super) fn difference(a: &Arguments<'_>) -> Evaluated {
    let interval = interval(a)?;
    let (Some(first), Some(second)) = (instant(a, 1)?, instant(a, 2)?) else {
        return Ok(Value::Null);
    };
    let (from, to) = (civil(first), civil(second));
    let months = |time: DateTime| i64::from(time.year()) * 12 + i64::from(time.month());
    let sunday = |instant: Timestamp| {
        let day = civil(instant).date().weekday().to_sunday_zero_offset();
        instant.as_second() - i64::from(day) * 86_400
    };
    let seconds = second.duration_since(first).as_secs();
    Ok(Value::Integer(match interval {
        Interval::Year => i64::from(to.year()) - i64::from(from.year()),
        Interval::Month => months(to) - months(from),
        Interval::Day => seconds / 86_400,
        Interval::Week => (sunday(second) - sunday(first)) / 86_400 / 7,
        Interval::Hour => seconds / 3_600,
        Interval::Minute => seconds / 60,
        Interval::Second => seconds,
    }))
}

pub(super) fn from_number(a: &Arguments<'_>) -> Evaluated {
    if a.single(0)?.is_null_or_empty() {
        return Ok(Value::Null);
    }
    let ticks = i128::from(a.integer(0)?) - WINDOWS_EPOCH;
    Timestamp::from_nanosecond(ticks * 100)
        .map(Value::Instant)
        .map_err(|_| a.out_of_range(0, "leads beyond the calendar"))
}

pub(super) fn to_number(a: &Arguments<'_>) -> Evaluated {
    let Some(date) = instant(a, 0)? else {
        return Ok(Value::Null);
    };
    let ticks = date.as_nanosecond().div_euclid(100) + WINDOWS_EPOCH;
    i64::try_from(ticks)
        .map(Value::Integer)
        .map_err(|_| a.out_of_range(0, "leads beyond the calendar"))
}

/// The source in another format. In between it is in UTC, so an offset that the source has moves it.
pub(super) fn format(a: &Arguments<'_>) -> Evaluated {
    let white = styles(a)?;
    let source = a.single(0)?;
    if source.is_null_or_empty() {
        return Ok(Value::Null);
    }
    let date = match &source {
        Value::Instant(instant) => *instant,
        other => {
            let text = other.to_text().unwrap_or_default();
            let text = if white { text.trim() } else { text.as_ref() };
            date_format::read(text, &a.text_or_empty(2)?)
                .map_err(|why| a.fail(Fault::Format(why)))?
        }
    };
    date_format::write(date, &a.text_or_empty(3)?)
        .map(Value::Text)
        .map_err(|why| a.fail(Fault::Format(why)))
}

/// Whether blanks around the date are let go by. The other styles are about local time, and there is none.
fn styles(a: &Arguments<'_>) -> Result<bool, Stop> {
    const KNOWN: [&str; 10] = [
        "None",
        "AllowLeadingWhite",
        "AllowTrailingWhite",
        "AllowInnerWhite",
        "AllowWhiteSpaces",
        "NoCurrentDateDefault",
        "AdjustToUniversal",
        "AssumeLocal",
        "AssumeUniversal",
        "RoundtripKind",
    ];
    let Some(styles) = a.text(1)?.filter(|styles| !styles.trim().is_empty()) else {
        return Ok(true);
    };
    let mut white = false;
    for style in styles.split([',', '|']) {
        let style = style.trim().trim_start_matches("DateTimeStyles.");
        if !KNOWN.contains(&style) {
            return Err(a.mistyped(1, "one of .NET's DateTimeStyles"));
        }
        white |= style.contains("White");
    }
    Ok(white)
}

fn civil(instant: Timestamp) -> DateTime {
    Offset::UTC.to_datetime(instant)
}
