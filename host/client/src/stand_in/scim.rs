//! Entra's SCIM API as its reference has it: no PUT, no `/Bulk`, cursors, `eq` and `ew` on few attributes, small changes of
//! members, and a bill for every 2xx and 404.

use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer::{empty, scim, scim_error};
use super::people::{ENTERPRISE, Group, User};
use super::world::World;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTRA_USER: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const PAGE: usize = 10;
const LARGEST_PAGE: usize = 100;

/// A request.
pub(super) struct Asked<'a> {
    method: &'a Method,
    endpoint: String,
    id: Option<&'a str>,
    query: Vec<(String, String)>,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

/// A status, a `scimType`, and what is wrong.
type Refusal = (u16, Option<&'static str>, String);

fn bad(what: impl Into<String>) -> Refusal {
    (400, Some("invalidValue"), what.into())
}

fn missing() -> Refusal {
    (404, None, "the resource does not exist".to_owned())
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        method: &'a Method,
        endpoint: &str,
        id: Option<&'a str>,
        query: &str,
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> Self {
        Self {
            method,
            endpoint: endpoint.to_lowercase(),
            id,
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            headers,
            body,
        }
    }

    fn option(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

pub(super) fn answer(world: &mut World, asked: &Asked<'_>) -> Response {
    let permission = match asked.endpoint.as_str() {
        "groups" => "Group.ReadWrite.All",
        _ => "User.ReadWrite.All",
    };
    if let Some(error) = world.not_allowed(asked.headers, permission) {
        return error;
    }
    world.counters.scim_requests += 1;
    let response = dispatch(world, asked)
        .unwrap_or_else(|(status, kind, detail)| scim_error(status, kind, &detail));
    let status = response.status();
    if status.is_success() || status.as_u16() == 404 {
        world.counters.charged += 1;
    }
    response
}

fn dispatch(world: &mut World, asked: &Asked<'_>) -> Result<Response, Refusal> {
    let body = || -> Result<Map<String, Value>, Refusal> {
        serde_json::from_slice(asked.body).map_err(|_| bad("the body is no JSON object"))
    };
    match (asked.method.as_str(), asked.endpoint.as_str(), asked.id) {
        ("GET", "serviceproviderconfig", None) => Ok(scim(200, &config())),
        ("GET", "users" | "groups", None) => list(world, asked),
        ("GET", "users", Some(id)) => {
            let user = world.people.users.get(id).ok_or_else(missing)?;
            Ok(scim(200, &show_user(id, user)))
        }
        ("GET", "groups", Some(id)) => {
            let group = world.people.groups.get(id).ok_or_else(missing)?;
            Ok(scim(200, &show_group(id, group)))
        }
        ("POST", "users", None) => create_user(world, body()?),
        ("POST", "groups", None) => create_group(world, body()?),
        ("PATCH", "users", Some(id)) => patch_user(world, id, &operations(&body()?)?),
        ("PATCH", "groups", Some(id)) => patch_group(world, id, &operations(&body()?)?),
        ("DELETE", "users", Some(id)) => {
            let gone = world.people.remove_user(id);
            gone.then(|| empty(204)).ok_or_else(missing)
        }
        ("DELETE", "groups", Some(id)) => {
            let gone = world.people.groups.remove(id);
            gone.map(|_| empty(204)).ok_or_else(missing)
        }
        ("PUT", ..) => Err((405, None, "PUT is not supported".to_owned())),
        _ => Err(missing()),
    }
}

fn config() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "pagination": {"cursor": true, "index": false},
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": 200},
    })
}

fn show_user(id: &str, user: &User) -> Value {
    let mut shown = user.attributes.clone();
    shown.remove("password");
    if let Some(manager) = &user.manager {
        let enterprise = shown.entry(ENTERPRISE).or_insert_with(|| json!({}));
        enterprise["manager"] = json!({"value": manager});
    }
    let extensions = shown.keys().filter(|name| name.starts_with("urn:"));
    let schemas: Vec<String> = std::iter::once(USER.to_owned())
        .chain(extensions.cloned())
        .collect();
    shown.insert("schemas".into(), json!(schemas));
    shown.insert("id".into(), id.into());
    shown.insert("active".into(), user.enabled.into());
    if let Some(key) = &user.employee_id {
        shown.insert("externalId".into(), key.as_str().into());
    }
    shown.insert("meta".into(), json!({"resourceType": "user"}));
    shown.into()
}

