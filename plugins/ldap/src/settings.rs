//! The app's `[settings]`, as `manifest.json` describes them.

use serde::Deserialize;
use std::collections::BTreeMap;
use tombolo_sdk::ldap::settings::{Extra, OneOrMore};
use tombolo_sdk::{Failure, Result};

/// Everything an operator can say about the directory.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The root of the tree.
    pub base: String,
    /// The attribute that never changes, whatever an entry is called.
    #[serde(default = "entry_uuid")]
    pub anchor_attribute: String,
    /// How its value is written as an anchor.
    #[serde(default)]
    pub anchor_format: AnchorFormat,
    /// The attribute by which the directory finds an entry by its name; empty: entries are read one by one.
    #[serde(default = "entry_dn")]
    pub dn_attribute: String,
    /// The attribute that changes with every change of an entry; empty: entries have no version.
    #[serde(default = "entry_csn")]
    pub version_attribute: String,
    /// Whether references to an entry that is renamed or deleted are mended by the connector.
    #[serde(default = "yes")]
    pub clean_memberships: bool,
    /// People.
    #[serde(default)]
    pub users: Users,
    /// Groups.
    #[serde(default)]
    pub groups: Groups,
}

/// How an anchor attribute's value is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum AnchorFormat {
    /// As it is: entryUUID, nsUniqueId, ipaUniqueID.
    #[default]
    String,
    /// Bytes, in hex.
    Hex,
    /// 16 bytes in Microsoft's order, as a GUID: objectGUID.
    Guid,
}

/// How far below a base entries are.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Everywhere below.
    #[default]
    Subtree,
    /// Directly below.
    OneLevel,
}

/// `[settings.users]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Users {
    /// Where people are, and new ones go; absent: `ou=people` below the root.
    pub base: Option<String>,
    /// How far below.
    pub scope: Reach,
    /// What a new person is; the first one finds people.
    pub object_classes: Vec<String>,
    /// The attribute that names a person's entry.
    pub rdn: String,
    /// The attribute that holds the user name.
    pub user_name: String,
    /// A further condition on people, RFC 4515.
    pub filter: Option<String>,
    /// How a person is disabled.
    pub disable: Option<Disable>,
    /// Attributes beyond those of inetOrgPerson.
    pub attributes: Vec<Extra>,
    /// Values that a new person has unless the client gives others.
    pub defaults: BTreeMap<String, OneOrMore>,
    /// Whether people can be moved, by writing `parent`.
    pub movable: bool,
}

/// `[settings.groups]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Groups {
    /// Where groups are, and new ones go; absent: `ou=groups` below the root.
    pub base: Option<String>,
    /// How far below.
    pub scope: Reach,
    /// What a new group is; the first one finds groups.
    pub object_classes: Vec<String>,
    /// The attribute that names a group's entry.
    pub rdn: String,
    /// A further condition on groups, RFC 4515.
    pub filter: Option<String>,
    /// The attribute that holds the members; absent: as the object class has it.
    pub member_attribute: Option<String>,
    /// The DN that stands in a group that must have a member and has none.
    pub empty_member: String,
    /// Attributes beyond cn and description.
    pub attributes: Vec<Extra>,
    /// Values that a new group has unless the client gives others.
    pub defaults: BTreeMap<String, OneOrMore>,
}

/// A rule that says who is disabled.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Disable {
    /// The attribute that says it.
    pub attribute: String,
    /// Its value for a disabled person.
    pub disabled: String,
    /// Its value for an enabled one; absent: no value.
    pub enabled: Option<String>,
}

fn entry_uuid() -> String {
    "entryUUID".to_owned()
}

fn entry_dn() -> String {
    "entryDN".to_owned()
}

fn entry_csn() -> String {
    "entryCSN".to_owned()
}

const fn yes() -> bool {
    true
}

