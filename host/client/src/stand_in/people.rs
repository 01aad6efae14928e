//! Users and groups of the tenant, whichever door they came through.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};
use uuid::Uuid;

pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A user.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct User {
    pub(super) enabled: bool,
    /// What the source's key matches.
    pub(super) employee_id: Option<String>,
    /// The manager's id.
    pub(super) manager: Option<String>,
    /// The manager's key, until there is such a user.
    pub(super) awaited_manager: Option<String>,
    /// Everything else, in SCIM's shape.
    pub(super) attributes: Map<String, Value>,
}

/// A group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) members: BTreeSet<String>,
    pub(super) attributes: Map<String, Value>,
}

#[derive(Debug, Default)]
pub(super) struct People {
    /// By id.
    pub(super) users: BTreeMap<String, User>,
    pub(super) groups: BTreeMap<String, Group>,
    by_employee: HashMap<String, String>,
    by_name: HashMap<String, String>,
}

impl User {
    pub(super) fn name(&self) -> &str {
        self.attributes
            .get("userName")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

impl People {
    /// The user with this employee id.
    pub(super) fn employee(&self, key: &str) -> Option<&str> {
        self.by_employee.get(key).map(String::as_str)
    }

    /// Who has this user principal name.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.by_name.get(&name.to_lowercase()).map(String::as_str)
    }

    /// A new user, or one that has changed.
    pub(super) fn put(&mut self, id: Option<&str>, user: User) -> String {
        let id = id.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
        self.forget_names(&id);
        if let Some(key) = &user.employee_id {
            self.by_employee.insert(key.clone(), id.clone());
        }
        self.by_name.insert(user.name().to_lowercase(), id.clone());
        self.users.insert(id.clone(), user);
        id
    }

    pub(super) fn remove_user(&mut self, id: &str) -> bool {
        self.forget_names(id);
        for group in self.groups.values_mut() {
            group.members.remove(id);
        }
        self.users.remove(id).is_some()
    }

    fn forget_names(&mut self, id: &str) {
        if let Some(old) = self.users.get(id) {
            self.by_name.remove(&old.name().to_lowercase());
            if let Some(key) = &old.employee_id {
                self.by_employee.remove(key);
            }
        }
    }

    /// Managers that were awaited and have come.
    pub(super) fn resolve_managers(&mut self) {
        for user in self.users.values_mut() {
            if let Some(id) = user
                .awaited_manager
                .as_ref()
                .and_then(|key| self.by_employee.get(key))
            {
                user.manager = Some(id.clone());
                user.awaited_manager = None;
            }
        }
    }

    /// By key, for whoever compares.
    pub(super) fn users_state(&self) -> Value {
        let key = |id: &String| self.users.get(id).and_then(|user| user.employee_id.clone());
        let mut users: Vec<Value> = self
            .users
            .iter()
            .map(|(id, user)| {
                json!({
                    "id": id,
                    "employeeId": user.employee_id,
                    "accountEnabled": user.enabled,
                    "userPrincipalName": user.name(),
                    "manager": user.manager.as_ref().and_then(key),
                    "attributes": user.attributes,
                })
            })
            .collect();
        users.sort_by(|a, b| a["employeeId"].as_str().cmp(&b["employeeId"].as_str()));
        users.into()
    }

    pub(super) fn groups_state(&self) -> Value {
        let groups = self.groups.iter().map(|(id, group)| {
            json!({"id": id, "attributes": group.attributes, "members": group.members})
        });
        groups.collect::<Vec<_>>().into()
    }
}