/// Without members: they are found at the users.
fn show_group(id: &str, group: &Group) -> Value {
    let mut shown = group.attributes.clone();
    shown.insert("schemas".into(), json!([GROUP]));
    shown.insert("id".into(), id.into());
    shown.insert("meta".into(), json!({"resourceType": "group"}));
    shown.into()
}

fn list(world: &World, asked: &Asked<'_>) -> Result<Response, Refusal> {
    let users = asked.endpoint == "users";
    let conditions = match asked.option("filter") {
        None => Vec::new(),
        Some(filter) => conditions(filter, users)?,
    };
    for (name, _) in &asked.query {
        let known = [
            "filter",
            "attributes",
            "excludedAttributes",
            "count",
            "cursor",
        ];
        if !known.contains(&name.as_str()) {
            return Err(bad(format!(
                "the query parameter `{name}` is not supported"
            )));
        }
    }
    let count = asked.option("count").map_or(Ok(PAGE), str::parse);
    let count = count.map_err(|_| bad("count is no number"))?;
    let count = count.clamp(1, LARGEST_PAGE);
    let after = asked
        .option("cursor")
        .map(|cursor| cursor.replace("c-", ""));
    let people = &world.people;
    let holds = |id: &str, shown: &Value| {
        conditions
            .iter()
            .all(|(name, ends, value)| match name.as_str() {
                "groups.value" => people
                    .groups
                    .get(value)
                    .is_some_and(|group| group.members.contains(id)),
                "members.value" => people
                    .groups
                    .get(id)
                    .is_some_and(|group| group.members.contains(value)),
                name => {
                    let has = at(shown, name).and_then(Value::as_str).unwrap_or_default();
                    let (has, value) = (has.to_lowercase(), value.to_lowercase());
                    if *ends {
                        has.ends_with(&value)
                    } else {
                        has == value
                    }
                }
            })
    };
    let shown: Vec<(String, Value)> = if users {
        let all = people.users.iter();
        all.map(|(id, user)| (id.clone(), show_user(id, user)))
            .collect()
    } else {
        let all = people.groups.iter();
        all.map(|(id, group)| (id.clone(), show_group(id, group)))
            .collect()
    };
    let mut hits = shown
        .into_iter()
        .filter(|(id, _)| after.as_ref().is_none_or(|after| id > after))
        .filter(|(id, shown)| holds(id, shown));
    let page: Vec<(String, Value)> = hits.by_ref().take(count).collect();
    let more = hits.next().is_some();
    let next = page
        .last()
        .filter(|_| more)
        .map(|(id, _)| format!("c-{id}"));
    let resources: Vec<Value> = page.into_iter().map(|(_, shown)| shown).collect();
    let mut body = json!({
        "schemas": [LIST], "itemsPerPage": resources.len(), "resources": resources,
    });
    if let Some(next) = next {
        body["nextCursor"] = next.into();
    }
    Ok(scim(200, &body))
}

/// Attribute, whether only the end is compared, and the value.
type Condition = (String, bool, String);

fn conditions(filter: &str, users: bool) -> Result<Vec<Condition>, Refusal> {
    let nickname = format!("{ENTRA_USER}:mailNickname");
    let (equal, ends): (Vec<&str>, Vec<&str>) = if users {
        (
            vec!["userName", "externalId", "id", "groups.value", &nickname],
            vec!["userName", &nickname],
        )
    } else {
        (
            vec!["displayName", "id", "members.value"],
            vec!["displayName"],
        )
    };
    let all: Result<Vec<Condition>, Refusal> = filter
        .split(" and ")
        .map(|clause| {
            let wrong = || {
                (
                    400,
                    Some("invalidFilter"),
                    format!("`{clause}` is not supported"),
                )
            };
            let mut parts = clause.trim().splitn(3, ' ');
            let (Some(name), Some(operator), Some(value)) =
                (parts.next(), parts.next(), parts.next())
            else {
                return Err(wrong());
            };
            let allowed = match operator {
                "eq" => &equal,
                "ew" => &ends,
                _ => return Err(wrong()),
            };
            let known = allowed
                .iter()
                .find(|known| known.eq_ignore_ascii_case(name));
            let name = known.ok_or_else(wrong)?;
            let value: String = serde_json::from_str(value).map_err(|_| wrong())?;
            Ok(((*name).to_owned(), operator == "ew", value))
        })
        .collect();
    let all = all?;
    if all.len() > 1 && all.iter().any(|(name, ..)| name == "externalId") {
        let what = "externalId cannot be combined".to_owned();
        return Err((400, Some("invalidFilter"), what));
    }
    Ok(all)
}

