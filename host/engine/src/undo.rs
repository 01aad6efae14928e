//! Undo: what an account tells of is taken back, through the same door as every other write.
//!
//! | the account tells of | it is taken back by |
//! |---|---|
//! | create | a delete |
//! | update, disable, enable | the values that were there before |
//! | members | those who came leave, those who left come |
//! | delete | a create under the same SCIM id, without a password; and its groups |
//!
//! What has changed since is not written over unless that is wanted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use tombolo_scim::patch::MemberEdit;
use tombolo_scim::resource::{Document, Member, Resource};

use crate::app::App;
use crate::audit::{Account, Action, Outcome};
use crate::error::Error;
use crate::kind::Kind;
use crate::plan::Plan;
use crate::request::Request;

/// Several accounts as one for each thing that they change: of what was changed twice the oldest value is wanted back,
/// and the newest must be there. The newest comes first.
pub fn fold(accounts: Vec<Account>) -> Vec<Account> {
    let mut folded: Vec<Account> = Vec::new();
    let mut open: BTreeMap<(String, String), usize> = BTreeMap::new();
    for account in accounts {
        if account.outcome != Outcome::Success {
            continue;
        }
        let key = (
            account.app.clone(),
            account.resource.clone().unwrap_or_default(),
        );
        let writes =
            |of: &Account| matches!(of.action, Action::Update | Action::Disable | Action::Enable);
        match account.action {
            Action::Update | Action::Disable | Action::Enable => {
                let earlier = open.get(&key).and_then(|at| folded.get_mut(*at));
                match earlier {
                    Some(earlier) if writes(earlier) => merge(earlier, account),
                    _ => {
                        open.insert(key, folded.len());
                        folded.push(account);
                    }
                }
            }
            Action::Create | Action::Delete | Action::Members => {
                if account.action != Action::Members {
                    open.remove(&key);
                }
                folded.push(account);
            }
            Action::Password
            | Action::HandOver
            | Action::Pause
            | Action::Resume
            | Action::Vanish
            | Action::Hold
            | Action::Reject
            | Action::Retention
            | Action::Import
            | Action::Adopt => {}
        }
    }
    folded.reverse();
    folded
}

fn merge(earlier: &mut Account, later: Account) {
    let names: Vec<String> = changed(&later.before, &later.after).cloned().collect();
    for name in names {
        let known = earlier.before.contains_key(&name) || earlier.after.contains_key(&name);
        if !known && let Some(before) = later.before.get(&name) {
            earlier.before.insert(name.clone(), before.clone());
        }
        match later.after.get(&name) {
            Some(after) => {
                earlier.after.insert(name, after.clone());
            }
            None => {
                earlier.after.shift_remove(&name);
                // It was there in between: that it is gone now has to be remembered.
                earlier.before.entry(name).or_insert(Value::Null);
            }
        }
    }
    earlier.id = later.id;
}

fn changed<'a>(
    before: &'a Map<String, Value>,
    after: &'a Map<String, Value>,
) -> impl Iterator<Item = &'a String> {
    let new = after.keys().filter(|name| !before.contains_key(*name));
    before.keys().chain(new)
}

/// What takes an account back.
enum Back {
    Delete,
    Write(Resource),
    Members(Vec<MemberEdit>),
    Create(Document),
}

impl App {
    /// What taking an account back would do.
    pub async fn plan_undo(&self, r: &Request, account: &Account, anyway: bool) -> Plan {
        let mut plan = Plan::new(&account.kind, account.resource.as_deref());
        if let Err(error) = self.plan_back(r, account, anyway, &mut plan).await {
            plan.problem(&error);
        }
        plan
    }

    async fn plan_back(
        &self,
        r: &Request,
        account: &Account,
        anyway: bool,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let r = &r.operation().undoing(&account.id);
        let kind = self.kind_named(&account.kind)?;
        let id = subject(account)?;
        let back = self.back(kind, id, account, anyway).await?;
        if let Back::Create(document) = back {
            return self.plan_create(r, kind, document, plan).await;
        }
        let stored = self.as_mirrored(kind, id, None).await?;
        match back {
            Back::Delete => self.plan_delete(r, kind, id, &stored, plan).await,
            Back::Write(wanted) => {
                self.plan_change(r, kind, id, &stored, wanted, &[], plan)
                    .await
            }
            Back::Members(edits) => {
                let present = stored.record.resource.clone();
                self.plan_change(r, kind, id, &stored, present, &edits, plan)
                    .await
            }
            Back::Create(_) => Ok(()),
        }
    }

    /// Takes back what an account tells of.
    ///
    /// # Errors
    /// It cannot be taken back, has changed since, or the target fails.
    pub async fn undo(
        self: &Arc<Self>,
        r: &Request,
        account: &Account,
        anyway: bool,
    ) -> Result<(), Error> {
        let kind = self.kind_named(&account.kind)?;
        let id = subject(account)?.to_owned();
        let mut r = r.operation().undoing(&account.id);
        r.by.activity.clone_from(&account.by.activity);
        let back = self.back(kind, &id, account, anyway).await?;
        let told = r.told(match back {
            Back::Delete => Action::Delete,
            Back::Write(_) => Action::Update,
            Back::Members(_) => Action::Members,
            Back::Create(_) => Action::Create,
        });
        let groups = account.groups.clone();
        let (app, ty, of) = (Arc::clone(self), account.kind.clone(), id.clone());
        let write = async move {
            match back {
                Back::Delete => app.delete_inner(&r, &ty, &of, None).await,
                Back::Write(wanted) => app.write_inner(&r, &ty, &of, wanted, &[]).await,
                Back::Members(edits) => {
                    let kind = app.kind_named(&ty)?;
                    let present = app.as_mirrored(kind, &of, None).await?.record.resource;
                    app.write_inner(&r, &ty, &of, present, &edits).await
                }
                Back::Create(document) => {
                    app.create_as(&r, &ty, document, of.clone()).await?;
                    app.join_again(&r, &of, &groups).await
                }
            }
        };
        self.to_its_end(told, kind.ty(), Some(&id), write).await
    }

