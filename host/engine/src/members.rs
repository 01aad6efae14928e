//! Memberships: one key a member, each way. Adding one member to a group of
//! 50,000 writes two keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tombolo_runtime::Call;
use tombolo_runtime::contract::Fault;
use tombolo_scim::error::Error as ScimError;
use tombolo_scim::patch::MemberEdit;
use tombolo_scim::resource::Member;
use tombolo_store::{Commit, Range};
use uuid::Uuid;

use crate::app::App;
use crate::audit::{Account, Action, Change, Members, Told, label};
use crate::error::Error;
use crate::keys::id_of;
use crate::kind::Kind;
use crate::reconcile::Stored;
use crate::record::{Step, decode, encode};
use crate::request::Request;

/// Members a page when the target lists them.
const PAGE: u32 = 1000;

/// Who comes (with the kind's resource type) and who goes, by SCIM id.
#[derive(Debug, Default)]
pub(crate) struct MemberPlan {
    add: BTreeMap<String, Linked>,
    remove: BTreeSet<String>,
    /// Those who are out of scope, or disabled and out of their groups: they come when they are back.
    later: BTreeSet<String>,
    /// Those who were to come when they are back, and are not any more.
    no_more: BTreeSet<String>,
}

/// A member that the host knows.
#[derive(Clone, Debug)]
struct Linked {
    ty: String,
    /// None where there is no object.
    anchor: Option<String>,
}