/// An attribute by its path: a URN and a name, or a name, each with a part behind a dot.
fn at<'a>(shown: &'a Value, path: &str) -> Option<&'a Value> {
    split(path)
        .iter()
        .try_fold(shown, |value, name| value.get(name))
}

fn split(path: &str) -> Vec<String> {
    let path = path.strip_prefix(&format!("{USER}:")).unwrap_or(path);
    let path = path.strip_prefix(&format!("{GROUP}:")).unwrap_or(path);
    let (urn, rest) = match path.rsplit_once(':') {
        Some((urn, rest)) if path.starts_with("urn:") => (Some(urn.to_owned()), rest),
        _ => (None, path),
    };
    urn.into_iter()
        .chain(rest.split('.').map(str::to_owned))
        .collect()
}

fn create_user(world: &mut World, body: Map<String, Value>) -> Result<Response, Refusal> {
    let whole = Value::Object(body);
    let nickname = format!("{ENTRA_USER}:mailNickname");
    for path in [
        "userName",
        "password",
        "name.familyName",
        "name.givenName",
        "active",
        "displayName",
        &nickname,
    ] {
        if at(&whole, path).is_none_or(Value::is_null) {
            return Err(bad(format!("`{path}` is required")));
        }
    }
    let name = whole["userName"].as_str().unwrap_or_default();
    if world.people.named(name).is_some() {
        return Err((
            409,
            Some("uniqueness"),
            format!("the userName `{name}` is taken"),
        ));
    }
    let mut user = User::default();
    store(world, &mut user, whole)?;
    let id = world.people.put(None, user);
    let shown = show_user(&id, &world.people.users[&id]);
    Ok(scim(201, &shown))
}

/// A user's SCIM shape into what the tenant knows of a user.
fn store(world: &World, user: &mut User, whole: Value) -> Result<(), Refusal> {
    let Value::Object(mut attributes) = whole else {
        return Err(bad("a user is an object"));
    };
    user.enabled = attributes
        .remove("active")
        .and_then(|v| v.as_bool())
        .unwrap_or(false);
    let key = attributes.remove("externalId");
    user.employee_id = key.and_then(|key| key.as_str().map(str::to_owned));
    for own in ["schemas", "id", "meta"] {
        attributes.remove(own);
    }
    let enterprise = attributes
        .get_mut(ENTERPRISE)
        .and_then(Value::as_object_mut);
    let manager = enterprise.and_then(|enterprise| enterprise.remove("manager"));
    let manager = manager
        .as_ref()
        .and_then(|manager| manager["value"].as_str());
    if let Some(manager) = manager
        && !world.people.users.contains_key(manager)
    {
        return Err((404, None, format!("Resource '{manager}' does not exist")));
    }
    user.manager = manager.map(str::to_owned);
    user.attributes = attributes;
    Ok(())
}

fn create_group(world: &mut World, mut body: Map<String, Value>) -> Result<Response, Refusal> {
    if !body.get("displayName").is_some_and(Value::is_string) {
        return Err(bad("`displayName` is required"));
    }
    body.remove("schemas");
    if body.contains_key("members") || body.contains_key("externalId") {
        return Err(bad("members come by PATCH, and groups have no externalId"));
    }
    let id = uuid::Uuid::new_v4().to_string();
    let group = Group {
        attributes: body,
        ..Group::default()
    };
    let shown = show_group(&id, &group);
    world.people.groups.insert(id, group);
    Ok(scim(201, &shown))
}

