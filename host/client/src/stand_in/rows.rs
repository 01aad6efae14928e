//! The provisioning log: `$filter`, `$orderby`, `$top`, `$skiptoken`.

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer;
use super::world::{LogRow, World};

const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;

/// One condition; names and values are case-sensitive.
enum Condition {
    Equal(&'static str, String),
    Contains(&'static str, String),
    After(Timestamp),
    Before(Timestamp),
}

const NAMES: [(&str, &str); 5] = [
    ("jobId", "/jobId"),
    ("cycleId", "/cycleId"),
    ("changeId", "/changeId"),
    ("provisioningAction", "/provisioningAction"),
    ("sourceIdentity/id", "/sourceIdentity/id"),
];

pub(super) fn answer(world: &World, query: &str) -> Response {
    match page(world, query) {
        Ok(body) => answer::json(200, &body),
        Err(why) => answer::graph(400, "BadRequest", &why),
    }
}

fn page(world: &World, query: &str) -> Result<Value, String> {
    let (mut conditions, mut top, mut skip, mut descending) = (Vec::new(), PAGE, 0_usize, true);
    let mut seen_at = world.clock.now();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "$filter" => conditions = filter(&value)?,
            "$top" => {
                let number = value.parse().ok();
                let number = number.filter(|n| (1..=LARGEST_PAGE).contains(n));
                top = number.ok_or("Invalid page size specified: 1 to 1000 are supported")?;
            }
            "$orderby" => {
                descending = match &*value {
                    "activityDateTime" | "activityDateTime asc" => false,
                    "activityDateTime desc" => true,
                    _ => return Err(format!("'{value}' is not supported in $orderby")),
                }
            }
            // Where to go on, and what could be seen when the first page was read.
            "$skiptoken" => {
                let (at, offset) = value.split_once('_').ok_or("bad $skiptoken")?;
                let at = at
                    .parse()
                    .ok()
                    .and_then(|at| Timestamp::from_millisecond(at).ok());
                seen_at = at.ok_or("bad $skiptoken")?;
                skip = offset.parse().map_err(|_| "bad $skiptoken")?;
            }
            other => return Err(format!("the query option '{other}' is not supported")),
        }
    }
    let mut rows: Vec<&LogRow> = world
        .log
        .iter()
        .filter(|row| row.visible <= seen_at)
        .filter(|row| conditions.iter().all(|condition| condition.holds(row)))
        .collect();
    rows.sort_by_key(|row| row.at);
    if descending {
        rows.reverse();
    }
    let more = rows.len() > skip.saturating_add(top);
    let value: Vec<&Value> = rows
        .iter()
        .skip(skip)
        .take(top)
        .map(|row| &row.row)
        .collect();
    let mut body = json!({
        "@odata.context": format!("{}/v1.0/$metadata#auditLogs/provisioning", world.url),
        "value": value,
    });
    if more {
        let mut next = url::form_urlencoded::Serializer::new(String::new());
        let kept = url::form_urlencoded::parse(query.as_bytes());
        next.extend_pairs(kept.filter(|(name, _)| name != "$skiptoken"));
        let token = format!("{}_{}", seen_at.as_millisecond(), skip + top);
        next.append_pair("$skiptoken", &token);
        let next = next.finish();
        body["@odata.nextLink"] =
            format!("{}/v1.0/auditLogs/provisioning?{next}", world.url).into();
    }
    Ok(body)
}

fn filter(text: &str) -> Result<Vec<Condition>, String> {
    text.split(" and ")
        .map(|one| condition(one.trim()))
        .collect()
}

fn condition(text: &str) -> Result<Condition, String> {
    let wrong = || format!("Invalid filter clause: '{text}'");
    let named = |name: &str| {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, pointer)| *pointer).ok_or_else(wrong)
    };
    let quoted = |value: &str| {
        let inner = value
            .strip_prefix('\'')
            .and_then(|value| value.strip_suffix('\''));
        inner
            .map(|inner| inner.replace("''", "'"))
            .ok_or_else(wrong)
    };
    if let Some(inner) = text
        .strip_prefix("contains(")
        .and_then(|t| t.strip_suffix(')'))
    {
        let (name, value) = inner.split_once(',').ok_or_else(wrong)?;
        return Ok(Condition::Contains(
            named(name.trim())?,
            quoted(value.trim())?,
        ));
    }
    let mut parts = text.splitn(3, ' ');
    let (Some(name), Some(operator), Some(value)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    match (name, operator) {
        ("activityDateTime", "gt") => Ok(Condition::After(value.parse().map_err(|_| wrong())?)),
        ("activityDateTime", "lt") => Ok(Condition::Before(value.parse().map_err(|_| wrong())?)),
        (name, "eq") => Ok(Condition::Equal(named(name)?, quoted(value)?)),
        _ => Err(wrong()),
    }
}

impl Condition {
    fn holds(&self, row: &LogRow) -> bool {
        let text = |pointer: &str| row.row.pointer(pointer).and_then(Value::as_str);
        match self {
            Self::Equal(pointer, value) => text(pointer) == Some(value),
            Self::Contains(pointer, value) => text(pointer).is_some_and(|t| t.contains(value)),
            Self::After(at) => row.at > *at,
            Self::Before(at) => row.at < *at,
        }
    }
}
