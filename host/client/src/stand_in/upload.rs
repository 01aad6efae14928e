//! `bulkUpload`: everything about a call is checked, and nothing about the people in it.

use std::collections::HashSet;

use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde_json::{Map, Value};

use super::answer;
use super::world::{Staged, World};

const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

pub(super) fn answer(world: &mut World, headers: &HeaderMap, body: &[u8]) -> Response {
    if let Some(error) = world.not_allowed(headers, "SynchronizationData-User.Upload") {
        return error;
    }
    world.counters.calls += 1;
    if let Some(instead) = world.instead.pop_front() {
        let error = answer::graph(instead.status, "ServiceError", "as the test wanted it");
        return match instead.retry_after {
            Some(seconds) => answer::with(error, header::RETRY_AFTER, &seconds.to_string()),
            None => error,
        };
    }
    let now = world.clock.now();
    if let Err(free) = world.throttle.call(now, world.settings.limits) {
        world.counters.over_limit += 1;
        let seconds = world.clock.outside(free.duration_since(now)).max(1);
        let error = answer::graph(429, "TooManyRequests", "Request throttled.");
        return answer::with(error, header::RETRY_AFTER, &seconds.to_string());
    }
    let records = match read(headers, body) {
        Ok(records) => records,
        Err(why) => {
            world.counters.bad_shape += 1;
            return answer::graph(400, "BadRequest", &why);
        }
    };
    world.counters.staged_calls += 1;
    world.counters.records += records.len() as u64;
    for data in records {
        if !data.get("active").is_some_and(Value::is_boolean) {
            world.counters.without_active += 1;
        }
        world.staged.push(Staged { at: now, data });
    }
    let location = format!(
        "{}/v1.0/auditLogs/provisioning/?$filter=jobid%20eq%20'{}'",
        world.url, world.settings.job
    );
    answer::with(answer::empty(202), header::LOCATION, &location)
}

/// The records of a call, or what is wrong with it.
fn read(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Map<String, Value>>, String> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/scim+json") {
        return Err("Invalid Data Format".to_owned());
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| "Invalid Data Format")?;
    if body["schemas"] != serde_json::json!([BULK]) {
        return Err(format!("schemas must be [{BULK}]"));
    }
    let operations = body["Operations"]
        .as_array()
        .ok_or("Operations is no array")?;
    if operations.is_empty() || operations.len() > 50 {
        let count = operations.len();
        return Err(format!("{count} operations; 1 to 50 are supported"));
    }
    let mut ids = HashSet::new();
    operations
        .iter()
        .map(|operation| one(operation, &mut ids))
        .collect()
}

fn one<'a>(operation: &'a Value, ids: &mut HashSet<&'a str>) -> Result<Map<String, Value>, String> {
    let id = operation["bulkId"].as_str().unwrap_or_default();
    if id.is_empty() || !ids.insert(id) {
        return Err("bulkId is missing or comes twice".to_owned());
    }
    if operation["method"] != "POST" || operation["path"] != "/Users" {
        return Err("only POST to /Users is supported".to_owned());
    }
    let data = operation["data"].as_object().ok_or("data is no object")?;
    let schemas = data.get("schemas").and_then(Value::as_array);
    let schemas: Vec<&str> = schemas
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !schemas.contains(&USER) {
        return Err(format!("data.schemas must contain {USER}"));
    }
    // Which one it is, Entra does not say.
    for name in ["userName", "externalId", "displayName"] {
        if data
            .get(name)
            .is_some_and(|value| !value.is_string() && !value.is_null())
        {
            return Err(format!("Invalid Data Format: {name} is no string"));
        }
    }
    for name in data.keys().filter(|name| name.starts_with("urn:")) {
        if !schemas.contains(&name.as_str()) {
            return Err(format!("{name} is not in data.schemas"));
        }
    }
    Ok(data.clone())
}
