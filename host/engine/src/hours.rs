//! Opening hours of a target: `Mon-Fri 06:00-22:00`, in a time zone.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// Minutes of a day.
const DAY: i16 = 24 * 60;

/// When a target may be written to.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    zone: TimeZone,
    spans: Vec<Span>,
}

/// A time of some days; one that ends before it begins ends on the next day.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    /// From Monday.
    days: [bool; 7],
    from: i16,
    to: i16,
}

impl Hours {
    /// Reads the lines of a file. The error is the rest of a sentence that begins with the line.
    pub fn parse<'a>(
        lines: impl IntoIterator<Item = &'a str>,
        zone: TimeZone,
    ) -> Result<Self, String> {
        let spans = lines.into_iter().map(span).collect::<Result<_, _>>()?;
        Ok(Self { zone, spans })
    }

    /// Whether the target is open.
    pub fn are_on(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(self.zone.clone());
        let minute = i16::from(local.hour()) * 60 + i16::from(local.minute());
        let today = day(local.weekday());
        self.spans.iter().any(|span| {
            if span.from < span.to {
                return span.days[today] && (span.from..span.to).contains(&minute);
            }
            let yesterday = (today + 6) % 7;
            (span.days[today] && minute >= span.from) || (span.days[yesterday] && minute < span.to)
        })
    }

    /// When it opens next; none if it never does.
    pub fn opening(&self, after: Timestamp) -> Option<Timestamp> {
        let first: Date = after.to_zoned(self.zone.clone()).date();
        let beginnings = (0..=8).flat_map(|ahead: i64| {
            let date = first.checked_add(ahead.days()).ok();
            self.spans.iter().filter_map(move |span| {
                let date = date.filter(|date| span.days[day(date.weekday())])?;
                let at = date.at(
                    i8::try_from(span.from / 60).ok()?,
                    i8::try_from(span.from % 60).ok()?,
                    0,
                    0,
                );
                let zoned = at.to_zoned(self.zone.clone()).ok()?;
                Some(zoned.timestamp())
            })
        });
        beginnings.filter(|at| *at > after).min()
    }
}

fn day(weekday: Weekday) -> usize {
    usize::try_from(weekday.to_monday_zero_offset()).unwrap_or(0)
}

fn span(line: &str) -> Result<Span, String> {
    let wrong = || "is not of the form \"Mon-Fri 06:00-22:00\"".to_owned();
    let (days, times) = line.trim().split_once(' ').ok_or_else(wrong)?;
    let (from, to) = times.trim().split_once('-').ok_or_else(wrong)?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    if from == to || from == DAY {
        return Err("has a time that does not end after it begins".to_owned());
    }
    let mut on = [false; 7];
    for part in days.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut one, last) = (weekday(first)?, weekday(last)?);
        on[one] = true;
        while one != last {
            one = (one + 1) % 7;
            on[one] = true;
        }
    }
    Ok(Span { days: on, from, to })
}

fn weekday(name: &str) -> Result<usize, String> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let name = name.trim().to_lowercase();
    let found = NAMES.iter().position(|known| *known == name);
    found.ok_or_else(|| format!("has a day `{name}`; days are Mon, Tue, Wed, Thu, Fri, Sat, Sun"))
}

fn minutes(text: &str) -> Result<i16, String> {
    let wrong = || format!("has a time `{text}`; times are such as 06:00 or 24:00");
    let (hour, minute) = text.trim().split_once(':').ok_or_else(wrong)?;
    let (hour, minute): (i16, i16) = match (hour.parse(), minute.parse()) {
        (Ok(hour), Ok(minute)) => (hour, minute),
        _ => return Err(wrong()),
    };
    let within = (0..24).contains(&hour) && (0..60).contains(&minute);
    if within || (hour, minute) == (24, 0) {
        Ok(hour * 60 + minute)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(lines: &[&str]) -> Hours {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        Hours::parse(lines.iter().copied(), zone).expect("hours")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn it_is_open_from_the_first_minute_until_before_the_last_on_its_days() {
        // 2026-11-23 is a Monday; the zone is an hour ahead.
        let open = hours(&["Mon-Fri 06:00-22:00", "Sat 08:00-12:00"]);
        for (text, on) in [
            ("2026-11-23T04:59:59Z", false),
            ("2026-11-23T05:00:00Z", true),
            ("2026-11-23T20:59:59Z", true),
            ("2026-11-23T21:00:00Z", false),
            ("2026-11-28T07:00:00Z", true),
            ("2026-11-28T12:00:00Z", false),
            ("2026-11-29T10:00:00Z", false),
        ] {
            assert_eq!(open.are_on(at(text)), on, "{text}");
        }
        let next = |text| open.opening(at(text)).map(|next| next.to_string());
        assert_eq!(
            next("2026-11-23T21:00:00Z").as_deref(),
            Some("2026-11-24T05:00:00Z")
        );
        assert_eq!(
            next("2026-11-28T12:00:00Z").as_deref(),
            Some("2026-11-30T05:00:00Z")
        );
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let open = hours(&["Fri 22:00-02:00"]);
        assert!(open.are_on(at("2026-11-27T21:30:00Z")));
        assert!(open.are_on(at("2026-11-28T00:30:00Z")));
        assert!(!open.are_on(at("2026-11-28T01:00:00Z")));
        assert!(!open.are_on(at("2026-11-27T00:30:00Z")));
    }

    #[test]
    fn what_is_no_time_is_said() {
        for (line, word) in [
            ("Mon", "form"),
            ("Mun 06:00-22:00", "day `mun`"),
            ("Mon 06:00-25:00", "time `25:00`"),
            ("Mon 06:00-06:00", "does not end"),
            ("Mon 6-22", "time `6`"),
        ] {
            let why = Hours::parse([line], TimeZone::UTC).expect_err(line);
            assert!(why.contains(word), "{line}: {why}");
        }
        assert!(hours(&[]).opening(at("2026-11-27T00:30:00Z")).is_none());
        assert!(hours(&["Sun-Mon 00:00-24:00"]).are_on(at("2026-11-23T10:00:00Z")));
    }
}