struct Operation {
    op: String,
    path: String,
    value: Value,
}

fn operations(body: &Map<String, Value>) -> Result<Vec<Operation>, Refusal> {
    if body.get("schemas") != Some(&json!([PATCH])) {
        return Err(bad(format!("`schemas` must be [{PATCH}]")));
    }
    let all = body.get("Operations").or(body.get("operations"));
    let all = all
        .and_then(Value::as_array)
        .ok_or_else(|| bad("no `Operations`"))?;
    all.iter()
        .map(|one| {
            let op = one["op"].as_str().unwrap_or_default().to_lowercase();
            let path = one["path"].as_str().unwrap_or_default().to_owned();
            if !["add", "replace", "remove"].contains(&op.as_str()) || path.is_empty() {
                return Err(bad("an operation needs `op` and `path`"));
            }
            let value = one["value"].clone();
            Ok(Operation { op, path, value })
        })
        .collect()
}

/// `add` and `replace` put a value at a path, `remove` takes it away.
fn change(whole: &mut Value, operation: &Operation) -> Result<(), Refusal> {
    let names = split(&operation.path);
    let Some((last, before)) = names.split_last() else {
        return Err(bad("an empty path"));
    };
    let mut inside = whole;
    for name in before {
        let Some(object) = inside.as_object_mut() else {
            return Err(bad(format!("`{}` leads nowhere", operation.path)));
        };
        inside = object.entry(name).or_insert_with(|| json!({}));
    }
    let object = inside.as_object_mut();
    let object = object.ok_or_else(|| bad(format!("`{}` leads nowhere", operation.path)))?;
    if operation.op == "remove" {
        if last == "mailNickname" {
            return Err(bad("mailNickname cannot be removed"));
        }
        object.remove(last);
    } else {
        object.insert(last.clone(), operation.value.clone());
    }
    Ok(())
}

fn patch_user(world: &mut World, id: &str, all: &[Operation]) -> Result<Response, Refusal> {
    let user = world.people.users.get(id).ok_or_else(missing)?;
    let mut whole = show_user(id, user);
    for operation in all {
        change(&mut whole, operation)?;
    }
    let mut new = user.clone();
    store(world, &mut new, whole)?;
    let name = new.name();
    if world.people.named(name).is_some_and(|other| other != id) {
        return Err((
            409,
            Some("uniqueness"),
            format!("the userName `{name}` is taken"),
        ));
    }
    world.people.put(Some(id), new);
    Ok(empty(204))
}

fn patch_group(world: &mut World, id: &str, all: &[Operation]) -> Result<Response, Refusal> {
    let people = &mut world.people;
    let group = people.groups.get_mut(id).ok_or_else(missing)?;
    let about_members = all.iter().filter(|one| one.path.starts_with("members"));
    if about_members.count() > 0 {
        let [one] = all else {
            return Err(bad("members are changed alone, in one operation"));
        };
        if one.op == "remove" {
            let member = one.path.strip_prefix("members[value eq ");
            let member = member.and_then(|rest| rest.strip_suffix(']'));
            let member: Option<String> = member.and_then(|m| serde_json::from_str(m).ok());
            let member = member.ok_or_else(|| bad("one member is removed at a time"))?;
            let gone = group.members.remove(&member);
            let strange = || (404, None, format!("Resource '{member}' does not exist"));
            return gone.then(|| empty(204)).ok_or_else(strange);
        }
        let values = one.value.as_array().map_or(&[][..], Vec::as_slice);
        if values.is_empty() || values.len() > 20 {
            return Err(bad("1 to 20 members can be added at once"));
        }
        let ids: Vec<&str> = values.iter().filter_map(|v| v["value"].as_str()).collect();
        if let Some(stranger) = ids.iter().find(|id| !people.users.contains_key(**id)) {
            return Err((404, None, format!("Resource '{stranger}' does not exist")));
        }
        group.members.extend(ids.into_iter().map(str::to_owned));
        return Ok(empty(204));
    }
    let mut whole = Value::Object(group.attributes.clone());
    for operation in all {
        change(&mut whole, operation)?;
    }
    if let Value::Object(attributes) = whole {
        group.attributes = attributes;
    }
    Ok(empty(204))
}
