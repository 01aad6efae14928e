//! What a source says of one person at one moment.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use tombolo_mapping::Object;
use tombolo_mapping::expression::read_date;

use super::definition::Definition;
use super::form::{Record, text_of};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The source's own key of the object.
    pub anchor: String,
    /// What the form made of it.
    pub record: Record,
    /// When the person begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<Timestamp>,
    /// When the person has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
}

/// The dates that a flow looks at.
pub(crate) struct Dates {
    /// When the record may be sent: the lead before the person begins.
    pub(crate) begins: Option<Timestamp>,
    pub(crate) ends: Option<Timestamp>,
}

impl Dates {
    /// What they are for this object.
    pub(crate) fn of(definition: &Definition, object: &Object) -> Result<Self, String> {
        let read = |expression, name| match expression {
            Some(expression) => text_of(expression, name, object),
            None => Ok(None),
        };
        let zone = &definition.time_zone;
        let begins = match read(definition.effective.as_ref(), "effective")? {
            Some(text) => Some(moment(&text, zone, Edge::First)?),
            None => None,
        };
        let ends = match read(definition.last_day.as_ref(), "last-day")? {
            Some(text) => Some(moment(&text, zone, Edge::Last)?),
            None => None,
        };
        let lead = SignedDuration::try_from(definition.lead).unwrap_or_default();
        Ok(Self {
            begins: begins.map(|at| at.checked_sub(lead).unwrap_or(Timestamp::MIN)),
            ends,
        })
    }
}

/// Which end of a day is meant where only the day is said.
#[derive(Clone, Copy)]
enum Edge {
    /// Its first moment.
    First,
    /// The first moment after it.
    Last,
}

fn moment(text: &str, zone: &TimeZone, edge: Edge) -> Result<Timestamp, String> {
    let text = text.trim();
    let day = text.get(..10).filter(|_| text.len() == 10);
    if let Some(date) = day.and_then(|day| day.parse::<jiff::civil::Date>().ok()) {
        let date = match edge {
            Edge::First => date,
            Edge::Last => date.checked_add(1.day()).map_err(|why| why.to_string())?,
        };
        let zoned = date.to_zoned(zone.clone()).map_err(|why| why.to_string())?;
        return Ok(zoned.timestamp());
    }
    let exact = text.parse().ok();
    let at = exact
        .or_else(|| read_date(text))
        .ok_or_else(|| format!("`{text}` is no date such as 2026-01-31"))?;
    // Midnight is how many systems write a day.
    let midnight = at.to_zoned(TimeZone::UTC).time() == jiff::civil::Time::midnight();
    match edge {
        Edge::Last if midnight => at
            .checked_add(SignedDuration::from_hours(24))
            .map_err(|why| why.to_string()),
        _ => Ok(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_and_ends_where_its_time_zone_says() {
        let tokyo = TimeZone::get("Asia/Tokyo").expect("a time zone");
        let text = |edge| {
            moment("2026-03-31", &tokyo, edge)
                .expect("a date")
                .to_string()
        };
        assert_eq!(text(Edge::First), "2026-03-30T15:00:00Z");
        assert_eq!(text(Edge::Last), "2026-03-31T15:00:00Z");
        let exact = moment("2026-03-31T17:30:00Z", &tokyo, Edge::Last).expect("a time");
        assert_eq!(exact.to_string(), "2026-03-31T17:30:00Z");
        let midnight = moment("3/31/2026", &tokyo, Edge::Last).expect("a date");
        assert_eq!(midnight.to_string(), "2026-04-01T00:00:00Z");
        assert!(moment("soon", &tokyo, Edge::First).is_err());
    }
}
