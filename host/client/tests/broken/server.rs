//! The tiny server: users and groups in memory, on loopback.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::defect::Defect;
use super::describe::{self, GROUP, USER};
use super::filter::Filter;
use super::patch::{self, Refusal, canonical, listed};
use super::tree::{ENTERPRISE, Path, remove};

pub(crate) const TOKEN: &str = "tiny-token";
pub(crate) const CLIENT_ID: &str = "tiny client";
pub(crate) const CLIENT_SECRET: &str = "s:cret%";
/// Of `tiny+client:s%3Acret%25`: id and secret are form-encoded first (RFC 6749, section 2.3.1).
const BASIC: &str = "dGlueStjbGllbnQ6cyUzQWNyZXQlMjU=";

/// A running server. It ends with the test's runtime.
pub(crate) struct Server {
    url: String,
    tiny: Arc<Tiny>,
}

struct Tiny {
    url: String,
    defect: Option<Defect>,
    hung: Arc<Notify>,
    signed_in: Mutex<Vec<(bool, bool)>>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By endpoint, in order of creation.
    lists: BTreeMap<&'static str, Vec<Value>>,
    last: u32,
}

impl Server {
    pub(crate) async fn start(defect: Option<Defect>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}/scim", listener.local_addr().expect("an address"));
        let tiny = Arc::new(Tiny {
            url: url.clone(),
            defect,
            hung: Arc::default(),
            signed_in: Mutex::default(),
            kept: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&tiny));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, tiny }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many users and groups there are.
    pub(crate) fn objects(&self) -> usize {
        let kept = self.tiny.kept.lock().expect("no panic");
        kept.lists.values().map(Vec::len).sum()
    }

    /// How each token was asked for: with credentials in the header, in the body.
    pub(crate) fn signed_in(&self) -> Vec<(bool, bool)> {
        self.tiny.signed_in.lock().expect("no panic").clone()
    }

    /// Rings when a request was left without an answer.
    pub(crate) fn hung(&self) -> Arc<Notify> {
        Arc::clone(&self.tiny.hung)
    }
}

type Answer = Result<(u16, Value), Refusal>;

async fn answer(
    State(tiny): State<Arc<Tiny>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    if method == Method::PATCH && tiny.is(Defect::PatchHangs) {
        tiny.hung.notify_one();
        std::future::pending::<()>().await;
    }
    if uri.path() == "/token" {
        return tiny.token(&headers, &body);
    }
    let authorised = headers
        .get("authorization")
        .is_some_and(|sent| sent.as_bytes() == format!("Bearer {TOKEN}").as_bytes());
    let (status, body) = if authorised || tiny.is(Defect::AnyTokenOpens) {
        tiny.route(&method, &uri, &body)
            .unwrap_or_else(|refusal| tiny.refused(refusal))
    } else {
        tiny.refused((401, "", "who are you?".to_owned()))
    };
    let kind = if tiny.is(Defect::PlainJson) {
        "application/json"
    } else {
        "application/scim+json"
    };
    let mut response = Response::builder()
        .status(status)
        .header("content-type", kind);
    if let (201, Some(location)) = (status, body["meta"]["location"].as_str()) {
        response = response.header("location", location);
    }
    let body = if body.is_null() {
        Body::empty()
    } else {
        Body::from(body.to_string())
    };
    response.body(body).expect("a response")
}

