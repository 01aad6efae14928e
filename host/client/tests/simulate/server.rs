//! A small SCIM server on loopback that does as it should, until it is told not to.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(crate) const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// What the server answers instead, if it is to misbehave; told of the method, the path with its query, and the body.
pub(crate) type Fault = Box<dyn FnMut(&Method, &str, &Value) -> Option<Response> + Send>;

#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) users: BTreeMap<String, Value>,
    pub(crate) groups: BTreeMap<String, Value>,
    /// Every request: method, path, body.
    pub(crate) requests: Vec<(Method, String, Value)>,
    /// The ActivityId of every request.
    pub(crate) activities: Vec<String>,
    fault: Option<Fault>,
    next: usize,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    shared: Arc<Mutex<Shared>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/scim", listener.local_addr().unwrap());
        let shared = Arc::new(Mutex::new(Shared::default()));
        let inside = Arc::clone(&shared);
        let app = Router::new().fallback(
            move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let inside = Arc::clone(&inside);
                async move { answer(&inside, &method, &uri, &headers, &body) }
            },
        );
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared }
    }

    /// From now on some requests are answered by `fault`.
    pub(crate) fn misbehave(
        &self,
        fault: impl FnMut(&Method, &str, &Value) -> Option<Response> + Send + 'static,
    ) {
        self.shared.lock().fault = Some(Box::new(fault));
    }

    pub(crate) fn behave(&self) {
        self.shared.lock().fault = None;
    }

    /// What it has, and what it was asked.
    pub(crate) fn see<T>(&self, look: impl FnOnce(&mut Shared) -> T) -> T {
        look(&mut self.shared.lock())
    }

    /// How many requests of a method went to paths that begin so.
    pub(crate) fn count(&self, method: &Method, path: &str) -> usize {
        self.see(|shared| {
            shared
                .requests
                .iter()
                .filter(|(m, p, _)| m == method && p.starts_with(path))
                .count()
        })
    }
}

pub(crate) fn scim(status: u16, body: &Value) -> Response {
    let headers = [("content-type", "application/scim+json")];
    (
        StatusCode::from_u16(status).unwrap(),
        headers,
        body.to_string(),
    )
        .into_response()
}

pub(crate) fn error(status: u16, detail: &str) -> Response {
    scim(
        status,
        &json!({ "schemas": [ERROR], "status": status.to_string(), "detail": detail }),
    )
}

pub(crate) fn list(resources: &[Value], total: usize, start: usize) -> Value {
    json!({ "schemas": [LIST], "totalResults": total, "startIndex": start, "itemsPerPage": resources.len(), "Resources": resources })
}

fn answer(
    shared: &Mutex<Shared>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let mut shared = shared.lock();
    let shared = &mut *shared;
    let path = uri
        .path_and_query()
        .unwrap()
        .as_str()
        .strip_prefix("/scim")
        .unwrap()
        .to_owned();
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    shared
        .requests
        .push((method.clone(), path.clone(), body.clone()));
    let activity = headers
        .get("adscimversion")
        .map(|value| value.to_str().unwrap().to_owned());
    shared.activities.extend(activity);
    if let Some(response) = shared
        .fault
        .as_mut()
        .and_then(|fault| fault(method, &path, &body))
    {
        return response;
    }
    if headers
        .get("authorization")
        .is_none_or(|value| value != "Bearer secret")
    {
        return error(401, "no");
    }
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let mut segments = path.split(['/', '?']).skip(1);
    let (endpoint, id) = (
        segments.next().unwrap_or_default(),
        segments.next().filter(|_| !path.contains("s?")),
    );
    let (things, key) = match endpoint {
        "Users" => (&mut shared.users, "userName"),
        _ => (&mut shared.groups, "displayName"),
    };
    let bare = |resource: &Value| {
        let mut resource = resource.clone();
        if query.contains_key("excludedAttributes") {
            resource.as_object_mut().unwrap().remove("members");
        }
        resource
    };
    match (method.as_str(), id) {
        ("GET", None) => {
            let hits: Vec<Value> = things
                .values()
                .filter(|r| query.get("filter").is_none_or(|f| fits(r, f)))
                .map(bare)
                .collect();
            let start: usize = query.get("startIndex").map_or(1, |n| n.parse().unwrap());
            let count: usize = query.get("count").map_or(100, |n| n.parse().unwrap());
            let page: Vec<Value> = hits.iter().skip(start - 1).take(count).cloned().collect();
            scim(200, &list(&page, hits.len(), start))
        }
        ("POST", None) => {
            if things.values().any(|other| other[key] == body[key]) {
                return error(409, "taken");
            }
            shared.next += 1;
            let mut made = body;
            made["id"] = json!(format!("{endpoint}-{}", shared.next));
            things.insert(made["id"].as_str().unwrap().to_owned(), made.clone());
            scim(201, &made)
        }
        (_, Some(id)) if !things.contains_key(id) => error(404, "gone"),
        ("GET", Some(id)) => scim(200, &bare(&things[id])),
        ("DELETE", Some(id)) => {
            things.remove(id);
            let id = id.to_owned();
            for group in shared.groups.values_mut() {
                if let Some(members) = group["members"].as_array_mut() {
                    members.retain(|member| member["value"] != *id);
                }
            }
            StatusCode::NO_CONTENT.into_response()
        }
        (_, Some(id)) => {
            let resource = things.get_mut(id).unwrap();
            for operation in body["Operations"].as_array().unwrap() {
                patch(resource, operation);
            }
            StatusCode::NO_CONTENT.into_response()
        }
        _ => error(405, "no"),
    }
}

