//! The parameters of a list or a search (RFC 7644, sections 3.4.2 and 3.4.3; RFC 9865, section 2).
//!
//! Parameters stand in any order; names that are not ours are passed over, because Entra's feature flag
//! (`aadOptscim062020`) may come along with every request.

use serde_json::Value;

use crate::json::{kind, take};
use crate::patch::check_message;
use crate::project::Projection;
use crate::schema::ResourceType;
use crate::{AttributePath, Deviation, Error, Filter, Rules};

/// The URN of a search message.
const SEARCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// What a list request asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct ListQuery {
    /// Which resources.
    pub filter: Option<Filter>,
    /// Which attributes.
    pub projection: Projection,
    /// The first one's number, from 1.
    pub start_index: u64,
    /// How many at most, if the client said so.
    pub count: Option<u64>,
    /// In the order of that attribute.
    pub sort_by: Option<AttributePath>,
    /// Downwards.
    pub descending: bool,
    /// Behind that place, when the client pages by cursor; empty for the first page.
    pub cursor: Option<String>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            filter: None,
            projection: Projection::default(),
            start_index: 1,
            count: None,
            sort_by: None,
            descending: false,
            cursor: None,
        }
    }
}

/// The parameters as they came, of whichever form.
#[derive(Default)]
struct Raw {
    filter: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    start_index: Option<String>,
    count: Option<String>,
    cursor: Option<String>,
}

impl ListQuery {
    /// Reads a raw query string, without the question mark, in Entra's dialect.
    pub fn from_query(raw: &str) -> Result<Self, Error> {
        Self::from_query_with(&Rules::ENTRA, raw)
    }