impl Tiny {
    fn is(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// The token endpoint (RFC 6749, section 4.4): client id and secret in the header, in the body, or in both.
    fn token(&self, headers: &HeaderMap, body: &str) -> Response<Body> {
        let sent = form(body);
        let basic = format!("Basic {BASIC}");
        let in_header = headers
            .get("authorization")
            .is_some_and(|sent| sent.as_bytes() == basic.as_bytes());
        let in_body = sent.get("client_id").map(String::as_str) == Some(CLIENT_ID)
            && sent.get("client_secret").map(String::as_str) == Some(CLIENT_SECRET);
        let asked = sent.get("grant_type").map(String::as_str) == Some("client_credentials");
        self.signed_in
            .lock()
            .expect("no panic")
            .push((in_header, in_body));
        let lifetime = if self.is(Defect::TokensAreShort) {
            600
        } else {
            3600
        };
        let (status, answer) = if asked && (in_header || in_body) {
            (
                200,
                json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": lifetime }),
            )
        } else {
            (401, json!({ "error": "invalid_client" }))
        };
        Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(Body::from(answer.to_string()))
            .expect("a response")
    }

    fn refused(&self, (status, scim_type, detail): Refusal) -> (u16, Value) {
        if self.is(Defect::ErrorsAreBare) {
            return (status, json!({ "error": detail }));
        }
        let mut body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string(), "detail": detail });
        if !scim_type.is_empty() {
            body["scimType"] = json!(scim_type);
        }
        (status, body)
    }

    fn route(&self, method: &Method, uri: &Uri, body: &str) -> Answer {
        // A doubled slash and a trailing one are let go by.
        let parts: Vec<&str> = uri
            .path()
            .split('/')
            .filter(|part| !part.is_empty())
            .skip(1)
            .collect();
        let query = form(uri.query().unwrap_or_default());
        let list = match parts.first().copied() {
            Some("Users") => "Users",
            Some("Groups") if !self.is(Defect::NoGroups) => "Groups",
            Some("ServiceProviderConfig" | "ResourceTypes" | "Schemas")
                if self.is(Defect::NothingIsDescribed) =>
            {
                return Err(missing());
            }
            Some("ServiceProviderConfig") => {
                return Ok((200, describe::config(&self.url, self.defect)));
            }
            Some("ResourceTypes") => {
                return self.described(&describe::types(self.defect), "name", parts.get(1));
            }
            Some("Schemas") => {
                return self.described(&describe::schemas(self.defect), "id", parts.get(1));
            }
            _ if self.is(Defect::EverythingIsFound) => return Ok((200, json!({}))),
            _ => return Err(missing()),
        };
        let parsed = || -> Result<Value, Refusal> {
            serde_json::from_str(body).map_err(|why| (400, "invalidSyntax", why.to_string()))
        };
        let mut kept = self.kept.lock().expect("no panic");
        match (method.as_str(), parts.get(1).copied()) {
            ("GET", None) => self.find(&kept, list, &query),
            ("POST", None) => self.create(&mut kept, list, parsed()?),
            ("POST", Some(".search")) => Err(missing()),
            ("GET", Some(id)) => {
                let at = self.at(&kept, list, id)?;
                Ok((200, self.shown(&kept.lists[list][at], &query)))
            }
            ("PATCH", Some(id)) => self.patch(&mut kept, list, id, &parsed()?),
            ("PUT", Some(id)) => self.put(&mut kept, list, id, parsed()?),
            ("DELETE", Some(id)) => self.delete(&mut kept, list, id),
            _ => Err((405, "", "not here".to_owned())),
        }
    }

    fn at(&self, kept: &Kept, list: &str, id: &str) -> Result<usize, Refusal> {
        let found = kept
            .lists
            .get(list)
            .and_then(|list| list.iter().position(|one| one["id"] == id));
        let status = if self.is(Defect::MissingIdIs500) {
            500
        } else {
            404
        };
        found.ok_or((status, "", format!("there is no {id}")))
    }

    fn find(&self, kept: &Kept, list: &str, query: &BTreeMap<String, String>) -> Answer {
        let none = Vec::new();
        let mut found: Vec<&Value> = kept.lists.get(list).unwrap_or(&none).iter().collect();
        if let Some(filter) = query.get("filter") {
            let filter = Filter::parse(filter, self.defect)?;
            found.retain(|one| filter.holds(one));
            if self.is(Defect::DisabledAreHidden) {
                found.retain(|one| one["active"] != false);
            }
            if found.is_empty() && self.is(Defect::EmptyListIs404) {
                return Err(missing());
            }
        }
        let total = found.len();
        let number = |name: &str| query.get(name).and_then(|text| text.parse::<i64>().ok());
        let start = usize::try_from(number("startIndex").unwrap_or(1).max(1)).unwrap_or(1);
        let mut count =
            number("count").map_or(100, |count| usize::try_from(count.max(0)).unwrap_or(0));
        if self.is(Defect::CountIsIgnored) {
            count = 100;
        }
        if self.is(Defect::PagesAreShort) {
            count = count.min(3);
        }
        let page: Vec<Value> = found
            .into_iter()
            .skip(start - 1)
            .take(count)
            .map(|one| self.shown(one, query))
            .collect();
        let said = if self.is(Defect::StartIndexIsAlwaysOne) {
            1
        } else {
            start
        };
        Ok((
            200,
            json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": total,
            "startIndex": said, "itemsPerPage": page.len(), "Resources": page }),
        ))
    }

    fn create(&self, kept: &mut Kept, list: &'static str, mut body: Value) -> Answer {
        let name = name_of(list);
        if body[name].as_str().is_none_or(str::is_empty) {
            return Err((400, "invalidValue", format!("{name} is missing")));
        }
        if list == "Users" && self.is(Defect::WantsATitle) && body["title"] != "Approved" {
            return Err((400, "invalidValue", "title must be Approved".to_owned()));
        }
        let unknown = |key: &String| key.starts_with("urn:") && key != ENTERPRISE;
        if self.is(Defect::UndeclaredExtensionIsRefused)
            && body
                .as_object()
                .is_some_and(|body| body.keys().any(unknown))
        {
            return Err((
                400,
                "invalidSyntax",
                "an extension that nobody knows".to_owned(),
            ));
        }
        self.taken(kept, list, &body, "")?;
        let ids = ids(kept);
        for member in listed(&body["members"]) {
            if !ids.contains(&member) {
                return Err((400, "invalidValue", format!("there is no user {member}")));
            }
        }
        self.settle(&mut body, &ids)?;
        kept.last += 1;
        let (id, schemas) = (
            format!("id-{}", kept.last),
            if list == "Users" {
                json!([USER, ENTERPRISE])
            } else {
                json!([GROUP])
            },
        );
        body["id"] = json!(id);
        body["schemas"] = schemas;
        body["meta"] = json!({ "resourceType": list.trim_end_matches('s'), "location": format!("{}/{list}/{id}", self.url),
            "created": "2026-01-01T00:00:00Z", "lastModified": "2026-01-01T00:00:00Z" });
        kept.lists.entry(list).or_default().push(body.clone());
        if self.is(Defect::CreateAnswers500) {
            return Err((500, "", "lost".to_owned()));
        }
        Ok((201, body))
    }

    /// A body as it is kept: nothing empty, nothing unknown, values in the server's own form.
    fn settle(&self, body: &mut Value, ids: &[String]) -> Result<(), Refusal> {
        const KNOWN: [&str; 10] = [
            "userName",
            "externalId",
            "active",
            "displayName",
            "title",
            "name",
            "emails",
            "addresses",
            "members",
            ENTERPRISE,
        ];
        if let Some(body) = body.as_object_mut() {
            body.retain(|key, value| {
                KNOWN.contains(&key.as_str()) && !value.is_null() && *value != json!([])
            });
        }
        for path in ["active", "manager", "title", "externalId"] {
            let path = Path::parse(path).ok_or_else(missing)?;
            if let Some(value) = path.read(body).cloned() {
                let value = canonical(&path, &value, ids, self.defect)?;
                path.write(body, Some(value), false);
            }
        }
        Ok(())
    }

    fn taken(&self, kept: &Kept, list: &str, body: &Value, own: &str) -> Result<(), Refusal> {
        let name = name_of(list);
        let fold = |one: &Value| one[name].as_str().unwrap_or_default().to_lowercase();
        let holder = kept
            .lists
            .get(list)
            .into_iter()
            .flatten()
            .any(|one| fold(one) == fold(body) && one["id"] != own);
        match (holder, self.defect) {
            (false, _) | (true, Some(Defect::DuplicatesAreAccepted)) => Ok(()),
            (true, Some(Defect::DuplicatesAreMarked400)) => {
                Err((400, "uniqueness", "taken".to_owned()))
            }
            (true, _) => Err((409, "uniqueness", format!("{name} is taken"))),
        }
    }

    fn patch(&self, kept: &mut Kept, list: &'static str, id: &str, body: &Value) -> Answer {
        let at = self.at(kept, list, id)?;
        let ids = ids(kept);
        let mut one = kept.lists[list][at].clone();
        let done = patch::apply(&mut one, body, &ids, self.defect);
        if done.is_ok() {
            self.taken(kept, list, &one, id)?;
        }
        let disabled = one["active"] == false;
        if let Some(list) = kept.lists.get_mut(list) {
            list[at] = one.clone();
        }
        if self.is(Defect::DisableDropsMemberships) && disabled {
            forget(kept, id);
        }
        done?;
        Ok(if list == "Groups" {
            (204, Value::Null)
        } else {
            (200, one)
        })
    }

    fn put(&self, kept: &mut Kept, list: &'static str, id: &str, mut body: Value) -> Answer {
        let at = self.at(kept, list, id)?;
        let ids = ids(kept);
        self.settle(&mut body, &ids)?;
        for key in ["id", "meta", "schemas"] {
            body[key] = kept.lists[list][at][key].clone();
        }
        if let Some(list) = kept.lists.get_mut(list) {
            list[at] = body.clone();
        }
        Ok((200, body))
    }

    fn delete(&self, kept: &mut Kept, list: &'static str, id: &str) -> Answer {
        let at = self.at(kept, list, id)?;
        if self.is(Defect::DeleteIsRefused) {
            return Err((403, "", "nothing is ever deleted".to_owned()));
        }
        if !self.is(Defect::DeleteDoesNothing) {
            kept.lists.entry(list).or_default().remove(at);
            forget(kept, id);
        }
        Ok((204, Value::Null))
    }

    fn shown(&self, one: &Value, query: &BTreeMap<String, String>) -> Value {
        let mut one = one.clone();
        let name = |text: &str| text.split(['[', '.']).next().unwrap_or_default().to_owned();
        if let Some(wanted) = query.get("attributes") {
            let wanted: Vec<_> = wanted.split(',').map(name).collect();
            if let Some(one) = one.as_object_mut() {
                one.retain(|key, _| {
                    ["id", "schemas", "meta"].contains(&key.as_str()) || wanted.contains(key)
                });
            }
        }
        if let Some(excluded) = query.get("excludedAttributes") {
            for key in excluded.split(',') {
                match self.defect {
                    Some(Defect::ExcludedMembersAreReturned) if key == "members" => {}
                    Some(Defect::ExcludedMembersAreEmpty) if key == "members" => {
                        one[key] = json!([]);
                    }
                    _ => remove(&mut one, key),
                }
            }
        }
        one
    }

    fn described(&self, all: &[Value], key: &str, which: Option<&&str>) -> Answer {
        match which {
            Some(_) if self.is(Defect::EverythingIsFound) => Ok((200, all[0].clone())),
            Some(which) => Ok((
                200,
                all.iter()
                    .find(|one| one[key] == **which)
                    .cloned()
                    .ok_or_else(missing)?,
            )),
            None if self.is(Defect::SchemasAreAnArray) => Ok((200, json!(all))),
            None => Ok((
                200,
                json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": all.len(),
                "startIndex": 1, "itemsPerPage": all.len(), "Resources": all }),
            )),
        }
    }
}

fn form(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

fn name_of(list: &str) -> &'static str {
    if list == "Users" {
        "userName"
    } else {
        "displayName"
    }
}

fn missing() -> Refusal {
    (404, "", "there is no such thing".to_owned())
}

fn ids(kept: &Kept) -> Vec<String> {
    kept.lists
        .get("Users")
        .into_iter()
        .flatten()
        .filter_map(|one| one["id"].as_str().map(str::to_owned))
        .collect()
}

/// Takes somebody out of every group.
fn forget(kept: &mut Kept, id: &str) {
    for group in kept.lists.get_mut("Groups").into_iter().flatten() {
        if let Some(members) = group["members"].as_array_mut() {
            members.retain(|member| member["value"] != id);
        }
    }
}
