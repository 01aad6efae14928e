//! Plays Entra's provisioning service: probe, match, create, update, references
//! after objects, members, disables, deletes; in either PATCH dialect.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::people::{ENTERPRISE, GROUP, Person, Team, Tenant, read_path};
use crate::scim::{Reply, Scim, literal, patch_op};

/// The second schema that Entra sends with groups and that nobody else knows.
const AD_GROUP: &str = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";

/// How updates are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The default today: one capitalised operation an attribute, booleans as text.
    Legacy,
    /// With `aadOptscim062020` on the tenant URL: pathless, flattened keys.
    Flagged,
}

impl Dialect {
    /// As written in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Flagged => "flagged",
        }
    }
}

/// How much is sent for an object that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Send {
    /// As Entra: what differs from the GET.
    Differences,
    /// Everything again, the same as before, as a client without a memory does.
    Everything,
}

/// One provisioning job.
pub struct Player {
    scim: Scim,
    dialect: Dialect,
    parallel: usize,
    users: BTreeMap<String, String>,
    groups: BTreeMap<String, String>,
}

type Links = Vec<(String, Result<String>)>;

impl Player {
    /// A job that has seen nothing yet.
    pub fn new(scim: Scim, dialect: Dialect) -> Self {
        Self {
            scim,
            dialect,
            parallel: 8,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    async fn total(&self, endpoint: &str) -> Result<usize> {
        let reply = self
            .scim
            .send("list", Method::GET, &format!("/{endpoint}?count=1"), None)
            .await?;
        ensure!(reply.status == 200, "list {endpoint}: {reply:?}");
        let total = reply.body["totalResults"].as_u64().unwrap_or_default();
        Ok(usize::try_from(total)?)
    }

    /// Speaks the other dialect from now on.
    pub fn speak(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// Forgets all links: what a restart with full reset does.
    pub fn reset(&mut self) {
        self.users.clear();
        self.groups.clear();
    }

    /// The first cycle: everything in scope is matched, then created or updated;
    /// references follow when both ends exist.
    pub async fn initial(&mut self, tenant: &Tenant, send: Send) -> Result<()> {
        self.probe().await?;
        let people: Vec<&Person> = tenant.people.values().collect();
        let links = self.each(people, |p| self.import_user(p, send)).await;
        self.users.extend(settle(links)?);
        let managed: Vec<&Person> = tenant
            .people
            .values()
            .filter(|p| p.manager.is_some())
            .collect();
        let links = self.each(managed, |p| self.flow_manager(p, send)).await;
        settle(links)?;
        let teams: Vec<&Team> = tenant.teams.values().collect();
        let links = self.each(teams, |t| self.import_group(t, send)).await;
        self.groups.extend(settle(links)?);
        let teams: Vec<&Team> = tenant.teams.values().collect();
        let links = self
            .each(teams, |t| {
                self.flow_members(t, BTreeSet::new(), t.members.clone())
            })
            .await;
        settle(links)?;
        Ok(())
    }

    /// A later cycle: only what changed between `before` and `after`.
    pub async fn incremental(&mut self, before: &Tenant, after: &Tenant) -> Result<()> {
        self.probe().await?;
        let changed: Vec<&Person> = after
            .people
            .values()
            .filter(|p| {
                before
                    .people
                    .get(&p.external_id)
                    .is_some_and(|old| old != *p)
            })
            .collect();
        let links = self.each(changed.clone(), |p| self.update_user(p)).await;
        settle(links)?;
        let new: Vec<&Person> = after
            .people
            .values()
            .filter(|p| !before.people.contains_key(&p.external_id))
            .collect();
        let links = self
            .each(new.clone(), |p| self.import_user(p, Send::Differences))
            .await;
        self.users.extend(settle(links)?);
        let moved: Vec<&Person> = after
            .people
            .values()
            .filter(|p| {
                before
                    .people
                    .get(&p.external_id)
                    .and_then(|old| old.manager.as_ref())
                    != p.manager.as_ref()
            })
            .collect();
        let links = self
            .each(moved, |p| self.flow_manager(p, Send::Differences))
            .await;
        settle(links)?;

        let fresh: Vec<&Team> = after
            .teams
            .values()
            .filter(|t| !before.teams.contains_key(&t.external_id))
            .collect();
        let links = self
            .each(fresh, |t| self.import_group(t, Send::Differences))
            .await;
        self.groups.extend(settle(links)?);
        let renamed: Vec<&Team> = after
            .teams
            .values()
            .filter(|t| {
                before
                    .teams
                    .get(&t.external_id)
                    .is_some_and(|old| old.display != t.display)
            })
            .collect();
        let links = self.each(renamed, |t| self.rename_group(t)).await;
        settle(links)?;
        let gone_people: BTreeSet<&String> = before
            .people
            .keys()
            .filter(|k| !after.people.contains_key(*k))
            .collect();
        let rows: Vec<(&Team, BTreeSet<String>)> = after
            .teams
            .values()
            .map(|t| {
                let mut old = before
                    .teams
                    .get(&t.external_id)
                    .map(|b| b.members.clone())
                    .unwrap_or_default();
                // Whoever is deleted leaves the group by being deleted.
                old.retain(|m| !gone_people.contains(m));
                (t, old)
            })
            .filter(|(t, old)| t.members != *old)
            .collect();
        let links = self
            .each(rows, |(t, old)| {
                self.flow_members(t, old, t.members.clone())
            })
            .await;
        settle(links)?;

        let gone: Vec<&String> = before
            .teams
            .keys()
            .filter(|k| !after.teams.contains_key(*k))
            .collect();
        let links = self
            .each(gone.clone(), |k| self.delete("Groups", &self.groups, k))
            .await;
        settle(links)?;
        for key in gone {
            self.groups.remove(key);
        }
        let links = self
            .each(gone_people.iter().copied().collect(), |k| {
                self.delete("Users", &self.users, k)
            })
            .await;
        settle(links)?;
        for key in gone_people {
            self.users.remove(key);
        }
        Ok(())
    }

    /// Reads everything back and says what is not as the tenant has it.
    pub async fn verify(&self, tenant: &Tenant) -> Result<Vec<String>> {
        let people: Vec<&Person> = tenant.people.values().collect();
        let mut wrong = settle_texts(self.each(people, |p| self.verify_user(p)).await)?;
        let teams: Vec<&Team> = tenant.teams.values().collect();
        wrong.extend(settle_texts(
            self.each(teams, |t| self.verify_group(t)).await,
        )?);
        let scope = [
            ("Users", tenant.people.len()),
            ("Groups", tenant.teams.len()),
        ];
        for (endpoint, expected) in scope {
            let total = self.total(endpoint).await?;
            if total != expected {
                wrong.push(format!(
                    "{endpoint}: {expected} in scope, the list says {total}"
                ));
            }
        }
        Ok(wrong)
    }

    async fn each<T, F>(&self, items: Vec<T>, work: impl Fn(T) -> F) -> Links
    where
        F: Future<Output = (String, Result<String>)>,
    {
        stream::iter(items.into_iter().map(work))
            .buffer_unordered(self.parallel)
            .collect()
            .await
    }

    /// Test Connection, and the start of every cycle.
    pub async fn probe(&self) -> Result<()> {
        let filter = format!("userName eq \"{}\"", uuid::Uuid::new_v4());
        let reply = self.scim.find("probe", "Users", &filter).await?;
        ensure!(reply.status == 200, "probe: {reply:?}");
        ensure!(reply.body["totalResults"] == 0, "probe: {reply:?}");
        Ok(())
    }

    async fn import_user(&self, person: &Person, send: Send) -> (String, Result<String>) {
        (
            person.external_id.clone(),
            self.try_import_user(person, send).await,
        )
    }

    async fn try_import_user(&self, person: &Person, send: Send) -> Result<String> {
        let filter = format!("userName eq {}", literal(&person.user_name));
        let found = self.scim.find("match user", "Users", &filter).await?;
        ensure!(found.status == 200, "{filter}: {found:?}");
        if let [there] = found.resources() {
            let id = there["id"].as_str().unwrap_or_default().to_owned();
            self.patch_user(&id, there, person, send).await?;
            return Ok(id);
        }
        ensure!(
            found.resources().is_empty(),
            "{filter} has more than one hit"
        );
        let reply = self
            .scim
            .send(
                "create user",
                Method::POST,
                "/Users",
                Some(person.to_scim().to_string()),
            )
            .await?;
        ensure!(
            reply.status == 201 && !reply.id().is_empty(),
            "POST {filter}: {reply:?}"
        );
        ensure!(
            reply.body["userName"] == json!(person.user_name),
            "userName is not echoed: {reply:?}"
        );
        Ok(reply.id())
    }

    async fn update_user(&self, person: &Person) -> (String, Result<String>) {
        (
            person.external_id.clone(),
            self.try_update_user(person).await,
        )
    }

    async fn try_update_user(&self, person: &Person) -> Result<String> {
        let id = linked(&self.users, &person.external_id)?;
        let there = self
            .scim
            .send("get user", Method::GET, &format!("/Users/{id}"), None)
            .await?;
        ensure!(there.status == 200, "GET user {id}: {there:?}");
        self.patch_user(&id, &there.body, person, Send::Differences)
            .await?;
        Ok(id)
    }

    async fn patch_user(&self, id: &str, there: &Value, person: &Person, send: Send) -> Result<()> {
        let changes: Vec<(String, Value)> = person
            .attributes()
            .into_iter()
            .filter(|(path, value)| {
                send == Send::Everything || read_path(there, path) != Some(value)
            })
            .collect();
        if changes.is_empty() {
            return Ok(());
        }
        let only_active = matches!(changes.as_slice(), [(path, _)] if path == "active");
        let kind = match (only_active, person.active) {
            (true, false) => "disable user".to_owned(),
            (true, true) => "restore user".to_owned(),
            _ => format!("patch user ({})", self.dialect.name()),
        };
        let reply = self
            .patch(&kind, &format!("/Users/{id}"), self.operations(changes))
            .await?;
        ensure!(
            matches!(reply.status, 200 | 204),
            "PATCH user {id}: {reply:?}"
        );
        Ok(())
    }

    /// The operations that set `changes`, in the job's dialect.
    pub fn operations(&self, changes: Vec<(String, Value)>) -> Value {
        match self.dialect {
            Dialect::Legacy => changes
                .into_iter()
                .map(|(path, value)| {
                    let value = match value {
                        Value::Bool(true) => json!("True"),
                        Value::Bool(false) => json!("False"),
                        other => other,
                    };
                    json!({ "op": "Replace", "path": path, "value": value })
                })
                .collect(),
            Dialect::Flagged => {
                let mut operations = Vec::new();
                let mut flat = serde_json::Map::new();
                for (path, value) in changes {
                    if path.contains('[') || path == "active" {
                        operations.push(json!({ "op": "replace", "path": path, "value": value }));
                    } else {
                        flat.insert(path, value);
                    }
                }
                if !flat.is_empty() {
                    operations.push(json!({ "op": "replace", "value": flat }));
                }
                Value::Array(operations)
            }
        }
    }

    async fn flow_manager(&self, person: &Person, send: Send) -> (String, Result<String>) {
        (
            person.external_id.clone(),
            self.try_flow_manager(person, send).await,
        )
    }

    async fn try_flow_manager(&self, person: &Person, send: Send) -> Result<String> {
        let id = linked(&self.users, &person.external_id)?;
        let path = format!("{ENTERPRISE}:manager");
        let operation = match &person.manager {
            Some(manager) => {
                let manager = linked(&self.users, manager)?;
                if send == Send::Differences && self.has_manager(&id, &manager).await? {
                    return Ok(id);
                }
                json!({ "op": if self.dialect == Dialect::Legacy { "Add" } else { "add" }, "path": path, "value": manager })
            }
            None => json!({ "op": "Replace", "path": path, "value": "" }),
        };
        let reply = self
            .patch("set manager", &format!("/Users/{id}"), json!([operation]))
            .await?;
        ensure!(
            matches!(reply.status, 200 | 204),
            "manager of {id}: {reply:?}"
        );
        Ok(id)
    }

    async fn has_manager(&self, id: &str, manager: &str) -> Result<bool> {
        let filter = format!("id eq \"{id}\" and manager eq \"{manager}\"");
        let path = format!(
            "/Users?filter={}&attributes=id",
            crate::scim::encode(&filter)
        );
        let reply = self
            .scim
            .send("reference check", Method::GET, &path, None)
            .await?;
        ensure!(reply.status == 200, "{filter}: {reply:?}");
        Ok(reply.body["totalResults"] == 1)
    }

    async fn import_group(&self, team: &Team, send: Send) -> (String, Result<String>) {
        (
            team.external_id.clone(),
            self.try_import_group(team, send).await,
        )
    }

    async fn try_import_group(&self, team: &Team, send: Send) -> Result<String> {
        let filter = format!("displayName eq {}", literal(&team.display));
        let path = format!(
            "/Groups?excludedAttributes=members&filter={}",
            crate::scim::encode(&filter)
        );
        let found = self
            .scim
            .send("match group", Method::GET, &path, None)
            .await?;
        ensure!(found.status == 200, "{filter}: {found:?}");
        if let Some(there) = found.resources().first() {
            ensure!(
                there.get("members").is_none(),
                "members were excluded: {found:?}"
            );
            let id = there["id"].as_str().unwrap_or_default().to_owned();
            if send == Send::Everything || there["displayName"] != json!(team.display) {
                self.put_name(&id, team).await?;
            }
            return Ok(id);
        }
        let body = json!({
            "schemas": [GROUP, AD_GROUP],
            "externalId": team.external_id,
            "displayName": team.display,
            "meta": { "resourceType": "Group" },
        });
        let reply = self
            .scim
            .send(
                "create group",
                Method::POST,
                "/Groups",
                Some(body.to_string()),
            )
            .await?;
        ensure!(
            reply.status == 201 && !reply.id().is_empty(),
            "POST {filter}: {reply:?}"
        );
        Ok(reply.id())
    }

    async fn rename_group(&self, team: &Team) -> (String, Result<String>) {
        let work = async {
            let id = linked(&self.groups, &team.external_id)?;
            self.put_name(&id, team).await?;
            Ok(id)
        };
        (team.external_id.clone(), work.await)
    }

    async fn put_name(&self, id: &str, team: &Team) -> Result<()> {
        let operation = match self.dialect {
            Dialect::Legacy => {
                json!({ "op": "Replace", "path": "displayName", "value": team.display })
            }
            Dialect::Flagged => {
                json!({ "op": "replace", "value": { "displayName": team.display } })
            }
        };
        let reply = self
            .patch("rename group", &format!("/Groups/{id}"), json!([operation]))
            .await?;
        ensure!(
            matches!(reply.status, 200 | 204),
            "rename group {id}: {reply:?}"
        );
        Ok(())
    }

    async fn flow_members(
        &self,
        team: &Team,
        old: BTreeSet<String>,
        new: BTreeSet<String>,
    ) -> (String, Result<String>) {
        (
            team.external_id.clone(),
            self.try_flow_members(team, &old, &new).await,
        )
    }

    async fn try_flow_members(
        &self,
        team: &Team,
        old: &BTreeSet<String>,
        new: &BTreeSet<String>,
    ) -> Result<String> {
        let id = linked(&self.groups, &team.external_id)?;
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for member in new.difference(old) {
            add.push(linked(&self.users, member)?);
        }
        for member in old.difference(new) {
            remove.push(linked(&self.users, member)?);
        }
        let values = |ids: &[String]| -> Value {
            ids.iter()
                .map(|m| json!({ "$ref": null, "value": m }))
                .collect()
        };
        for batch in add.chunks(20) {
            let op = if self.dialect == Dialect::Legacy {
                "Add"
            } else {
                "add"
            };
            let operations = json!([{ "op": op, "path": "members", "value": values(batch) }]);
            self.members("add members", &id, operations).await?;
        }
        for batch in remove.chunks(20) {
            let operations = match self.dialect {
                Dialect::Legacy => {
                    json!([{ "op": "Remove", "path": "members", "value": values(batch) }])
                }
                Dialect::Flagged => batch
                    .iter()
                    .map(
                        |m| json!({ "op": "remove", "path": format!("members[value eq \"{m}\"]") }),
                    )
                    .collect(),
            };
            self.members("remove members", &id, operations).await?;
        }
        Ok(id)
    }

    async fn members(&self, kind: &str, id: &str, operations: Value) -> Result<()> {
        let reply = self
            .patch(kind, &format!("/Groups/{id}"), operations)
            .await?;
        ensure!(reply.status == 204, "{kind} {id}: {reply:?}");
        Ok(())
    }

    async fn delete(
        &self,
        endpoint: &str,
        links: &BTreeMap<String, String>,
        key: &str,
    ) -> (String, Result<String>) {
        let work = async {
            let id = linked(links, key)?;
            let kind = if endpoint == "Users" {
                "delete user"
            } else {
                "delete group"
            };
            let reply = self
                .scim
                .send(kind, Method::DELETE, &format!("/{endpoint}/{id}"), None)
                .await?;
            ensure!(reply.status == 204, "DELETE {endpoint} {id}: {reply:?}");
            Ok(id)
        };
        (key.to_owned(), work.await)
    }

    async fn patch(&self, kind: &str, path: &str, operations: Value) -> Result<Reply> {
        let body = patch_op(&operations).to_string();
        self.scim.send(kind, Method::PATCH, path, Some(body)).await
    }

    async fn verify_user(&self, person: &Person) -> (String, Result<String>) {
        (
            person.external_id.clone(),
            self.try_verify_user(person).await,
        )
    }

    async fn try_verify_user(&self, person: &Person) -> Result<String> {
        let id = linked(&self.users, &person.external_id)?;
        let reply = self
            .scim
            .send("get user", Method::GET, &format!("/Users/{id}"), None)
            .await?;
        ensure!(reply.status == 200, "GET user {id}: {reply:?}");
        let mut wrong = Vec::new();
        for (path, value) in person.attributes() {
            let there = read_path(&reply.body, &path);
            if there != Some(&value) {
                wrong.push(format!("{path} is {there:?}, sent was {value}"));
            }
        }
        let manager = reply.body[ENTERPRISE]["manager"]["value"].as_str();
        let expected = person
            .manager
            .as_ref()
            .and_then(|m| self.users.get(m))
            .map(String::as_str);
        if manager != expected {
            wrong.push(format!("manager is {manager:?}, sent was {expected:?}"));
        }
        Ok(wrong.join("; "))
    }

    async fn verify_group(&self, team: &Team) -> (String, Result<String>) {
        (team.external_id.clone(), self.try_verify_group(team).await)
    }

    async fn try_verify_group(&self, team: &Team) -> Result<String> {
        let id = linked(&self.groups, &team.external_id)?;
        let reply = self
            .scim
            .send("get group", Method::GET, &format!("/Groups/{id}"), None)
            .await?;
        ensure!(reply.status == 200, "GET group {id}: {reply:?}");
        let mut wrong = Vec::new();
        if reply.body["displayName"] != json!(team.display) {
            wrong.push(format!(
                "displayName is {}, sent was {:?}",
                reply.body["displayName"], team.display
            ));
        }
        let there: BTreeSet<&str> = reply.body["members"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|m| m["value"].as_str())
            .collect();
        let expected: BTreeSet<&str> = team
            .members
            .iter()
            .filter_map(|m| self.users.get(m))
            .map(String::as_str)
            .collect();
        if there != expected {
            wrong.push(format!(
                "{} members, sent were {}",
                there.len(),
                expected.len()
            ));
        }
        Ok(wrong.join("; "))
    }
}

fn linked(links: &BTreeMap<String, String>, key: &str) -> Result<String> {
    links
        .get(key)
        .cloned()
        .ok_or_else(|| anyhow::anyhow!("{key} has no link yet"))
}

/// The links, or the first five failures.
fn settle(links: Links) -> Result<BTreeMap<String, String>> {
    let mut good = BTreeMap::new();
    let mut bad = Vec::new();
    for (key, link) in links {
        match link {
            Ok(id) => {
                good.insert(key, id);
            }
            Err(error) => bad.push(format!("{key}: {error:#}")),
        }
    }
    let count = bad.len();
    bad.truncate(5);
    ensure!(count == 0, "{count} objects failed:\n{}", bad.join("\n"));
    Ok(good)
}

/// The differences found, each with its object.
fn settle_texts(links: Links) -> Result<Vec<String>> {
    Ok(settle(links)?
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(key, text)| format!("{key}: {text}"))
        .collect())
}
