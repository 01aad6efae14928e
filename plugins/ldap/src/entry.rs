//! From the directory's entries to the contract's.

use tombolo_sdk::host::ldap::LdapEntry;
use tombolo_sdk::{Attribute, Entry, Failure, Result, Scalar, Value};

use crate::attribute::{Offered, Syntax, from_directory};
use crate::kind::{ACTIVE, DN, Kind, PARENT};
use crate::settings::{Disable, Settings};
use crate::{directory, dn, references};

/// Entries with their references translated, all at once. An empty list wants every attribute.
pub fn entries(
    settings: &Settings,
    kind: &Kind,
    found: &[LdapEntry],
    wanted: &[String],
) -> Result<Vec<Entry>> {
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    let offered: Vec<&Offered> = kind
        .offered
        .iter()
        .filter(|offered| offered.is_readable() && is_wanted(offered.name()))
        .collect();
    let mut referred: Vec<&str> = offered
        .iter()
        .filter(|offered| offered.syntax == Syntax::Reference)
        .flat_map(|offered| {
            found
                .iter()
                .flat_map(|entry| directory::values(entry, offered.name()))
        })
        .filter_map(|value| std::str::from_utf8(value).ok())
        .collect();
    referred.sort_unstable();
    referred.dedup();
    let anchors = references::anchors(settings, &Kind::user(settings), &referred)?;
    found
        .iter()
        .map(|entry| {
            let anchor = references::anchor_of(kind, entry).ok_or_else(|| no_anchor(kind))?;
            let mut made = Entry::new(anchor);
            made.version = directory::text(entry, &kind.version).map(str::to_owned);
            for offered in &offered {
                let values = contract_values(offered, entry, &anchors);
                if !values.is_empty() {
                    made.attributes.push(Attribute {
                        name: offered.name().to_owned(),
                        values,
                    });
                }
            }
            if let Some(rule) = kind.disable.as_ref().filter(|_| is_wanted(ACTIVE)) {
                made.attributes
                    .push(Attribute::new(ACTIVE, !is_disabled(rule, entry)));
            }
            if kind.offers_dn() && is_wanted(DN) {
                made.attributes.push(Attribute::new(DN, entry.dn.as_str()));
            }
            if kind.offers_parent() && is_wanted(PARENT) {
                let above = dn::split(&entry.dn).1;
                made.attributes.push(Attribute::new(PARENT, above));
            }
            Ok(made)
        })
        .collect()
}

fn contract_values(
    offered: &Offered,
    entry: &LdapEntry,
    anchors: &std::collections::BTreeMap<String, String>,
) -> Vec<Value> {
    let raw = directory::values(entry, offered.name());
    let mut values: Vec<Value> = match offered.syntax {
        Syntax::Reference => raw
            .iter()
            .filter_map(|value| anchors.get(&dn::key(std::str::from_utf8(value).ok()?)))
            .map(|anchor| Value::Simple(Scalar::Text(anchor.clone())))
            .collect(),
        syntax => {
            // Values have no order. Of a naming attribute's values the one in the name is meant.
            let naming = naming_value(&entry.dn, offered.name());
            let first = naming.iter().filter(|naming| raw.contains(naming));
            let rest = raw.iter().filter(|value| Some(*value) != naming.as_ref());
            first
                .chain(rest)
                .filter_map(|value| from_directory(syntax, value))
                .collect()
        }
    };
    if !offered.field.multi {
        values.truncate(1);
    }
    values
}

/// The value that an attribute has in an entry's relative name.
pub fn naming_value(dn: &str, attribute: &str) -> Option<Vec<u8>> {
    let parts = dn::parse_rdn(dn::split(dn).0)?;
    parts
        .into_iter()
        .find(|part| part.attribute.eq_ignore_ascii_case(attribute))
        .map(|part| part.value)
}

fn is_disabled(rule: &Disable, entry: &LdapEntry) -> bool {
    directory::values(entry, &rule.attribute)
        .iter()
        .any(|value| value.eq_ignore_ascii_case(rule.disabled.as_bytes()))
}

fn no_anchor(kind: &Kind) -> Failure {
    Failure::other(format!(
        "the directory shows no `{}` of a {}: set anchor-attribute in [settings], or let the bind DN read it",
        kind.anchor, kind.name
    ))
}

/// The directory's entry with this anchor.
pub fn find(kind: &Kind, anchor: &str, attributes: &[String]) -> Result<LdapEntry> {
    let missing = || {
        Failure::not_found(format!(
            "no {} in the directory has {} {anchor}",
            kind.name, kind.anchor
        ))
    };
    let filter = kind.anchor_filter(anchor).ok_or_else(missing)?;
    let found = directory::page(&kind.base, kind.scope, &filter, attributes, None, 2)?;
    found.entries.into_iter().next().ok_or_else(missing)
}

/// One entry by its name, as it is now.
pub fn by_name(settings: &Settings, kind: &Kind, dn: &str) -> Result<Entry> {
    let found = directory::read(dn, "(objectClass=*)", &kind.to_read(&[]))?.ok_or_else(|| {
        Failure::other(format!(
            "the {} was written, and the directory does not show it",
            kind.name
        ))
    })?;
    let mut entries = entries(settings, kind, std::slice::from_ref(&found), &[])?;
    entries.pop().ok_or_else(|| no_anchor(kind))
}