/// `a eq "x"`, and `id eq "x" and manager eq "y"`.
fn fits(resource: &Value, filter: &str) -> bool {
    filter.split(" and ").all(|clause| {
        let (path, literal) = clause.split_once(" eq ").unwrap();
        let value: String = serde_json::from_str(literal).unwrap();
        match path {
            "manager" => resource[ENTERPRISE]["manager"]["value"] == *value,
            "members" => resource["members"]
                .as_array()
                .is_some_and(|m| m.iter().any(|m| m["value"] == *value)),
            _ => resource[path]
                .as_str()
                .is_some_and(|there| there.eq_ignore_ascii_case(&value)),
        }
    })
}

fn patch(resource: &mut Value, operation: &Value) {
    let remove = operation["op"]
        .as_str()
        .unwrap()
        .eq_ignore_ascii_case("remove");
    let Some(path) = operation["path"].as_str() else {
        for (path, value) in operation["value"].as_object().unwrap() {
            set(resource, path, value.clone());
        }
        return;
    };
    if path.starts_with("members") {
        let mut members = resource["members"].as_array().cloned().unwrap_or_default();
        let named: Vec<Value> = match path.split_once("[value eq \"") {
            Some((_, rest)) => vec![json!(rest.trim_end_matches("\"]"))],
            None => operation["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| m["value"].clone())
                .collect(),
        };
        members.retain(|member| !named.contains(&member["value"]));
        if !remove {
            members.extend(named.into_iter().map(|value| json!({ "value": value })));
        }
        resource["members"] = Value::Array(members);
        return;
    }
    let value = match &operation["value"] {
        _ if remove => Value::Null,
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) if path == "active" => json!(text == "True"),
        value => value.clone(),
    };
    set(resource, path, value);
}

fn set(resource: &mut Value, path: &str, value: Value) {
    let manager = path.ends_with(":manager") && !value.is_null();
    let value = if manager {
        json!({ "value": value })
    } else {
        value
    };
    if path.starts_with("urn:") {
        let (urn, attribute) = path.rsplit_once(':').unwrap();
        resource[urn][attribute] = value;
    } else if let Some((attribute, rest)) = path.split_once("[type eq \"") {
        let (kind, sub) = rest.split_once("\"].").unwrap();
        if !resource[attribute].is_array() {
            resource[attribute] = json!([]);
        }
        let elements = resource[attribute].as_array_mut().unwrap();
        if !elements.iter().any(|element| element["type"] == kind) {
            elements.push(Value::Object(Map::from_iter([(
                "type".to_owned(),
                json!(kind),
            )])));
        }
        let element = elements
            .iter_mut()
            .find(|element| element["type"] == kind)
            .unwrap();
        element[sub] = value;
    } else if let Some((attribute, sub)) = path.split_once('.') {
        resource[attribute][sub] = value;
    } else {
        resource[path] = value;
    }
}
