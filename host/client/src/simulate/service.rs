//! The service within one cycle: users and groups, each by itself, in the order and shapes of entra.md 1.3 to 1.7.
//!
//! It reads the state and changes nothing in it; what an object leaves behind comes back as an
//! [`Effect`](super::work::Effect). So any number of objects can be under way at once.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde_json::Value;

use super::dialect::{Change, Dialect, Dialects, body};
use super::escrow::Entry;
use super::failure::{ErrorCode, Failure};
use super::kind::Kind;
use super::log::{Action, StepType};
use super::mapping::{self, Mapping};
use super::path::Path;
use super::state::{GroupLink, Origin, State, UserLink};
use super::tenant::{Group, Tenant, User};
use super::wire::{Request, Wire, item, query};
use super::work::{Done, Effect, End, Outcome, Work};
use crate::http::literal;

/// One cycle's view.
pub(crate) struct Service<'a> {
    pub(crate) wire: &'a Wire,
    pub(crate) mapping: &'a Mapping,
    pub(crate) state: &'a State,
    pub(crate) tenant: &'a Tenant,
    pub(crate) dialects: Dialects,
    pub(crate) seed: u64,
    pub(crate) cycle: u64,
    /// Who has which object of the target, so that no two objects of the source are joined to one.
    pub(crate) claims: &'a Claims,
}

/// Source ids by target id.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<HashMap<String, String>>);

impl Claims {
    pub(crate) fn new(state: &State) -> Self {
        let users = state
            .users
            .iter()
            .map(|(key, link)| (link.id.clone(), key.clone()));
        let groups = state
            .groups
            .iter()
            .map(|(key, link)| (link.id.clone(), key.clone()));
        Self(Mutex::new(users.chain(groups).collect()))
    }

    /// Takes an object of the target for `key`.
    fn claim(&self, id: &str, key: &str) -> Result<(), Failure> {
        let mut claims = self.0.lock();
        match claims.get(id) {
            Some(other) if other != key => Err(Failure::new(
                ErrorCode::DuplicateSourceEntries,
                format!("the match `{id}` in the target belongs to `{other}` of the source"),
            )),
            _ => {
                claims.insert(id.to_owned(), key.to_owned());
                Ok(())
            }
        }
    }
}

