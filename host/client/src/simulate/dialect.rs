//! PATCH in both of Entra's dialects: what today's default writes, and what `aadOptscim062020` on the tenant URL makes
//! of it.

use std::fmt;

use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::mapping::MANAGER;
use super::path::Path;

/// How updates are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The default: one capitalised operation an attribute, booleans as text.
    Legacy,
    /// With the flag: lower case, pathless, flattened keys.
    Flagged,
}

/// Which dialect a job speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialects {
    /// Always the default.
    #[default]
    Legacy,
    /// Always with the flag; on-demand provisioning ignores it.
    Flagged,
    /// Now one, now the other, as the seed falls: a server sees both from one application.
    Mixed,
}

impl Dialects {
    /// The dialect for one object in one cycle.
    pub(crate) fn choose(self, seed: u64, key: &str, cycle: u64) -> Dialect {
        match self {
            Self::Legacy => Dialect::Legacy,
            Self::Flagged => Dialect::Flagged,
            Self::Mixed if Dice::of(seed, key, cycle).chance(50) => Dialect::Legacy,
            Self::Mixed => Dialect::Flagged,
        }
    }
}

impl fmt::Display for Dialects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy",
            Self::Flagged => "flagged",
            Self::Mixed => "mixed",
        })
    }
}

/// One attribute that differs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change<'a> {
    pub(crate) path: &'a Path,
    /// What the target has.
    pub(crate) old: Option<Value>,
    /// What the source has.
    pub(crate) new: Value,
}

impl Dialect {
    /// The operations that make `changes`.
    pub(crate) fn update(self, changes: &[Change<'_>]) -> Value {
        match self {
            Self::Legacy => changes
                .iter()
                .map(|change| {
                    let value = match &change.new {
                        Value::Bool(true) => json!("True"),
                        Value::Bool(false) => json!("False"),
                        other => other.clone(),
                    };
                    let op = if change.old.is_some() {
                        "Replace"
                    } else {
                        "Add"
                    };
                    json!({ "op": op, "path": change.path.text(), "value": value })
                })
                .collect(),
            Self::Flagged => {
                let mut operations = Vec::new();
                let (mut adds, mut replaces) = (Map::new(), Map::new());
                for change in changes {
                    let (op, keys) = match &change.old {
                        Some(_) => ("replace", &mut replaces),
                        None => ("add", &mut adds),
                    };
                    // Value paths and `active` stay operations of their own.
                    if change.path.is_value_path() || change.path.text() == "active" {
                        operations.push(
                            json!({ "op": op, "path": change.path.text(), "value": change.new }),
                        );
                    } else {
                        keys.insert(change.path.text().to_owned(), change.new.clone());
                    }
                }
                for (op, keys) in [("replace", replaces), ("add", adds)] {
                    if !keys.is_empty() {
                        operations.push(json!({ "op": op, "value": keys }));
                    }
                }
                Value::Array(operations)
            }
        }
    }

    /// Sets the manager: a bare id, as Entra has sent it since 2020, whatever the RFC says.
    pub(crate) fn set_manager(self, id: &str, had_one: bool) -> Value {
        let op = match (self, had_one) {
            (Self::Legacy, false) => "Add",
            (Self::Legacy, true) => "Replace",
            (Self::Flagged, false) => "add",
            (Self::Flagged, true) => "replace",
        };
        json!([{ "op": op, "path": MANAGER, "value": id }])
    }

    /// Takes the manager away; both forms are Entra's.
    pub(crate) fn clear_manager(self) -> Value {
        match self {
            Self::Legacy => json!([{ "op": "Replace", "path": MANAGER, "value": "" }]),
            Self::Flagged => json!([{ "op": "remove", "path": MANAGER }]),
        }
    }

    /// Adds members.
    pub(crate) fn add_members(self, ids: &[&str]) -> Value {
        let op = match self {
            Self::Legacy => "Add",
            Self::Flagged => "add",
        };
        json!([{ "op": op, "path": "members", "value": elements(ids) }])
    }

    /// Removes members, and only those.
    pub(crate) fn remove_members(self, ids: &[&str]) -> Value {
        match self {
            // Not the RFC's: a server that reads it so empties the group.
            Self::Legacy => json!([{ "op": "Remove", "path": "members", "value": elements(ids) }]),
            Self::Flagged => ids
                .iter()
                .map(|id| json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") }))
                .collect(),
        }
    }
}

fn elements(ids: &[&str]) -> Value {
    ids.iter()
        .map(|id| json!({ "$ref": null, "value": id }))
        .collect()
}

/// A PATCH body around its operations.
pub(crate) fn body(operations: &Value) -> String {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(paths: &[Path]) -> Vec<Change<'_>> {
        let new = [
            json!("Ana R"),
            json!("Ana"),
            json!("a@x"),
            json!("Retail"),
            json!(false),
        ];
        let old = [
            Some(json!("Ana")),
            None,
            Some(json!("b@x")),
            Some(json!("Sales")),
            Some(json!(true)),
        ];
        paths
            .iter()
            .zip(old.into_iter().zip(new))
            .map(|(path, (old, new))| Change { path, old, new })
            .collect()
    }

    fn paths() -> Vec<Path> {
        [
            "displayName",
            "name.givenName",
            "emails[type eq \"work\"].value",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
            "active",
        ]
        .into_iter()
        .map(|path| Path::parse(path).unwrap())
        .collect()
    }

    #[test]
    fn the_legacy_dialect_has_an_operation_an_attribute_and_booleans_as_text() {
        let paths = paths();
        assert_eq!(
            Dialect::Legacy.update(&changes(&paths)),
            json!([
                { "op": "Replace", "path": "displayName", "value": "Ana R" },
                { "op": "Add", "path": "name.givenName", "value": "Ana" },
                { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a@x" },
                { "op": "Replace", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "Retail" },
                { "op": "Replace", "path": "active", "value": "False" },
            ])
        );
    }

    #[test]
    fn the_flagged_dialect_flattens_keys_and_leaves_value_paths_alone() {
        let paths = paths();
        assert_eq!(
            Dialect::Flagged.update(&changes(&paths)),
            json!([
                { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@x" },
                { "op": "replace", "path": "active", "value": false },
                { "op": "replace", "value": {
                    "displayName": "Ana R",
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "Retail",
                } },
                { "op": "add", "value": { "name.givenName": "Ana" } },
            ])
        );
    }

    #[test]
    fn members_go_by_value_in_one_dialect_and_by_filter_in_the_other() {
        assert_eq!(
            Dialect::Legacy.remove_members(&["1", "2"]),
            json!([{ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": "1" }, { "$ref": null, "value": "2" }] }])
        );
        assert_eq!(
            Dialect::Flagged.remove_members(&["1"]),
            json!([{ "op": "remove", "path": "members[value eq \"1\"]" }])
        );
    }

    #[test]
    fn mixed_means_both_and_the_same_choice_every_time() {
        let choice = |n: u64| Dialects::Mixed.choose(3, &format!("user {n}"), 1);
        let chosen: Vec<Dialect> = (0..40).map(choice).collect();
        assert!(chosen.contains(&Dialect::Legacy) && chosen.contains(&Dialect::Flagged));
        assert_eq!(chosen, (0..40).map(choice).collect::<Vec<_>>());
    }
}