impl Default for Users {
    fn default() -> Self {
        Self {
            base: None,
            scope: Reach::Subtree,
            object_classes: vec!["inetOrgPerson".to_owned()],
            rdn: "uid".to_owned(),
            user_name: "uid".to_owned(),
            filter: None,
            disable: None,
            attributes: Vec::new(),
            defaults: BTreeMap::new(),
            movable: false,
        }
    }
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            base: None,
            scope: Reach::Subtree,
            object_classes: vec!["groupOfNames".to_owned()],
            rdn: "cn".to_owned(),
            filter: None,
            member_attribute: None,
            empty_member: String::new(),
            attributes: Vec::new(),
            defaults: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Reads and checks the settings.
    pub fn parse(json: &str) -> Result<Self> {
        let settings: Self =
            serde_json::from_str(json).map_err(|e| Failure::invalid(format!("[settings]: {e}")))?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(Failure::invalid(format!("[settings] {what}")));
        if self.users.object_classes.is_empty() || self.groups.object_classes.is_empty() {
            return wrong("object-classes: name at least one object class");
        }
        for filter in [&self.users.filter, &self.groups.filter]
            .into_iter()
            .flatten()
        {
            if !(filter.starts_with('(') && filter.ends_with(')')) {
                return wrong("filter: write it in parentheses, as in (employeeType=staff)");
            }
        }
        Ok(())
    }

    /// Where people are.
    pub fn users_base(&self) -> String {
        self.users
            .base
            .clone()
            .unwrap_or_else(|| format!("ou=people,{}", self.base))
    }

    /// Where groups are.
    pub fn groups_base(&self) -> String {
        self.groups
            .base
            .clone()
            .unwrap_or_else(|| format!("ou=groups,{}", self.base))
    }
}

impl Groups {
    fn is(&self, class: &str) -> bool {
        self.object_classes
            .iter()
            .any(|c| c.eq_ignore_ascii_case(class))
    }

    /// The attribute that holds the members.
    pub fn member_attribute(&self) -> &str {
        match &self.member_attribute {
            Some(name) => name,
            None if self.is("groupOfUniqueNames") => "uniqueMember",
            // RFC 2307 groups list user names; RFC 2307bis ones are groupOfNames too.
            None if self.is("posixGroup") && !self.is("groupOfNames") => "memberUid",
            None => "member",
        }
    }

    /// Whether members are user names and not DNs.
    pub fn members_by_name(&self) -> bool {
        self.member_attribute().eq_ignore_ascii_case("memberUid")
    }

    /// Whether the schema wants at least one member in a group.
    pub fn wants_a_member(&self) -> bool {
        self.is("groupOfNames") || self.is("groupOfUniqueNames")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_enough() {
        let settings = Settings::parse(r#"{"base":"dc=x"}"#).expect("settings");
        assert_eq!(settings.users_base(), "ou=people,dc=x");
        assert_eq!(settings.groups_base(), "ou=groups,dc=x");
        assert_eq!(settings.groups.member_attribute(), "member");
        assert!(settings.groups.wants_a_member() && settings.clean_memberships);
    }

    #[test]
    fn the_member_attribute_follows_the_object_class() {
        let settings = |classes: &str| {
            Settings::parse(&format!(
                r#"{{"base":"dc=x","groups":{{"object-classes":{classes}}}}}"#
            ))
            .expect("settings")
        };
        assert_eq!(
            settings(r#"["posixGroup"]"#).groups.member_attribute(),
            "memberUid"
        );
        assert!(!settings(r#"["posixGroup"]"#).groups.wants_a_member());
        assert_eq!(
            settings(r#"["groupOfUniqueNames"]"#)
                .groups
                .member_attribute(),
            "uniqueMember"
        );
        assert_eq!(
            settings(r#"["groupOfNames","posixGroup"]"#)
                .groups
                .member_attribute(),
            "member"
        );
    }

    #[test]
    fn a_misspelt_setting_is_refused_by_name() {
        let failure =
            Settings::parse(r#"{"base":"dc=x","users":{"bse":"y"}}"#).expect_err("misspelt");
        assert!(failure.message.contains("bse"), "{}", failure.message);
        assert!(Settings::parse(r#"{"base":"dc=x","users":{"filter":"a=b"}}"#).is_err());
    }
}