    /// Reads a raw query string, without the question mark.
    pub fn from_query_with(rules: &Rules, raw: &str) -> Result<Self, Error> {
        let (mut attributes, mut excluded) = (None, None);
        let mut parameters = Raw::default();
        for pair in raw.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let names = [
                ("filter", &mut parameters.filter),
                ("attributes", &mut attributes),
                ("excludedAttributes", &mut excluded),
                ("startIndex", &mut parameters.start_index),
                ("count", &mut parameters.count),
                ("sortBy", &mut parameters.sort_by),
                ("sortOrder", &mut parameters.sort_order),
                ("cursor", &mut parameters.cursor),
            ];
            for (known, place) in names {
                if name.eq_ignore_ascii_case(known) {
                    *place = Some(decode(value)?);
                }
            }
        }
        let projection = Projection::parse_with(rules, attributes.as_deref(), excluded.as_deref())?;
        Self::read(rules, parameters, projection)
    }

    /// Reads the body of a POST to `/.search`, in Entra's dialect.
    pub fn from_search_body(body: &[u8]) -> Result<Self, Error> {
        Self::from_search_body_with(&Rules::ENTRA, body)
    }

    /// Reads the body of a POST to `/.search`.
    pub fn from_search_body_with(rules: &Rules, body: &[u8]) -> Result<Self, Error> {
        let mut body = crate::json::parse_object(body, &rules.limits)?;
        check_message(rules, &mut body, SEARCH_URN)?;
        let attributes = names(take(&mut body, "attributes"), "attributes")?;
        let excluded = names(take(&mut body, "excludedAttributes"), "excludedAttributes")?;
        let projection = Projection::from_names(rules, &attributes, &excluded)?;
        let mut parameter = |name| text(take(&mut body, name), name);
        let parameters = Raw {
            filter: parameter("filter")?,
            sort_by: parameter("sortBy")?,
            sort_order: parameter("sortOrder")?,
            start_index: parameter("startIndex")?,
            count: parameter("count")?,
            cursor: parameter("cursor")?,
        };
        Self::read(rules, parameters, projection)
    }

    fn read(rules: &Rules, raw: Raw, projection: Projection) -> Result<Self, Error> {
        if raw.cursor.is_some() && raw.start_index.is_some() {
            return Err(Error::invalid_value(
                "`cursor` and `startIndex` exclude each other; page by one of them",
            ));
        }
        let count = match (&raw.count, &raw.cursor) {
            (Some(text), Some(_)) => cursor_count(rules, text)?,
            (Some(text), None) => number("count", text, 0)?,
            (None, _) => None,
        };
        let start_index = match &raw.start_index {
            Some(text) => number("startIndex", text, 1)?.unwrap_or(1),
            None => 1,
        };
        Ok(Self {
            filter: match &raw.filter {
                Some(text) => read_filter(rules, text)?,
                None => None,
            },
            projection,
            start_index,
            count,
            sort_by: match &raw.sort_by {
                Some(text) => read_sort(text)?,
                None => None,
            },
            descending: raw.sort_order.as_deref().map_or(Ok(false), is_descending)?,
            cursor: raw.cursor,
        })
    }

    /// Does what is asked make sense for these types? See [`Filter::check`].
    pub fn check(&self, types: &[&ResourceType], rules: &Rules) -> Result<(), Error> {
        if let Some(filter) = &self.filter {
            filter.check(types, rules)?;
        }
        match &self.sort_by {
            Some(path)
                if !rules.accepts(Deviation::UnknownSortAttribute)
                    && !types.iter().any(|ty| ty.attribute(path).is_some()) =>
            {
                Err(Error::invalid_value(format!(
                    "`sortBy` names `{path}`, which no resource type here has"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Of a page that a cursor ends there must be something (RFC 9865, section 2.1).
fn cursor_count(rules: &Rules, text: &str) -> Result<Option<u64>, Error> {
    let most = rules.limits.max_page_size;
    let wrong = || {
        Error::invalid_count(format!(
            "`count` must be a whole number from 1 to {most} when paging by cursor"
        ))
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let count: u64 = text.trim().parse().map_err(|_| wrong())?;
    if count == 0 || (count > most && !rules.accepts(Deviation::LargeCount)) {
        return Err(wrong());
    }
    Ok(Some(count))
}

fn is_descending(text: &str) -> Result<bool, Error> {
    match text.trim() {
        "" => Ok(false),
        text if text.eq_ignore_ascii_case("ascending") => Ok(false),
        text if text.eq_ignore_ascii_case("descending") => Ok(true),
        _ => Err(Error::invalid_value(
            "`sortOrder` must be ascending or descending",
        )),
    }
}

fn read_filter(rules: &Rules, text: &str) -> Result<Option<Filter>, Error> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let filter = Filter::parse_with(rules, text);
    filter
        .map(Some)
        .map_err(|error| Error::invalid_filter(format!("the filter is malformed: {error}")))
}

fn read_sort(text: &str) -> Result<Option<AttributePath>, Error> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let path = AttributePath::parse(text);
    path.map(Some)
        .map_err(|error| Error::invalid_value(format!("`sortBy` is malformed: {error}")))
}

/// A whole number, raised to the least that makes sense (RFC 7644, section 3.4.2.4); absent if empty.
fn number(name: &str, text: &str, least: u64) -> Result<Option<u64>, Error> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if text.is_empty() {
        return Ok(None);
    }
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid_value(format!(
            "`{name}` must be a whole number"
        )));
    }
    // More digits than a u64 has: as good as the largest one.
    let value = if negative {
        0
    } else {
        digits.parse().unwrap_or(u64::MAX)
    };
    Ok(Some(value.max(least)))
}

fn text(value: Option<Value>, name: &str) -> Result<Option<String>, Error> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(Error::invalid_value(format!(
            "`{name}` must be a string or a number, but {} came",
            kind(&other)
        ))),
    }
}

fn names(value: Option<Value>, name: &str) -> Result<Vec<String>, Error> {
    let unfit = |value: &Value| {
        Error::invalid_value(format!(
            "`{name}` must be an array of strings, but {} came",
            kind(value)
        ))
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(text.split(',').map(str::to_owned).collect()),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                other => Err(unfit(&other)),
            })
            .collect(),
        Some(other) => Err(unfit(&other)),
    }
}

/// Percent-decoding, with `+` for a blank.
fn decode(text: &str) -> Result<String, Error> {
    let malformed = || {
        Error::invalid_value(
            "the query string is malformed: `%` must be followed by two hex digits",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    rest.next()
                        .and_then(|byte| char::from(byte).to_digit(16))
                        .ok_or_else(malformed)
                };
                let code = digit()? * 16 + digit()?;
                u8::try_from(code).map_err(|_| malformed())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::invalid_value("the query string is not UTF-8; encode it as UTF-8"))
}
