//! The two kinds, as the settings have them: where entries are, how they are found, what is offered.

use std::collections::BTreeMap;

use tombolo_sdk::ldap::dn;
use tombolo_sdk::schema::{Description, Kind as Described};
use tombolo_sdk::{Failure, Result};

use crate::attribute::{ACTIVE, DN, Offered, PARENT, of_group, of_user};
use crate::directory::{ID, VERSION};
use crate::settings::{Place, Settings};
use tombolo_sdk::ldap::settings::OneOrMore;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Somebody.
    User,
    /// A group.
    Group,
}

/// One kind of entry.
pub struct Kind<'s> {
    /// Which.
    pub which: Which,
    /// What the operator says.
    pub settings: &'s Settings,
    /// Below which its entries are.
    pub base: &'s str,
    /// Where new ones go when no place fits.
    pub container: String,
    /// Where they go by their values.
    pub places: &'s [Place],
    /// Finds the kind's entries and no others.
    pub filter: String,
    /// What it offers.
    pub offered: Vec<Offered>,
    /// Values of a new entry.
    pub defaults: &'s BTreeMap<String, OneOrMore>,
}

impl<'s> Kind<'s> {
    /// The kind of this name.
    pub fn of(settings: &'s Settings, name: &str) -> Result<Self> {
        match name {
            "user" => Ok(Self::user(settings)),
            "group" => Ok(Self::group(settings)),
            other => Err(Failure::no_such_kind(other)),
        }
    }

    /// Users: people, not computers.
    pub fn user(settings: &'s Settings) -> Self {
        let users = &settings.users;
        let (base, container) = place(settings, users.base.as_ref(), users.container.as_ref());
        Self {
            which: Which::User,
            settings,
            base,
            container,
            places: &users.places,
            filter: filter(
                settings,
                "(objectCategory=person)(objectClass=user)",
                users.filter.as_deref(),
            ),
            offered: with_extras(of_user(), users.attributes.iter().map(Offered::from)),
            defaults: &users.defaults,
        }
    }

    /// Groups, apart from their members.
    pub fn group(settings: &'s Settings) -> Self {
        let groups = &settings.groups;
        let (base, container) = place(settings, groups.base.as_ref(), groups.container.as_ref());
        Self {
            which: Which::Group,
            settings,
            base,
            container,
            places: &groups.places,
            filter: filter(
                settings,
                "(objectCategory=group)(objectClass=group)",
                groups.filter.as_deref(),
            ),
            offered: with_extras(of_group(), groups.attributes.iter().map(Offered::from)),
            defaults: &groups.defaults,
        }
    }

    /// Its name in messages and calls.
    pub fn name(&self) -> &'static str {
        match self.which {
            Which::User => "user",
            Which::Group => "group",
        }
    }

    /// What finds the kind's tombstones, too: they lose their category (\[MS-ADTS\] 3.1.1.5.5.1.1).
    pub fn class_filter(&self) -> &'static str {
        match self.which {
            Which::User => "(&(objectClass=user)(!(objectClass=computer)))",
            Which::Group => "(objectClass=group)",
        }
    }

    /// What new entries are marked with; none where nothing is marked.
    pub fn marker(&self) -> Option<(&'s str, &'s str)> {
        let marker = &self.settings.marker;
        let value = match self.which {
            Which::User => &marker.user,
            Which::Group => &marker.group,
        };
        (!marker.attribute.is_empty()).then_some((marker.attribute.as_str(), value.as_str()))
    }

    /// Is this value the mark, and nothing that anybody gave?
    pub fn is_mark(&self, attribute: &str, value: &[u8]) -> bool {
        self.marker().is_some_and(|(marked, mark)| {
            marked.eq_ignore_ascii_case(attribute) && mark.as_bytes() == value
        })
    }

    /// The offered attribute of this name.
    pub fn offered(&self, name: &str) -> Result<&Offered> {
        self.offered
            .iter()
            .find(|offered| offered.name() == name)
            .ok_or_else(|| {
                Failure::invalid(format!("a {} has no attribute {name:?}", self.name()))
                    .attribute(name)
            })
    }

    /// The directory's attributes to read for these of the contract; an empty list wants all.
    pub fn to_read(&self, wanted: &[String]) -> Vec<String> {
        let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
        let offered = self.offered.iter().filter(|o| is_wanted(o.name()));
        let mut names: Vec<String> = offered
            .filter_map(Offered::source)
            .map(str::to_owned)
            .collect();
        names.extend([ID.to_owned(), VERSION.to_owned()]);
        names
    }

    /// Where an entry with such values belongs.
    pub fn belongs(&self, value: impl Fn(&str) -> Option<String>) -> &str {
        let fitting = self.places.iter().find(|place| {
            value(&place.attribute).is_some_and(|value| {
                let value = value.trim().to_lowercase();
                place
                    .values
                    .iter()
                    .any(|known| known.to_lowercase() == value)
            })
        });
        fitting.map_or(self.container.as_str(), |place| place.container.as_str())
    }

    /// Nothing is written where somebody else's synchronisation reads.
    pub fn guard(&self, name: &str) -> Result<()> {
        let protected = &self.settings.protected;
        match protected.iter().find(|part| dn::is_within(name, part)) {
            None => Ok(()),
            Some(part) => Err(Failure::forbidden(format!(
                "`{name}` is within `{part}`, which directory synchronisation reads: what is written there would come back. Choose another container, or take it off `protected` in [settings]"
            ))),
        }
    }

    fn describe(&self) -> Described {
        let kind = match self.which {
            Which::User => Described::user(),
            Which::Group => Described::group().with_members(["user", "group"]),
        };
        self.offered
            .iter()
            .fold(kind, |kind, offered| kind.field(offered.field.clone()))
    }
}

