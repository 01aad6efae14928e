//! What the simulated tenant has: users and groups with the properties that Entra gives them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A user. `properties` have Microsoft Graph's names: `displayName`, `surname`, `jobTitle`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The objectId: what a link is kept under.
    pub id: String,
    /// What the user signs in with; the first matching attribute.
    pub user_principal_name: String,
    /// Not blocked.
    pub account_enabled: bool,
    /// Assigned to the application, and inside its scoping filter.
    pub assigned: bool,
    /// In the tenant's recycle bin, for 30 days.
    pub soft_deleted: bool,
    /// The manager's `id`.
    pub manager: Option<String>,
    /// Every other property that has a value.
    pub properties: BTreeMap<String, String>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The objectId.
    pub id: String,
    /// Its name; the matching attribute.
    pub display_name: String,
    /// Assigned to the application.
    pub assigned: bool,
    /// The direct members' `id`s (nested groups are not provisioned).
    pub members: BTreeSet<String>,
}

/// Users and groups by `id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Users.
    pub users: BTreeMap<String, User>,
    /// Groups.
    pub groups: BTreeMap<String, Group>,
}

impl User {
    /// An active user without properties.
    pub fn new(id: impl Into<String>, user_principal_name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            user_principal_name: user_principal_name.into(),
            account_enabled: true,
            assigned: true,
            soft_deleted: false,
            manager: None,
            properties: BTreeMap::new(),
        }
    }

    /// One property, by Graph's name.
    pub fn property(&self, name: &str) -> Option<&str> {
        match name {
            "id" | "objectId" => Some(&self.id),
            "userPrincipalName" => Some(&self.user_principal_name),
            _ => self.properties.get(name).map(String::as_str),
        }
    }

    /// Whether the service manages the user at all.
    pub fn in_scope(&self) -> bool {
        self.assigned && !self.soft_deleted
    }

    /// Entra's `IsSoftDeleted`, which flows to `active`: unassigned, filtered out, in the recycle bin, or blocked.
    pub fn is_soft_deleted(&self) -> bool {
        !self.in_scope() || !self.account_enabled
    }
}

impl Tenant {
    /// The groups that are in scope.
    pub fn groups_in_scope(&self) -> impl Iterator<Item = &Group> {
        self.groups.values().filter(|group| group.assigned)
    }

    /// A group, if it is there and in scope.
    pub fn group_in_scope(&self, id: &str) -> Option<&Group> {
        self.groups.get(id).filter(|group| group.assigned)
    }

    /// A user by `id` or `userPrincipalName`, as an administrator types it.
    pub fn find_user(&self, name: &str) -> Option<&User> {
        self.users.get(name).or_else(|| {
            self.users
                .values()
                .find(|user| user.user_principal_name.eq_ignore_ascii_case(name))
        })
    }

    /// A group by `id` or `displayName`.
    pub fn find_group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name).or_else(|| {
            self.groups
                .values()
                .find(|group| group.display_name.eq_ignore_ascii_case(name))
        })
    }
}