    /// Who is back is put back into the groups that are still there.
    async fn join_again(
        self: &Arc<Self>,
        r: &Request,
        id: &str,
        groups: &[String],
    ) -> Result<(), Error> {
        for group in groups {
            for kind in self.kinds.iter().filter(|kind| kind.ty().has_members()) {
                let Some(stored) = self.load(kind, group).await? else {
                    continue;
                };
                let edits = [MemberEdit::Add(vec![member(id)])];
                let ty = kind.ty().name.clone();
                let present = stored.record.resource;
                self.write_inner(r, &ty, group, present, &edits).await?;
            }
        }
        Ok(())
    }

    async fn back(
        &self,
        kind: &Kind,
        id: &str,
        account: &Account,
        anyway: bool,
    ) -> Result<Back, Error> {
        let present = self.load(kind, id).await?;
        let differs = |what: String| {
            Err(Error::Changed {
                what: format!("the {} `{id}` was changed since: {what}", account.kind),
            })
        };
        if account.action == Action::Delete {
            if present.is_some() {
                return differs("it is there again".to_owned());
            }
            let resource = Resource::from_map(account.before.clone());
            let members = account.members.as_ref();
            return Ok(Back::Create(Document {
                resource,
                members: members
                    .map(|members| members.removed.iter().map(|id| member(id)).collect()),
                ignored: Vec::new(),
            }));
        }
        let Some(present) = present else {
            return Err(Error::NotFound {
                kind: account.kind.clone(),
                id: id.to_owned(),
            });
        };
        let present = present.record.resource;
        let names: Vec<&String> = changed(&account.before, &account.after).collect();
        let other = names
            .iter()
            .find(|name| present.get(name.as_str()) != account.after.get(name.as_str()));
        if let (Some(name), false) = (other, anyway) {
            return differs(format!("`{name}` has another value"));
        }
        match account.action {
            Action::Create => Ok(Back::Delete),
            Action::Update | Action::Disable | Action::Enable => {
                let mut wanted = present;
                for name in names {
                    match account.before.get(name) {
                        Some(before) if !before.is_null() => {
                            wanted.as_map_mut().insert(name.clone(), before.clone());
                        }
                        _ => {
                            wanted.take(name);
                        }
                    }
                }
                Ok(Back::Write(wanted))
            }
            Action::Members => {
                let members = account.members.clone().unwrap_or_default();
                let left = members.removed.iter().map(|id| member(id)).collect();
                Ok(Back::Members(vec![
                    MemberEdit::Remove(members.added),
                    MemberEdit::Add(left),
                ]))
            }
            _ => Err(Error::Policy(format!(
                "record `{}` tells of nothing that can be taken back",
                account.id
            ))),
        }
    }
}

fn subject(account: &Account) -> Result<&str, Error> {
    match (&account.resource, account.outcome) {
        (Some(id), Outcome::Success) => Ok(id),
        _ => Err(Error::Policy(format!(
            "record `{}` tells of something that was not done",
            account.id
        ))),
    }
}

fn member(id: &str) -> Member {
    Member {
        value: id.to_owned(),
        kind: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::{Change, Told};

    fn told(action: Action, before: &Value, after: &Value) -> Account {
        let resource =
            |map: &Value| Resource::from_map(map.as_object().cloned().unwrap_or_default());
        let change = Change::between(&resource(before), &resource(after));
        Told::by_host(action).success("hr", "User", "1", "a", None, change)
    }

    #[test]
    fn of_what_changed_twice_the_oldest_comes_back_and_the_newest_must_be_there() {
        let folded = fold(vec![
            told(
                Action::Update,
                &json!({ "title": "a" }),
                &json!({ "title": "b", "nickName": "x" }),
            ),
            told(
                Action::Update,
                &json!({ "title": "b", "nickName": "x" }),
                &json!({ "title": "c" }),
            ),
        ]);
        assert_eq!(folded.len(), 1);
        assert_eq!(
            json!(folded[0].before),
            json!({ "title": "a", "nickName": null })
        );
        assert_eq!(json!(folded[0].after), json!({ "title": "c" }));
    }

    #[test]
    fn the_newest_is_taken_back_first_and_what_was_not_done_not_at_all() {
        let mut failed = told(Action::Update, &json!({}), &json!({ "title": "x" }));
        failed.outcome = Outcome::Failure;
        let folded = fold(vec![
            told(Action::Create, &json!({}), &json!({ "title": "a" })),
            failed,
            told(Action::Delete, &json!({ "title": "a" }), &json!({})),
        ]);
        let actions: Vec<_> = folded.iter().map(|account| account.action).collect();
        assert_eq!(actions, [Action::Delete, Action::Create]);
    }
}
