//! The parameters of a list or a search (RFC 7644, sections 3.4.2 and 3.4.3).
//!
//! Parameters stand in any order; names that are not ours are passed over, because Entra's feature flag
//! (`aadOptscim062020`) may come along with every request.

use serde_json::Value;

use crate::json::{kind, take};
use crate::project::Projection;
use crate::{AttributePath, Error, Filter};

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
        }
    }
}

impl ListQuery {
    /// Reads a raw query string, without the question mark.
    pub fn from_query(raw: &str) -> Result<Self, Error> {
        let mut query = Self::default();
        let (mut attributes, mut excluded) = (None, None);
        for pair in raw.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("filter") {
                query.filter = read_filter(&decode(value)?)?;
            } else if is("attributes") {
                attributes = Some(decode(value)?);
            } else if is("excludedAttributes") {
                excluded = Some(decode(value)?);
            } else if is("startIndex") {
                query.start_index = number("startIndex", &decode(value)?, 1)?.unwrap_or(1);
            } else if is("count") {
                query.count = number("count", &decode(value)?, 0)?;
            } else if is("sortBy") {
                query.sort_by = read_sort(&decode(value)?)?;
            } else if is("sortOrder") {
                query.descending = decode(value)?.trim().eq_ignore_ascii_case("descending");
            }
        }
        query.projection = Projection::parse(attributes.as_deref(), excluded.as_deref())?;
        Ok(query)
    }

    /// Reads the body of a POST to `/.search`.
    pub fn from_search_body(body: &[u8]) -> Result<Self, Error> {
        let mut body = crate::json::parse_object(body)?;
        let mut query = Self::default();
        let attributes = names(take(&mut body, "attributes"), "attributes")?;
        let excluded = names(take(&mut body, "excludedAttributes"), "excludedAttributes")?;
        query.projection = Projection::from_names(&attributes, &excluded)?;
        if let Some(text) = text(take(&mut body, "filter"), "filter")? {
            query.filter = read_filter(&text)?;
        }
        if let Some(text) = text(take(&mut body, "sortBy"), "sortBy")? {
            query.sort_by = read_sort(&text)?;
        }
        if let Some(text) = text(take(&mut body, "sortOrder"), "sortOrder")? {
            query.descending = text.trim().eq_ignore_ascii_case("descending");
        }
        if let Some(text) = text(take(&mut body, "startIndex"), "startIndex")? {
            query.start_index = number("startIndex", &text, 1)?.unwrap_or(1);
        }
        if let Some(text) = text(take(&mut body, "count"), "count")? {
            query.count = number("count", &text, 0)?;
        }
        Ok(query)
    }
}

fn read_filter(text: &str) -> Result<Option<Filter>, Error> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let filter = Filter::parse(text);
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
