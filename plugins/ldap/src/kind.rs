//! The two kinds, as the settings have them: where entries are, what they are made of, what is offered.

use tombolo_sdk::host::ldap::{self, Scope};
use tombolo_sdk::schema::{Description, Field, Kind as Described, Mutability, Type};
use tombolo_sdk::{Failure, Result};

use crate::attribute::{Offered, Syntax, of_person};
use crate::dn;
use crate::settings::{AnchorFormat, Disable, Reach, Settings};
use tombolo_sdk::ldap::settings::{Extra, OneOrMore};

/// The attribute that a disable rule is offered as.
pub const ACTIVE: &str = "active";

/// The attribute that a person's distinguished name is offered as.
pub const DN: &str = "dn";
/// The name above an entry: writing it moves the entry.
pub const PARENT: &str = "parent";

/// One kind of entry.
pub struct Kind {
    /// `user` or `group`.
    pub name: &'static str,
    /// Where its entries are.
    pub base: String,
    /// How far below.
    pub scope: Scope,
    /// What a new entry is.
    pub classes: Vec<String>,
    /// What names an entry.
    pub rdn: String,
    /// Finds the kind's entries and no others.
    pub filter: String,
    /// What it offers, apart from `active`.
    pub offered: Vec<Offered>,
    /// The rule behind `active`.
    pub disable: Option<Disable>,
    /// Values of a new entry.
    pub defaults: Vec<(String, Vec<String>)>,
    /// Whether an entry can be moved, by writing `parent`.
    pub movable: bool,
    /// The attribute that never changes.
    pub anchor: String,
    /// How its value is written.
    pub format: AnchorFormat,
    /// The attribute that always changes.
    pub version: String,
}

impl Kind {
    /// The kind of this name.
    pub fn of(settings: &Settings, name: &str) -> Result<Self> {
        match name {
            "user" => Ok(Self::user(settings)),
            "group" => Ok(Self::group(settings)),
            other => Err(Failure::no_such_kind(other)),
        }
    }

    /// People.
    pub fn user(settings: &Settings) -> Self {
        let users = &settings.users;
        let mut name = Offered::new(&users.user_name, Syntax::Text).scim("userName");
        name.field.required = true;
        name.field.unique = true;
        let offered = with_extras(name, of_person(), &users.attributes);
        Self {
            name: "user",
            base: settings.users_base(),
            scope: scope(users.scope),
            classes: users.object_classes.clone(),
            rdn: users.rdn.clone(),
            filter: kind_filter(&users.object_classes, users.filter.as_deref()),
            offered,
            disable: users.disable.clone(),
            defaults: defaults(&users.defaults),
            movable: users.movable,
            anchor: settings.anchor_attribute.clone(),
            format: settings.anchor_format,
            version: settings.version_attribute.clone(),
        }
    }

    /// Groups, apart from their members.
    pub fn group(settings: &Settings) -> Self {
        let groups = &settings.groups;
        let mut name = Offered::new(&groups.rdn, Syntax::Text).scim("displayName");
        name.field.required = true;
        name.field.unique = true;
        let mut others = vec![Offered::new("description", Syntax::Text)];
        if groups
            .object_classes
            .iter()
            .any(|class| class.eq_ignore_ascii_case("posixGroup"))
        {
            others.push(Offered::new("gidNumber", Syntax::Integer));
        }
        Self {
            name: "group",
            base: settings.groups_base(),
            scope: scope(groups.scope),
            classes: groups.object_classes.clone(),
            rdn: groups.rdn.clone(),
            filter: kind_filter(&groups.object_classes, groups.filter.as_deref()),
            offered: with_extras(name, others, &groups.attributes),
            disable: None,
            defaults: defaults(&groups.defaults),
            movable: false,
            anchor: settings.anchor_attribute.clone(),
            format: settings.anchor_format,
            version: settings.version_attribute.clone(),
        }
    }