impl Service<'_> {
    /// The dialect in which one object is written in this cycle.
    pub(crate) fn dialect(&self, key: &str) -> Dialect {
        self.dialects.choose(self.seed, key, self.cycle)
    }

    /// A user that is new, has changed, or is tried again.
    pub(crate) async fn user(&self, user: &User) -> Done {
        let mut work = Work::new(Entry::User(user.id.clone()), &user.user_principal_name);
        let outcome = self.try_user(user, &mut work).await;
        work.finish(outcome)
    }

    async fn try_user(&self, user: &User, work: &mut Work) -> Outcome {
        work.done("read from the source");
        match self.state.users.get(&user.id) {
            None if user.is_soft_deleted() => Ok(End::Skipped(
                "the user is not active, or not in scope, and was never provisioned".to_owned(),
            )),
            None => self.import_user(user, work).await,
            Some(link) => {
                work.target = Some(link.id.clone());
                if !user.in_scope() && !link.active {
                    // Only remembered: a deletion that follows an unassignment reaches nobody.
                    work.effect = Effect::User(UserLink {
                        unassigned: !user.assigned,
                        ..link.clone()
                    });
                    return Ok(End::Skipped(
                        "out of scope, and disabled already".to_owned(),
                    ));
                }
                self.update_user(user, link, work).await
            }
        }
    }

    /// Match, then create or join.
    async fn import_user(&self, user: &User, work: &mut Work) -> Outcome {
        work.begin(StepType::Matching);
        let name = &user.user_principal_name;
        let path = query("Users", &format!("userName eq {}", literal(name)));
        let found = self
            .wire
            .ask(
                Request::new(Kind::MatchUser, &path).matching("userName", name),
                None,
            )
            .await?;
        if let Some(there) = found.resources().first() {
            let id = there["id"].as_str().unwrap_or_default();
            work.done(format!("matched `{id}` by userName"));
            work.target = Some(id.to_owned());
            self.claims.claim(id, &user.id)?;
            let link = UserLink {
                id: id.to_owned(),
                ..UserLink::default()
            };
            return self.write_user(user, &link, there, work).await;
        }
        work.done("no match");
        work.act(Action::Create);
        for (path, value) in self.mapping.user(user) {
            work.modified(path.text(), None, Some(value));
        }
        let body = self.mapping.user_body(user).to_string();
        let request = Request::new(Kind::CreateUser, "/Users").matching("userName", name);
        let made = self.wire.ask(request, Some(body)).await?;
        let id = made.id().unwrap_or_default();
        self.claims.claim(id, &user.id)?;
        work.done(format!("created `{id}`"));
        work.target = Some(id.to_owned());
        work.effect = Effect::User(UserLink {
            id: id.to_owned(),
            active: true,
            origin: Origin::Created,
            ..UserLink::default()
        });
        Ok(End::Done)
    }

    /// The linked object is read before it is written.
    async fn update_user(&self, user: &User, link: &UserLink, work: &mut Work) -> Outcome {
        let path = item("Users", &link.id);
        let there = self
            .wire
            .ask(Request::new(Kind::GetUser, &path).of(&link.id), None)
            .await?;
        self.write_user(user, link, &there.body, work).await
    }

    /// Writes what differs.
    async fn write_user(
        &self,
        user: &User,
        link: &UserLink,
        there: &Value,
        work: &mut Work,
    ) -> Outcome {
        let changes = self.changes(user, there);
        let active = !user.is_soft_deleted();
        let written = Effect::User(UserLink {
            active,
            unassigned: !user.assigned,
            ..link.clone()
        });
        if changes.is_empty() {
            work.effect = written;
            return Ok(End::Skipped("the target has it all already".to_owned()));
        }
        let flips = changes.iter().any(|change| change.path.text() == "active");
        work.act(if flips && !active {
            Action::Disable
        } else {
            Action::Update
        });
        let kind = match (changes.len(), flips) {
            (1, true) if active => Kind::RestoreUser,
            (1, true) => Kind::DisableUser,
            _ => Kind::PatchUser,
        };
        // A join is kept even if the update fails: it is never matched again.
        work.effect = Effect::User(link.clone());
        for change in &changes {
            work.modified(
                change.path.text(),
                change.old.clone(),
                Some(change.new.clone()),
            );
        }
        let operations = self.dialect(&user.id).update(&changes);
        let path = item("Users", &link.id);
        self.wire
            .ask(
                Request::new(kind, &path).of(&link.id),
                Some(body(&operations)),
            )
            .await?;
        work.effect = written;
        work.done(format!("{} attributes", changes.len()));
        Ok(End::Done)
    }

    /// What the source has and the target has not. Out of scope, nothing but `active` flows.
    fn changes(&self, user: &User, there: &Value) -> Vec<Change<'_>> {
        let only_active = !user.in_scope();
        self.mapping
            .user(user)
            .into_iter()
            .filter(|(path, _)| !only_active || path.text() == "active")
            .filter_map(|(path, new)| differs(path, there, new))
            .collect()
    }

    /// A user that is gone from the source.
    pub(crate) async fn delete_user(&self, key: &str) -> Done {
        let mut work = Work::new(Entry::User(key.to_owned()), key);
        let outcome = match self.state.users.get(key) {
            None => Ok(End::Skipped("there is no link".to_owned())),
            Some(link) if link.unassigned => {
                work.target = Some(link.id.clone());
                work.effect = Effect::Gone;
                Ok(End::Skipped(
                    "unassigned before it was deleted: not managed any more".to_owned(),
                ))
            }
            Some(link) => {
                self.delete(Kind::DeleteUser, "Users", &link.id, &mut work)
                    .await
            }
        };
        work.finish(outcome)
    }

    /// A group that is gone from the source, or from the scope.
    pub(crate) async fn delete_group(&self, key: &str) -> Done {
        let mut work = Work::new(Entry::Group(key.to_owned()), key);
        let outcome = match self.state.groups.get(key) {
            None => Ok(End::Skipped("there is no link".to_owned())),
            Some(link) => {
                self.delete(Kind::DeleteGroup, "Groups", &link.id, &mut work)
                    .await
            }
        };
        work.finish(outcome)
    }

    async fn delete(&self, kind: Kind, endpoint: &str, id: &str, work: &mut Work) -> Outcome {
        work.act(Action::Delete);
        work.target = Some(id.to_owned());
        let path = item(endpoint, id);
        let again = self.state.escrow.get(work.entry()).is_some();
        self.wire
            .ask(Request::new(kind, &path).of(id).again(again), None)
            .await?;
        work.effect = Effect::Gone;
        work.done("deleted");
        Ok(End::Done)
    }

    /// A group that is new, has changed, or is tried again. Members come later.
    pub(crate) async fn group(&self, group: &Group) -> Done {
        let mut work = Work::new(Entry::Group(group.id.clone()), &group.display_name);
        let outcome = self.try_group(group, &mut work).await;
        work.finish(outcome)
    }

    async fn try_group(&self, group: &Group, work: &mut Work) -> Outcome {
        work.done("read from the source");
        if let Some(link) = self.state.groups.get(&group.id) {
            work.target = Some(link.id.clone());
            let path = format!("{}?excludedAttributes=members", item("Groups", &link.id));
            let there = self
                .wire
                .ask(Request::new(Kind::GetGroup, &path).of(&link.id), None)
                .await?;
            return self.write_group(group, link, &there.body, work).await;
        }
        work.begin(StepType::Matching);
        let name = &group.display_name;
        let path = query("Groups", &format!("displayName eq {}", literal(name)));
        let found = self
            .wire
            .ask(
                Request::new(Kind::MatchGroup, &path).matching("displayName", name),
                None,
            )
            .await?;
        if let Some(there) = found.resources().first() {
            let id = there["id"].as_str().unwrap_or_default();
            work.done(format!("matched `{id}` by displayName"));
            work.target = Some(id.to_owned());
            self.claims.claim(id, &group.id)?;
            let link = GroupLink {
                id: id.to_owned(),
                ..GroupLink::default()
            };
            return self.write_group(group, &link, there, work).await;
        }
        work.done("no match");
        work.act(Action::Create);
        for (path, value) in mapping::group(group) {
            work.modified(path, None, Some(Value::from(value)));
        }
        let body = mapping::group_body(group).to_string();
        let request = Request::new(Kind::CreateGroup, "/Groups").matching("displayName", name);
        let made = self.wire.ask(request, Some(body)).await?;
        let id = made.id().unwrap_or_default();
        self.claims.claim(id, &group.id)?;
        work.done(format!("created `{id}`"));
        work.target = Some(id.to_owned());
        work.effect = Effect::Group(GroupLink {
            id: id.to_owned(),
            origin: Origin::Created,
            ..GroupLink::default()
        });
        Ok(End::Done)
    }

    async fn write_group(
        &self,
        group: &Group,
        link: &GroupLink,
        there: &Value,
        work: &mut Work,
    ) -> Outcome {
        work.effect = Effect::Group(link.clone());
        let paths: Vec<(Path, Value)> = mapping::group(group)
            .into_iter()
            .filter_map(|(path, value)| Some((Path::parse(path).ok()?, Value::from(value))))
            .collect();
        let changes: Vec<Change<'_>> = paths
            .iter()
            .filter_map(|(path, new)| differs(path, there, new.clone()))
            .collect();
        if changes.is_empty() {
            return Ok(End::Skipped("the target has it all already".to_owned()));
        }
        work.act(Action::Update);
        for change in &changes {
            work.modified(
                change.path.text(),
                change.old.clone(),
                Some(change.new.clone()),
            );
        }
        let operations = self.dialect(&group.id).update(&changes);
        let path = item("Groups", &link.id);
        self.wire
            .ask(
                Request::new(Kind::PatchGroup, &path).of(&link.id),
                Some(body(&operations)),
            )
            .await?;
        work.done(format!("{} attributes", changes.len()));
        Ok(End::Done)
    }
}

fn differs<'a>(path: &'a Path, there: &Value, new: Value) -> Option<Change<'a>> {
    let old = path.read(there).cloned();
    (old.as_ref() != Some(&new)).then_some(Change { path, old, new })
}
