//! What a cycle has to do: the difference between the watermark and the source, and what is due from escrow.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::escrow::Entry;
use super::state::State;
use super::tenant::{Group, Tenant, User};

/// A cycle's work, in the order in which it is done.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan<'a> {
    /// Users that are new, changed or tried again.
    pub(crate) users: Vec<&'a User>,
    /// Users whose manager may have to be written.
    pub(crate) managers: Vec<&'a User>,
    /// Groups that are new, changed or tried again.
    pub(crate) groups: Vec<&'a Group>,
    /// Groups whose members may have to be written.
    pub(crate) members: Vec<&'a Group>,
    /// Links of groups that are gone from the source or from the scope.
    pub(crate) groups_gone: Vec<String>,
    /// Links of users that are gone from the source.
    pub(crate) users_gone: Vec<String>,
    /// Linked users that will be disabled.
    pub(crate) disables: Vec<String>,
}

impl<'a> Plan<'a> {
    /// Without a watermark, everything: an initial cycle.
    pub(crate) fn new(state: &State, tenant: &'a Tenant, now: Timestamp) -> Self {
        let due: BTreeSet<&Entry> = state.escrow.due(now).collect();
        let before = state.watermark.as_ref();
        let mut plan = Self::default();
        for (key, user) in &tenant.users {
            let old = before.and_then(|before| before.users.get(key));
            let again = due.contains(&Entry::User(key.clone()));
            if old != Some(user) || again {
                plan.users.push(user);
            }
            let link = state.users.get(key);
            let moved = old.is_none_or(|old| {
                old.manager != user.manager || (!old.in_scope() && user.in_scope())
            });
            let managed = user.manager.is_some() || link.is_some_and(|link| link.manager.is_some());
            if (moved || again) && managed || due.contains(&Entry::Manager(key.clone())) {
                plan.managers.push(user);
            }
            if user.is_soft_deleted() && link.is_some_and(|link| link.active) {
                plan.disables.push(key.clone());
            }
        }
        for group in tenant.groups_in_scope() {
            let old = before.and_then(|before| before.group_in_scope(&group.id));
            let again = due.contains(&Entry::Group(group.id.clone()));
            if again || old.is_none_or(|old| old.display_name != group.display_name) {
                plan.groups.push(group);
            }
            let moved = old.is_none_or(|old| old.members != group.members);
            if moved || again || due.contains(&Entry::Members(group.id.clone())) {
                plan.members.push(group);
            }
        }
        plan.groups_gone = state
            .groups
            .keys()
            .filter(|key| tenant.group_in_scope(key).is_none())
            .filter(|key| !state.escrow.waits(&Entry::Group((*key).clone()), now))
            .cloned()
            .collect();
        plan.users_gone = state
            .users
            .keys()
            .filter(|key| !tenant.users.contains_key(*key))
            .filter(|key| !state.escrow.waits(&Entry::User((*key).clone()), now))
            .cloned()
            .collect();
        plan
    }

    /// What the accidental-deletion threshold counts: deletes and disables, of users and groups (entra.md 4.7).
    pub(crate) fn deletions(&self, state: &State) -> usize {
        let deleted = self
            .users_gone
            .iter()
            .filter(|key| state.users.get(*key).is_some_and(|link| !link.unassigned))
            .count();
        self.groups_gone.len() + deleted + self.disables.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::failure::{ErrorCode, Failure};
    use crate::simulate::state::{GroupLink, UserLink};

    fn ids<T>(items: &[T], id: impl Fn(&T) -> &str) -> Vec<String> {
        items.iter().map(|item| id(item).to_owned()).collect()
    }

    fn tenant() -> Tenant {
        let mut tenant = Tenant::default();
        for id in ["1", "2", "3"] {
            let mut user = User::new(id, format!("{id}@x"));
            user.manager = (id == "2").then(|| "1".to_owned());
            tenant.users.insert(id.to_owned(), user);
        }
        let group = Group {
            id: "g".to_owned(),
            display_name: "G".to_owned(),
            assigned: true,
            members: BTreeSet::from(["1".to_owned()]),
        };
        tenant.groups.insert("g".to_owned(), group);
        tenant
    }

    /// After an initial cycle that worked.
    fn settled(tenant: &Tenant) -> State {
        let mut state = State::new("http://x", Timestamp::UNIX_EPOCH);
        for (key, user) in &tenant.users {
            let link = UserLink {
                id: key.clone(),
                active: true,
                manager: user.manager.clone(),
                ..UserLink::default()
            };
            state.users.insert(key.clone(), link);
        }
        state.groups.insert(
            "g".to_owned(),
            GroupLink {
                id: "g".to_owned(),
                ..GroupLink::default()
            },
        );
        state.watermark = Some(tenant.clone());
        state
    }

    #[test]
    fn the_first_cycle_is_everything_and_the_next_is_nothing() {
        let tenant = tenant();
        let now = Timestamp::UNIX_EPOCH;
        let state = State::new("http://x", now);
        let plan = Plan::new(&state, &tenant, now);
        assert_eq!(ids(&plan.users, |u| &u.id), ["1", "2", "3"]);
        assert_eq!(ids(&plan.managers, |u| &u.id), ["2"]);
        assert_eq!((plan.groups.len(), plan.members.len()), (1, 1));
        assert_eq!(Plan::new(&settled(&tenant), &tenant, now), Plan::default());
    }

    #[test]
    fn a_later_cycle_is_what_changed_what_is_gone_and_what_is_due() {
        let before = tenant();
        let now = Timestamp::UNIX_EPOCH;
        let mut state = settled(&before);
        let failure = || Failure::new(ErrorCode::InternalServerError, "no");
        state
            .escrow
            .failed(Entry::User("3".to_owned()), now, failure());
        let mut after = before.clone();
        after.users.remove("1");
        after.users.get_mut("2").unwrap().manager = None;
        after.users.get_mut("2").unwrap().account_enabled = false;
        after.groups.get_mut("g").unwrap().assigned = false;
        let plan = Plan::new(&state, &after, now);
        assert_eq!(ids(&plan.users, |u| &u.id), ["2", "3"]);
        assert_eq!(ids(&plan.managers, |u| &u.id), ["2"]);
        assert_eq!(plan.users_gone, ["1"]);
        assert_eq!(plan.groups_gone, ["g"]);
        assert_eq!(plan.disables, ["2"]);
        assert_eq!(plan.deletions(&state), 3);
        // What waits in escrow is left alone.
        state
            .escrow
            .failed(Entry::User("3".to_owned()), now, failure());
        state
            .escrow
            .failed(Entry::User("1".to_owned()), now, failure());
        state
            .escrow
            .failed(Entry::User("1".to_owned()), now, failure());
        let plan = Plan::new(&state, &after, now);
        assert_eq!(ids(&plan.users, |u| &u.id), ["2"]);
        assert!(plan.users_gone.is_empty());
        // What an unassignment has taken from the service reaches nobody and counts for nothing.
        let mut state = settled(&before);
        state.users.get_mut("1").unwrap().unassigned = true;
        assert_eq!(Plan::new(&state, &after, now).deletions(&state), 2);
    }
}