    /// The offered attribute of this name.
    pub fn offered(&self, name: &str) -> Result<&Offered> {
        self.offered
            .iter()
            .find(|offered| offered.name() == name)
            .ok_or_else(|| {
                Failure::invalid(format!(
                    "a {} has no attribute {name:?} in this directory",
                    self.name
                ))
                .attribute(name)
            })
    }

    /// The directory's attributes to read for these of the contract; an empty list wants all.
    pub fn to_read(&self, wanted: &[String]) -> Vec<String> {
        let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
        let mut names: Vec<String> = self
            .offered
            .iter()
            .filter(|offered| offered.is_readable())
            .map(Offered::name)
            .filter(|name| is_wanted(name))
            .map(str::to_owned)
            .collect();
        if let Some(rule) = self.disable.as_ref().filter(|_| is_wanted(ACTIVE)) {
            names.push(rule.attribute.clone());
        }
        names.push(self.anchor.clone());
        if !self.version.is_empty() {
            names.push(self.version.clone());
        }
        names
    }

    /// The filter that finds the entry with this anchor; none if there can be no such entry.
    pub fn anchor_filter(&self, anchor: &str) -> Option<String> {
        let value = crate::anchor::assertion(self.format, anchor, ldap::escape)?;
        Some(format!("(&{}({}={value}))", self.filter, self.anchor))
    }

    /// Is the distinguished name offered? Not where the operator calls an attribute of his own so.
    pub fn offers_dn(&self) -> bool {
        let is_dn = |offered: &Offered| offered.name().eq_ignore_ascii_case(DN);
        self.name == "user" && !self.offered.iter().any(is_dn)
    }

    /// Can people be moved? Not where the operator calls an attribute of his own so.
    pub fn offers_parent(&self) -> bool {
        let is_parent = |offered: &Offered| offered.name().eq_ignore_ascii_case(PARENT);
        self.movable && !self.offered.iter().any(is_parent)
    }

    /// Fails for a place where entries of the kind are never looked for.
    pub fn holds(&self, parent: &str) -> Result<()> {
        if dn::is_name(parent) && dn::is_within(parent, &self.base) {
            return Ok(());
        }
        Err(Failure::invalid(format!(
            "`{parent}` is no place for a {}: give the name of an entry at or below `{}`",
            self.name, self.base
        ))
        .attribute(PARENT))
    }

    /// Must a new entry have `cn` and `sn`?
    pub fn is_person(&self) -> bool {
        let persons = ["person", "organizationalPerson", "inetOrgPerson"];
        self.classes.iter().any(|class| {
            persons
                .iter()
                .any(|person| class.eq_ignore_ascii_case(person))
        })
    }

    fn describe(&self) -> Described {
        let mut kind = if self.name == "user" {
            Described::user()
        } else {
            Described::group()
        };
        for offered in &self.offered {
            kind = kind.field(offered.field.clone());
        }
        if let Some(rule) = &self.disable {
            let mut field = Field::new(ACTIVE, Type::Boolean);
            field.scim = Some("active".to_owned());
            field.description = Some(format!(
                "false while {} is {}",
                rule.attribute, rule.disabled
            ));
            kind = kind.field(field);
        }
        if self.offers_dn() {
            let mut field = Field::new(DN, Type::Text);
            field.mutability = Mutability::Immutable;
            field.description = Some(
                "Where a new entry is to be, and where it is; nothing is suggested for it"
                    .to_owned(),
            );
            kind = kind.field(field);
        }
        if self.offers_parent() {
            let mut field = Field::new(PARENT, Type::Text);
            field.description = Some(
                "The name above an entry: a change moves it; nothing is suggested for it"
                    .to_owned(),
            );
            kind = kind.field(field);
        }
        kind
    }
}

/// What the connector says about itself under these settings.
pub fn describe(settings: &Settings) -> Description {
    let members: &[&str] = if settings.groups.members_by_name() {
        &["user"]
    } else {
        &["user", "group"]
    };
    Description::new("ldap", env!("CARGO_PKG_VERSION"))
        .kind(Kind::user(settings).describe())
        .kind(
            Kind::group(settings)
                .describe()
                .with_members(members.iter().copied()),
        )
}