impl MemberPlan {
    /// Who comes and who goes.
    pub(crate) fn ids(&self) -> (Vec<String>, Vec<String>) {
        let added = self.add.keys().cloned().collect();
        (added, self.remove.iter().cloned().collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.touches_nobody() && self.later.is_empty() && self.no_more.is_empty()
    }

    /// The host does it by itself: whoever leaves is to come back.
    pub(crate) fn for_a_while(mut self) -> Self {
        self.no_more.clear();
        self
    }

    /// Whether the target has nothing to do.
    fn touches_nobody(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

impl App {
    /// Folds the edits, in their order, into who has to come and who has to go.
    /// Adding a member that is there and removing one that is not are no change.
    pub(crate) async fn plan_members(
        &self,
        kind: &Kind,
        group: &str,
        edits: &[MemberEdit],
    ) -> Result<MemberPlan, Error> {
        let mut plan = MemberPlan::default();
        for edit in edits {
            match edit {
                MemberEdit::Add(members) => self.plan_add(kind, group, &mut plan, members).await?,
                MemberEdit::Remove(ids) => {
                    for id in ids {
                        self.plan_remove(group, &mut plan, id).await?;
                    }
                }
                MemberEdit::RemoveMatching(filter) => {
                    for (id, value) in self.present_members(group, &plan).await? {
                        if filter.matches_member(kind.ty(), &value) {
                            self.plan_remove(group, &mut plan, &id).await?;
                        }
                    }
                }
                MemberEdit::Clear => self.plan_replace(kind, group, &mut plan, &[]).await?,
                MemberEdit::Replace(members) => {
                    self.plan_replace(kind, group, &mut plan, members).await?;
                }
            }
        }
        Ok(plan)
    }

    async fn plan_add(
        &self,
        kind: &Kind,
        group: &str,
        plan: &mut MemberPlan,
        members: &[Member],
    ) -> Result<(), Error> {
        for member in members {
            let linked = self.known_member(kind, &member.value).await?;
            plan.remove.remove(&member.value);
            let there = self
                .store
                .get(&self.keys.member(group, &member.value))
                .await?
                .is_some();
            if there {
                continue;
            }
            if linked.anchor.is_none() && !self.is_outside(kind, group).await? {
                plan.no_more.remove(&member.value);
                if !self.comes_later(group, &member.value).await? {
                    plan.later.insert(member.value.clone());
                }
            } else {
                plan.add.insert(member.value.clone(), linked);
            }
        }
        Ok(())
    }

    async fn plan_remove(&self, group: &str, plan: &mut MemberPlan, id: &str) -> Result<(), Error> {
        plan.add.remove(id);
        plan.later.remove(id);
        if self
            .store
            .get(&self.keys.member(group, id))
            .await?
            .is_some()
        {
            plan.remove.insert(id.to_owned());
        } else if self.comes_later(group, id).await? {
            plan.no_more.insert(id.to_owned());
        }
        Ok(())
    }

    async fn plan_replace(
        &self,
        kind: &Kind,
        group: &str,
        plan: &mut MemberPlan,
        members: &[Member],
    ) -> Result<(), Error> {
        let wanted: BTreeSet<&str> = members.iter().map(|m| m.value.as_str()).collect();
        for (id, _) in self.present_members(group, plan).await? {
            if !wanted.contains(id.as_str()) {
                self.plan_remove(group, plan, &id).await?;
            }
        }
        self.plan_add(kind, group, plan, members).await
    }

    /// The members as they would be after `plan`.
    async fn present_members(
        &self,
        group: &str,
        plan: &MemberPlan,
    ) -> Result<Vec<(String, Value)>, Error> {
        let mut present = Vec::new();
        for (key, ty) in self
            .store
            .scan(Range::prefix(self.keys.members(group)))
            .await?
        {
            let id = id_of(&key);
            if !plan.remove.contains(&id) {
                let ty = String::from_utf8_lossy(&ty).into_owned();
                present.push((id.clone(), json!({"value": id, "type": ty})));
            }
        }
        for (id, linked) in &plan.add {
            present.push((id.clone(), json!({"value": id, "type": linked.ty})));
        }
        Ok(present)
    }

    /// A member must be a resource that the host knows: 400 names the one that
    /// is not. Entra counts it as a reference failure and sends it again later.
    async fn known_member(&self, kind: &Kind, id: &str) -> Result<Linked, Error> {
        for name in &kind.members {
            let Some(member) = self.kinds.iter().find(|k| k.name == *name) else {
                continue;
            };
            let anchor = self.anchor_of(member, id).await?;
            if anchor.is_some() || self.is_outside(member, id).await? {
                return Ok(Linked {
                    ty: member.ty().name.clone(),
                    anchor,
                });
            }
        }
        Err(Error::Reference(ScimError::invalid_value(format!(
            "there is no resource with id `{id}` that could be a member of a {}",
            kind.ty().name
        ))))
    }

    /// Fails before anything is written when a member is not known.
    pub(crate) async fn known_members(&self, kind: &Kind, members: &[Member]) -> Result<(), Error> {
        for member in members {
            self.known_member(kind, &member.value).await?;
        }
        Ok(())
    }

    /// The members that come with a new group.
    pub(crate) async fn add_members(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        group: &str,
        stored: Stored,
        members: &[Member],
    ) -> Result<Stored, Error> {
        let plan = self
            .plan_members(kind, group, &[MemberEdit::Add(members.to_vec())])
            .await?;
        self.change_members(r, kind, group, stored, plan).await
    }

    pub(crate) async fn change_members(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        group: &str,
        stored: Stored,
        plan: MemberPlan,
    ) -> Result<Stored, Error> {
        if plan.is_empty() {
            return Ok(stored);
        }
        if stored.record.outside || plan.touches_nobody() {
            return self.finish_members(r, kind, group, &stored, &plan).await;
        }
        if !self.connector.abilities().members {
            return Err(Error::NotSupported(format!(
                "app `{}` has no memberships: its connector does not export `members`",
                self.name
            )));
        }
        let anchor = stored.record.anchor.clone();
        let step = Step::Members {
            anchor: anchor.clone(),
            add: plan.add.keys().cloned().collect(),
            remove: plan.remove.iter().cloned().collect(),
        };
        let intent = Self::intent(r, kind, step);
        let unchanged = Commit::new().equals(
            self.keys.record(&kind.ty().name, group),
            stored.bytes.clone(),
        );
        self.begin(group, &intent, unchanged).await?;
        let add: Vec<String> = plan
            .add
            .values()
            .filter_map(|linked| linked.anchor.clone())
            .collect();
        let remove = self.anchors_of(kind, &plan.remove).await?;
        let written = self
            .write(
                r,
                "change-members",
                self.connector
                    .change_members(&r.call(), &anchor, &add, &remove, &intent.request),
            )
            .await;
        match written {
            Ok(()) => self.finish_members(r, kind, group, &stored, &plan).await,
            Err(error) if error.fault() == Some(Fault::NotFound) => {
                // The group or one of the members: the target is asked which.
                if let Err(unsettled) = self.settle(kind, group, &intent, &r.call()).await {
                    tracing::debug!(app = self.name, %unsettled, "the group is settled later");
                    self.settle_in_background();
                }
                match self.load(kind, group).await? {
                    Some(_) => Err(error.about_a_reference()),
                    None => Err(Error::NotFound {
                        kind: kind.ty().name.clone(),
                        id: group.to_owned(),
                    }),
                }
            }
            Err(error) => Err(self.failed(kind, group, &intent.step, error).await),
        }
    }

    /// The anchors of members that are to go. One that has no record any more
    /// has left the target already.
    async fn anchors_of(&self, kind: &Kind, ids: &BTreeSet<String>) -> Result<Vec<String>, Error> {
        let mut anchors = Vec::with_capacity(ids.len());
        for id in ids {
            if let Ok(linked) = self.known_member(kind, id).await {
                anchors.extend(linked.anchor);
            }
        }
        Ok(anchors)
    }

    async fn finish_members(
        &self,
        r: &Request,
        kind: &Kind,
        group: &str,
        stored: &Stored,
        plan: &MemberPlan,
    ) -> Result<Stored, Error> {
        let mut present = stored.clone();
        let mut arrived: BTreeMap<String, Linked> = plan.add.clone();
        loop {
            let mut commit = Commit::new().delete(self.keys.intent(group));
            for (id, linked) in &arrived {
                commit = self.put_member(commit, group, id, &linked.ty);
            }
            for id in &plan.remove {
                commit = commit
                    .delete(self.keys.member(group, id))
                    .delete(self.keys.group_of(id, group));
            }
            let commit = self.put_later(group, plan, commit).await?;
            let mut record = present.next(&present.record.anchor, present.record.resource.clone());
            record.found = false;
            let (commit, new) = self
                .put_record(kind, group, Some(&present), &record, commit)
                .await?;
            let told = r.told(Action::Members);
            let members = Members {
                added: arrived.keys().cloned().collect(),
                removed: plan.remove.iter().cloned().collect(),
            };
            let account = self.told_of_members(kind, group, &new, &told, members);
            let committed = self.commit_told(commit, &told, &account).await;
            match committed.map_err(Error::from) {
                Ok(()) => {
                    self.shared.confirm(group);
                    self.shared.confirm(&written_mark(group));
                    return Ok(new);
                }
                Err(Error::Contended) => {
                    // Somebody deleted a new member, or refreshed the group, meanwhile.
                    let before = arrived.len();
                    for id in plan.add.keys() {
                        if self.known_member(kind, id).await.is_err() {
                            arrived.remove(id);
                        }
                    }
                    match self.load(kind, group).await? {
                        Some(now) if now.bytes != present.bytes || arrived.len() < before => {
                            present = now;
                        }
                        Some(_) => return Err(Error::Contended),
                        None => {
                            return Err(Error::NotFound {
                                kind: kind.ty().name.clone(),
                                id: group.to_owned(),
                            });
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn told_of_members(
        &self,
        kind: &Kind,
        group: &str,
        stored: &Stored,
        told: &Told,
        members: Members,
    ) -> Account {
        let change = Change {
            members: Some(members),
            ..Change::default()
        };
        told.success(
            &self.name,
            &kind.ty().name,
            group,
            &stored.record.anchor,
            label(&stored.record.resource),
            change,
        )
    }

    /// Whether somebody is to be in a group when he is back.
    async fn comes_later(&self, group: &str, member: &str) -> Result<bool, Error> {
        Ok(self
            .kept_groups(member)
            .await?
            .iter()
            .any(|kept| kept == group))
    }

    async fn put_later(
        &self,
        group: &str,
        plan: &MemberPlan,
        mut commit: Commit,
    ) -> Result<Commit, Error> {
        for member in plan.later.iter().chain(&plan.no_more) {
            let key = self.keys.kept_groups(member);
            let bytes = self.store.get(&key).await?;
            let mut kept: Vec<String> = match &bytes {
                Some(bytes) => decode("kept memberships", bytes)?,
                None => Vec::new(),
            };
            kept.retain(|kept| kept != group);
            if plan.later.contains(member) {
                kept.push(group.to_owned());
            }
            commit = match bytes {
                Some(bytes) => commit.equals(&key, bytes),
                None => commit.absent(&key),
            };
            commit = commit.put(&key, encode(&kept)?);
        }
        Ok(commit)
    }

    pub(crate) async fn has_members(&self, group: &str) -> Result<bool, Error> {
        let one = Range::prefix(self.keys.members(group)).limit(1);
        Ok(!self.store.scan(one).await?.is_empty())
    }

    /// Gives a group that has come into scope the members that the host has of it. Those who are out of scope themselves come
    /// later.
    pub(crate) async fn populate(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        group: &str,
    ) -> Result<(), Error> {
        let Some(anchor) = self.anchor_of(kind, group).await? else {
            return Ok(());
        };
        let (mut add, mut waiting) = (Vec::new(), MemberPlan::default());
        let members = Range::prefix(self.keys.members(group));
        for (key, _) in self.store.scan(members).await? {
            let id = id_of(&key);
            let Ok(linked) = self.known_member(kind, &id).await else {
                continue;
            };
            match linked.anchor {
                Some(anchor) => add.push(anchor),
                None => {
                    waiting.later.insert(id);
                }
            }
        }
        if self.connector.abilities().members {
            let request = Uuid::now_v7().to_string();
            let call = r.call();
            let change = self
                .connector
                .change_members(&call, &anchor, &add, &[], &request);
            match self.write(r, "change-members", change).await {
                Err(why) if why.may_pass() => return Err(why),
                Err(why) => {
                    tracing::warn!(app = self.name, group, %why, "a group that came into scope has not got its members");
                }
                Ok(()) => {}
            }
        }
        let mut commit = self.put_later(group, &waiting, Commit::new()).await?;
        for id in &waiting.later {
            commit = commit
                .delete(self.keys.member(group, id))
                .delete(self.keys.group_of(id, group));
        }
        Ok(self.store.commit(commit).await?)
    }

    fn put_member(&self, commit: Commit, group: &str, id: &str, ty: &str) -> Commit {
        commit
            .exists(self.keys.record(ty, id))
            .put(self.keys.member(group, id), ty)
            .put(self.keys.group_of(id, group), "")
    }

    /// Asks the target who is in the group, and makes that the mirror. With
    /// `settle` the group's intent ends in the same commit, which is told like this.
    pub(crate) async fn read_members(
        &self,
        kind: &Kind,
        group: &str,
        anchor: &str,
        asked: Instant,
        call: &Call,
        settle: Option<&Told>,
    ) -> Result<(), Error> {
        // Read before the target is asked: another host may write the group meanwhile.
        let before = self.load(kind, group).await?;
        let mut anchors = BTreeSet::new();
        let mut cursor: Option<String> = None;
        let mut cursors = BTreeSet::new();
        loop {
            let page = self
                .connector
                .list_members(call, anchor, cursor.as_deref(), PAGE)
                .await
                .map_err(|error| self.target(error))?;
            anchors.extend(page.members);
            match page.cursor {
                Some(next) if cursors.insert(next.clone()) => cursor = Some(next),
                _ => break,
            }
        }
        if settle.is_none()
            && (self.shared.confirmed_since(&written_mark(group), asked)
                || self.open_intent(group).await?.is_some())
        {
            return Ok(());
        }
        let mut listed: BTreeMap<String, String> = BTreeMap::new();
        for anchor in &anchors {
            if let Some((id, ty)) = self.member_at(kind, anchor, call).await? {
                listed.insert(id, ty);
            }
        }
        let mut commit = Commit::new();
        let mut moved = Members::default();
        if settle.is_some() {
            commit = commit.delete(self.keys.intent(group));
        }
        let mut known = BTreeSet::new();
        for (key, _) in self
            .store
            .scan(Range::prefix(self.keys.members(group)))
            .await?
        {
            let id = id_of(&key);
            if !listed.contains_key(&id) {
                commit = commit.delete(self.keys.group_of(&id, group)).delete(key);
                moved.removed.push(id.clone());
            }
            known.insert(id);
        }
        for (id, ty) in listed.iter().filter(|(id, _)| !known.contains(*id)) {
            commit = self.put_member(commit, group, id, ty);
            moved.added.push(id.clone());
        }
        if !commit.is_empty() {
            let Some(stored) = before else {
                return Ok(());
            };
            let record = stored.next(&stored.record.anchor, stored.record.resource.clone());
            let (commit, new) = self
                .put_record(kind, group, Some(&stored), &record, commit)
                .await?;
            match settle {
                Some(told) => {
                    let account = self.told_of_members(kind, group, &new, told, moved);
                    self.commit_told(commit, told, &account).await?;
                }
                None => self.store.commit(commit).await?,
            }
        }
        self.shared.confirm_at(&members_mark(group), asked);
        Ok(())
    }

    /// The resource with this anchor, linked now if it was not: its kind is the
    /// first of the group's member kinds that has it.
    async fn member_at(
        &self,
        kind: &Kind,
        anchor: &str,
        call: &Call,
    ) -> Result<Option<(String, String)>, Error> {
        let kinds: Vec<&Kind> = kind
            .members
            .iter()
            .filter_map(|name| self.kinds.iter().find(|k| k.name == *name))
            .collect();
        for member in &kinds {
            if let Some(id) = self.linked(member, anchor).await? {
                return Ok(Some((id, member.ty().name.clone())));
            }
        }
        for member in &kinds {
            let asked = Instant::now();
            match self
                .connector
                .get(call, &member.name, anchor, &[])
                .await
                .map_err(|e| self.target(e))
            {
                Ok(entry) => {
                    let linked = self.absorb(member, &entry, asked).await?;
                    return Ok(linked.map(|(id, _)| (id, member.ty().name.clone())));
                }
                Err(error) if error.fault() == Some(Fault::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// The freshness of a group's members is kept apart from the group's own: a
/// match query says nothing about them.
pub(crate) fn members_mark(group: &str) -> String {
    format!("{group}/members")
}

/// When the host itself last changed the members: an older answer of the target
/// must not undo that.
fn written_mark(group: &str) -> String {
    format!("{group}/written")
}
