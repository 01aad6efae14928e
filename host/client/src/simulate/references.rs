//! References, written after both of their ends are there: managers and members (entra.md 1.3 step 5, 1.6).

use serde_json::Value;

use super::dialect::body;
use super::escrow::Entry;
use super::failure::{ErrorCode, Failure};
use super::kind::Kind;
use super::log::{Action, StepType};
use super::mapping::MANAGER;
use super::service::Service;
use super::state::{GroupLink, Origin, UserLink};
use super::tenant::{Group, User};
use super::wire::{Request, item};
use super::work::{Done, Effect, End, Outcome, Work};
use crate::http::{encode, literal};

/// Members in one PATCH. No limit is documented; the service sends several, and several requests.
const BATCH: usize = 20;

/// Where the other end of a reference is.
enum OtherEnd<'a> {
    /// In the target, under this id.
    There(&'a str),
    /// In scope, but not there yet: it failed.
    Awaited,
    /// Not in scope. Skipped without a word, and not looked at again until a restart.
    OutOfScope,
}

impl Service<'_> {
    fn other_end(&self, key: &str) -> OtherEnd<'_> {
        let user = self.tenant.users.get(key).filter(|user| user.in_scope());
        match (user, self.state.users.get(key)) {
            (Some(_), Some(link)) => OtherEnd::There(&link.id),
            (Some(user), None) if user.account_enabled => OtherEnd::Awaited,
            _ => OtherEnd::OutOfScope,
        }
    }

    /// A user whose manager may have changed.
    pub(crate) async fn manager(&self, user: &User) -> Done {
        let mut work = Work::new(Entry::Manager(user.id.clone()), &user.user_principal_name);
        work.begin(StepType::ReferenceResolution);
        let outcome = self.try_manager(user, &mut work).await;
        work.finish(outcome.map_err(Failure::of_a_reference))
    }

    async fn try_manager(&self, user: &User, work: &mut Work) -> Outcome {
        let Some(link) = self.state.users.get(&user.id) else {
            return Ok(End::Skipped("the user is not in the target".to_owned()));
        };
        work.target = Some(link.id.clone());
        if !user.in_scope() {
            return Ok(End::Skipped("the user is out of scope".to_owned()));
        }
        if link.manager == user.manager {
            return Ok(End::Skipped("the target has it already".to_owned()));
        }
        if link.manager_skipped.is_some() && link.manager_skipped == user.manager {
            return Ok(End::Skipped("the manager was out of scope".to_owned()));
        }
        let dialect = self.dialect(&user.id);
        let (kind, operations) = match &user.manager {
            None => (Kind::ClearManager, dialect.clear_manager()),
            Some(manager) => match self.other_end(manager) {
                OtherEnd::Awaited => return Err(awaited(&[manager])),
                OtherEnd::OutOfScope => {
                    work.effect = Effect::User(UserLink {
                        manager_skipped: Some(manager.clone()),
                        ..link.clone()
                    });
                    return Ok(End::Skipped("the manager is out of scope".to_owned()));
                }
                OtherEnd::There(id) => {
                    // What was found, and not made, may have it already.
                    if link.origin == Origin::Matched
                        && !link.manager_written
                        && self.refers("Users", &link.id, "manager", id).await?
                    {
                        work.effect = Effect::User(written(link, user));
                        return Ok(End::Skipped("the target has it already".to_owned()));
                    }
                    (
                        Kind::SetManager,
                        dialect.set_manager(id, link.manager.is_some()),
                    )
                }
            },
        };
        work.action = Action::Update;
        let value = |key: &Option<String>| key.as_deref().map(Value::from);
        work.modified(MANAGER, value(&link.manager), value(&user.manager));
        let path = item("Users", &link.id);
        self.wire
            .ask(
                Request::new(kind, &path).of(&link.id),
                Some(body(&operations)),
            )
            .await?;
        work.effect = Effect::User(written(link, user));
        work.done("manager");
        Ok(End::Done)
    }

    /// A group whose members may have changed.
    pub(crate) async fn members(&self, group: &Group) -> Done {
        let mut work = Work::new(Entry::Members(group.id.clone()), &group.display_name);
        work.begin(StepType::ReferenceResolution);
        let outcome = self.try_members(group, &mut work).await;
        work.finish(outcome.map_err(Failure::of_a_reference))
    }

    async fn try_members(&self, group: &Group, work: &mut Work) -> Outcome {
        let Some(link) = self.state.groups.get(&group.id) else {
            return Ok(End::Skipped("the group is not in the target".to_owned()));
        };
        work.target = Some(link.id.clone());
        let mut link = link.clone();
        link.skipped.retain(|member| group.members.contains(member));
        let (mut add, mut pending) = (Vec::new(), Vec::new());
        for member in &group.members {
            if link.members.contains(member) || link.skipped.contains(member) {
                continue;
            }
            match self.other_end(member) {
                OtherEnd::There(id) => add.push((member.as_str(), id)),
                OtherEnd::Awaited => pending.push(member),
                OtherEnd::OutOfScope => {
                    link.skipped.insert(member.clone());
                }
            }
        }
        // Whoever is deleted leaves the group by being deleted.
        let leavers: Vec<String> = link
            .members
            .iter()
            .filter(|member| {
                !group.members.contains(*member) && self.tenant.users.contains_key(*member)
            })
            .cloned()
            .collect();
        let remove: Vec<(&str, &str)> = leavers
            .iter()
            .filter_map(|member| Some((member.as_str(), self.state.users.get(member)?.id.as_str())))
            .collect();
        if link.origin == Origin::Matched && link.members.is_empty() {
            add = self.not_there(&mut link, add).await?;
        }
        work.effect = Effect::Group(link.clone());
        if add.is_empty() && remove.is_empty() && pending.is_empty() {
            return Ok(End::Skipped("the target has them already".to_owned()));
        }
        work.action = Action::Update;
        let dialect = self.dialect(&group.id);
        for batch in add.chunks(BATCH) {
            let ids: Vec<&str> = batch.iter().map(|(_, id)| *id).collect();
            self.write_members(Kind::AddMembers, &link, &dialect.add_members(&ids))
                .await?;
            for (member, _) in batch {
                work.modified("members", None, Some(Value::from(*member)));
                link.members.insert((*member).to_owned());
            }
            work.effect = Effect::Group(link.clone());
        }
        for batch in remove.chunks(BATCH) {
            let ids: Vec<&str> = batch.iter().map(|(_, id)| *id).collect();
            self.write_members(Kind::RemoveMembers, &link, &dialect.remove_members(&ids))
                .await?;
            for (member, _) in batch {
                work.modified("members", Some(Value::from(*member)), None);
                link.members.remove(*member);
            }
            work.effect = Effect::Group(link.clone());
        }
        if !pending.is_empty() {
            return Err(awaited(&pending));
        }
        let description = format!("{} added, {} removed", add.len(), remove.len());
        work.done(description);
        Ok(End::Done)
    }

    async fn write_members(
        &self,
        kind: Kind,
        link: &GroupLink,
        operations: &Value,
    ) -> Result<(), Failure> {
        let path = item("Groups", &link.id);
        self.wire
            .ask(
                Request::new(kind, &path).of(&link.id),
                Some(body(operations)),
            )
            .await?;
        Ok(())
    }

    /// Those of `members` that a group which was found lacks.
    async fn not_there<'a>(
        &self,
        link: &mut GroupLink,
        members: Vec<(&'a str, &'a str)>,
    ) -> Result<Vec<(&'a str, &'a str)>, Failure> {
        let mut lacking = Vec::new();
        for (member, id) in members {
            if self.refers("Groups", &link.id, "members", id).await? {
                link.members.insert(member.to_owned());
            } else {
                lacking.push((member, id));
            }
        }
        Ok(lacking)
    }

    /// Whether a resource refers to another: the documented reference check.
    async fn refers(
        &self,
        endpoint: &str,
        id: &str,
        attribute: &str,
        other: &str,
    ) -> Result<bool, Failure> {
        let filter = format!(
            "id eq {} and {attribute} eq {}",
            literal(id),
            literal(other)
        );
        let path = format!("/{endpoint}?filter={}&attributes=id", encode(&filter));
        let found = self
            .wire
            .ask(Request::new(Kind::ReferenceCheck, &path), None)
            .await?;
        Ok(!found.resources().is_empty())
    }
}

fn written(link: &UserLink, user: &User) -> UserLink {
    UserLink {
        manager: user.manager.clone(),
        manager_written: true,
        manager_skipped: None,
        ..link.clone()
    }
}

fn awaited(keys: &[&String]) -> Failure {
    let list: Vec<&str> = keys.iter().take(5).map(|key| key.as_str()).collect();
    Failure::new(
        ErrorCode::ReferenceNotResolved,
        format!(
            "{} referenced users are not in the target yet: {}",
            keys.len(),
            list.join(", ")
        ),
    )
}
