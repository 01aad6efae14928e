//! The app's `[settings]`, as `manifest.json` describes them.

use std::collections::BTreeMap;

use serde::Deserialize;
use tombolo_sdk::ldap::dn;
use tombolo_sdk::ldap::settings::{Extra, OneOrMore};
use tombolo_sdk::{Failure, Result};

/// Everything an operator can say about the domain.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The domain's naming context.
    pub base: String,
    /// Where nothing is written.
    #[serde(default)]
    pub protected: Vec<String>,
    /// What new entries are marked with.
    #[serde(default)]
    pub marker: Marker,
    /// Whether critical system objects are shown.
    #[serde(default)]
    pub system_objects: bool,
    /// Users.
    #[serde(default)]
    pub users: Users,
    /// Groups.
    #[serde(default)]
    pub groups: Groups,
}

/// `[settings.marker]`: an attribute that says who made an entry.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Marker {
    /// The attribute; empty: nothing is marked.
    pub attribute: String,
    /// Its value for users.
    pub user: String,
    /// Its value for groups.
    pub group: String,
}

/// `[settings.users]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Users {
    /// Below which users are.
    pub base: Option<String>,
    /// Where new users go when no place fits.
    pub container: Option<String>,
    /// Where users go by a value of theirs.
    pub places: Vec<Place>,
    /// A further condition, RFC 4515.
    pub filter: Option<String>,
    /// Whether `cn` follows `displayName`.
    pub rename: bool,
    /// Attributes beyond the usual ones.
    pub attributes: Vec<Extra>,
    /// Values of a new user.
    pub defaults: BTreeMap<String, OneOrMore>,
}

/// `[settings.groups]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Groups {
    /// Below which groups are.
    pub base: Option<String>,
    /// Where new groups go when no place fits.
    pub container: Option<String>,
    /// Where groups go by a value of theirs.
    pub places: Vec<Place>,
    /// A further condition, RFC 4515.
    pub filter: Option<String>,
    /// The scope of new groups.
    pub scope: GroupScope,
    /// Whether new groups are security groups.
    pub security: bool,
    /// Attributes beyond the usual ones.
    pub attributes: Vec<Extra>,
    /// Values of a new group.
    pub defaults: BTreeMap<String, OneOrMore>,
}

/// Where entries with certain values go.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Place {
    /// The attribute that decides.
    pub attribute: String,
    /// Its values, compared without case.
    pub values: Vec<String>,
    /// The DN of the container.
    pub container: String,
}

/// How far a group reaches (\[MS-ADTS\] 2.2.12).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum GroupScope {
    /// The forest; members from anywhere in it.
    #[default]
    Universal,
    /// Members from the domain.
    Global,
    /// Rights in the domain.
    DomainLocal,
}

impl Default for Marker {
    fn default() -> Self {
        Self {
            attribute: "adminDescription".to_owned(),
            user: "User_Tombolo".to_owned(),
            group: "Group_Tombolo".to_owned(),
        }
    }
}

impl Default for Users {
    fn default() -> Self {
        Self {
            base: None,
            container: None,
            places: Vec::new(),
            filter: None,
            rename: true,
            attributes: Vec::new(),
            defaults: BTreeMap::new(),
        }
    }
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            base: None,
            container: None,
            places: Vec::new(),
            filter: None,
            scope: GroupScope::Universal,
            security: true,
            attributes: Vec::new(),
            defaults: BTreeMap::new(),
        }
    }
}

impl GroupScope {
    /// The bit of `groupType`.
    pub const fn bit(self) -> i32 {
        match self {
            Self::Global => 2,
            Self::DomainLocal => 4,
            Self::Universal => 8,
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
        let wrong = |what: String| Err(Failure::invalid(format!("[settings] {what}")));
        for filter in [&self.users.filter, &self.groups.filter]
            .into_iter()
            .flatten()
        {
            if !(filter.starts_with('(') && filter.ends_with(')')) {
                return wrong(
                    "filter: write it in parentheses, as in (employeeType=staff)".to_owned(),
                );
            }
        }
        let containers = [&self.users.container, &self.groups.container];
        let containers = containers.into_iter().flatten();
        let places = self.users.places.iter().chain(&self.groups.places);
        for (name, below) in containers
            .chain(places.map(|place| &place.container))
            .chain([&self.users.base, &self.groups.base].into_iter().flatten())
            .map(|name| (name, &self.base))
        {
            if !dn::is_name(name) || !dn::is_within(name, below) {
                return wrong(format!(
                    "`{name}` is not the name of anything below base, `{below}`"
                ));
            }
        }
        for name in self.protected.iter().chain([&self.base]) {
            if !dn::is_name(name) {
                return wrong(format!("`{name}` is not a distinguished name"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_enough() {
        let settings = Settings::parse(r#"{"base":"DC=x"}"#).expect("settings");
        assert!(settings.users.rename && settings.groups.security);
        assert_eq!(settings.groups.scope.bit(), 8);
        assert_eq!(settings.marker.user, "User_Tombolo");
    }

    #[test]
    fn what_is_misspelt_or_elsewhere_is_refused_by_name() {
        let failure = |json: &str| Settings::parse(json).expect_err(json).message;
        assert!(failure(r#"{"base":"DC=x","users":{"bse":"y"}}"#).contains("bse"));
        let elsewhere = r#"{"base":"DC=x","users":{"container":"OU=a,DC=y"}}"#;
        assert!(failure(elsewhere).contains("OU=a,DC=y"));
        assert!(failure(r#"{"base":"DC=x","protected":["Sales"]}"#).contains("Sales"));
        assert!(failure(r#"{"base":"DC=x","users":{"filter":"a=b"}}"#).contains("parentheses"));
    }
}
