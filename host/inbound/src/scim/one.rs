//! One entry, alone: found or created, compared, changed.

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};

use super::difference::{operations, patch, whole};
use super::entry::{Done, Entry, Kind, Members, Wanted};
use super::find::Found;
use super::{Server, Trouble, member, refused};
use crate::auth::below;
use crate::bulk_upload::USER_URN;

const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// Entra's own attributes of a user.
const ENTRA_USER: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User";

/// The schema that a resource has to name.
pub(super) fn core_urn(kind: Kind) -> &'static str {
    match kind {
        Kind::User => USER_URN,
        Kind::Group => GROUP_URN,
    }
}

impl Server {
    /// Makes one entry as it is wanted.
    pub(super) async fn one(&self, entry: &Entry) -> Result<Done, Trouble> {
        match &entry.wanted {
            Wanted::Absent => self.delete(entry).await,
            Wanted::Present { resource, members } => {
                let found = match &entry.id {
                    Some(id) => self.get(entry.kind, id).await?,
                    None => None,
                };
                let found = match found {
                    Some(found) => Some(found),
                    // Not known, or no longer there.
                    None => self.find(entry.kind, &entry.key, Some(resource)).await?,
                };
                match found {
                    Some(found) => self.update(entry, &found, resource, members.as_ref()).await,
                    None => self.create(entry, resource, members.as_ref()).await,
                }
            }
        }
    }

    async fn delete(&self, entry: &Entry) -> Result<Done, Trouble> {
        let id = match &entry.id {
            Some(id) => id.clone(),
            None => match self.find(entry.kind, &entry.key, None).await? {
                Some(found) => found.id,
                None => return Ok(Done::Deleted),
            },
        };
        let path = [self.endpoint(entry.kind), &id];
        let answer = self.send(Method::DELETE, &path, None).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(Done::Deleted),
            status if status.is_success() => Ok(Done::Deleted),
            _ => Err(refused(&answer)),
        }
    }

    /// A resource without a group's members, if it is there.
    pub(super) async fn get(&self, kind: Kind, id: &str) -> Result<Option<Found>, Trouble> {
        let mut url = below(&self.base, &[self.endpoint(kind), id]);
        if kind == Kind::Group && !self.is_entra() {
            url.query_pairs_mut()
                .append_pair("excludedAttributes", "members");
        }
        let answer = self.send_to(Method::GET, url, None).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(Found {
                id: id.to_owned(),
                resource: answer.json(),
            })),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refused(&answer)),
        }
    }

    async fn create(
        &self,
        entry: &Entry,
        resource: &Map<String, Value>,
        members: Option<&Members>,
    ) -> Result<Done, Trouble> {
        let mut body = whole(&entry.key, resource, core_urn(entry.kind));
        if self.is_entra() {
            match entry.kind {
                Kind::User => required(&body)?,
                Kind::Group => drop(body.remove("externalId")),
            }
        }
        let path = [self.endpoint(entry.kind)];
        let answer = self.send(Method::POST, &path, Some(&body.into())).await?;
        match answer.status {
            StatusCode::OK | StatusCode::CREATED => {}
            // Somebody was faster, or it was us, and the answer was lost.
            StatusCode::CONFLICT => {
                return match self.find(entry.kind, &entry.key, Some(resource)).await? {
                    Some(found) => self.update(entry, &found, resource, members).await,
                    None => Err(refused(&answer)),
                };
            }
            _ => return Err(refused(&answer)),
        }
        let body = answer.json();
        let id = member(&body, "id").as_str().filter(|id| !id.is_empty());
        let id = id
            .ok_or_else(|| Trouble::Refused("the server created it and told no `id`".to_owned()))?;
        if let Some(members) = members {
            self.set_members(id, members).await?;
        }
        Ok(Done::Created { id: id.to_owned() })
    }

    async fn update(
        &self,
        entry: &Entry,
        found: &Found,
        resource: &Map<String, Value>,
        members: Option<&Members>,
    ) -> Result<Done, Trouble> {
        let operations = operations(&found.resource, resource);
        let mut changed = !operations.is_empty();
        let path = [self.endpoint(entry.kind), found.id.as_str()];
        if !self.abilities().patch {
            changed |= self.put(entry, found, resource, members, changed).await?;
        } else if changed {
            let answer = self
                .send(Method::PATCH, &path, Some(&patch(&operations)))
                .await?;
            if !answer.status.is_success() {
                return Err(refused(&answer));
            }
        }
        if self.abilities().patch
            && let Some(members) = members
        {
            changed |= self.set_members(&found.id, members).await?;
        }
        let id = found.id.clone();
        Ok(if changed {
            Done::Updated { id }
        } else {
            Done::Unchanged { id }
        })
    }

    /// A server without PATCH gets the whole resource: what is there, changed as wanted.
    async fn put(
        &self,
        entry: &Entry,
        found: &Found,
        resource: &Map<String, Value>,
        members: Option<&Members>,
        mut changed: bool,
    ) -> Result<bool, Trouble> {
        let mut body = found.resource.as_object().cloned().unwrap_or_default();
        for (name, value) in resource {
            body.retain(|known, _| !known.eq_ignore_ascii_case(name));
            body.insert(name.clone(), value.clone());
        }
        let mut body = whole(&entry.key, &body, core_urn(entry.kind));
        body.remove("meta");
        body.insert("id".to_owned(), found.id.clone().into());
        if entry.kind == Kind::Group {
            let current = self.members(&found.id).await?;
            let (add, remove) = super::members::change(
                &current,
                members.unwrap_or(&Members::Change {
                    add: Vec::new(),
                    remove: Vec::new(),
                }),
            );
            changed |= !add.is_empty() || !remove.is_empty();
            let all = current.into_iter().filter(|id| !remove.contains(id));
            let all: Vec<Value> = all
                .chain(add)
                .map(|id| serde_json::json!({"value": id}))
                .collect();
            body.insert("members".to_owned(), all.into());
        }
        if changed {
            let path = [self.endpoint(entry.kind), found.id.as_str()];
            let answer = self.send(Method::PUT, &path, Some(&body.into())).await?;
            if !answer.status.is_success() {
                return Err(refused(&answer));
            }
        }
        Ok(changed)
    }
}

/// What Entra's SCIM API wants of a new user.
fn required(user: &Map<String, Value>) -> Result<(), Trouble> {
    let name = user.get("name").unwrap_or(&Value::Null);
    let entra = user.get(ENTRA_USER).unwrap_or(&Value::Null);
    let all = [
        ("userName", user.contains_key("userName")),
        ("password", user.contains_key("password")),
        ("name.familyName", name["familyName"].is_string()),
        ("name.givenName", name["givenName"].is_string()),
        ("active", user.contains_key("active")),
        ("displayName", user.contains_key("displayName")),
        (
            "…:Entra:2.0:User:mailNickname",
            entra["mailNickname"].is_string(),
        ),
    ];
    let missing: Vec<&str> = all
        .iter()
        .filter(|(_, has)| !has)
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Trouble::Refused(format!(
        "Entra's SCIM API creates no user without {}; map them",
        missing.join(", ")
    )))
}
