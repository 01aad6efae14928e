//! What a bulk request says: its operations, each well formed or with its error.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{REQUEST_URN, reference};
use crate::json::{kind, take};
use crate::patch::{PATCH_URN, check_message};
use crate::{Error, Rules};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Makes a resource.
    Post,
    /// Replaces one.
    Put,
    /// Changes one.
    Patch,
    /// Removes one.
    Delete,
}

impl Method {
    fn parse(text: &str) -> Option<Self> {
        let methods = [
            ("POST", Self::Post),
            ("PUT", Self::Put),
            ("PATCH", Self::Patch),
            ("DELETE", Self::Delete),
        ];
        let found = methods
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, method)| method)
    }
}

/// A bulk request: as it was sent, references and all.
#[derive(Clone)]
pub struct BulkRequest {
    pub(super) items: Vec<Item>,
    /// After how many errors nothing more is begun.
    pub(super) fail_on_errors: Option<u64>,
}

/// One operation, and what the answer repeats of it.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) method: Option<String>,
    pub(super) bulk_id: Option<String>,
    pub(super) work: Result<Work, Error>,
}

/// A well-formed operation.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) method: Method,
    /// `Users`
    pub(super) endpoint: String,
    /// Whom it is about; not with POST. May be a reference.
    pub(super) id: Option<String>,
    pub(super) version: Option<String>,
    /// Not with DELETE.
    pub(super) data: Map<String, Value>,
}

impl BulkRequest {
    /// Reads the body of a POST to `/Bulk`. What is wrong with one operation is told in its place of the answer; an error
    /// here is about the whole request.
    pub fn parse(rules: &Rules, body: &[u8]) -> Result<Self, Error> {
        let mut body = crate::json::parse_object(body, &rules.limits)?;
        check_message(rules, &mut body, REQUEST_URN)?;
        let fail_on_errors = match take(&mut body, "failOnErrors") {
            None | Some(Value::Null) => None,
            // "None is accepted" ends, like "one ends it", at the first.
            Some(Value::Number(number)) if number.is_u64() => number.as_u64().map(|n| n.max(1)),
            Some(other) => {
                let detail = format!(
                    "`failOnErrors` must be a whole number that is not negative, but {} came",
                    kind(&other)
                );
                return Err(Error::invalid_syntax(detail));
            }
        };
        let operations = match take(&mut body, "Operations") {
            Some(Value::Array(operations)) => operations,
            other => {
                let came = other.as_ref().map_or("nothing", kind);
                return Err(Error::invalid_syntax(format!(
                    "a bulk request needs `Operations`, an array of what to do, but {came} came"
                )));
            }
        };
        let most = rules.limits.bulk_operations;
        if operations.len() > most {
            return Err(Error::too_large(format!(
                "the request has {} operations and may have {most}, the `bulk.maxOperations` of `/ServiceProviderConfig`; send several requests",
                operations.len()
            )));
        }
        let mut items: Vec<Item> = operations.into_iter().map(read).collect();
        refuse_doubles(&mut items);
        reference::refuse_unknown(&mut items);
        Ok(Self {
            items,
            fail_on_errors,
        })
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

fn read(operation: Value) -> Item {
    let Value::Object(mut operation) = operation else {
        let detail = format!(
            "an operation must be an object, but {} came",
            kind(&operation)
        );
        return Item {
            method: None,
            bulk_id: None,
            work: Err(Error::invalid_syntax(detail)),
        };
    };
    let mut text = |name: &str| match take(&mut operation, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Error::invalid_syntax(format!(
            "`{name}` must be a string, but {} came",
            kind(&other)
        ))),
    };
    let (method, bulk_id) = (text("method"), text("bulkId"));
    let (path, version) = (text("path"), text("version"));
    let said = (
        method.clone().unwrap_or_default(),
        bulk_id.clone().unwrap_or_default(),
    );
    let work = (|| {
        let method =
            method?.ok_or_else(|| Error::invalid_syntax("an operation needs a `method`"))?;
        let method = Method::parse(&method)
            .ok_or_else(|| Error::invalid_syntax("`method` must be POST, PUT, PATCH or DELETE"))?;
        if bulk_id?.is_none() && method == Method::Post {
            return Err(Error::invalid_syntax(
                "a POST needs a `bulkId`, by which its answer is known",
            ));
        }
        let path = path?.ok_or_else(|| Error::invalid_syntax("an operation needs a `path`"))?;
        let (endpoint, id) = target(&path, method)?;
        Ok(Work {
            method,
            endpoint,
            id,
            version: version?,
            data: data(method, take(&mut operation, "data"))?,
        })
    })();
    Item {
        method: said.0.map(|method| method.chars().take(20).collect()),
        bulk_id: said.1,
        work,
    }
}

/// `/Users` of a POST, `/Users/{id}` of the others.
fn target(path: &str, method: Method) -> Result<(String, Option<String>), Error> {
    let wrong = || {
        let right = if method == Method::Post {
            "a resource type's endpoint, such as `/Users`"
        } else {
            "one resource, such as `/Users/{id}`"
        };
        Error::invalid_syntax(format!("the `path` of this method must be {right}"))
    };
    if path.contains(['?', '#']) {
        return Err(wrong());
    }
    // A bulkId may hold a slash; ids of ours never do.
    let (endpoint, id) = match path.trim_start_matches('/').split_once('/') {
        Some((endpoint, id)) if id.starts_with(reference::PREFIX) => (endpoint, Some(id)),
        Some((endpoint, id)) => (endpoint, Some(id.trim_end_matches('/'))),
        None => (path.trim_start_matches('/'), None),
    };
    let id = id.filter(|id| !id.is_empty());
    let plain = id.is_none_or(|id| id.starts_with(reference::PREFIX) || !id.contains('/'));
    let search = id.is_some_and(|id| id.eq_ignore_ascii_case(".search"));
    if endpoint.is_empty() || !plain || search || id.is_some() == (method == Method::Post) {
        return Err(wrong());
    }
    Ok((endpoint.to_owned(), id.map(str::to_owned)))
}

fn data(method: Method, data: Option<Value>) -> Result<Map<String, Value>, Error> {
    match (method, data) {
        (Method::Delete, _) => Ok(Map::new()),
        (_, Some(Value::Object(data))) => Ok(data),
        // The RFC's own example (section 3.7.3) has the operations without the message around them.
        (Method::Patch, Some(Value::Array(operations))) => {
            let mut message = Map::new();
            message.insert("schemas".into(), json!([PATCH_URN]));
            message.insert("Operations".into(), Value::Array(operations));
            Ok(message)
        }
        (_, other) => Err(Error::invalid_syntax(format!(
            "`data` must be what the body of the request alone would be, but {} came",
            other.as_ref().map_or("nothing", kind)
        ))),
    }
}

/// Of two resources with one `bulkId`, which is meant?
fn refuse_doubles(items: &mut [Item]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for bulk_id in items.iter().filter_map(|item| item.bulk_id.clone()) {
        *seen.entry(bulk_id).or_default() += 1;
    }
    for item in items {
        if let Some(bulk_id) = &item.bulk_id
            && seen.get(bulk_id).is_some_and(|times| *times > 1)
        {
            item.work = Err(Error::invalid_syntax(
                "several operations have this `bulkId`; give each its own",
            ));
        }
    }
}