/// What the connector says about itself under these settings.
pub fn describe(settings: &Settings) -> Description {
    Description::new("active-directory", env!("CARGO_PKG_VERSION"))
        .kind(Kind::user(settings).describe())
        .kind(Kind::group(settings).describe())
}

fn place<'s>(
    settings: &'s Settings,
    base: Option<&'s String>,
    container: Option<&String>,
) -> (&'s str, String) {
    let container = container.or(base).cloned();
    let container = container.unwrap_or_else(|| format!("CN=Users,{}", settings.base));
    (base.unwrap_or(&settings.base), container)
}

fn filter(settings: &Settings, classes: &str, further: Option<&str>) -> String {
    let critical = if settings.system_objects {
        ""
    } else {
        "(!(isCriticalSystemObject=TRUE))"
    };
    format!("(&{classes}{critical}{})", further.unwrap_or_default())
}

/// An attribute that the operator describes replaces ours, unless ours is more than an attribute.
fn with_extras(mut usual: Vec<Offered>, extras: impl Iterator<Item = Offered>) -> Vec<Offered> {
    for extra in extras {
        let known = usual
            .iter()
            .position(|known| known.name().eq_ignore_ascii_case(extra.name()));
        match known {
            Some(at) if [ACTIVE, DN, PARENT].contains(&usual[at].name()) => {}
            Some(at) => usual[at] = extra,
            None => usual.push(extra),
        }
    }
    usual
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: &str = r#"{"base":"DC=x","protected":["OU=Synced,DC=x"],"users":{"base":"OU=Staff,DC=x","places":[
        {"attribute":"active","values":["false"],"container":"OU=Left,OU=Staff,DC=x"},
        {"attribute":"department","values":["Sales","Marketing"],"container":"OU=Market,OU=Staff,DC=x"}]}}"#;

    #[test]
    fn the_first_place_that_fits_counts() {
        let settings = Settings::parse(PLACES).expect("settings");
        let kind = Kind::user(&settings);
        let belongs = |department: &str, active: &str| {
            let (department, active) = (department.to_owned(), active.to_owned());
            kind.belongs(|name| match name {
                "active" => Some(active.clone()),
                "department" => Some(department.clone()),
                _ => None,
            })
            .to_owned()
        };
        assert_eq!(belongs("SALES", "true"), "OU=Market,OU=Staff,DC=x");
        assert_eq!(belongs("Sales", "false"), "OU=Left,OU=Staff,DC=x");
        assert_eq!(belongs("Legal", "true"), "OU=Staff,DC=x");
        assert_eq!(Kind::group(&settings).container, "CN=Users,DC=x");
    }

    #[test]
    fn nothing_is_written_where_synchronisation_reads() {
        let settings = Settings::parse(PLACES).expect("settings");
        let kind = Kind::user(&settings);
        assert!(kind.guard("CN=Ana,OU=Staff,DC=x").is_ok());
        let failure = kind
            .guard("cn=Ana,ou=Inner,OU=synced, DC=x")
            .expect_err("guarded");
        assert!(failure.message.contains("OU=Synced,DC=x"));
    }

    #[test]
    fn the_operators_word_about_an_attribute_counts() {
        let json = r#"{"base":"DC=x","users":{"attributes":[{"name":"title","scim":"nickName"},{"name":"extensionAttribute1"},{"name":"active"}]}}"#;
        let settings = Settings::parse(json).expect("settings");
        let kind = Kind::user(&settings);
        let path = |name: &str| kind.offered(name).expect(name).field.scim.clone();
        assert_eq!(path("title").as_deref(), Some("nickName"));
        assert_eq!(path(ACTIVE).as_deref(), Some("active"));
        assert!(
            kind.to_read(&[])
                .contains(&"extensionAttribute1".to_owned())
        );
        assert!(!kind.to_read(&[]).contains(&PARENT.to_owned()));
    }
}