/// The naming attribute first; an attribute that the operator describes replaces ours.
fn with_extras(name: Offered, others: Vec<Offered>, extras: &[Extra]) -> Vec<Offered> {
    let mut offered = vec![name];
    for other in extras.iter().map(Offered::from).chain(others) {
        if !offered
            .iter()
            .any(|known| known.name().eq_ignore_ascii_case(other.name()))
        {
            offered.push(other);
        }
    }
    offered
}

fn scope(reach: Reach) -> Scope {
    match reach {
        Reach::Subtree => Scope::Subtree,
        Reach::OneLevel => Scope::OneLevel,
    }
}

fn kind_filter(classes: &[String], further: Option<&str>) -> String {
    let class = classes.first().map_or("*", String::as_str);
    match further {
        Some(further) => format!("(&(objectClass={class}){further})"),
        None => format!("(objectClass={class})"),
    }
}

fn defaults(
    defaults: &std::collections::BTreeMap<String, OneOrMore>,
) -> Vec<(String, Vec<String>)> {
    defaults
        .iter()
        .map(|(name, values)| (name.clone(), values.values().to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: &str) -> Settings {
        Settings::parse(json).expect("settings")
    }

    #[test]
    fn active_is_offered_only_with_a_rule() {
        let names = |json| {
            let description = describe(&settings(json));
            description.kinds[0]
                .attributes
                .iter()
                .map(|field| field.name.clone())
                .collect::<Vec<_>>()
        };
        assert!(!names(r#"{"base":"dc=x"}"#).contains(&ACTIVE.to_owned()));
        let ruled = r#"{"base":"dc=x","users":{"disable":{"attribute":"nsAccountLock","disabled":"TRUE"}}}"#;
        assert!(names(ruled).contains(&ACTIVE.to_owned()));
    }

    #[test]
    fn a_name_is_offered_once_and_the_operators_word_counts() {
        let json = r#"{"base":"dc=x","users":{"user-name":"mail","attributes":[{"name":"title","scim":"nickName"}]}}"#;
        let kind = Kind::user(&settings(json));
        assert_eq!(
            kind.offered.iter().filter(|o| o.name() == "mail").count(),
            1
        );
        assert_eq!(
            kind.offered("mail").expect("mail").field.scim.as_deref(),
            Some("userName")
        );
        assert_eq!(
            kind.offered("title").expect("title").field.scim.as_deref(),
            Some("nickName")
        );
    }

    #[test]
    fn a_further_filter_narrows_the_kind() {
        let kind = Kind::user(&settings(
            r#"{"base":"dc=x","users":{"filter":"(employeeType=staff)"}}"#,
        ));
        assert_eq!(
            kind.filter,
            "(&(objectClass=inetOrgPerson)(employeeType=staff))"
        );
    }

    #[test]
    fn groups_of_names_hold_users_and_groups_and_posix_groups_only_users() {
        let members = |json| describe(&settings(json)).kinds[1].members.clone();
        assert_eq!(members(r#"{"base":"dc=x"}"#), ["user", "group"]);
        assert_eq!(
            members(r#"{"base":"dc=x","groups":{"object-classes":["posixGroup"]}}"#),
            ["user"]
        );
    }

    #[test]
    fn the_name_is_offered_of_people_unless_the_operator_means_something_else_by_it() {
        assert!(Kind::user(&settings(r#"{"base":"dc=x"}"#)).offers_dn());
        assert!(!Kind::group(&settings(r#"{"base":"dc=x"}"#)).offers_dn());
        let own = r#"{"base":"dc=x","users":{"attributes":[{"name":"DN"}]}}"#;
        assert!(!Kind::user(&settings(own)).offers_dn());
    }

    #[test]
    fn a_password_is_written_and_never_read() {
        let json = r#"{"base":"dc=x","users":{"attributes":[{"name":"userPassword"}]}}"#;
        let kind = Kind::user(&settings(json));
        assert!(kind.offered("userPassword").is_ok());
        assert!(!kind.to_read(&[]).contains(&"userPassword".to_owned()));
    }
}
