//! The connector for Active Directory: users and groups of a domain, as a source and as a target.
//!
//! A crate of its own and no profile of `plugins/ldap`: passwords, flags, containers, primary groups, ranges and
//! tombstones are other mechanisms, not other attribute names. What is LDAP in both (names, GUIDs, results) is the SDK's.
//!
//! May not know: where the domain controller is and as whom it is bound; that is the target `directory` of the
//! operator's file. Nor SCIM: attributes are called what the directory calls them.
//!
//! | module | idea |
//! |---|---|
//! | [`settings`] | what the operator says |
//! | [`kind`], [`attribute`], [`account`] | what is offered, where it is, and how values are written |
//! | [`directory`] | the host's capability |
//! | [`naming`] | names that nobody gives |
//! | [`entry`], [`create`], [`update`] | reading and writing entries |
//! | [`references`], [`members`] | DNs in values |
//! | [`filter`] | searching |
//! | [`password`], [`delta`] | passwords, and what has changed |

pub mod account;
pub mod attribute;
pub mod create;
pub mod delta;
pub mod directory;
pub mod entry;
pub mod filter;
pub mod kind;
pub mod members;
pub mod naming;
pub mod password;
pub mod references;
pub mod settings;
pub mod update;

use tombolo_sdk::schema::Description;
use tombolo_sdk::{
    Attribute, Changes, Connector, Delta, Edit, Entry, Failure, Filter, MemberPage, Members, Page,
    Password, Query, Read, Result, Secret, Write, host,
};

use crate::kind::Kind;
use crate::settings::Settings;

/// The connector of one app.
pub struct Domain {
    settings: Settings,
}

impl Connector for Domain {
    fn open() -> Result<Self> {
        Ok(Self {
            settings: Settings::parse(&host::config::settings())?,
        })
    }

    fn describe(&self) -> Result<Description> {
        Ok(kind::describe(&self.settings))
    }

    fn check(&self) -> Result<()> {
        let wanted = [directory::ID.to_owned()];
        for kind in [Kind::user(&self.settings), Kind::group(&self.settings)] {
            for place in [kind.base, kind.container.as_str()]
                .into_iter()
                .chain(kind.places.iter().map(|place| place.container.as_str()))
            {
                let found = directory::read(place, &wanted)?;
                if found.as_ref().and_then(directory::anchor).is_none() {
                    return Err(Failure::other(format!(
                        "the directory shows nothing with an objectGUID at `{place}`: create it, correct [settings], or let the account read it"
                    )));
                }
            }
        }
        Ok(())
    }
}

impl Read for Domain {
    fn get(&self, kind: &str, anchor: &str, wanted: &[String]) -> Result<Entry> {
        let kind = Kind::of(&self.settings, kind)?;
        let found = entry::find(&kind, anchor, &kind.to_read(wanted))?;
        let mut entries = entry::entries(&kind, &[found], wanted)?;
        entries.pop().ok_or_else(|| Failure::not_found(anchor))
    }

    fn search(&self, kind: &str, query: &Query) -> Result<Page> {
        let kind = Kind::of(&self.settings, kind)?;
        let filter = query.filter.as_deref().map(Filter::read).transpose()?;
        let text = match &filter {
            Some(filter) => filter::text(&kind, filter)?,
            None => kind.filter.clone(),
        };
        let cursor = query.cursor.as_ref().map(hex::decode).transpose();
        let cursor = cursor.map_err(|_| Failure::invalid("that is no cursor"))?;
        let mut wanted = query.attributes.clone();
        if let Some(filter) = filter.as_ref().filter(|_| !wanted.is_empty()) {
            filter::attributes(filter, &mut wanted);
        }
        let attributes = kind.to_read(&wanted);
        let found = directory::page(kind.base, &text, &attributes, cursor, query.limit)?;
        let mut entries = entry::entries(&kind, &found.entries, &wanted)?;
        if let Some(filter) = &filter {
            let description = kind::describe(&self.settings);
            let described = description.find(kind.name())?;
            entries.retain(|entry| filter.matches(described, entry));
        }
        let kept = entries
            .into_iter()
            .map(|entry| entry.keep(&query.attributes));
        Ok(Page {
            entries: kept.collect(),
            cursor: found.cursor.map(hex::encode),
            total: None,
        })
    }
}

impl Write for Domain {
    fn create(&self, kind: &str, attributes: &[Attribute], _request: &str) -> Result<Entry> {
        create::create(&Kind::of(&self.settings, kind)?, attributes)
    }

    fn update(
        &self,
        kind: &str,
        anchor: &str,
        edits: &[Edit],
        if_version: Option<&str>,
        _request: &str,
    ) -> Result<Entry> {
        update::update(&Kind::of(&self.settings, kind)?, anchor, edits, if_version)
    }

    fn delete(&self, kind: &str, anchor: &str, _request: &str) -> Result<()> {
        update::delete(&Kind::of(&self.settings, kind)?, anchor)
    }
}

impl Members for Domain {
    fn list_members(&self, group: &str, cursor: Option<&str>, limit: u32) -> Result<MemberPage> {
        members::list(&self.settings, group, cursor, limit)
    }

    fn change_members(
        &self,
        group: &str,
        add: &[String],
        remove: &[String],
        _request: &str,
    ) -> Result<()> {
        members::change(&self.settings, group, add, remove)
    }
}

impl Password for Domain {
    fn set_password(&self, anchor: &str, value: &Secret, must_change: bool) -> Result<()> {
        password::set(&self.settings, anchor, value, must_change)
    }
}

impl Delta for Domain {
    fn since(&self, kind: &str, token: Option<&str>, limit: u32) -> Result<Changes> {
        delta::since(&Kind::of(&self.settings, kind)?, token, limit)
    }
}

tombolo_sdk::export!(Domain: read, write, members, password, delta; manifest = "manifest.json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_for_entras_groups_is_what_the_settings_take() {
        let file: toml::Value =
            toml::from_str(include_str!("../examples/entra-groups.toml")).expect("an app's file");
        let settings = serde_json::to_string(&file["settings"]).expect("settings");
        let settings = Settings::parse(&settings).expect("settings");
        let kind = Kind::group(&settings);
        let expressions = file["mapping"]["group"]["expressions"].as_table();
        for attribute in expressions.expect("expressions").keys() {
            assert!(kind.offered(attribute).is_ok(), "{attribute}");
        }
    }
}
